#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "base/endian.h"
#include "base/siphash.h"
#include "dpdk/ring.h"
#include "dpdk/toeplitz.h"
#include "shard/shard_config.h"
#include "wire/flow_key.h"

namespace pollux::runtime {

// Toeplitz with tables, a look-up for each byte: DPDK's goes bit by bit, too slow for
// every packet. 256 words for each of the 12 or 36 bytes of input.
class ToeplitzTables {
 public:
  explicit ToeplitzTables(std::span<const std::uint8_t> key);

  // Of bytes in the order the NIC reads them: source, destination, source port, destination port.
  std::uint32_t hash(const std::byte* bytes, std::size_t size, std::uint32_t so_far = 0, std::size_t from = 0) const {
    for (std::size_t i = 0; i < size; ++i) so_far ^= tables_[from + i][std::to_integer<std::size_t>(bytes[i])];
    return so_far;
  }

 private:
  static constexpr std::size_t kInput = 36;
  std::array<std::array<std::uint32_t, 256>, kInput> tables_;
};

// Which of a group's cores owns a flow: the same answer on every core, from a flow key
// as from a frame. Read by all cores, written by none.
//
// By default a keyed hash, which nobody outside can aim at one core. On a port with
// RSS what the port does itself, so that nothing has to be passed on.
class SteeringMap {
 public:
  SteeringMap(unsigned cores, const HashKey& key);
  SteeringMap(unsigned cores, const HashKey& key, const dpdk::RssMap& rss);

  unsigned cores() const { return cores_; }
  bool by_rss() const { return toeplitz_.has_value(); }

  unsigned owner(const FlowKey& flow) const {
    if (toeplitz_) return owner_by_rss(flow);
    const auto& l = flow.local.words();
    const auto& r = flow.remote.words();
    const std::uint32_t ports = static_cast<std::uint32_t>(flow.local_port) << 16 | flow.remote_port;
    if (flow.local.is_v4()) return core_of(hash_v4(l[3], r[3], ports));
    return core_of(hash_v6(pair(l[0], l[1]), pair(l[2], l[3]), pair(r[0], r[1]), pair(r[2], r[3]), ports));
  }

  // Where a received frame belongs, from a look at its headers; kEveryCore for ARP and
  // neighbour discovery. An ICMP error goes where the flow it quotes lives, what
  // belongs to no flow or is broken to core 0. Nothing is verified here.
  unsigned place(std::span<const std::byte> frame) const {
    if (frame.size() >= kV4Ports + 4 && is_plain_v4_tcp(frame.data())) [[likely]]
      return place_v4(frame.data());
    if (frame.size() >= kV6Ports + 4 && is_plain_v6_tcp(frame.data())) return place_v6(frame.data());
    return place_other(frame);
  }

  // For ShardConfig: flows that replies bring to core `self`. The map has to stay.
  Ownership ownership(unsigned self) const;

 private:
  static constexpr std::size_t kV4 = 14;
  static constexpr std::size_t kV4Ports = kV4 + 20;
  static constexpr std::size_t kV6Ports = 14 + 40;

  static bool is_plain_v4_tcp(const std::byte* frame) {
    // Type, version, header length; protocol; not a fragment.
    return load_be<std::uint16_t>(frame + 12) == 0x0800 && frame[kV4] == std::byte{0x45} &&
           frame[kV4 + 9] == std::byte{6} && (load_be<std::uint16_t>(frame + kV4 + 6) & 0x3fff) == 0;
  }
  static bool is_plain_v6_tcp(const std::byte* frame) {
    return load_be<std::uint16_t>(frame + 12) == 0x86dd && frame[14 + 6] == std::byte{6};
  }

  template <class T>
  static T load(const std::byte* from) {
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  // The order of memory, as IpAddress::words() has it.
  static std::uint64_t pair(std::uint32_t first, std::uint32_t second) {
    return static_cast<std::uint64_t>(second) << 32 | first;
  }
  // Local port first: a frame has the sender's, which is remote, in front.
  static std::uint32_t ports_at(const std::byte* from) {
    const auto both = load_be<std::uint32_t>(from);
    return both << 16 | both >> 16;
  }

  unsigned place_v4(const std::byte* frame) const {
    if (toeplitz_) return queue_of(toeplitz_->hash(frame + kV4Ports, 4, toeplitz_->hash(frame + kV4 + 12, 8), 8));
    return core_of(hash_v4(load<std::uint32_t>(frame + kV4 + 16), load<std::uint32_t>(frame + kV4 + 12),
                           ports_at(frame + kV4Ports)));
  }
  unsigned place_v6(const std::byte* frame) const {
    if (toeplitz_) return queue_of(toeplitz_->hash(frame + 22, 36));
    return core_of(hash_v6(load<std::uint64_t>(frame + 38), load<std::uint64_t>(frame + 46),
                           load<std::uint64_t>(frame + 22), load<std::uint64_t>(frame + 30),
                           ports_at(frame + kV6Ports)));
  }
  unsigned place_other(std::span<const std::byte> frame) const;
  unsigned owner_by_rss(const FlowKey& flow) const;

  // Both halves of the product folded together, as in wyhash.
  static std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  }
  std::uint64_t hash_v4(std::uint32_t local, std::uint32_t remote, std::uint32_t ports) const {
    return mix(mix(pair(local, remote) ^ secret_[0], ports ^ secret_[1]) ^ secret_[2], secret_[3]);
  }
  std::uint64_t hash_v6(std::uint64_t l0, std::uint64_t l1, std::uint64_t r0, std::uint64_t r1,
                        std::uint32_t ports) const {
    const std::uint64_t addresses = mix(l0 ^ secret_[4], l1 ^ secret_[0]) ^ mix(r0 ^ secret_[5], r1 ^ secret_[3]);
    return mix(mix(addresses ^ secret_[2], ports ^ secret_[1]) ^ secret_[2], secret_[3]);
  }
  unsigned core_of(std::uint64_t hash) const { return static_cast<unsigned>((hash >> 32) * cores_ >> 32); }
  unsigned queue_of(std::uint32_t hash) const { return table_[hash & (table_.size() - 1)]; }

  unsigned cores_;
  std::array<std::uint64_t, 6> secret_;
  std::optional<ToeplitzTables> toeplitz_;
  std::vector<std::uint16_t> table_;  // queue by the low bits of the Toeplitz hash
};

// For dpdk's rings and wires.
struct PlaceFrame {
  const SteeringMap* map = nullptr;
  unsigned operator()(std::span<const std::byte> frame) const { return map->place(frame); }
};
static_assert(dpdk::OwnerOf<PlaceFrame>);

}  // namespace pollux::runtime
