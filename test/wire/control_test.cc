// ARP, ICMP and neighbour discovery.

#include <gtest/gtest.h>

#include <random>

#include "frames.h"
#include "wire/arp.h"
#include "wire/icmp.h"
#include "wire/nd.h"

namespace pollux {
namespace {

using test::Bytes;
using test::bytes;
using test::drop_of;
using test::ip;
using test::parse;

// --- ARP

struct TestArp {
  unsigned hardware = 1;
  unsigned protocol = 0x0800;
  unsigned sizes = 0x0604;
  unsigned operation = 1;
  MacAddress sender_mac = test::kPeerMac;
  const char* sender_ip = "198.18.0.1";
  MacAddress target_mac{};
  const char* target_ip = "198.18.0.2";
};

Bytes arp(const TestArp& spec) {
  Bytes message;
  test::put16(message, spec.hardware);
  test::put16(message, spec.protocol);
  test::put16(message, spec.sizes);
  test::put16(message, spec.operation);
  test::put_mac(message, spec.sender_mac);
  test::put_address(message, ip(spec.sender_ip));
  test::put_mac(message, spec.target_mac);
  test::put_address(message, ip(spec.target_ip));
  return message;
}

TEST(Arp, EveryFieldArrives) {
  Bytes frame = test::ethernet(0x0806, arp({.operation = 2, .target_mac = test::kOurMac}));
  frame.resize(60);
  const auto parsed = parse(frame);
  ASSERT_EQ(parsed.drop, WireDrop::kNone);
  ASSERT_EQ(parsed.frame.kind, FrameKind::kArp);
  const auto message = parse_arp(parsed.frame.payload);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->operation, ArpOperation::kReply);
  EXPECT_EQ(message->sender_mac, test::kPeerMac);
  EXPECT_EQ(message->sender_ip, ip("198.18.0.1"));
  EXPECT_EQ(message->target_mac, test::kOurMac);
  EXPECT_EQ(message->target_ip, ip("198.18.0.2"));
  EXPECT_FALSE(message->is_gratuitous());
  EXPECT_TRUE(parse_arp(arp({.target_ip = "198.18.0.1"}))->is_gratuitous());
}

TEST(Arp, AProbeHasNoSenderAddress) { EXPECT_TRUE(parse_arp(arp({.sender_ip = "0.0.0.0"}))); }  // RFC 5227

TEST(Arp, WhatIsNotIpv4OverEthernetIsMalformed) {
  EXPECT_FALSE(parse_arp(arp({.hardware = 6})));
  EXPECT_FALSE(parse_arp(arp({.protocol = 0x86dd})));
  EXPECT_FALSE(parse_arp(arp({.sizes = 0x0610})));
  EXPECT_FALSE(parse_arp(arp({.sizes = 0x0804})));
  EXPECT_FALSE(parse_arp(arp({.operation = 0})));
  EXPECT_FALSE(parse_arp(arp({.operation = 3})));
  EXPECT_FALSE(parse_arp(arp({.operation = 0x0101})));
}

TEST(Arp, ImpossibleSendersAreMalformed) {
  EXPECT_FALSE(parse_arp(arp({.sender_mac = MacAddress::broadcast()})));
  EXPECT_FALSE(parse_arp(arp({.sender_mac = MacAddress{}})));
  for (const char* sender : {"224.0.0.1", "255.255.255.255", "127.0.0.1"}) {
    EXPECT_FALSE(parse_arp(arp({.sender_ip = sender}))) << sender;
  }
}

TEST(Arp, AMessageCutAnywhereIsMalformed) {
  const Bytes whole = arp({});
  ASSERT_EQ(whole.size(), 28u);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(parse_arp(cut).error(), WireDrop::kArpMalformed);
  }
}

// --- ICMP

Bytes icmp4(unsigned type, unsigned code, std::uint32_t rest, const Bytes& body) {
  Bytes message = bytes({type, code, 0, 0});
  test::put32(message, rest);
  test::append(message, body);
  test::set16(message, 2, test::naive_checksum(message));
  return message;
}
Bytes icmp4_frame(const Bytes& message, const test::TestIp& header = {.protocol = 1}) {
  return test::ethernet(0x0800, test::ipv4(header, message));
}

