#include "runtime/ports.h"

#include <algorithm>

#include "dpdk/kernel_side.h"
#include "dpdk/mbuf_device.h"
#include "runtime/seat.h"

namespace pollux::runtime {

namespace {

RxChecksum rx_checksum(ChecksumMode mode) {
  switch (mode) {
    case ChecksumMode::kHardware:
      return RxChecksum::kHardware;
    case ChecksumMode::kSoftware:
      return RxChecksum::kSoftware;
    case ChecksumMode::kTrust:
      return RxChecksum::kTrust;
  }
  unreachable();
}

// mbufs that a worker can have in hand besides what its connections hold.
std::uint32_t in_hand(const GroupOptions& options) {
  constexpr std::uint32_t kCaches = 2 * 512;  // of its own pool and of another's
  constexpr std::uint32_t kDevice = dpdk::QueueDevice::kPending + 2 * dpdk::QueueDevice::kBurst;
  std::uint32_t count = kCaches + kDevice;
  if (options.pipeline) {
    count += 2 * kRingSize;
  } else if (options.workers > 1) {
    count += kRingSize;
  }
  if (options.impair) count += 2 * static_cast<std::uint32_t>(options.impair->held);
  return count;
}

}  // namespace

Expected<GroupPort, std::string> GroupPort::parse(const std::string& text) {
  std::string shared = text;
  unsigned which = 0;
  const std::size_t colon = text.rfind(':');
  const std::string before = text.substr(0, colon);
  if (colon != std::string::npos && (before == "ring-pair" || before == "memif-pair")) {
    const std::string end = text.substr(colon + 1);
    if (end != "0" && end != "1") {
      return unexpected("--port " + text + ": a pair has the ends " + before + ":0 and " + before + ":1, not '" + end +
                        "'");
    }
    which = end == "1" ? 1 : 0;
    shared = before;
  }
  auto spec = dpdk::PortSpec::parse(shared);
  if (!spec) return unexpected(spec.error());
  return GroupPort{std::move(*spec), which, std::move(shared)};
}

std::uint16_t polled_queues(const GroupOptions& options) {
  return options.pipeline ? std::uint16_t{1} : static_cast<std::uint16_t>(options.workers);
}

Expected<void, std::string> check_queues(const GroupOptions& options, const GroupPort& port) {
  const std::uint16_t polled = polled_queues(options);
  if (!port.spec.queues || *port.spec.queues == polled) return {};
  const std::string who = options.pipeline       ? "a pipeline, whose port core polls one"
                          : options.workers == 1 ? std::string{"one worker, which polls one"}
                                                 : std::to_string(options.workers) + " workers, which poll one each";
  return unexpected(
      "--port " + options.port + ": " + std::to_string(*port.spec.queues) + " queues for " + who +
      "; nobody would look at the others\n  leave queues= out (the port gets as many as are polled)" +
      (options.pipeline ? ", or give no --pipeline" : ", or give --workers " + std::to_string(*port.spec.queues)));
}

dpdk::PortConfig port_config(const GroupOptions& options) {
  dpdk::PortConfig config;
  const unsigned workers_of_a_pool = options.pipeline ? options.workers : 1;
  config.queues = polled_queues(options);
  config.mtu = options.mtu;
  config.mbufs = config.rx_descriptors + config.tx_descriptors +
                 workers_of_a_pool * (in_hand(options) + options.shard.held_segments);
  if (options.checksums) config.rx_checksum = rx_checksum(*options.checksums);
  // A capture has to show the checksums, and a frame that is broken on purpose must not be mended.
  config.tx_offload = !options.capture_file && !options.impair;
  return config;
}

dpdk::PortConfig pair_config(const dpdk::PortConfig& a, const dpdk::PortConfig& b) {
  dpdk::PortConfig both = a;
  both.queues = std::max(a.queues, b.queues);
  both.mbufs = (a.mbufs * a.queues + b.mbufs * b.queues + both.queues - 1u) / both.queues;
  both.mtu = std::min(a.mtu, b.mtu);
  both.tx_offload = a.tx_offload && b.tx_offload;
  if (!both.rx_checksum) both.rx_checksum = b.rx_checksum;
  return both;
}

Expected<void, std::string> check_kernel_addresses(const GroupOptions& options, const GroupPort& port) {
  constexpr std::uint32_t kLooks = 256;  // of a range; the kernel seldom has more than its beginning
  if (port.spec.kind != dpdk::PortKind::kTap && port.spec.kind != dpdk::PortKind::kAfPacket) return {};
  for (const LocalAddresses& range : options.shard.addresses) {
    for (std::uint32_t i = 0; i < std::min(range.count, kLooks); ++i) {
      const IpAddress address = range.prefix.address.plus(i);
      const std::optional<std::string> interface = dpdk::kernel_owns(address);
      if (!interface) continue;
      return unexpected("the address " + to_string(address) + " belongs to this machine's kernel (interface " +
                        *interface +
                        "): both would answer, and the kernel resets our connections\n"
                        "  choose another address on that net, or take it from the kernel: ip addr del " +
                        to_string(address) + "/" + std::to_string(range.prefix.length) + " dev " + *interface);
    }
  }
  return {};
}

ChecksumMode checksum_mode(RxChecksum policy) {
  switch (policy) {
    case RxChecksum::kHardware:
      return ChecksumMode::kHardware;
    case RxChecksum::kSoftware:
      return ChecksumMode::kSoftware;
    case RxChecksum::kTrust:
      return ChecksumMode::kTrust;
  }
  unreachable();
}

}  // namespace pollux::runtime
