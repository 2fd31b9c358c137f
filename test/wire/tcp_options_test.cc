#include "wire/tcp_options.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "frames.h"

namespace pollux {
namespace {

using test::Bytes;
using test::bytes;

struct Decoded {
  TcpOptions options;
  bool whole = false;
};

// From a heap buffer of exactly the size.
Decoded decode(const Bytes& from, bool syn = true) {
  Bytes exact(from.begin(), from.end());
  Decoded result;
  result.whole = decode_options(exact, syn, result.options);
  return result;
}

bool is_empty(const TcpOptions& o) {
  return !o.mss && !o.wind_shift && !o.sack_permitted && !o.ts && o.sack.count == 0 && !o.fast_open;
}

void expect_equal(const TcpOptions& a, const TcpOptions& b) {
  EXPECT_EQ(a.mss, b.mss);
  EXPECT_EQ(a.wind_shift, b.wind_shift);
  EXPECT_EQ(a.sack_permitted, b.sack_permitted);
  EXPECT_EQ(a.ts, b.ts);
  EXPECT_EQ(a.fast_open, b.fast_open);
  ASSERT_EQ(a.sack.count, b.sack.count);
  for (std::size_t i = 0; i < a.sack.count; ++i) EXPECT_EQ(a.sack.blocks[i], b.sack.blocks[i]);
}

const Bytes kMss = bytes({2, 4, 0x05, 0xb4});

TEST(TcpOptions, UnderstandsEndNopAndMss) {  // MUST-4
  EXPECT_EQ(decode(kMss).options.mss, 1460);
  EXPECT_EQ(decode(bytes({1, 1, 2, 4, 5, 0xb4, 1, 0})).options.mss, 1460);
  EXPECT_TRUE(is_empty(decode({}).options));
  EXPECT_TRUE(decode({}).whole);
}

TEST(TcpOptions, WhatFollowsTheEndIsNotRead) {  // MUST-4
  const Decoded d = decode(bytes({0, 2, 4, 5, 0xb4, 2, 0, 0}));
  EXPECT_TRUE(is_empty(d.options));
  EXPECT_TRUE(d.whole);
}

TEST(TcpOptions, UnderstandsThoseOfASyn) {
  const Decoded d = decode(bytes({2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 3, 3, 7}));
  EXPECT_TRUE(d.whole);
  EXPECT_EQ(d.options.mss, 1460);
  EXPECT_EQ(d.options.wind_shift, 7);
  EXPECT_TRUE(d.options.sack_permitted);
  EXPECT_EQ(d.options.ts, (Timestamps{1, 2}));
}

TEST(TcpOptions, BeginAtAnyByte) {  // MUST-64
  const Bytes ts = bytes({8, 10, 1, 2, 3, 4, 5, 6, 7, 8});
  const Bytes sack = bytes({5, 10, 0, 0, 0, 1, 0, 0, 0, 9});
  for (std::size_t before = 0; before < 20; ++before) {
    Bytes list(before, std::byte{1});
    test::append(list, ts);
    test::append(list, sack);
    const Decoded d = decode(list, false);
    EXPECT_TRUE(d.whole);
    EXPECT_EQ(d.options.ts, (Timestamps{0x01020304, 0x05060708})) << before;
    ASSERT_EQ(d.options.sack.count, 1);
    EXPECT_EQ(d.options.sack.blocks[0], (SackBlock{SeqNum{1}, SeqNum{9}}));
  }
}

TEST(TcpOptions, AlignedTimestampsAreReadAsAnyOther) {
  const Decoded fast = decode(bytes({1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8}), false);
  EXPECT_EQ(fast.options.ts, (Timestamps{0x01020304, 0x05060708}));
  const Decoded slow = decode(bytes({1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1}), false);
  EXPECT_EQ(slow.options.ts, fast.options.ts);
}

TEST(TcpOptions, UnknownOnesAreSkipped) {  // MUST-6, MUST-68
  for (unsigned kind = 0; kind < 256; ++kind) {
    if (kind <= 5 || kind == 8) continue;
    for (unsigned length = 2; length <= 36; ++length) {
      Bytes list = bytes({kind, length});
      list.resize(length, std::byte{2});
      test::append(list, kMss);
      const Decoded d = decode(list);
      EXPECT_TRUE(d.whole);
      EXPECT_EQ(d.options.mss, 1460) << kind << " " << length;
    }
  }
}

TEST(TcpOptions, ALengthOfZeroOrOneEndsTheReading) {  // MUST-7: every kind, at every position
  for (unsigned kind = 2; kind < 256; ++kind) {
    for (unsigned length = 0; length < 2; ++length) {
      for (std::size_t at = 0; at <= 38; ++at) {
        Bytes list(40, std::byte{1});
        list[at] = static_cast<std::byte>(kind);
        list[at + 1] = static_cast<std::byte>(length);
        if (at >= 4) std::copy(kMss.begin(), kMss.end(), list.begin());
        if (at + 6 <= 40) list[at + 2] = std::byte{4}, list[at + 3] = std::byte{2};  // never reached
        const Decoded d = decode(list);
        EXPECT_FALSE(d.whole);
        EXPECT_EQ(d.options.mss.has_value(), at >= 4);
        EXPECT_FALSE(d.options.sack_permitted);
      }
    }
  }
}

TEST(TcpOptions, ALengthPastTheEndEndsTheReading) {  // MUST-7
  for (unsigned kind = 2; kind < 256; ++kind) {
    for (std::size_t at = 0; at < 40; ++at) {
      for (const std::size_t excess : {1, 2, 100, 255}) {
        Bytes list(40, std::byte{1});
        list[at] = static_cast<std::byte>(kind);
        const std::size_t length = 40 - at + excess;
        if (length > 255) continue;
        if (at + 1 < 40) list[at + 1] = static_cast<std::byte>(length);
        const Decoded d = decode(list);
        EXPECT_FALSE(d.whole) << kind << " at " << at;
        EXPECT_TRUE(is_empty(d.options));
      }
    }
  }
}

TEST(TcpOptions, AKindWithoutALengthEndsTheReading) {  // MUST-7
  for (unsigned kind = 2; kind < 256; ++kind) EXPECT_FALSE(decode(bytes({kind})).whole);
  EXPECT_TRUE(decode(bytes({0})).whole);
  EXPECT_TRUE(decode(bytes({1})).whole);
}

TEST(TcpOptions, KnownOnesOfAWrongSizeAreIgnoredAndTheRestIsRead) {
  const std::vector<std::pair<unsigned, unsigned>> right = {{2, 4}, {3, 3}, {4, 2}, {8, 10}};
  for (const auto& [kind, size] : right) {
    for (unsigned length = 2; length <= 30; ++length) {
      if (length == size) continue;
      Bytes list = bytes({kind, length});
      list.resize(length, std::byte{1});
      EXPECT_TRUE(is_empty(decode(list).options)) << kind << " " << length;
      test::append(list, bytes({5, 10, 0, 0, 0, 1, 0, 0, 0, 2}));
      EXPECT_EQ(decode(list).options.sack.count, 1);
    }
  }
  for (unsigned length = 2; length <= 40; ++length) {
    Bytes list = bytes({5, length});
    list.resize(length, std::byte{1});
    const bool valid = length >= 10 && (length - 2) % 8 == 0;
    EXPECT_EQ(decode(list).options.sack.count, valid ? (length - 2) / 8 : 0u);
  }
}

TEST(TcpOptions, MoreThanFourSackBlocksAreNone) {
  Bytes list = bytes({5, 2 + 5 * 8});
  list.resize(2 + 5 * 8);
  EXPECT_EQ(decode(list).options.sack.count, 0);
}

TEST(TcpOptions, TheFirstValidOneOfAKindCounts) {
  EXPECT_EQ(decode(bytes({2, 4, 0, 100, 2, 4, 0, 200})).options.mss, 100);
  EXPECT_EQ(decode(bytes({2, 4, 0, 0, 2, 4, 0, 200})).options.mss, 200);
  EXPECT_EQ(decode(bytes({2, 3, 9, 2, 4, 0, 200})).options.mss, 200);
  EXPECT_EQ(decode(bytes({3, 3, 5, 3, 3, 6})).options.wind_shift, 5);
  EXPECT_EQ(decode(bytes({8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 8, 10, 0, 0, 0, 2, 0, 0, 0, 0})).options.ts,
            (Timestamps{1, 0}));
  const Decoded d = decode(bytes({5, 10, 0, 0, 0, 1, 0, 0, 0, 2, 5, 10, 0, 0, 0, 3, 0, 0, 0, 4}));
  ASSERT_EQ(d.options.sack.count, 1);
  EXPECT_EQ(d.options.sack.blocks[0].left, SeqNum{1});
}

TEST(TcpOptions, AnMssOfZeroIsNone) {
  EXPECT_FALSE(decode(bytes({2, 4, 0, 0})).options.mss);
  EXPECT_EQ(decode(bytes({2, 4, 0, 1})).options.mss, 1);
  EXPECT_EQ(decode(bytes({2, 4, 0xff, 0xff})).options.mss, 65535);
}

TEST(TcpOptions, AWindowShiftAboveFourteenIsFourteen) {  // RFC 7323, 2.3, 14
  for (unsigned shift = 0; shift < 256; ++shift) {
    EXPECT_EQ(decode(bytes({3, 3, shift})).options.wind_shift, std::min(shift, 14u));
  }
}

TEST(TcpOptions, ThoseOfASynAreIgnoredElsewhere) {  // RFC 7323, 2.2, without a SYN
  const Bytes list = bytes({2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 3, 3, 7});
  const Decoded d = decode(list, false);
  EXPECT_TRUE(d.whole);
  EXPECT_FALSE(d.options.mss);
  EXPECT_FALSE(d.options.wind_shift);
  EXPECT_FALSE(d.options.sack_permitted);
  EXPECT_EQ(d.options.ts, (Timestamps{1, 2}));
}

RC_GTEST_PROP(TcpOptions, AnyBytesAreReadWithinTheirBounds, (std::vector<std::uint8_t> raw, bool syn)) {  // MUST-7
  if (raw.size() > 40) raw.resize(40);
  Bytes list;
  for (const std::uint8_t b : raw) list.push_back(std::byte{b});
  const Decoded d = decode(list, syn);
  RC_ASSERT(d.options.sack.count <= SackBlocks::kMax);
  RC_ASSERT(!d.options.wind_shift || *d.options.wind_shift <= 14);
  RC_ASSERT(!d.options.mss || *d.options.mss != 0);
}

// --- Sending

TcpOptions some_options(unsigned which, std::uint8_t blocks) {
  TcpOptions o;
  if ((which & 1) != 0) o.mss = 1460;
  if ((which & 2) != 0) o.wind_shift = 7;
  o.sack_permitted = (which & 4) != 0;
  if ((which & 8) != 0) o.ts = Timestamps{0xfffffffe, 3};
  for (std::uint32_t i = 0; i < blocks; ++i) o.sack.blocks[i] = {SeqNum{10 * i - 5}, SeqNum{10 * i + 1}};
  o.sack.count = blocks;
  return o;
}

TEST(TcpOptionsSent, FillWholeWordsAndReadBackEqual) {  // MUST-68, MUST-69
  for (unsigned which = 0; which < 16; ++which) {
    for (std::uint8_t blocks = 0; blocks <= 4; ++blocks) {
      TcpOptions options = some_options(which, blocks);
      const std::size_t size = options_size(options);
      ASSERT_EQ(size % 4, 0u);
      ASSERT_LE(size, kMaxTcpOptions);
      Bytes sent(size, std::byte{0xee});
      ASSERT_EQ(encode_options(sent.data(), options), size);
      const Decoded d = decode(sent);
      EXPECT_TRUE(d.whole);
      ASSERT_LE(d.options.sack.count, blocks);
      options.sack.count = d.options.sack.count;  // those that had room; the first ones
      expect_equal(d.options, options);
    }
  }
}

TEST(TcpOptionsSent, AreLaidOutAsLinuxDoes) {  // RFC 7323, appendix A
  TcpOptions options = some_options(15, 0);
  Bytes sent(options_size(options));
  encode_options(sent.data(), options);
  EXPECT_EQ(sent, bytes({2, 4, 5, 0xb4, 4, 2, 8, 10, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 3, 1, 3, 3, 7}));
  options = some_options(8, 0);
  sent.resize(options_size(options));
  encode_options(sent.data(), options);
  EXPECT_EQ(sent, bytes({1, 1, 8, 10, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 3}));
}

TEST(TcpOptionsSent, HoldThreeSackBlocksWithTimestampsAndFourWithout) {  // RFC 2018, 3
  EXPECT_EQ(sack_blocks_sent(some_options(8, 4)), 3u);
  EXPECT_EQ(options_size(some_options(8, 4)), 40u);
  EXPECT_EQ(sack_blocks_sent(some_options(0, 4)), 4u);
  EXPECT_EQ(options_size(some_options(0, 4)), 36u);
}

TEST(TcpOptionsSent, AreNothingWhenThereAreNone) { EXPECT_EQ(options_size({}), 0u); }

// --- Fast Open

Bytes fast_open(unsigned cookie_size, unsigned kind = 34) {
  Bytes option = bytes({kind, 2 + cookie_size});
  for (unsigned i = 0; i < cookie_size; ++i) option.push_back(static_cast<std::byte>(0xa0 + i));
  return option;
}

// RFC 7413, 4.1.1: "The length MUST be even, 6 to 18, or 2. Options with invalid length SHOULD be ignored."
TEST(FastOpenOption, CookiesHaveNothingOrFourToSixteenBytesAndAnEvenNumber) {
  for (unsigned size = 0; size <= 38; ++size) {
    const Decoded d = decode(fast_open(size));
    EXPECT_TRUE(d.whole);
    const bool good = size % 2 == 0 && (size == 0 || (4 <= size && size <= 16));
    ASSERT_EQ(d.options.fast_open.has_value(), good) << size;
    if (!good) continue;
    const Bytes all = fast_open(size);
    EXPECT_EQ(Bytes(d.options.fast_open->all().begin(), d.options.fast_open->all().end()),
              Bytes(all.begin() + 2, all.end()));
  }
}

TEST(FastOpenOption, IsReadInASynAloneAndNotUnderTheExperimentalKind) {
  EXPECT_TRUE(is_empty(decode(fast_open(8), false).options));
  EXPECT_TRUE(is_empty(decode(fast_open(8, 254)).options));
  EXPECT_TRUE(is_empty(decode(bytes({254, 4, 0xf9, 0x89})).options));
}

TEST(FastOpenOption, IsWrittenAsItIsReadWithPaddingBehind) {
  for (unsigned size = 0; size <= 16; size += 2) {
    if (size == 2) continue;
    TcpOptions options = decode(fast_open(size)).options;
    Bytes written(options_size(options));
    ASSERT_EQ(encode_options(written.data(), options), written.size());
    Bytes wanted = fast_open(size);
    while (wanted.size() % 4 != 0) wanted.push_back(std::byte{1});
    EXPECT_EQ(written, wanted);
    options.mss = 1460;
    options.wind_shift = 7;
    options.sack_permitted = true;
    options.ts = Timestamps{1, 2};
    Bytes all(options_size(options));
    ASSERT_LE(all.size(), kMaxTcpOptions);
    ASSERT_EQ(encode_options(all.data(), options), all.size());
    expect_equal(decode(all).options, options);
  }
}

TEST(FastOpenOption, IsPrintedAsPacketdrillWritesIt) {
  Segment segment;
  segment.flags = {.syn = true};
  segment.options = decode(fast_open(4)).options;
  EXPECT_EQ(to_string(segment), "S 0:0(0) win 0 <FO a0a1a2a3,nop,nop>");
  segment.options = decode(fast_open(6)).options;
  EXPECT_EQ(to_string(segment), "S 0:0(0) win 0 <FO a0a1a2a3a4a5>");
  segment.options = decode(fast_open(0)).options;
  EXPECT_EQ(to_string(segment), "S 0:0(0) win 0 <FO,nop,nop>");
}

// --- Printing

TEST(SegmentText, IsThatOfPacketdrill) {
  Segment segment;
  segment.seq = SeqNum{100};
  segment.ack = SeqNum{7};
  segment.wnd = 65535;
  segment.flags = {.syn = true, .ack = true};
  EXPECT_EQ(to_string(segment), "S. 100:100(0) ack 7 win 65535");

  segment.options = some_options(1 | 2 | 8, 0);
  segment.options.ts = Timestamps{1, 2};
  EXPECT_EQ(to_string(segment), "S. 100:100(0) ack 7 win 65535 <mss 1460,nop,nop,TS val 1 ecr 2,nop,wscale 7>");
  segment.options.sack_permitted = true;
  EXPECT_EQ(to_string(segment), "S. 100:100(0) ack 7 win 65535 <mss 1460,sackOK,TS val 1 ecr 2,nop,wscale 7>");
  segment.options.ts.reset();
  EXPECT_EQ(to_string(segment), "S. 100:100(0) ack 7 win 65535 <mss 1460,nop,nop,sackOK,nop,wscale 7>");
}

TEST(SegmentText, CountsTheTextAndWrapsItsEnd) {
  const Bytes hello = test::text("hello");
  Segment segment;
  segment.seq = SeqNum{0xfffffffe};
  segment.flags = {.fin = true, .psh = true, .ack = true};
  segment.text = hello;
  EXPECT_EQ(to_string(segment), "FP. 4294967294:3(5) ack 0 win 0");
  EXPECT_EQ(segment.len(), 6u);
}

TEST(SegmentText, NamesEveryFlagAndTheUrgentPointer) {
  Segment segment;
  EXPECT_EQ(to_string(segment), "- 0:0(0) win 0");
  segment.flags = TcpFlags::decode(0xff);
  segment.up = 9;
  EXPECT_EQ(to_string(segment), "FSRP.UEW 0:0(0) ack 0 win 0 urg 9");
  segment.flags = {.rst = true};
  EXPECT_EQ(to_string(segment), "R 0:0(0) win 0");
}

TEST(SegmentText, ListsSackBlocks) {
  Segment segment;
  segment.flags = {.ack = true};
  segment.options.sack.blocks[0] = {SeqNum{10}, SeqNum{20}};
  segment.options.sack.blocks[1] = {SeqNum{30}, SeqNum{40}};
  segment.options.sack.count = 2;
  EXPECT_EQ(to_string(segment), ". 0:0(0) ack 0 win 0 <nop,nop,sack 10:20 30:40>");
}

TEST(TcpFlags, EncodeWhatTheyDecode) {
  for (unsigned bits = 0; bits < 256; ++bits) {
    EXPECT_EQ(TcpFlags::decode(static_cast<std::uint8_t>(bits)).encode(), bits);
  }
}

}  // namespace
}  // namespace pollux
