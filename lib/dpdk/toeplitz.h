#pragma once

#include <rte_thash.h>

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "wire/flow_key.h"

namespace pollux::dpdk {

// Where an RSS port brings a flow: Toeplitz over the addresses and ports of a
// received segment, with the key and the indirection table that the port said it uses.
class RssMap {
 public:
  // `key`: 40 bytes or more; `table`: queue of each entry, a power of two of them.
  RssMap(std::vector<std::uint8_t> key, std::vector<std::uint16_t> table)
      : key_{std::move(key)}, table_{std::move(table)} {}

  // The hash as the NIC computes it: of a segment from `key.remote` to `key.local`.
  std::uint32_t hash(const FlowKey& flow) const {
    rte_thash_tuple tuple{};
    if (flow.local.is_v4()) {
      tuple.v4.src_addr = flow.remote.v4_host_order();
      tuple.v4.dst_addr = flow.local.v4_host_order();
      tuple.v4.sport = flow.remote_port;
      tuple.v4.dport = flow.local_port;
      return rte_softrss(reinterpret_cast<std::uint32_t*>(&tuple), RTE_THASH_V4_L4_LEN, key_.data());
    }
    std::uint32_t words[RTE_THASH_V6_L4_LEN];
    for (std::size_t i = 0; i < 4; ++i) {
      words[i] = from_big_endian(flow.remote.words()[i]);
      words[i + 4] = from_big_endian(flow.local.words()[i]);
    }
    words[8] = static_cast<std::uint32_t>(flow.remote_port) << 16 | flow.local_port;
    return rte_softrss(words, RTE_THASH_V6_L4_LEN, key_.data());
  }

  std::uint16_t queue(const FlowKey& flow) const { return table_[hash(flow) & (table_.size() - 1)]; }

  std::span<const std::uint8_t> key() const { return key_; }
  std::span<const std::uint16_t> table() const { return table_; }

 private:
  std::vector<std::uint8_t> key_;
  std::vector<std::uint16_t> table_;
};

}  // namespace pollux::dpdk
