#pragma once

#include <fmt/format.h>
#include <http_parser.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "load/exchange.h"
#include "pattern.h"

namespace pollux::app {

// The first bytes of the bodies that one target sends, learnt from whichever answer is furthest: what the others are
// compared with.
class BodyReference {
 public:
  static constexpr std::size_t kMost = 4u << 20;

  BodyReference() { bytes_.reserve(kMost); }  // not touched before it is used

  // Whether `text`, which stands at `offset` of a body, is what others had there. Beyond kMost all is right.
  bool agrees(std::span<const std::byte> text, std::uint64_t offset) {
    if (offset >= kMost) return true;
    text = text.first(std::min<std::size_t>(text.size(), kMost - offset));
    const std::size_t known = bytes_.size() > offset ? std::min<std::size_t>(bytes_.size() - offset, text.size()) : 0;
    if (known > 0 && std::memcmp(bytes_.data() + offset, text.data(), known) != 0) return false;
    if (offset + known == bytes_.size())
      bytes_.insert(bytes_.end(), text.begin() + static_cast<std::ptrdiff_t>(known), text.end());
    return true;
  }

 private:
  std::vector<std::byte> bytes_;
};

// HTTP/1.1 (RFC 9112): GET, HEAD or POST, and the answer to it.
//
// An answer that comes in one piece and is the same as the last that did is not looked at again: a hundred cycles.
class HttpExchange {
 public:
  static constexpr bool kEarly = true;
  static constexpr bool kEndless = false;

  struct State {
    http_parser parser{};
    std::uint64_t unsent = 0;  // of the request
    std::uint64_t body = 0;    // bytes of it that have come
    std::uint16_t target = 0;
    bool last = false;
    bool begun = false;  // some of the answer has come
    bool complete = false;
    bool mismatch = false;
    bool keep_alive = false;
  };

  explicit HttpExchange(const ExchangeConfig& config)
      : method_{config.method},
        size_{config.method == Method::kPost ? config.size : 0},
        verify_{config.verify},
        pattern_{config.pattern} {
    for (const Target& target : config.targets) {
      requests_.push_back({head(target, false), head(target, config.server_closes)});
      same_.emplace_back();
      same_.back().bytes.reserve(kMostRemembered);
      if (verify_ && !pattern_) bodies_.emplace_back();
    }
  }

  void begin(State& state, std::uint16_t target, bool last, std::uint32_t /*salt*/) {
    state.target = target;
    state.last = last;
    state.begun = state.complete = state.mismatch = false;
    state.body = 0;
    state.unsent = request(state).size() + size_;
  }

  template <class C>
  Sent send(C& conn, State& state) {
    Sent sent;
    while (state.unsent > 0) {
      const auto n =
          state.unsent > size_ ? conn.send_reference(std::as_bytes(std::span{request(state)})) : send_body(conn, state);
      if (!n) return {sent.bytes, true};
      if (*n == 0) break;
      sent.bytes += *n;
      state.unsent -= *n;
    }
    return sent;
  }

  Answer take(State& state, std::span<const std::byte> text) {
    if (!state.begun && state.unsent == 0) {
      const Same& same = same_[state.target];
      if (text.size() == same.bytes.size() && std::memcmp(text.data(), same.bytes.data(), text.size()) == 0)
          [[likely]] {
        state.complete = true;
        state.keep_alive = same.keep_alive;
        return Answer::kComplete;
      }
    }
    return parse(state, text);
  }

  Answer finish(State& state) {
    if (!state.begun) return Answer::kGarbled;
    Parsing parsing{*this, state};
    state.parser.data = &parsing;
    http_parser_execute(&state.parser, &settings(), nullptr, 0);
    return state.complete ? verdict(state) : Answer::kGarbled;
  }

  bool may_continue(const State& state) const { return state.keep_alive && !state.last && state.unsent == 0; }

 private:
  // What a head and its body may take to be remembered.
  static constexpr std::size_t kMostRemembered = 4096;

