// What a shard does not take: groups, strangers, floods. And ARP, neighbour discovery and
// echoes, which it answers.

#include <algorithm>

#include "test_shard.h"
#include "wire/icmp.h"

namespace pollux::test {
namespace {

using ShardDrops = ShardOf;
POLLUX_BOTH_FAMILIES(ShardDrops);

constexpr unsigned kAllFlags[] = {0, kFin, kSyn, kRst, kAck, kSyn | kAck, kFin | kAck, kPsh | kUrg | kFin};

// MUST-57: to a group or broadcast address; threats A20. Neither a listener nor the rules
// for a closed port have an answer.
TEST_P(ShardDrops, NothingToAGroupIsAnswered) {
  TestShard world{given()};
  world.listen();
  std::vector<const char*> groups{"224.0.0.1", "239.1.2.3", "255.255.255.255", "198.18.0.255"};
  if (world.v6()) groups = {"ff02::1", "ff0e::5"};
  std::uint64_t frames = 0;
  for (const char* group : groups) {
    for (const unsigned flags : kAllFlags) {
      for (const unsigned port : {80u, 81u}) {
        world.receive(world.frame({.destination_port = port, .flags = flags}, {world.peer(), ip(group)}));
        ++frames;
      }
    }
  }
  world.expect_silence();
  EXPECT_EQ(world.wire_drops(WireDrop::kIpGroupDestination) + world.counters().not_our_address, frames);
}

// In a group's Ethernet frame, whatever the IP address.
TEST_P(ShardDrops, NothingInALinkGroupFrameIsAnswered) {
  TestShard world{given()};
  world.listen();
  for (const MacAddress& mac : {MacAddress::broadcast(), MacAddress{{1, 0, 0x5e, 0, 0, 1}}}) {
    for (const unsigned flags : kAllFlags) {
      const TestTcp segment{.flags = flags};
      world.receive(world.v6() ? tcp6_frame(segment, {.ends = v6_ends()}, {.destination = mac})
                               : tcp4_frame(segment, {}, {.destination = mac}));
    }
  }
  world.expect_silence();
  EXPECT_EQ(world.counters().link_group, 16u);
}

// MUST-63: from an address that no host has.
TEST_P(ShardDrops, NothingFromAnInvalidSourceIsAnswered) {
  TestShard world{given()};
  world.listen();
  std::vector<const char*> sources{"224.0.0.1", "255.255.255.255", "198.18.0.255",
                                   "127.0.0.1", "0.0.0.0",         "198.18.0.2"};
  if (world.v6()) sources = {"ff02::1", "::", "::1", "2001:2::2"};
  for (const char* source : sources) {
    for (const unsigned flags : kAllFlags) world.receive(world.frame({.flags = flags}, {ip(source), world.own()}));
  }
  world.expect_silence();
  EXPECT_EQ(world.in_state(tcp::State::kSynReceived), 0u);
}

// From one of our other addresses: it cannot have come in by the wire.
TEST_P(ShardDrops, NothingFromAnotherAddressOfOursIsAnswered) {
  TestShard::Given several = given();
  several.config.addresses = {{{ip("198.18.0.2"), 24}, 3}, {{ip("2001:2::2"), 64}, 3}};
  TestShard world{several};
  world.listen();
  for (const unsigned flags : kAllFlags)
    world.receive(world.frame({.flags = flags}, {world.own().plus(1), world.own()}));
  world.expect_silence();
  EXPECT_EQ(world.counters().bad_source, 8u);
}

TEST_P(ShardDrops, NothingToAForeignAddressOrStationIsAnswered) {
  TestShard world{given()};
  world.listen();
  world.receive(world.frame({.flags = kSyn}, {world.peer(), world.own().plus(5)}));
  EXPECT_EQ(world.counters().not_our_address, 1u);
  const TestLink elsewhere{.destination = MacAddress{{2, 0, 0, 0, 0, 9}}};
  world.receive(world.v6() ? tcp6_frame({.flags = kSyn}, {.ends = v6_ends()}, elsewhere)
                           : tcp4_frame({.flags = kSyn}, {}, elsewhere));
  EXPECT_EQ(world.wire_drops(WireDrop::kL2Foreign), 1u);
  world.expect_silence();
}

// Another core's flow: counted, and nothing said.
TEST_P(ShardDrops, AForeignShardsFlowIsLeftAlone) {
  TestShard::Given shared = given();
  shared.config.ownership.owner = [](const void*, const FlowKey& key) {
    return static_cast<std::uint16_t>(key.remote_port % 2);
  };
  shared.config.ownership.self = 1;
  TestShard world{shared};
  world.listen();
  Peer mine{world, 1001};
  EXPECT_TRUE(mine.opens());
  Peer theirs{world, 1002};
  EXPECT_FALSE(theirs.sends_syn());
  world.receive(TestTcp{.source_port = 1002, .destination_port = 99, .flags = kAck});
  world.expect_silence();
  EXPECT_EQ(world.counters().foreign, 2u);
}

// Threats C19, D3: so many in a second and no more.
TEST_P(ShardDrops, ResetsHaveARate) {
  TestShard::Given limited = given();
  limited.config.resets_per_second = 10;
  TestShard world{limited};
  const auto flood = [&] {
    for (int i = 0; i < 100; ++i) world.receive(TestTcp{.flags = kAck});
    return world.take_all().size();
  };
  EXPECT_EQ(flood(), 10u);
  EXPECT_EQ(world.counters().resets_withheld, 90u);
  world.sleep(500ms);
  EXPECT_EQ(flood(), 0u);
  world.sleep(501ms);
  EXPECT_EQ(flood(), 10u);
  EXPECT_EQ(world.tcp_counters().resets_sent, 20u);
}

TEST_P(ShardDrops, ResetsMayBeUnlimited) {
  TestShard::Given unlimited = given();
  unlimited.config.resets_per_second = 0;
  TestShard world{unlimited};
  for (int i = 0; i < 100; ++i) world.receive(TestTcp{.flags = kAck});
  EXPECT_EQ(world.take_all().size(), 100u);
}

// HS-23.
TEST_P(ShardDrops, AResetIsNeverAnsweredWithAReset) {
  TestShard world{given()};
  world.listen();
  for (const unsigned port : {80u, 81u}) {
    for (unsigned flags = 0; flags < 64; ++flags) {
      world.receive(TestTcp{.destination_port = port, .flags = flags | kRst});
    }
  }
  world.expect_silence();
}

// What is owed but cannot be sent is bounded, and what is over is counted.
TEST_P(ShardDrops, RepliesAreBounded) {
  TestShard world{given()};
  std::vector<Bytes> flood(64, world.frame({.flags = kAck}));
  for (int i = 0; i < 20; ++i) world.only_receive(flood);
  EXPECT_EQ(world.counters().replies_dropped, 20u * 64 - 1024);
  world.turn();
  EXPECT_EQ(world.take_all().size(), 1024u);
}

// Threats A7: a frame cut anywhere.
TEST_P(ShardDrops, FramesCutShort) {
  TestShard world{given()};
  world.listen();
  const Bytes whole = world.frame({.flags = kSyn, .options = mss_option(1460)});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    world.receive(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
  }
  world.expect_silence();
  EXPECT_EQ(world.in_state(tcp::State::kSynReceived), 0u);
}

// A VLAN of our own, and everybody else's frames.
TEST_P(ShardDrops, Vlan) {
  TestShard::Given tagged = given();
  tagged.config.vlan = 7;
  TestShard world{tagged};
  world.listen();
  const auto syn = [&](const std::vector<std::pair<unsigned, unsigned>>& tags) {
    const TestLink link{.tags = tags};
    return world.v6() ? tcp6_frame({.flags = kSyn}, {.ends = v6_ends()}, link) : tcp4_frame({.flags = kSyn}, {}, link);
  };
  world.receive(syn({}));
  world.receive(syn({{0x8100, 8}}));
  world.expect_silence();
  EXPECT_EQ(world.wire_drops(WireDrop::kL2Vlan), 2u);
  world.receive(syn({{0x8100, 7}}));
  EXPECT_EQ(world.expect("SA").frame.vlan, 7);
}

// --- ARP, neighbour discovery, echo ---

Bytes arp_request(const char* sender, const char* target, const MacAddress& to = MacAddress::broadcast()) {
  Bytes message = bytes({0, 1, 8, 0, 6, 4, 0, 1});
  put_mac(message, kPeerMac);
  put_address(message, ip(sender));
  put_mac(message, MacAddress{});
  put_address(message, ip(target));
  return ethernet(0x0806, message, {.destination = to});
}

TEST(ShardControl, AnswersArp) {
  TestShard world{{}};
  world.receive(arp_request("198.18.0.1", "198.18.0.2"));
  const auto reply = world.take();
  ASSERT_TRUE(reply);
  ASSERT_EQ(reply->frame.kind, FrameKind::kArp);
  EXPECT_EQ(reply->frame.destination, kPeerMac);
  const auto message = parse_arp(reply->frame.payload);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->operation, ArpOperation::kReply);
  EXPECT_EQ(message->sender_ip, ip("198.18.0.2"));
  EXPECT_EQ(message->sender_mac, kOurMac);
  EXPECT_EQ(message->target_ip, ip("198.18.0.1"));
  world.expect_silence();
}

TEST(ShardControl, AnswersNoArpForOthersNorAnnouncements) {
  TestShard world{{}};
  world.receive(arp_request("198.18.0.1", "198.18.0.3"));
  world.receive(arp_request("198.18.0.1", "198.18.0.1"));
  world.receive(arp_request("198.18.0.2", "198.18.0.2"));  // somebody else with our address
  world.expect_silence();
}

// Of the shards of an engine one answers.
TEST(ShardControl, AShardMayLeaveTheAnswerToAnother) {
  TestShard::Given quiet;
  quiet.config.answers_arp = false;
  TestShard world{quiet};
  world.receive(arp_request("198.18.0.1", "198.18.0.2"));
  world.expect_silence();
}

// Threats C21: strangers neither fill the table nor move an entry.
TEST(ShardControl, StrangersCannotFillTheNeighbourTable) {
  TestShard world{{}};
  for (unsigned i = 3; i < 250; ++i) {
    world.receive(arp_request(("198.18.0." + std::to_string(i)).c_str(), "198.18.0.2"));
  }
  EXPECT_EQ(world.shard.core().neighbours().size(), 1u);
  EXPECT_EQ(world.take_all().size(), 247u);
}

Bytes solicitation(const IpAddress& source, const IpAddress& target, unsigned hop_limit = 255) {
  Bytes message = bytes({135, 0, 0, 0, 0, 0, 0, 0});
  put_address(message, target);
  if (!source.is_unspecified()) {
    append(message, bytes({1, 1}));
    put_mac(message, kPeerMac);
  }
  const Ends way{source, ip("ff02::1:ff00:2")};
  fill_checksum(message, 2, way, 58);
  return ethernet(0x86dd, ipv6({.ends = way, .protocol = 58, .ttl = hop_limit}, message),
                  {.destination = MacAddress{{0x33, 0x33, 0xff, 0, 0, 2}}});
}

TEST(ShardControl, AnswersNeighbourSolicitation) {
  TestShard world{{.v6 = true}};
  world.receive(solicitation(ip("2001:2::1"), ip("2001:2::2")));
  const auto reply = world.take();
  ASSERT_TRUE(reply);
  ASSERT_EQ(reply->frame.kind, FrameKind::kNd);
  EXPECT_EQ(reply->frame.destination, kPeerMac);
  EXPECT_EQ(reply->frame.key.local, ip("2001:2::1"));
  EXPECT_EQ(reply->frame.ttl, 255);
  const auto message = parse_nd(reply->frame);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->kind, NdKind::kAdvertisement);
  EXPECT_TRUE(message->solicited);
  EXPECT_EQ(message->target, ip("2001:2::2"));
  EXPECT_EQ(message->link_address, kOurMac);
}

