// Marks of a router that meets congestion: RFC 3168, 5.

#include "wire/congestion_mark.h"

#include <gtest/gtest.h>

#include "frames.h"

namespace pollux {
namespace {

using test::Bytes;

constexpr unsigned kDiffServ = 0xb8;

Bytes v4_frame(unsigned ecn) {
  return test::tcp4_frame({.text = test::text("x")}, {.tos = static_cast<std::uint8_t>(kDiffServ | ecn)});
}
Bytes v6_frame(unsigned ecn) {
  return test::tcp6_frame({.text = test::text("x")},
                          {.ends = test::v6_ends(), .tos = static_cast<std::uint8_t>(kDiffServ | ecn)});
}

TEST(CongestionMark, IsPutOnWhatIsEcnCapable) {  // ECT(0), ECT(1), and what is marked already
  for (const unsigned ecn : {1u, 2u, 3u}) {
    for (Bytes frame : {v4_frame(ecn), v6_frame(ecn)}) {
      ASSERT_TRUE(mark_congestion(frame));
      const auto parsed = test::parse(frame);
      ASSERT_EQ(parsed.drop, WireDrop::kNone) << "the header's checksum is right";
      EXPECT_EQ(parsed.frame.tos, kDiffServ | 3);
      EXPECT_EQ(parsed.frame.segment.ecn, Ecn::kCe);
      EXPECT_EQ(test::as_string(parsed.frame.segment.text), "x");
    }
  }
}

TEST(CongestionMark, StandsBehindATagToo) {
  for (const Bytes& plain : {v4_frame(2), v6_frame(2)}) {
    Bytes tagged(plain.begin(), plain.begin() + 12);
    test::append(tagged, test::bytes({0x81, 0x00, 0x00, 0x07}));
    tagged.insert(tagged.end(), plain.begin() + 12, plain.end());
    Bytes marked = plain;
    ASSERT_TRUE(mark_congestion(marked));
    ASSERT_TRUE(mark_congestion(tagged));
    EXPECT_EQ(Bytes(tagged.begin() + 16, tagged.end()), Bytes(marked.begin() + 12, marked.end()));
  }
}

TEST(CongestionMark, LeavesWhatIsNotEcnCapableAsItIs) {
  for (const Bytes& plain : {v4_frame(0), v6_frame(0), test::bytes({1, 2, 3}), Bytes{}}) {
    Bytes frame = plain;
    EXPECT_FALSE(mark_congestion(frame));
    EXPECT_EQ(frame, plain);
  }
}

TEST(CongestionMark, LeavesAFrameThatIsCutAsItIs) {
  for (const Bytes& whole : {v4_frame(2), v6_frame(2)}) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      Bytes frame = cut;
      EXPECT_FALSE(mark_congestion(frame)) << size;
      EXPECT_EQ(frame, cut);
    }
  }
}

}  // namespace
}  // namespace pollux
