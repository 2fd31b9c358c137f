#include "wire/arp.h"

#include "base/endian.h"

namespace pollux {
namespace {

// Hardware type Ethernet, protocol IPv4, lengths 6 and 4.
constexpr std::uint64_t kEthernetIpv4 = 0x0001'0800'06'04;

}  // namespace

Expected<ArpMessage, WireDrop> parse_arp(std::span<const std::byte> payload) {
  if (payload.size() < ArpMessage::kSize) return unexpected(WireDrop::kArpMalformed);
  const std::byte* from = payload.data();
  const auto operation = load_be<std::uint16_t>(from + 6);
  if (load_be<std::uint64_t>(from) >> 16 != kEthernetIpv4) return unexpected(WireDrop::kArpMalformed);
  if (operation != 1 && operation != 2) return unexpected(WireDrop::kArpMalformed);

  const ArpMessage message{static_cast<ArpOperation>(operation), MacAddress::load(from + 8), IpAddress::v4(from + 14),
                           MacAddress::load(from + 18), IpAddress::v4(from + 24)};
  const bool impossible_sender = message.sender_mac.is_group() || message.sender_mac.is_zero() ||
                                 message.sender_ip.is_multicast() || message.sender_ip.is_broadcast() ||
                                 message.sender_ip.is_loopback();
  if (impossible_sender) return unexpected(WireDrop::kArpMalformed);
  return message;
}

}  // namespace pollux
