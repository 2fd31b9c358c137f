// Paths that bear less than the hosts' links: with routers that say so (RFC 1191, RFC 8201), with none that do, and
// with liars.

#include <set>

#include "scenes.h"

namespace pollux::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kBytes = 400'000;
constexpr Duration kOneWay = 20ms;

// The largest IP packet with text that the host sent from `from` on.
std::size_t largest_sent(const Scene& net, const Endpoint& host, Instant from = {}) {
  std::size_t largest = 0;
  for (const auto& kept : net.sent(text().from(host))) {
    if (kept.at >= from) largest = std::max(largest, view_of(kept).ip_size);
  }
  return largest;
}

class PathMtu : public testing::TestWithParam<bool> {
 public:
  static bool v4() { return GetParam(); }
};
INSTANTIATE_TEST_SUITE_P(Both, PathMtu, testing::Values(true, false),
                         [](const testing::TestParamInfo<bool>& v4) { return v4.param ? "ipv4" : "ipv6"; });

// A router's word is kept within a round trip, and costs neither a time-out nor a window (RFC 1191, 6.4).
TEST_P(PathMtu, ARouterIsHeardWithinOneRoundTrip) {
  Scene net{with_one_way(kOneWay)};
  auto [client, server] = net.connected_pair(v4());
  net.narrow(0, {.mtu = 1400, .tells = true});
  const Instant start = net.now();
  client.send_all(kBytes);
  net.run_until_idle();

  EXPECT_EQ(server.received(), kBytes);
  EXPECT_EQ(client.tcb().path_mtu(), 1400u);
  EXPECT_EQ(largest_sent(net, client, start + 2 * kOneWay + 2ms), 1400u);
  const tcp::Counters& c = net.core(0).tcp_counters();
  EXPECT_EQ(c.path_mtu_lowered, 1u);
  EXPECT_EQ(c.rto_fired + c.fast_retransmits, 0u);
  EXPECT_EQ(client.tcb().congestion().ssthresh, UINT32_MAX);
}

// Two routers, the second one's link the narrower: what the first lets pass the second drops.
TEST_P(PathMtu, ANarrowerLinkLaterOnIsHeardOfToo) {
  Scene net{with_one_way(kOneWay)};
  auto [client, server] = net.connected_pair(v4());
  net.narrow(0, {.mtu = 1400, .tells = true});
  client.send_all(kBytes);
  net.sleep(3 * kOneWay);
  net.narrow(0, {.mtu = 1300, .tells = true});
  net.run_until_idle();

  EXPECT_EQ(server.received(), kBytes);
  EXPECT_EQ(client.tcb().path_mtu(), 1300u);
  EXPECT_EQ(net.core(0).tcp_counters().path_mtu_lowered, 2u);
  EXPECT_EQ(net.core(0).tcp_counters().rto_fired, 0u);
}

// RFC 4821, 7.7 and 7.3: no router says anything; smaller segments pass, and what the path bears is found.
TEST_P(PathMtu, ABlackHoleIsPassedInSmallerSegments) {
  for (const bool sack : {true, false}) {
    NetworkConfig config = with_one_way(kOneWay);
    config.tcp[0].sack_permitted = sack;
    Scene net{config};
    auto [client, server] = net.connected_pair(v4());
    net.narrow(0, {.mtu = 1200, .tells = false});
    const Instant start = net.now();
    client.send_all(kBytes);
    ASSERT_TRUE(net.run_until([&, &server = server] { return server.received() == kBytes; }, 10s));

    EXPECT_LT(net.now() - start, 5s);
    EXPECT_EQ(net.core(0).tcp_counters().black_holes, 1u);
    EXPECT_LE(client.tcb().path_mtu(), 1200u);
    EXPECT_GT(client.tcb().path_mtu(), 1200u - 2 * tcp::MtuSearch::kCloseEnough);
    EXPECT_LE(net.core(0).tcp_counters().mtu_probes, 10u);
  }
}

// Once the segments are small enough, the probes that are lost cost no window: RFC 4821, 7.6.2.
TEST_P(PathMtu, LostProbesReduceNoWindow) {
  Scene net{with_one_way(kOneWay)};
  auto [client, server] = net.connected_pair(v4());
  net.narrow(0, {.mtu = 1200, .tells = false});
  client.send_all(kBytes);
  net.run_until_idle();

  EXPECT_EQ(server.received(), kBytes);
  EXPECT_GE(net.core(0).tcp_counters().mtu_probes_lost, 2u);
  EXPECT_EQ(net.core(0).tcp_counters().fast_retransmits, 0u);
  EXPECT_EQ(net.core(0).tcp_counters().rto_fired, 3u) << "those that found the black hole";
}

