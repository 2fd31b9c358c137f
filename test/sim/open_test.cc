// Opening: lost handshakes, crossing SYNs, neighbours, ports, limits, errors from the network.

#include "scenes.h"

namespace pollux::sim {
namespace {

using tcp::Reason;
using tcp::State;

TEST(Open, LostSynIsSentAgainAfterOneThenTwoThenFourSeconds) {  // RFC 6298, 2.1 and 5.5
  Scene net;
  net.drop(syn().numbered(1, 3));

  const auto [client, server] = net.connected_pair();

  EXPECT_EQ(client.state(), State::kEstablished);
  const auto syns = net.sent(syn());
  ASSERT_EQ(syns.size(), 4u);
  for (std::size_t i = 1; i < syns.size(); ++i) {
    EXPECT_NEAR(std::chrono::duration<double>(syns[i].at - syns[i - 1].at).count(), 1 << (i - 1), 0.01);
  }
}

TEST(Open, LostSynAckIsSentAgain) {
  Scene net;
  net.drop(first(syn_ack()));

  const auto [client, server] = net.connected_pair();

  EXPECT_EQ(server.state(), State::kEstablished);
}

TEST(Open, LostThirdSegmentIsMadeGoodByText) {
  Scene net;
  net.drop(first(pure_ack().from(0)));
  Plan client;
  client.finish = Finish::kManual;
  client.total = 100;

  const auto [c, s] = net.connected_pair(client);

  EXPECT_EQ(s.received(), 100u);
}

// RFC 6528; NUMBER:JACK. Who has a connection of his own learns from its number nothing about another's.
TEST(Open, NumbersOfConnectionsOpenedTogetherLieFarApart) {
  constexpr int kFlows = 8;
  Scene net;
  for (int i = 0; i < kFlows; ++i)
    ASSERT_TRUE(net.connect(net.add_flow(0, true, Network::manual(), Network::manual())));
  net.run_until_idle();

  const auto syns = net.sent(syn());
  ASSERT_EQ(syns.size(), std::size_t{kFlows});
  for (const auto& one : syns) {
    for (const auto& other : syns) {
      if (&one == &other) continue;
      const std::uint32_t between = view_of(one).seq - view_of(other).seq;
      EXPECT_GT(std::min(between, 0u - between), 1u << 16);
    }
  }
}

TEST(Open, BothAtOnceMakeOneConnection) {  // RFC 9293, 3.5, figure 7; MUST-10
  Scene net;
  Plan talk;
  talk.total = 10'000;
  talk.finish = Finish::kShutdownWhenSent;
  Flow& flow = net.add_flow(0, true, talk, talk);

  net.connect_both(flow);
  net.run_until_idle();

  EXPECT_EQ(flow.sides[0].received, 10'000u);
  EXPECT_EQ(flow.sides[1].received, 10'000u);
  net.expect_all_gone();
}

TEST(Open, TheNeighbourIsAskedForBeforeTheFirstSyn) {
  Scene net;
  std::vector<bool> is_request;
  Flow& flow = net.add_flow(0, true, Network::manual(), Network::manual());
  ASSERT_TRUE(net.connect(flow));
  EXPECT_EQ(net.core(0).neighbours().size(), 0u);
  net.run_until_idle();

  ASSERT_GE(net.frames().size(), 3u);
  EXPECT_TRUE(asks_for_neighbour(net.frames()[0].frame));
  EXPECT_TRUE(syn().matches(net.frames()[2].from, net.frames()[2].frame));  // after the reply
  EXPECT_TRUE(flow.sides[0].opened);
}

TEST(Open, AHostThatIsNotThereIsUnreachable) {
  NetworkConfig config;
  config.tcp[0].r2_syn = 10s;
  Scene net{config};
  net.partition(0, true);
  Flow& flow = net.add_flow(0, true, Network::manual(), Network::manual());
  flow.may_fail = true;
  ASSERT_TRUE(net.connect(flow));

  net.sleep(60s);

  EXPECT_TRUE(flow.sides[0].closed);
  EXPECT_EQ(flow.sides[0].reason, Reason::kUnreachable);
  EXPECT_GT(net.core(0).counters().unreachable_neighbour, 0u);
  net.partition(0, false);
  net.expect_all_gone();
}

TEST(Open, AClosedPortRefusesAtOnce) {
  Scene net;
  net.shard(1).close_listeners();
  Flow& flow = net.add_flow(0, true, Network::manual(), Network::manual());
  flow.may_fail = true;
  ASSERT_TRUE(net.connect(flow));

  net.sleep(1s);

  EXPECT_TRUE(flow.sides[0].closed);
  EXPECT_EQ(flow.sides[0].reason, Reason::kRefused);
  EXPECT_EQ(net.count(rst()), 1u);
  net.expect_all_gone();
}

TEST(Open, AFullBacklogDropsSynsAndAllGetInInTheEnd) {
  NetworkConfig config;
  config.backlog = 5;
  Scene net{config};
  Plan talk;
  talk.total = 10;
  talk.finish = Finish::kShutdownWhenSent;
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(net.connect(net.add_flow(0, true, talk, Plan{})));

  net.sleep(60s);

  EXPECT_GT(net.core(1).counters().backlog_full, 0u);
  for (const auto& flow : net.flows()) EXPECT_TRUE(flow->sides[0].closed && flow->sides[1].closed);
  net.expect_all_gone();
}

// RFC 4987, 3.6: what a cookie has agreed on serves a whole connection, and no rule of the wire is broken by it.
TEST(Open, AFullBacklogLetsAllInAtOnceOnSynCookies) {
  for (const bool v4 : {true, false}) {
    NetworkConfig config;
    config.backlog = 5;
    config.shard = [](ShardConfig& shard, int) { shard.tcp.syn_cookies = true; };
    Scene net{config};
    Plan talk;
    talk.total = 50'000;
    talk.finish = Finish::kShutdownWhenSent;
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(net.connect(net.add_flow(0, v4, talk, talk)));

    net.sleep(900ms);  // no SYN has come twice

    for (const auto& flow : net.flows()) EXPECT_TRUE(flow->sides[0].opened && flow->sides[1].opened);
    EXPECT_EQ(net.core(1).tcp_counters().syn_cookies_sent, 17u);
    EXPECT_EQ(net.core(1).tcp_counters().syn_cookies_accepted, 17u);
    EXPECT_EQ(net.core(1).counters().backlog_full, 0u);
    net.sleep(60s);
    for (const auto& flow : net.flows()) {
      for (const Side& side : flow->sides) EXPECT_EQ(side.received, 50'000u);
    }
    net.expect_all_gone();
  }
}

TEST(Open, WithoutAFreePortConnectIsRefusedAtOnce) {  // EADDRNOTAVAIL
  NetworkConfig config;
  config.shard = [](ShardConfig& shard, int) { shard.last_port = static_cast<std::uint16_t>(shard.first_port + 3); };
  Scene net{config};
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(net.connect(net.add_flow(0, true, Network::manual(), Network::manual())));

  EXPECT_FALSE(net.connect(net.add_flow(0, true, Network::manual(), Network::manual())));
  EXPECT_EQ(net.error(), ConnectError::kAddressNotAvailable);
  EXPECT_TRUE(net.connect(net.add_flow(0, false, Network::manual(), Network::manual()))) << "another destination";
}

TEST(Open, APortComesOutOfTimeWaitAfterASecondIfTimestampsTell) {  // RFC 6191
  NetworkConfig config;
  config.shard = [](ShardConfig& shard, int) { shard.last_port = shard.first_port; };
  Scene net{config};
  Plan talk;
  talk.total = 1000;
  talk.finish = Finish::kShutdownWhenSent;
  Flow& one = net.add_flow(0, true, talk, Plan{});
  ASSERT_TRUE(net.connect(one));
  net.run_until_idle();
  ASSERT_EQ(net.client(one).state(), State::kTimeWait);

  Flow& two = net.add_flow(0, true, talk, Plan{});
  EXPECT_FALSE(net.connect(two));
  net.sleep(1100ms);
  ASSERT_TRUE(net.connect(two));
  net.run_until_idle();

  EXPECT_EQ(two.key, one.key);
  EXPECT_EQ(two.sides[1].received, 1000u);
  net.expect_all_gone();
}

TEST(Open, TheFirstFlightIsTheInitialWindow) {  // RFC 6928
  Scene net{with_one_way(100ms)};
  Plan talk = Network::manual();
  talk.total = 100'000;
  Flow& flow = net.add_flow(0, true, talk, Network::manual());
  ASSERT_TRUE(net.connect(flow));

  net.sleep(450ms);  // ARP, SYN, SYN-ACK; nothing is acknowledged yet

  std::size_t bytes = 0;
  for (const auto& kept : net.sent(text().from(0))) bytes += view_of(kept).text.size();
  EXPECT_GT(bytes, 13'000u);
  EXPECT_LE(bytes, 14'600u);
}

TEST(Open, ASegmentFromOurselvesIsDropped) {  // LAND
  Scene net;
  net.connected_pair();
  std::vector<std::byte> frame = net.sent(syn()).front().frame;
  constexpr std::size_t kAddresses = 14 + 12;
  std::copy_n(frame.begin() + kAddresses + 4, 4, frame.begin() + kAddresses);  // the source becomes the destination
  mend_checksums(frame);
  const std::size_t before = net.frames().size();

  net.inject(1, frame);
  net.run_until_idle();

  EXPECT_EQ(net.frames().size(), before);
}

TEST(Open, AStrayResetGetsNoAnswer) {  // RFC 9293, 3.5.2
  Scene net;
  net.connected_pair();
  std::vector<std::byte> frame = net.sent(syn()).front().frame;
  WireView view = view_of(net.sent(syn()).front());
  frame[view.tcp_offset] ^= std::byte{1};  // from a port that nobody uses
  set_flags(frame, view, kFlagRst);
  mend_checksums(frame);
  const std::size_t before = net.frames().size();

  for (int i = 0; i < 10; ++i) net.inject(1, frame);
  net.run_until_idle();

  EXPECT_EQ(net.frames().size(), before);
}

// ICMP "destination unreachable" to host 0, quoting the first bytes of `kept`.
std::vector<std::byte> unreachable(const Network::Kept& kept, std::uint8_t code) {
  constexpr std::size_t kEthernet = 14;
  constexpr std::size_t kQuoted = 28;
  std::vector<std::byte> frame(kEthernet + 20 + 8 + kQuoted);
  std::copy_n(kept.frame.begin() + 6, 6, frame.begin());
  std::copy_n(kept.frame.begin(), 6, frame.begin() + 6);
  std::copy_n(kept.frame.begin() + 12, 2 + 20, frame.begin() + 12);
  std::byte* ip = frame.data() + kEthernet;
  ip[2] = std::byte{0};
  ip[3] = std::byte{20 + 8 + kQuoted};
  ip[9] = std::byte{1};
  std::swap_ranges(ip + 12, ip + 16, ip + 16);
  const auto checksum = [](std::byte* bytes, std::size_t size, std::byte* to) {
    to[0] = to[1] = std::byte{0};
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < size; i += 2)
      sum += std::to_integer<std::uint32_t>(bytes[i]) << 8 | std::to_integer<std::uint32_t>(bytes[i + 1]);
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    to[0] = static_cast<std::byte>(~sum >> 8);
    to[1] = static_cast<std::byte>(~sum);
  };
  checksum(ip, 20, ip + 10);
  std::byte* icmp = ip + 20;
  icmp[0] = std::byte{3};
  icmp[1] = std::byte{code};
  std::copy_n(kept.frame.begin() + kEthernet, kQuoted, icmp + 8);
  checksum(icmp, 8 + kQuoted, icmp + 2);
  return frame;
}

constexpr std::uint8_t kHostUnreachable = 1;
constexpr std::uint8_t kPortUnreachable = 3;

TEST(Open, PortUnreachableRefusesAnOpeningConnection) {  // RFC 1122, 4.2.3.9
  Scene net;
  Flow& flow = net.add_flow(0, true, Network::manual(), Network::manual());
  flow.may_fail = true;
  net.drop(syn());
  ASSERT_TRUE(net.connect(flow));
  net.sleep(100ms);
  ASSERT_EQ(net.count(syn()), 1u);

  net.inject(0, unreachable(net.sent(syn()).front(), kPortUnreachable));
  net.sleep(100ms);

  EXPECT_TRUE(flow.sides[0].closed);
  EXPECT_EQ(flow.sides[0].reason, Reason::kRefused);
}

TEST(Open, NoIcmpErrorEndsAnOpenConnection) {  // MUST-54, MUST-56; RFC 5927
  Scene net;
  auto [client, server] = net.connected_pair();
  net.partition(1, true);
  client.send_all(1000);
  net.sleep(50ms);
  const auto last = net.sent(text()).back();

  for (const std::uint8_t code : {kHostUnreachable, kPortUnreachable}) {
    net.partition(1, false);
    net.inject(0, unreachable(last, code));
    net.sleep(20ms);
  }
  net.run_until_idle();

  EXPECT_EQ(client.state(), State::kEstablished);
  EXPECT_EQ(server.received(), 1000u);
}

// RFC 7413, 4.2.2. The oracle reads every SYN, too.
TEST(Open, OnceThereIsACookieASynBringsText) {
  NetworkConfig config;
  for (tcp::Config& tcp : config.tcp) tcp.fast_open_client = tcp.fast_open_server = true;
  Scene net{config};
  Plan plan;
  plan.total = 3000;
  plan.chunk = 3000;
  for (int i = 0; i < 3; ++i) {
    Flow& flow = net.add_flow(0, true, plan, plan);
    ASSERT_TRUE(net.connect(flow));
    net.run_until_idle();
  }
  EXPECT_EQ(net.core(1).tcp_counters().fast_open_cookie_reqd, 1u);
  EXPECT_EQ(net.core(1).tcp_counters().fast_open_passive, 2u);
  EXPECT_EQ(net.core(0).tcp_counters().fast_open_active, 2u);
}

}  // namespace
}  // namespace pollux::sim
