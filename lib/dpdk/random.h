#pragma once

#include <array>
#include <cstdint>

namespace pollux::dpdk {

// Secrets and seeds from the kernel. For the start of a run, not for each packet.
std::uint64_t random_seed();
std::array<std::uint64_t, 2> random_key();  // 128 bits

}  // namespace pollux::dpdk
