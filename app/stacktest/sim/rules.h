#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "device/impaired_link.h"
#include "wire_view.h"

namespace pollux::sim {

// Which TCP frames: net.drop(nth(2, fin().from(client))).
class FrameMatch {
 public:
  using Test = std::function<bool(const WireView&)>;

  explicit FrameMatch(Test test) : test_{std::move(test)} {}

  FrameMatch from(int host) const {
    FrameMatch m = *this;
    m.host_ = host;
    return m;
  }
  template <class E>
  requires requires(const E& e) { e.host(); }
  FrameMatch from(const E& end) const { return from(end.host()); }
  FrameMatch with_text() const {
    return also([](const WireView& v) { return !v.text.empty(); });
  }
  FrameMatch also(Test other) const {
    FrameMatch m = *this;
    m.test_ = [first = test_, second = std::move(other)](const WireView& v) { return first(v) && second(v); };
    return m;
  }
  // Of those that match, the ones numbered from `first` to `last`, 1 is the first.
  FrameMatch numbered(std::uint64_t first, std::uint64_t last) const {
    FrameMatch m = *this;
    m.first_ = first;
    m.last_ = last;
    return m;
  }

  bool matches(int host, std::span<const std::byte> frame) const {
    WireView view;
    std::string complaint;
    return look(frame, view, complaint) == Sight::kTcp && (!host_ || *host_ == host) && test_(view);
  }
  ImpairedLink::Rule rule() const {
    return [match = *this, seen = std::make_shared<std::uint64_t>(0)](LinkDirection way,
                                                                      std::span<const std::byte> frame) {
      if (!match.matches(way == LinkDirection::kLeftToRight ? 0 : 1, frame)) return false;
      ++*seen;
      return match.first_ <= *seen && *seen <= match.last_;
    };
  }

 private:
  Test test_;
  std::optional<int> host_;
  std::uint64_t first_ = 1;
  std::uint64_t last_ = UINT64_MAX;
};

inline FrameMatch any_segment() {
  return FrameMatch{[](const WireView&) { return true; }};
}
inline FrameMatch fin() {
  return FrameMatch{[](const WireView& v) { return v.fin; }};
}
inline FrameMatch syn() {
  return FrameMatch{[](const WireView& v) { return v.syn && !v.ack_bit; }};
}
inline FrameMatch syn_ack() {
  return FrameMatch{[](const WireView& v) { return v.syn && v.ack_bit; }};
}
inline FrameMatch rst() {
  return FrameMatch{[](const WireView& v) { return v.rst; }};
}
inline FrameMatch text() {
  return FrameMatch{[](const WireView& v) { return !v.text.empty(); }};
}
inline FrameMatch pure_ack() {
  return FrameMatch{[](const WireView& v) { return v.ack_bit && !v.rst && v.length() == 0; }};
}
inline FrameMatch nth(std::uint64_t n, const FrameMatch& match) { return match.numbered(n, n); }
inline FrameMatch first(const FrameMatch& match) { return nth(1, match); }

}  // namespace pollux::sim
