#include "shard/hash_index.h"

#include <bit>
#include <vector>

namespace pollux {
namespace {

// A handful more than the load asks for, so that small tables, which vary more, have room as well.
constexpr std::uint32_t kSpareBuckets = 2;

}  // namespace

HashIndex::HashIndex(std::uint32_t max_entries, Pages pages)
    : max_entries_{max_entries},
      bucket_count_{static_cast<std::uint32_t>((std::uint64_t{max_entries} + kLoad - 1) / kLoad) + kSpareBuckets} {
  memory_ = Memory{std::size_t{bucket_count_} * sizeof(Bucket), pages};
  for (std::uint32_t t = 0; t < 256; ++t) {
    // Fibonacci hashing: far apart whatever the number of buckets.
    mirrors_[t] = static_cast<std::uint32_t>((std::uint64_t{t * 0x9e3779b1u} * bucket_count_) >> 32);
  }
}

bool HashIndex::insert(std::uint64_t hash, std::uint32_t value) {
  const std::uint32_t first = home(hash);
  const std::uint8_t mark = tag(hash);
  const std::uint32_t second = other(first, mark);
  if (put(first, mark, value, false) || put(second, mark, value, true)) return true;
  if (make_room(first)) return put(first, mark, value, false);
  if (second != first && make_room(second)) return put(second, mark, value, true);
  return false;
}

bool HashIndex::erase(std::uint64_t hash, std::uint32_t value) {
  const Place at = locate(hash, [value](std::uint32_t v) { return v == value; });
  if (at.bucket == kNone) return false;
  take(at.bucket, at.slot);
  return true;
}

bool HashIndex::replace(std::uint64_t hash, std::uint32_t before, std::uint32_t after) {
  const Place at = locate(hash, [before](std::uint32_t v) { return v == before; });
  if (at.bucket == kNone) return false;
  buckets()[at.bucket].values[at.slot] = after;
  return true;
}

bool HashIndex::put(std::uint32_t bucket, std::uint8_t tag, std::uint32_t value, bool guest) {
  Bucket& b = buckets()[bucket];
  const std::uint32_t free = b.free();
  if (free == 0) return false;
  const auto slot = static_cast<std::uint32_t>(std::countr_zero(free));
  b.tags[slot] = tag;
  b.values[slot] = value;
  if (guest) {
    b.guests = static_cast<std::uint16_t>(b.guests | (1u << slot));
    ++buckets()[other(bucket, tag)].overflowed;
  }
  ++size_;
  return true;
}

void HashIndex::take(std::uint32_t bucket, std::uint32_t slot) {
  Bucket& b = buckets()[bucket];
  if (b.is_guest(slot)) {
    --buckets()[other(bucket, b.tags[slot])].overflowed;
    b.guests = static_cast<std::uint16_t>(b.guests & ~(1u << slot));
  }
  b.tags[slot] = 0;
  --size_;
}

// Moves one value of a full bucket to its other one, where that has room.
bool HashIndex::make_room(std::uint32_t bucket) {
  const Bucket& b = buckets()[bucket];
  for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
    const std::uint8_t mark = b.tags[slot];
    const std::uint32_t to = other(bucket, mark);
    if (to == bucket || buckets()[to].free() == 0) continue;
    const bool was_guest = b.is_guest(slot);
    take(bucket, slot);
    return put(to, mark, b.values[slot], !was_guest);
  }
  return false;
}

bool HashIndex::consistent() const {
  std::vector<std::uint32_t> away(bucket_count_);
  std::uint32_t count = 0;
  for (std::uint32_t bucket = 0; bucket < bucket_count_; ++bucket) {
    const Bucket& b = buckets()[bucket];
    count += static_cast<std::uint32_t>(std::popcount(b.used()));
    if ((b.guests & b.free()) != 0) return false;
    for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
      if (b.is_guest(slot)) ++away[other(bucket, b.tags[slot])];
    }
  }
  for (std::uint32_t bucket = 0; bucket < bucket_count_; ++bucket) {
    if (away[bucket] != buckets()[bucket].overflowed) return false;
  }
  return count == size_;
}

}  // namespace pollux
