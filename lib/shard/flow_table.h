#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/siphash.h"
#include "shard/hash_index.h"
#include "wire/flow_key.h"

namespace pollux {

// The hash of connections for every table of a shard. Keyed, and not linear in
// the bits of the key as the RSS hash is, so nobody outside can aim for a bucket.
inline std::uint64_t flow_hash(const HashKey& key, const FlowKey& flow) { return siphash13_of(key, flow); }

// From the key of a connection to the index of its TCB. The keys stand in the
// TCBs, so `is_it(value)` answers whether the TCB of that index has the key sought.
class FlowTable {
 public:
  static constexpr std::uint32_t kNone = HashIndex::kNone;

  FlowTable(std::uint32_t max_entries, const HashKey& key, Pages pages = Pages::kTransparent)
      : index_{max_entries, pages}, key_{key} {}

  std::uint64_t hash(const FlowKey& flow) const { return flow_hash(key_, flow); }

  // Three stages of a burst: the bucket, then the TCB that it probably is, then the answer.
  void prefetch(std::uint64_t hash) const { index_.prefetch(hash); }
  std::uint32_t candidate(std::uint64_t hash) const { return index_.candidate(hash); }
  template <class IsIt>
  std::uint32_t find(std::uint64_t hash, IsIt&& is_it) const {
    return index_.find(hash, std::forward<IsIt>(is_it));
  }

  // False when there is no room; up to `max_entries` there is. The flow must not be in the table.
  bool insert(std::uint64_t hash, std::uint32_t value) { return index_.insert(hash, value); }
  // False when `value` is not there under `hash`.
  bool erase(std::uint64_t hash, std::uint32_t value) { return index_.erase(hash, value); }

  // Every value, in no order; `visit` must not change the table. For stopping and for reports.
  template <class Visit>
  void for_each(Visit&& visit) const {
    index_.for_each(std::forward<Visit>(visit));
  }

  std::uint32_t size() const { return index_.size(); }
  std::uint32_t max_entries() const { return index_.max_entries(); }
  std::size_t bytes() const { return index_.bytes(); }

 private:
  HashIndex index_;
  HashKey key_;
};

}  // namespace pollux
