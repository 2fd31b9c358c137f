#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/expected.h"
#include "wire/frame.h"
#include "wire/ip_address.h"
#include "wire/mac_address.h"
#include "wire/wire_drop.h"

namespace pollux {

enum class NdKind : std::uint8_t { kSolicitation, kAdvertisement };

// Neighbour discovery (RFC 4861): the two messages a host that is told its router
// and prefix needs. The source of the packet is frame.key.remote.
struct NdMessage {
  NdKind kind = NdKind::kSolicitation;
  bool router = false;  // advertisement: R, S, O
  bool solicited = false;
  bool overrides = false;
  IpAddress target;
  std::optional<MacAddress> link_address;  // source (solicitation) or target (advertisement) link-layer address
};

// `frame` is of kind kNd. Checks what 7.1.1 and 7.1.2 say must be checked.
Expected<NdMessage, WireDrop> parse_nd(const ParsedFrame& frame);

// ff02::1:ffXX:XXXX, where the owner of `address` listens (RFC 4291, 2.7.1).
IpAddress solicited_node_group(const IpAddress& address);

// The Ethernet group address that carries an IPv6 group (RFC 2464, 7).
MacAddress group_mac(const IpAddress& ipv6_group);

}  // namespace pollux
