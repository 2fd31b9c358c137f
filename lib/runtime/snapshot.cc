#include "runtime/snapshot.h"

#include <array>
#include <bit>
#include <type_traits>

#include "base/assert.h"

namespace pollux::runtime {

namespace {

// Adds structs that consist of `Word`s alone, member by member.
template <class Word, class Counters>
void add(Counters& sum, const Counters& more) {
  static_assert(std::is_trivially_copyable_v<Counters> && sizeof(Counters) % sizeof(Word) == 0);
  using Words = std::array<Word, sizeof(Counters) / sizeof(Word)>;
  auto a = std::bit_cast<Words>(sum);
  const auto b = std::bit_cast<Words>(more);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  sum = std::bit_cast<Counters>(a);
}

void add_core(CoreSnapshot& sum, const CoreSnapshot& core) {
  add<std::uint64_t>(sum.loop, core.loop);
  if (core.role == CoreRole::kPort) {
    sum.queue.tx_dropped += core.queue.tx_dropped;  // its packets are the workers', but for those that end here
    return;
  }
  add<std::uint64_t>(sum.queue, core.queue);
  add<std::uint64_t>(sum.shard, core.shard);
  add<std::uint64_t>(sum.tcp, core.tcp);
  add<std::uint64_t>(sum.gauges, core.gauges);
  add<std::size_t>(sum.memory, core.memory);
  sum.connections += core.connections;
  sum.time_wait += core.time_wait;
  add<std::uint64_t>(sum.time_wait_counters, core.time_wait_counters);
  add<std::uint32_t>(sum.ports, core.ports);
  add<std::uint64_t>(sum.impaired_received, core.impaired_received);
  add<std::uint64_t>(sum.impaired_sent, core.impaired_sent);
}

}  // namespace

CoreSnapshot EngineSnapshot::total(const std::string& group) const {
  CoreSnapshot sum;
  sum.group = group;
  for (const CoreSnapshot& core : cores) {
    if (group.empty() || core.group == group) add_core(sum, core);
  }
  return sum;
}

void EngineSnapshot::take_gauges(const EngineSnapshot& earlier) {
  CHECK(cores.size() == earlier.cores.size() && ports.size() == earlier.ports.size());
  for (std::size_t i = 0; i < cores.size(); ++i) {
    cores[i].gauges = earlier.cores[i].gauges;
    cores[i].connections = earlier.cores[i].connections;
    cores[i].time_wait = earlier.cores[i].time_wait;
  }
  for (std::size_t i = 0; i < ports.size(); ++i) ports[i].mbufs_outstanding = earlier.ports[i].mbufs_outstanding;
}

}  // namespace pollux::runtime
