#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "base/slab.h"
#include "http_content.h"
#include "http_request.h"
#include "service_counters.h"
#include "shard/conn.h"
#include "slot_pool.h"

namespace pollux::app {

struct HttpServerConfig {
  std::uint32_t max_connections = 65536;
  Duration header_timeout = 10s;
  Duration idle_timeout = 60s;
  Duration linger = 5s;   // after the last answer: how long the client's FIN is waited for
  Duration stall = 600s;  // an answer that does not move for so long is given up
};

// HTTP/1.1 (RFC 9112), GET and HEAD: an App for a Shard. Answers in order, as many
// requests as come on a connection, pipelined or not. Takes all its memory at start.
//
// A request that comes in one piece and is the same as the one before, on whatever
// connection, is answered without looking at it again: a hundred cycles. Others go
// through the parser; only those that come in pieces keep one (in `partials_`).
//
// While an answer waits for room, further requests stay unread, so that a client
// which does not read cannot make the server keep anything for it.
class HttpApp {
 public:
  HttpApp(const HttpContent& content, const HttpServerConfig& config)
      : content_{content},
        config_{config},
        slots_{config.max_connections},
        partials_{std::min(config.max_connections, kPartials)} {}

  template <class C>
  void on_open(C conn) {
    ++counters_.opened;
    const std::uint32_t number = slots_.take();
    conn.user() = number;
    if (number == 0) return conn.abort();
    Slot& slot = slots_[number];
    slot.id = conn.id();
    slot.since = ticks(conn.now());
  }

  template <class C>
  std::size_t on_text(C conn, std::span<const std::byte> text) {
    const auto number = static_cast<std::uint32_t>(conn.user());
    if (number == 0) return text.size();
    Slot& slot = slots_[number];
    if (slot.phase == Phase::kReading && slot.partial == kNone && same_as_before(text)) [[likely]] {
      if (answer_at_once(conn, slot)) return text.size();
    }
    return read(conn, slot, text);
  }

  template <class C>
  void on_writable(C conn) {
    if (conn.user() == 0) return;
    Slot& slot = slots_[static_cast<std::uint32_t>(conn.user())];
    if (slot.phase == Phase::kAnswering && !pump(conn, slot)) return;
    for (auto text = conn.readable(); !text.empty(); text = conn.readable()) {
      const std::size_t n = read(conn, slot, text);
      conn.consume(static_cast<std::uint32_t>(n));
      if (n < text.size()) return;
    }
  }

  // All requests have been read, but perhaps not all answered.
  template <class C>
  void on_eof(C conn) {
    if (conn.user() == 0) return;
    Slot& slot = slots_[static_cast<std::uint32_t>(conn.user())];
    slot.eof = true;
    if (slot.phase != Phase::kAnswering) close(conn, slot);
  }

  template <class C>
  void on_urgent(C) {}

  template <class C>
  void on_closed(C conn, tcp::Reason reason) {
    counters_.count_closed(reason);
    const auto number = static_cast<std::uint32_t>(conn.user());
    if (number == 0) return;
    drop_partial(slots_[number]);
    slots_.give_back(number);
    conn.user() = 0;
  }

  // Time-outs: a few hundred connections at a time, all of them four times a second.
  template <class S>
  std::optional<Instant> on_turn(S& shard, Instant now) {
    if (now < next_sweep_) [[likely]]
      return slots_.size() == 0 ? std::nullopt : std::optional{next_sweep_};
    const std::uint32_t end = std::min(swept_ + kSweepAtOnce, slots_.last());
    for (std::uint32_t number = swept_ + 1; number <= end; ++number) {
      if (!slots_.in_use(number) || !overdue(slots_[number], now)) continue;
      shard.with(slots_[number].id, now, [&](auto conn) { time_out(conn, slots_[number]); });
    }
    swept_ = end;
    if (end == slots_.last()) {
      swept_ = 0;
      next_sweep_ = now + kSweepEvery;
    }
    return next_sweep_;
  }

