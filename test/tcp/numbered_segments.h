#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "test_connection.h"

// Full segments by number, for tests of what is sent again: the n-th begins at(n).

namespace pollux::tcp::test {

inline constexpr std::int64_t kMss = 1460;

inline std::int64_t at(std::int64_t segment) { return 1 + segment * kMss; }

using Segments = std::vector<std::int64_t>;

// Which segments were sent.
inline Segments sent(TestConnection& c) {
  Segments all;
  for (const Sent& s : c.take_all_sent()) all.push_back((s.seq - 1) / kMss);
  return all;
}

inline Conditions with_sack() { return {.peer = {.sack_permitted = true}}; }

// Ten segments are on their way, and `more` wait.
inline TestConnection ten_in_flight(std::int64_t more = 20, const Conditions& given = with_sack()) {
  TestConnection c = established(given);
  c.user_sends(pattern(static_cast<std::size_t>((10 + more) * kMss)));
  EXPECT_EQ(c.take_all_sent().size(), 10u);
  return c;
}

// An acknowledgment of what comes before segment `una`, with blocks [from, to) of segments.
inline void sacks(TestConnection& c, std::int64_t una, std::vector<SegmentSpec::Block> blocks) {
  for (auto& [from, to] : blocks) {
    from = at(from);
    to = at(to);
  }
  c.peer_sends(ack(at(una)).seq(1).sack(std::move(blocks)));
}

inline std::uint32_t cwnd(const TestConnection& c) { return c.tcb().congestion().cwnd; }
inline std::uint32_t ssthresh(const TestConnection& c) { return c.tcb().congestion().ssthresh; }

}  // namespace pollux::tcp::test
