#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/siphash.h"
#include "shard/hash_index.h"
#include "time/instant.h"
#include "wire/ip_address.h"
#include "wire/mac_address.h"

namespace pollux {

// A neighbour as a connection remembers it. The generation tells whether the place
// still belongs to the same address.
struct NextHop {
  static constexpr std::uint32_t kNone = 0xffffffff;

  std::uint32_t index = kNone;
  std::uint32_t generation = 0;

  explicit operator bool() const { return index != kNone; }
  friend bool operator==(const NextHop&, const NextHop&) = default;
};

// RFC 4861, 7.3.2, without DELAY; the same for ARP.
enum class NeighbourState : std::uint8_t {
  kIncomplete,   // asked for, no answer yet
  kReachable,    // answered or confirmed lately
  kStale,        // its address still holds, and is asked for again when it is used
  kProbing,      // its address still holds, and is being asked for again
  kUnreachable,  // did not answer; asked for again when it is wanted a retry_interval later
};

// ARP and neighbour discovery keep their addresses here, IPv4 and IPv6 alike.
//
// What strangers send cannot fill or change it: only our own wish to send makes an
// entry, and an entry changes its address at most once in `change_interval`. Nothing is queued:
// an entry remembers up to three connections to wake when the answer comes. It
// has no timers: tick is called about every 100 ms.
//
// Full: the entry that has gone longest without use is made over, static ones never.
class NeighbourTable {
 public:
  static constexpr std::uint32_t kWaiters = 3;
  static constexpr std::uint32_t kNoWaiter = 0xffffffff;

  struct Config {
    std::uint32_t capacity = 1024;
    Duration reachable_time = 30s;  // RFC 4861, 10: REACHABLE_TIME
    Duration retry_interval = 1s;   // RFC 4861, 10: RETRANS_TIMER; RFC 1122, 2.3.2.1
    std::uint8_t max_requests = 3;  // RFC 4861, 10: MAX_UNICAST_SOLICIT, MAX_MULTICAST_SOLICIT
    Duration change_interval = 1s;
    HashKey hash_key;
  };

  struct Counters {
    std::uint64_t created = 0;
    std::uint64_t evicted = 0;
    std::uint64_t requests = 0;
    std::uint64_t resolved = 0;
    std::uint64_t unreachable = 0;
    std::uint64_t ignored = 0;          // about an address that is not in the table, or a MAC that no station has
    std::uint64_t changed = 0;          // a known address moved to another MAC
    std::uint64_t change_refused = 0;   // too soon after the last change, or static
    std::uint64_t waiters_dropped = 0;  // more connections waited than are remembered
    std::uint64_t full = 0;             // no room, all entries static
  };

  explicit NeighbourTable(const Config& config);

  struct Resolved {
    NextHop hop;                      // none: the table is full of static entries
    const MacAddress* mac = nullptr;  // null: not known yet
    NeighbourState state = NeighbourState::kUnreachable;
    bool send_request = false;  // the caller sends a request now: broadcast or multicast; it is counted
  };

  // Where to send for `address`, an address on the link. Where that is not known,
  // `waiter` is remembered, to be woken by the answer; kNoWaiter: nobody.
  Resolved resolve(const IpAddress& address, std::uint32_t waiter, Instant now);

  // The address of a next hop: constant time, one line. Null: unknown, or the place
  // has changed hands; resolve again.
  const MacAddress* mac(NextHop hop) {
    if (hop.index >= entries_.size()) return nullptr;
    Entry& entry = entries_[hop.index];
    if (entry.generation != hop.generation || !entry.has_mac) return nullptr;
    entry.used = true;
    return &entry.mac;
  }

  // What the peer acknowledges proves that it is reachable (RFC 4861, 7.3.1).
  void confirm(NextHop hop, Instant now);
  // Something above hears nothing from behind it: its address holds, and is asked for again.
  void doubt(NextHop hop);

  // An ARP packet or neighbour advertisement says that `mac` has `address`.
  // `solicited`: in answer to a request of ours (an ARP reply to our MAC, an advertisement with
  // the S flag). Passes each waiter to `on_ready(waiter)`. Never makes an entry.
  template <class OnReady>
  void heard(const IpAddress& address, const MacAddress& mac, bool solicited, Instant now, OnReady&& on_ready) {
    Waiters ready;
    take_answer(address, mac, solicited, now, ready);
    for (std::uint32_t i = 0; i < ready.count; ++i) on_ready(ready.ids[i]);
  }

