// TCP: what parse_frame makes of its header, its options and its checksum.

#include <gtest/gtest.h>

#include <random>

#include "frames.h"

namespace pollux {
namespace {

using test::Bytes;
using test::bytes;
using test::drop_of;
using test::parse;

constexpr std::size_t kTcp4 = 14 + 20;

TEST(Tcp, EveryFieldArrives) {
  for (const bool v6 : {false, true}) {
    const test::TestTcp spec{.source_port = 1,
                             .destination_port = 65535,
                             .seq = 0xfffffffe,
                             .ack = 0x80000001,
                             .flags = 0x29,
                             .wnd = 0xfedc,
                             .up = 0x1234,
                             .options = bytes({2, 4, 5, 0xb4, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2}),
                             .text = test::text("hello")};
    const auto parsed = parse(v6 ? test::tcp6_frame(spec) : test::tcp4_frame(spec));
    ASSERT_EQ(parsed.drop, WireDrop::kNone);
    EXPECT_EQ(parsed.frame.kind, FrameKind::kTcp);
    EXPECT_EQ(parsed.frame.key.remote_port, 1);
    EXPECT_EQ(parsed.frame.key.local_port, 65535);
    const Segment& segment = parsed.frame.segment;
    EXPECT_EQ(segment.seq, SeqNum{0xfffffffe});
    EXPECT_EQ(segment.ack, SeqNum{0x80000001});
    EXPECT_EQ(segment.flags, (TcpFlags{.fin = true, .psh = true, .urg = true}));
    EXPECT_EQ(segment.wnd, 0xfedc);
    EXPECT_EQ(segment.up, 0x1234);
    EXPECT_FALSE(segment.options.mss);  // no SYN
    EXPECT_EQ(segment.options.ts, (Timestamps{1, 2}));
    EXPECT_EQ(test::as_string(segment.text), "hello");
    EXPECT_FALSE(parsed.frame.malformed_options);
  }
}

TEST(Tcp, EveryDataOffsetWithEveryPayload) {
  for (unsigned offset = 0; offset < 16; ++offset) {
    for (std::size_t size = 0; size <= 64; ++size) {
      const test::TestTcp spec{.data_offset = offset, .text = Bytes(size, std::byte{1})};  // read as options: NOPs
      for (const Bytes& frame : {test::tcp4_frame(spec), test::tcp6_frame(spec)}) {
        const auto parsed = parse(frame);
        if (offset < 5 || offset * 4 > 20 + size) {
          ASSERT_EQ(parsed.drop, WireDrop::kTcpDataOffset) << offset << " " << size;
        } else {
          ASSERT_EQ(parsed.drop, WireDrop::kNone);
          ASSERT_EQ(parsed.frame.segment.text.size(), 20 + size - offset * 4);
        }
      }
    }
  }
}

TEST(Tcp, ASegmentShorterThanItsHeaderIsDropped) {
  for (std::size_t size = 0; size < 20; ++size) {
    EXPECT_EQ(drop_of(test::ethernet(0x0800, test::ipv4({}, Bytes(size)))), WireDrop::kTcpTruncated);
    EXPECT_EQ(drop_of(test::ethernet(0x86dd, test::ipv6({.ends = test::v6_ends()}, Bytes(size)))),
              WireDrop::kTcpTruncated);
  }
}

TEST(Tcp, PortZeroIsDropped) {
  EXPECT_EQ(drop_of(test::tcp4_frame({.source_port = 0})), WireDrop::kTcpPort);
  EXPECT_EQ(drop_of(test::tcp4_frame({.destination_port = 0})), WireDrop::kTcpPort);
  EXPECT_EQ(drop_of(test::tcp6_frame({.source_port = 0, .destination_port = 0})), WireDrop::kTcpPort);
  EXPECT_EQ(drop_of(test::tcp4_frame({.source_port = 80, .destination_port = 80})), WireDrop::kNone);
}

TEST(Tcp, ReservedBitsAndEcnDoNotMatter) {
  for (unsigned bits = 0; bits < 512; ++bits) {  // the four reserved bits among them
    Bytes frame = test::tcp4_frame({.flags = bits & 0xff, .text = test::text("hi")});
    frame[kTcp4 + 12] |= static_cast<std::byte>(bits >> 8);
    const auto parsed = parse(frame, {.checksums = ChecksumMode::kTrust});
    ASSERT_EQ(parsed.drop, WireDrop::kNone);
    EXPECT_EQ(parsed.frame.segment.flags.encode(), bits & 0xff);
    EXPECT_EQ(test::as_string(parsed.frame.segment.text), "hi");
  }
}

TEST(Tcp, OptionsComeWithAnySegment) {  // MUST-5
  for (unsigned flags = 0; flags < 64; ++flags) {
    const auto parsed =
        parse(test::tcp4_frame({.flags = flags, .options = bytes({1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2})}));
    ASSERT_EQ(parsed.drop, WireDrop::kNone);
    EXPECT_EQ(parsed.frame.segment.options.ts, (Timestamps{1, 2}));
  }
}

TEST(Tcp, OptionsOfTheFrameBeforeAreForgotten) {
  ParsedFrame parsed;
  const Bytes first = test::tcp4_frame(
      {.flags = 2, .options = bytes({2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 3, 3, 7, 99, 0, 0, 0})});
  ASSERT_EQ(parse_frame(first, {}, ChecksumWord::kUnknown, ChecksumWord::kUnknown, parsed), WireDrop::kNone);
  EXPECT_TRUE(parsed.malformed_options);
  EXPECT_TRUE(parsed.segment.options.mss);
  const Bytes second = test::tcp4_frame();
  ASSERT_EQ(parse_frame(second, {}, ChecksumWord::kUnknown, ChecksumWord::kUnknown, parsed), WireDrop::kNone);
  EXPECT_FALSE(parsed.malformed_options);
  EXPECT_FALSE(parsed.segment.options.mss);
  EXPECT_FALSE(parsed.segment.options.wind_shift);
  EXPECT_FALSE(parsed.segment.options.sack_permitted);
  EXPECT_FALSE(parsed.segment.options.ts);
  EXPECT_EQ(parsed.segment.options.sack.count, 0);
}

TEST(Tcp, MalformedOptionsAreMarkedAndTheSegmentLives) {  // MUST-7; Linux answers the SYN
  const auto parsed =
      parse(test::tcp4_frame({.flags = 2, .options = bytes({2, 4, 5, 0xb4, 99, 0, 0, 0}), .text = test::text("hi")}));
  ASSERT_EQ(parsed.drop, WireDrop::kNone);
  EXPECT_TRUE(parsed.frame.malformed_options);
  EXPECT_EQ(parsed.frame.segment.options.mss, 1460);
  EXPECT_EQ(test::as_string(parsed.frame.segment.text), "hi");
}

// --- Checksums

TEST(TcpChecksum, AnyBitThatFlipsIsNoticed) {  // MUST-3
  for (const Bytes& frame :
       {test::tcp4_frame({.text = test::text("hello")}), test::tcp6_frame({.text = test::text("hello")})}) {
    // From the addresses on; what stands before them is not under this checksum.
    const std::size_t from = 14 + (std::to_integer<unsigned>(frame[12]) == 0x08 ? 20u : 8u);
    for (std::size_t bit = from * 8; bit < frame.size() * 8; ++bit) {
      Bytes flipped = frame;
      flipped[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
      EXPECT_NE(drop_of(flipped), WireDrop::kNone) << bit;
    }
  }
}

TEST(TcpChecksum, IsRightForEveryLengthAndContent) {  // MUST-3
  std::mt19937 random{12};
  for (std::size_t size = 0; size <= 1460; ++size) {
    Bytes content(size);
    for (std::byte& b : content) b = static_cast<std::byte>(random());
    ASSERT_EQ(drop_of(test::tcp4_frame({.text = content})), WireDrop::kNone) << size;
    ASSERT_EQ(drop_of(test::tcp6_frame({.text = content})), WireDrop::kNone) << size;
  }
}

// What becomes of a good and of a bad checksum, for each mode and each word.
TEST(TcpChecksum, TheDevicesWordCountsAsTheModeSays) {
  const Bytes good = test::tcp4_frame({.text = test::text("hello")});
  Bytes bad_tcp = good;
  bad_tcp.back() ^= std::byte{1};
  Bytes bad_ip = good;
  bad_ip[14 + 10] ^= std::byte{1};
  const ChecksumWord words[] = {ChecksumWord::kUnknown, ChecksumWord::kGood, ChecksumWord::kBad};
  const ChecksumMode modes[] = {ChecksumMode::kHardware, ChecksumMode::kSoftware, ChecksumMode::kTrust};
  for (const ChecksumMode mode : modes) {
    for (const ChecksumWord word : words) {
      const bool believed_good =
          mode == ChecksumMode::kTrust || (mode == ChecksumMode::kHardware && word == ChecksumWord::kGood);
      const bool believed_bad = mode == ChecksumMode::kHardware && word == ChecksumWord::kBad;
      const ParsePolicy policy{.checksums = mode};
      const auto tcp = [&](const Bytes& frame) { return parse(frame, policy, ChecksumWord::kGood, word).drop; };
      const auto ip = [&](const Bytes& frame) { return parse(frame, policy, word, ChecksumWord::kGood).drop; };
      EXPECT_EQ(tcp(good), believed_bad ? WireDrop::kTcpChecksum : WireDrop::kNone);
      EXPECT_EQ(tcp(bad_tcp), believed_good ? WireDrop::kNone : WireDrop::kTcpChecksum);
      EXPECT_EQ(ip(good), believed_bad ? WireDrop::kIpChecksum : WireDrop::kNone);
      EXPECT_EQ(ip(bad_ip), believed_good ? WireDrop::kNone : WireDrop::kIpChecksum);
    }
  }
}

TEST(TcpChecksum, BothFormsOfZeroAreAccepted) {
  // Choose the urgent pointer so that the true checksum is 0x0000; 0xffff is as good.
  Bytes frame = test::tcp4_frame();
  const unsigned checksum = test::get16(frame, kTcp4 + 16);
  frame = test::tcp4_frame({.up = checksum});
  ASSERT_EQ(test::get16(frame, kTcp4 + 16), 0u);
  EXPECT_EQ(drop_of(frame), WireDrop::kNone);
  test::set16(frame, kTcp4 + 16, 0xffff);
  EXPECT_EQ(drop_of(frame), WireDrop::kNone);
}

// --- Anything at all

TEST(Frame, DamagedFramesAreReadWithinTheirBounds) {
  std::mt19937 random{7};
  const std::vector<Bytes> seeds = {
      test::tcp4_frame(
          {.flags = 2, .options = bytes({2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 3, 3, 7})}),
      test::tcp6_frame({.options = bytes({1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2}), .text = test::text("hello")}),
      test::tcp4_frame({.text = Bytes(30)}, {.options = Bytes(40, std::byte{7})}, {.tags = {{0x8100, 0}}}),
  };
  for (int round = 0; round < 200000; ++round) {
    Bytes frame = seeds[random() % seeds.size()];
    for (unsigned changes = 1 + random() % 4; changes != 0; --changes) {
      frame[random() % frame.size()] = static_cast<std::byte>(random());
    }
    if (random() % 4 == 0) frame.resize(random() % (frame.size() + 1));
    const auto parsed = parse(frame, {.checksums = ChecksumMode::kTrust});
    if (parsed.drop != WireDrop::kNone || parsed.frame.kind != FrameKind::kTcp) continue;
    const auto text = parsed.frame.segment.text;
    ASSERT_TRUE(text.empty() || (text.data() >= parsed.bytes.data() &&
                                 text.data() + text.size() <= parsed.bytes.data() + parsed.bytes.size()));
  }
}

}  // namespace
}  // namespace pollux
