#pragma once

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "base/assert.h"
#include "device/device.h"
#include "dpdk/sanitizer.h"

namespace pollux::dpdk {

struct QueueCounters {
  std::uint64_t rx_packets = 0;
  std::uint64_t rx_bytes = 0;
  std::uint64_t tx_packets = 0;
  std::uint64_t tx_bytes = 0;
  std::uint64_t tx_full = 0;      // flushes that left frames queued
  std::uint64_t tx_dropped = 0;   // frames sent beyond tx_room(), or that the driver cannot send
  std::uint64_t no_mbuf = 0;      // allocate() without memory
  std::uint64_t linearised = 0;   // packets of several segments put together
  std::uint64_t rx_unjoined = 0;  // ... and those dropped for want of memory for that
};

// Gives an mbuf back to its pool. Without state: a packet may die on any core that
// DPDK knows.
class MbufOwner final : public PacketOwner {
 public:
  void take_back(void* handle) override {
    auto* mbuf = static_cast<rte_mbuf*>(handle);
    mbufs_go(&mbuf, 1);
    rte_pktmbuf_free(mbuf);
  }
};
inline MbufOwner mbuf_owner;

// What the driver said of the checksums, under the port's policy.
inline void read_checksums(const rte_mbuf& mbuf, RxChecksum policy, Packet& packet) {
  if (policy == RxChecksum::kSoftware) return;
  if (policy == RxChecksum::kTrust) {
    packet.ip_checksum = packet.tcp_checksum = ChecksumWord::kGood;
    return;
  }
  // NONE (both bits) says that the packet is intact though the field is not filled in (virtio between guests).
  switch (mbuf.ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) {
    case RTE_MBUF_F_RX_IP_CKSUM_GOOD:
    case RTE_MBUF_F_RX_IP_CKSUM_NONE:
      packet.ip_checksum = ChecksumWord::kGood;
      break;
    case RTE_MBUF_F_RX_IP_CKSUM_BAD:
      packet.ip_checksum = ChecksumWord::kBad;
      break;
  }
  switch (mbuf.ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) {
    case RTE_MBUF_F_RX_L4_CKSUM_GOOD:
    case RTE_MBUF_F_RX_L4_CKSUM_NONE:
      packet.tcp_checksum = ChecksumWord::kGood;
      break;
    case RTE_MBUF_F_RX_L4_CKSUM_BAD:
      packet.tcp_checksum = ChecksumWord::kBad;
      break;
  }
}

// How many bytes may be written from the first one of `mbuf` on; what others see too is not written to.
inline std::uint32_t writable_bytes(const rte_mbuf& mbuf) {
  const bool own_buffer = RTE_MBUF_DIRECT(&mbuf) && rte_mbuf_refcnt_read(&mbuf) == 1;
  return own_buffer ? std::uint32_t{mbuf.buf_len} - mbuf.data_off : mbuf.data_len;
}

// The packet of an mbuf of one segment; the packet owns the mbuf from here on.
inline Packet to_packet(rte_mbuf* mbuf, RxChecksum policy) {
  Packet packet{{rte_pktmbuf_mtod(mbuf, std::byte*), mbuf->data_len},
                static_cast<std::uint32_t>(mbuf->buf_len + sizeof(rte_mbuf)),
                &mbuf_owner,
                mbuf,
                writable_bytes(*mbuf)};
  read_checksums(*mbuf, policy, packet);
  return packet;
}

// One segment with all bytes of `mbuf`, which is used up: itself where it has the
// room, else a copy in a buffer of `large`. nullptr when there is none.
inline rte_mbuf* linearise(rte_mbuf* mbuf, rte_mempool* large) {
  const bool own_buffer = RTE_MBUF_DIRECT(mbuf) && rte_mbuf_refcnt_read(mbuf) == 1;
  if (own_buffer && rte_pktmbuf_linearize(mbuf) == 0) return mbuf;
  rte_mbuf* whole = large == nullptr ? nullptr : rte_pktmbuf_copy(mbuf, large, 0, UINT32_MAX);
  if (whole != nullptr && !rte_pktmbuf_is_contiguous(whole)) {
    rte_pktmbuf_free(whole);
    whole = nullptr;
  }
  rte_pktmbuf_free(mbuf);
  return whole;
}

// What the driver has to fill in, in DPDK's words.
inline void set_offload(rte_mbuf& mbuf, const TxOffload& offload) {
  if (!offload.ip_checksum && !offload.tcp_checksum && offload.segment_size == 0) return;
  std::uint64_t flags = offload.ipv6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
  if (offload.ip_checksum) flags |= RTE_MBUF_F_TX_IP_CKSUM;
  if (offload.tcp_checksum) flags |= RTE_MBUF_F_TX_TCP_CKSUM;
  mbuf.l2_len = offload.l2_size & ((1u << RTE_MBUF_L2_LEN_BITS) - 1u);
  mbuf.l3_len = offload.l3_size & ((1u << RTE_MBUF_L3_LEN_BITS) - 1u);
  if (offload.segment_size != 0) {
    flags |= RTE_MBUF_F_TX_TCP_SEG;
    mbuf.l4_len = offload.l4_size;
    mbuf.tso_segsz = offload.segment_size;
  }
  mbuf.ol_flags |= flags;
}

// Where mbufs come from and go to.
template <class W>
concept MbufWire = requires(W w, rte_mbuf** mbufs, std::uint16_t n) {
  { w.receive(mbufs, n) } -> std::same_as<std::uint16_t>;   // up to n; how many
  { w.transmit(mbufs, n) } -> std::same_as<std::uint16_t>;  // how many of the first were taken
  { w.prepare(*mbufs) } -> std::same_as<bool>;              // whether a frame with offloads can go
};

// A Device over mbufs: one core's, for the life of the port.
template <MbufWire W>
class MbufDevice {
 public:
  static constexpr std::size_t kBurst = 64;
  static constexpr std::size_t kPending = 512;