Bytes icmp6(unsigned type, unsigned code, std::uint32_t rest, const Bytes& body,
            const test::Ends& ends = test::v6_ends()) {
  Bytes message = bytes({type, code, 0, 0});
  test::put32(message, rest);
  test::append(message, body);
  test::fill_checksum(message, 2, ends, 58);
  return message;
}
Bytes icmp6_frame(const Bytes& message, const test::Ends& ends = test::v6_ends(), unsigned hop_limit = 255) {
  return test::ethernet(0x86dd, test::ipv6({.ends = ends, .protocol = 58, .ttl = hop_limit}, message));
}

// What we sent and a router sends back the beginning of: 198.18.0.2 to `to`.
Bytes quoted4(std::size_t tcp_size = 8, unsigned fragment = 0x4000, unsigned protocol = 6, const Bytes& options = {}) {
  const test::TestIp header{
      .ends = {ip("198.18.0.2"), ip("198.18.0.9")}, .protocol = protocol, .fragment = fragment, .options = options};
  Bytes packet =
      test::ipv4(header, test::tcp({.source_port = 80, .destination_port = 4242, .seq = 0xfffffff0}, header.ends));
  packet.resize(20 + options.size() + tcp_size);
  return packet;
}
Bytes quoted6(std::size_t tcp_size = 8) {
  const test::TestIp header{.ends = {ip("2001:2::2"), ip("2001:2::9")}};
  Bytes packet =
      test::ipv6(header, test::tcp({.source_port = 80, .destination_port = 4242, .seq = 0xfffffff0}, header.ends));
  packet.resize(40 + tcp_size);
  return packet;
}

Expected<IcmpMessage, WireDrop> icmp_of(const test::Parsed& parsed) {
  EXPECT_EQ(parsed.drop, WireDrop::kNone);
  if (parsed.drop != WireDrop::kNone) return unexpected(parsed.drop);
  return parse_icmp(parsed.frame);
}

struct IcmpCase {
  unsigned type;
  unsigned code;
  std::optional<IcmpKind> kind;
};

TEST(Icmp, ErrorsOfEachTypeQuoteTheSegment) {  // MUST-54
  const std::vector<IcmpCase> v4 = {
      {3, 0, IcmpKind::kUnreachable},
      {3, 1, IcmpKind::kUnreachable},
      {3, 2, IcmpKind::kUnreachable},
      {3, 3, IcmpKind::kUnreachable},
      {3, 4, IcmpKind::kPacketTooBig},
      {3, 5, IcmpKind::kUnreachable},
      {3, 13, IcmpKind::kUnreachable},
      {4, 0, IcmpKind::kSourceQuench},
      {11, 0, IcmpKind::kTimeExceeded},
      {11, 1, IcmpKind::kTimeExceeded},
      {12, 0, IcmpKind::kParameterProblem},
      {5, 0, std::nullopt},
      {13, 0, std::nullopt},
      {17, 0, std::nullopt},
  };
  for (const IcmpCase& c : v4) {
    const auto parsed = parse(icmp4_frame(icmp4(c.type, c.code, 1400, quoted4())));
    const auto message = icmp_of(parsed);
    ASSERT_EQ(message.has_value(), c.kind.has_value()) << c.type << "/" << c.code;
    if (!message) {
      EXPECT_EQ(message.error(), WireDrop::kIcmpType);
      continue;
    }
    EXPECT_EQ(message->kind, *c.kind);
    EXPECT_EQ(message->code, c.code);
    ASSERT_TRUE(message->quoted);
    EXPECT_EQ(message->quoted->key, (FlowKey{ip("198.18.0.2"), ip("198.18.0.9"), 80, 4242}));
    EXPECT_EQ(message->quoted->seq, SeqNum{0xfffffff0});
    EXPECT_EQ(message->quoted->size, 40u) << "all of it, though the quote is cut short";
    EXPECT_EQ(message->mtu, c.kind == IcmpKind::kPacketTooBig ? 1400u : 0u);
  }
  const std::vector<IcmpCase> v6 = {
      {1, 0, IcmpKind::kUnreachable},
      {1, 4, IcmpKind::kUnreachable},
      {2, 0, IcmpKind::kPacketTooBig},
      {3, 0, IcmpKind::kTimeExceeded},
      {4, 1, IcmpKind::kParameterProblem},
      {133, 0, std::nullopt},
      {134, 0, std::nullopt},
      {137, 0, std::nullopt},
      {143, 0, std::nullopt},
  };
  for (const IcmpCase& c : v6) {
    const auto parsed = parse(icmp6_frame(icmp6(c.type, c.code, 70000, quoted6())));
    const auto message = icmp_of(parsed);
    ASSERT_EQ(message.has_value(), c.kind.has_value()) << c.type;
    if (!message) continue;
    EXPECT_EQ(message->kind, *c.kind);
    EXPECT_EQ(message->quoted->key, (FlowKey{ip("2001:2::2"), ip("2001:2::9"), 80, 4242}));
    EXPECT_EQ(message->quoted->seq, SeqNum{0xfffffff0});
    EXPECT_EQ(message->quoted->size, 60u);
    EXPECT_EQ(message->mtu, c.kind == IcmpKind::kPacketTooBig ? 70000u : 0u);
  }
}

