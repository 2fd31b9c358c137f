#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/packet.h"
#include "wire/flow_key.h"
#include "wire/mac_address.h"
#include "wire/segment.h"
#include "wire/wire_drop.h"

namespace pollux {

// Whose word is taken for a received checksum.
enum class ChecksumMode : std::uint8_t {
  kHardware,  // the device's, where it gives one; where not, verified here
  kSoftware,  // always verified here
  kTrust,     // never looked at: a link that does not fill checksums in, such as veth
};

// What a port accepts.
struct ParsePolicy {
  ChecksumMode checksums = ChecksumMode::kSoftware;
  std::uint16_t vlan = 0;           // the only 802.1Q id accepted; 0: no tag, or one that gives a priority only
  std::uint32_t max_frame = 65553;  // bytes: the largest IPv4 packet with Ethernet header and tag
  MacAddress mac{};                 // the port's own; zero: frames to and from any address are accepted
};

enum class FrameKind : std::uint8_t {
  kTcp,    // key, segment
  kArp,    // payload: parse_arp(payload)
  kIcmp,   // payload, key without ports: parse_icmp(frame)
  kIcmp6,  // the same; everything but neighbour discovery
  kNd,     // payload, key without ports: parse_nd(frame)
};

// What a received frame says, if it is well-formed and meant for a host. Only the
// members named beside the kind are set anew by parse_frame. Views are into the
// frame, and live as long.
struct ParsedFrame {
  FrameKind kind = FrameKind::kTcp;
  bool link_group = false;         // the Ethernet destination was multicast or broadcast
  bool malformed_options = false;  // TCP options ended in one with an impossible length (MUST-7)
  std::uint8_t ttl = 0;            // or hop limit
  std::uint8_t tos = 0;            // or traffic class
  std::uint16_t vlan = 0;          // 0: none
  MacAddress source{};
  MacAddress destination{};
  FlowKey key;  // local: where the packet was sent to; remote: where it came from
  Segment segment;
  std::span<const std::byte> payload;
};

// Reads one received frame, in one pass. kNone: `parsed` describes it. Otherwise
// the reason to drop it, and `parsed` is not to be read. It never replies, never
// allocates, and reads no byte outside `frame`.
//
// For each frame it is decided here: lengths, checksums, tags, IP options and
// extension headers, fragments, addresses no host may use as its own (sources
// 0/8, 127/8, groups, the destination itself), port 0. Left to the shard, which
// knows its addresses: whether the destination is ours, subnet broadcasts, and
// what to do with TCP that came in a link-layer group frame.
[[nodiscard]] WireDrop parse_frame(std::span<const std::byte> frame, const ParsePolicy& policy, ChecksumWord ip_word,
                                   ChecksumWord tcp_word, ParsedFrame& parsed);

}  // namespace pollux
