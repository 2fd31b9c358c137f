#include "router.h"

#include <algorithm>
#include <utility>

#include "base/endian.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/icmp_types.h"
#include "wire/ip_address.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"

namespace pollux::sim {
namespace {

constexpr std::size_t kMac = 6;
constexpr std::size_t kQuotedV4 = Ipv4Header::kMinSize + 8;  // RFC 792: the header and 64 bits of the rest
constexpr std::size_t kQuotedV6 = 1280 - Ipv6Header::kSize - icmp::kHeaderSize;

bool is_v4(std::span<const std::byte> frame) { return load_be<std::uint16_t>(frame.data() + 12) == 0x0800; }
bool is_v6(std::span<const std::byte> frame) { return load_be<std::uint16_t>(frame.data() + 12) == 0x86dd; }

IpAddress router_address(bool v4) { return IpAddress::parse(v4 ? "198.18.0.254" : "2001:2::fe").value(); }

// The ICMP message of 8 bytes and the quotation; its checksum is 0.
std::vector<std::byte> message(std::span<const std::byte> quoted, bool v4, std::uint32_t mtu) {
  std::vector<std::byte> bytes(icmp::kHeaderSize);
  bytes[0] = std::byte{v4 ? icmp::kUnreachable : icmp6::kPacketTooBig};
  bytes[1] = std::byte{v4 ? icmp::kFragmentationNeeded : std::uint8_t{0}};
  if (v4) {
    store_be(bytes.data() + 6, static_cast<std::uint16_t>(mtu));
  } else {
    store_be(bytes.data() + 4, mtu);
  }
  bytes.insert(bytes.end(), quoted.begin(), quoted.end());
  return bytes;
}

}  // namespace

bool is_too_big(const Router& router, std::span<const std::byte> frame) {
  if (frame.size() <= EthernetHeader::kMinSize + router.mtu || (!is_v4(frame) && !is_v6(frame))) return false;
  return is_v6(frame) ||
         (load_be<std::uint16_t>(frame.data() + EthernetHeader::kMinSize + 6) & Ipv4Header::kDontFragment) != 0;
}

std::vector<std::byte> packet_too_big(std::span<const std::byte> frame, std::uint32_t mtu) {
  const bool v4 = is_v4(frame);
  const std::span<const std::byte> packet = frame.subspan(EthernetHeader::kMinSize);
  const auto quoted = packet.first(std::min(packet.size(), v4 ? kQuotedV4 : kQuotedV6));
  std::vector<std::byte> icmp_message = message(quoted, v4, mtu);
  const IpAddress from = router_address(v4);
  const IpAddress to = v4 ? IpAddress::v4(packet.data() + 12) : IpAddress::v6(packet.data() + 8);

  std::vector<std::byte> out(frame.begin(), frame.begin() + EthernetHeader::kMinSize);
  std::swap_ranges(out.begin(), out.begin() + kMac, out.begin() + kMac);
  std::vector<std::byte> ip(v4 ? Ipv4Header::kMinSize : Ipv6Header::kSize);
  if (v4) {
    sum(icmp_message).store_checksum(icmp_message.data() + icmp::kChecksumOffset);
    store_be(ip.data(), static_cast<std::uint8_t>(Ipv4Header::kVersionAndIhl));
    store_be(ip.data() + 2, static_cast<std::uint16_t>(ip.size() + icmp_message.size()));
    ip[8] = std::byte{64};
    ip[9] = std::byte{icmp::kProtocol};
    from.store(ip.data() + 12);
    to.store(ip.data() + 16);
    sum(ip).store_checksum(ip.data() + 10);
  } else {
    const auto size = static_cast<std::uint32_t>(icmp_message.size());
    (pseudo_header_sum(from, to, icmp6::kProtocol, size) + sum(icmp_message))
        .store_checksum(icmp_message.data() + icmp::kChecksumOffset);
    store_be(ip.data(), std::uint32_t{6} << 28);
    store_be(ip.data() + 4, static_cast<std::uint16_t>(size));
    ip[6] = std::byte{icmp6::kProtocol};
    ip[7] = std::byte{64};
    from.store(ip.data() + 8);
    to.store(ip.data() + 24);
  }
  out.insert(out.end(), ip.begin(), ip.end());
  out.insert(out.end(), icmp_message.begin(), icmp_message.end());
  return out;
}

}  // namespace pollux::sim
