#pragma once

#include <cstdint>

namespace pollux::stacktest {

// Modulo 2^32 (RFC 1982; RFC 9293, 3.4). For those that judge the stack: they have none of its own arithmetic.
constexpr bool before(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b) < 0; }

}  // namespace pollux::stacktest
