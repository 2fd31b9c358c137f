#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/packet.h"
#include "wire/arp.h"
#include "wire/checksum.h"
#include "wire/flow_key.h"
#include "wire/frame.h"
#include "wire/mac_address.h"
#include "wire/nd.h"
#include "wire/segment.h"

namespace pollux {

inline constexpr std::uint8_t kDefaultTtl = 64;

// The headers of one TCP segment to send.
struct TcpFrameSpec {
  MacAddress source{};
  MacAddress destination{};
  std::uint16_t vlan = 0;        // 0: no tag
  const FlowKey* key = nullptr;  // sent from key->local to key->remote
  std::uint8_t ttl = kDefaultTtl;
  std::uint8_t tos = 0;
  bool dont_fragment = true;  // IPv4: DF
  std::uint16_t ip_id = 0;    // IPv4 without DF: which packet its pieces belong to (RFC 6864, 4.3)
  SeqNum seq;
  SeqNum ack;  // written as 0 unless flags.ack
  std::uint16_t wnd = 0;
  std::uint16_t up = 0;
  TcpFlags flags;
  const TcpOptions* options = nullptr;  // exactly these are sent; null: none
};

// Ethernet with tag, IPv6, TCP with all its options.
inline constexpr std::size_t kMaxTcpHeaders = 14 + 4 + 40 + 60;

// How many bytes write_tcp_headers will write.
std::size_t header_size(const TcpFrameSpec& spec);

// Writes Ethernet, IP and TCP headers for `text_size` bytes of text to follow;
// returns header_size(spec). The TCP checksum field is left 0 for
// finish_tcp_checksum. With DF the ID of IPv4 is 0 (RFC 6864, 4.1).
//
// `wanted` says what the device will do (ip_checksum, tcp_checksum, segment_size);
// its other members are filled in here for the device to use.
std::size_t write_tcp_headers(std::byte* to, const TcpFrameSpec& spec, std::size_t text_size, TxOffload& wanted);

// Fills in the TCP checksum of `frame`, written by write_tcp_headers with `wanted`:
// the checksum itself, or the pseudo-header's sum where the device does the rest.
void finish_tcp_checksum(std::span<std::byte> frame, const TxOffload& wanted);

// The same where the sum of the text is known already (copy_and_sum), or the text
// does not lie behind the headers.
void finish_tcp_checksum(std::byte* headers, const TxOffload& wanted, std::size_t text_size, PartialSum text);

// The addresses of a frame that is not TCP.
struct LinkSpec {
  MacAddress source{};
  MacAddress destination{};
  std::uint16_t vlan = 0;  // 0: no tag
};

// The largest of the frames below but the echo reply.
inline constexpr std::size_t kMaxControlFrame = 14 + 4 + 40 + 32;

// Each writes a whole frame to `to` (kMaxControlFrame bytes) and returns its size.
// Requests go out to the broadcast address unless `link.destination` is set, which
// confirms a neighbour that is known.
std::size_t write_arp(std::byte* to, const LinkSpec& link, const ArpMessage& message);
std::size_t write_arp_request(std::byte* to, const LinkSpec& link, const IpAddress& own, const IpAddress& wanted);
std::size_t write_arp_reply(std::byte* to, const LinkSpec& link, const IpAddress& own, const ArpMessage& request);
std::size_t write_arp_announcement(std::byte* to, const LinkSpec& link, const IpAddress& own);

// A solicitation of `wanted`, to its solicited-node group, or to `wanted` itself if
// link.destination is set. `own` unspecified: duplicate address detection.
std::size_t write_neighbour_solicitation(std::byte* to, const LinkSpec& link, const IpAddress& own,
                                         const IpAddress& wanted);

// The answer to a solicitation in `frame` for `own`; to all nodes if the question
// came from the unspecified address (RFC 4861, 7.2.4).
std::size_t write_neighbour_advertisement(std::byte* to, const LinkSpec& link, const IpAddress& own,
                                          const ParsedFrame& solicitation);

// Tells all nodes of `own` (RFC 4861, 7.2.6).
std::size_t write_unsolicited_advertisement(std::byte* to, const LinkSpec& link, const IpAddress& own);

// The reply to the echo request in `request` (kIcmp or kIcmp6, accepted by
// parse_frame). Returns 0 and writes nothing if it is not an echo request or the
// reply does not fit into `to`.
std::size_t write_echo_reply(std::span<std::byte> to, const LinkSpec& link, const ParsedFrame& request);

}  // namespace pollux