// RFC 1191, 6.3: the narrow link is gone, which is found out ten minutes later, and not before.
TEST_P(PathMtu, AWiderPathIsUsedAfterTenMinutes) {
  Scene net{with_one_way(kOneWay)};
  auto [client, server] = net.connected_pair(v4());
  net.narrow(0, {.mtu = 1300, .tells = true});
  client.send_all(kBytes);
  net.run_until_idle();
  net.narrow(0, {});
  net.sleep(9min);
  Instant from = net.now();
  client.send_all(kBytes);
  net.run_until_idle();
  EXPECT_EQ(largest_sent(net, client, from), 1300u);
  net.sleep(1min);
  client.send_all(kBytes);
  net.run_until_idle();

  EXPECT_EQ(server.received(), 3 * kBytes);
  EXPECT_EQ(client.tcb().path_mtu(), 1500u);
}

// The link is as narrow as before: a probe each ten minutes, which the router refuses, and nothing else.
TEST_P(PathMtu, ANarrowPathIsAskedAgainWithOneProbe) {
  Scene net{with_one_way(kOneWay)};
  auto [client, server] = net.connected_pair(v4());
  net.narrow(0, {.mtu = 1300, .tells = true});
  client.send_all(kBytes);
  net.run_until_idle();
  for (std::uint64_t i = 1; i <= 3; ++i) {
    net.sleep(11min);
    client.send_all(kBytes);
    net.run_until_idle();
    EXPECT_EQ(net.core(0).tcp_counters().mtu_probes, i);
    EXPECT_EQ(net.core(0).tcp_counters().mtu_probes_lost, i);
  }
  EXPECT_EQ(server.received(), 4 * kBytes);
  EXPECT_EQ(client.tcb().path_mtu(), 1300u);
  EXPECT_EQ(net.core(0).tcp_counters().rto_fired + net.core(0).tcp_counters().fast_retransmits, 0u);
}

// RFC 5927, 7.2: of the last segment there was, with another number, for other ports.
TEST_P(PathMtu, ALiarChangesNothing) {
  Scene net{with_one_way(kOneWay)};
  auto [client, server] = net.connected_pair(v4());
  client.send_all(kBytes);
  net.sleep(kOneWay);
  const auto sent = net.sent(text().from(client)).back();
  const WireView view = view_of(sent);
  const auto lie = [&](std::uint32_t seq, std::uint16_t port, std::uint32_t mtu) {
    std::vector<std::byte> quoted = sent.frame;
    set_seq(quoted, view, seq);
    quoted[view.tcp_offset + 2] = static_cast<std::byte>(port >> 8);
    quoted[view.tcp_offset + 3] = static_cast<std::byte>(port);
    net.inject(0, packet_too_big(quoted, mtu));
  };
  const std::uint32_t una = client.tcb().snd().una.value();
  const std::uint32_t nxt = client.tcb().snd().nxt.value();
  for (const std::uint32_t seq : {una - 1, nxt, nxt + 1'000'000, una - 1'000'000}) {
    lie(seq, view.destination_port, 1300);
  }
  lie(view.seq, static_cast<std::uint16_t>(view.destination_port + 1), 1300);
  for (const std::uint32_t mtu : {1500u, 9000u, 67u}) lie(view.seq, view.destination_port, mtu);
  net.run_until_idle();

  EXPECT_EQ(server.received(), kBytes);
  EXPECT_EQ(client.tcb().path_mtu(), 1500u);
  EXPECT_EQ(net.core(0).tcp_counters().path_mtu_lowered, 0u);
  EXPECT_EQ(net.core(0).tcp_counters().retransmitted_segments, 0u);
  EXPECT_EQ(net.core(0).counters().icmp_ignored, 8u);
}

TEST(PathMtuOff, RoutersMayCutUpWhatIsTooLarge) {
  NetworkConfig config = with_one_way(kOneWay);
  config.tcp[0].path_mtu_discovery = false;
  config.tcp[0].mss = 500;  // the oracle lets DF be left out of small packets alone
  config.tcp[1].mss = 500;
  Scene net{config};
  auto [client, server] = net.connected_pair();
  net.narrow(0, {.mtu = 300, .tells = true});
  client.send_all(20'000);
  net.run_until_idle();

  EXPECT_EQ(server.received(), 20'000u);
  EXPECT_EQ(largest_sent(net, client), 540u);
  EXPECT_EQ(net.core(0).counters().icmp_errors + net.core(0).counters().icmp_ignored, 0u);
}

// Every segment that is too large is dropped, those that a device cuts up too; with both hosts sending.
TEST_P(PathMtu, SegmentsThatADeviceCutsUpAreOfTheSmallerSize) {
  NetworkConfig config = with_one_way(kOneWay);
  for (DeviceFaults& device : config.device) device = {.tx_checksums = true, .tso = true};
  Scene net{config};
  auto [client, server] = net.connected_pair(v4());
  net.narrow(0, {.mtu = 1280, .tells = true});
  net.narrow(1, {.mtu = 1300, .tells = false});  // the router's own messages pass
  client.send_all(kBytes);
  server.send_all(kBytes);
  net.run_until_idle();

  EXPECT_EQ(server.received(), kBytes);
  EXPECT_EQ(client.received(), kBytes);
  EXPECT_EQ(client.tcb().path_mtu(), 1280u);
}

}  // namespace
}  // namespace pollux::sim
