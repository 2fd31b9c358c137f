#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/expected.h"
#include "wire/ip_address.h"
#include "wire/mac_address.h"
#include "wire/wire_drop.h"

namespace pollux {

enum class ArpOperation : std::uint8_t { kRequest = 1, kReply = 2 };

// ARP for IPv4 over Ethernet (RFC 826).
struct ArpMessage {
  static constexpr std::size_t kSize = 28;

  ArpOperation operation = ArpOperation::kRequest;
  MacAddress sender_mac;
  IpAddress sender_ip;  // 0.0.0.0 in a probe (RFC 5227, 2.1.1)
  MacAddress target_mac;
  IpAddress target_ip;

  // An announcement: it tells, and asks nothing (RFC 5227, 3).
  bool is_gratuitous() const { return sender_ip == target_ip; }
};

// `payload`: what follows the Ethernet header; padding is ignored. Senders that no
// host can be (group addresses) are malformed.
Expected<ArpMessage, WireDrop> parse_arp(std::span<const std::byte> payload);

}  // namespace pollux