  MbufDevice(W wire, rte_mempool* pool, rte_mempool* large_pool, const DeviceFeatures& features)
      : wire_{std::move(wire)}, pool_{pool}, large_pool_{large_pool}, features_{features} {
    frame_room_ = rte_pktmbuf_data_room_size(pool) - static_cast<std::uint32_t>(RTE_PKTMBUF_HEADROOM);
  }
  ~MbufDevice() {
    rte_pktmbuf_free_bulk(spare_.data(), spares_);
    rte_pktmbuf_free_bulk(pending_.data() + first_, last_ - first_);
  }
  MbufDevice(const MbufDevice&) = delete;
  MbufDevice& operator=(const MbufDevice&) = delete;

  std::size_t receive(std::span<Packet> out) {
    std::array<rte_mbuf*, kBurst> mbufs;
    const std::uint16_t n = wire_.receive(mbufs.data(), static_cast<std::uint16_t>(std::min(out.size(), mbufs.size())));
    for (std::uint16_t i = 0; i < n; ++i) rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], void*));
    std::size_t count = 0;
    for (std::uint16_t i = 0; i < n; ++i) {
      rte_mbuf* mbuf = mbufs[i];
      if (mbuf->nb_segs != 1) [[unlikely]] {
        mbuf = join(mbuf);
        if (mbuf == nullptr) continue;
      }
      counters_.rx_bytes += mbuf->data_len;
      out[count++] = to_packet(mbuf, features_.rx_checksum);
    }
    counters_.rx_packets += count;
    return count;
  }

  void recycle(std::span<Packet> packets) {
    std::array<rte_mbuf*, kBurst> mbufs;
    while (!packets.empty()) {
      const std::span<Packet> some = packets.first(std::min(packets.size(), mbufs.size()));
      unsigned n = 0;
      for (Packet& packet : some) {
        if (packet) mbufs[n++] = static_cast<rte_mbuf*>(packet.release());
      }
      mbufs_go(mbufs.data(), n);
      rte_pktmbuf_free_bulk(mbufs.data(), n);
      packets = packets.subspan(some.size());
    }
  }

  TxFrame allocate(std::uint32_t size) {
    if (size > frame_room_) [[unlikely]]
      return allocate_large(size);
    if (spares_ == 0 && !take_spares()) [[unlikely]] {
      ++counters_.no_mbuf;
      return {};
    }
    rte_mbuf* mbuf = spare_[--spares_];
    return {rte_pktmbuf_mtod(mbuf, std::byte*), frame_room_, mbuf};
  }

  void send(TxFrame frame, std::uint32_t size, const TxOffload& offload) {
    auto* mbuf = static_cast<rte_mbuf*>(frame.handle);
    ASSERT(size <= frame.capacity);
    mbuf->data_len = static_cast<std::uint16_t>(size);
    mbuf->pkt_len = size;
    set_offload(*mbuf, offload);
    if (tx_room() == 0 || (mbuf->ol_flags != 0 && !wire_.prepare(mbuf))) [[unlikely]] {
      ++counters_.tx_dropped;
      rte_pktmbuf_free(mbuf);
      return;
    }
    sizes_[last_] = size;
    pending_[last_++] = mbuf;
  }

  void discard(TxFrame frame) {
    auto* mbuf = static_cast<rte_mbuf*>(frame.handle);
    if (spares_ < spare_.size() && frame.capacity == frame_room_) {
      spare_[spares_++] = mbuf;  // as it came: nothing but its bytes was touched
    } else {
      rte_pktmbuf_free(mbuf);
    }
  }

  void flush() {
    while (first_ != last_) {
      const std::uint16_t taken = wire_.transmit(pending_.data() + first_, static_cast<std::uint16_t>(last_ - first_));
      for (std::size_t i = first_; i < first_ + taken; ++i) counters_.tx_bytes += sizes_[i];
      counters_.tx_packets += taken;
      first_ += taken;
      if (taken == 0) break;
    }
    close_gap();
  }

  // Frames already queued keep their places until the next flush.
  std::size_t tx_room() const { return kPending - last_; }

  const DeviceFeatures& features() const { return features_; }
  const QueueCounters& counters() const { return counters_; }
  // Frames queued that the wire has not taken.
  std::size_t pending() const { return last_ - first_; }
  // mbufs set aside for allocate().
  std::size_t spares() const { return spares_; }
  W& wire() { return wire_; }
  const W& wire() const { return wire_; }

 private:
  rte_mbuf* join(rte_mbuf* mbuf) {
    mbuf = linearise(mbuf, large_pool_);
    ++(mbuf == nullptr ? counters_.rx_unjoined : counters_.linearised);
    return mbuf;
  }

  bool take_spares() {
    // A pool that is nearly empty may still have one.
    for (unsigned n = kBurst; n != 0; n /= 4) {
      if (rte_pktmbuf_alloc_bulk(pool_, spare_.data(), n) == 0) {
        spares_ = n;
        mbufs_come(spare_.data(), n);
        return true;
      }
    }
    return false;
  }

  TxFrame allocate_large(std::uint32_t size) {
    rte_mbuf* mbuf = size > features_.max_frame || large_pool_ == nullptr ? nullptr : rte_pktmbuf_alloc(large_pool_);
    if (mbuf == nullptr) {
      ++counters_.no_mbuf;
      return {};
    }
    mbufs_come(&mbuf, 1);
    return {rte_pktmbuf_mtod(mbuf, std::byte*), rte_pktmbuf_tailroom(mbuf), mbuf};
  }

  void close_gap() {
    const unsigned left = last_ - first_;
    if (left != 0) {
      ++counters_.tx_full;
      if (first_ != 0) {
        std::copy_n(pending_.begin() + first_, left, pending_.begin());
        std::copy_n(sizes_.begin() + first_, left, sizes_.begin());
      }
    }
    first_ = 0;
    last_ = left;
  }

  W wire_;
  rte_mempool* pool_;
  rte_mempool* large_pool_;  // may be null
  std::uint32_t frame_room_ = 0;
  unsigned spares_ = 0;
  unsigned first_ = 0;  // pending_[first_..last_) are queued; first_ is 0 outside flush()
  unsigned last_ = 0;
  DeviceFeatures features_;
  QueueCounters counters_;
  std::array<rte_mbuf*, kBurst> spare_{};
  std::array<rte_mbuf*, kPending> pending_{};
  std::array<std::uint32_t, kPending> sizes_{};
};

}  // namespace pollux::dpdk
