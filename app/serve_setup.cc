#include "serve_setup.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "runtime/ports.h"

namespace pollux::app {
namespace {

// The network's own address.
IpAddress base_of(const IpPrefix& prefix) {
  std::array<std::byte, 16> bytes{};
  prefix.address.store(bytes.data());
  const unsigned size = prefix.address.is_v4() ? 4 : 16;
  for (unsigned bit = prefix.length; bit < size * 8; ++bit) bytes[bit / 8] &= ~(std::byte{0x80} >> bit % 8);
  return prefix.address.is_v4() ? IpAddress::v4(bytes.data()) : IpAddress::v6(bytes.data());
}

IpAddress last_of(const LocalAddresses& range) { return range.prefix.address.plus(range.count - 1); }

const LocalAddresses* range_of(const std::vector<LocalAddresses>& ours, const IpAddress& address) {
  for (const LocalAddresses& range : ours) {
    const IpAddress& first = range.prefix.address;
    if (first.is_v4() == address.is_v4() && first <= address && address <= last_of(range)) return &range;
  }
  return nullptr;
}

// What the kernel's side may be called on this network of ours: our gateway if that is on it, else the first address
// that is not ours. Nothing where the network has no other.
std::optional<IpPrefix> peer_on(const IpPrefix& network, const Options& options) {
  const std::vector<LocalAddresses>& ours = options.shard.addresses;
  for (const IpAddress& gateway : options.shard.gateways) {
    if (network.contains(gateway) && range_of(ours, gateway) == nullptr) return IpPrefix{gateway, network.length};
  }
  const unsigned host_bits = (network.address.is_v4() ? 32u : 128u) - network.length;
  IpAddress candidate = base_of(network);
  if (host_bits > 1) candidate = candidate.plus(1);
  for (std::size_t i = 0; i <= ours.size(); ++i) {
    if (!network.contains(candidate) || network.is_subnet_broadcast(candidate)) return std::nullopt;
    const LocalAddresses* const range = range_of(ours, candidate);
    if (range == nullptr) return IpPrefix{candidate, network.length};
    candidate = last_of(*range).plus(1);
  }
  return std::nullopt;
}

// One for each network that has room for it, in the order of our addresses.
std::vector<IpPrefix> peers(const Options& options) {
  std::vector<IpPrefix> found;
  for (const LocalAddresses& local : options.shard.addresses) {
    const auto peer = peer_on(local.prefix, options);
    if (peer && std::find(found.begin(), found.end(), *peer) == found.end()) found.push_back(*peer);
  }
  return found;
}

}  // namespace

void fill_in_defaults(Options& options, std::uint16_t listen) {
  if (options.listen == 0) options.listen = listen;
  fill_in_addresses(options);
  fill_in_port(options);
}

void fill_in_addresses(Options& options) {
  if (!options.shard.addresses.empty()) return;
  for (const char* address : {"198.18.0.2/24", "2001:2::2/64"}) {
    options.shard.addresses.push_back({*IpPrefix::parse(address), 1});
  }
}

void fill_in_port(Options& options) {
  options.workers = options.stack_cores();
  if (!options.port.empty()) return;
  options.port = "tap:name=plx0";
  for (const IpPrefix& peer : peers(options)) options.port += ",kernel=" + to_string(peer);
}

bool has_a_kernel_behind_it(const Options& options) {
  const auto port = runtime::GroupPort::parse(options.port);
  return port && (port->spec.kind == dpdk::PortKind::kTap || port->spec.kind == dpdk::PortKind::kAfPacket);
}

std::string kernel_side_hint(const Options& options) {
  const auto port = runtime::GroupPort::parse(options.port);
  if (!port || port->spec.kind != dpdk::PortKind::kTap || !port->spec.kernel.empty()) return {};
  const std::string& interface = port->spec.interface;
  const std::vector<IpPrefix> others = peers(options);
  std::string text = fmt::format("kernel side: ip link set {} up", interface);
  for (const IpPrefix& other : others) text += fmt::format(" && ip addr add {} dev {}", to_string(other), interface);
  if (others.empty()) {
    const IpAddress& ours = options.shard.addresses.front().prefix.address;
    text += fmt::format(" && ip route add {} dev {}", to_string(ours), interface);
  }
  return text + "\n";
}

}  // namespace pollux::app
