#pragma once

#include <http_parser.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "hdr_histogram.h"
#include "pattern.h"
#include "service_counters.h"
#include "shard/shard_core.h"

namespace pollux::app {

struct HttpClientConfig {
  IpAddress server;
  std::uint16_t port = 80;
  std::uint32_t clients = 64;  // connections open at the same time
  std::uint64_t body = 1000;   // what the answer must be: so many bytes of the pattern
  bool server_closes = true;
  bool begin = true;  // false: when begin() says so
  tcp::Options options;
};

// What a client measured, as the clock of its core's turns has it.
struct HttpLatency {
  HdrHistogram connect;     // from the call to ESTABLISHED
  HdrHistogram first_byte;  // from the request to the first byte of the answer
  HdrHistogram response;    // from the answer's first byte to its last
  HdrHistogram service;     // from the request to the answer's last byte
  HdrHistogram close;       // from the answer's last byte to the end of the connection, as far as we see it
  HdrHistogram lifetime;    // from the call to that end
  void merge(const HttpLatency& o) {
    connect.merge(o.connect);
    first_byte.merge(o.first_byte);
    response.merge(o.response);
    service.merge(o.service);
    close.merge(o.close);
    lifetime.merge(o.lifetime);
  }
};

// Closed-loop clients back to back: each opens a connection, sends GET /, verifies the
// whole answer, sees the connection closed, and begins again. An App for a Shard;
// opens from on_turn.
class HttpClientApp {
 public:
  explicit HttpClientApp(const HttpClientConfig& config)
      : config_{config}, slots_(config.clients), stopping_{!config.begin} {
    request_ = "GET / HTTP/1.1\r\nHost: pollux\r\n";
    if (config.server_closes) request_ += "Connection: close\r\n";
    request_ += "\r\n";
    for (std::uint32_t i = 0; i < config.clients; ++i) idle_.push_back(config.clients - 1 - i);
  }

  template <class S>
  std::optional<Instant> on_turn(S& shard, Instant now) {
    if (stopping_ || idle_.empty() || now < retry_at_)
      return stopping_ || idle_.empty() ? std::nullopt : std::optional{retry_at_};
    while (!idle_.empty()) {
      if (!open_one(shard, now)) {
        retry_at_ = now + 1ms;
        return retry_at_;
      }
    }
    return std::nullopt;
  }
  void begin() { stopping_ = false; }
  // No new connections; those that are open run to their end.
  void stop() { stopping_ = true; }
  template <class S>
  void on_drain(S&, Instant) {
    stop();
  }

  template <class C>
  void on_open(C conn) {
    Slot& slot = slot_of(conn);
    ++counters_.opened;
    slot.opened = conn.now();
    latency_.connect.record(slot.opened - slot.started);
    const auto sent = conn.send_reference(std::as_bytes(std::span{request_}));
    if (!sent || *sent != request_.size()) return conn.abort();
    counters_.bytes_sent += *sent;
    ++counters_.requests;
  }

  template <class C>
  std::size_t on_text(C conn, std::span<const std::byte> text) {
    Slot& slot = slot_of(conn);
    counters_.bytes_received += text.size();
    if (slot.received == 0) {
      slot.began = conn.now();
      latency_.first_byte.record(slot.began - slot.opened);
    }
    const bool whole_like_before = slot.received == 0 && text.size() == expected_.size() && !expected_.empty() &&
                                   std::memcmp(text.data(), expected_.data(), text.size()) == 0;
    slot.received += text.size();
    if (whole_like_before) [[likely]] {
      answered(conn, slot);
    } else if (!parse(conn, slot, text)) {
      slot.wrong = true;
      conn.abort();
    }
    return text.size();
  }

  template <class C>
  void on_eof(C conn) {
    conn.close();
  }
  template <class C>
  void on_writable(C) {}
  template <class C>
  void on_urgent(C) {}

  template <class C>
  void on_closed(C conn, tcp::Reason reason) {
    Slot& slot = slot_of(conn);
    const bool complete = slot.done && reason == tcp::Reason::kFinished;
    if (complete) {
      ++counters_.completed;
      latency_.close.record(conn.now() - slot.answered);
      latency_.lifetime.record(conn.now() - slot.started);
    } else {
      slot.wrong ? ++counters_.protocol : (counters_.count_failure(reason), 0);
    }
    idle_.push_back(static_cast<std::uint32_t>(conn.user()));
  }

