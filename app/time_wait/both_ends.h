#pragma once

#include <chrono>

#include "dpdk/thread.h"
#include "options.h"

namespace pollux::app {

// What runs have in common that have both ends in this process.
constexpr const char* kBothEndsPort = "ring-pair";  // no sockets, and nothing to undo at the end
constexpr const char* kServerAddress = "198.18.0.2/24";
constexpr const char* kClientAddress = "198.18.0.1/24";  // the server's gateway to all the other sources
constexpr const char* kSources = "198.19.0.1/16";        // and what follows
constexpr Duration kBothEndsDrain = 2s;

// A core for each end where there are two.
inline Options with_both_ends(Options options) {
  if (options.port.empty()) options.port = kBothEndsPort;
  if (options.cores.empty()) {
    options.cores = dpdk::allowed_cpus();
    if (options.cores.size() > 2) options.cores.resize(2);
  }
  return options;
}

}  // namespace pollux::app
