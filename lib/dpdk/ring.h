#pragma once

#include <rte_ring.h>

#include <memory>
#include <string>
#include <vector>

#include "base/expected.h"
#include "dpdk/mbuf_device.h"
#include "dpdk/queue.h"

namespace pollux::dpdk {

using MbufRing = rte_ring;  // its name outside of lib/dpdk

struct FreeRing {
  void operator()(rte_ring* ring) const;  // and the mbufs that are still in it
};
using RingHandle = std::unique_ptr<rte_ring, FreeRing>;

enum class Producers : std::uint8_t { kOne, kMany };

// A ring of mbufs with room for `size` (rounded up to a power of two) and one consumer.
// `name` is unique in the process.
Expected<RingHandle, std::string> make_ring(const std::string& name, unsigned size, Producers producers, int numa_node);

// Puts mbufs into a ring; what it has no room for is freed. How many went in.
inline unsigned push_or_free(rte_ring* ring, rte_mbuf** mbufs, unsigned n) {
  mbufs_go(mbufs, n);
  const unsigned pushed = rte_ring_enqueue_burst(ring, reinterpret_cast<void**>(mbufs), n, nullptr);
  if (pushed < n) rte_pktmbuf_free_bulk(mbufs + pushed, n - pushed);
  return pushed;
}

inline std::uint16_t pop_burst(rte_ring* ring, rte_mbuf** mbufs, unsigned n) {
  const unsigned popped = rte_ring_dequeue_burst(ring, reinterpret_cast<void**>(mbufs), n, nullptr);
  mbufs_come(mbufs, popped);
  return static_cast<std::uint16_t>(popped);
}

// Packets received by this layer, on their way to another core.
class PacketRing {
 public:
  static constexpr std::size_t kBurst = 64;

  static Expected<PacketRing, std::string> make(const std::string& name, unsigned size, Producers producers,
                                                int numa_node);

  // Takes every packet away, up to kBurst; drops those the ring has no room for. How many went in.
  std::size_t push(std::span<Packet> packets) {
    std::array<rte_mbuf*, kBurst> mbufs;
    unsigned n = 0;
    for (Packet& packet : packets.first(std::min(packets.size(), kBurst))) {
      if (packet) mbufs[n++] = static_cast<rte_mbuf*>(packet.release());
    }
    return push_or_free(ring_.get(), mbufs.data(), n);
  }

  // `policy` is that of the port the packets came from.
  std::size_t pop(std::span<Packet> out, RxChecksum policy) {
    std::array<rte_mbuf*, kBurst> mbufs;
    const unsigned n = pop_burst(ring_.get(), mbufs.data(), static_cast<unsigned>(std::min(out.size(), kBurst)));
    for (unsigned i = 0; i < n; ++i) out[i] = to_packet(mbufs[i], policy);
    return n;
  }

  std::size_t size() const { return rte_ring_count(ring_.get()); }
  rte_ring* get() const { return ring_.get(); }

 private:
  explicit PacketRing(RingHandle ring) : ring_{std::move(ring)} {}

  RingHandle ring_;
};

// A stack core's side of the pipeline: one ring from the core that owns the port's
// queue, one to it.
struct RingWire {
  rte_ring* from_port = nullptr;
  rte_ring* to_port = nullptr;

  std::uint16_t receive(rte_mbuf** mbufs, std::uint16_t n) { return pop_burst(from_port, mbufs, n); }
  std::uint16_t transmit(rte_mbuf** mbufs, std::uint16_t n) {
    mbufs_go(mbufs, n);
    return static_cast<std::uint16_t>(rte_ring_enqueue_burst(to_port, reinterpret_cast<void**>(mbufs), n, nullptr));
  }
  bool prepare(rte_mbuf*) { return true; }  // the port's core asks the driver
};

class RingDevice : public MbufDevice<RingWire> {
 public:
  RingDevice(rte_ring* from_port, rte_ring* to_port, rte_mempool* pool, rte_mempool* large_pool,
             const DeviceFeatures& features)
      : MbufDevice{RingWire{from_port, to_port}, pool, large_pool, features} {}
};
static_assert(Device<RingDevice>);

// The owner of frames that all cores have to see (ARP, neighbour discovery).
inline constexpr unsigned kEveryCore = ~0u;

// Says which core a received frame belongs to: an index below the number of cores, or kEveryCore.
template <class F>
concept OwnerOf = requires(F f, std::span<const std::byte> frame) {
  { f(frame) } -> std::convertible_to<unsigned>;
};

inline std::span<const std::byte> first_segment(const rte_mbuf& mbuf) {
  return {rte_pktmbuf_mtod(&mbuf, const std::byte*), mbuf.data_len};
}

// Mbufs on their way to one core, gathered over a burst.
struct StagedMbufs {
  static constexpr unsigned kRoom = 64;
  unsigned count = 0;
  std::array<rte_mbuf*, kRoom> mbufs;