  const ServiceCounters& counters() const { return counters_; }
  // What was measured since the last call, for an empty one.
  void swap_latency(HttpLatency& with) { std::swap(latency_, with); }
  std::uint32_t open() const { return config_.clients - static_cast<std::uint32_t>(idle_.size()); }
  // Why the last active open was refused at once; empty: none was.
  std::string_view refusal() const { return refusal_; }

 private:
  struct Slot {
    Instant started{};
    Instant opened{};
    Instant began{};     // the answer's first byte
    Instant answered{};  // ... and its last
    std::uint64_t received = 0;
    std::uint64_t body = 0;
    http_parser parser{};
    bool done = false;
    bool wrong = false;
  };

  template <class C>
  Slot& slot_of(C& conn) {
    return slots_[conn.user()];
  }

  template <class S>
  bool open_one(S& shard, Instant now) {
    const std::uint32_t number = idle_.back();
    ConnectSpec spec;
    spec.remote = config_.server;
    spec.remote_port = config_.port;
    spec.options = config_.options;
    spec.user = number;
    slots_[number] = Slot{.started = now};
    const auto id = shard.connect(spec, now);
    ++counters_.attempted;
    if (!id) {
      refusal_ = describe(id.error());
      ++(id.error() == ConnectError::kAddressNotAvailable ? counters_.port_exhausted : counters_.no_resources);
      return false;
    }
    idle_.pop_back();
    return true;
  }

  template <class C>
  void answered(C& conn, Slot& slot) {
    slot.done = true;
    ++counters_.responses;
    slot.answered = conn.now();
    latency_.response.record(slot.answered - slot.began);
    latency_.service.record(slot.answered - slot.opened);
    if (!config_.server_closes) conn.close();
  }

  // Where the parser's calls find what they need.
  struct Parsing {
    HttpClientApp& app;
    Slot& slot;
    bool complete = false;
  };

  // The long way: any answer, in pieces of any size. False: not the answer that is wanted.
  template <class C>
  bool parse(C& conn, Slot& slot, std::span<const std::byte> text) {
    if (slot.done) return false;  // more than was asked for
    const bool whole = slot.received == text.size();
    if (whole) http_parser_init(&slot.parser, HTTP_RESPONSE);
    Parsing parsing{*this, slot};
    slot.parser.data = &parsing;
    const std::size_t n =
        http_parser_execute(&slot.parser, &settings(), reinterpret_cast<const char*>(text.data()), text.size());
    slot.parser.data = nullptr;
    if (n != text.size() || slot.parser.http_errno != HPE_OK) return false;
    if (!parsing.complete) return true;
    // Verified: the same bytes again need no second look.
    if (whole && text.size() <= kMostRemembered) expected_.assign(text.begin(), text.end());
    answered(conn, slot);
    return true;
  }

  static const http_parser_settings& settings() {
    static const http_parser_settings kSettings = [] {
      http_parser_settings s;
      http_parser_settings_init(&s);
      s.on_headers_complete = [](http_parser* p) {
        const Parsing& parsing = *static_cast<Parsing*>(p->data);
        return p->status_code == 200 && p->content_length == parsing.app.config_.body ? 0 : -1;
      };
      s.on_body = [](http_parser* p, const char* at, std::size_t size) {
        Slot& slot = static_cast<Parsing*>(p->data)->slot;
        const bool right = is_pattern({reinterpret_cast<const std::byte*>(at), size}, slot.body);
        slot.body += size;
        return right ? 0 : 1;
      };
      s.on_message_complete = [](http_parser* p) {
        static_cast<Parsing*>(p->data)->complete = true;
        return 0;
      };
      return s;
    }();
    return kSettings;
  }

  static constexpr std::size_t kMostRemembered = 4096;

  HttpClientConfig config_;
  std::string request_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> idle_;
  std::vector<std::byte> expected_;  // an answer that has been verified
  ServiceCounters counters_;
  HttpLatency latency_;
  std::string_view refusal_;
  Instant retry_at_{};
  bool stopping_ = false;
};

}  // namespace pollux::app
