// CVE-2019-11477, 11478 and 11479: a peer with the smallest MSS, a large window, and SACK blocks of a few bytes
// anywhere in it. What each of them costs is measured in bench/hostile.cc; here that memory stays bounded, and that all
// arrives.

#include <gtest/gtest.h>

#include <algorithm>

#include "../effort.h"
#include "base/random.h"
#include "tcp/scoreboard.h"
#include "test_connection.h"

namespace pollux::tcp::test {
namespace {

constexpr std::uint32_t kSmss = 48;
constexpr std::uint32_t kInFlight = 21'846 * kSmss;  // 1 MiB
constexpr std::uint32_t kAtOnce = kInFlight / 6;     // what the application hands over in one go
const std::uint64_t kSacks = pollux::test::effort(20'000);

// The peer acknowledges two segments at a time, until nothing is in flight.
void acknowledge_all(TestConnection& c) {
  while (c.snd_una() < c.snd_nxt()) {
    c.peer_sends(ack(std::min<std::int64_t>(c.snd_una() + 2 * std::int64_t{kSmss}, c.snd_nxt())));
    c.take_all_sent();
  }
}

TEST(CraftedSacks, TakeNoMoreMemoryThanTheScoreboardMay) {
  Conditions given;
  given.config.send_buffer = 2 * kInFlight;
  given.options.nodelay = true;
  given.peer = {.mss = kSmss, .wscale = 7, .sack_permitted = true};
  TestConnection c = established(given);
  const std::string text = pattern(kAtOnce);
  const auto send_all = [&] {
    for (std::uint32_t sent = 0; sent < kInFlight; sent += kAtOnce) c.user_sends_reference(text);
  };
  while (c.tcb().congestion().cwnd < kInFlight) {
    send_all();
    acknowledge_all(c);
  }
  send_all();
  ASSERT_EQ(c.snd_nxt() - c.snd_una(), kInFlight);

  Random random{1};
  for (std::uint64_t i = 0; i < kSacks; ++i) {
    std::vector<SegmentSpec::Block> blocks;
    for (int b = 0; b < 3; ++b) {
      const auto left = c.snd_una() + 1 + static_cast<std::int64_t>(random.below(kInFlight - 8));
      blocks.emplace_back(left, left + 1 + static_cast<std::int64_t>(random.below(4)));
    }
    c.peer_sends(ack(c.snd_una()).sack(blocks));
    c.take_all_sent();
    ASSERT_LE(c.sacked_ranges(), Scoreboard::kMaxRanges);
    if (i % 64 == 0) c.sleep(1ms);
  }
  EXPECT_GT(c.sacked_ranges(), 256u);

  acknowledge_all(c);
  EXPECT_EQ(c.snd_una(), c.snd_nxt());
  EXPECT_EQ(c.sacked_ranges(), 0u);
}

}  // namespace
}  // namespace pollux::tcp::test
