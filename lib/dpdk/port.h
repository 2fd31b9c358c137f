#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/expected.h"
#include "device/device.h"
#include "dpdk/port_spec.h"
#include "dpdk/toeplitz.h"
#include "time/instant.h"
#include "wire/ip_address.h"

struct rte_mempool;

namespace pollux::dpdk {

struct CrossedRings;

struct PortConfig {
  std::uint16_t queues = 1;
  std::uint16_t mtu = 1500;
  std::uint16_t rx_descriptors = 1024;
  std::uint16_t tx_descriptors = 1024;
  std::uint32_t mbufs = 8192;               // per queue, receiving and sending together
  std::uint32_t large_mbufs = 32;           // per queue, of 64 KB: for linearised packets and TSO
  std::optional<RxChecksum> rx_checksum{};  // empty: what suits the driver
  bool tx_offload = true;                   // use the TX checksums and TSO that exist
  bool promiscuous = false;
};

// The memory that the queues of such a port take, in bytes; for EalOptions::memory_mb. Nearly
// twice as much without huge pages: DPDK lets no mbuf cross the end of a page.
std::size_t port_memory(const PortConfig& config, bool huge_pages);

// What the driver counted; for the end of a run (a generator with missed packets measured itself).
struct PortCounters {
  std::uint64_t rx_missed = 0;
  std::uint64_t rx_errors = 0;
  std::uint64_t rx_no_mbuf = 0;
  std::uint64_t tx_errors = 0;
};

// One started ethdev with its queues and their mempools. Packets and frames must
// have come back when it is destroyed; outstanding() says whether they have.
class Port {
 public:
  // One port, or the two ends of a pair. EAL must be running.
  static Expected<std::vector<std::unique_ptr<Port>>, std::string> open(const PortSpec& spec, const PortConfig& config);
  ~Port();
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  std::uint16_t id() const { return id_; }
  // Fewer than asked for when the driver has no more.
  std::uint16_t queues() const { return queues_; }
  const DeviceFeatures& features() const { return features_; }
  const std::string& name() const { return name_; }            // DPDK's: "net_tap0"
  const std::string& interface() const { return interface_; }  // the kernel's, or empty
  int numa_node() const { return numa_node_; }
  // Which queue the port's RSS brings a flow to; empty: the port has no usable RSS.
  const std::optional<RssMap>& rss() const { return rss_; }

  // "port 0 net_tap plx0: csum rx/tx sw/sw  tso no  rss none  queues 2  mtu 1500".
  std::string describe() const;
  bool link_up() const;
  // A memif is up when its peer has come. False when `limit` passed first.
  bool wait_for_link(Duration limit) const;
  PortCounters counters() const;

  rte_mempool* pool(std::uint16_t queue) const { return pools_[queue]; }
  rte_mempool* large_pool(std::uint16_t queue) const { return large_pools_[queue]; }
  // Packets and frames not given back, over all queues; a running port holds some itself.
  std::size_t outstanding() const;
  // What the packets' memory takes, all queues together. Without huge pages that is more than the packets' sizes: none
  // of them crosses the end of a page.
  std::size_t pool_bytes() const;

 private:
  Port() = default;
  static Expected<std::unique_ptr<Port>, std::string> start(std::uint16_t id, const PortSpec& spec, PortConfig config,
                                                            std::shared_ptr<CrossedRings> rings = {});
  static Expected<std::vector<std::unique_ptr<Port>>, std::string> open_ring_pair(const PortSpec& spec,
                                                                                  const PortConfig& config);
  Expected<void, std::string> configure(PortConfig& config);
  Expected<void, std::string> make_pools(const PortConfig& config);
  Expected<void, std::string> set_up_queues(const PortConfig& config);
  Expected<void, std::string> run(const PortConfig& config);
  void choose_mac();
  void read_rss();
  std::string failure(const std::string& what, int error) const;

  std::uint16_t id_ = 0;
  PortKind kind_ = PortKind::kVdev;
  std::uint16_t queues_ = 0;
  int numa_node_ = -1;
  bool rss_wanted_ = false;
  std::string name_;
  std::string driver_;
  std::string interface_;
  std::uint32_t kernel_drops_before_ = 0;  // of the interface, when it was opened
  DeviceFeatures features_;
  std::optional<RssMap> rss_;
  std::vector<rte_mempool*> pools_;
  std::vector<rte_mempool*> large_pools_;
  std::shared_ptr<CrossedRings> rings_;  // of a ring pair: both ends have them
};

}  // namespace pollux::dpdk
