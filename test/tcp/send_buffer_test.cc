#include "tcp/send_buffer.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstring>
#include <deque>
#include <string>
#include <vector>

namespace pollux::tcp {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span{text}); }

std::string copied(SendBuffer& buffer, const SliceStore& store, std::uint32_t offset, std::size_t size) {
  std::string text(size, '?');
  buffer.copy(store, offset, std::as_writable_bytes(std::span{text}));
  return text;
}

std::string as_string(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// `size` characters that say where they stand.
std::string pattern(std::size_t size, std::size_t from = 0) {
  std::string text(size, ' ');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + (from + i) % 23);
  return text;
}

TEST(SendBuffer, StartsEmpty) {
  SliceStore store{4, 4};
  SendBuffer buffer;
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.size(), 0u);
  EXPECT_TRUE(buffer.contiguous(store, 0).empty());
  buffer.clear(store);
  EXPECT_TRUE(buffer.invariants_hold(store));
}

TEST(SendBuffer, SmallCopiesShareABlock) {
  SliceStore store{4, 4};
  SendBuffer buffer;
  const std::string text = pattern(Block::kSize);
  for (std::size_t i = 0; i < text.size(); ++i) ASSERT_EQ(buffer.append_copy(store, bytes_of(text).subspan(i, 1)), 1u);
  EXPECT_EQ(store.blocks.size(), 1u);
  EXPECT_EQ(store.slices.size(), 1u);
  EXPECT_EQ(copied(buffer, store, 0, text.size()), text);
  ASSERT_EQ(buffer.append_copy(store, bytes_of("x")), 1u);
  EXPECT_EQ(store.blocks.size(), 2u);
  buffer.clear(store);
}

TEST(SendBuffer, BlockThatLostItsFrontStillTakesText) {
  SliceStore store{1, 1};
  SendBuffer buffer;
  ASSERT_EQ(buffer.append_copy(store, bytes_of(pattern(1000))), 1000u);
  buffer.drop_front(store, 999);
  EXPECT_EQ(buffer.append_copy(store, bytes_of(pattern(2000))), Block::kSize - 1000);
  EXPECT_EQ(buffer.size(), 1 + Block::kSize - 1000);
  EXPECT_EQ(copied(buffer, store, 1, Block::kSize - 1000), pattern(Block::kSize - 1000));
  buffer.clear(store);
}

TEST(SendBuffer, CopyTakesWhatBlocksThereAre) {
  SliceStore store{10, 2};
  SendBuffer buffer;
  const std::string text = pattern(3 * Block::kSize);
  EXPECT_EQ(buffer.append_copy(store, bytes_of(text)), 2 * Block::kSize);
  EXPECT_EQ(buffer.append_copy(store, bytes_of(text)), 0u);
  EXPECT_EQ(copied(buffer, store, 0, 2 * Block::kSize), text.substr(0, 2 * Block::kSize));
  buffer.drop_front(store, Block::kSize);
  EXPECT_EQ(buffer.append_copy(store, bytes_of(text)), Block::kSize);
  buffer.clear(store);
}

TEST(SendBuffer, BlockGoesBackWhenThereIsNoSliceForIt) {
  SliceStore store{1, 10};
  SendBuffer buffer;
  EXPECT_EQ(buffer.append_copy(store, bytes_of(pattern(3 * Block::kSize))), Block::kSize);
  EXPECT_EQ(store.blocks.size(), 1u);
  buffer.clear(store);
}

