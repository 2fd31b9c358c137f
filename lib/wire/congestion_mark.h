#pragma once

#include <cstddef>
#include <span>

namespace pollux {

// What a router that meets congestion does to a packet instead of dropping it: the CE codepoint, with the IPv4 header's
// checksum made right (RFC 3168, 5). False, and nothing changed, where the packet is not ECN-capable, or the frame
// holds no whole IP header.
bool mark_congestion(std::span<std::byte> frame);

}  // namespace pollux
