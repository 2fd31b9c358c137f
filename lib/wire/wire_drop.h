#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pollux {

// Why a received frame was dropped before any connection saw it. One name for
// each reason; each is counted.
enum class WireDrop : std::uint8_t {
  kNone,  // not dropped; never counted
  kL2Short,
  kL2Long,
  kL2Foreign,
  kL2OwnSource,
  kL2GroupSource,
  kL2Vlan,
  kL2Qinq,
  kL2Llc,
  kL2Ethertype,
  kArpMalformed,
  kIpTruncated,
  kIpHeader,
  kIpLength,
  kIpChecksum,
  kIpOptions,
  kIpSourceRoute,
  kIpFragment,
  kIpExtension,
  kIpExtensionLimit,
  kIpSource,
  kIpDestination,
  kIpGroupDestination,
  kIpLand,
  kIpProtocol,
  kTcpTruncated,
  kTcpDataOffset,
  kTcpChecksum,
  kTcpPort,
  kIcmpTruncated,
  kIcmpChecksum,
  kIcmpType,
  kIcmpQuote,
  kNdHopLimit,
  kNdMalformed,
};
inline constexpr std::size_t kWireDropCount = 35;  // keep beside the last one

// The counter's name: "ip_source_route".
std::string_view name(WireDrop drop);

// A sentence for people: "the IPv4 header asks for a source route".
std::string_view describe(WireDrop drop);

}  // namespace pollux
