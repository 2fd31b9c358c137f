#pragma once

#include <string_view>

namespace pollux::dpdk {

// From now on DPDK's log lines are kept (the last few) for recent_dpdk_log() and,
// when `show`, printed on standard error too.
void catch_dpdk_log(bool show);

// Adds what DPDK said elsewhere.
void add_to_dpdk_log(std::string_view text);

}  // namespace pollux::dpdk