TEST(Icmp, AQuoteWithIpOptionsIsFound) {
  const auto parsed = parse(icmp4_frame(icmp4(11, 0, 0, quoted4(8, 0x4000, 6, Bytes(8, std::byte{1})))));
  EXPECT_EQ(icmp_of(parsed)->quoted->key.remote_port, 4242);
}

TEST(Icmp, AnErrorThatQuotesNoSegmentOfOursIsDropped) {
  const auto drop_for = [](const Bytes& quoted) {
    const auto parsed = parse(icmp4_frame(icmp4(3, 3, 0, quoted)));
    return icmp_of(parsed).error();
  };
  for (std::size_t size = 0; size < 8; ++size) EXPECT_EQ(drop_for(quoted4(size)), WireDrop::kIcmpQuote);
  for (std::size_t size = 0; size < 20; ++size) {
    Bytes cut = quoted4();
    cut.resize(size);
    EXPECT_EQ(drop_for(cut), WireDrop::kIcmpQuote);
  }
  EXPECT_EQ(drop_for(quoted4(8, 0x4000, 17)), WireDrop::kIcmpQuote);
  EXPECT_EQ(drop_for(quoted4(8, 0x0001)), WireDrop::kIcmpQuote);
  Bytes short_header = quoted4();
  short_header[0] = std::byte{0x44};
  EXPECT_EQ(drop_for(short_header), WireDrop::kIcmpQuote);
  Bytes long_header = quoted4();
  long_header[0] = std::byte{0x4f};
  EXPECT_EQ(drop_for(long_header), WireDrop::kIcmpQuote);
  Bytes of_another = quoted4();
  of_another[15] = std::byte{99};
  EXPECT_EQ(drop_for(of_another), WireDrop::kIcmpQuote);
  for (std::size_t size = 0; size < 48; ++size) {
    Bytes cut = quoted6();
    cut.resize(size);
    const auto parsed = parse(icmp6_frame(icmp6(1, 0, 0, cut)));
    EXPECT_EQ(icmp_of(parsed).error(), WireDrop::kIcmpQuote);
  }
}

TEST(Icmp, EchoCarriesItsNumbersAndData) {
  for (const bool v6 : {false, true}) {
    const Bytes frame = v6 ? icmp6_frame(icmp6(128, 0, 0x12345678, test::text("ping")))
                           : icmp4_frame(icmp4(8, 0, 0x12345678, test::text("ping")));
    const auto parsed = parse(frame);
    const auto message = icmp_of(parsed);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->kind, IcmpKind::kEchoRequest);
    EXPECT_EQ(message->identifier, 0x1234);
    EXPECT_EQ(message->sequence, 0x5678);
    EXPECT_EQ(test::as_string(message->echo_data), "ping");
  }
}

TEST(Icmp, AWrongChecksumIsNoticedWhateverTheDeviceSays) {
  for (Bytes frame :
       {icmp4_frame(icmp4(8, 0, 1, test::text("ping"))), icmp6_frame(icmp6(128, 0, 1, test::text("ping")))}) {
    EXPECT_EQ(drop_of(frame), WireDrop::kNone);
    frame.back() ^= std::byte{1};
    EXPECT_EQ(drop_of(frame), WireDrop::kIcmpChecksum);
    const auto parsed = parse(frame, {.checksums = ChecksumMode::kHardware}, ChecksumWord::kGood, ChecksumWord::kGood);
    EXPECT_EQ(parsed.drop, WireDrop::kIcmpChecksum);
    EXPECT_EQ(drop_of(frame, {.checksums = ChecksumMode::kTrust}), WireDrop::kNone);
  }
}

