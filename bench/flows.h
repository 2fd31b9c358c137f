#pragma once

#include <cstdint>

#include "wire/flow_key.h"
#include "wire/mac_address.h"

namespace pollux::bench {

inline const IpAddress kServerAddress = IpAddress::v4(0xc6120001);  // 198.18.0.1
inline constexpr std::uint32_t kFirstClient = 0xc6130000;           // 198.19.0.0
inline constexpr std::uint16_t kServerPort = 80;

// The n-th of 2^32 different flows to one server port, 32,768 to a client's address.
inline FlowKey flow(std::uint64_t n) {
  return {kServerAddress, IpAddress::v4(kFirstClient + static_cast<std::uint32_t>(n >> 15)), kServerPort,
          static_cast<std::uint16_t>(32768 + (n & 32767))};
}

inline MacAddress mac(std::uint8_t last) { return MacAddress{{2, 0, 0, 0, 0, last}}; }

}  // namespace pollux::bench
