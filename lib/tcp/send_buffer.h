#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/slab.h"

namespace pollux::tcp {

// The text that the application has sent and the peer has not acknowledged: bytes
// [SND.UNA, SND.UNA + size). It is a list of slices; a slice points into memory
// that the application promised to keep, or into a block of ours that holds a copy.
// Nothing is kept per segment, so a small MSS costs no memory (CVE-2019-11477).

// A piece of text and what follows it.
struct Slice {
  const std::byte* data = nullptr;
  std::uint32_t size = 0;
  std::uint32_t next = UINT32_MAX;   // Slice in SendPool
  std::uint32_t block = UINT32_MAX;  // Block that holds `data`, or none: the application's memory
};

// Room for copied text.
struct Block {
  // Not defaulted: a new block must not be filled with zeros first.
  Block() {}  // NOLINT(modernize-use-equals-default)
  static constexpr std::size_t kSize = 2048;
  std::array<std::byte, kSize> bytes;
};

// Where the send buffers of a shard's connections take slices and blocks from.
// Where one is crowded (Slab::crowded), only buffers that hold nothing yet get more: one connection whose
// peer takes nothing must not keep every other from sending.
struct SliceStore {
  SliceStore(std::uint32_t slice_count, std::uint32_t block_count, Pages pages = Pages::kTransparent)
      : slices{slice_count, pages}, blocks{block_count, pages} {}
  Slab<Slice> slices;
  Slab<Block> blocks;
};

class SendBuffer {
 public:
  std::uint32_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // Copies as much of `text` as there are blocks for; returns how much that was.
  // Appends to the last block while it has room.
  std::uint32_t append_copy(SliceStore& store, std::span<const std::byte> text);

  // Takes all of `text` by reference, or nothing (false) when no slice is free. The
  // bytes must stay as they are until they are acknowledged or the connection ends.
  bool append_reference(SliceStore& store, std::span<const std::byte> text);

  // Forgets the first `n` bytes: they were acknowledged. n <= size().
  void drop_front(SliceStore& store, std::uint32_t n);

  // Copies bytes [offset, offset + to.size()), which must exist, into `to`. Constant time for offsets
  // that go on where the last copy ended (a cursor is kept); from the front otherwise.
  void copy(const SliceStore& store, std::uint32_t offset, std::span<std::byte> to);

  // The longest contiguous piece at `offset` (for sending without a copy); empty at size().
  std::span<const std::byte> contiguous(const SliceStore& store, std::uint32_t offset);

  // Gives everything back.
  void clear(SliceStore& store);

  // The slices' sizes add up, and the cursor stands on one of them.
  bool invariants_hold(const SliceStore& store) const;

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;

  bool push_slice(SliceStore& store, const Slice& slice);
  std::span<std::byte> room_in_last_block(SliceStore& store) const;
  void seek(const SliceStore& store, std::uint32_t offset);

  std::uint32_t head_ = kNone;
  std::uint32_t tail_ = kNone;
  std::uint32_t size_ = 0;
  std::uint32_t cursor_ = kNone;     // slice in which the last copy ended
  std::uint32_t cursor_offset_ = 0;  // offset of that slice's first byte from the front
};

}  // namespace pollux::tcp