TEST(SendBuffer, ReferenceIsNotCopied) {
  SliceStore store{2, 1};
  SendBuffer buffer;
  const std::string first = pattern(100'000);
  const std::string second = pattern(50);
  ASSERT_TRUE(buffer.append_reference(store, bytes_of(first)));
  ASSERT_TRUE(buffer.append_reference(store, bytes_of(second)));
  EXPECT_EQ(store.blocks.size(), 0u);
  EXPECT_EQ(buffer.contiguous(store, 7).data(), bytes_of(first).data() + 7);
  EXPECT_EQ(buffer.contiguous(store, 7).size(), first.size() - 7);
  EXPECT_EQ(buffer.contiguous(store, 100'000).data(), bytes_of(second).data());
  EXPECT_EQ(copied(buffer, store, 99'990, 20), first.substr(99'990) + second.substr(0, 10));
  buffer.clear(store);
}

TEST(SendBuffer, ReferenceIsAllOrNothing) {
  SliceStore store{1, 1};
  SendBuffer buffer;
  const std::string text = pattern(10);
  ASSERT_TRUE(buffer.append_reference(store, bytes_of(text)));
  EXPECT_FALSE(buffer.append_reference(store, bytes_of(text)));
  EXPECT_EQ(buffer.size(), 10u);
  EXPECT_TRUE(buffer.append_reference(store, {})) << "no text needs no slice";
  buffer.clear(store);
}

// One connection whose peer takes nothing must not keep every other from sending.
TEST(SendBuffer, LastEighthOfTheBlocksIsForBuffersThatHoldNothing) {
  SliceStore store{64, 16};
  SendBuffer greedy;
  SendBuffer other;
  EXPECT_EQ(greedy.append_copy(store, bytes_of(pattern(20 * Block::kSize))), 14 * Block::kSize);
  EXPECT_EQ(greedy.append_copy(store, bytes_of("x")), 0u);
  EXPECT_EQ(other.append_copy(store, bytes_of(pattern(2 * Block::kSize))), Block::kSize);
  greedy.drop_front(store, 3 * Block::kSize);
  EXPECT_EQ(greedy.append_copy(store, bytes_of(pattern(20 * Block::kSize))), 2 * Block::kSize);
  greedy.clear(store);
  other.clear(store);
}

TEST(SendBuffer, LastEighthOfTheSlicesIsForBuffersThatHoldNothing) {
  SliceStore store{16, 16};
  SendBuffer greedy;
  SendBuffer other;
  for (int i = 0; i < 14; ++i) ASSERT_TRUE(greedy.append_reference(store, bytes_of("x")));
  EXPECT_FALSE(greedy.append_reference(store, bytes_of("x")));
  EXPECT_EQ(greedy.append_copy(store, bytes_of("x")), 0u);
  EXPECT_TRUE(other.append_reference(store, bytes_of("x")));
  EXPECT_FALSE(other.append_reference(store, bytes_of("x")));
  greedy.clear(store);
  other.clear(store);
}

// A copy after a reference must not be written into the application's memory.
TEST(SendBuffer, CopyNeverGrowsAReference) {
  SliceStore store{3, 3};
  SendBuffer buffer;
  const std::string mine = "reference";
  ASSERT_EQ(buffer.append_copy(store, bytes_of("copy ")), 5u);
  ASSERT_TRUE(buffer.append_reference(store, bytes_of(mine)));
  ASSERT_EQ(buffer.append_copy(store, bytes_of(" copy")), 5u);
  EXPECT_EQ(copied(buffer, store, 0, 19), "copy reference copy");
  EXPECT_EQ(mine, "reference");
  buffer.clear(store);
}

TEST(SendBuffer, ClearGivesEverythingBack) {
  SliceStore store{8, 8};
  SendBuffer buffer;
  const std::string text = pattern(5000);
  buffer.append_copy(store, bytes_of(text));
  buffer.append_reference(store, bytes_of(text));
  buffer.contiguous(store, 6000);
  buffer.clear(store);
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(store.slices.size(), 0u);
  EXPECT_EQ(store.blocks.size(), 0u);
  EXPECT_EQ(buffer.append_copy(store, bytes_of("again")), 5u);
  EXPECT_EQ(copied(buffer, store, 0, 5), "again");
  buffer.clear(store);
}

// CVE-2019-11477: how small the segments are in which text is sent or acknowledged
// must not cost memory.
TEST(SendBuffer, SendingByteByByteCostsNothing) {
  SliceStore store{40, 40};
  SendBuffer buffer;
  const std::string text = pattern(64 * 1024);
  ASSERT_EQ(buffer.append_copy(store, bytes_of(text)), text.size());
  for (std::uint32_t i = 0; i < text.size(); ++i) ASSERT_EQ(copied(buffer, store, i, 1)[0], text[i]);
  EXPECT_EQ(store.slices.size(), 32u);
  for (std::uint32_t i = 0; i < text.size(); ++i) {
    ASSERT_EQ(copied(buffer, store, 0, 1)[0], text[i]);
    buffer.drop_front(store, 1);
  }
  EXPECT_EQ(store.slices.size(), 0u);
}

struct Op {
  enum Kind : int { kCopy, kReference, kDrop, kRead, kContiguous, kClear };
  int kind;
  std::uint32_t a;
  std::uint32_t b;
};

std::ostream& operator<<(std::ostream& out, const Op& op) {
  return out << "{" << op.kind << ", " << op.a << ", " << op.b << "}";
}

rc::Gen<Op> any_op() {
  const auto size = rc::gen::weightedOneOf<std::uint32_t>(
      {{5, rc::gen::inRange<std::uint32_t>(0, 20)}, {3, rc::gen::inRange<std::uint32_t>(0, 6000)}});
  return rc::gen::construct<Op>(
      rc::gen::weightedElement<int>(
          {{6, Op::kCopy}, {4, Op::kReference}, {4, Op::kDrop}, {6, Op::kRead}, {4, Op::kContiguous}, {1, Op::kClear}}),
      size, rc::gen::arbitrary<std::uint32_t>());
}

// The same text in a std::string.
class Model {
 public:
  void apply(const Op& op) {
    const auto live = static_cast<std::uint32_t>(text_.size());
    const std::uint32_t offset = live == 0 ? 0 : op.b % (live + 1);
    switch (op.kind) {
      case Op::kCopy:
        return append(op.a, false);
      case Op::kReference:
        return append(op.a, true);
      case Op::kDrop:
        buffer_.drop_front(store_, std::min(op.a, live));
        text_.erase(0, op.a);
        return;
      case Op::kRead:
        RC_ASSERT(copied(buffer_, store_, offset, std::min(op.a, live - offset)) == text_.substr(offset, op.a));
        return;
      case Op::kContiguous: {
        const std::string piece = as_string(buffer_.contiguous(store_, offset));
        RC_ASSERT(piece.empty() == (offset == live));
        RC_ASSERT(text_.compare(offset, piece.size(), piece) == 0);
        return;
      }
      default:
        buffer_.clear(store_);
        text_.clear();
        RC_ASSERT(store_.slices.size() == 0u);
        RC_ASSERT(store_.blocks.size() == 0u);
    }
  }

  void check() {
    RC_ASSERT(buffer_.size() == text_.size());
    RC_ASSERT(buffer_.empty() == text_.empty());
    RC_ASSERT(buffer_.invariants_hold(store_));
  }

  void finish() {
    RC_ASSERT(copied(buffer_, store_, 0, text_.size()) == text_);
    buffer_.clear(store_);
    RC_ASSERT(store_.slices.size() == 0u);
    RC_ASSERT(store_.blocks.size() == 0u);
  }

 private:
  void append(std::uint32_t size, bool reference) {
    const std::string& text = application_.emplace_back(pattern(size, position_));
    std::uint32_t taken = size;
    if (reference) {
      const bool had_room = buffer_.empty() ? !store_.slices.full() : !store_.slices.crowded();
      const bool done = buffer_.append_reference(store_, bytes_of(text));
      RC_ASSERT(done == (had_room || size == 0));
      if (!done) taken = 0;
    } else {
      taken = buffer_.append_copy(store_, bytes_of(text));
      RC_ASSERT(taken == size || store_.blocks.crowded() || store_.slices.crowded());
    }
    position_ += taken;
    text_ += text.substr(0, taken);
  }

  SliceStore store_{12, 5};
  SendBuffer buffer_;
  std::string text_;
  std::deque<std::string> application_;  // what the application promised to keep
  std::size_t position_ = 0;
};

RC_GTEST_PROP(SendBuffer, HoldsWhatAStringHolds, ()) {
  const auto ops = *rc::gen::resize(300, rc::gen::container<std::vector<Op>>(any_op()));
  Model model;
  for (const Op& op : ops) {
    model.apply(op);
    model.check();
  }
  model.finish();
}

}  // namespace
}  // namespace pollux::tcp