// RFC 4861, 7.2.4: who asks without an address (RFC 4862, duplicate address detection) is told with everybody else.
TEST(ShardControl, AnswersDuplicateAddressDetectionToAll) {
  TestShard world{{.v6 = true}};
  world.receive(solicitation(IpAddress::parse("::").value(), ip("2001:2::2")));
  const auto reply = world.take();
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->frame.key.local, ip("ff02::1"));
  EXPECT_TRUE(reply->frame.destination.is_group());
}

TEST(ShardControl, SolicitationsFromAfarOrForOthersAreNotAnswered) {
  TestShard world{{.v6 = true}};
  world.receive(solicitation(ip("2001:2::1"), ip("2001:2::2"), 254));  // it came through a router
  world.receive(solicitation(ip("2001:2::1"), ip("2001:2::3")));
  world.expect_silence();
  EXPECT_EQ(world.wire_drops(WireDrop::kNdHopLimit), 1u);
}

Bytes echo_request(const TestShard& world, std::size_t size, const Ends& way) {
  Bytes message = bytes({world.v6() ? 128u : 8u, 0, 0, 0, 0x12, 0x34, 0, 1});
  message.resize(8 + size, std::byte{'e'});
  if (world.v6()) {
    fill_checksum(message, 2, way, 58);
    return ethernet(0x86dd, ipv6({.ends = way, .protocol = 58}, message));
  }
  set16(message, 2, naive_checksum(message));
  return ethernet(0x0800, ipv4({.ends = way, .protocol = 1}, message));
}