TEST(Icmp, AMessageShorterThanItsHeaderIsDropped) {
  for (std::size_t size = 0; size < 8; ++size) {
    EXPECT_EQ(drop_of(icmp4_frame(Bytes(size))), WireDrop::kIcmpTruncated);
    EXPECT_EQ(drop_of(icmp6_frame(Bytes(size))), WireDrop::kIcmpTruncated);
  }
}

TEST(Icmp, AnEchoToAGroupIsDropped) {
  const test::Ends group{ip("2001:2::1"), ip("ff02::1")};
  EXPECT_EQ(drop_of(icmp6_frame(icmp6(128, 0, 1, {}, group), group)), WireDrop::kIpGroupDestination);
  EXPECT_EQ(drop_of(icmp4_frame(icmp4(8, 0, 1, {}), {.ends = {.destination = ip("224.0.0.1")}, .protocol = 1})),
            WireDrop::kIpGroupDestination);
}

// --- Neighbour discovery

Bytes nd_body(const char* target, const Bytes& options = {}) {
  Bytes body;
  test::put_address(body, ip(target));
  test::append(body, options);
  return body;
}

Bytes link_option(unsigned kind, const MacAddress& mac = test::kPeerMac) {
  Bytes option = bytes({kind, 1});
  test::put_mac(option, mac);
  return option;
}

const test::Ends kToGroup{ip("2001:2::1"), ip("ff02::1:ff00:2")};
const test::Ends kUnspecifiedToGroup{ip("::"), ip("ff02::1:ff00:2")};

Expected<NdMessage, WireDrop> nd(unsigned type, const Bytes& body, const test::Ends& ends, std::uint32_t flags = 0,
                                 unsigned hop_limit = 255, unsigned code = 0) {
  const auto parsed = parse(icmp6_frame(icmp6(type, code, flags, body, ends), ends, hop_limit));
  EXPECT_EQ(parsed.drop, WireDrop::kNone);
  EXPECT_EQ(parsed.frame.kind, FrameKind::kNd);
  return parse_nd(parsed.frame);
}

TEST(NeighbourDiscovery, ASolicitationNamesTheAskersLinkAddress) {
  const auto message = nd(135, nd_body("2001:2::2", link_option(1)), kToGroup);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->kind, NdKind::kSolicitation);
  EXPECT_EQ(message->target, ip("2001:2::2"));
  EXPECT_EQ(message->link_address, test::kPeerMac);
  EXPECT_FALSE(nd(135, nd_body("2001:2::2"), kToGroup)->link_address);
  EXPECT_FALSE(nd(135, nd_body("2001:2::2", link_option(2)), kToGroup)->link_address);
}

TEST(NeighbourDiscovery, AnAdvertisementCarriesItsFlags) {
  for (unsigned flags = 0; flags < 8; ++flags) {
    const auto message = nd(136, nd_body("2001:2::1", link_option(2)), test::v6_ends(), flags << 29);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->kind, NdKind::kAdvertisement);
    EXPECT_EQ(message->router, (flags & 4) != 0);
    EXPECT_EQ(message->solicited, (flags & 2) != 0);
    EXPECT_EQ(message->overrides, (flags & 1) != 0);
    EXPECT_EQ(message->link_address, test::kPeerMac);
  }
}

TEST(NeighbourDiscovery, WhatARouterForwardedIsDropped) {  // RFC 4861, 7.1
  for (unsigned hop_limit = 0; hop_limit < 255; ++hop_limit) {
    EXPECT_EQ(nd(135, nd_body("2001:2::2"), kToGroup, 0, hop_limit).error(), WireDrop::kNdHopLimit);
  }
}

TEST(NeighbourDiscovery, DuplicateAddressDetectionComesFromNoAddress) {  // RFC 4861, 7.1.1
  EXPECT_TRUE(nd(135, nd_body("2001:2::2"), kUnspecifiedToGroup));
  EXPECT_FALSE(nd(135, nd_body("2001:2::2", link_option(1)), kUnspecifiedToGroup));
  EXPECT_FALSE(nd(135, nd_body("2001:2::3"), kUnspecifiedToGroup));
  EXPECT_FALSE(nd(135, nd_body("2001:2::2"), {ip("::"), ip("2001:2::2")}));
  EXPECT_FALSE(nd(136, nd_body("2001:2::2"), {ip("::"), ip("ff02::1")}));
}

