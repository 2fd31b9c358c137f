#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/memory.h"
#include "base/siphash.h"
#include "shard/hash_index.h"
#include "time/instant.h"
#include "wire/flow_key.h"
#include "wire/seq_num.h"

namespace pollux {

// All that TIME-WAIT needs to know of a connection.
struct TimeWaitEntry {
  FlowKey key;
  SeqNum snd_nxt;
  SeqNum rcv_nxt;
  std::uint32_t ts_recent = 0;      // TS.Recent (RFC 7323), where `timestamps`
  std::uint32_t entered_ms = 0;     // milliseconds since the clock's origin, modulo 2^32; set by enter and restart
  std::uint16_t rcv_wnd_field = 0;  // the window field to answer with
  std::uint8_t listener = 0;        // for the owner
  bool timestamps = false;          // in use on this connection
  bool active_open = false;         // our port is an ephemeral one, to be given back
  std::uint8_t challenged = 0;      // the challenge_period of the last challenge ACK; 0: none yet
};

enum class Entered : std::uint8_t {
  kEntered,
  kEvictedOldest,  // entered; the oldest had to go before its time and was passed on
  kRefused,        // the table is full and set to refuse
};

namespace time_wait_detail {

// Bits of `flags`. The upper five are TimeWaitEntry::challenged.
inline constexpr std::uint8_t kLive = 1;
inline constexpr std::uint8_t kTimestamps = 2;
inline constexpr std::uint8_t kActiveOpen = 4;
inline constexpr unsigned kChallengedShift = 3;

// What TimeWaitEntry says of a connection, in as few bytes as can be.
struct RecordV4 {
  std::uint32_t local, remote;  // network order
  std::uint16_t local_port, remote_port;
  std::uint32_t snd_nxt, rcv_nxt, ts_recent, entered_ms;
  std::uint16_t rcv_wnd_field;
  std::uint8_t listener, flags;

  void set_key(const FlowKey& flow);
  FlowKey key() const;
  TimeWaitEntry unpack() const;
  bool has(const FlowKey& flow) const {
    return remote_port == flow.remote_port && local_port == flow.local_port && remote == flow.remote.words()[3] &&
           local == flow.local.words()[3];
  }
};
static_assert(sizeof(RecordV4) == 32);

struct RecordV6 {
  IpAddress local, remote;
  std::uint16_t local_port, remote_port;
  std::uint32_t snd_nxt, rcv_nxt, ts_recent, entered_ms;
  std::uint16_t rcv_wnd_field;
  std::uint8_t listener, flags;

  void set_key(const FlowKey& flow);
  FlowKey key() const { return {local, remote, local_port, remote_port}; }
  TimeWaitEntry unpack() const;
  bool has(const FlowKey& flow) const { return key() == flow; }
};
static_assert(sizeof(RecordV6) == 56);

}  // namespace time_wait_detail

// Connections in TIME-WAIT. 2MSL is the same for all, so they end in the order
// they came: records stand in a ring, written at the tail, expired at the head,
// and a hash index finds their places. Entering is one sequential write and one
// write to the index.
//
//        expire -->                                        --> enter
//      +------+------+------+------+------+------+------+------+
//      | live | live | dead | live | dead | live | live | free |
//      +------+------+------+------+------+------+------+------+
//        head          ^ ended early, or restarted at the tail
//
// A record that ended early, or was entered anew because its 2MSL began again,
// stays behind as a dead one until the head has passed it. So a ring has to be
// sized for the connections that end within 2MSL, reused ones counted again; a
// 64th is added for restarts. IPv6 has a ring of its own.
//
// Nothing is rehashed or compacted: every call takes constant time, expire its budget.
class TimeWaitTable {
 public:
  enum class FullPolicy : std::uint8_t { kRefuse, kEvictOldest };

  struct Config {
    std::uint32_t capacity_v4 = 0;
    std::uint32_t capacity_v6 = 0;
    Duration two_msl = 60s;  // rounded up to milliseconds; below 2^31 of them
    FullPolicy full_policy = FullPolicy::kEvictOldest;
    HashKey hash_key;  // that of the FlowTable: one hash of a segment then serves both
    Pages pages = Pages::kTransparent;
  };

  // entered = size() + expired + reused + reset + evicted, restarts not counted.
  struct Counters {
    std::uint64_t entered = 0;
    std::uint64_t expired = 0;
    std::uint64_t restarted = 0;
    std::uint64_t restart_refused = 0;  // for want of room; the 2MSL that runs was kept
    std::uint64_t reused = 0;           // removed early, for a new connection of the same key
    std::uint64_t reset = 0;            // removed early, by a RST
    std::uint64_t refused = 0;
    std::uint64_t evicted = 0;
    std::uint64_t peak = 0;  // highest size()
  };

