#include "shard/neighbour_table.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace pollux {
namespace {

constexpr std::uint32_t kNone = NextHop::kNone;

// How many that have been used since get another chance before one is evicted all the same.
constexpr int kSecondChances = 8;

bool is_unsettled(NeighbourState state) {
  return state == NeighbourState::kIncomplete || state == NeighbourState::kProbing;
}

bool can_be_a_station(const MacAddress& mac) { return !mac.is_group() && !mac.is_zero(); }

}  // namespace

NeighbourTable::NeighbourTable(const Config& config)
    : config_{config}, index_{config.capacity, Pages::kOrdinary}, entries_(config.capacity) {}

NeighbourTable::Resolved NeighbourTable::resolve(const IpAddress& address, std::uint32_t waiter, Instant now) {
  std::uint32_t index = find(address);
  const bool is_new = index == kNone;
  if (is_new) index = create(address);
  if (index == kNone) return {};
  Entry& entry = entries_[index];
  touch(index);
  grow_stale(entry, now);

  const bool may_ask = is_new || now - entry.last_request >= config_.retry_interval;
  bool send_request = false;
  if (entry.state == NeighbourState::kUnreachable && may_ask) {
    enter(entry, NeighbourState::kIncomplete);
    send_request = true;
  } else if (entry.state == NeighbourState::kStale) {
    enter(entry, NeighbourState::kProbing);
    send_request = may_ask;
  }
  if (send_request) ask(entry, now);
  if (entry.state == NeighbourState::kIncomplete) wait(entry, waiter);
  return {{index, entry.generation}, entry.has_mac ? &entry.mac : nullptr, entry.state, send_request};
}

void NeighbourTable::confirm(NextHop hop, Instant now) {
  if (hop.index >= entries_.size()) return;
  Entry& entry = entries_[hop.index];
  if (entry.generation != hop.generation || !entry.has_mac || entry.is_static) return;
  entry.confirmed = now;
  enter(entry, NeighbourState::kReachable);
}

void NeighbourTable::doubt(NextHop hop) {
  if (hop.index >= entries_.size()) return;
  Entry& entry = entries_[hop.index];
  if (entry.generation != hop.generation || entry.is_static || entry.state != NeighbourState::kReachable) return;
  enter(entry, NeighbourState::kStale);
}

bool NeighbourTable::add_static(const IpAddress& address, const MacAddress& mac) {
  std::uint32_t index = find(address);
  if (index == kNone) index = create(address);
  if (index == kNone) return false;
  Entry& entry = entries_[index];
  if (!entry.is_static) unlink_used(index);
  entry.is_static = true;
  entry.mac = mac;
  entry.has_mac = true;
  entry.waiters = {};
  enter(entry, NeighbourState::kReachable);
  return true;
}

bool NeighbourTable::remove(const IpAddress& address) {
  const std::uint32_t index = find(address);
  if (index == kNone) return false;
  forget(index);
  entries_[index].more_used = free_;
  free_ = index;
  return true;
}

std::optional<NeighbourState> NeighbourTable::state(const IpAddress& address) const {
  const std::uint32_t index = find(address);
  if (index == kNone) return std::nullopt;
  return entries_[index].state;
}

std::uint32_t NeighbourTable::find(const IpAddress& address) const {
  return index_.find(hash(address), [&](std::uint32_t i) { return entries_[i].address == address; });
}

std::uint32_t NeighbourTable::create(const IpAddress& address) {
  std::uint32_t index = free_;
  if (index != kNone) {
    free_ = entries_[index].more_used;
  } else {
    index = made_ < entries_.size() ? made_++ : evict();
  }
  if (index == kNone) {
    ++counters_.full;
    return kNone;
  }
  CHECK(index_.insert(hash(address), index));
  const std::uint32_t generation = entries_[index].generation + 1;
  entries_[index] = Entry{};
  entries_[index].address = address;
  entries_[index].generation = generation;
  link_most_used(index);
  ++counters_.created;
  return index;
}