  struct Requests {
    std::string keep_alive;
    std::string last;
  };
  struct Same {
    std::vector<std::byte> bytes;  // a whole answer that was right; empty: none yet
    bool keep_alive = false;
  };
  // Where the parser's calls find what they need.
  struct Parsing {
    HttpExchange& exchange;
    State& state;
  };

  std::string head(const Target& target, bool close) const {
    constexpr const char* kNames[] = {"GET", "HEAD", "POST"};
    std::string text =
        fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n", kNames[static_cast<int>(method_)], target.path, target.authority);
    if (method_ == Method::kPost) text += fmt::format("Content-Length: {}\r\n", size_);
    if (close) text += "Connection: close\r\n";
    return text + "\r\n";
  }
  const std::string& request(const State& state) const {
    const Requests& both = requests_[state.target];
    return state.last ? both.last : both.keep_alive;
  }

  template <class C>
  auto send_body(C& conn, const State& state) {
    const auto piece = pattern_at(size_ - state.unsent, state.unsent);
    // When there is no room at all, asking for one byte brings on_writable.
    const std::size_t room = std::max<std::uint32_t>(conn.send_room(), 1);
    return conn.send_reference(piece.first(std::min(piece.size(), room)));
  }

  // The long way: any answer, in pieces of any size.
  Answer parse(State& state, std::span<const std::byte> text) {
    const bool whole = !state.begun;
    if (whole) http_parser_init(&state.parser, HTTP_RESPONSE);
    state.begun = true;
    Parsing parsing{*this, state};
    state.parser.data = &parsing;
    const std::size_t n =
        http_parser_execute(&state.parser, &settings(), reinterpret_cast<const char*>(text.data()), text.size());
    if (state.mismatch) return Answer::kMismatch;
    if (n != text.size()) return Answer::kGarbled;
    if (!state.complete) return state.parser.http_errno == HPE_OK ? Answer::kMore : Answer::kGarbled;
    const Answer answer = verdict(state);
    if (answer == Answer::kComplete && whole && text.size() <= kMostRemembered) {
      same_[state.target].bytes.assign(text.begin(), text.end());
      same_[state.target].keep_alive = state.keep_alive;
    }
    return answer;
  }
  Answer verdict(const State& state) const {
    if (state.parser.status_code >= 400) return Answer::kBadStatus;
    const bool whole = !verify_ || !pattern_ || method_ == Method::kHead || state.body == *pattern_;
    return whole ? Answer::kComplete : Answer::kMismatch;
  }
  bool is_right(const State& state, std::span<const std::byte> text) {
    return pattern_ ? is_pattern(text, state.body) : bodies_[state.target].agrees(text, state.body);
  }

  static const http_parser_settings& settings() {
    static const http_parser_settings kSettings = [] {
      http_parser_settings s;
      http_parser_settings_init(&s);
      s.on_headers_complete = [](http_parser* p) {
        // 1: no body follows, whatever its length is said to be (RFC 9110, 9.3.2).
        return static_cast<Parsing*>(p->data)->exchange.method_ == Method::kHead ? 1 : 0;
      };
      s.on_body = [](http_parser* p, const char* at, std::size_t size) {
        auto& [exchange, state] = *static_cast<Parsing*>(p->data);
        const std::span text{reinterpret_cast<const std::byte*>(at), size};
        if (exchange.verify_ && p->status_code == 200) state.mismatch = !exchange.is_right(state, text);
        state.body += size;
        return state.mismatch ? 1 : 0;
      };
      s.on_message_complete = [](http_parser* p) {
        State& state = static_cast<Parsing*>(p->data)->state;
        if (p->status_code / 100 == 1) return 0;  // an interim answer: the one that counts follows
        state.complete = true;
        state.keep_alive = http_should_keep_alive(p) != 0;
        http_parser_pause(p, 1);  // nothing may follow
        return 0;
      };
      return s;
    }();
    return kSettings;
  }

  Method method_;
  std::uint64_t size_;  // of a request's body
  bool verify_;
  std::optional<std::uint64_t> pattern_;
  std::vector<Requests> requests_;  // of each target
  std::vector<Same> same_;
  std::vector<BodyReference> bodies_;
};

}  // namespace pollux::app
