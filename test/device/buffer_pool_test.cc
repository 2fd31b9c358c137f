#include "device/buffer_pool.h"

#include <gtest/gtest.h>

namespace pollux {
namespace {

TEST(BufferPool, CountsWhatIsOut) {
  BufferPool pool{2, 64};
  std::byte* a = pool.take();
  std::byte* b = pool.take();
  EXPECT_NE(a, b);
  EXPECT_EQ(pool.outstanding(), 2u);
  EXPECT_EQ(pool.take(), nullptr);
  EXPECT_EQ(pool.refused(), 1u);
  pool.give_back(a);
  EXPECT_EQ(pool.outstanding(), 1u);
  EXPECT_EQ(pool.take(), a);
  pool.give_back(a);
  pool.give_back(b);
}

TEST(BufferPool, APacketGivesItsBufferBackOnceWhereverItMoves) {
  BufferPool pool{1, 64};
  {
    Packet first = pool.packet(pool.take(), 10);
    Packet second = std::move(first);
    EXPECT_EQ(second.bytes().size(), 10u);
    EXPECT_EQ(second.true_size(), 64u);
    EXPECT_EQ(pool.outstanding(), 1u);
  }
  EXPECT_EQ(pool.outstanding(), 0u);
}

TEST(BufferPool, HasNoFrameForMoreThanABuffer) {
  BufferPool pool{1, 64};
  EXPECT_FALSE(pool.frame(65));
  const TxFrame frame = pool.frame(64);
  EXPECT_TRUE(frame);
  pool.give_back(frame.data);
}

TEST(BufferPoolDeathTest, GivingBackTwiceEndsTheProgram) {
  BufferPool pool{1, 64};
  std::byte* buffer = pool.take();
  pool.give_back(buffer);
  EXPECT_DEATH(pool.give_back(buffer), "assertion failed");
}

TEST(BufferPoolDeathTest, ALeakEndsTheProgram) {
  EXPECT_DEATH(
      {
        BufferPool pool(1, 64);
        pool.take();
      },
      "assertion failed");
}

}  // namespace
}  // namespace pollux
