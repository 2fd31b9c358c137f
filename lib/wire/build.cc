#include "wire/build.h"

#include <algorithm>

#include "base/assert.h"
#include "base/endian.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/icmp_types.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp_header.h"
#include "wire/tcp_options.h"

namespace pollux {
namespace {

constexpr std::uint8_t kNdHopLimit = 255;

// Headers are written in whole 32-bit words where they are summed again soon: a
// narrower store would make the wider load wait until it has reached the cache.
std::byte* put(std::byte* to, std::uint32_t value) {
  store_be(to, value);
  return to + sizeof value;
}

constexpr std::size_t link_size(std::uint16_t vlan) {
  return EthernetHeader::kMinSize + (vlan != 0 ? EthernetHeader::kTagSize : 0);
}

constexpr std::size_t ip_size(bool v4) { return v4 ? Ipv4Header::kMinSize : Ipv6Header::kSize; }

std::byte* put_ethernet(std::byte* to, const MacAddress& destination, const MacAddress& source, std::uint16_t vlan,
                        EtherType type) {
  destination.store(to);
  source.store(to + MacAddress::kSize);
  to += 2 * MacAddress::kSize;
  if (vlan != 0) {
    store_be(to, static_cast<std::uint16_t>(EtherType::kVlan));
    store_be(to + 2, static_cast<std::uint16_t>(vlan & EthernetHeader::kVlanMask));
    to += EthernetHeader::kTagSize;
  }
  store_be(to, static_cast<std::uint16_t>(type));
  return to + 2;
}

struct IpSpec {
  const IpAddress& source;
  const IpAddress& destination;
  std::uint8_t protocol;
  std::uint8_t ttl;
  std::uint8_t tos;
  std::uint32_t id_and_flags = Ipv4Header::kDontFragment;  // of IPv4: the second word of its header
};

std::byte* put_ipv4(std::byte* to, const IpSpec& ip, std::size_t payload_size, bool with_checksum) {
  ASSERT(Ipv4Header::kMinSize + payload_size <= 0xffff);
  const auto total = static_cast<std::uint32_t>(Ipv4Header::kMinSize + payload_size);
  const std::uint32_t first = std::uint32_t{Ipv4Header::kVersionAndIhl} << 24 | std::uint32_t{ip.tos} << 16 | total;
  const std::uint32_t second = ip.id_and_flags;
  const std::uint32_t third = std::uint32_t{ip.ttl} << 24 | std::uint32_t{ip.protocol} << 16;
  std::uint32_t checksum = 0;
  if (with_checksum) {
    // Summed in host order, in which it is stored below.
    const std::uint64_t total_sum =
        std::uint64_t{first} + second + third + ip.source.v4_host_order() + ip.destination.v4_host_order();
    checksum = static_cast<std::uint16_t>(~PartialSum{total_sum}.folded());
  }
  to = put(put(put(to, first), second), third | checksum);
  ip.source.store(to);
  ip.destination.store(to + 4);
  return to + 8;
}

std::byte* put_ipv6(std::byte* to, const IpSpec& ip, std::size_t payload_size) {
  ASSERT(payload_size <= 0xffff);
  to = put(to, std::uint32_t{6} << 28 | std::uint32_t{ip.tos} << 20);
  to = put(to, static_cast<std::uint32_t>(payload_size) << 16 | std::uint32_t{ip.protocol} << 8 | ip.ttl);
  ip.source.store(to);
  ip.destination.store(to + 16);
  return to + 32;
}

std::byte* put_ip(std::byte* to, const IpSpec& ip, std::size_t payload_size, bool with_checksum) {
  ASSERT(ip.source.is_v4() == ip.destination.is_v4());
  return ip.source.is_v4() ? put_ipv4(to, ip, payload_size, with_checksum) : put_ipv6(to, ip, payload_size);
}

// Source and destination address where put_ip left them.
PartialSum sum_of_addresses(const std::byte* ip_header, bool ipv6) {
  return ipv6 ? sum({ip_header + 8, 32}) : sum({ip_header + 12, 8});
}

void put_arp(std::byte* to, const ArpMessage& message) {
  store_be(to, std::uint32_t{0x0001'0800});
  store_be(to + 4, std::uint32_t{0x0604'0000} | static_cast<std::uint32_t>(message.operation));
  message.sender_mac.store(to + 8);
  message.sender_ip.store(to + 14);
  message.target_mac.store(to + 18);
  message.target_ip.store(to + 24);
}

struct NdSpec {
  std::uint8_t type;
  std::uint8_t flags;
  const IpAddress& source;
  const IpAddress& destination;
  const IpAddress& target;
};

constexpr std::uint8_t kSolicitedFlag = 0x40;
constexpr std::uint8_t kOverrideFlag = 0x20;

// With our link-layer address, unless we have no address to go with it (RFC 4861, 4.3).
std::size_t write_nd(std::byte* to, const LinkSpec& link, const NdSpec& nd) {
  const bool names_link = !nd.source.is_unspecified();
  const std::size_t size = names_link ? 32 : 24;
  const MacAddress destination = link.destination.is_zero() ? group_mac(nd.destination) : link.destination;
  std::byte* message = put_ethernet(to, destination, link.source, link.vlan, EtherType::kIpv6);
  message = put_ipv6(message, {nd.source, nd.destination, icmp6::kProtocol, kNdHopLimit, 0}, size);
  put(put(message, std::uint32_t{nd.type} << 24), std::uint32_t{nd.flags} << 24);
  nd.target.store(message + 8);
  if (names_link) {
    message[24] = std::byte{nd.type == icmp6::kNeighbourSolicitation ? std::uint8_t{1} : std::uint8_t{2}};
    message[25] = std::byte{1};
    link.source.store(message + 26);
  }
  const PartialSum pseudo =
      pseudo_header_sum(nd.source, nd.destination, icmp6::kProtocol, static_cast<std::uint32_t>(size));
  (pseudo + sum({message, size})).store_checksum(message + icmp::kChecksumOffset);
  return static_cast<std::size_t>(message - to) + size;
}

IpAddress all_nodes() {
  std::array<std::byte, 16> bytes{};
  bytes[0] = std::byte{0xff};
  bytes[1] = std::byte{0x02};
  bytes[15] = std::byte{1};
  return IpAddress::v6(bytes.data());
}

}  // namespace

std::size_t header_size(const TcpFrameSpec& spec) {
  const std::size_t options = spec.options == nullptr ? 0 : options_size(*spec.options);
  return link_size(spec.vlan) + ip_size(spec.key->local.is_v4()) + TcpHeader::kMinSize + options;
}

std::size_t write_tcp_headers(std::byte* to, const TcpFrameSpec& spec, std::size_t text_size, TxOffload& wanted) {
  // MUST-65: these have no meaning outside a SYN.
  ASSERT(spec.flags.syn || spec.options == nullptr ||
         !(spec.options->mss || spec.options->wind_shift || spec.options->sack_permitted));
  const bool v4 = spec.key->local.is_v4();
  const std::size_t options = spec.options == nullptr ? 0 : options_size(*spec.options);
  wanted.ipv6 = !v4;
  if (!v4) wanted.ip_checksum = false;
  wanted.l2_size = static_cast<std::uint8_t>(link_size(spec.vlan));
  wanted.l3_size = static_cast<std::uint8_t>(ip_size(v4));
  wanted.l4_size = static_cast<std::uint8_t>(TcpHeader::kMinSize + options);

  std::byte* at = put_ethernet(to, spec.destination, spec.source, spec.vlan, v4 ? EtherType::kIpv4 : EtherType::kIpv6);
  // With DF the packet is atomic, and its ID says nothing (RFC 6864, 4.1).
  const std::uint32_t id_and_flags = spec.dont_fragment ? Ipv4Header::kDontFragment : std::uint32_t{spec.ip_id} << 16;
  at = put_ip(at, {spec.key->local, spec.key->remote, TcpHeader::kProtocol, spec.ttl, spec.tos, id_and_flags},
              wanted.l4_size + text_size, !wanted.ip_checksum);

  at = put(at, std::uint32_t{spec.key->local_port} << 16 | spec.key->remote_port);
  at = put(at, spec.seq.value());
  at = put(at, spec.flags.ack ? spec.ack.value() : 0);
  at = put(at, std::uint32_t{wanted.l4_size} << 26 | std::uint32_t{spec.flags.encode()} << 16 | spec.wnd);
  at = put(at, spec.up);
  if (options != 0) at += encode_options(at, *spec.options);
  return static_cast<std::size_t>(at - to);
}

void finish_tcp_checksum(std::span<std::byte> frame, const TxOffload& wanted) {
  const std::size_t headers = std::size_t{wanted.l2_size} + wanted.l3_size + wanted.l4_size;
  ASSERT(frame.size() >= headers);
  const auto text = frame.subspan(headers);
  finish_tcp_checksum(frame.data(), wanted, text.size(), wanted.tcp_checksum ? PartialSum{} : sum(text));
}

void finish_tcp_checksum(std::byte* headers, const TxOffload& wanted, std::size_t text_size, PartialSum text) {
  ASSERT(wanted.tcp_checksum || wanted.segment_size == 0);
  const std::byte* ip = headers + wanted.l2_size;
  std::byte* tcp = headers + wanted.l2_size + wanted.l3_size;
  // Each piece that the device cuts has a length of its own, which it adds itself.
  const auto length = wanted.segment_size != 0 ? 0 : static_cast<std::uint32_t>(wanted.l4_size + text_size);
  const PartialSum pseudo = sum_of_addresses(ip, wanted.ipv6) + PartialSum{from_big_endian(length)} +
                            PartialSum{from_big_endian(std::uint32_t{TcpHeader::kProtocol})};
  if (wanted.tcp_checksum) {
    pseudo.store_sum(tcp + TcpHeader::kChecksumOffset);
  } else {
    (pseudo + sum({tcp, wanted.l4_size}) + text).store_checksum(tcp + TcpHeader::kChecksumOffset);
  }
}

std::size_t write_arp(std::byte* to, const LinkSpec& link, const ArpMessage& message) {
  const MacAddress destination = link.destination.is_zero() ? MacAddress::broadcast() : link.destination;
  std::byte* at = put_ethernet(to, destination, link.source, link.vlan, EtherType::kArp);
  put_arp(at, message);
  return static_cast<std::size_t>(at - to) + ArpMessage::kSize;
}

std::size_t write_arp_request(std::byte* to, const LinkSpec& link, const IpAddress& own, const IpAddress& wanted) {
  return write_arp(to, link, {ArpOperation::kRequest, link.source, own, MacAddress{}, wanted});
}

std::size_t write_arp_reply(std::byte* to, const LinkSpec& link, const IpAddress& own, const ArpMessage& request) {
  LinkSpec back = link;
  if (back.destination.is_zero()) back.destination = request.sender_mac;
  return write_arp(to, back, {ArpOperation::kReply, link.source, own, request.sender_mac, request.sender_ip});
}

std::size_t write_arp_announcement(std::byte* to, const LinkSpec& link, const IpAddress& own) {
  return write_arp(to, link, {ArpOperation::kRequest, link.source, own, MacAddress{}, own});
}

std::size_t write_neighbour_solicitation(std::byte* to, const LinkSpec& link, const IpAddress& own,
                                         const IpAddress& wanted) {
  const bool confirms = !link.destination.is_zero();
  const IpAddress destination = confirms ? wanted : solicited_node_group(wanted);
  return write_nd(to, link, {icmp6::kNeighbourSolicitation, 0, own, destination, wanted});
}

std::size_t write_neighbour_advertisement(std::byte* to, const LinkSpec& link, const IpAddress& own,
                                          const ParsedFrame& solicitation) {
  if (solicitation.key.remote.is_unspecified()) return write_unsolicited_advertisement(to, link, own);
  LinkSpec back = link;
  if (back.destination.is_zero()) back.destination = solicitation.source;
  constexpr std::uint8_t kFlags = kSolicitedFlag | kOverrideFlag;
  return write_nd(to, back, {icmp6::kNeighbourAdvertisement, kFlags, own, solicitation.key.remote, own});
}

std::size_t write_unsolicited_advertisement(std::byte* to, const LinkSpec& link, const IpAddress& own) {
  const IpAddress everybody = all_nodes();
  return write_nd(to, {link.source, MacAddress{}, link.vlan},
                  {icmp6::kNeighbourAdvertisement, kOverrideFlag, own, everybody, own});
}

std::size_t write_echo_reply(std::span<std::byte> to, const LinkSpec& link, const ParsedFrame& request) {
  const auto message = parse_icmp(request);
  if (!message || message->kind != IcmpKind::kEchoRequest) return 0;
  const bool v4 = request.kind == FrameKind::kIcmp;
  const std::span<const std::byte> asked = request.payload;
  const std::size_t headers = link_size(link.vlan) + ip_size(v4);
  const bool fits = asked.size() <= 0xffff - ip_size(v4) && headers + asked.size() <= to.size();
  if (!fits) return 0;

  const MacAddress destination = link.destination.is_zero() ? request.source : link.destination;
  std::byte* at =
      put_ethernet(to.data(), destination, link.source, link.vlan, v4 ? EtherType::kIpv4 : EtherType::kIpv6);
  const std::uint8_t protocol = v4 ? icmp::kProtocol : icmp6::kProtocol;
  at = put_ip(at, {request.key.local, request.key.remote, protocol, kDefaultTtl, request.tos}, asked.size(), true);
  std::copy(asked.begin(), asked.end(), at);
  // Only the type changes, and the pseudo-header's sum is the same both ways, so the
  // checksum is updated: what was damaged before we read it stays recognisable.
  const auto before = load_be<std::uint16_t>(at);
  store_be(at, v4 ? icmp::kEchoReply : icmp6::kEchoReply);
  const auto checksum = load_be<std::uint16_t>(at + icmp::kChecksumOffset);
  store_be(at + icmp::kChecksumOffset, updated_checksum(checksum, before, load_be<std::uint16_t>(at)));
  return headers + asked.size();
}

}  // namespace pollux
