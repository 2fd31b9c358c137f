#pragma once

#include <cstdint>
#include <string>

#include "wire/ip_address.h"

namespace pollux {

// What names a connection (RFC 9293, 3.3.1), seen from our side.
struct FlowKey {
  IpAddress local;
  IpAddress remote;
  std::uint16_t local_port = 0;
  std::uint16_t remote_port = 0;

  friend bool operator==(const FlowKey&, const FlowKey&) = default;
};
static_assert(sizeof(FlowKey) == 36);

// "198.18.0.2:80 198.18.0.1:40112".
std::string to_string(const FlowKey& key);

}  // namespace pollux
