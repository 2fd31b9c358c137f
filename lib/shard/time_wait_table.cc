#include "shard/time_wait_table.h"

#include <algorithm>

#include "base/assert.h"

namespace pollux {
namespace {

using time_wait_detail::RecordV4;
using time_wait_detail::RecordV6;

// One slot in this many is added, for restarts.
constexpr std::uint32_t kSpareOneIn = 64;

IpAddress v4_address(std::uint32_t network_order) { return IpAddress::v4(from_big_endian(network_order)); }

template <class Record>
void pack(Record& record, const TimeWaitEntry& entry) {
  record.set_key(entry.key);
  record.snd_nxt = entry.snd_nxt.value();
  record.rcv_nxt = entry.rcv_nxt.value();
  record.ts_recent = entry.ts_recent;
  record.rcv_wnd_field = entry.rcv_wnd_field;
  record.listener = entry.listener;
  record.flags = static_cast<std::uint8_t>(
      time_wait_detail::kLive | (entry.timestamps ? time_wait_detail::kTimestamps : 0) |
      (entry.active_open ? time_wait_detail::kActiveOpen : 0) | entry.challenged << time_wait_detail::kChallengedShift);
}

template <class Record>
TimeWaitEntry unpack_record(const Record& record) {
  return {.key = record.key(),
          .snd_nxt = SeqNum{record.snd_nxt},
          .rcv_nxt = SeqNum{record.rcv_nxt},
          .ts_recent = record.ts_recent,
          .entered_ms = record.entered_ms,
          .rcv_wnd_field = record.rcv_wnd_field,
          .listener = record.listener,
          .timestamps = (record.flags & time_wait_detail::kTimestamps) != 0,
          .active_open = (record.flags & time_wait_detail::kActiveOpen) != 0,
          .challenged = static_cast<std::uint8_t>(record.flags >> time_wait_detail::kChallengedShift)};
}

}  // namespace

void RecordV4::set_key(const FlowKey& flow) {
  local = flow.local.words()[3];
  remote = flow.remote.words()[3];
  local_port = flow.local_port;
  remote_port = flow.remote_port;
}

FlowKey RecordV4::key() const { return {v4_address(local), v4_address(remote), local_port, remote_port}; }

TimeWaitEntry RecordV4::unpack() const { return unpack_record(*this); }

void RecordV6::set_key(const FlowKey& flow) {
  local = flow.local;
  remote = flow.remote;
  local_port = flow.local_port;
  remote_port = flow.remote_port;
}

TimeWaitEntry RecordV6::unpack() const { return unpack_record(*this); }

template <class Record>
TimeWaitTable::Ring<Record>::Ring(std::uint32_t live_records, Pages pages)
    : capacity{live_records},
      slots{live_records == 0 ? 0 : live_records + live_records / kSpareOneIn + 1},
      records{std::size_t{slots} * sizeof(Record), pages},
      index{live_records, pages} {}

template <class Record>
bool TimeWaitTable::Ring<Record>::has_free_slot() {
  if (used == slots) drop_dead_head();
  return used < slots;
}

template <class Record>
void TimeWaitTable::Ring<Record>::bury(std::uint32_t position) {
  at(position).flags = 0;
  if (position == head) drop_dead_head();
}

template <class Record>
void TimeWaitTable::Ring<Record>::drop_dead_head() {
  for (std::uint32_t n = 0; n < kBatch && used > 0 && !live(head); ++n) pop_head();
}

TimeWaitTable::TimeWaitTable(const Config& config)
    : config_{config},
      two_msl_ms_{static_cast<std::uint32_t>((config.two_msl + 1ms - 1ns) / 1ms)},
      v4_{config.capacity_v4, config.pages},
      v6_{config.capacity_v6, config.pages} {
  CHECK(config.two_msl >= 0ns && config.two_msl / 1ms < std::int64_t{1} << 31);
}

std::optional<TimeWaitEntry> TimeWaitTable::find(const FlowKey& key, std::uint64_t hash) const {
  if (key.local.is_v4()) {
    const std::uint32_t position = v4_.locate(key, hash);
    if (position != kNone) return v4_.at(position).unpack();
  } else {
    const std::uint32_t position = v6_.locate(key, hash);
    if (position != kNone) return v6_.at(position).unpack();
  }
  return std::nullopt;
}

bool TimeWaitTable::update(const FlowKey& key, SeqNum rcv_nxt, std::uint32_t ts_recent) {
  return with_ring(key, [&](auto& ring) {
    const std::uint32_t position = ring.locate(key, hash(key));
    if (position == kNone) return false;
    ring.at(position).rcv_nxt = rcv_nxt.value();
    ring.at(position).ts_recent = ts_recent;
    return true;
  });
}

bool TimeWaitTable::restart(const FlowKey& key, Instant now) {
  return with_ring(key, [&](auto& ring) {
    const std::uint64_t hashed = hash(key);
    const std::uint32_t position = ring.locate(key, hashed);
    if (position == kNone) return false;
    latest_ms_ = std::max(latest_ms_, rounded_up(now));
    restart(ring, position, hashed, static_cast<std::uint32_t>(latest_ms_));
    return true;
  });
}

template <class Record>
void TimeWaitTable::restart(Ring<Record>& ring, std::uint32_t position, std::uint64_t hash, std::uint32_t now_ms) {
  // The youngest may keep its place; so one connection's FINs alone fill no ring.
  if (position == ring.youngest()) {
    ring.at(position).entered_ms = now_ms;
  } else if (ring.at(position).entered_ms != now_ms) {
    if (position != ring.head && !ring.has_free_slot()) {
      ++counters_.restart_refused;
      return;
    }
    Record record = ring.at(position);
    record.entered_ms = now_ms;
    ring.bury(position);
    const std::uint32_t anew = ring.append();
    ring.at(anew) = record;
    ring.index.replace(hash, position, anew);
  }
  ++counters_.restarted;
}

bool TimeWaitTable::note_challenge(const FlowKey& key, std::uint8_t period) {
  return with_ring(key, [&](auto& ring) {
    const std::uint32_t position = ring.locate(key, hash(key));
    if (position == kNone) return false;
    constexpr unsigned kLower = (1u << time_wait_detail::kChallengedShift) - 1;
    std::uint8_t& flags = ring.at(position).flags;
    flags = static_cast<std::uint8_t>((flags & kLower) | unsigned{period} << time_wait_detail::kChallengedShift);
    return true;
  });
}

bool TimeWaitTable::remove(const FlowKey& key, Ended how) {
  return with_ring(key, [&](auto& ring) {
    const std::uint64_t hashed = hash(key);
    const std::uint32_t position = ring.locate(key, hashed);
    if (position == kNone) return false;
    ring.index.erase(hashed, position);
    ring.bury(position);
    ++(how == Ended::kReset ? counters_.reset : counters_.reused);
    return true;
  });
}

std::optional<Instant> TimeWaitTable::next_due() const {
  std::optional<Instant> first;
  const auto consider = [&](const auto& ring) {
    if (ring.used == 0) return;
    const std::uint32_t age = static_cast<std::uint32_t>(latest_ms_) - ring.at(ring.head).entered_ms;
    const Instant due{(latest_ms_ - age + two_msl_ms_) * Duration{1ms}};
    if (!first || due < *first) first = due;
  };
  consider(v4_);
  consider(v6_);
  return first;
}

double TimeWaitTable::bytes_per_entry_v4() const {
  return config_.capacity_v4 == 0 ? 0 : static_cast<double>(v4_.bytes()) / config_.capacity_v4;
}

std::int64_t TimeWaitTable::rounded_up(Instant now) { return (now.time_since_epoch() + 1ms - 1ns) / 1ms; }

std::int64_t TimeWaitTable::rounded_down(Instant now) { return now.time_since_epoch() / 1ms; }

// False, and counted as refused: there is no room.
template <class Record>
bool TimeWaitTable::write(Ring<Record>& ring, const TimeWaitEntry& entry, Instant now) {
  const std::uint64_t hashed = hash(entry.key);
  ASSERT(ring.locate(entry.key, hashed) == kNone);
  if (ring.index.size() >= ring.capacity || !ring.has_free_slot() || !ring.index.insert(hashed, ring.tail())) {
    ++counters_.refused;
    return false;
  }
  latest_ms_ = std::max(latest_ms_, rounded_up(now));
  Record& record = ring.at(ring.append());
  pack(record, entry);
  record.entered_ms = static_cast<std::uint32_t>(latest_ms_);
  ++counters_.entered;
  counters_.peak = std::max<std::uint64_t>(counters_.peak, size());
  return true;
}

// Nobody where dead records in great number stand before the oldest: they are
// passed a batch at a time.
template <class Record>
std::optional<TimeWaitEntry> TimeWaitTable::evict_oldest(Ring<Record>& ring) {
  ring.drop_dead_head();
  if (ring.used == 0 || !ring.live(ring.head)) return std::nullopt;
  const TimeWaitEntry evicted = ring.at(ring.head).unpack();
  ring.index.erase(hash(evicted.key), ring.head);
  ring.pop_head();
  ++counters_.evicted;
  return evicted;
}

// How many records from the head on, `limit` at most, have nothing to wait for;
// hashes the live ones and brings their buckets near.
template <class Record>
std::uint32_t TimeWaitTable::look_ahead(const Ring<Record>& ring, std::uint32_t now_ms, std::uint32_t limit,
                                        std::uint64_t* hashes) const {
  std::uint32_t position = ring.head;
  const std::uint32_t end = std::min(limit, ring.used);
  for (std::uint32_t i = 0; i < end; ++i) {
    if (ring.live(position)) {
      if (!is_due(ring.at(position).entered_ms, now_ms)) return i;
      hashes[i] = hash(ring.at(position).key());
      ring.index.prefetch(hashes[i]);
    }
    position = ring.after(position);
  }
  return end;
}

template struct TimeWaitTable::Ring<RecordV4>;
template struct TimeWaitTable::Ring<RecordV6>;
template bool TimeWaitTable::write(Ring<RecordV4>&, const TimeWaitEntry&, Instant);
template bool TimeWaitTable::write(Ring<RecordV6>&, const TimeWaitEntry&, Instant);
template std::optional<TimeWaitEntry> TimeWaitTable::evict_oldest(Ring<RecordV4>&);
template std::optional<TimeWaitEntry> TimeWaitTable::evict_oldest(Ring<RecordV6>&);
template std::uint32_t TimeWaitTable::look_ahead(const Ring<RecordV4>&, std::uint32_t, std::uint32_t,
                                                 std::uint64_t*) const;
template std::uint32_t TimeWaitTable::look_ahead(const Ring<RecordV6>&, std::uint32_t, std::uint32_t,
                                                 std::uint64_t*) const;

}  // namespace pollux