TEST(NeighbourDiscovery, WhatBreaksTheRulesIsMalformed) {  // RFC 4861, 7.1.1 and 7.1.2
  EXPECT_FALSE(nd(135, nd_body("2001:2::2"), kToGroup, 0, 255, 1));
  for (const char* target : {"ff02::1", "::", "::1", "::ffff:198.18.0.2"}) {
    Bytes body;
    const IpAddress address = ip(target);
    for (const std::uint32_t word : address.words()) test::put32(body, from_big_endian(word));
    EXPECT_FALSE(nd(135, body, kToGroup)) << target;
  }
  const test::Ends to_all{ip("2001:2::1"), ip("ff02::1")};
  EXPECT_TRUE(nd(136, nd_body("2001:2::1"), to_all, 0x20000000));
  EXPECT_FALSE(nd(136, nd_body("2001:2::1"), to_all, 0x60000000));
  EXPECT_FALSE(nd(135, nd_body("2001:2::2", link_option(1, MacAddress::broadcast())), kToGroup));
  EXPECT_FALSE(nd(135, nd_body("2001:2::2", bytes({1, 0, 0, 0, 0, 0, 0, 0})), kToGroup));
  EXPECT_FALSE(nd(135, nd_body("2001:2::2", bytes({1, 2, 0, 0, 0, 0, 0, 0})), kToGroup));
  EXPECT_TRUE(nd(135, nd_body("2001:2::2", bytes({99, 1, 0, 0, 0, 0, 0, 0})), kToGroup));
}

TEST(NeighbourDiscovery, ASolicitationFromTheAddressItAsksForIsMalformed) {
  EXPECT_TRUE(nd(135, nd_body("2001:2::2"), {ip("2001:2::1"), ip("2001:2::3")}));
  EXPECT_FALSE(nd(135, nd_body("2001:2::2"), {ip("2001:2::2"), ip("2001:2::3")}));
}

TEST(NeighbourDiscovery, AMessageCutAnywhereIsMalformed) {
  const Bytes whole = nd_body("2001:2::2", link_option(1));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    if (size == 16) continue;  // before the option
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(nd(135, cut, kToGroup).error(), WireDrop::kNdMalformed) << size;
  }
}

TEST(NeighbourDiscovery, GroupsAreDerivedFromTheAddress) {
  EXPECT_EQ(solicited_node_group(ip("2001:2::12:3456")), ip("ff02::1:ff12:3456"));  // RFC 4291, 2.7.1
  EXPECT_EQ(to_string(group_mac(ip("ff02::1:ff12:3456"))), "33:33:ff:12:34:56");    // RFC 2464, 7
}

TEST(Control, DamagedMessagesAreReadWithinTheirBounds) {
  std::mt19937 random{9};
  const std::vector<Bytes> seeds = {
      test::ethernet(0x0806, arp({})),
      icmp4_frame(icmp4(3, 4, 1400, quoted4())),
      icmp6_frame(icmp6(2, 0, 1400, quoted6())),
      icmp6_frame(icmp6(135, 0, 0, nd_body("2001:2::2", link_option(1)), kToGroup), kToGroup),
      icmp6_frame(icmp6(136, 0, 0, nd_body("2001:2::1", link_option(2)))),
  };
  for (int round = 0; round < 200000; ++round) {
    Bytes frame = seeds[random() % seeds.size()];
    for (unsigned changes = random() % 4; changes != 0; --changes) {
      frame[random() % frame.size()] = static_cast<std::byte>(random());
    }
    if (random() % 4 == 0) frame.resize(random() % (frame.size() + 1));
    const auto parsed = parse(frame, {.checksums = ChecksumMode::kTrust});
    if (parsed.drop != WireDrop::kNone) continue;
    switch (parsed.frame.kind) {
      case FrameKind::kTcp:
        break;
      case FrameKind::kArp:
        (void)parse_arp(parsed.frame.payload);
        break;
      case FrameKind::kIcmp:
      case FrameKind::kIcmp6:
        (void)parse_icmp(parsed.frame);
        break;
      case FrameKind::kNd:
        (void)parse_nd(parsed.frame);
        break;
    }
  }
}

}  // namespace
}  // namespace pollux
