#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "device/impairment.h"
#include "dpdk/mbuf_device.h"
#include "dpdk/port.h"
#include "shard/shard_core.h"
#include "tcp/counters.h"
#include "time/instant.h"

namespace pollux::runtime {

// What a core's loop did since start.
struct LoopCounters {
  std::uint64_t turns = 0;
  std::uint64_t busy_turns = 0;    // turns that received, sent, timed out or obeyed something
  Duration busy{0};                // time in those
  Duration total{0};               // time in all, sleep included
  std::uint64_t commands = 0;      // from the mailbox
  std::uint64_t resteered = 0;     // packets passed on to the core that owns their flow
  std::uint64_t resteer_lost = 0;  // ... for which that core had no room
  std::uint64_t rx_dropped = 0;    // pipeline: for which the stack core's ring had no room

  // The time that has passed since an earlier reading; of the rest, as it is.
  LoopCounters since(const LoopCounters& earlier) const {
    LoopCounters part = *this;
    part.busy -= earlier.busy;
    part.total -= earlier.total;
    return part;
  }

  double busy_fraction() const {
    return total.count() == 0 ? 0 : static_cast<double>(busy.count()) / static_cast<double>(total.count());
  }
};

enum class CoreRole : std::uint8_t {
  kWorker,  // stack and port, or the stack behind a pipeline
  kPort,    // moves frames between the port and the stack cores of a pipeline
};

// One polled thing, read on its own core between two turns.
struct CoreSnapshot {
  std::string group;    // the port as asked for
  unsigned worker = 0;  // within the group; for kPort: 0
  unsigned cpu = 0;
  CoreRole role = CoreRole::kWorker;
  LoopCounters loop;
  dpdk::QueueCounters queue;
  // kWorker only:
  ShardCounters shard;
  tcp::Counters tcp;
  ShardCore::Gauges gauges;
  ShardCore::MemoryUse memory;
  std::uint32_t connections = 0;
  std::uint64_t time_wait = 0;  // entries at this moment
  TimeWaitTable::Counters time_wait_counters;
  EphemeralPorts::Usage ports;
  ImpairmentCounters impaired_received;  // by the bad wire before the device, if there is one
  ImpairmentCounters impaired_sent;
};

struct PortSnapshot {
  std::string group;
  std::string description;  // one line: offloads, RSS, queues, MTU
  dpdk::PortCounters counters;
  std::size_t mbufs_outstanding = 0;
  std::size_t pool_bytes = 0;  // of all its mbufs, used or not
};

struct EngineSnapshot {
  Instant at;
  std::vector<CoreSnapshot> cores;
  std::vector<PortSnapshot> ports;
  std::vector<std::string> broken_captures;  // files that lack frames, as writing failed; after stop() only

  // The sum over the workers of one group, or of all when `group` is empty.
  CoreSnapshot total(const std::string& group = {}) const;

  // What stood open becomes what it was in `earlier`, of the same engine; all that is counted stays. For the end of a
  // run: once the engine has stopped nothing stands open any more.
  void take_gauges(const EngineSnapshot& earlier);
};

}  // namespace pollux::runtime
