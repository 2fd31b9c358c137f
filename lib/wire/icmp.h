#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/expected.h"
#include "wire/flow_key.h"
#include "wire/frame.h"
#include "wire/seq_num.h"
#include "wire/wire_drop.h"

namespace pollux {

// What ICMP (RFC 792) and ICMPv6 (RFC 4443) have in common for a TCP endpoint.
enum class IcmpKind : std::uint8_t {
  kEchoRequest,
  kEchoReply,
  kUnreachable,   // `code` tells which; "fragmentation needed" is kPacketTooBig
  kPacketTooBig,  // `mtu` is the next hop's
  kTimeExceeded,
  kParameterProblem,
  kSourceQuench,  // to be ignored (RFC 6633, MUST-55)
};

// The beginning of a segment of ours, as an ICMP error quotes it. Whoever sent the
// error may have guessed it: RFC 5927 says what to believe.
struct QuotedSegment {
  FlowKey key;  // local: ours, the source of the quoted packet
  SeqNum seq;
  std::uint32_t size = 0;  // of the whole quoted packet, as its header says; bytes
};

struct IcmpMessage {
  IcmpKind kind = IcmpKind::kEchoRequest;
  std::uint8_t type = 0;  // as on the wire
  std::uint8_t code = 0;
  std::uint32_t mtu = 0;                 // kPacketTooBig: bytes; 0 from routers older than RFC 1191
  std::uint16_t identifier = 0;          // echo
  std::uint16_t sequence = 0;            // echo
  std::optional<QuotedSegment> quoted;   // errors: always there
  std::span<const std::byte> echo_data;  // echo: what comes back unchanged
};

// `frame` is of kind kIcmp or kIcmp6. An error that does not quote a TCP segment
// sent from the address it was sent to is dropped (kIcmpQuote).
Expected<IcmpMessage, WireDrop> parse_icmp(const ParsedFrame& frame);

}  // namespace pollux
