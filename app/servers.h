#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/expected.h"
#include "runtime/engine.h"
#include "service_counters.h"
#include "shard/shard_core.h"

namespace pollux::app {

class HttpContent;
struct HttpServerConfig;

// The servers of one group, one for each core, whichever service they are: a stack is compiled once for each service,
// and not once for each command that starts it. For the control thread.
class Servers {
 public:
  using Visit = std::function<void(ShardCore& core, const ServiceCounters& counters)>;

  virtual ~Servers() = default;
  // Makes their group, which is the engine's; what follows is for the time after Engine::start. Errors are add_group's.
  virtual Expected<void, std::string> add_to(runtime::Engine& engine, runtime::GroupOptions options) = 0;
  virtual unsigned workers() const = 0;
  // Has that worker's core run it between two turns, and waits.
  virtual void on(unsigned worker, const Visit& visit) = 0;

  // On every core, until one cannot. The error says on which port not, and why.
  Expected<void, std::string> listen(const ListenSpec& spec);
  ServiceCounters counters();
  double time_wait_entry();  // bytes, see Result
};

std::unique_ptr<Servers> echo_servers();
std::unique_ptr<Servers> discard_servers();
std::unique_ptr<Servers> chargen_servers();
// The content is the caller's, and outlives the engine.
std::unique_ptr<Servers> http_servers(const HttpContent& content, const HttpServerConfig& config);

}  // namespace pollux::app