  // What is being answered is answered to the end; then, and at once where nothing is, the connection closes.
  template <class S>
  void on_drain(S& shard, Instant now) {
    draining_ = true;
    cached_.size = 0;
    shard.for_each(now, [&](auto conn) {
      if (conn.user() == 0) return;
      Slot& slot = slots_[static_cast<std::uint32_t>(conn.user())];
      if (slot.phase != Phase::kAnswering) close(conn, slot);
    });
  }

  const ServiceCounters& counters() const { return counters_; }
  // Requests answered without the parser.
  std::uint64_t answered_at_once() const { return at_once_; }

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;
  static constexpr std::uint32_t kPartials = 16384;  // requests that may be half here at a time
  static constexpr std::uint32_t kSweepAtOnce = 512;
  static constexpr Duration kSweepEvery = 250ms;

  enum class Phase : std::uint8_t {
    kReading,    // a request, or waiting for one
    kAnswering,  // the answer waits for room
    kLingering,  // all is said, our FIN is out; what comes in is thrown away
    kClosed,     // TCP sees to the rest
  };

  struct Slot {
    ConnId id;
    std::uint32_t since = 0;        // ticks: opened, or last answer done, or request begun, or last progress
    std::uint32_t partial = kNone;  // in partials_: a request of which some has come
    std::uint64_t sent = 0;         // of head and body of `reply`
    HttpReply reply;                // stays as it is once some of it is sent: `sent` counts its bytes
    Phase phase = Phase::kReading;
    bool eof = false;
    bool served = false;  // an answer has been given: idle_timeout counts
  };

  // Of 2^20 ns; differences are right for 52 days.
  static std::uint32_t ticks(Instant now) {
    return static_cast<std::uint32_t>(static_cast<std::uint64_t>(now.time_since_epoch().count()) >> 20);
  }

  // ---- the short way ----

  bool same_as_before(std::span<const std::byte> text) const {
    return text.size() == cached_.size && std::memcmp(text.data(), cached_.request, cached_.size) == 0;
  }

  template <class C>
  bool answer_at_once(C& conn, Slot& slot) {
    const auto sent = conn.send_reference(cached_.answer);
    if (!sent || *sent != cached_.answer.size()) [[unlikely]]
      return false;
    counters_.bytes_received += cached_.size;
    counters_.bytes_sent += *sent;
    ++counters_.requests;
    ++at_once_;
    answered(conn, slot, cached_.close);
    return true;
  }

  void remember(std::span<const std::byte> text, const HttpReply& reply) {
    const auto answer = content_.whole(reply);
    if (answer.empty() || text.size() > sizeof cached_.request || draining_) return;
    std::memcpy(cached_.request, text.data(), text.size());
    cached_.size = text.size();
    cached_.answer = answer;
    cached_.close = reply.close;
  }

  // ---- the long way ----

  // Reads requests and answers them, until there is no more text or no more room.
  template <class C>
  std::size_t read(C& conn, Slot& slot, std::span<const std::byte> text) {
    std::size_t done = 0;
    while (done < text.size() && slot.phase == Phase::kReading) {
      done += read_one(conn, slot, text.subspan(done));
    }
    if (slot.phase == Phase::kLingering || slot.phase == Phase::kClosed) done = text.size();
    counters_.bytes_received += done;
    return done;
  }

  template <class C>
  std::size_t read_one(C& conn, Slot& slot, std::span<const std::byte> text) {
    const bool fresh = slot.partial == kNone;
    if (fresh) scratch_.reset();
    HttpRequest& request = fresh ? scratch_ : partials_[slot.partial];
    const std::size_t n = request.feed(text);
    if (request.error() != 0) {
      reply(conn, slot, HttpContent::error(request.error()));
    } else if (request.complete()) {
      HttpReply answer = content_.find(request.path());
      answer.head_only = request.head();
      answer.close = answer.close || !request.keep_alive() || draining_;
      answer.say_keep_alive = !answer.close && request.http_1_0();
      if (fresh && n == text.size()) remember(text, answer);
      reply(conn, slot, answer);
    } else if (fresh) {
      keep_partial(conn, slot);
    }
    return n;
  }

