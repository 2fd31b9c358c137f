#include "tcp/send_buffer.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"

namespace pollux::tcp {

std::uint32_t SendBuffer::append_copy(SliceStore& store, std::span<const std::byte> text) {
  const std::uint32_t before = size_;
  while (!text.empty()) {
    std::span<std::byte> room = room_in_last_block(store);
    if (room.empty()) {
      if (!empty() && store.blocks.crowded()) break;
      const std::uint32_t block = store.blocks.alloc();
      if (block == kNone) break;
      if (!push_slice(store, {.data = store.blocks[block].bytes.data(), .block = block})) {
        store.blocks.free(block);
        break;
      }
      room = store.blocks[block].bytes;
    }
    const std::size_t n = std::min(room.size(), text.size());
    std::memcpy(room.data(), text.data(), n);
    store.slices[tail_].size += static_cast<std::uint32_t>(n);
    size_ += static_cast<std::uint32_t>(n);
    text = text.subspan(n);
  }
  return size_ - before;
}

bool SendBuffer::append_reference(SliceStore& store, std::span<const std::byte> text) {
  ASSERT(text.size() <= UINT32_MAX - size_);
  if (text.empty()) return true;
  const auto size = static_cast<std::uint32_t>(text.size());
  if (!push_slice(store, {.data = text.data(), .size = size})) return false;
  size_ += size;
  return true;
}

void SendBuffer::drop_front(SliceStore& store, std::uint32_t n) {
  ASSERT(n <= size_);
  size_ -= n;
  if (cursor_ != kNone) cursor_offset_ = std::max(cursor_offset_, n) - n;
  while (n > 0) {
    Slice& slice = store.slices[head_];
    if (n < slice.size) {
      slice.data += n;
      slice.size -= n;
      return;
    }
    n -= slice.size;
    const std::uint32_t gone = head_;
    head_ = slice.next;
    if (cursor_ == gone) cursor_ = kNone;
    if (slice.block != kNone) store.blocks.free(slice.block);
    store.slices.free(gone);
  }
  if (head_ == kNone) tail_ = kNone;
}

void SendBuffer::copy(const SliceStore& store, std::uint32_t offset, std::span<std::byte> to) {
  while (!to.empty()) {
    const std::span<const std::byte> piece = contiguous(store, offset);
    const std::size_t n = std::min(piece.size(), to.size());
    std::memcpy(to.data(), piece.data(), n);
    offset += static_cast<std::uint32_t>(n);
    to = to.subspan(n);
  }
}

std::span<const std::byte> SendBuffer::contiguous(const SliceStore& store, std::uint32_t offset) {
  ASSERT(offset <= size_);
  if (offset == size_) return {};
  seek(store, offset);
  const Slice& slice = store.slices[cursor_];
  return std::span{slice.data, slice.size}.subspan(offset - cursor_offset_);
}

void SendBuffer::clear(SliceStore& store) { drop_front(store, size_); }

bool SendBuffer::push_slice(SliceStore& store, const Slice& slice) {
  if (!empty() && store.slices.crowded()) return false;
  const std::uint32_t index = store.slices.alloc(slice);
  if (index == kNone) return false;
  (tail_ == kNone ? head_ : store.slices[tail_].next) = index;
  tail_ = index;
  return true;
}

std::span<std::byte> SendBuffer::room_in_last_block(SliceStore& store) const {
  if (tail_ == kNone || store.slices[tail_].block == kNone) return {};
  const Slice& slice = store.slices[tail_];
  Block& block = store.blocks[slice.block];
  const auto used = static_cast<std::size_t>(slice.data + slice.size - block.bytes.data());
  return std::span{block.bytes}.subspan(used);
}

// Puts the cursor on the slice that holds byte `offset`, which must exist.
void SendBuffer::seek(const SliceStore& store, std::uint32_t offset) {
  if (cursor_ == kNone || offset < cursor_offset_) {
    cursor_ = head_;
    cursor_offset_ = 0;
  }
  while (offset - cursor_offset_ >= store.slices[cursor_].size) {
    cursor_offset_ += store.slices[cursor_].size;
    cursor_ = store.slices[cursor_].next;
  }
}

bool SendBuffer::invariants_hold(const SliceStore& store) const {
  std::uint32_t at = 0;
  std::uint32_t last = kNone;
  bool cursor_good = cursor_ == kNone;
  for (std::uint32_t i = head_; i != kNone; i = store.slices[i].next) {
    if (i == cursor_) cursor_good = cursor_offset_ == at;
    if (store.slices[i].size == 0) return false;
    at += store.slices[i].size;
    last = i;
  }
  return at == size_ && last == tail_ && cursor_good;
}

}  // namespace pollux::tcp
