#include "runtime/snapshot.h"

#include <gtest/gtest.h>

#include "tcp/state.h"

namespace pollux::runtime {
namespace {

constexpr auto kEstablished = static_cast<std::size_t>(tcp::State::kEstablished);

CoreSnapshot worker(const std::string& group, std::uint64_t sent) {
  CoreSnapshot core;
  core.group = group;
  core.tcp.segments_sent = sent;
  core.queue.tx_dropped = 1;
  return core;
}

TEST(EngineSnapshot, ATotalIsOfOneGroupOrOfAll) {
  EngineSnapshot all;
  all.cores = {worker("a", 1), worker("b", 2), worker("a", 4)};
  EXPECT_EQ(all.total("a").tcp.segments_sent, 5u);
  EXPECT_EQ(all.total().tcp.segments_sent, 7u);
  EXPECT_EQ(all.total().queue.tx_dropped, 3u);
}

// What passes through it the workers have counted; what ends there nobody else has.
TEST(EngineSnapshot, OfAPortCoreOnlyItsLossesCount) {
  EngineSnapshot all;
  all.cores = {worker("a", 1), {}};
  CoreSnapshot& port = all.cores[1];
  port.group = "a";
  port.role = CoreRole::kPort;
  port.queue.rx_packets = 50;
  port.queue.tx_packets = 40;
  port.queue.tx_dropped = 5;
  port.loop.rx_dropped = 6;
  EXPECT_EQ(all.total().queue.rx_packets, 0u);
  EXPECT_EQ(all.total().queue.tx_packets, 0u);
  EXPECT_EQ(all.total().queue.tx_dropped, 6u);
  EXPECT_EQ(all.total().loop.rx_dropped, 6u);
}

TEST(EngineSnapshot, GaugesOfBeforeGoWithCountersOfAfter) {
  EngineSnapshot before;
  before.cores = {worker("a", 10)};
  before.cores[0].gauges.states[kEstablished] = 3;
  before.cores[0].connections = 3;
  before.cores[0].time_wait = 7;
  before.ports.resize(1);
  before.ports[0].mbufs_outstanding = 100;
  EngineSnapshot after;
  after.cores = {worker("a", 13)};
  after.ports.resize(1);
  after.ports[0].counters.rx_missed = 2;

  after.take_gauges(before);

  EXPECT_EQ(after.total().tcp.segments_sent, 13u);
  EXPECT_EQ(after.ports[0].counters.rx_missed, 2u);
  EXPECT_EQ(after.total().gauges.states[kEstablished], 3u);
  EXPECT_EQ(after.total().connections, 3u);
  EXPECT_EQ(after.total().time_wait, 7u);
  EXPECT_EQ(after.ports[0].mbufs_outstanding, 100u);
}

}  // namespace
}  // namespace pollux::runtime
