#pragma once

#include <memory>

#include "dpdk/eal.h"
#include "dpdk/port.h"

namespace pollux::dpdk {

// The one EAL of this program: it can be started once in a process.
Eal& eal();

// Ports of a spec that must open; fails the test and gives none otherwise.
std::vector<std::unique_ptr<Port>> open_ports(const char* spec, PortConfig config = {});

}  // namespace pollux::dpdk
