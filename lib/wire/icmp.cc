#include "wire/icmp.h"

#include "base/endian.h"
#include "wire/icmp_types.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp_header.h"

namespace pollux {
namespace {

// Ports and sequence number: what every error quotes (RFC 792).
constexpr std::size_t kQuotedTcpSize = 8;

std::optional<IcmpKind> kind_of_v4(std::uint8_t type, std::uint8_t code) {
  switch (type) {
    case icmp::kEchoReply:
      return IcmpKind::kEchoReply;
    case icmp::kUnreachable:
      return code == icmp::kFragmentationNeeded ? IcmpKind::kPacketTooBig : IcmpKind::kUnreachable;
    case icmp::kSourceQuench:
      return IcmpKind::kSourceQuench;
    case icmp::kEchoRequest:
      return IcmpKind::kEchoRequest;
    case icmp::kTimeExceeded:
      return IcmpKind::kTimeExceeded;
    case icmp::kParameterProblem:
      return IcmpKind::kParameterProblem;
    default:
      return std::nullopt;
  }
}

std::optional<IcmpKind> kind_of_v6(std::uint8_t type) {
  switch (type) {
    case icmp6::kUnreachable:
      return IcmpKind::kUnreachable;
    case icmp6::kPacketTooBig:
      return IcmpKind::kPacketTooBig;
    case icmp6::kTimeExceeded:
      return IcmpKind::kTimeExceeded;
    case icmp6::kParameterProblem:
      return IcmpKind::kParameterProblem;
    case icmp6::kEchoRequest:
      return IcmpKind::kEchoRequest;
    case icmp6::kEchoReply:
      return IcmpKind::kEchoReply;
    default:
      return std::nullopt;
  }
}

std::optional<QuotedSegment> quoted_tcp(const IpAddress& source, const IpAddress& destination, std::uint32_t size,
                                        std::span<const std::byte> tcp) {
  if (tcp.size() < kQuotedTcpSize) return std::nullopt;
  return QuotedSegment{
      {source, destination, load_be<std::uint16_t>(tcp.data()), load_be<std::uint16_t>(tcp.data() + 2)},
      SeqNum{load_be<std::uint32_t>(tcp.data() + 4)},
      size};
}

// The quoted packet is cut short, so its lengths are not those of Ipv4Header::parse.
// It may carry options that something on the way put in.
std::optional<QuotedSegment> quoted_v4(std::span<const std::byte> packet) {
  if (packet.size() < Ipv4Header::kMinSize) return std::nullopt;
  const auto first = load_be<std::uint8_t>(packet.data());
  const std::size_t size = (first & 0x0fu) * 4u;
  if (first >> 4 != 4 || size < Ipv4Header::kMinSize || size > packet.size()) return std::nullopt;
  const bool tcp = load_be<std::uint8_t>(packet.data() + 9) == TcpHeader::kProtocol;
  const bool fragment = (load_be<std::uint16_t>(packet.data() + 6) & Ipv4Header::kFragmentMask) != 0;
  if (!tcp || fragment) return std::nullopt;
  const auto whole = load_be<std::uint16_t>(packet.data() + 2);
  return quoted_tcp(IpAddress::v4(packet.data() + 12), IpAddress::v4(packet.data() + 16), whole, packet.subspan(size));
}

// We send no extension headers: a quoted packet that has some is not ours.
std::optional<QuotedSegment> quoted_v6(std::span<const std::byte> packet) {
  if (packet.size() < Ipv6Header::kSize) return std::nullopt;
  const bool version6 = load_be<std::uint8_t>(packet.data()) >> 4 == 6;
  if (!version6 || load_be<std::uint8_t>(packet.data() + 6) != TcpHeader::kProtocol) return std::nullopt;
  const std::uint32_t whole = load_be<std::uint16_t>(packet.data() + 4) + std::uint32_t{Ipv6Header::kSize};
  return quoted_tcp(IpAddress::v6(packet.data() + 8), IpAddress::v6(packet.data() + 24), whole,
                    packet.subspan(Ipv6Header::kSize));
}

}  // namespace

Expected<IcmpMessage, WireDrop> parse_icmp(const ParsedFrame& frame) {
  const bool v4 = frame.kind == FrameKind::kIcmp;
  const std::span<const std::byte> bytes = frame.payload;
  if (bytes.size() < icmp::kHeaderSize) return unexpected(WireDrop::kIcmpTruncated);

  IcmpMessage message;
  message.type = load_be<std::uint8_t>(bytes.data());
  message.code = load_be<std::uint8_t>(bytes.data() + 1);
  const auto kind = v4 ? kind_of_v4(message.type, message.code) : kind_of_v6(message.type);
  if (!kind) return unexpected(WireDrop::kIcmpType);
  message.kind = *kind;

  const auto body = bytes.subspan(icmp::kHeaderSize);
  if (message.kind == IcmpKind::kEchoRequest || message.kind == IcmpKind::kEchoReply) {
    message.identifier = load_be<std::uint16_t>(bytes.data() + 4);
    message.sequence = load_be<std::uint16_t>(bytes.data() + 6);
    message.echo_data = body;
    return message;
  }
  if (message.kind == IcmpKind::kPacketTooBig) {
    message.mtu = v4 ? load_be<std::uint16_t>(bytes.data() + 6) : load_be<std::uint32_t>(bytes.data() + 4);
  }
  message.quoted = v4 ? quoted_v4(body) : quoted_v6(body);
  if (!message.quoted || message.quoted->key.local != frame.key.local) return unexpected(WireDrop::kIcmpQuote);
  return message;
}

}  // namespace pollux