  template <class C>
  void keep_partial(C& conn, Slot& slot) {
    slot.partial = partials_.alloc(scratch_);
    if (slot.partial == kNone) return reply(conn, slot, HttpContent::error(503));
    slot.since = ticks(conn.now());
  }

  void drop_partial(Slot& slot) {
    if (slot.partial == kNone) return;
    partials_.free(slot.partial);
    slot.partial = kNone;
  }

  template <class C>
  void reply(C& conn, Slot& slot, const HttpReply& what) {
    ++counters_.requests;
    if (what.status >= 400) ++counters_.protocol_errors;
    drop_partial(slot);
    slot.reply = what;
    slot.sent = 0;
    slot.phase = Phase::kAnswering;
    pump(conn, slot);
  }

  // Queues as much of the answer as there is room for. True when that was all of it.
  template <class C>
  bool pump(C& conn, Slot& slot) {
    slot.since = ticks(conn.now());
    char head[HttpContent::kMaxHead];
    const std::size_t head_size = content_.write_head(slot.reply, head);
    const std::uint64_t end = head_size + (slot.reply.head_only ? 0 : slot.reply.size);
    while (slot.sent < end) {
      const bool in_head = slot.sent < head_size;
      const auto sent = in_head ? conn.send(std::as_bytes(std::span{head}.first(head_size)).subspan(slot.sent))
                                : send_body(conn, slot, slot.sent - head_size);
      if (!sent) {
        conn.abort();
        return false;
      }
      slot.sent += *sent;
      counters_.bytes_sent += *sent;
      if (*sent == 0) return false;
    }
    slot.phase = Phase::kReading;
    answered(conn, slot, slot.reply.close);
    return true;
  }

  template <class C>
  auto send_body(C& conn, const Slot& slot, std::uint64_t offset) {
    const auto piece = content_.body_at(slot.reply, offset);
    // When there is no room at all, asking for one byte brings on_writable.
    const std::size_t room = std::max<std::uint32_t>(conn.send_room(), 1);
    return conn.send_reference(piece.first(std::min(piece.size(), room)));
  }

  template <class C>
  void answered(C& conn, Slot& slot, bool close) {
    ++counters_.responses;
    slot.since = ticks(conn.now());
    slot.served = true;
    if (slot.eof) return this->close(conn, slot);
    if (!close && !draining_) return;
    // Not close(): that would reset a client which still sends, and it might lose the answer (RFC 9112, 9.6).
    slot.phase = Phase::kLingering;
    conn.shutdown();
  }

  template <class C>
  void close(C& conn, Slot& slot) {
    slot.phase = Phase::kClosed;
    slot.since = ticks(conn.now());
    conn.close();
  }

  // ---- time-outs ----

  Duration allowed(const Slot& slot) const {
    switch (slot.phase) {
      case Phase::kReading:
        return slot.partial != kNone || !slot.served ? config_.header_timeout : config_.idle_timeout;
      case Phase::kAnswering:
      case Phase::kClosed:
        return config_.stall;
      case Phase::kLingering:
        return config_.linger;
    }
    unreachable();
  }
  bool overdue(const Slot& slot, Instant now) const {
    return ticks(now) - slot.since > static_cast<std::uint64_t>(allowed(slot).count()) >> 20;
  }

  template <class C>
  void time_out(C& conn, Slot& slot) {
    if (slot.phase == Phase::kAnswering || slot.phase == Phase::kClosed) return conn.abort();
    if (slot.partial != kNone) return reply(conn, slot, HttpContent::error(408));
    close(conn, slot);
  }

  const HttpContent& content_;
  HttpServerConfig config_;
  SlotPool<Slot> slots_;
  Slab<HttpRequest> partials_;
  HttpRequest scratch_;
  struct {
    std::byte request[512];
    std::size_t size = 0;
    std::span<const std::byte> answer;
    bool close = false;
  } cached_;
  ServiceCounters counters_;
  std::uint64_t at_once_ = 0;
  Instant next_sweep_{};
  std::uint32_t swept_ = 0;  // of this round
  bool draining_ = false;
};

}  // namespace pollux::app