  // Never expires, changes or goes. False when the table is full of static entries.
  bool add_static(const IpAddress& address, const MacAddress& mac);
  // Forgets the address, static or not. False when it is not in the table.
  bool remove(const IpAddress& address);

  // Looks at `budget` entries at most, from where the last call ended. Passes what
  // is to be asked to `on_request(address, mac)`, mac null or where to ask directly;
  // and the waiters of who does not answer to `on_unreachable(waiter)`.
  template <class OnRequest, class OnUnreachable>
  void tick(Instant now, std::size_t budget, OnRequest&& on_request, OnUnreachable&& on_unreachable) {
    for (std::size_t n = budget < made_ ? budget : made_; n > 0; --n) {
      cursor_ = cursor_ + 1 < made_ ? cursor_ + 1 : 0;
      Waiters lost;
      if (look_after(cursor_, now, lost)) {
        const Entry& entry = entries_[cursor_];
        on_request(entry.address, entry.has_mac ? &entry.mac : nullptr);
      }
      for (std::uint32_t i = 0; i < lost.count; ++i) on_unreachable(lost.ids[i]);
    }
  }

  // Whether tick has anything to do for as long as nothing else happens.
  bool idle() const { return unsettled_ == 0; }

  std::optional<NeighbourState> state(const IpAddress& address) const;
  const Counters& counters() const { return counters_; }
  std::uint32_t size() const { return index_.size(); }
  std::size_t bytes() const { return index_.bytes() + entries_.size() * sizeof(Entry); }

 private:
  struct Waiters {
    std::array<std::uint32_t, kWaiters> ids{};
    std::uint32_t count = 0;
  };

  struct Entry {
    // What sending reads.
    MacAddress mac;
    bool has_mac = false;
    bool used = false;  // by sending, since tick or eviction last looked
    bool is_static = false;
    NeighbourState state = NeighbourState::kUnreachable;
    std::uint8_t requests = 0;  // without an answer
    std::uint32_t generation = 0;
    // The rest.
    IpAddress address;
    Instant confirmed;
    Instant last_request;
    Instant last_change;
    Waiters waiters;
    // In the order of use; of the free entries `more_used` is the next. Static ones are in no list.
    std::uint32_t less_used = NextHop::kNone;
    std::uint32_t more_used = NextHop::kNone;
  };

  std::uint64_t hash(const IpAddress& address) const { return siphash13_of(config_.hash_key, address.words()); }
  std::uint32_t find(const IpAddress& address) const;
  std::uint32_t create(const IpAddress& address);
  std::uint32_t evict();
  void forget(std::uint32_t index);
  void enter(Entry& entry, NeighbourState next);
  void take_answer(const IpAddress& address, const MacAddress& mac, bool solicited, Instant now, Waiters& ready);
  bool look_after(std::uint32_t index, Instant now, Waiters& lost);
  void grow_stale(Entry& entry, Instant now) {
    if (entry.state == NeighbourState::kReachable && !entry.is_static &&
        now - entry.confirmed >= config_.reachable_time) {
      enter(entry, NeighbourState::kStale);
    }
  }
  void ask(Entry& entry, Instant now);
  void wait(Entry& entry, std::uint32_t waiter);
  void link_most_used(std::uint32_t index);
  void unlink_used(std::uint32_t index);
  void touch(std::uint32_t index) {
    entries_[index].used = false;
    if (entries_[index].is_static || index == most_used_) return;
    unlink_used(index);
    link_most_used(index);
  }

  Config config_;
  HashIndex index_;
  std::vector<Entry> entries_;
  std::uint32_t made_ = 0;  // entries from here on were never used
  std::uint32_t free_ = NextHop::kNone;
  std::uint32_t cursor_ = 0;
  std::uint32_t unsettled_ = 0;  // how many are kIncomplete or kProbing
  std::uint32_t least_used_ = NextHop::kNone;
  std::uint32_t most_used_ = NextHop::kNone;
  Counters counters_;
};

}  // namespace pollux
