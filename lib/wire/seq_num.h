#pragma once

#include <cstdint>

namespace pollux {

// A TCP sequence number (RFC 9293, 3.4). Arithmetic is modulo 2^32.
//
// Two numbers 2^31 or more apart have no order, so "before" is not transitive:
// there is no operator<=>, and a SeqNum must not key a sorted container.
class SeqNum {
 public:
  constexpr SeqNum() = default;
  constexpr explicit SeqNum(std::uint32_t value) : value_{value} {}

  constexpr std::uint32_t value() const { return value_; }

  friend constexpr SeqNum operator+(SeqNum s, std::uint32_t n) { return SeqNum{s.value_ + n}; }
  friend constexpr SeqNum operator-(SeqNum s, std::uint32_t n) { return SeqNum{s.value_ - n}; }
  constexpr SeqNum& operator+=(std::uint32_t n) {
    value_ += n;
    return *this;
  }

  // How far `a` stands behind `b`, which must not come after it.
  friend constexpr std::uint32_t distance(SeqNum from, SeqNum to) { return to.value_ - from.value_; }

  friend constexpr bool operator==(SeqNum, SeqNum) = default;
  friend constexpr bool operator<(SeqNum a, SeqNum b) { return signed_gap(a, b) < 0; }
  friend constexpr bool operator<=(SeqNum a, SeqNum b) { return signed_gap(a, b) <= 0; }
  friend constexpr bool operator>(SeqNum a, SeqNum b) { return b < a; }
  friend constexpr bool operator>=(SeqNum a, SeqNum b) { return b <= a; }

 private:
  static constexpr std::int32_t signed_gap(SeqNum a, SeqNum b) {
    return static_cast<std::int32_t>(a.value_ - b.value_);
  }

  std::uint32_t value_ = 0;
};

constexpr SeqNum max(SeqNum a, SeqNum b) { return a < b ? b : a; }
constexpr SeqNum min(SeqNum a, SeqNum b) { return a < b ? a : b; }

// Whether `s` is one of the `size` numbers from `first` on.
constexpr bool in_window(SeqNum s, SeqNum first, std::uint32_t size) { return distance(first, s) < size; }

// The four cases of RFC 9293, 3.10.7.4, "first, check sequence number".
constexpr bool acceptable(SeqNum seq, std::uint32_t len, SeqNum nxt, std::uint32_t wnd) {
  if (len == 0) return wnd == 0 ? seq == nxt : in_window(seq, nxt, wnd);
  if (wnd == 0) return false;
  return in_window(seq, nxt, wnd) || in_window(seq + (len - 1), nxt, wnd);
}

}  // namespace pollux
