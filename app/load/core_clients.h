#pragma once

#include <optional>

#include "load/latencies.h"
#include "load/load_counts.h"
#include "load/probes.h"
#include "shard/shard_core.h"
#include "time/instant.h"

namespace pollux::app {

// What the clients of one core do for the control thread, whatever their protocol: load/load_app.h tells of each call.
class CoreClients {
 public:
  virtual ~CoreClients() = default;

  virtual void probe() = 0;
  virtual void end_probes() = 0;
  virtual const Probes& probes() const = 0;
  virtual std::optional<ConnectError> refusal() const = 0;
  virtual void fill() = 0;
  virtual bool filled() const = 0;
  virtual void begin(Instant at) = 0;
  virtual void stop(Instant now) = 0;
  virtual LoadCounts counts() const = 0;
  virtual void swap_latencies(Latencies& with) = 0;
};

}  // namespace pollux::app
