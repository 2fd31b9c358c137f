// TCBs' comings and goings: active opens, the ports they take, TIME-WAIT, the end.

#include "base/assert.h"
#include "base/mutant.h"
#include "shard/shard_core.h"
#include "tcp/time_wait.h"

namespace pollux {
namespace {

Destination destination_of(const FlowKey& key) { return {key.local, key.remote, key.remote_port}; }

// A port whose tuple somebody else has (a passive connection) is passed over; this often.
constexpr int kPortTries = 8;
// RFC 6191, and Linux: our timestamps have surely moved on after a second.
constexpr std::int32_t kReuseAfterMs = 1000;

}  // namespace

Expected<ConnId, ConnectError> ShardCore::connect(const ConnectSpec& spec, Instant now) {
  env_.now = now;
  if (spec.remote_port == 0 || invalid_remote(spec.remote)) return unexpected(ConnectError::kInvalidAddress);
  if (spec.local && (!is_local(*spec.local) || spec.local->is_v4() != spec.remote.is_v4())) {
    return unexpected(ConnectError::kInvalidAddress);
  }
  const std::optional<IpAddress> local = spec.local ? spec.local : source_for(spec.remote);
  if (!local || !next_hop_for(spec.remote)) {
    ++shard_counters_.no_route;
    return unexpected(ConnectError::kNoRoute);
  }
  if (tcbs_.full()) {
    ++shard_counters_.table_full;
    return unexpected(ConnectError::kInsufficientResources);
  }
  FlowKey key{*local, spec.remote, spec.local_port, spec.remote_port};
  std::optional<SeqNum> above;
  const auto port = choose_port(key, spec, above);
  if (!port) return unexpected(port.error());
  key.local_port = *port;

  const std::uint32_t index = new_tcb(flows_.hash(key));
  tcp::Tcb& tcb = tcbs_[index];
  tcp::Opening opening = opening_for(key, above);
  if (spec.options.fast_open) ask_fast_open(key, opening);
  tcb.open_active(key, opening, spec.options, env_);
  tcb.user = spec.user;
  tcb.ephemeral = key.local_port >= config_.first_port && key.local_port <= config_.last_port;
  settle(index);
  return ConnId{index, tcb.generation};
}

// RFC 6056. `above`: set where the tuple comes out of TIME-WAIT (RFC 6191).
Expected<std::uint16_t, ConnectError> ShardCore::choose_port(const FlowKey& key, const ConnectSpec& spec,
                                                             std::optional<SeqNum>& above) {
  const auto free = [&](std::uint16_t port) {
    FlowKey candidate = key;
    candidate.local_port = port;
    return locate(candidate, flows_.hash(candidate)) == kNone;
  };
  const auto mine = [&](std::uint16_t port) {
    FlowKey candidate = key;
    candidate.local_port = port;
    return config_.ownership.mine(candidate);
  };
  const Destination to = destination_of(key);
  if (spec.local_port != 0) {
    if (!mine(spec.local_port)) return unexpected(ConnectError::kAddressNotAvailable);
    if (!free(spec.local_port)) return unexpected(ConnectError::kAddressInUse);
    if (!reuse_time_wait(key, above)) return unexpected(ConnectError::kAddressInUse);
    const auto taken = ports_.take_specific(to, spec.local_port, mine);
    if (!taken && taken.error() != PortError::kOutsideRange) return unexpected(ConnectError::kAddressInUse);
    return spec.local_port;
  }
  for (int tries = 0; tries < kPortTries; ++tries) {
    const auto port = ports_.take(to, draw(), mine);
    if (port) {
      if (free(*port)) return *port;
      ports_.release(to, *port);
      continue;
    }
    if (port.error() == PortError::kTooManyDestinations) return unexpected(ConnectError::kInsufficientResources);
    const auto oldest = config_.reuse_time_wait ? ports_.oldest_in_time_wait(to) : std::nullopt;
    FlowKey candidate = key;
    candidate.local_port = oldest.value_or(0);
    if (!oldest || !reuse_time_wait(candidate, above)) break;
    if (ports_.take_specific(to, *oldest, mine)) return *oldest;
    break;
  }
  ++shard_counters_.ports_exhausted;
  return unexpected(ConnectError::kAddressNotAvailable);
}

// Whether the tuple is free of TIME-WAIT, or may leave it now because timestamps will tell
// the new connection's segments from the old one's.
bool ShardCore::reuse_time_wait(const FlowKey& key, std::optional<SeqNum>& above) {
  const std::optional<TimeWaitEntry> entry = time_wait_.find(key);
  if (!entry) return true;
  const std::int32_t age = tcp::Millis::floor(env_.now).since(tcp::Millis{entry->entered_ms});
  if (!config_.reuse_time_wait || !entry->timestamps || !config_.tcp.timestamps || age < kReuseAfterMs) return false;
  above = entry->snd_nxt;
  time_wait_.remove(key);
  time_wait_over(*entry);
  return true;
}

// Numbers for port choice that nobody outside can foresee: a keyed hash of a count.
std::uint64_t ShardCore::draw() {
  const std::uint64_t count = draws_++;
  return siphash24_of(HashKey{config_.keys.random_seed, config_.keys.isn.k0}, count);
}

std::uint32_t ShardCore::find(ConnId id) const {
  return id.index < tcbs_.capacity() && id.generation != 0 && generation_at(id.index) == id.generation ? id.index
                                                                                                       : kNone;
}

std::uint32_t ShardCore::new_tcb(std::uint64_t hash) {
  const std::uint32_t index = tcbs_.alloc();
  CHECK(index != kNone);
  enrol(index, hash);
  return index;
}

// From here on segments and handles find it.
void ShardCore::enrol(std::uint32_t index, std::uint64_t hash) {
  CHECK(flows_.insert(hash, index));
  tcbs_[index].in_flow_table = true;
  tcbs_[index].generation = next_generation_;
  generation_at(index) = next_generation_;
  if (++next_generation_ == 0) next_generation_ = 1;
}

void ShardCore::settle(std::uint32_t index) {
  tcp::Tcb& tcb = tcbs_[index];
  if (tcb.fast_open_pending && tcb.state() != tcp::State::kSynReceived) end_pending_fast_open(tcb);
  const bool quiet = !tcb.wants_to_transmit() && !tcb.has_events() && !tcb.in_ready_list;
  if (quiet && tcb.state() == tcp::State::kClosed) return destroy(index);
  if (tcb.state() == tcp::State::kClosed && !tcb.wants_to_transmit()) give_up_key(index);
  if (quiet && tcb.state() == tcp::State::kTimeWait && tcb.unread(env_) == 0) return to_time_wait(index);
  if (tcb.wants_to_transmit() && !tcb.in_ready_list) push_ready(index);
  if (const auto due = tcb.next_deadline(env_.now);
      due && (!wheel_.armed(index) || MUTANT(21, *due < wheel_.deadline(index), false))) {
    wheel_.arm(index, *due);
  }
}

void ShardCore::destroy(std::uint32_t index) {
  give_up_key(index);
  free_tcb(index);
}

// The connection is over: its addresses and ports are free for the next, though the application may still be reading.
void ShardCore::give_up_key(std::uint32_t index) {
  tcp::Tcb& tcb = tcbs_[index];
  if (MUTANT(23, tcb.ephemeral, false)) ports_.release(destination_of(tcb.key()), tcb.key().local_port);
  tcb.ephemeral = false;
  leave_flow_table(index);
}

void ShardCore::leave_flow_table(std::uint32_t index) {
  tcp::Tcb& tcb = tcbs_[index];
  if (tcb.in_flow_table) flows_.erase(flows_.hash(tcb.key()), index);
  tcb.in_flow_table = false;
}

void ShardCore::free_tcb(std::uint32_t index) {
  tcp::Tcb& tcb = tcbs_[index];
  leave_flow_table(index);
  wheel_.disarm(index);
  generation_at(index) = 0;
  tcb.release(env_);
  tcbs_.free(index);
}

// The TCB shrinks to a record of 32 bytes (56 for IPv6).
void ShardCore::to_time_wait(std::uint32_t index) {
  const tcp::Tcb& tcb = tcbs_[index];
  const tcp::TimeWaitRecord record = tcp::TimeWaitRecord::pack(tcb, env_.now);
  TimeWaitEntry entry;
  entry.key = tcb.key();
  entry.snd_nxt = record.snd_nxt;
  entry.rcv_nxt = record.rcv_nxt;
  entry.ts_recent = record.ts_recent;
  entry.rcv_wnd_field = record.wnd_field;
  entry.listener = static_cast<std::uint8_t>(tcb.listener);
  entry.timestamps = record.timestamps;
  entry.active_open = tcb.ephemeral;
  if (tcb.ephemeral) ports_.enter_time_wait(destination_of(entry.key), entry.key.local_port);
  free_tcb(index);
  const Entered entered =
      time_wait_.enter(entry, env_.now, [&](const TimeWaitEntry& evicted) { time_wait_over(evicted); });
  if (entered == Entered::kRefused) time_wait_over(entry);
}

void ShardCore::time_wait_over(const TimeWaitEntry& entry) {
  --counters_.states[static_cast<std::size_t>(tcp::State::kTimeWait)];
  if (entry.active_open) ports_.leave_time_wait(destination_of(entry.key), entry.key.local_port);
}

}  // namespace pollux
