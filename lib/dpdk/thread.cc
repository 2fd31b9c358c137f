#include "dpdk/thread.h"

#include <pthread.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <sched.h>

#include <memory>
#include <utility>

namespace pollux::dpdk {
namespace {

int run_body(void* argument) {
  const std::unique_ptr<std::function<void()>> body{static_cast<std::function<void()>*>(argument)};
  (*body)();
  return 0;
}

}  // namespace

std::vector<unsigned> worker_lcores() {
  std::vector<unsigned> lcores;
  unsigned lcore = 0;
  RTE_LCORE_FOREACH_WORKER(lcore) { lcores.push_back(lcore); }
  return lcores;
}

Expected<void, std::string> run_on_lcore(unsigned lcore, std::function<void()> body) {
  auto argument = std::make_unique<std::function<void()>>(std::move(body));
  const int status = rte_eal_remote_launch(run_body, argument.get(), lcore);
  if (status != 0) {
    return unexpected("cannot start work on lcore " + std::to_string(lcore) + ": " +
                      (status == -EBUSY ? "it is busy" : rte_strerror(-status)));
  }
  static_cast<void>(argument.release());  // run_body owns it now
  return {};
}

void wait_for_lcore(unsigned lcore) { rte_eal_wait_lcore(lcore); }

std::jthread registered_thread(int cpu, std::function<void()> body) {
  return std::jthread{[cpu, body = std::move(body)] {
    if (cpu >= 0) pin_this_thread(static_cast<unsigned>(cpu));
    const bool registered = rte_thread_register() == 0;
    body();
    if (registered) rte_thread_unregister();
  }};
}

std::vector<unsigned> allowed_cpus() {
  std::vector<unsigned> cpus;
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return cpus;
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

bool pin_this_thread(unsigned cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  return pthread_setaffinity_np(pthread_self(), sizeof set, &set) == 0;
}

}  // namespace pollux::dpdk