TEST_P(ShardDrops, AnswersEchoes) {
  TestShard world{given()};
  for (const std::size_t size : {0u, 1u, 56u, 1400u}) {
    world.receive(echo_request(world, size, world.ends()));
    const auto reply = world.take();
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->frame.destination, kPeerMac);
    EXPECT_EQ(reply->frame.key.local, world.peer());
    const auto message = parse_icmp(reply->frame);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->kind, IcmpKind::kEchoReply);
    EXPECT_EQ(message->identifier, 0x1234);
    EXPECT_EQ(message->echo_data.size(), size);
  }
  EXPECT_EQ(world.counters().echo_replies, 4u);
}

// Larger than what we may send: no answer, and no harm.
TEST_P(ShardDrops, AnEchoLargerThanTheMtuIsNotAnswered) {
  TestShard::Given narrow = given();
  narrow.config.mtu = 1280;
  TestShard world{narrow};
  const std::size_t headers = world.v6() ? 48 : 28;
  world.receive(echo_request(world, 1280 - headers, world.ends()));
  EXPECT_EQ(world.take_all().size(), 1u);
  for (const std::size_t size : {1281u, 1300u, 1500u, 1580u, 4000u, 9000u}) {
    world.receive(echo_request(world, size - headers, world.ends()));
  }
  world.expect_silence();
}

TEST_P(ShardDrops, EchoesToOthersAreNotAnswered) {
  TestShard world{given()};
  world.receive(echo_request(world, 56, {world.peer(), world.own().plus(7)}));
  world.expect_silence();
}

}  // namespace
}  // namespace pollux::test
