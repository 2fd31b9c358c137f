#include "wire/nd.h"

#include <array>

#include "base/endian.h"
#include "wire/icmp_types.h"

namespace pollux {
namespace {

constexpr std::size_t kMessageSize = 24;  // ICMP header and target address
constexpr std::uint8_t kRequiredHopLimit = 255;
constexpr std::uint8_t kSourceLinkAddress = 1;
constexpr std::uint8_t kTargetLinkAddress = 2;

// Options come in units of 8 bytes; one of length zero makes the whole message
// invalid (RFC 4861, 4.6). Those of other kinds are ignored.
Expected<std::optional<MacAddress>, WireDrop> find_link_address(std::span<const std::byte> options,
                                                                std::uint8_t wanted) {
  std::optional<MacAddress> found;
  while (!options.empty()) {
    if (options.size() < 8) return unexpected(WireDrop::kNdMalformed);
    const auto kind = load_be<std::uint8_t>(options.data());
    const std::size_t size = load_be<std::uint8_t>(options.data() + 1) * std::size_t{8};
    if (size == 0 || size > options.size()) return unexpected(WireDrop::kNdMalformed);
    if (kind == wanted && size == 8 && !found) found = MacAddress::load(options.data() + 2);
    options = options.subspan(size);
  }
  if (found && (found->is_group() || found->is_zero())) return unexpected(WireDrop::kNdMalformed);
  return found;
}

// RFC 4861, 7.1.1: who does not have an address yet asks only for its own, of the
// group that owner would listen to, and names no link-layer address. Who asks from the
// very address it asks for claims it, as a gratuitous ARP does; our answer would go to
// ourselves.
bool is_valid_solicitation(const ParsedFrame& frame, const NdMessage& message) {
  if (!frame.key.remote.is_unspecified()) return frame.key.remote != message.target;
  return frame.key.local == solicited_node_group(message.target) && !message.link_address;
}

// 7.1.2.
bool is_valid_advertisement(const ParsedFrame& frame, const NdMessage& message) {
  if (frame.key.remote.is_unspecified()) return false;
  return !(frame.key.local.is_multicast() && message.solicited);
}

}  // namespace

Expected<NdMessage, WireDrop> parse_nd(const ParsedFrame& frame) {
  const std::span<const std::byte> bytes = frame.payload;
  if (frame.ttl != kRequiredHopLimit) return unexpected(WireDrop::kNdHopLimit);
  if (bytes.size() < kMessageSize) return unexpected(WireDrop::kNdMalformed);
  const auto type = load_be<std::uint8_t>(bytes.data());
  const auto code = load_be<std::uint8_t>(bytes.data() + 1);
  const auto flags = load_be<std::uint8_t>(bytes.data() + 4);

  NdMessage message;
  message.target = IpAddress::v6(bytes.data() + 8);
  const bool impossible_target = message.target.is_multicast() || message.target.is_v4() ||
                                 message.target.is_unspecified() || message.target.is_loopback();
  if (code != 0 || impossible_target) return unexpected(WireDrop::kNdMalformed);

  const bool asks = type == icmp6::kNeighbourSolicitation;
  const auto link_address =
      find_link_address(bytes.subspan(kMessageSize), asks ? kSourceLinkAddress : kTargetLinkAddress);
  if (!link_address) return unexpected(link_address.error());
  message.link_address = *link_address;
  if (!asks) {
    message.kind = NdKind::kAdvertisement;
    message.router = (flags & 0x80) != 0;
    message.solicited = (flags & 0x40) != 0;
    message.overrides = (flags & 0x20) != 0;
  }
  const bool valid = asks ? is_valid_solicitation(frame, message) : is_valid_advertisement(frame, message);
  if (!valid) return unexpected(WireDrop::kNdMalformed);
  return message;
}

IpAddress solicited_node_group(const IpAddress& address) {
  std::array<std::byte, 16> bytes{};
  address.store(bytes.data());
  store_be(bytes.data(), std::uint64_t{0xff02'0000'0000'0000});
  store_be(bytes.data() + 8, std::uint32_t{1});
  bytes[12] = std::byte{0xff};
  return IpAddress::v6(bytes.data());
}

MacAddress group_mac(const IpAddress& ipv6_group) {
  std::array<std::byte, 16> bytes{};
  ipv6_group.store(bytes.data());
  bytes[10] = bytes[11] = std::byte{0x33};
  return MacAddress::load(bytes.data() + 10);
}

}  // namespace pollux
