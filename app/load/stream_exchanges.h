#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>

#include "load/exchange.h"
#include "pattern.h"

// Clients of the three small services of old, as LoadApp wants them (load/exchange.h).
namespace pollux::app {

// Sends a piece of the pattern that ends where `unsent` of it is left to send.
template <class C>
Sent send_pattern(C& conn, std::uint64_t offset, std::uint64_t& unsent) {
  Sent sent;
  while (unsent > 0) {
    const auto piece = pattern_at(offset, unsent);
    const std::size_t room = std::max<std::uint32_t>(conn.send_room(), 1);  // one byte too many brings on_writable
    const auto n = conn.send_reference(piece.first(std::min(piece.size(), room)));
    if (!n) return {sent.bytes, true};
    if (*n == 0) break;
    sent.bytes += *n;
    offset += *n;
    unsent -= *n;
  }
  return sent;
}

// RFC 862: what is sent comes back. All of it is compared; each connection and request has another place of the
// pattern, so that answers which went to the wrong connection are seen.
class EchoExchange {
 public:
  static constexpr bool kEarly = true;
  static constexpr bool kEndless = false;
  struct State {
    std::uint64_t offset = 0;  // in the pattern
    std::uint64_t unsent = 0;
    std::uint64_t received = 0;
  };

  explicit EchoExchange(const ExchangeConfig& config) : size_{config.size} {}

  void begin(State& state, std::uint16_t /*target*/, bool /*last*/, std::uint32_t salt) {
    state = {.offset = std::uint64_t{salt} * 7, .unsent = size_, .received = 0};
  }
  template <class C>
  Sent send(C& conn, State& state) {
    return send_pattern(conn, state.offset + size_ - state.unsent, state.unsent);
  }
  Answer take(State& state, std::span<const std::byte> text) {
    if (text.size() > size_ - state.unsent - state.received) return Answer::kGarbled;  // more than was sent
    if (!is_pattern(text, state.offset + state.received)) return Answer::kMismatch;
    state.received += text.size();
    return state.received == size_ ? Answer::kComplete : Answer::kMore;
  }
  Answer finish(State&) { return Answer::kGarbled; }
  bool may_continue(const State&) const { return true; }

 private:
  std::uint64_t size_;
};

// RFC 863: what is sent is thrown away. That all of it was read shows when the peer closes too.
class DiscardExchange {
 public:
  static constexpr bool kEarly = false;  // close() would take the SYN back
  static constexpr bool kEndless = false;
  struct State {
    std::uint64_t unsent = 0;
  };

  explicit DiscardExchange(const ExchangeConfig& config) : size_{config.size} {}

  void begin(State& state, std::uint16_t, bool, std::uint32_t) { state.unsent = size_; }
  template <class C>
  Sent send(C& conn, State& state) {
    const Sent sent = send_pattern(conn, size_ - state.unsent, state.unsent);
    if (!sent.failed && state.unsent == 0) conn.shutdown();
    return sent;
  }
  Answer take(State&, std::span<const std::byte>) { return Answer::kGarbled; }
  Answer finish(State& state) { return state.unsent == 0 ? Answer::kComplete : Answer::kGarbled; }
  bool may_continue(const State&) const { return false; }

 private:
  std::uint64_t size_;
};

// RFC 864: characters for as long as one likes; here so many.
class ChargenExchange {
 public:
  static constexpr bool kEarly = false;
  static constexpr bool kEndless = true;
  struct State {
    std::uint64_t received = 0;
  };

  explicit ChargenExchange(const ExchangeConfig& config) : size_{config.size}, verify_{config.verify} {}

  void begin(State& state, std::uint16_t, bool, std::uint32_t) { state.received = 0; }
  template <class C>
  Sent send(C&, State&) {
    return {};
  }
  Answer take(State& state, std::span<const std::byte> text) {
    if (verify_ && !is_chargen(text, state.received)) return Answer::kMismatch;
    state.received += text.size();
    return state.received >= size_ ? Answer::kComplete : Answer::kMore;
  }
  Answer finish(State&) { return Answer::kGarbled; }
  bool may_continue(const State&) const { return false; }

 private:
  static bool is_chargen(std::span<const std::byte> text, std::uint64_t offset) {
    while (!text.empty()) {
      const auto expected = chargen_region().subspan(offset % kChargenRegion);
      const std::size_t n = std::min(expected.size(), text.size());
      if (std::memcmp(text.data(), expected.data(), n) != 0) return false;
      text = text.subspan(n);
      offset += n;
    }
    return true;
  }

  std::uint64_t size_;
  bool verify_;
};

}  // namespace pollux::app