  explicit TimeWaitTable(const Config& config);

  std::uint64_t hash(const FlowKey& key) const { return siphash13_of(config_.hash_key, key); }
  // Two stages of a burst before find: the bucket, then the record that it probably is.
  void prefetch(std::uint64_t hash, bool v4) const {
    if (v4) {
      v4_.index.prefetch(hash);
    } else {
      v6_.index.prefetch(hash);
    }
  }
  void prefetch_record(std::uint64_t hash, bool v4) const {
    if (v4) {
      v4_.prefetch_candidate(hash);
    } else {
      v6_.prefetch_candidate(hash);
    }
  }

  // 2MSL begins now. The key must not be in the table. Whoever is evicted to make
  // room goes to `on_evicted(const TimeWaitEntry&)`, which must not change the table.
  template <class OnEvicted>
  Entered enter(const TimeWaitEntry& entry, Instant now, OnEvicted&& on_evicted);

  std::optional<TimeWaitEntry> find(const FlowKey& key) const { return find(key, hash(key)); }
  std::optional<TimeWaitEntry> find(const FlowKey& key, std::uint64_t hash) const;

  // What an acceptable segment changed. False when the key is not in the table.
  bool update(const FlowKey& key, SeqNum rcv_nxt, std::uint32_t ts_recent);

  // 2MSL begins again (RFC 9293, 3.10.7.4, eighth, TIME-WAIT). False when the key is not there.
  bool restart(const FlowKey& key, Instant now);

  // RFC 5961, 7: one challenge ACK a second for each. There is room for a second modulo 31, 1 to 31, so that
  // one which is due is held back if the last went out that long ago.
  static std::uint8_t challenge_period(Instant now) {
    return static_cast<std::uint8_t>(1 + now.time_since_epoch() / 1s % 31);
  }
  // False when the key is not there.
  bool note_challenge(const FlowKey& key, std::uint8_t period);

  // Ends it early: for a new connection (RFC 6191; RFC 9293, MAY-2), or by a RST. False when the key is not there.
  enum class Ended : std::uint8_t { kReused, kReset };
  bool remove(const FlowKey& key, Ended how = Ended::kReused);

  // Passes those whose 2MSL has passed to `on_expired(const TimeWaitEntry&)`, oldest
  // first, and takes them out before; `on_expired` may change the table. Looks at
  // `budget` records at most, dead ones counted. Returns how many it passed on.
  template <class OnExpired>
  std::size_t expire(Instant now, std::size_t budget, OnExpired&& on_expired);

  // When expire has something to do: never later than the first end of 2MSL. Empty: nullopt.
  std::optional<Instant> next_due() const;

  const Counters& counters() const { return counters_; }
  std::uint32_t size() const { return v4_.index.size() + v6_.index.size(); }
  std::uint32_t size_v4() const { return v4_.index.size(); }
  std::uint32_t size_v6() const { return v6_.index.size(); }
  // What was taken from the system, rings and indices; and the IPv4 part of it for each of capacity_v4.
  std::size_t bytes() const { return v4_.bytes() + v6_.bytes(); }
  // How much of that is in memory, as the kernel says; takes it milliseconds for gigabytes.
  std::size_t resident() const { return v4_.resident() + v6_.resident(); }
  double bytes_per_entry_v4() const;

 private:
  static constexpr std::uint32_t kNone = HashIndex::kNone;
  // Expiry reads this many records ahead and brings their buckets near; other
  // calls pass this many dead records at the head, at most.
  static constexpr std::uint32_t kBatch = 16;

  template <class Record>
  struct Ring {
    Ring(std::uint32_t live_records, Pages pages);

    Record& at(std::uint32_t position) const { return reinterpret_cast<Record*>(records.data())[position]; }
    std::uint32_t after(std::uint32_t position) const { return position + 1 == slots ? 0 : position + 1; }
    std::uint32_t tail() const { return head >= slots - used ? head - (slots - used) : head + used; }
    std::uint32_t youngest() const { return tail() == 0 ? slots - 1 : tail() - 1; }
    bool live(std::uint32_t position) const { return (at(position).flags & time_wait_detail::kLive) != 0; }
    std::size_t bytes() const { return records.size() + index.bytes(); }
    std::size_t resident() const { return records.resident() + index.resident(); }

