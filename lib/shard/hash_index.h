#pragma once

#include <emmintrin.h>

#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "base/memory.h"

namespace pollux {

// A hash index from 64-bit hashes to 32-bit values, which are indices into a slab
// or ring that holds the keys. It stores no key: whether a value is the one sought
// is asked of the caller.
//
//   bucket, one cache line:  12 tags of 8 bits | overflowed | guests | 12 values
//
// A value lives in the home bucket of its hash; where that is full, as a guest in
// one other bucket, which follows from the home bucket and the tag, so it can be
// found again without the hash. A bucket counts the values that had to leave it:
// while there are none, a search ends after one line. Where both are full a guest
// or native of either moves to its other bucket. So a search reads two lines at
// most, and no insertion, search or removal ever takes longer than a small bound.
// Sized at start for its load; it never rehashes.
class HashIndex {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;
  static constexpr std::uint32_t kSlots = 12;
  // Values per bucket when holding `max_entries`: 64 bytes / 9 = 7.1 bytes for each.
  static constexpr std::uint32_t kLoad = 9;

  explicit HashIndex(std::uint32_t max_entries, Pages pages = Pages::kTransparent);

  void prefetch(std::uint64_t hash) const { __builtin_prefetch(&buckets()[home(hash)]); }

  // A value that `hash` may well stand for, to prefetch its object; kNone: there is none nearby.
  std::uint32_t candidate(std::uint64_t hash) const {
    const Bucket& bucket = buckets()[home(hash)];
    const std::uint32_t matches = bucket.matching(tag(hash));
    return matches == 0 ? kNone : bucket.values[std::countr_zero(matches)];
  }

  // The value of this hash for which `is_it(value)`, else kNone.
  template <class IsIt>
  std::uint32_t find(std::uint64_t hash, IsIt&& is_it) const {
    const Place at = locate(hash, is_it);
    return at.bucket == kNone ? kNone : buckets()[at.bucket].values[at.slot];
  }

  // False when there is no room, which below `max_entries` does not happen (see the test).
  // The value must not be in the index already.
  bool insert(std::uint64_t hash, std::uint32_t value);

  // Takes out `value`, which was inserted with `hash`. False when it is not there.
  bool erase(std::uint64_t hash, std::uint32_t value);

  // Puts `after` in the place of `before`, which was inserted with `hash`. False when it is not there.
  bool replace(std::uint64_t hash, std::uint32_t before, std::uint32_t after);

  // Calls `visit(value)` for every value, in no order. `visit` must not change the index.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (std::uint32_t b = 0; b < bucket_count_; ++b) {
      for (std::uint32_t used = buckets()[b].used(); used != 0; used &= used - 1) {
        visit(buckets()[b].values[std::countr_zero(used)]);
      }
    }
  }

  // Whether the books are right. Reads all: for tests.
  bool consistent() const;

  std::uint32_t size() const { return size_; }
  std::uint32_t max_entries() const { return max_entries_; }
  // What was taken from the system.
  std::size_t bytes() const { return memory_.size(); }
  std::size_t resident() const { return memory_.resident(); }

 private:
  struct alignas(64) Bucket {
    static constexpr std::uint32_t kAllSlots = (1u << kSlots) - 1;

    std::uint8_t tags[kSlots];  // 0: the slot is free
    std::uint16_t overflowed;   // how many values of this home live elsewhere
    std::uint16_t guests;       // bit i: the value of slot i has its home elsewhere
    std::uint32_t values[kSlots];

    std::uint32_t matching(std::uint8_t tag) const {
      const __m128i line = _mm_load_si128(reinterpret_cast<const __m128i*>(tags));
      const __m128i equal = _mm_cmpeq_epi8(line, _mm_set1_epi8(static_cast<char>(tag)));
      return static_cast<std::uint32_t>(_mm_movemask_epi8(equal)) & kAllSlots;
    }
    std::uint32_t free() const { return matching(0); }
    std::uint32_t used() const { return free() ^ kAllSlots; }
    bool is_guest(std::uint32_t slot) const { return ((guests >> slot) & 1) != 0; }
  };
  static_assert(sizeof(Bucket) == 64);

  struct Place {
    std::uint32_t bucket = kNone;
    std::uint32_t slot = 0;
  };

  Bucket* buckets() const { return reinterpret_cast<Bucket*>(memory_.data()); }

  // Multiplies instead of dividing: the high half spread over the buckets.
  std::uint32_t home(std::uint64_t hash) const {
    return static_cast<std::uint32_t>(((hash >> 32) * bucket_count_) >> 32);
  }
  static std::uint8_t tag(std::uint64_t hash) {
    const auto low = static_cast<std::uint8_t>(hash);
    return low == 0 ? 1 : low;
  }
  // The other bucket of a value: the mirror image, at a distance that the tag
  // chooses, so that it leads back as well.
  std::uint32_t other(std::uint32_t bucket, std::uint8_t tag) const {
    const std::uint32_t sum = mirrors_[tag];
    return sum >= bucket ? sum - bucket : sum + bucket_count_ - bucket;
  }

  template <class IsIt>
  Place locate(std::uint64_t hash, IsIt&& is_it) const {
    const std::uint32_t first = home(hash);
    const std::uint8_t mark = tag(hash);
    const Bucket& bucket = buckets()[first];
    for (std::uint32_t m = bucket.matching(mark); m != 0; m &= m - 1) {
      const auto slot = static_cast<std::uint32_t>(std::countr_zero(m));
      if (is_it(bucket.values[slot])) return {first, slot};
    }
    if (__builtin_expect(bucket.overflowed == 0, 1)) return {};
    const std::uint32_t second = other(first, mark);
    const Bucket& away = buckets()[second];
    for (std::uint32_t m = away.matching(mark) & away.guests; m != 0; m &= m - 1) {
      const auto slot = static_cast<std::uint32_t>(std::countr_zero(m));
      if (is_it(away.values[slot])) return {second, slot};
    }
    return {};
  }

  bool put(std::uint32_t bucket, std::uint8_t tag, std::uint32_t value, bool guest);
  void take(std::uint32_t bucket, std::uint32_t slot);
  bool make_room(std::uint32_t bucket);

  Memory memory_;
  std::uint32_t max_entries_;
  std::uint32_t bucket_count_;
  std::uint32_t size_ = 0;
  std::uint32_t mirrors_[256];
};

}  // namespace pollux
