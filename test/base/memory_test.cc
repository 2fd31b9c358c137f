#include "base/memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <new>

namespace pollux {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

class MemoryOn : public testing::TestWithParam<Pages> {};

TEST_P(MemoryOn, IsZeroWritableAndAligned) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{4097}, kHugePage - 1, kHugePage, 3 * kHugePage + 5}) {
    const Memory memory{size, GetParam()};
    ASSERT_GE(memory.size(), size);
    EXPECT_TRUE(
        std::all_of(memory.data(), memory.data() + memory.size(), [](std::byte b) { return b == std::byte{}; }));
    const std::size_t alignment = size >= kHugePage ? kHugePage : 4096;
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory.data()) % alignment, 0u) << size;
    memory.data()[0] = std::byte{1};
    memory.data()[memory.size() - 1] = std::byte{1};
  }
}

INSTANTIATE_TEST_SUITE_P(EveryKind, MemoryOn,
                         testing::Values(Pages::kOrdinary, Pages::kTransparent, Pages::kTouched, Pages::kReserved));

TEST(Memory, SizeIsWhatWasAskedForInWholePages) {
  EXPECT_EQ(Memory(1, Pages::kOrdinary).size(), 4096u);
  EXPECT_EQ(Memory(4096, Pages::kOrdinary).size(), 4096u);
  EXPECT_EQ(Memory(kHugePage + 1, Pages::kTransparent).size(), kHugePage + 4096);
}

TEST(Memory, WhatIsNotTouchedIsNotThere) {
  const Memory memory{8 * kHugePage, Pages::kOrdinary};
  EXPECT_EQ(memory.resident(), 0u);
  memory.data()[5000] = std::byte{1};
  EXPECT_EQ(memory.resident(), 4096u);
  EXPECT_EQ(Memory().resident(), 0u);
}

TEST(Memory, WhatIsTouchedAtStartIsThereWhole) {
  const Memory memory{2 * kHugePage + 1, Pages::kTouched};
  EXPECT_EQ(memory.resident(), memory.size());
}

TEST(Memory, OfNothingIsNothing) {
  EXPECT_EQ(Memory(0).size(), 0u);
  EXPECT_EQ(Memory().data(), nullptr);
}

TEST(Memory, MovingMovesTheBytesAndLeavesNothing) {
  Memory first{5000};
  first.data()[3] = std::byte{7};
  std::byte* const at = first.data();

  Memory second{std::move(first)};
  EXPECT_EQ(second.data(), at);
  EXPECT_EQ(second.data()[3], std::byte{7});
  EXPECT_EQ(first.data(), nullptr);
  EXPECT_EQ(first.size(), 0u);

  Memory third{1};
  third = std::move(second);
  EXPECT_EQ(third.data(), at);
  EXPECT_EQ(second.data(), nullptr);
}

TEST(Memory, MoreThanThereIsThrows) {
  EXPECT_THROW(Memory(SIZE_MAX), std::bad_alloc);
  EXPECT_THROW(Memory(std::size_t{1} << 62), std::bad_alloc);
}

}  // namespace
}  // namespace pollux
