#include "shard/ephemeral_ports.h"

#include <algorithm>

#include "base/assert.h"

namespace pollux {
namespace {

// One in so many of the free ports, those released last, is not given out. What is left of 28,232 are 14.4 bits.
constexpr std::uint32_t kRestingOneIn = 4;

}  // namespace

// Every offset of a pool stands in one place of its arrays:
//
//   links   4 bytes each, free_offsets 2, states 1
EphemeralPorts::EphemeralPorts(const Config& config)
    : config_{config},
      range_{config.last < config.first ? 0 : std::uint32_t{config.last} - config.first + 1},
      pool_bytes_{(std::size_t{range_} * (sizeof(Links) + sizeof(std::uint16_t) + sizeof(State)) + 63) / 64 * 64},
      memory_{pool_bytes_ * config.max_destinations, config.pages},
      index_{config.max_destinations, config.pages},
      pools_(config.max_destinations),
      exclusions_(range_) {
  CHECK(range_ <= kNil);
}

EphemeralPorts::Links* EphemeralPorts::links(std::uint32_t pool) const {
  return reinterpret_cast<Links*>(memory_.data() + pool * pool_bytes_);
}

std::uint16_t* EphemeralPorts::free_offsets(std::uint32_t pool) const {
  return reinterpret_cast<std::uint16_t*>(links(pool) + range_);
}

EphemeralPorts::State* EphemeralPorts::states(std::uint32_t pool) const {
  return reinterpret_cast<State*>(free_offsets(pool) + range_);
}

std::uint32_t EphemeralPorts::find(const Destination& to, std::uint64_t hash) const {
  return index_.find(hash, [&](std::uint32_t pool) { return pools_[pool].to == to; });
}

// A pool for a new destination: one never used, else the one idle for longest.
std::uint32_t EphemeralPorts::claim_pool(const Destination& to, std::uint64_t hash) {
  std::uint32_t pool = kNone;
  if (made_ < pools_.size()) {
    pool = made_++;
  } else if (idle_oldest_ != kNone) {
    pool = idle_oldest_;
    unlink_idle(pool);
    index_.erase(siphash13_of(config_.hash_key, pools_[pool].to), pool);
    total_.free -= pools_[pool].free;
  } else {
    return kNone;
  }
  pools_[pool] = Pool{};
  pools_[pool].to = to;
  CHECK(index_.insert(hash, pool));
  link_idle(pool);
  return pool;
}

void EphemeralPorts::add_port(std::uint32_t pool, std::uint16_t offset, bool mine) {
  states(pool)[offset] = mine ? State::kExcluded : State::kForeign;
  if (mine) add_free(pool, offset);
}

// A peer that closed first has the port in TIME-WAIT, and there a SYN must have a later timestamp, in milliseconds, or
// a higher number, on a clock that the text of a short connection outruns. So a port rests before it is used again.
Expected<std::uint16_t, PortError> EphemeralPorts::take_from(std::uint32_t pool, std::uint64_t random) {
  const std::uint32_t free = pools_[pool].free;
  if (free == 0) return unexpected(PortError::kAddressNotAvailable);
  const std::uint32_t rested = free - std::min(pools_[pool].released, free / kRestingOneIn);
  // The high half times the count: without division, and without a bias that 2^32 draws would show.
  const std::uint32_t drawn = static_cast<std::uint32_t>(((random >> 32) * rested) >> 32);
  const std::uint16_t offset = free_offsets(pool)[free_place(pools_[pool], drawn)];
  put_in_use(pool, offset);
  return static_cast<std::uint16_t>(config_.first + offset);
}

Expected<std::uint16_t, PortError> EphemeralPorts::take_specific_from(std::uint32_t pool, std::uint16_t port) {
  const auto offset = static_cast<std::uint16_t>(port - config_.first);
  switch (states(pool)[offset]) {
    case State::kForeign:
      return unexpected(PortError::kNotMine);
    case State::kInUse:
      return unexpected(PortError::kInUse);
    case State::kTimeWait:
      return unexpected(PortError::kInTimeWait);
    case State::kFree:
    case State::kExcluded:
      put_in_use(pool, offset);
      return port;
  }
  unreachable();
}

void EphemeralPorts::release(const Destination& to, std::uint16_t port) {
  const auto [pool, offset] = place_of(to, port);
  ASSERT(states(pool)[offset] == State::kInUse);
  --pools_[pool].in_use;
  --total_.in_use;
  let_go(pool, offset);
  if (!pools_[pool].used()) link_idle(pool);
}

void EphemeralPorts::enter_time_wait(const Destination& to, std::uint16_t port) {
  const auto [index, offset] = place_of(to, port);
  ASSERT(states(index)[offset] == State::kInUse);
  Pool& pool = pools_[index];
  Links* const link = links(index);
  states(index)[offset] = State::kTimeWait;
  link[offset] = {pool.newest, kNil};
  (pool.newest == kNil ? pool.oldest : link[pool.newest].b) = offset;
  pool.newest = offset;
  --pool.in_use;
  --total_.in_use;
  ++pool.in_time_wait;
  ++total_.in_time_wait;
}

void EphemeralPorts::leave_time_wait(const Destination& to, std::uint16_t port) {
  const auto [index, offset] = place_of(to, port);
  ASSERT(states(index)[offset] == State::kTimeWait);
  Pool& pool = pools_[index];
  Links* const link = links(index);
  const auto [before, after] = link[offset];
  (before == kNil ? pool.oldest : link[before].b) = after;
  (after == kNil ? pool.newest : link[after].a) = before;
  --pool.in_time_wait;
  --total_.in_time_wait;
  let_go(index, offset);
  if (!pool.used()) link_idle(index);
}

std::optional<std::uint16_t> EphemeralPorts::oldest_in_time_wait(const Destination& to) const {
  const std::uint32_t pool = find(to, siphash13_of(config_.hash_key, to));
  if (pool == kNone || pools_[pool].oldest == kNil) return std::nullopt;
  return static_cast<std::uint16_t>(config_.first + pools_[pool].oldest);
}

void EphemeralPorts::exclude(std::uint16_t port) {
  if (port < config_.first || port > config_.last) return;
  const auto offset = static_cast<std::uint16_t>(port - config_.first);
  if (++exclusions_[offset] != 1) return;
  for (std::uint32_t pool = 0; pool < made_; ++pool) {
    if (states(pool)[offset] != State::kFree) continue;
    remove_from_free(pool, offset);
    states(pool)[offset] = State::kExcluded;
  }
}

void EphemeralPorts::include(std::uint16_t port) {
  if (port < config_.first || port > config_.last) return;
  const auto offset = static_cast<std::uint16_t>(port - config_.first);
  ASSERT(exclusions_[offset] > 0);
  if (--exclusions_[offset] != 0) return;
  for (std::uint32_t pool = 0; pool < made_; ++pool) {
    if (states(pool)[offset] == State::kExcluded) add_free(pool, offset);
  }
}

EphemeralPorts::Usage EphemeralPorts::usage(const Destination& to) const {
  const std::uint32_t pool = find(to, siphash13_of(config_.hash_key, to));
  if (pool == kNone) return {};
  return {pools_[pool].free, pools_[pool].in_use, pools_[pool].in_time_wait};
}

// The port must have been taken for this destination.
EphemeralPorts::Place EphemeralPorts::place_of(const Destination& to, std::uint16_t port) const {
  CHECK(port >= config_.first && port <= config_.last);
  const std::uint32_t pool = find(to, siphash13_of(config_.hash_key, to));
  CHECK(pool != kNone);
  return {pool, static_cast<std::uint16_t>(port - config_.first)};
}

void EphemeralPorts::let_go(std::uint32_t pool, std::uint16_t offset) {
  pools_[pool].released = std::min(pools_[pool].released + 1, range_);
  add_free(pool, offset);
}

// Nobody has the port now: free, unless it is excluded.
void EphemeralPorts::add_free(std::uint32_t pool, std::uint16_t offset) {
  if (exclusions_[offset] != 0) {
    states(pool)[offset] = State::kExcluded;
    return;
  }
  const auto at = static_cast<std::uint16_t>(free_place(pools_[pool], pools_[pool].free++));
  ++total_.free;
  free_offsets(pool)[at] = offset;
  links(pool)[offset].a = at;
  states(pool)[offset] = State::kFree;
}

// Where the `n`th of the free ones stands, from the head of their ring.
std::uint32_t EphemeralPorts::free_place(const Pool& pool, std::uint32_t n) const {
  const std::uint32_t place = pool.first + n;
  return place < range_ ? place : place - range_;
}

// The one at the ring's head takes its place.
void EphemeralPorts::remove_from_free(std::uint32_t pool, std::uint16_t offset) {
  const std::uint16_t at = links(pool)[offset].a;
  const std::uint16_t first = free_offsets(pool)[pools_[pool].first];
  pools_[pool].first = free_place(pools_[pool], 1);
  --pools_[pool].free;
  --total_.free;
  free_offsets(pool)[at] = first;
  links(pool)[first].a = at;
}

void EphemeralPorts::put_in_use(std::uint32_t pool, std::uint16_t offset) {
  if (states(pool)[offset] == State::kFree) remove_from_free(pool, offset);
  states(pool)[offset] = State::kInUse;
  if (!pools_[pool].used()) unlink_idle(pool);
  ++pools_[pool].in_use;
  ++total_.in_use;
}

void EphemeralPorts::link_idle(std::uint32_t pool) {
  pools_[pool].idle_before = idle_newest_;
  pools_[pool].idle_after = kNone;
  (idle_newest_ == kNone ? idle_oldest_ : pools_[idle_newest_].idle_after) = pool;
  idle_newest_ = pool;
}

void EphemeralPorts::unlink_idle(std::uint32_t pool) {
  const std::uint32_t before = pools_[pool].idle_before;
  const std::uint32_t after = pools_[pool].idle_after;
  (before == kNone ? idle_oldest_ : pools_[before].idle_after) = after;
  (after == kNone ? idle_newest_ : pools_[after].idle_before) = before;
}

}  // namespace pollux
