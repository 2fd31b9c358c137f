#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/expected.h"
#include "runtime/snapshot.h"
#include "time/instant.h"

namespace pollux::runtime {

// What a poller's thread turns: a worker, or the port core of a pipeline. Dispatched
// once per turn, which is once per burst. All but `turn` and `next_due` may be called from any thread.
class Polled {
 public:
  virtual ~Polled() = default;

  // Whether there was something to do.
  virtual bool turn(Instant now) = 0;
  // The latest moment for the next turn; nullopt: when a packet or a command comes.
  virtual std::optional<Instant> next_due(Instant now) const = 0;
  // The last turn: its thread leaves after it, and calls are answered by whoever makes them from here on.
  virtual void leave(Instant now) = 0;

  virtual CoreSnapshot snapshot() = 0;
  // No new connections; those that are open are closed, or the application sees to that itself (see Worker).
  virtual void begin_drain() = 0;
  // Resets what is still open.
  virtual void abort_all() = 0;
  // What a stop still has to wait for: connections, and after those frames not sent.
  struct Remaining {
    std::uint64_t connections = 0;
    std::uint64_t frames = 0;
  };
  virtual Remaining remaining() = 0;

  // The poller's own accounts, kept between turns on its thread.
  LoopCounters& loop() { return loop_; }

 protected:
  LoopCounters loop_;
};

}  // namespace pollux::runtime
