#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/expected.h"
#include "runtime/group.h"
#include "runtime/options.h"
#include "runtime/snapshot.h"
#include "time/instant.h"

namespace pollux::runtime {

// A running stack: the DPDK environment, ports, and groups of workers on their cores.
//
//   create -> add_group ... -> start -> (Group::call: listen, connect) -> stop
//
// One at a time in a process, and one run: DPDK starts once. For one control thread,
// except hurry().
class Engine {
 public:
  // Checks the options; nothing is started yet. Errors say what happened, what was looked at and what mends it.
  static Expected<std::unique_ptr<Engine>, std::string> create(EngineOptions options);
  ~Engine();  // stops at once if it runs
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // make_app(worker) is called during start(), on that worker's thread.
  template <App A>
  Expected<Group<A>*, std::string> add_group(GroupOptions options,
                                             std::function<std::unique_ptr<A>(unsigned worker)> make_app) {
    if (auto ok = check(options); !ok) return unexpected(ok.error());
    auto group = std::make_unique<Group<A>>(std::move(options), std::move(make_app));
    Group<A>* const made = group.get();
    add(std::move(group));
    return made;
  }

  // What EAL will take for packets of the groups added so far, in MB: in huge pages, or nearly twice as much without.
  std::size_t packet_memory_mb(bool huge_pages) const;

  // Starts EAL, opens the ports, builds the workers; when it returns they poll.
  Expected<void, std::string> start();

  // Closes listeners and connections, gives them up to `drain` to end, then resets what is left and sends
  // the last frames. True if everything had ended in time. A second call leaves at once.
  bool stop(Duration drain);
  // Makes a stop() that is under way on another thread, or interrupted by this signal handler, leave at once.
  void hurry() noexcept { hurry_.store(true); }

  // All counters, read on each core between two turns. After stop() too.
  EngineSnapshot snapshot();

  Instant now();
  // Sets the workers' clock ahead, at each worker's next turn: what would be due by then is due now, all of it at once.
  // For measurements that cannot wait for 2MSL. What the loops count of themselves stays in real time.
  void advance_clock(Duration by);
  // What the user should know though it is no error: "3 pollers share 2 CPUs ...".
  const std::vector<std::string>& notes() const { return notes_; }
  // "huge pages"; then one line per port.
  std::string describe() const;
  // The kernel's interface behind a group's port, or empty; the MAC address of the port.
  std::string interface(const GroupBase& group) const;
  MacAddress mac(const GroupBase& group) const;

 private:
  struct Impl;

  explicit Engine(EngineOptions options);
  Expected<void, std::string> check(const GroupOptions& options) const;
  void add(std::unique_ptr<GroupBase> group);
  const dpdk::Port* port_of(const GroupBase& group) const;

  std::unique_ptr<Impl> impl_;
  std::vector<std::string> notes_;
  std::atomic<bool> hurry_{false};
};

}  // namespace pollux::runtime
