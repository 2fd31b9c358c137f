#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/expected.h"
#include "time/instant.h"
#include "time_wait/churn_result.h"

namespace pollux::app {

// Short connections over this machine's kernel: its own sockets over a veth pair between two network namespaces of
// their own, which needs CAP_SYS_ADMIN (scripts/netns gives it to anybody) and the program ip. The client closes first
// and so keeps TIME-WAIT; each connection carries a request and a response of a few bytes.
struct KernelChurn {
  // Who chooses local ports. The kernel looks at one after the other, of one parity first; where half of them are in
  // TIME-WAIT that takes it milliseconds for each connection. A client that binds says which is the oldest.
  bool own_ports = false;
  bool timestamps = true;  // net.ipv4.tcp_timestamps; with them a bound port is taken out of TIME-WAIT in any case
  bool reuse = false;      // net.ipv4.tcp_tw_reuse: 1 or 0
  std::uint16_t first_port = 32768;  // net.ipv4.ip_local_port_range
  std::uint16_t last_port = 60999;
  std::uint32_t addresses = 1;
  double rate = 2000;  // connections/s that are asked for
  Duration duration{0};
};

// For a process of its own: it never gets back to the network it was in.
Expected<ChurnResult, std::string> run(const KernelChurn& churn);

}  // namespace pollux::app
