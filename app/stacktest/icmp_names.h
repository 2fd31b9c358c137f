#pragma once

#include <cstdint>

#include "ast.h"

namespace pollux::stacktest {

struct IcmpNumbers {
  std::uint8_t type = 0;
  std::uint8_t code = 0;
};

// What packetdrill calls the types and codes of ICMP, "unreachable" "port_unreachable"; "type_3" and "code_3" too.
// Throws ScriptError.
IcmpNumbers icmp_numbers(const PacketLine& line, bool v4, const Position& at);

}  // namespace pollux::stacktest
