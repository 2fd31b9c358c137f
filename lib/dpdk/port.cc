#include "dpdk/port.h"

#include <net/if.h>
#include <rte_alarm.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <thread>
#include <utility>

#include "dpdk/eal.h"
#include "dpdk/kernel_side.h"
#include "dpdk/ring.h"
#include "dpdk/sanitizer.h"
#include "dpdk/tap_signals.h"

namespace pollux::dpdk {

// The rings between the two ends of a pair. They may hold mbufs of either end's pools.
struct CrossedRings {
  std::vector<RingHandle> there;
  std::vector<RingHandle> back;

  void drain() {
    for (auto* rings : {&there, &back}) {
      for (const RingHandle& ring : *rings) {
        rte_mbuf* mbuf = nullptr;
        while (pop_burst(ring.get(), &mbuf, 1) != 0) rte_pktmbuf_free(mbuf);
      }
    }
  }
};

namespace {

using Done = Expected<void, std::string>;
using Ports = Expected<std::vector<std::unique_ptr<Port>>, std::string>;

constexpr std::uint32_t kEthernetOverhead = 14 + 4 + 4;  // header, one VLAN tag, checksum
constexpr std::uint32_t kLargeRoom = UINT16_MAX;         // what an mbuf can hold at most, headroom included
constexpr unsigned kPoolCache = 256;
constexpr unsigned kCapNetAdmin = 12;  // capabilities(7)
constexpr unsigned kCapNetRaw = 13;
constexpr std::uint64_t kRssFields =
    RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_NONFRAG_IPV6_TCP;

// Room for the largest frame in one mbuf.
std::uint16_t data_room(const PortConfig& config) {
  const std::uint32_t frame = std::max<std::uint32_t>(config.mtu + kEthernetOverhead, 2048);
  return static_cast<std::uint16_t>(std::min(frame + RTE_PKTMBUF_HEADROOM, kLargeRoom));
}

std::uint32_t mbufs_needed(const PortConfig& config) {
  // Both rings full, the cache, the spares of allocate(), and some on their way through.
  const std::uint32_t least = config.rx_descriptors + config.tx_descriptors + 3 * kPoolCache;
  return std::max(config.mbufs, least);
}

bool has_capability(unsigned bit) {
  std::ifstream status{"/proc/self/status"};
  std::string word;
  while (status >> word) {
    if (word != "CapEff:") continue;
    std::uint64_t bits = 0;
    status >> std::hex >> bits;
    return (bits >> bit & 1) != 0;
  }
  return true;
}

// net_tap offers 16, and tells its secondary processes of both descriptors of each queue in a message
// with room for eight descriptors, without looking: more queues overrun its stack.
constexpr std::uint16_t kMaxTapQueues = RTE_MP_MAX_FD_NUM / 2;

Done check_tap(const PortSpec& spec) {
  if (access("/dev/net/tun", F_OK) != 0) {
    return unexpected("--port " + spec.text +
                      ": a tap needs /dev/net/tun, which is not there\n  to have it: modprobe tun");
  }
  if (!has_capability(kCapNetAdmin)) {
    return unexpected("--port " + spec.text +
                      ": a tap needs CAP_NET_ADMIN, which this process lacks (CapEff in /proc/self/status)\n"
                      "  to have it: run as root, or in namespaces of your own: unshare -Urn COMMAND");
  }
  // The driver would join in, and both programs would lose what the other one takes.
  if (!spec.interface.empty() && if_nametoindex(spec.interface.c_str()) != 0 && !spec.persists) {
    return unexpected("--port " + spec.text + ": there is an interface '" + spec.interface +
                      "' already; another program may be using it\n  to see it: ip link show " + spec.interface +
                      "; to have one of your own, choose another name=");
  }
  return {};
}

Done check_afpacket(const PortSpec& spec) {
  if (if_nametoindex(spec.interface.c_str()) == 0) {
    return unexpected("--port " + spec.text + ": there is no network interface '" + spec.interface +
                      "'; the kernel has: " + kernel_interfaces() + "\n  to see them: ip link");
  }
  if (!has_capability(kCapNetRaw)) {
    return unexpected("--port " + spec.text +
                      ": af_packet needs CAP_NET_RAW, which this process lacks (CapEff in /proc/self/status)\n"
                      "  to have it: run as root");
  }
  return {};
}

Done check_pci(const PortSpec& spec) {
  const std::filesystem::path device = "/sys/bus/pci/devices/" + spec.device;
  std::error_code ignored;
  if (!std::filesystem::exists(device, ignored)) {
    return unexpected("--port " + spec.text + ": there is no PCI device " + spec.device + " (looked at " +
                      device.string() + ")\n  to see them: dpdk-devbind.py --status-dev net");
  }
  return {};
}

Done check_pcap(const PortSpec& spec) {
  constexpr std::string_view kKey = "rx_pcap=";
  const std::size_t at = spec.arguments.find(kKey);
  if (at == std::string::npos) return {};
  const std::string rest = spec.arguments.substr(at + kKey.size());
  const std::string file = rest.substr(0, rest.find(','));
  if (access(file.c_str(), R_OK) != 0) {
    return unexpected("--port " + spec.text + ": cannot read '" + file + "': " + std::strerror(errno));
  }
  return {};
}

// What DPDK would report late, or not at all.
Done check(const PortSpec& spec) {
  switch (spec.kind) {
    case PortKind::kTap:
      return check_tap(spec);
    case PortKind::kAfPacket:
      return check_afpacket(spec);
    case PortKind::kPci:
      return check_pci(spec);
    case PortKind::kPcap:
      return check_pcap(spec);
    case PortKind::kMemif:
    case PortKind::kRing:
    case PortKind::kRingPair:
    case PortKind::kMemifPair:
    case PortKind::kVdev:
      break;
  }
  return {};
}

std::string not_created(const PortSpec& spec, const std::string& device) {
  std::string text = "--port " + spec.text + ": DPDK could not make the port " + device;
  if (!spec.arguments.empty()) text += " (" + spec.arguments + ")";
  const std::string log = recent_dpdk_log();
  if (!log.empty()) text += "\n  DPDK said: " + log;
  if (spec.kind == PortKind::kPci) {
    text += "\n  a port must be bound to vfio-pci: dpdk-devbind.py -b vfio-pci " + spec.device;
  } else if (spec.kind == PortKind::kVdev) {
    text += "\n  is there such a driver? ls " + std::string{"/usr/lib/*/dpdk/pmds-*"};
  }
  return text;
}

// The first name of this driver that is still free: net_tap0, net_tap1 ...
std::string free_name(const std::string& driver) {
  for (unsigned n = 0;; ++n) {
    std::string name = driver + std::to_string(n);
    std::uint16_t id = 0;
    if (rte_eth_dev_get_port_by_name(name.c_str(), &id) != 0) return name;
  }
}

// EAL says that it added a device even where no port came of it: hence the look.
Expected<std::uint16_t, std::string> create(const PortSpec& spec, const std::string& device,
                                            const std::string& arguments) {
  std::uint16_t id = 0;
  if (rte_eth_dev_get_port_by_name(device.c_str(), &id) == 0) {
    if (spec.kind == PortKind::kPci) return id;  // EAL was started with it
    return unexpected("--port " + spec.text + ": the port " + device + " exists already; give it another number");
  }
  forget_dpdk_log();
  const TapSignals kept_back;
  const char* bus = spec.kind == PortKind::kPci ? "pci" : "vdev";
  if (rte_eal_hotplug_add(bus, device.c_str(), arguments.c_str()) != 0 ||
      rte_eth_dev_get_port_by_name(device.c_str(), &id) != 0) {
    return unexpected(not_created(spec, device));
  }
  return id;
}

rte_mempool* make_pool(const std::string& name, std::uint32_t count, std::uint16_t room, int numa_node) {
  const unsigned cache = count >= 2 * kPoolCache ? kPoolCache : 0;
  return rte_pktmbuf_pool_create(name.c_str(), count, cache, 0, room, numa_node);
}

// Runs `body` there and waits.
void on_interrupt_thread(const std::function<void()>& body) {
  struct Call {
    const std::function<void()>& body;
    std::promise<void> done;
  } call{body, {}};
  const auto run = [](void* argument) {
    auto* c = static_cast<Call*>(argument);
    comes(c);
    std::promise<void> done_here = std::move(c->done);  // *c goes as soon as it is set
    c->body();
    done_here.set_value();
  };
  std::future<void> done = call.done.get_future();
  goes(&call);
  if (rte_eal_alarm_set(1, run, &call) == 0) {
    done.wait();
  } else {
    body();
  }
}

std::size_t pool_memory(std::size_t count, std::size_t room, bool huge_pages) {
  constexpr std::size_t kObjectHeader = RTE_CACHE_LINE_SIZE;
  constexpr std::size_t kRingEntry = sizeof(void*);
  const std::size_t page = huge_pages ? std::size_t{2} << 20 : std::size_t{4} << 10;
  const std::size_t object = room + sizeof(rte_mbuf) + kObjectHeader;
  // An object that is larger than a page takes whole ones.
  const std::size_t objects = object > page ? count * ((object + page - 1) / page * page)
                                            : (count + page / object - 1) / (page / object) * page;
  return objects + count * 2 * kRingEntry;
}

RxChecksum rx_policy(const PortConfig& config, PortKind kind, const std::string& driver, std::uint64_t capable) {
  constexpr std::uint64_t kNeeded = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
  const bool hardware = (capable & kNeeded) == kNeeded;
  if (config.rx_checksum) {
    return *config.rx_checksum == RxChecksum::kHardware && !hardware ? RxChecksum::kSoftware : *config.rx_checksum;
  }
  // af_packet sees what local senders leave to hardware that is not there: the checksum of a
  // segment from a veth peer is not filled in, and looks wrong.
  if (kind == PortKind::kAfPacket || driver == "net_af_packet") return RxChecksum::kTrust;
  // net_tap's "hardware" is a second pass of its own over the bytes; ours is one with the parser's.
  if (driver == "net_tap") return RxChecksum::kSoftware;
  return hardware ? RxChecksum::kHardware : RxChecksum::kSoftware;
}

const char* word_for(RxChecksum policy) {
  switch (policy) {
    case RxChecksum::kSoftware:
      return "sw";
    case RxChecksum::kHardware:
      return "hw";
    case RxChecksum::kTrust:
      return "trust";
  }
  return "?";
}

}  // namespace

std::size_t port_memory(const PortConfig& config, bool huge_pages) {
  constexpr std::size_t kDriver = std::size_t{2} << 20;  // descriptor rings and the like, per queue
  const std::size_t per_queue = pool_memory(mbufs_needed(config), data_room(config), huge_pages) +
                                pool_memory(config.large_mbufs, kLargeRoom, huge_pages) + kDriver;
  return config.queues * per_queue;
}

Ports Port::open(const PortSpec& spec, const PortConfig& config) {
  if (auto fine = check(spec); !fine) return unexpected(fine.error());
  if (spec.kind == PortKind::kRingPair) return open_ring_pair(spec, config);

  std::vector<std::pair<std::string, std::string>> devices;  // name, arguments
  if (spec.kind == PortKind::kMemifPair) {
    const std::string common = "socket=pollux-" + std::to_string(getpid()) + ",socket-abstract=yes,rsize=12";
    devices = {{"net_memif_server", "role=server," + common}, {"net_memif_client", "role=client," + common}};
  } else {
    devices = {{spec.device.empty() ? free_name(spec.driver) : spec.device, spec.arguments}};
  }
  std::vector<std::unique_ptr<Port>> ports;
  for (const auto& [device, arguments] : devices) {
    const auto id = create(spec, device, arguments);
    if (!id) return unexpected(id.error());
    auto port = start(*id, spec, config);
    if (!port) return unexpected(port.error());
    ports.push_back(std::move(*port));
  }
  return ports;
}

Ports Port::open_ring_pair(const PortSpec& spec, const PortConfig& config) {
  static unsigned pairs = 0;
  const std::string name = "plx" + std::to_string(pairs++);
  const unsigned queues = spec.queues.value_or(config.queues);
  const int node = static_cast<int>(rte_socket_id());
  auto rings = std::make_shared<CrossedRings>();
  std::vector<rte_ring*> there;
  std::vector<rte_ring*> back;
  for (unsigned q = 0; q < queues; ++q) {
    auto a = make_ring(name + "_there" + std::to_string(q), config.tx_descriptors, Producers::kOne, node);
    auto b = make_ring(name + "_back" + std::to_string(q), config.tx_descriptors, Producers::kOne, node);
    if (!a || !b) return unexpected("--port " + spec.text + ": " + (!a ? a.error() : b.error()));
    there.push_back(a->get());
    back.push_back(b->get());
    rings->there.push_back(std::move(*a));
    rings->back.push_back(std::move(*b));
  }
  const auto numa = static_cast<unsigned>(node);
  const int left = rte_eth_from_rings((name + "a").c_str(), back.data(), queues, there.data(), queues, numa);
  const int right = rte_eth_from_rings((name + "b").c_str(), there.data(), queues, back.data(), queues, numa);
  if (left < 0 || right < 0) return unexpected(not_created(spec, "net_ring_" + name));
  std::vector<std::unique_ptr<Port>> ports;
  for (const int id : {left, right}) {
    auto port = start(static_cast<std::uint16_t>(id), spec, config, rings);
    if (!port) return unexpected(port.error());
    ports.push_back(std::move(*port));
  }
  return ports;
}

Expected<std::unique_ptr<Port>, std::string> Port::start(std::uint16_t id, const PortSpec& spec, PortConfig config,
                                                         std::shared_ptr<CrossedRings> rings) {
  auto port = std::unique_ptr<Port>{new Port};
  port->id_ = id;
  port->kind_ = spec.kind;
  port->interface_ = spec.interface;
  port->rings_ = std::move(rings);
  config.queues = spec.queues.value_or(config.queues);
  auto done = port->configure(config)
                  .and_then([&] { return port->make_pools(config); })
                  .and_then([&] { return port->set_up_queues(config); })
                  .and_then([&] { return port->run(config); });
  if (done && spec.kind == PortKind::kTap) done = set_up_kernel_side(spec.interface, spec.kernel);
  if (done && spec.kind == PortKind::kTap) port->kernel_drops_before_ = kernel_drops(spec.interface).value_or(0);
  if (!done) return unexpected("--port " + spec.text + ": " + done.error());
  return port;
}

std::string Port::failure(const std::string& what, int error) const {
  std::string text = "cannot " + what + " of port " + name_ + ": " + rte_strerror(error < 0 ? -error : error);
  const std::string log = recent_dpdk_log();
  if (!log.empty()) text += "\n  DPDK said: " + log;
  return text;
}

// Agrees with the driver on queues and offloads: what it offers and we have a use for.
Done Port::configure(PortConfig& config) {
  char name[RTE_ETH_NAME_MAX_LEN] = "";
  rte_eth_dev_get_name_by_port(id_, name);
  name_ = name;
  rte_eth_dev_info info{};
  if (const int error = rte_eth_dev_info_get(id_, &info); error != 0) return unexpected(failure("ask what", error));
  driver_ = info.driver_name;
  numa_node_ = rte_eth_dev_socket_id(id_);
  if (numa_node_ < 0) numa_node_ = static_cast<int>(rte_socket_id());
  queues_ = std::min({config.queues, info.max_rx_queues, info.max_tx_queues});
  if (kind_ == PortKind::kTap) queues_ = std::min(queues_, kMaxTapQueues);
  if (queues_ == 0) return unexpected("port " + name_ + " has no queues");
  if (info.max_mtu != 0 && config.mtu > info.max_mtu) {
    return unexpected("an MTU of " + std::to_string(config.mtu) + " is more than the " + std::to_string(info.max_mtu) +
                      " of port " + name_);
  }

  // The interface is the kernel's, and so is its MTU: we keep to it, and set none.
  if (kind_ == PortKind::kAfPacket) config.mtu = std::min(config.mtu, interface_mtu(interface_).value_or(config.mtu));

  rte_eth_conf conf{};
  conf.rxmode.mtu = config.mtu;
  features_.mtu = config.mtu;
  features_.rx_checksum = rx_policy(config, kind_, driver_, info.rx_offload_capa);
  if (features_.rx_checksum == RxChecksum::kHardware) {
    conf.rxmode.offloads = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
  }
  if (config.tx_offload && driver_ != "net_tap") {  // net_tap: as for receiving
    conf.txmode.offloads = info.tx_offload_capa & (RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM);
    if ((conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_TCP_CKSUM) != 0 && config.large_mbufs != 0) {
      conf.txmode.offloads |= info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_TCP_TSO;
    }
  }
  features_.tx_ip_checksum = (conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) != 0;
  features_.tx_tcp_checksum = (conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_TCP_CKSUM) != 0;
  features_.tso = features_.tso_ipv6 = (conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_TCP_TSO) != 0;

  // net_tap names RSS fields, but has RSS only through traffic-control rules that few kernels offer.
  rss_wanted_ = queues_ > 1 && driver_ != "net_tap" && (info.flow_type_rss_offloads & kRssFields) != 0;
  if (rss_wanted_) {
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf.rss_hf = info.flow_type_rss_offloads & kRssFields;
  }
  if (const int error = rte_eth_dev_configure(id_, queues_, queues_, &conf); error != 0) {
    return unexpected(failure("configure the queues", error));
  }
  rte_eth_dev_adjust_nb_rx_tx_desc(id_, &config.rx_descriptors, &config.tx_descriptors);
  return {};
}

Done Port::make_pools(const PortConfig& config) {
  static unsigned made = 0;  // pools of ports that are gone may still be there
  features_.max_frame = data_room(config) - static_cast<std::uint32_t>(RTE_PKTMBUF_HEADROOM);
  if (features_.tso) features_.max_frame = kLargeRoom - static_cast<std::uint32_t>(RTE_PKTMBUF_HEADROOM);
  for (std::uint16_t q = 0; q < queues_; ++q) {
    const std::string name = "plx" + std::to_string(made++);
    pools_.push_back(make_pool(name, mbufs_needed(config), data_room(config), numa_node_));
    const bool large = config.large_mbufs != 0;
    large_pools_.push_back(large ? make_pool(name + "L", config.large_mbufs, kLargeRoom, numa_node_) : nullptr);
    if (pools_.back() == nullptr || (large && large_pools_.back() == nullptr)) {
      const std::size_t mb = (port_memory(config, rte_eal_has_hugepages() != 0) >> 20) + 1;
      return unexpected("no memory for the packets of port " + name_ + ", " + std::to_string(queues_) + " queues of " +
                        std::to_string(mbufs_needed(config)) + " mbufs: " + rte_strerror(rte_errno) + "\n  it takes " +
                        std::to_string(mb) +
                        " MB: more huge pages (sysctl vm.nr_hugepages=N), fewer queues or fewer mbufs");
    }
  }
  return {};
}

Done Port::set_up_queues(const PortConfig& config) {
  const auto node = static_cast<unsigned>(numa_node_);
  const TapSignals kept_back;
  for (std::uint16_t q = 0; q < queues_; ++q) {
    if (const int error = rte_eth_tx_queue_setup(id_, q, config.tx_descriptors, node, nullptr); error != 0) {
      return unexpected(failure("set up send queue " + std::to_string(q), error));
    }
    if (const int error = rte_eth_rx_queue_setup(id_, q, config.rx_descriptors, node, nullptr, pools_[q]); error != 0) {
      return unexpected(failure("set up receive queue " + std::to_string(q), error));
    }
  }
  return {};
}

Done Port::run(const PortConfig& config) {
  if (driver_ == "net_tap") {
    if (const int error = rte_eth_dev_set_mtu(id_, config.mtu); error != 0)
      return unexpected(failure("set the MTU", error));
  }
  if (const int error = rte_eth_dev_start(id_); error != 0) return unexpected(failure("start the queues", error));
  if (config.promiscuous) rte_eth_promiscuous_enable(id_);
  // Neighbour solicitations come to multicast addresses. Drivers that cannot say so deliver them anyway.
  rte_eth_allmulticast_enable(id_);
  choose_mac();
  if (rss_wanted_) read_rss();
  return {};
}

void Port::choose_mac() {
  rte_ether_addr mac{};
  rte_eth_macaddr_get(id_, &mac);
  if (rte_is_zero_ether_addr(&mac) != 0) {  // net_ring: both ends of a pair would be one station
    mac.addr_bytes[0] = 0x02;               // locally administered
    mac.addr_bytes[5] = static_cast<std::uint8_t>(id_ + 1);
  }
  // DPDK gives the kernel's side of the tap this address; we are the other station on that wire.
  if (driver_ == "net_tap") mac.addr_bytes[5] ^= 1;
  std::memcpy(features_.mac.data(), mac.addr_bytes, sizeof mac.addr_bytes);
}

void Port::read_rss() {
  rte_eth_dev_info info{};
  if (rte_eth_dev_info_get(id_, &info) != 0 || info.reta_size == 0) return;
  std::vector<std::uint8_t> key(std::max<std::size_t>(info.hash_key_size, 40));
  rte_eth_rss_conf conf{.rss_key = key.data(), .rss_key_len = static_cast<std::uint8_t>(key.size()), .rss_hf = 0};
  std::vector<rte_eth_rss_reta_entry64> groups((info.reta_size + RTE_ETH_RETA_GROUP_SIZE - 1) /
                                               RTE_ETH_RETA_GROUP_SIZE);
  for (auto& group : groups) group.mask = UINT64_MAX;
  if (rte_eth_dev_rss_hash_conf_get(id_, &conf) != 0 ||
      (conf.rss_hf & (RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP)) == 0 ||
      rte_eth_dev_rss_reta_query(id_, groups.data(), info.reta_size) != 0) {
    return;
  }
  std::vector<std::uint16_t> table;
  for (std::size_t i = 0; i < info.reta_size; ++i) {
    table.push_back(groups[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE]);
  }
  rss_.emplace(std::move(key), std::move(table));
}

Port::~Port() {
  rte_eth_dev_stop(id_);
  if (driver_ == "net_memif") {
    // When one end of a pair goes, the other's is taken down on EAL's interrupt thread: closing
    // it here at the same moment would free its queues twice (22.11).
    on_interrupt_thread([this] { rte_eth_dev_close(id_); });
  } else {
    rte_eth_dev_close(id_);
  }
  if (rings_ != nullptr) rings_->drain();
  if (kind_ != PortKind::kPci && !name_.empty()) rte_eal_hotplug_remove("vdev", name_.c_str());
  for (auto* pools : {&pools_, &large_pools_}) {
    for (rte_mempool* pool : *pools) {
      // A pool with packets abroad stays: they will yet come back to it.
      if (pool != nullptr && rte_mempool_in_use_count(pool) == 0) rte_mempool_free(pool);
    }
  }
}

std::string Port::describe() const {
  std::string text = "port " + std::to_string(id_) + " " + driver_ + " " + (interface_.empty() ? name_ : interface_);
  text +=
      std::string{": csum rx/tx "} + word_for(features_.rx_checksum) + "/" + (features_.tx_tcp_checksum ? "hw" : "sw");
  text += std::string{"  tso "} + (features_.tso ? "yes" : "no");
  text += std::string{"  rss "} + (rss_ ? "toeplitz" : "none");
  text += "  queues " + std::to_string(queues_) + "  mtu " + std::to_string(features_.mtu);
  return text;
}

bool Port::link_up() const {
  rte_eth_link link{};
  return rte_eth_link_get_nowait(id_, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

bool Port::wait_for_link(Duration limit) const {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!link_up()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

PortCounters Port::counters() const {
  rte_eth_stats stats{};
  if (rte_eth_stats_get(id_, &stats) != 0) return {};
  PortCounters counters{stats.imissed, stats.ierrors, stats.rx_nombuf, stats.oerrors};
  // The driver of a tap sees only what the kernel had room for.
  if (kind_ == PortKind::kTap)
    counters.rx_missed += kernel_drops(interface_).value_or(kernel_drops_before_) - kernel_drops_before_;
  return counters;
}

std::size_t Port::outstanding() const {
  std::size_t count = 0;
  for (const auto* pools : {&pools_, &large_pools_}) {
    for (const rte_mempool* pool : *pools) count += pool == nullptr ? 0 : rte_mempool_in_use_count(pool);
  }
  return count;
}

std::size_t Port::pool_bytes() const {
  std::size_t bytes = 0;
  const auto add_chunk = [](rte_mempool*, void* sum, rte_mempool_memhdr* chunk, unsigned) {
    *static_cast<std::size_t*>(sum) += chunk->len;
  };
  for (const auto* pools : {&pools_, &large_pools_}) {
    for (rte_mempool* pool : *pools) {
      if (pool != nullptr) rte_mempool_mem_iter(pool, add_chunk, &bytes);
    }
  }
  return bytes;
}

}  // namespace pollux::dpdk
