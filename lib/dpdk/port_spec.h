#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/expected.h"
#include "wire/ip_address.h"

namespace pollux::dpdk {

enum class PortKind : std::uint8_t { kTap, kMemif, kRing, kRingPair, kMemifPair, kPcap, kAfPacket, kPci, kVdev };

// What the user asked for with --port, understood but not yet opened.
//
//   tap[:name=plx0][,kernel=ADDR/LEN]...[,mac=MAC][,queues=N]   memif:server,PATH[,KEY=VALUE]...   memif:client,PATH
//   ring    ring-pair    memif-pair    pcap:IN,OUT    afpacket:IFACE[,KEY=VALUE]...    0000:81:00.0
//   net_xxx0[,KEY=VALUE]...
struct PortSpec {
  std::string text;  // as given, for messages
  PortKind kind = PortKind::kVdev;
  std::string driver;            // "net_tap"; empty for PCI
  std::string device;            // the name of the vdev or PCI device; empty: the port picks net_tapN
  std::string arguments;         // of the vdev: "iface=plx0,mac=..."
  std::string interface;         // the kernel's network interface behind it, for tap and afpacket
  std::vector<IpPrefix> kernel;  // addresses for the kernel's side of a tap
  std::optional<std::uint16_t> queues;
  bool persists = false;  // the tap may be there already, and stays behind us

  bool is_pair() const { return kind == PortKind::kRingPair || kind == PortKind::kMemifPair; }

  // The error names the part that is wrong and suggests what may have been meant.
  static Expected<PortSpec, std::string> parse(std::string_view text);
};

}  // namespace pollux::dpdk
