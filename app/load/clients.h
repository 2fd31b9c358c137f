#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/expected.h"
#include "load/core_clients.h"
#include "load/latencies.h"
#include "load/load_config.h"
#include "load/load_counts.h"
#include "runtime/engine.h"
#include "shard/shard_core.h"

namespace pollux::app {

// The clients of one group, of each core: a stack is compiled once for each protocol, and not once for each command
// that has clients. For the control thread.
class Clients {
 public:
  using Visit = std::function<void(ShardCore& core, CoreClients& clients, Instant now)>;
  using ConfigOf = std::function<LoadConfig(unsigned worker)>;

  virtual ~Clients() = default;
  // Makes their group, which is the engine's; what follows is for the time after Engine::start. Errors are add_group's.
  virtual Expected<void, std::string> add_to(runtime::Engine& engine, runtime::GroupOptions options,
                                             ConfigOf config_of) = 0;
  virtual unsigned workers() const = 0;
  // Has that worker's core run it between two turns, and waits.
  virtual void on(unsigned worker, const Visit& visit) = 0;

  void each(const Visit& visit);  // on one core after the other
  void first(const Visit& visit) { on(0, visit); }
  LoadCounts counts();
  // The same, and what was measured since the last call is added to `latencies`.
  LoadCounts counts_with(Latencies& latencies);
  double time_wait_entry();  // bytes, see Result
};

std::unique_ptr<Clients> clients_of(Scheme scheme);

}  // namespace pollux::app
