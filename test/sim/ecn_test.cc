// A bottleneck that marks instead of dropping (RFC 3168), and what the controls make of it.

#include "scenes.h"

namespace pollux::sim {
namespace {

constexpr std::uint64_t kRate = 100'000'000;  // bits a second
constexpr Duration kOneWay = 1ms;

// The client sends through a queue of 250 segments that marks from 20 on, which is a bandwidth-delay product of 17.
NetworkConfig bottleneck(tcp::CongestionControl control, bool ecn) {
  NetworkConfig config;
  Impairment forth;
  forth.delay = kOneWay;
  forth.bits_per_second = kRate;
  forth.queue_bytes = 250 * 1514;
  forth.mark_above = 20 * 1514;
  Impairment back;
  back.delay = kOneWay;
  config.wire = {forth, back};
  for (tcp::Config& tcp : config.tcp) {
    tcp.congestion = control;
    tcp.ecn = ecn;
    tcp.receive_buffer = 1'000'000;
    tcp.send_buffer = 1'000'000;
  }
  return config;
}

struct Transfer {
  Duration queueing{};  // the mean, after the first tenth
  Duration took{};
  std::uint64_t marked = 0;
  std::uint64_t overflowed = 0;
  std::uint64_t retransmitted = 0;
};

constexpr std::uint64_t kBytes = 20'000'000;

Transfer transfer(const NetworkConfig& config) {
  Scene net{config};
  net.keep_frames(1);
  auto [client, server] = net.connected_pair();
  const Instant begin = net.now();
  client.send_all(kBytes);
  Transfer run;
  int looks = 0;
  while (!server.received_all() && !net.failed()) {
    net.sleep(5ms);
    if (server.received() < kBytes / 10) continue;
    run.queueing += client.tcb().rtt().srtt() - 2 * kOneWay;
    ++looks;
  }
  run.queueing /= std::max(looks, 1);
  run.took = net.now() - begin;
  run.marked = net.wire_counters(0).marked;
  run.overflowed = net.wire_counters(0).overflowed;
  run.retransmitted = net.core(0).tcp_counters().retransmitted_segments;
  EXPECT_EQ(net.core(0).tcp_counters().ecn_reductions > 0, run.marked > 0);
  return run;
}

// What the wire could carry takes so long.
constexpr Duration kShortest = std::chrono::nanoseconds{kBytes * 8 * 1'000'000'000 / kRate};

TEST(Marks, TakeThePlaceOfLosses) {
  for (const auto control : {tcp::CongestionControl::kNewReno, tcp::CongestionControl::kCubic}) {
    const Transfer without = transfer(bottleneck(control, false));
    const Transfer with = transfer(bottleneck(control, true));
    EXPECT_EQ(without.marked, 0u);
    EXPECT_GT(without.overflowed, 0u);
    EXPECT_GT(with.marked, 0u);
    EXPECT_EQ(with.overflowed, 0u);
    EXPECT_EQ(with.retransmitted, 0u);
    EXPECT_LT(with.queueing * 3, without.queueing);
    EXPECT_LT(with.took, kShortest * 5 / 4);
  }
}

// 20 segments take 2.4 ms. DCTCP stays near where marks begin, and the wire is never idle (RFC 8257, 1).
TEST(Marks, DctcpKeepsTheQueueShortAndTheWireBusy) {
  const Transfer dctcp = transfer(bottleneck(tcp::CongestionControl::kDctcp, true));
  EXPECT_GT(dctcp.marked, 0u);
  EXPECT_EQ(dctcp.retransmitted, 0u);
  EXPECT_LT(dctcp.queueing, Duration{4ms});
  EXPECT_LT(dctcp.took, kShortest * 11 / 10);
}

// The initial window into a queue that is shorter than that.
std::uint64_t lost_of_initial_window(bool pacing) {
  NetworkConfig config = bottleneck(tcp::CongestionControl::kNewReno, false);
  (*config.wire)[0].delay = 20ms;
  (*config.wire)[0].queue_bytes = 5 * 1514;
  config.tcp[0].pacing = pacing;
  Scene net{config};
  auto [client, server] = net.connected_pair();
  client.send_all(10 * 1448);
  net.run_until_idle();
  EXPECT_TRUE(server.received_all());
  return net.wire_counters(0).overflowed;
}

TEST(Pacing, FitsAWindowIntoAQueueThatIsShorter) {
  EXPECT_GT(lost_of_initial_window(false), 0u);
  EXPECT_EQ(lost_of_initial_window(true), 0u);
}

}  // namespace
}  // namespace pollux::sim
