#pragma once

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/expected.h"

namespace pollux::dpdk {

// The lcores besides the main one, as EalOptions::cpus made them.
std::vector<unsigned> worker_lcores();

// Runs `body` on an lcore that is idle, and returns at once.
Expected<void, std::string> run_on_lcore(unsigned lcore, std::function<void()> body);
// Returns when `body` has.
void wait_for_lcore(unsigned lcore);

// A thread of our own that DPDK knows: it has a mempool cache, which other threads
// lack. Pinned to `cpu` if that is not negative. Joins when destroyed.
std::jthread registered_thread(int cpu, std::function<void()> body);

// CPUs this process may run on.
std::vector<unsigned> allowed_cpus();
bool pin_this_thread(unsigned cpu);

}  // namespace pollux::dpdk
