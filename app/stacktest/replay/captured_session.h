#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "../packet.h"
#include "device/pcap_reader.h"
#include "time/instant.h"

namespace pollux::stacktest {

enum class Role : std::uint8_t { kClient, kServer };
constexpr Role other(Role role) { return role == Role::kClient ? Role::kServer : Role::kClient; }

struct SessionPacket {
  std::uint64_t frame = 0;  // its number in the file; 0: in none
  Duration at{0};           // since the session began
  Role from = Role::kClient;
  Packet packet;
};

// One connection of a capture: from its first SYN on, whatever else passed between the two sockets.
struct CapturedSession {
  IpAddress address[2];  // by Role
  std::uint16_t port[2] = {0, 0};
  std::vector<SessionPacket> packets;

  // The sequence number of that end's SYN, as captured; none: it sent none.
  std::optional<std::uint32_t> isn(Role of) const;
  // The first SYN of that end; null: there is none.
  const Packet* syn(Role of) const;
  // All that the end sends, from the first byte on. What the capture lacks is an error, with the frame behind the hole.
  Expected<std::vector<std::byte>, std::string> stream(Role of) const;
  // As one sees it who takes both ISNs for 0.
  Packet relative(const SessionPacket& packet) const;
};

// The `which`th connection of the capture, 1 is the first. Checksums are not looked at: where a capture was taken, a
// NIC may have had to fill them in. The error says what is missing.
Expected<CapturedSession, std::string> read_session(std::span<const CapturedFrame> frames, std::uint64_t which);
// The same of a file, which the error names.
Expected<CapturedSession, std::string> read_session_file(const std::string& path, std::uint64_t which);

}  // namespace pollux::stacktest
