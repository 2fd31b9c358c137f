#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/expected.h"
#include "dpdk/port.h"
#include "dpdk/port_spec.h"
#include "runtime/options.h"

namespace pollux::runtime {

// What a group's `port` says: a port, or one end of a pair ("ring-pair:1").
struct GroupPort {
  dpdk::PortSpec spec;
  unsigned end = 0;
  std::string shared;  // the text without the end: two groups with the same one are on one pair

  static Expected<GroupPort, std::string> parse(const std::string& text);
};

// How many queues of its port such a group polls: one for each worker, or the port core's one.
std::uint16_t polled_queues(const GroupOptions& options);

// An error if the port is to have another number of queues: those that nobody polls would swallow what comes to them.
Expected<void, std::string> check_queues(const GroupOptions& options, const GroupPort& port);

// What the port of such a group is opened with: queues, and mbufs for all that may hold some.
dpdk::PortConfig port_config(const GroupOptions& options);

// Both ends of a pair are opened alike, and each end's packets may be held by the other's workers.
dpdk::PortConfig pair_config(const dpdk::PortConfig& a, const dpdk::PortConfig& b);

// An error if the kernel would answer for one of the group's addresses too.
Expected<void, std::string> check_kernel_addresses(const GroupOptions& options, const GroupPort& port);

ChecksumMode checksum_mode(RxChecksum policy);

}  // namespace pollux::runtime
