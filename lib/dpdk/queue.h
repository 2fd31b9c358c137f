#pragma once

#include "dpdk/mbuf_device.h"

namespace pollux::dpdk {

class Port;

// One receive and one transmit queue of a port.
struct QueueWire {
  std::uint16_t port = 0;
  std::uint16_t rx_queue = 0;
  std::uint16_t tx_queue = 0;

  std::uint16_t receive(rte_mbuf** mbufs, std::uint16_t n) {
    const std::uint16_t received = rte_eth_rx_burst(port, rx_queue, mbufs, n);
    mbufs_come(mbufs, received);
    return received;
  }
  std::uint16_t transmit(rte_mbuf** mbufs, std::uint16_t n) {
    mbufs_go(mbufs, n);
    return rte_eth_tx_burst(port, tx_queue, mbufs, n);
  }
  bool prepare(rte_mbuf* mbuf) { return rte_eth_tx_prepare(port, tx_queue, &mbuf, 1) == 1; }
};

// The Device of a worker that owns a queue of the port (run to completion).
class QueueDevice : public MbufDevice<QueueWire> {
 public:
  QueueDevice(const Port& port, std::uint16_t queue);
};
static_assert(Device<QueueDevice>);

}  // namespace pollux::dpdk
