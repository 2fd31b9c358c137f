#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "options.h"

namespace pollux::app {

// What a run will need, computed before it: of all its cores together.
struct Plan {
  double rate = 0;                          // the highest, connections per second; 0: closed loop
  double connections = 0;                   // to be opened
  Duration length{0};                       // of the run
  std::uint64_t tuples = 0;                 // (our address, our port, target) that there are
  double tuples_needed = 0;                 // in TIME-WAIT at our side, and held, at most; 0: not known beforehand
  std::optional<Duration> exhausted_after;  // when there is no tuple left; empty: never
  double sustained = 0;                     // connections per second that the tuples allow for ever
  double packets_per_second = 0;            // each way, about
  std::uint64_t time_wait_limit = 0;
  std::uint64_t memory = 0;            // bytes of our tables, when full; packets not counted
  std::vector<std::string> shortages;  // each with the option that mends it
};

// `options` as resolved for the run (set_up.h).
Plan plan_of(const Options& options);

// A line about the memory for packets, where so much is needed in huge pages and without, and so much is free in huge
// pages; with the command that brings what is missing.
struct PacketMemory {
  std::size_t huge_mb = 0;
  std::size_t plain_mb = 0;
  std::size_t free_huge_mb = 0;
};
std::string to_text(const PacketMemory& memory, dpdk::HugePages wanted);

// Some lines for people.
std::string to_text(const Plan& plan, const Options& options);

}  // namespace pollux::app
