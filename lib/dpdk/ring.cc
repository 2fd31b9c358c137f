#include "dpdk/ring.h"

#include <rte_errno.h>

namespace pollux::dpdk {

void FreeRing::operator()(rte_ring* ring) const {
  std::array<rte_mbuf*, PacketRing::kBurst> mbufs;
  while (const std::uint16_t n = pop_burst(ring, mbufs.data(), PacketRing::kBurst)) {
    rte_pktmbuf_free_bulk(mbufs.data(), n);
  }
  rte_ring_free(ring);
}

Expected<RingHandle, std::string> make_ring(const std::string& name, unsigned size, Producers producers,
                                            int numa_node) {
  const unsigned flags = RING_F_SC_DEQ | RING_F_EXACT_SZ | (producers == Producers::kOne ? RING_F_SP_ENQ : 0u);
  rte_ring* ring = rte_ring_create(name.c_str(), size, numa_node, flags);
  if (ring == nullptr) {
    return unexpected("cannot make the ring " + name + " of " + std::to_string(size) + ": " + rte_strerror(rte_errno));
  }
  return RingHandle{ring};
}

Expected<PacketRing, std::string> PacketRing::make(const std::string& name, unsigned size, Producers producers,
                                                   int numa_node) {
  return make_ring(name, size, producers, numa_node).map([](RingHandle ring) { return PacketRing{std::move(ring)}; });
}

std::size_t PortCore::transmit() {
  for (std::size_t i = 0; i < lanes_.size(); ++i) fetch(lanes_[(next_lane_ + i) % lanes_.size()]);
  if (!lanes_.empty()) next_lane_ = (next_lane_ + 1) % lanes_.size();
  if (pending_count_ == 0) return 0;
  const std::uint16_t taken = wire_.transmit(pending_.data(), static_cast<std::uint16_t>(pending_count_));
  tx_packets_ += taken;
  pending_count_ -= taken;
  if (pending_count_ != 0) {
    ++tx_full_;
    std::copy_n(pending_.begin() + taken, pending_count_, pending_.begin());
  }
  return taken;
}

std::size_t PortCore::waiting() const {
  std::size_t frames = pending_count_;
  for (const Lane& lane : lanes_) frames += rte_ring_count(lane.from_stack);
  return frames;
}

// What a lane has for the port, as far as there is room for it.
void PortCore::fetch(Lane& lane) {
  const unsigned room = std::min<unsigned>(kBurst, static_cast<unsigned>(pending_.size()) - pending_count_);
  rte_mbuf** fresh = pending_.data() + pending_count_;
  const std::uint16_t n = pop_burst(lane.from_stack, fresh, room);
  for (std::uint16_t i = 0; i < n; ++i) {
    if (fresh[i]->ol_flags == 0 || wire_.prepare(fresh[i])) {
      pending_[pending_count_++] = fresh[i];
    } else {
      ++tx_dropped_;
      rte_pktmbuf_free(fresh[i]);
    }
  }
}

void PortCore::hand_over() {
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    const unsigned count = staged_[i].count;
    if (count == 0) continue;
    const unsigned dropped = staged_[i].push(lanes_[i].to_stack);
    lanes_[i].received += count - dropped;
    lanes_[i].rx_dropped += dropped;
  }
}

}  // namespace pollux::dpdk
