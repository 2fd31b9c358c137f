// Ethernet: what parse_frame makes of lengths, tags, types and addresses.

#include <gtest/gtest.h>

#include <random>

#include "frames.h"

namespace pollux {
namespace {

using test::Bytes;
using test::drop_of;
using test::parse;

TEST(Link, AFrameTooShortForItsHeaderIsDropped) {
  const Bytes frame = test::tcp4_frame();
  for (std::size_t size = 0; size < 14; ++size) {
    EXPECT_EQ(drop_of(Bytes(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(size))), WireDrop::kL2Short);
  }
  const Bytes tagged = test::tcp4_frame({}, {}, {.tags = {{0x8100, 5}}});
  for (std::size_t size = 14; size < 18; ++size) {
    EXPECT_EQ(drop_of(Bytes(tagged.begin(), tagged.begin() + static_cast<std::ptrdiff_t>(size)), {.vlan = 5}),
              WireDrop::kL2Short);
  }
}

TEST(Link, RandomRuntsAreNeverAccepted) {
  std::mt19937 random{15};
  for (std::size_t size = 0; size <= 60; ++size) {
    for (int round = 0; round < 100; ++round) {
      Bytes frame(size);
      for (std::byte& b : frame) b = static_cast<std::byte>(random());
      const auto parsed = parse(frame);
      EXPECT_TRUE(parsed.drop != WireDrop::kNone || parsed.frame.kind == FrameKind::kArp);
    }
  }
}

TEST(Link, AFrameLongerThanThePortAcceptsIsDropped) {
  const Bytes frame = test::tcp4_frame({.text = Bytes(1460)});
  EXPECT_EQ(frame.size(), 1514u);
  EXPECT_EQ(drop_of(frame, {.max_frame = 1514}), WireDrop::kNone);
  EXPECT_EQ(drop_of(frame, {.max_frame = 1513}), WireDrop::kL2Long);
}

TEST(Link, AGiantFrameIsAcceptedByDefault) {
  const Bytes frame = test::tcp4_frame({.text = Bytes(65495)});
  const auto parsed = parse(frame);
  EXPECT_EQ(parsed.drop, WireDrop::kNone);
  EXPECT_EQ(parsed.frame.segment.text.size(), 65495u);
}

struct TagCase {
  std::vector<std::pair<unsigned, unsigned>> tags;
  std::uint16_t expected;  // by the port
  WireDrop drop;
};

TEST(Link, TagsAreAcceptedAsTheTableSays) {
  const std::vector<TagCase> table = {
      {{}, 0, WireDrop::kNone},
      {{}, 5, WireDrop::kL2Vlan},
      {{{0x8100, 0}}, 0, WireDrop::kNone},  // a priority tag names no VLAN
      {{{0x8100, 0xe000}}, 0, WireDrop::kNone},
      {{{0x8100, 0}}, 5, WireDrop::kL2Vlan},
      {{{0x8100, 5}}, 5, WireDrop::kNone},
      {{{0x8100, 0xf005}}, 5, WireDrop::kNone},  // priority and drop bits do not matter
      {{{0x8100, 5}}, 0, WireDrop::kL2Vlan},
      {{{0x8100, 6}}, 5, WireDrop::kL2Vlan},
      {{{0x8100, 0x0fff}}, 0x0fff, WireDrop::kNone},
      {{{0x8100, 5}, {0x8100, 5}}, 5, WireDrop::kL2Qinq},
      {{{0x8100, 5}, {0x88a8, 5}}, 5, WireDrop::kL2Qinq},
      {{{0x88a8, 5}, {0x8100, 5}}, 5, WireDrop::kL2Qinq},
      {{{0x88a8, 5}}, 5, WireDrop::kL2Qinq},
      {{{0x9100, 5}}, 5, WireDrop::kL2Qinq},
      {{{0x8100, 5}, {0x8100, 5}, {0x8100, 5}}, 5, WireDrop::kL2Qinq},
      {{{0x8100, 0}, {0x8100, 0}}, 0, WireDrop::kL2Qinq},
  };
  for (std::size_t i = 0; i < table.size(); ++i) {
    const TagCase& c = table[i];
    for (const Bytes& frame :
         {test::tcp4_frame({.text = test::text("hi")}, {}, {.tags = c.tags}),
          test::tcp6_frame({.text = test::text("hi")}, {.ends = test::v6_ends()}, {.tags = c.tags})}) {
      const auto parsed = parse(frame, {.vlan = c.expected});
      EXPECT_EQ(parsed.drop, c.drop) << "row " << i;
      if (c.drop != WireDrop::kNone) continue;
      EXPECT_EQ(parsed.frame.vlan, c.expected);
      EXPECT_EQ(test::as_string(parsed.frame.segment.text), "hi");
    }
  }
}

TEST(Link, TypesThatAreNotServedAreDroppedByName) {
  for (unsigned type = 0; type <= 0xffff; ++type) {
    const WireDrop drop = drop_of(test::ethernet(type, Bytes(46)));
    switch (type) {
      case 0x0800:
      case 0x86dd:
        EXPECT_EQ(drop, WireDrop::kIpHeader);
        break;
      case 0x0806:
        EXPECT_EQ(drop, WireDrop::kNone);
        break;
      case 0x8100:  // the zeros behind it are a tag and a length
        EXPECT_EQ(drop, WireDrop::kL2Llc);
        break;
      case 0x88a8:
      case 0x9100:
        EXPECT_EQ(drop, WireDrop::kL2Qinq);
        break;
      default:
        EXPECT_EQ(drop, type < 0x0600 ? WireDrop::kL2Llc : WireDrop::kL2Ethertype) << type;
    }
  }
}

TEST(Link, FramesOfOthersAreDropped) {
  const ParsePolicy policy{.mac = test::kOurMac};
  const MacAddress other{{0x02, 0, 0, 0, 0, 0x99}};
  const MacAddress group{{0x01, 0, 0x5e, 0, 0, 1}};
  EXPECT_EQ(drop_of(test::tcp4_frame(), policy), WireDrop::kNone);
  EXPECT_EQ(drop_of(test::tcp4_frame({}, {}, {.destination = other}), policy), WireDrop::kL2Foreign);
  EXPECT_EQ(drop_of(test::tcp4_frame({}, {}, {.destination = other})), WireDrop::kNone);
  EXPECT_EQ(drop_of(test::tcp4_frame({}, {}, {.source = test::kOurMac}), policy), WireDrop::kL2OwnSource);
  EXPECT_EQ(drop_of(test::tcp4_frame({}, {}, {.source = group}), policy), WireDrop::kL2GroupSource);
  EXPECT_EQ(drop_of(test::tcp4_frame({}, {}, {.source = MacAddress::broadcast()})), WireDrop::kL2GroupSource);
}

TEST(Link, GroupFramesAreMarked) {  // MUST-57: the shard answers none of them
  const ParsePolicy policy{.mac = test::kOurMac};
  EXPECT_FALSE(parse(test::tcp4_frame(), policy).frame.link_group);
  const MacAddress group{{0x01, 0, 0x5e, 0, 0, 1}};
  for (const MacAddress& destination : {MacAddress::broadcast(), group}) {
    const auto parsed = parse(test::tcp4_frame({}, {}, {.destination = destination}), policy);
    EXPECT_EQ(parsed.drop, WireDrop::kNone);
    EXPECT_TRUE(parsed.frame.link_group);
    EXPECT_EQ(parsed.frame.destination, destination);
    EXPECT_EQ(parsed.frame.source, test::kPeerMac);
  }
}

}  // namespace
}  // namespace pollux
