#include "wire/frame.h"

#include "base/assert.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/icmp_types.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp_header.h"
#include "wire/tcp_options.h"

namespace pollux {
namespace {

// Each step returns kNone or the reason to stop.

WireDrop check_link(const EthernetHeader& ethernet, const ParsePolicy& policy, ParsedFrame& parsed) {
  parsed.destination = ethernet.destination();
  parsed.source = ethernet.source();
  parsed.vlan = ethernet.vlan();
  parsed.link_group = parsed.destination.is_group();
  if (parsed.source.is_group()) return WireDrop::kL2GroupSource;
  if (!policy.mac.is_zero()) {
    if (!parsed.link_group && parsed.destination != policy.mac) return WireDrop::kL2Foreign;
    if (parsed.source == policy.mac) return WireDrop::kL2OwnSource;
  }
  return WireDrop::kNone;
}

// Whether the bytes have to be summed here; `word` is kBad where nothing can help.
bool must_verify(ChecksumMode mode, ChecksumWord word) {
  switch (mode) {
    case ChecksumMode::kHardware:
      return word == ChecksumWord::kUnknown;
    case ChecksumMode::kSoftware:
      return true;
    case ChecksumMode::kTrust:
      return false;
  }
  unreachable();
}

bool device_says_bad(ChecksumMode mode, ChecksumWord word) {
  return mode == ChecksumMode::kHardware && word == ChecksumWord::kBad;
}

WireDrop parse_tcp(std::span<const std::byte> bytes, ChecksumMode mode, ChecksumWord word, ParsedFrame& parsed) {
  const auto tcp = TcpHeader::parse(bytes);
  if (!tcp) return tcp.error();
  if (device_says_bad(mode, word)) return WireDrop::kTcpChecksum;
  if (must_verify(mode, word)) {
    const PartialSum pseudo = pseudo_header_sum(parsed.key.remote, parsed.key.local, TcpHeader::kProtocol,
                                                static_cast<std::uint32_t>(bytes.size()));
    if (!(pseudo + sum(bytes)).verifies()) return WireDrop::kTcpChecksum;
  }
  parsed.key.remote_port = tcp->source_port();
  parsed.key.local_port = tcp->destination_port();
  if (parsed.key.remote_port == 0 || parsed.key.local_port == 0) return WireDrop::kTcpPort;

  Segment& segment = parsed.segment;
  segment.seq = tcp->seq();
  segment.ack = tcp->ack();
  segment.wnd = tcp->wnd();
  segment.up = tcp->up();
  segment.flags = tcp->flags();
  segment.ecn = ecn_of(parsed.tos);
  segment.text = tcp->text();
  segment.options = TcpOptions{};
  parsed.malformed_options = !decode_options(tcp->options(), segment.flags.syn, segment.options);
  parsed.kind = FrameKind::kTcp;
  return WireDrop::kNone;
}

// No device looks at ICMP checksums, so only kTrust spares the summing.
WireDrop check_icmp_v4(std::span<const std::byte> bytes, ChecksumMode mode, ParsedFrame& parsed) {
  if (bytes.size() < icmp::kHeaderSize) return WireDrop::kIcmpTruncated;
  if (mode != ChecksumMode::kTrust && !sum(bytes).verifies()) return WireDrop::kIcmpChecksum;
  parsed.kind = FrameKind::kIcmp;
  parsed.payload = bytes;
  return WireDrop::kNone;
}

WireDrop check_icmp_v6(std::span<const std::byte> bytes, ChecksumMode mode, ParsedFrame& parsed) {
  if (bytes.size() < icmp::kHeaderSize) return WireDrop::kIcmpTruncated;
  if (mode != ChecksumMode::kTrust) {
    const PartialSum pseudo = pseudo_header_sum(parsed.key.remote, parsed.key.local, icmp6::kProtocol,
                                                static_cast<std::uint32_t>(bytes.size()));
    if (!(pseudo + sum(bytes)).verifies()) return WireDrop::kIcmpChecksum;
  }
  const auto type = load_be<std::uint8_t>(bytes.data());
  const bool discovery = type == icmp6::kNeighbourSolicitation || type == icmp6::kNeighbourAdvertisement;
  parsed.kind = discovery ? FrameKind::kNd : FrameKind::kIcmp6;
  parsed.payload = bytes;
  return WireDrop::kNone;
}

// What no packet on a wire may come from or go to (RFC 1122, 3.2.1.3). Groups are
// served by nobody here: TCP has none (MUST-57), and an echo to one is an attack.
WireDrop check_v4_addresses(std::uint32_t source, std::uint32_t destination) {
  const auto is_this_network_or_loopback = [](std::uint32_t a) { return a >> 24 == 0 || a >> 24 == 127; };
  const auto is_group = [](std::uint32_t a) { return a >> 28 == 0xe || a == 0xffffffff; };
  if (is_this_network_or_loopback(source) || is_group(source)) return WireDrop::kIpSource;  // MUST-63
  if (is_this_network_or_loopback(destination)) return WireDrop::kIpDestination;
  if (is_group(destination)) return WireDrop::kIpGroupDestination;
  if (source == destination) return WireDrop::kIpLand;
  return WireDrop::kNone;
}

WireDrop parse_v4(std::span<const std::byte> bytes, const ParsePolicy& policy, ChecksumWord ip_word,
                  ChecksumWord tcp_word, ParsedFrame& parsed) {
  const auto ip = Ipv4Header::parse(bytes);
  if (!ip) return ip.error();
  if (device_says_bad(policy.checksums, ip_word)) return WireDrop::kIpChecksum;
  if (must_verify(policy.checksums, ip_word) && !sum(ip->header()).verifies()) return WireDrop::kIpChecksum;
  if (!ip->options().empty()) {
    if (const WireDrop drop = check_ipv4_options(ip->options()); drop != WireDrop::kNone) return drop;
  }
  if (ip->is_fragment()) return WireDrop::kIpFragment;
  const std::uint32_t source = ip->source();
  const std::uint32_t destination = ip->destination();
  if (const WireDrop drop = check_v4_addresses(source, destination); drop != WireDrop::kNone) return drop;

  parsed.ttl = ip->ttl();
  parsed.tos = ip->tos();
  parsed.key = {IpAddress::v4(destination), IpAddress::v4(source), 0, 0};
  if (ip->protocol() == TcpHeader::kProtocol) return parse_tcp(ip->payload(), policy.checksums, tcp_word, parsed);
  if (ip->protocol() == icmp::kProtocol) return check_icmp_v4(ip->payload(), policy.checksums, parsed);
  return WireDrop::kIpProtocol;
}

// Neither of a group nor of ::/32, where all the special addresses are.
bool is_plain(const IpAddress& a) {
  const std::uint32_t first = from_big_endian(a.words()[0]);
  return first != 0 && first >> 24 != 0xff;
}

// IPv4-mapped addresses must not come in as IPv6 packets: a FlowKey holds both
// families, and such a packet would pass for one of IPv4.
WireDrop check_v6_addresses(const IpAddress& source, const IpAddress& destination) {
  if (!is_plain(source)) {
    if (source.is_v4() || source.is_loopback() || source.is_multicast()) return WireDrop::kIpSource;  // MUST-63
  }
  if (!is_plain(destination)) {
    if (destination.is_v4() || destination.is_loopback() || destination.is_unspecified()) {
      return WireDrop::kIpDestination;
    }
  }
  if (source == destination) return WireDrop::kIpLand;
  return WireDrop::kNone;
}

// Neighbour discovery alone speaks to groups, and without an address.
WireDrop check_v6_unicast(const IpAddress& source, const IpAddress& destination) {
  if (!is_plain(source) && source.is_unspecified()) return WireDrop::kIpSource;
  if (!is_plain(destination) && destination.is_multicast()) return WireDrop::kIpGroupDestination;  // MUST-57
  return WireDrop::kNone;
}

WireDrop parse_v6(std::span<const std::byte> bytes, const ParsePolicy& policy, ChecksumWord tcp_word,
                  ParsedFrame& parsed) {
  const auto ip = Ipv6Header::parse(bytes);
  if (!ip) return ip.error();
  parsed.ttl = ip->hop_limit();
  parsed.tos = ip->traffic_class();
  parsed.key = {ip->destination(), ip->source(), 0, 0};
  if (const WireDrop drop = check_v6_addresses(parsed.key.remote, parsed.key.local); drop != WireDrop::kNone) {
    return drop;
  }
  const auto upper = skip_extension_headers(ip->next_header(), ip->payload());
  if (!upper) return upper.error();

  WireDrop drop = WireDrop::kIpProtocol;
  if (upper->protocol == TcpHeader::kProtocol) {
    drop = parse_tcp(upper->bytes, policy.checksums, tcp_word, parsed);
  } else if (upper->protocol == icmp6::kProtocol) {
    drop = check_icmp_v6(upper->bytes, policy.checksums, parsed);
  }
  if (drop != WireDrop::kNone) return drop;
  return parsed.kind == FrameKind::kNd ? WireDrop::kNone : check_v6_unicast(parsed.key.remote, parsed.key.local);
}

// `type` is none that is served.
WireDrop unserved(std::uint16_t type) {
  const bool second_tag = type == static_cast<std::uint16_t>(EtherType::kVlan) ||
                          type == static_cast<std::uint16_t>(EtherType::kServiceVlan) ||
                          type == static_cast<std::uint16_t>(EtherType::kOldServiceVlan);
  if (second_tag) return WireDrop::kL2Qinq;
  return type < EthernetHeader::kSmallestType ? WireDrop::kL2Llc : WireDrop::kL2Ethertype;
}

}  // namespace

WireDrop parse_frame(std::span<const std::byte> frame, const ParsePolicy& policy, ChecksumWord ip_word,
                     ChecksumWord tcp_word, ParsedFrame& parsed) {
  if (frame.size() > policy.max_frame) return WireDrop::kL2Long;
  const auto ethernet = EthernetHeader::parse(frame);
  if (!ethernet) return ethernet.error();
  if (const WireDrop drop = check_link(*ethernet, policy, parsed); drop != WireDrop::kNone) return drop;

  const bool right_vlan = ethernet->vlan() == policy.vlan;
  switch (ethernet->type()) {
    case static_cast<std::uint16_t>(EtherType::kIpv4):
      if (!right_vlan) return WireDrop::kL2Vlan;
      return parse_v4(ethernet->payload(), policy, ip_word, tcp_word, parsed);
    case static_cast<std::uint16_t>(EtherType::kIpv6):
      if (!right_vlan) return WireDrop::kL2Vlan;
      return parse_v6(ethernet->payload(), policy, tcp_word, parsed);
    case static_cast<std::uint16_t>(EtherType::kArp):
      if (!right_vlan) return WireDrop::kL2Vlan;
      parsed.kind = FrameKind::kArp;
      parsed.payload = ethernet->payload();
      return WireDrop::kNone;
    default:
      return unserved(ethernet->type());
  }
}

}  // namespace pollux