  void add(rte_mbuf* mbuf) { mbufs[count++] = mbuf; }
  // A copy, so that no two cores have the same bytes. False: there is no memory for it.
  bool add_copy(rte_mbuf* mbuf) {
    rte_mbuf* copy = rte_pktmbuf_copy(mbuf, mbuf->pool, 0, UINT32_MAX);
    if (copy == nullptr) return false;
    add(copy);
    return true;
  }
  // Into `ring`; how many it had no room for (those are freed).
  unsigned push(rte_ring* ring) {
    const unsigned lost = count - push_or_free(ring, mbufs.data(), count);
    count = 0;
    return lost;
  }
};

// The rings of one stack core, as the port's core sees them.
struct Lane {
  rte_ring* to_stack = nullptr;
  rte_ring* from_stack = nullptr;
  std::uint64_t received = 0;
  std::uint64_t rx_dropped = 0;  // its ring was full: this stack core is too slow; or no memory for its copy
};

// What a core does that only moves mbufs between one queue of a port and the stack
// cores behind it. One thread polls it.
class PortCore {
 public:
  PortCore(QueueWire wire, std::vector<Lane> lanes) : wire_{wire}, lanes_{std::move(lanes)} {
    staged_.resize(lanes_.size());
  }
  ~PortCore() { rte_pktmbuf_free_bulk(pending_.data(), pending_count_); }
  PortCore(const PortCore&) = delete;
  PortCore& operator=(const PortCore&) = delete;

  // One burst each way. How many frames were moved: 0 says that the turn was idle.
  template <OwnerOf F>
  std::size_t turn(F&& owner_of) {
    return receive(owner_of) + transmit();
  }

  // Port to stack cores.
  template <OwnerOf F>
  std::size_t receive(F&& owner_of) {
    std::array<rte_mbuf*, kBurst> mbufs;
    const std::uint16_t n = wire_.receive(mbufs.data(), kBurst);
    for (std::uint16_t i = 0; i < n; ++i) rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], void*));
    for (std::uint16_t i = 0; i < n; ++i) {
      const unsigned owner = owner_of(first_segment(*mbufs[i]));
      if (owner == kEveryCore) [[unlikely]] {
        for (std::size_t lane = 1; lane < staged_.size(); ++lane) {
          if (!staged_[lane].add_copy(mbufs[i])) ++lanes_[lane].rx_dropped;
        }
        staged_[0].add(mbufs[i]);
      } else {
        staged_[owner].add(mbufs[i]);
      }
    }
    if (n != 0) hand_over();
    return n;
  }

  // Stack cores to port. The order of each core's frames is kept.
  std::size_t transmit();

  const std::vector<Lane>& lanes() const { return lanes_; }
  // Frames of the stack cores that the port has not taken yet.
  std::size_t waiting() const;
  std::uint64_t tx_packets() const { return tx_packets_; }
  std::uint64_t tx_full() const { return tx_full_; }        // turns that left frames with us
  std::uint64_t tx_dropped() const { return tx_dropped_; }  // frames that the driver cannot send

 private:
  static constexpr std::uint16_t kBurst = 64;

  void hand_over();
  void fetch(Lane& lane);

  QueueWire wire_;
  std::vector<Lane> lanes_;
  std::vector<StagedMbufs> staged_;
  std::size_t next_lane_ = 0;  // who is asked first, in turn: no lane starves the others
  unsigned pending_count_ = 0;
  std::array<rte_mbuf*, 4 * kBurst> pending_{};
  std::uint64_t tx_packets_ = 0;
  std::uint64_t tx_full_ = 0;
  std::uint64_t tx_dropped_ = 0;
};

// A queue whose port brings some flows to the wrong core (no RSS, or not ours): what
// belongs to another core goes to that core's inbox, and ours brings us what others got.
template <OwnerOf F>
struct SteeringWire {
  QueueWire queue;
  F owner_of;
  unsigned self = 0;
  std::vector<rte_ring*> inboxes;  // of every core, ours too; many producers, one consumer
  std::uint64_t resteered = 0;     // packets passed on
  std::uint64_t lost = 0;          // ... that found the inbox full, or no memory for a copy
  std::vector<StagedMbufs> staged = std::vector<StagedMbufs>(inboxes.size());

  std::uint16_t receive(rte_mbuf** mbufs, std::uint16_t n) {
    std::uint16_t kept = pop_burst(inboxes[self], mbufs, n / 2u);
    rte_mbuf** fresh = mbufs + kept;
    const std::uint16_t got = queue.receive(fresh, static_cast<std::uint16_t>(n - kept));
    for (std::uint16_t i = 0; i < got; ++i) rte_prefetch0(rte_pktmbuf_mtod(fresh[i], void*));
    bool foreign = false;
    for (std::uint16_t i = 0; i < got; ++i) {
      const unsigned owner = owner_of(first_segment(*fresh[i]));
      if (owner == self) [[likely]] {
        mbufs[kept++] = fresh[i];
        continue;
      }
      foreign = true;
      if (owner == kEveryCore) {
        share(fresh[i]);
        mbufs[kept++] = fresh[i];
      } else {
        ++resteered;
        staged[owner].add(fresh[i]);
      }
    }
    if (foreign) hand_over();
    return kept;
  }
  std::uint16_t transmit(rte_mbuf** mbufs, std::uint16_t n) { return queue.transmit(mbufs, n); }
  bool prepare(rte_mbuf* mbuf) { return queue.prepare(mbuf); }

  void share(rte_mbuf* mbuf) {
    for (unsigned core = 0; core < staged.size(); ++core) {
      if (core != self && !staged[core].add_copy(mbuf)) ++lost;
    }
  }
  void hand_over() {
    for (unsigned core = 0; core < staged.size(); ++core) {
      if (staged[core].count != 0) lost += staged[core].push(inboxes[core]);
    }
  }
};

template <OwnerOf F>
using SteeringDevice = MbufDevice<SteeringWire<F>>;

}  // namespace pollux::dpdk
