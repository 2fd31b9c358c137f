// Two flows and one bottleneck, which drops what its queue has no room for.

#include <cstdio>
#include <memory>

#include "linux_cubic.h"
#include "scenes.h"

namespace pollux::sim {
namespace {

struct Bottleneck {
  std::uint64_t bits_per_second = 0;
  std::chrono::milliseconds rtt{};
  double buffer = 1;  // products of bandwidth and round trip
};

constexpr Bottleneck kBottlenecks[] = {
    {10'000'000, 20ms, 1}, {10'000'000, 50ms, 1}, {20'000'000, 50ms, 0.5}, {20'000'000, 100ms, 1}};
constexpr Duration kApart = 2s;                  // the second begins so much later
constexpr Duration kSettle = 20s;                // slow start is long over then
constexpr std::chrono::seconds kMeasure = 120s;  // many times as long as CUBIC takes from one loss to the next

NetworkConfig network_of(const Bottleneck& b) {
  Impairment out;
  out.delay = b.rtt / 2;
  out.jitter = 100us;  // or the same of both would meet a full queue every time
  out.bits_per_second = b.bits_per_second;
  out.queue_bytes = static_cast<std::uint64_t>(b.buffer * std::chrono::duration<double>(b.rtt).count() *
                                               static_cast<double>(b.bits_per_second) / 8);
  Impairment back;
  back.delay = b.rtt / 2;
  NetworkConfig config;
  config.wire = {out, back};
  config.one_way = out.delay;
  for (tcp::Config& tcp : config.tcp) tcp.send_buffer = tcp.receive_buffer = 4 * 1024 * 1024;
  config.shard = [](ShardConfig& shard, int) { shard.send_blocks = 8192; };
  return config;
}

Flow& open_endless(Network& net) {
  Plan plan = Network::manual();
  plan.total = UINT64_MAX / 2;
  Flow& flow = net.add_flow(0, true, plan, Network::manual());
  EXPECT_TRUE(net.connect(flow));
  return flow;
}

std::string name_of(const Bottleneck& b) {
  return std::to_string(b.bits_per_second / 1'000'000) + " Mbit/s, " + std::to_string(b.rtt.count()) + " ms, " +
         (b.buffer < 1 ? "half a" : "one") + " BDP of buffer";
}

// What two flows have carried, bytes.
struct Carried {
  double one = 0;
  double other = 0;
  double sum() const { return one + other; }
  double jain() const { return sum() * sum() / (2 * (one * one + other * other)); }
  static double mbits(double bytes) { return bytes * 8 / 1e6 / static_cast<double>(kMeasure.count()); }
};

// While `net` runs for kMeasure, once both have settled.
template <class One, class Other>
Carried measure(Network& net, One&& one, Other&& other) {
  net.sleep(kSettle);
  const double one_before = one();
  const double other_before = other();
  net.sleep(kMeasure);
  if (net.failed()) ADD_FAILURE() << net.failures().front();
  return {one() - one_before, other() - other_before};
}

double received(const Flow& flow) { return static_cast<double>(flow.sides[1].received); }

Carried two_of_ours(const Bottleneck& b, tcp::CongestionControl control) {
  NetworkConfig config = network_of(b);
  for (tcp::Config& tcp : config.tcp) tcp.congestion = control;
  Network net{config};
  const Flow& one = open_endless(net);
  net.sleep(kApart);
  const Flow& other = open_endless(net);
  return measure(
      net, [&] { return received(one); }, [&] { return received(other); });
}

Carried ours_and_theirs(const Bottleneck& b, bool ours_first) {
  Network net{network_of(b)};
  const Flow* ours = nullptr;
  std::unique_ptr<LinuxCubic> theirs;
  for (const bool now_ours : {ours_first, !ours_first}) {
    if (now_ours) {
      ours = &open_endless(net);
    } else {
      theirs = std::make_unique<LinuxCubic>(net, 0, b.rtt / 2);
    }
    net.sleep(kApart);
  }
  return measure(
      net, [&] { return received(*ours); }, [&] { return static_cast<double>(theirs->delivered()) * 1448; });
}

void two_share(tcp::CongestionControl control) {
  for (const Bottleneck& b : kBottlenecks) {
    const Carried c = two_of_ours(b, control);
    std::printf("%s: %.2f and %.2f Mbit/s, Jain's index %.3f\n", name_of(b).c_str(), Carried::mbits(c.one),
                Carried::mbits(c.other), c.jain());
    EXPECT_GE(c.jain(), 0.95) << name_of(b);
    EXPECT_GE(Carried::mbits(c.sum()) * 1e6, 0.85 * static_cast<double>(b.bits_per_second)) << name_of(b);
  }
}

TEST(Fairness, TwoCubicFlowsShareABottleneck) { two_share(tcp::CongestionControl::kCubic); }
TEST(Fairness, TwoNewRenoFlowsShareABottleneck) { two_share(tcp::CongestionControl::kNewReno); }

// Neither takes much more than half, on average over who was there first.
TEST(Fairness, OneOfOursAndOneOfLinuxShareABottleneck) {
  for (const Bottleneck& b : kBottlenecks) {
    Carried c;
    for (const bool ours_first : {true, false}) {
      const Carried run = ours_and_theirs(b, ours_first);
      c.one += run.one / 2;
      c.other += run.other / 2;
    }
    const double share = c.one / (c.sum() / 2);
    std::printf("%s: ours %.2f, theirs %.2f Mbit/s: %.2f of an equal share\n", name_of(b).c_str(),
                Carried::mbits(c.one), Carried::mbits(c.other), share);
    EXPECT_GE(share, 0.8) << name_of(b);
    EXPECT_LE(share, 1.25) << name_of(b);
    EXPECT_GE(Carried::mbits(c.sum()) * 1e6, 0.85 * static_cast<double>(b.bits_per_second)) << name_of(b);
  }
}

}  // namespace
}  // namespace pollux::sim
