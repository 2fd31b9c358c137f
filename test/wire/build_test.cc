// The builders: what they write is read back, and obeys the rules for senders.

#include "wire/build.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "frames.h"
#include "wire/icmp.h"
#include "wire/tcp_options.h"

namespace pollux {
namespace {

using test::Bytes;
using test::ip;
using test::parse;

const FlowKey kV4{ip("198.18.0.2"), ip("198.18.0.1"), 80, 40112};
const FlowKey kV6{ip("2001:2::2"), ip("2001:2::1"), 80, 40112};

TcpFrameSpec spec_for(const FlowKey& key) {
  TcpFrameSpec spec;
  spec.source = test::kOurMac;
  spec.destination = test::kPeerMac;
  spec.key = &key;
  spec.seq = SeqNum{0xfffffffe};
  spec.ack = SeqNum{7};
  spec.wnd = 65535;
  spec.flags = {.ack = true};
  return spec;
}

// A whole frame in a buffer of exactly its size.
Bytes build(const TcpFrameSpec& spec, const Bytes& text, TxOffload wanted = {}) {
  Bytes frame(header_size(spec) + text.size(), std::byte{0xee});
  EXPECT_EQ(write_tcp_headers(frame.data(), spec, text.size(), wanted), header_size(spec));
  EXPECT_EQ(std::size_t{wanted.l2_size} + wanted.l3_size + wanted.l4_size, header_size(spec));
  std::copy(text.begin(), text.end(), frame.end() - static_cast<std::ptrdiff_t>(text.size()));
  finish_tcp_checksum(frame, wanted);
  return frame;
}

FlowKey turned(const FlowKey& key) { return {key.remote, key.local, key.remote_port, key.local_port}; }

TEST(TcpFrame, IsThePictureInTheRfcs) {
  const test::TestTcp tcp{.source_port = 80,
                          .destination_port = 40112,
                          .seq = 0xfffffffe,
                          .ack = 7,
                          .flags = 0x10,
                          .text = test::text("hello")};
  const test::TestLink link{.destination = test::kPeerMac, .source = test::kOurMac};
  const test::Ends ends4{kV4.local, kV4.remote};
  Bytes expected = test::tcp4_frame(tcp, {.ends = ends4}, link);
  Bytes built = build(spec_for(kV4), test::text("hello"));
  // The picture's IP header has an ID; ours is 0, since DF is set (RFC 6864, 4.1).
  test::set16(expected, 18, 0);
  test::set16(expected, 24, 0);
  test::set16(expected, 24, test::naive_checksum(std::span{expected}.subspan(14, 20)));
  EXPECT_EQ(built, expected);

  expected = test::tcp6_frame(tcp, {.ends = {kV6.local, kV6.remote}}, link);
  expected[15] = expected[16] = expected[17] = std::byte{0};  // the picture has a flow label
  EXPECT_EQ(build(spec_for(kV6), test::text("hello")), expected);
}

TEST(TcpFrame, Ipv4LeavesWithDfAndNoId) {  // RFC 1191, 3, DF
  const Bytes frame = build(spec_for(kV4), {});
  EXPECT_EQ(test::get16(frame, 18), 0u);
  EXPECT_EQ(test::get16(frame, 20), 0x4000u);
}

TEST(TcpFrame, Ipv4WithoutDfHasAnId) {  // RFC 6864, 4.3
  TcpFrameSpec spec = spec_for(kV4);
  spec.dont_fragment = false;
  spec.ip_id = 0x1234;
  const Bytes frame = build(spec, {});
  EXPECT_EQ(test::get16(frame, 18), 0x1234u);
  EXPECT_EQ(test::get16(frame, 20), 0u);
  EXPECT_EQ(parse(frame).drop, WireDrop::kNone);
}

TEST(TcpFrame, TheAcknowledgmentIsZeroWithoutAck) {
  TcpFrameSpec spec = spec_for(kV4);
  spec.flags = {.rst = true};
  EXPECT_EQ(parse(build(spec, {})).frame.segment.ack, SeqNum{0});
}

rc::Gen<TcpOptions> options_of(bool syn) {
  return rc::gen::exec([syn] {
    TcpOptions o;
    if (syn && *rc::gen::arbitrary<bool>()) o.mss = *rc::gen::inRange<std::uint16_t>(1, 65535);
    if (syn && *rc::gen::arbitrary<bool>()) o.wind_shift = *rc::gen::inRange<std::uint8_t>(0, 15);
    o.sack_permitted = syn && *rc::gen::arbitrary<bool>();
    if (*rc::gen::arbitrary<bool>()) {
      o.ts = Timestamps{*rc::gen::arbitrary<std::uint32_t>(), *rc::gen::arbitrary<std::uint32_t>()};
    }
    o.sack.count = syn ? 0 : *rc::gen::inRange<std::uint8_t>(0, o.ts ? 4 : 5);
    for (std::size_t i = 0; i < o.sack.count; ++i) {
      o.sack.blocks[i] = {SeqNum{*rc::gen::arbitrary<std::uint32_t>()}, SeqNum{*rc::gen::arbitrary<std::uint32_t>()}};
    }
    return o;
  });
}

void round_trip(const FlowKey& key) {  // MUST-2: parse verifies the checksum
  TcpFrameSpec spec = spec_for(key);
  spec.seq = SeqNum{*rc::gen::arbitrary<std::uint32_t>()};
  spec.ack = SeqNum{*rc::gen::arbitrary<std::uint32_t>()};
  spec.wnd = *rc::gen::arbitrary<std::uint16_t>();
  spec.up = *rc::gen::arbitrary<std::uint16_t>();
  spec.ttl = *rc::gen::arbitrary<std::uint8_t>();
  spec.tos = *rc::gen::arbitrary<std::uint8_t>();
  spec.vlan = *rc::gen::element<std::uint16_t>(0, 1, 5, 4094);
  spec.flags = TcpFlags::decode(*rc::gen::arbitrary<std::uint8_t>());
  const TcpOptions options = *options_of(spec.flags.syn);
  if (*rc::gen::arbitrary<bool>()) spec.options = &options;
  Bytes text(*rc::gen::inRange<std::size_t>(0, 1461));
  for (std::byte& b : text) b = std::byte{*rc::gen::arbitrary<std::uint8_t>()};

  const auto parsed = parse(build(spec, text), {.vlan = spec.vlan});
  RC_ASSERT(parsed.drop == WireDrop::kNone);
  const ParsedFrame& frame = parsed.frame;
  RC_ASSERT(frame.kind == FrameKind::kTcp && !frame.malformed_options);
  RC_ASSERT(frame.key == turned(key));
  RC_ASSERT(frame.source == spec.source && frame.destination == spec.destination);
  RC_ASSERT(frame.vlan == spec.vlan && frame.ttl == spec.ttl && frame.tos == spec.tos);
  RC_ASSERT(frame.segment.seq == spec.seq);
  RC_ASSERT(frame.segment.ack == (spec.flags.ack ? spec.ack : SeqNum{0}));
  RC_ASSERT(frame.segment.wnd == spec.wnd && frame.segment.up == spec.up);
  RC_ASSERT(frame.segment.flags == spec.flags);
  RC_ASSERT(test::as_string(frame.segment.text) == test::as_string(text));
  const TcpOptions sent = spec.options == nullptr ? TcpOptions{} : options;
  const TcpOptions& read = frame.segment.options;
  RC_ASSERT(read.mss == sent.mss && read.wind_shift == sent.wind_shift && read.ts == sent.ts);
  RC_ASSERT(read.sack_permitted == sent.sack_permitted && read.sack.count == sent.sack.count);
  RC_ASSERT(read.sack.blocks == sent.sack.blocks);
}

RC_GTEST_PROP(TcpFrame, IsReadBackAsItWasMeantOverIpv4, ()) { round_trip(kV4); }
RC_GTEST_PROP(TcpFrame, IsReadBackAsItWasMeantOverIpv6, ()) { round_trip(kV6); }

TEST(TcpFrame, TheReservedBitsAreZero) {
  for (const FlowKey& key : {kV4, kV6}) {
    TcpFrameSpec spec = spec_for(key);
    spec.flags = TcpFlags::decode(0xff);
    const Bytes frame = build(spec, {});
    EXPECT_EQ(std::to_integer<unsigned>(frame[frame.size() - 8]), 0x50u);
  }
}

TEST(TcpFrame, AKnownSumOfTheTextGivesTheSameChecksum) {
  for (const FlowKey& key : {kV4, kV6}) {
    for (std::size_t size = 0; size <= 1460; size += 73) {
      Bytes text(size);
      for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<std::byte>(i * 7);
      const TcpFrameSpec spec = spec_for(key);
      Bytes frame(header_size(spec) + size);
      TxOffload wanted;
      const std::size_t headers = write_tcp_headers(frame.data(), spec, size, wanted);
      const PartialSum sum_of_text = copy_and_sum(frame.data() + headers, text.data(), size);
      finish_tcp_checksum(frame.data(), wanted, size, sum_of_text);
      EXPECT_EQ(frame, build(spec, text));
    }
  }
}

// The field that a device expects: the sum of the pseudo-header, not complemented.
unsigned pseudo_sum(const FlowKey& key, std::uint32_t length) {
  Bytes pseudo;
  test::put_address(pseudo, key.local);
  test::put_address(pseudo, key.remote);
  test::put32(pseudo, length);
  test::put32(pseudo, 6);
  return test::naive_sum(pseudo);
}

TEST(TcpFrame, ForADeviceThatSumsItHoldsThePseudoHeadersSum) {
  for (const FlowKey& key : {kV4, kV6}) {
    const std::size_t ip_size = key.local.is_v4() ? 20 : 40;
    const Bytes frame = build(spec_for(key), Bytes(100), {.tcp_checksum = true});
    EXPECT_EQ(test::get16(frame, 14 + ip_size + 16), pseudo_sum(key, 120));
    // A device that cuts the text adds each length itself.
    const Bytes cut = build(spec_for(key), Bytes(5000), {.tcp_checksum = true, .segment_size = 1460});
    EXPECT_EQ(test::get16(cut, 14 + ip_size + 16), pseudo_sum(key, 0));
  }
}

TEST(TcpFrame, TellsTheDeviceTheSizesOfItsHeaders) {
  TcpOptions options;
  options.ts = Timestamps{1, 2};
  TcpFrameSpec spec = spec_for(kV6);
  spec.vlan = 5;
  spec.options = &options;
  Bytes frame(header_size(spec));
  TxOffload wanted{.ip_checksum = true, .tcp_checksum = true};
  write_tcp_headers(frame.data(), spec, 0, wanted);
  EXPECT_TRUE(wanted.ipv6);
  EXPECT_FALSE(wanted.ip_checksum);  // there is none
  EXPECT_EQ(wanted.l2_size, 18);
  EXPECT_EQ(wanted.l3_size, 40);
  EXPECT_EQ(wanted.l4_size, 32);
}

TEST(TcpFrame, LeavesTheIpChecksumToTheDeviceThatFillsItIn) {
  const Bytes frame = build(spec_for(kV4), {}, {.ip_checksum = true});
  EXPECT_EQ(test::get16(frame, 24), 0u);
}

#ifdef POLLUX_ASSERTIONS
TEST(TcpFrameDeathTest, OptionsOfASynElsewhereAreOurMistake) {  // MUST-65
  TcpOptions options;
  options.mss = 1460;
  TcpFrameSpec spec = spec_for(kV4);
  spec.options = &options;
  Bytes frame(header_size(spec));
  TxOffload wanted;
  EXPECT_DEATH(write_tcp_headers(frame.data(), spec, 0, wanted), "assertion failed");
  spec.flags.syn = true;
  EXPECT_EQ(write_tcp_headers(frame.data(), spec, 0, wanted), frame.size());
}
#endif

TEST(TcpFrame, FitsIntoTheLargestHeaders) {
  TcpOptions options;
  options.ts = Timestamps{1, 2};
  options.sack.count = 4;
  TcpFrameSpec spec = spec_for(kV6);
  spec.vlan = 1;
  spec.options = &options;
  EXPECT_EQ(header_size(spec), kMaxTcpHeaders);
}

// --- The others

const LinkSpec kLink{test::kOurMac, MacAddress{}, 0};

Bytes control(std::size_t (*write)(std::byte*)) {
  Bytes frame(kMaxControlFrame);
  frame.resize(write(frame.data()));
  return frame;
}

Expected<ArpMessage, WireDrop> read_arp(const test::Parsed& parsed) {
  EXPECT_EQ(parsed.drop, WireDrop::kNone);
  EXPECT_EQ(parsed.frame.kind, FrameKind::kArp);
  return parse_arp(parsed.frame.payload);
}

TEST(ArpFrame, ARequestIsBroadcast) {
  const auto parsed =
      parse(control([](std::byte* to) { return write_arp_request(to, kLink, ip("198.18.0.2"), ip("198.18.0.1")); }));
  const auto message = read_arp(parsed);
  ASSERT_TRUE(message);
  EXPECT_EQ(parsed.frame.destination, MacAddress::broadcast());
  EXPECT_EQ(parsed.frame.source, test::kOurMac);
  EXPECT_EQ(message->operation, ArpOperation::kRequest);
  EXPECT_EQ(message->sender_mac, test::kOurMac);
  EXPECT_EQ(message->sender_ip, ip("198.18.0.2"));
  EXPECT_EQ(message->target_ip, ip("198.18.0.1"));
  EXPECT_TRUE(message->target_mac.is_zero());
}

TEST(ArpFrame, AReplyGoesToWhoAsked) {
  const auto parsed = parse(control([](std::byte* to) {
    const ArpMessage request{ArpOperation::kRequest, test::kPeerMac, ip("198.18.0.1"), MacAddress{}, ip("198.18.0.2")};
    return write_arp_reply(to, kLink, ip("198.18.0.2"), request);
  }));
  const auto message = read_arp(parsed);
  ASSERT_TRUE(message);
  EXPECT_EQ(parsed.frame.destination, test::kPeerMac);
  EXPECT_EQ(message->operation, ArpOperation::kReply);
  EXPECT_EQ(message->sender_mac, test::kOurMac);
  EXPECT_EQ(message->sender_ip, ip("198.18.0.2"));
  EXPECT_EQ(message->target_mac, test::kPeerMac);
  EXPECT_EQ(message->target_ip, ip("198.18.0.1"));
}

TEST(ArpFrame, AnAnnouncementIsGratuitousAndTagged) {
  const Bytes frame = control([](std::byte* to) {
    return write_arp_announcement(to, {test::kOurMac, MacAddress{}, 5}, ip("198.18.0.2"));
  });
  EXPECT_EQ(test::drop_of(frame), WireDrop::kL2Vlan);
  const auto parsed = parse(frame, {.vlan = 5});
  const auto message = read_arp(parsed);
  ASSERT_TRUE(message);
  EXPECT_TRUE(message->is_gratuitous());
  EXPECT_EQ(parsed.frame.destination, MacAddress::broadcast());
}

TEST(NdFrame, ASolicitationGoesToTheGroupOfTheAddressWanted) {
  const auto parsed = parse(control(
      [](std::byte* to) { return write_neighbour_solicitation(to, kLink, ip("2001:2::2"), ip("2001:2::12:3456")); }));
  ASSERT_EQ(parsed.drop, WireDrop::kNone);
  const auto message = parse_nd(parsed.frame);
  ASSERT_TRUE(message);
  EXPECT_EQ(to_string(parsed.frame.destination), "33:33:ff:12:34:56");
  EXPECT_EQ(parsed.frame.key.local, ip("ff02::1:ff12:3456"));
  EXPECT_EQ(parsed.frame.key.remote, ip("2001:2::2"));
  EXPECT_EQ(message->kind, NdKind::kSolicitation);
  EXPECT_EQ(message->target, ip("2001:2::12:3456"));
  EXPECT_EQ(message->link_address, test::kOurMac);
}

TEST(NdFrame, ASolicitationThatConfirmsIsUnicast) {
  const auto parsed = parse(control([](std::byte* to) {
    return write_neighbour_solicitation(to, {test::kOurMac, test::kPeerMac, 0}, ip("2001:2::2"), ip("2001:2::1"));
  }));
  ASSERT_TRUE(parse_nd(parsed.frame));
  EXPECT_EQ(parsed.frame.destination, test::kPeerMac);
  EXPECT_EQ(parsed.frame.key.local, ip("2001:2::1"));
}

TEST(NdFrame, DuplicateAddressDetectionNamesNoLinkAddress) {
  const auto parsed =
      parse(control([](std::byte* to) { return write_neighbour_solicitation(to, kLink, ip("::"), ip("2001:2::2")); }));
  const auto message = parse_nd(parsed.frame);
  ASSERT_TRUE(message);
  EXPECT_TRUE(parsed.frame.key.remote.is_unspecified());
  EXPECT_FALSE(message->link_address);
}

TEST(NdFrame, AnAdvertisementAnswersWhoAsked) {
  const Bytes question = control([](std::byte* to) {
    return write_neighbour_solicitation(to, {test::kPeerMac, MacAddress{}, 0}, ip("2001:2::1"), ip("2001:2::2"));
  });
  const auto asked = parse(question);
  Bytes answer(kMaxControlFrame);
  answer.resize(write_neighbour_advertisement(answer.data(), kLink, ip("2001:2::2"), asked.frame));
  const auto parsed = parse(answer);
  ASSERT_EQ(parsed.drop, WireDrop::kNone);
  const auto message = parse_nd(parsed.frame);
  ASSERT_TRUE(message);
  EXPECT_EQ(parsed.frame.destination, test::kPeerMac);
  EXPECT_EQ(parsed.frame.key.local, ip("2001:2::1"));
  EXPECT_EQ(message->kind, NdKind::kAdvertisement);
  EXPECT_EQ(message->target, ip("2001:2::2"));
  EXPECT_EQ(message->link_address, test::kOurMac);
  EXPECT_TRUE(message->solicited);
  EXPECT_TRUE(message->overrides);
  EXPECT_FALSE(message->router);
}

TEST(NdFrame, AnAdvertisementToWhoHasNoAddressGoesToAllNodes) {  // RFC 4861, 7.2.4
  const auto asked = parse(control([](std::byte* to) {
    return write_neighbour_solicitation(to, {test::kPeerMac, MacAddress{}, 0}, ip("::"), ip("2001:2::2"));
  }));
  Bytes answer(kMaxControlFrame);
  answer.resize(write_neighbour_advertisement(answer.data(), kLink, ip("2001:2::2"), asked.frame));
  const auto parsed = parse(answer);
  const auto message = parse_nd(parsed.frame);
  ASSERT_TRUE(message);
  EXPECT_EQ(to_string(parsed.frame.destination), "33:33:00:00:00:01");
  EXPECT_EQ(parsed.frame.key.local, ip("ff02::1"));
  EXPECT_FALSE(message->solicited);
}

// An echo request from 198.18.0.1, or 2001:2::1, with `size` bytes of data.
Bytes echo_request(bool v6, std::size_t size) {
  Bytes message;
  test::put16(message, v6 ? 0x8000 : 0x0800);
  test::put16(message, 0);
  test::put32(message, 0x12345678);
  for (std::size_t i = 0; i < size; ++i) test::put8(message, static_cast<unsigned>(i));
  if (v6) {
    test::fill_checksum(message, 2, test::v6_ends(), 58);
    return test::ethernet(0x86dd, test::ipv6({.ends = test::v6_ends(), .protocol = 58}, message));
  }
  test::set16(message, 2, test::naive_checksum(message));
  return test::ethernet(0x0800, test::ipv4({.protocol = 1}, message));
}

TEST(EchoReply, SendsTheDataBack) {
  for (const bool v6 : {false, true}) {
    for (const std::size_t size : {0, 1, 2, 56, 57, 1472 - 20}) {
      const auto asked = parse(echo_request(v6, size));
      ASSERT_EQ(asked.drop, WireDrop::kNone);
      Bytes reply(asked.bytes.size());
      ASSERT_EQ(write_echo_reply(reply, kLink, asked.frame), reply.size());
      const auto parsed = parse(reply);
      ASSERT_EQ(parsed.drop, WireDrop::kNone) << size;  // the checksum is right
      const auto message = parse_icmp(parsed.frame);
      ASSERT_TRUE(message);
      EXPECT_EQ(message->kind, IcmpKind::kEchoReply);
      EXPECT_EQ(message->identifier, 0x1234);
      EXPECT_EQ(message->sequence, 0x5678);
      EXPECT_EQ(test::as_string(message->echo_data), test::as_string(parse_icmp(asked.frame)->echo_data));
      EXPECT_EQ(parsed.frame.key, (FlowKey{asked.frame.key.remote, asked.frame.key.local, 0, 0}));
      EXPECT_EQ(parsed.frame.destination, test::kPeerMac);
      EXPECT_EQ(parsed.frame.source, test::kOurMac);
      EXPECT_EQ(parsed.frame.ttl, kDefaultTtl);
    }
  }
}

TEST(EchoReply, DoesNotGrowBeyondItsBuffer) {
  const auto asked = parse(echo_request(false, 56));
  Bytes reply(asked.bytes.size() - 1, std::byte{0xee});
  EXPECT_EQ(write_echo_reply(reply, kLink, asked.frame), 0u);
  EXPECT_EQ(reply, Bytes(reply.size(), std::byte{0xee}));
}

TEST(EchoReply, AnswersNoReply) {
  const auto asked = parse(echo_request(false, 56));
  Bytes reply(asked.bytes.size());
  ASSERT_EQ(write_echo_reply(reply, kLink, asked.frame), reply.size());
  const auto parsed = parse(reply);
  Bytes again(reply.size());
  EXPECT_EQ(write_echo_reply(again, kLink, parsed.frame), 0u);
}

}  // namespace
}  // namespace pollux
