#include "device/loopback_pair.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "device/frame_log.h"
#include "frames.h"

namespace pollux {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(LoopbackPair, WhatOneEndFlushesTheOtherReceivesInOrder) {
  LoopbackPair pair;
  send_text(pair.left(), "one");
  send_text(pair.left(), "two");
  EXPECT_THAT(receive_texts(pair.right()), IsEmpty());
  pair.left().flush();
  EXPECT_THAT(receive_texts(pair.right()), ElementsAre("one", "two"));
  EXPECT_THAT(receive_texts(pair.left()), IsEmpty());
  EXPECT_EQ(pair.outstanding(), 0u);
}

TEST(LoopbackPair, FramesAFullRingRefusesStayQueuedInOrder) {
  LoopbackPair pair{{.buffers = 16, .ring = 2}};
  for (const char* text : {"a", "b", "c"}) send_text(pair.left(), text);
  pair.left().flush();
  send_text(pair.left(), "d");
  EXPECT_THAT(receive_texts(pair.right()), ElementsAre("a", "b"));
  pair.left().flush();
  EXPECT_THAT(receive_texts(pair.right()), ElementsAre("c", "d"));
}

TEST(LoopbackPair, ABeyondTheRoomFrameIsDroppedAndCounted) {
  LoopbackPair pair;
  while (pair.left().tx_room() != 0) ASSERT_TRUE(send_text(pair.left(), "x"));
  send_text(pair.left(), "one too many");
  EXPECT_EQ(pair.left().tx_dropped(), 1u);
  pair.left().flush();
  EXPECT_THAT(receive_texts(pair.right()), testing::Each("x"));
  EXPECT_EQ(pair.outstanding(), 0u);
}

TEST(LoopbackPair, ARetainedPacketOutlivesRecycle) {
  LoopbackPair pair;
  send_text(pair.left(), "kept");
  send_text(pair.left(), "gone");
  pair.left().flush();
  std::array<Packet, 4> packets;
  ASSERT_EQ(pair.right().receive(packets), 2u);
  Packet kept = std::move(packets[0]);
  pair.right().recycle(std::span{packets}.first(2));
  EXPECT_EQ(pair.outstanding(), 1u);
  EXPECT_EQ(text_of(kept), "kept");
}

TEST(LoopbackPair, WithoutMemoryThereIsNoFrame) {
  LoopbackPair pair{{.buffers = 1, .ring = 4}};
  const TxFrame frame = pair.left().allocate(10);
  EXPECT_TRUE(frame);
  EXPECT_FALSE(pair.right().allocate(10));
  pair.left().discard(frame);
  EXPECT_EQ(pair.outstanding(), 0u);
}

TEST(LoopbackPair, AChecksumLeftToTheDeviceArrivesAsGood) {
  LoopbackPair pair;
  send_text(pair.left(), "x", {.tcp_checksum = true});
  pair.left().flush();
  std::array<Packet, 1> packets;
  ASSERT_EQ(pair.right().receive(packets), 1u);
  EXPECT_EQ(packets[0].tcp_checksum, ChecksumWord::kGood);
  EXPECT_EQ(packets[0].ip_checksum, ChecksumWord::kUnknown);
}

TEST(Tapped, RecordsBothWaysWithTheGivenTime) {
  LoopbackPair pair;
  Tapped<LoopbackPair::End, FrameLog> tapped{pair.left(), {}};
  static_assert(Device<decltype(tapped)>);
  tapped.set_now(Instant{5ns});
  send_text(tapped, "out");
  tapped.flush();
  send_text(pair.right(), "in");
  pair.right().flush();
  tapped.set_now(Instant{9ns});
  receive_texts(tapped);

  const auto& entries = tapped.log().entries();
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].way, FrameWay::kSent);
  EXPECT_EQ(entries[0].at, Instant{5ns});
  EXPECT_EQ(entries[0].bytes.size(), 3u);
  EXPECT_EQ(entries[1].way, FrameWay::kReceived);
  EXPECT_EQ(entries[1].at, Instant{9ns});
  EXPECT_EQ(entries[1].bytes.size(), 2u);
}

}  // namespace
}  // namespace pollux
