// IPv4 and IPv6: what parse_frame makes of their headers.

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <random>

#include "frames.h"

namespace pollux {
namespace {

using test::Bytes;
using test::bytes;
using test::drop_of;
using test::parse;

constexpr std::size_t kLink = 14;

// Puts the checksum of an IPv4 header without options right again.
void mend(Bytes& frame) {
  test::set16(frame, kLink + 10, 0);
  test::set16(frame, kLink + 10, test::naive_checksum(std::span{frame}.subspan(kLink, 20)));
}

TEST(Ip, SaysWhereThePacketCameFromAndWentTo) {
  const auto v4 = parse(test::tcp4_frame({}, {.ttl = 57, .tos = 0xb9}));
  ASSERT_EQ(v4.drop, WireDrop::kNone);
  EXPECT_EQ(v4.frame.key, (FlowKey{test::ip("198.18.0.2"), test::ip("198.18.0.1"), 80, 40112}));
  EXPECT_EQ(v4.frame.ttl, 57);
  EXPECT_EQ(v4.frame.tos, 0xb9);

  const auto v6 = parse(test::tcp6_frame({}, {.ends = test::v6_ends(), .ttl = 57, .tos = 0xb9}));
  ASSERT_EQ(v6.drop, WireDrop::kNone);
  EXPECT_EQ(v6.frame.key, (FlowKey{test::ip("2001:2::2"), test::ip("2001:2::1"), 80, 40112}));
  EXPECT_EQ(v6.frame.ttl, 57);
  EXPECT_EQ(v6.frame.tos, 0xb9);
}

TEST(Ip, AFrameCutAnywhereIsDropped) {
  const Bytes options = bytes({1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2});
  for (const Bytes& whole : {test::tcp4_frame({.options = options, .text = test::text("hello")}),
                             test::tcp6_frame({.options = options, .text = test::text("hello")})}) {
    ASSERT_EQ(drop_of(whole), WireDrop::kNone);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      const WireDrop drop = drop_of(cut);
      EXPECT_NE(drop, WireDrop::kNone) << size;
      const bool v4 = std::to_integer<unsigned>(whole[12]) == 0x08;
      const std::size_t fixed = kLink + (v4 ? 20u : 40u);
      EXPECT_EQ(drop, size < kLink ? WireDrop::kL2Short : size < fixed ? WireDrop::kIpTruncated : WireDrop::kIpLength);
    }
  }
}

TEST(Ip, PaddingIsNotText) {
  for (std::size_t padding = 0; padding <= 46; ++padding) {
    for (const char* text : {"", "x", "hello"}) {
      for (Bytes frame : {test::tcp4_frame({.text = test::text(text)}), test::tcp6_frame({.text = test::text(text)})}) {
        frame.resize(frame.size() + padding, std::byte{0xaa});
        const auto parsed = parse(frame);
        ASSERT_EQ(parsed.drop, WireDrop::kNone) << padding;
        EXPECT_EQ(test::as_string(parsed.frame.segment.text), text);
      }
    }
  }
}

TEST(Ip, OtherProtocolsAreDropped) {
  for (unsigned protocol = 0; protocol < 256; ++protocol) {
    if (protocol == 6 || protocol == 1) continue;
    EXPECT_EQ(drop_of(test::tcp4_frame({}, {.protocol = protocol})), WireDrop::kIpProtocol);
  }
  for (const unsigned protocol : {1, 17, 50, 51, 59, 132, 255}) {
    EXPECT_EQ(drop_of(test::tcp6_frame({}, {.ends = test::v6_ends(), .protocol = protocol})), WireDrop::kIpProtocol);
  }
}

// --- IPv4

TEST(Ipv4, OfAllFirstBytesOnlyThoseOfVersion4WithAHeaderThatFitsPass) {
  for (unsigned first = 0; first < 256; ++first) {
    Bytes frame = test::tcp4_frame({.text = Bytes(40)});
    frame[kLink] = static_cast<std::byte>(first);
    mend(frame);
    const WireDrop drop = drop_of(frame, {.checksums = ChecksumMode::kTrust});
    if (first >> 4 != 4 || (first & 15) < 5) {
      EXPECT_EQ(drop, WireDrop::kIpHeader) << first;
    } else if (first == 0x45) {
      EXPECT_EQ(drop, WireDrop::kNone);
    } else {
      EXPECT_NE(drop, WireDrop::kIpHeader);  // the TCP header is read as options
    }
  }
}

TEST(Ipv4, OfAllTotalLengthsOnlyThoseInsideTheFramePass) {
  Bytes frame = test::tcp4_frame();
  frame.resize(60);
  for (unsigned length = 0; length <= 0xffff; ++length) {
    test::set16(frame, kLink + 2, length);
    mend(frame);
    const WireDrop drop = drop_of(frame, {.checksums = ChecksumMode::kTrust});
    if (length < 20 || length > 46) {
      ASSERT_EQ(drop, WireDrop::kIpLength) << length;
    } else if (length < 40) {
      ASSERT_EQ(drop, WireDrop::kTcpTruncated) << length;
    } else {
      ASSERT_EQ(drop, WireDrop::kNone) << length;
    }
    // With checksums only the true one is left.
    ASSERT_EQ(drop_of(frame) == WireDrop::kNone, length == 40);
  }
}

TEST(Ipv4, AnyBitOfTheHeaderThatFlipsIsNoticed) {
  const Bytes frame = test::tcp4_frame();
  for (std::size_t bit = 0; bit < 20 * 8; ++bit) {
    Bytes flipped = frame;
    flipped[kLink + bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
    EXPECT_NE(drop_of(flipped), WireDrop::kNone) << bit;
  }
}

struct Ipv4OptionsCase {
  Bytes options;
  WireDrop drop;
};

TEST(Ipv4, OptionsAreSkippedButForSourceRoutes) {  // MUST-50
  const std::vector<Ipv4OptionsCase> table = {
      {bytes({0, 0, 0, 0}), WireDrop::kNone},
      {bytes({1, 1, 1, 1}), WireDrop::kNone},
      {bytes({7, 7, 4, 0, 0, 0, 0, 0}), WireDrop::kNone},             // record route
      {bytes({68, 8, 5, 0, 0, 0, 0, 0}), WireDrop::kNone},            // timestamp
      {bytes({148, 4, 0, 0}), WireDrop::kNone},                       // router alert
      {bytes({99, 4, 1, 2}), WireDrop::kNone},                        // unknown
      {bytes({0, 0xff, 0xff, 0xff}), WireDrop::kNone},                // nothing counts behind the end
      {bytes({131, 7, 4, 1, 2, 3, 4, 0}), WireDrop::kIpSourceRoute},  // loose
      {bytes({137, 7, 4, 1, 2, 3, 4, 0}), WireDrop::kIpSourceRoute},  // strict
      {bytes({1, 131, 3, 4}), WireDrop::kIpSourceRoute},              // behind padding, finished
      {bytes({99, 0, 0, 0}), WireDrop::kIpOptions},
      {bytes({99, 1, 0, 0}), WireDrop::kIpOptions},
      {bytes({99, 5, 0, 0}), WireDrop::kIpOptions},
      {bytes({1, 1, 1, 99}), WireDrop::kIpOptions},
      {Bytes(40, std::byte{1}), WireDrop::kNone},
  };
  for (std::size_t i = 0; i < table.size(); ++i) {
    const auto parsed = parse(test::tcp4_frame({.text = test::text("hi")}, {.options = table[i].options}));
    EXPECT_EQ(parsed.drop, table[i].drop) << "row " << i;
    if (parsed.drop == WireDrop::kNone) {
      EXPECT_EQ(test::as_string(parsed.frame.segment.text), "hi");
    }
  }
}

TEST(Ipv4, RandomOptionsAreReadWithinTheirBounds) {
  std::mt19937 random{13};
  for (int round = 0; round < 20000; ++round) {
    Bytes options(4 * (1 + random() % 10));
    for (std::byte& b : options) b = static_cast<std::byte>(random());
    const WireDrop drop = drop_of(test::tcp4_frame({}, {.options = options}));
    EXPECT_TRUE(drop == WireDrop::kNone || drop == WireDrop::kIpOptions || drop == WireDrop::kIpSourceRoute);
  }
}

TEST(Ipv4, FragmentsAreDropped) {
  EXPECT_EQ(drop_of(test::tcp4_frame({}, {.fragment = 0x0000})), WireDrop::kNone);
  EXPECT_EQ(drop_of(test::tcp4_frame({}, {.fragment = 0x8000})), WireDrop::kNone);  // the reserved bit
  for (const unsigned fragment : {0x2000u, 0x6000u, 0x0001u, 0x1fffu, 0x2001u, 0x4001u, 0x3fffu}) {
    EXPECT_EQ(drop_of(test::tcp4_frame({}, {.fragment = fragment})), WireDrop::kIpFragment) << fragment;
  }
}

TEST(Ipv4, SourcesNoHostCanHaveAreDropped) {  // MUST-63
  for (const char* source :
       {"0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.255", "224.0.0.1", "239.255.255.255", "255.255.255.255"}) {
    for (unsigned flags = 0; flags < 64; ++flags) {
      EXPECT_EQ(drop_of(test::tcp4_frame({.flags = flags}, {.ends = {.source = test::ip(source)}})),
                WireDrop::kIpSource);
    }
  }
  for (const char* source : {"1.0.0.1", "126.0.0.1", "128.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.1.1",
                             "223.255.255.255", "240.0.0.1", "255.255.255.254"}) {
    EXPECT_EQ(drop_of(test::tcp4_frame({}, {.ends = {.source = test::ip(source)}})), WireDrop::kNone) << source;
  }
}

TEST(Ipv4, DestinationsOfGroupsAndOfNoWireAreDropped) {  // MUST-57
  const auto drop_to = [](const char* destination) {
    return drop_of(test::tcp4_frame({.flags = 2}, {.ends = {.destination = test::ip(destination)}}));
  };
  EXPECT_EQ(drop_to("224.0.0.1"), WireDrop::kIpGroupDestination);
  EXPECT_EQ(drop_to("239.1.2.3"), WireDrop::kIpGroupDestination);
  EXPECT_EQ(drop_to("255.255.255.255"), WireDrop::kIpGroupDestination);
  EXPECT_EQ(drop_to("127.0.0.1"), WireDrop::kIpDestination);
  EXPECT_EQ(drop_to("0.0.0.0"), WireDrop::kIpDestination);
  EXPECT_EQ(drop_to("198.18.0.255"), WireDrop::kNone);  // a broadcast only to who knows the prefix
}

TEST(Ip, APacketFromItsOwnDestinationIsDropped) {  // LAND, CVE-1999-0016
  const test::Ends land4{test::ip("198.18.0.2"), test::ip("198.18.0.2")};
  const test::Ends land6{test::ip("2001:2::2"), test::ip("2001:2::2")};
  EXPECT_EQ(drop_of(test::tcp4_frame({.source_port = 80}, {.ends = land4})), WireDrop::kIpLand);
  EXPECT_EQ(drop_of(test::tcp4_frame({}, {.ends = land4})), WireDrop::kIpLand);
  EXPECT_EQ(drop_of(test::tcp6_frame({}, {.ends = land6})), WireDrop::kIpLand);
}

// --- IPv6

TEST(Ipv6, OtherVersionsAreDropped) {
  Bytes frame = test::tcp6_frame();
  for (unsigned version = 0; version < 16; ++version) {
    frame[kLink] = static_cast<std::byte>(version << 4);
    EXPECT_EQ(drop_of(frame), version == 6 ? WireDrop::kNone : WireDrop::kIpHeader);
  }
}

TEST(Ipv6, OfAllPayloadLengthsOnlyTheTrueOnePasses) {
  Bytes frame = test::tcp6_frame();
  frame.resize(frame.size() + 4);
  for (unsigned length = 0; length <= 0xffff; ++length) {
    test::set16(frame, kLink + 4, length);
    const WireDrop drop = drop_of(frame);
    if (length > 24) {
      ASSERT_EQ(drop, WireDrop::kIpLength);
    } else if (length < 20) {
      ASSERT_EQ(drop, WireDrop::kTcpTruncated);
    } else {
      ASSERT_EQ(drop, length == 20 ? WireDrop::kNone : WireDrop::kTcpChecksum);
    }
  }
}

// One extension header of `size` bytes that is followed by `next`.
Bytes extension(unsigned next, std::size_t size = 8, const Bytes& content = bytes({1, 4, 0, 0, 0, 0})) {
  Bytes header = bytes({next, static_cast<unsigned>(size / 8 - 1)});
  test::append(header, content);
  header.resize(size);  // Pad1
  return header;
}

WireDrop drop_behind(unsigned first, const Bytes& headers) {
  return drop_of(
      test::tcp6_frame({.text = test::text("hi")}, {.ends = test::v6_ends(), .protocol = first, .options = headers}));
}

TEST(Ipv6, HopByHopAndDestinationOptionsAreSkipped) {
  EXPECT_EQ(drop_behind(0, extension(6)), WireDrop::kNone);
  EXPECT_EQ(drop_behind(60, extension(6)), WireDrop::kNone);
  Bytes both = extension(60);
  test::append(both, extension(6, 16));
  EXPECT_EQ(drop_behind(0, both), WireDrop::kNone);
}

TEST(Ipv6, HopByHopStandsFirstOrTheHeaderIsDropped) {  // RFC 8200, 4.1
  Bytes wrong = extension(0);
  test::append(wrong, extension(6));
  EXPECT_EQ(drop_behind(60, wrong), WireDrop::kIpExtension);
}

TEST(Ipv6, UnknownOptionsAreSkippedOrNotAsTheirTypeSays) {  // RFC 8200, 4.2
  for (unsigned type = 2; type < 256; ++type) {
    const WireDrop drop = drop_behind(60, extension(6, 8, bytes({type, 4, 0, 0, 0, 0})));
    EXPECT_EQ(drop, type < 64 ? WireDrop::kNone : WireDrop::kIpExtension) << type;
  }
}

TEST(Ipv6, MalformedOptionsAreDropped) {
  EXPECT_EQ(drop_behind(60, extension(6, 8, bytes({1, 5, 0, 0, 0, 0}))), WireDrop::kIpExtension);
  EXPECT_EQ(drop_behind(60, extension(6, 8, bytes({0, 0, 0, 0, 0, 1}))), WireDrop::kIpExtension);
  EXPECT_EQ(drop_behind(60, extension(6, 8, bytes({5, 255, 0, 0, 0, 0}))), WireDrop::kIpExtension);
}

TEST(Ipv6, AnExtensionBeyondThePacketIsDropped) {
  Bytes long_one = extension(6);
  long_one[1] = std::byte{30};
  EXPECT_EQ(drop_behind(60, long_one), WireDrop::kIpExtension);
  EXPECT_EQ(drop_of(test::ethernet(0x86dd, test::ipv6({.ends = test::v6_ends(), .protocol = 60}, Bytes(7)))),
            WireDrop::kIpExtension);
  EXPECT_EQ(drop_of(test::ethernet(0x86dd, test::ipv6({.ends = test::v6_ends(), .protocol = 60}, {}))),
            WireDrop::kIpExtension);
}

TEST(Ipv6, ChainsAreFollowedToEightHeaders) {
  for (std::size_t count = 1; count <= 12; ++count) {
    Bytes chain;
    for (std::size_t i = 1; i <= count; ++i) test::append(chain, extension(i == count ? 6 : 60));
    EXPECT_EQ(drop_behind(60, chain), count <= 8 ? WireDrop::kNone : WireDrop::kIpExtensionLimit) << count;
  }
}

TEST(Ipv6, ChainsAreFollowedTo256Bytes) {
  EXPECT_EQ(drop_behind(60, extension(6, 256)), WireDrop::kNone);
  EXPECT_EQ(drop_behind(60, extension(6, 264)), WireDrop::kIpExtensionLimit);
  Bytes two = extension(60, 128);
  test::append(two, extension(6, 136));
  EXPECT_EQ(drop_behind(60, two), WireDrop::kIpExtensionLimit);
}

TEST(Ipv6, FragmentsAreDropped) {
  EXPECT_EQ(drop_behind(44, extension(6, 8, bytes({0, 0, 0, 0, 0, 1}))), WireDrop::kIpFragment);
  EXPECT_EQ(drop_behind(44, extension(6, 8, bytes({0, 1, 0, 0, 0, 1}))), WireDrop::kIpFragment);
  Bytes behind = extension(44);
  test::append(behind, extension(6, 8, bytes({0, 9, 0, 0, 0, 1})));
  EXPECT_EQ(drop_behind(60, behind), WireDrop::kIpFragment);
}

TEST(Ipv6, SourceRoutesAreDropped) {  // RFC 5095
  EXPECT_EQ(drop_behind(43, extension(6, 8, bytes({0, 0}))), WireDrop::kIpSourceRoute);
  EXPECT_EQ(drop_behind(43, extension(6, 24, bytes({0, 1}))), WireDrop::kIpSourceRoute);
  EXPECT_EQ(drop_behind(43, extension(6, 24, bytes({4, 1}))), WireDrop::kIpSourceRoute);
  EXPECT_EQ(drop_behind(43, extension(6, 24, bytes({4, 0}))), WireDrop::kNone);  // travelled
}

TEST(Ipv6, SourcesNoHostCanHaveAreDropped) {  // MUST-63
  for (const char* source : {"::", "::1", "ff02::1", "ff0e::1", "::ffff:198.18.0.1"}) {
    const test::TestIp header{.ends = {test::ip(source), test::ip("2001:2::2")}};
    EXPECT_EQ(drop_of(test::tcp6_frame({}, header), {.checksums = ChecksumMode::kTrust}), WireDrop::kIpSource)
        << source;
  }
}

TEST(Ipv6, DestinationsOfGroupsAndOfNoWireAreDropped) {  // MUST-57
  const auto drop_to = [](const char* destination) {
    const test::TestIp header{.ends = {test::ip("2001:2::1"), test::ip(destination)}};
    return drop_of(test::tcp6_frame({.flags = 2}, header), {.checksums = ChecksumMode::kTrust});
  };
  EXPECT_EQ(drop_to("ff02::1"), WireDrop::kIpGroupDestination);
  EXPECT_EQ(drop_to("ff0e::1"), WireDrop::kIpGroupDestination);
  EXPECT_EQ(drop_to("::1"), WireDrop::kIpDestination);
  EXPECT_EQ(drop_to("::"), WireDrop::kIpDestination);
  EXPECT_EQ(drop_to("::ffff:198.18.0.2"), WireDrop::kIpDestination);
  EXPECT_EQ(drop_to("fe80::1"), WireDrop::kNone);
}

RC_GTEST_PROP(Ipv6, AnyExtensionsAreReadWithinTheirBounds, (std::vector<std::uint8_t> raw)) {
  Bytes payload;
  for (const std::uint8_t b : raw) payload.push_back(std::byte{b});
  const auto first = *rc::gen::element(0u, 43u, 44u, 60u);
  const Bytes frame = test::ethernet(0x86dd, test::ipv6({.ends = test::v6_ends(), .protocol = first}, payload));
  RC_ASSERT(drop_of(frame, {.checksums = ChecksumMode::kSoftware}) != WireDrop::kNone);
}

}  // namespace
}  // namespace pollux
