#include "wire/congestion_mark.h"

#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/segment.h"

namespace pollux {
namespace {

constexpr std::size_t kSecond = 1;       // byte of both headers: IPv4's whole tos; IPv6's lower half of it, on the left
constexpr std::size_t kChecksumAt = 10;  // IPv4
constexpr std::byte kCeV4{0x03};
constexpr std::byte kCeV6{0x30};

}  // namespace

bool mark_congestion(std::span<std::byte> frame) {
  const auto ethernet = EthernetHeader::parse(frame);
  if (!ethernet) return false;
  const std::span<std::byte> packet = frame.last(ethernet->payload().size());
  if (ethernet->type() == static_cast<std::uint16_t>(EtherType::kIpv4)) {
    const auto ip = Ipv4Header::parse(packet);
    if (!ip || ecn_of(ip->tos()) == Ecn::kNotEct) return false;
    packet[kSecond] |= kCeV4;
    store_be<std::uint16_t>(packet.data() + kChecksumAt, 0);
    sum(ip->header()).store_checksum(packet.data() + kChecksumAt);
    return true;
  }
  if (ethernet->type() != static_cast<std::uint16_t>(EtherType::kIpv6)) return false;
  const auto ip = Ipv6Header::parse(packet);
  if (!ip || ecn_of(ip->traffic_class()) == Ecn::kNotEct) return false;
  packet[kSecond] |= kCeV6;
  return true;
}

}  // namespace pollux
