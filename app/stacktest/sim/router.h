#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace pollux::sim {

// A router on the way, whose next link bears less than the hosts' own.
struct Router {
  std::uint16_t mtu = 65535;  // of IP packets
  bool tells = true;          // it answers what it drops (RFC 1191, 4; RFC 8201, 4); else it is a black hole
};

// Whether the router can neither pass on an IP packet nor cut it up. What it cuts up the next one puts together again.
bool is_too_big(const Router& router, std::span<const std::byte> frame);

// What the sender of `frame`, which is an IP packet, is told: an ICMP error from a router that quotes it (RFC 792; RFC
// 4443, 3.2). `mtu`: of the next link, or what a liar says it is.
std::vector<std::byte> packet_too_big(std::span<const std::byte> frame, std::uint32_t mtu);

}  // namespace pollux::sim
