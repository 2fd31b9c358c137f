#pragma once

#include <cstdint>

#include "base/slab.h"
#include "shard/flow_table.h"
#include "tcp/tcb.h"

namespace pollux {

// What an idle connection takes of a shard made for so many: its place in the slab, timer included, its share of the
// table that finds it, and its generation. What it took to get there (blocks for data) has been given back.
inline double bytes_per_idle_connection(std::uint32_t max_connections) {
  const FlowTable table{max_connections, HashKey{}};  // not touched, so that it costs nothing
  return static_cast<double>(Slab<tcp::Tcb>::stride()) + static_cast<double>(table.bytes()) / max_connections +
         sizeof(std::uint32_t);
}

}  // namespace pollux