std::uint32_t NeighbourTable::evict() {
  for (int i = 0; i < kSecondChances && least_used_ != kNone && entries_[least_used_].used; ++i) touch(least_used_);
  const std::uint32_t index = least_used_;
  if (index == kNone) return kNone;
  entries_[index].used = false;
  forget(index);
  ++counters_.evicted;
  return index;
}

// The generation goes on, so whoever remembers the place does not find it again.
void NeighbourTable::forget(std::uint32_t index) {
  Entry& entry = entries_[index];
  index_.erase(hash(entry.address), index);
  if (!entry.is_static) unlink_used(index);
  enter(entry, NeighbourState::kUnreachable);
  const std::uint32_t generation = entry.generation + 1;
  entry = Entry{};
  entry.generation = generation;
}

// The only way to change the state.
void NeighbourTable::enter(Entry& entry, NeighbourState next) {
  unsettled_ -= is_unsettled(entry.state) ? 1u : 0u;
  unsettled_ += is_unsettled(next) ? 1u : 0u;
  entry.state = next;
  entry.requests = 0;
}

void NeighbourTable::take_answer(const IpAddress& address, const MacAddress& mac, bool solicited, Instant now,
                                 Waiters& ready) {
  const std::uint32_t index = can_be_a_station(mac) ? find(address) : kNone;
  if (index == kNone) {
    ++counters_.ignored;
    return;
  }
  Entry& entry = entries_[index];
  if (!entry.has_mac) {
    ++counters_.resolved;
  } else if (mac != entry.mac) {
    if (entry.is_static || now - entry.last_change < config_.change_interval) {
      ++counters_.change_refused;
      return;
    }
    ++counters_.changed;
  } else if (!solicited || entry.is_static) {
    return;  // nothing new, and no proof that the peer hears us
  }
  if (!entry.has_mac || mac != entry.mac) entry.last_change = now;
  entry.mac = mac;
  entry.has_mac = true;
  if (solicited) entry.confirmed = now;
  enter(entry, solicited ? NeighbourState::kReachable : NeighbourState::kStale);
  ready = std::exchange(entry.waiters, {});
}

// True: a request is to be sent, and has been counted.
bool NeighbourTable::look_after(std::uint32_t index, Instant now, Waiters& lost) {
  Entry& entry = entries_[index];
  const bool used = entry.used;
  if (used) touch(index);
  grow_stale(entry, now);
  if (entry.state == NeighbourState::kStale && used) enter(entry, NeighbourState::kProbing);
  if (!is_unsettled(entry.state) || now - entry.last_request < config_.retry_interval) return false;
  if (entry.requests < config_.max_requests) {
    ask(entry, now);
    return true;
  }
  ++counters_.unreachable;
  entry.has_mac = false;
  entry.last_request = now;  // whoever wants it within retry_interval is told so, and does not begin again
  enter(entry, NeighbourState::kUnreachable);
  lost = std::exchange(entry.waiters, {});
  return false;
}

void NeighbourTable::ask(Entry& entry, Instant now) {
  ++entry.requests;
  entry.last_request = now;
  ++counters_.requests;
}

void NeighbourTable::wait(Entry& entry, std::uint32_t waiter) {
  if (waiter == kNoWaiter) return;
  Waiters& w = entry.waiters;
  if (std::find(w.ids.begin(), w.ids.begin() + w.count, waiter) != w.ids.begin() + w.count) return;
  if (w.count == kWaiters) {
    ++counters_.waiters_dropped;
    return;
  }
  w.ids[w.count++] = waiter;
}

void NeighbourTable::link_most_used(std::uint32_t index) {
  entries_[index].less_used = most_used_;
  entries_[index].more_used = kNone;
  (most_used_ == kNone ? least_used_ : entries_[most_used_].more_used) = index;
  most_used_ = index;
}

void NeighbourTable::unlink_used(std::uint32_t index) {
  const std::uint32_t less = entries_[index].less_used;
  const std::uint32_t more = entries_[index].more_used;
  (less == kNone ? least_used_ : entries_[less].more_used) = more;
  (more == kNone ? most_used_ : entries_[more].less_used) = less;
}

}  // namespace pollux