    std::uint32_t locate(const FlowKey& key, std::uint64_t hash) const {
      return index.find(hash, [&](std::uint32_t position) { return at(position).has(key); });
    }
    void prefetch_candidate(std::uint64_t hash) const {
      if (const std::uint32_t position = index.candidate(hash); position != kNone) __builtin_prefetch(&at(position));
    }

    bool has_free_slot();
    std::uint32_t append() {
      const std::uint32_t position = tail();
      ++used;
      return position;
    }
    void pop_head() {
      head = after(head);
      --used;
    }
    void bury(std::uint32_t position);
    void drop_dead_head();

    std::uint32_t capacity;  // live records
    std::uint32_t slots;     // live, dead and free ones
    std::uint32_t head = 0;
    std::uint32_t used = 0;  // live and dead ones, from the head on
    Memory records;
    HashIndex index;
  };

  // Milliseconds since the clock's origin. Entering rounds up and expiry down, so that nothing ends early.
  static std::int64_t rounded_up(Instant now);
  static std::int64_t rounded_down(Instant now);
  bool is_due(std::uint32_t entered_ms, std::uint32_t now_ms) const {
    return static_cast<std::int32_t>(now_ms - entered_ms - two_msl_ms_) >= 0;
  }

  // Calls `use(ring)` with the ring of the key's family.
  template <class Use>
  auto with_ring(const FlowKey& key, Use&& use) {
    return key.local.is_v4() ? use(v4_) : use(v6_);
  }

  template <class Record>
  bool write(Ring<Record>& ring, const TimeWaitEntry& entry, Instant now);
  template <class Record>
  std::optional<TimeWaitEntry> evict_oldest(Ring<Record>& ring);
  template <class Record>
  void restart(Ring<Record>& ring, std::uint32_t position, std::uint64_t hash, std::uint32_t now_ms);
  template <class Record>
  std::uint32_t look_ahead(const Ring<Record>& ring, std::uint32_t now_ms, std::uint32_t limit,
                           std::uint64_t* hashes) const;
  template <class Record, class OnExpired>
  std::size_t expire(Ring<Record>& ring, std::uint32_t now_ms, std::size_t& budget, OnExpired&& on_expired);

  Config config_;
  std::uint32_t two_msl_ms_;
  std::int64_t latest_ms_ = 0;  // the latest time heard of; what records keep of theirs is completed by it
  Ring<time_wait_detail::RecordV4> v4_;
  Ring<time_wait_detail::RecordV6> v6_;
  Counters counters_;
};

template <class OnEvicted>
Entered TimeWaitTable::enter(const TimeWaitEntry& entry, Instant now, OnEvicted&& on_evicted) {
  return with_ring(entry.key, [&](auto& ring) {
    Entered result = Entered::kEntered;
    const bool full = ring.index.size() >= ring.capacity || !ring.has_free_slot();
    if (full && config_.full_policy == FullPolicy::kEvictOldest) {
      if (const std::optional<TimeWaitEntry> evicted = evict_oldest(ring)) {
        on_evicted(*evicted);
        result = Entered::kEvictedOldest;
      }
    }
    return write(ring, entry, now) ? result : Entered::kRefused;
  });
}

template <class OnExpired>
std::size_t TimeWaitTable::expire(Instant now, std::size_t budget, OnExpired&& on_expired) {
  const auto now_ms = static_cast<std::uint32_t>(rounded_down(now));
  std::size_t passed = expire(v4_, now_ms, budget, on_expired);
  passed += expire(v6_, now_ms, budget, on_expired);
  return passed;
}

template <class Record, class OnExpired>
std::size_t TimeWaitTable::expire(Ring<Record>& ring, std::uint32_t now_ms, std::size_t& budget,
                                  OnExpired&& on_expired) {
  std::size_t passed = 0;
  std::uint64_t hashes[kBatch];
  while (budget > 0) {
    const auto limit = static_cast<std::uint32_t>(budget < kBatch ? budget : kBatch);
    const std::uint32_t ready = look_ahead(ring, now_ms, limit, hashes);
    if (ready == 0) break;
    std::uint32_t expected = ring.head;
    // A callback may move the head by entering or removing; then we look again.
    for (std::uint32_t i = 0; i < ready && ring.used > 0 && ring.head == expected; ++i) {
      --budget;
      expected = ring.after(expected);
      if (!ring.live(ring.head)) {
        ring.pop_head();
        continue;
      }
      const TimeWaitEntry entry = ring.at(ring.head).unpack();
      ring.index.erase(hashes[i], ring.head);
      ring.pop_head();
      ++counters_.expired;
      ++passed;
      on_expired(entry);
    }
  }
  return passed;
}

}  // namespace pollux
