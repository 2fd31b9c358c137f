#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/expected.h"
#include "base/memory.h"
#include "base/siphash.h"
#include "shard/hash_index.h"
#include "wire/ip_address.h"

namespace pollux {

// What a local port has to be unique for.
struct Destination {
  IpAddress local;
  IpAddress remote;
  std::uint32_t remote_port = 0;  // 32 bits, so that there is no padding to hash

  friend bool operator==(const Destination&, const Destination&) = default;
};
static_assert(sizeof(Destination) == 36);

enum class PortError : std::uint8_t {
  kAddressNotAvailable,  // no port is free for this destination
  kTooManyDestinations,  // all pools have ports in use
  kInUse,
  kInTimeWait,
  kNotMine,       // replies to that port would come to another shard
  kOutsideRange,  // not an ephemeral port: the flow table alone knows whether it is in use
};

// Ephemeral ports (RFC 6056, 3.3.1: random selection, but, where there are others, of none that was in use a moment
// ago), for each destination a pool of its own: connections to different destinations may share a port.
//
// Every call takes constant time, whether the pool is empty or full: the free ports
// of a pool stand in a ring without gaps, the one released last at its end, of which one is drawn; those in
// TIME-WAIT in a list, oldest first. Making the pool of a new destination, in
// memory taken at start, takes one pass over the range. Where no pool is left, the
// one that has been without a port in use for longest is made over.
class EphemeralPorts {
 public:
  struct Config {
    std::uint16_t first = 32768;
    std::uint16_t last = 60999;  // included
    std::uint32_t max_destinations = 64;
    HashKey hash_key;
    Pages pages = Pages::kTransparent;
  };

  explicit EphemeralPorts(const Config& config);

  // A random free port, now in use, but none of the quarter that was released last. `random` is 64 fresh random bits.
  // `mine(port)` says whether replies to that port come home to this shard; it is asked once per
  // port, when the pool of a destination is made.
  template <class Mine>
  Expected<std::uint16_t, PortError> take(const Destination& to, std::uint64_t random, Mine&& mine) {
    const std::uint32_t pool = pool_for(to, mine);
    if (pool == kNone) return unexpected(PortError::kTooManyDestinations);
    return take_from(pool, random);
  }

  // That port and no other, for a connection bound to it; excluded ports too.
  template <class Mine>
  Expected<std::uint16_t, PortError> take_specific(const Destination& to, std::uint16_t port, Mine&& mine) {
    if (port < config_.first || port > config_.last) return unexpected(PortError::kOutsideRange);
    const std::uint32_t pool = pool_for(to, mine);
    if (pool == kNone) return unexpected(PortError::kTooManyDestinations);
    return take_specific_from(pool, port);
  }

  // The connection is over: the port, in use until now, is free again.
  void release(const Destination& to, std::uint16_t port);

  // The port, in use until now, waits until leave_time_wait.
  void enter_time_wait(const Destination& to, std::uint16_t port);
  // The port, in TIME-WAIT until now, is free again. (To reuse it at once: take_specific next.)
  void leave_time_wait(const Destination& to, std::uint16_t port);
  // Which to reuse first where RFC 6191 allows it.
  std::optional<std::uint16_t> oldest_in_time_wait(const Destination& to) const;

  // A listener or an explicit bind has the port: take does not give it out until as
  // many calls of include have followed. In proportion to the destinations.
  void exclude(std::uint16_t port);
  void include(std::uint16_t port);

  struct Usage {
    std::uint32_t free = 0;
    std::uint32_t in_use = 0;
    std::uint32_t in_time_wait = 0;
  };
  Usage usage(const Destination& to) const;
  Usage total() const { return total_; }  // over the destinations that have a pool
  std::uint32_t destinations() const { return index_.size(); }
  std::size_t bytes() const { return memory_.size() + index_.bytes() + pools_.size() * sizeof(Pool); }

 private:
  static constexpr std::uint32_t kNone = HashIndex::kNone;
  static constexpr std::uint16_t kNil = 0xffff;  // no offset: a range has at most 65,535 ports

  enum class State : std::uint8_t { kForeign, kExcluded, kFree, kInUse, kTimeWait };

  // Ports are named by their offset from the first. What links say depends on the
  // state: kFree: `a` is the place in the ring of free ones; kTimeWait: those before and after in the list.
  struct Links {
    std::uint16_t a;
    std::uint16_t b;
  };

  struct Place {
    std::uint32_t pool;
    std::uint16_t offset;
  };

  struct Pool {
    Destination to;
    std::uint32_t first = 0;  // head of the ring of free ones, which has range_ places
    std::uint32_t free = 0;
    std::uint32_t released = 0;  // counts up to the number of ports
    std::uint32_t in_use = 0;
    std::uint32_t in_time_wait = 0;
    std::uint16_t oldest = kNil;  // in TIME-WAIT
    std::uint16_t newest = kNil;
    // Among the pools without a port in use or in TIME-WAIT; kNone at the ends.
    std::uint32_t idle_before = kNone;
    std::uint32_t idle_after = kNone;
    bool used() const { return in_use + in_time_wait != 0; }
  };

  template <class Mine>
  std::uint32_t pool_for(const Destination& to, Mine&& mine) {
    const std::uint64_t hash = siphash13_of(config_.hash_key, to);
    std::uint32_t pool = find(to, hash);
    if (pool != kNone) return pool;
    pool = claim_pool(to, hash);
    if (pool == kNone) return kNone;
    for (std::uint32_t i = 0; i < range_; ++i) {
      const auto port = static_cast<std::uint16_t>(config_.first + i);
      add_port(pool, static_cast<std::uint16_t>(i), mine(port));
    }
    return pool;
  }

  std::uint32_t find(const Destination& to, std::uint64_t hash) const;
  Place place_of(const Destination& to, std::uint16_t port) const;
  std::uint32_t claim_pool(const Destination& to, std::uint64_t hash);
  void add_port(std::uint32_t pool, std::uint16_t offset, bool mine);
  Expected<std::uint16_t, PortError> take_from(std::uint32_t pool, std::uint64_t random);
  Expected<std::uint16_t, PortError> take_specific_from(std::uint32_t pool, std::uint16_t port);

  std::uint32_t free_place(const Pool& pool, std::uint32_t n) const;
  void remove_from_free(std::uint32_t pool, std::uint16_t offset);
  void put_in_use(std::uint32_t pool, std::uint16_t offset);
  void let_go(std::uint32_t pool, std::uint16_t offset);
  void add_free(std::uint32_t pool, std::uint16_t offset);
  void link_idle(std::uint32_t pool);
  void unlink_idle(std::uint32_t pool);

  // Arrays of one pool, in memory_: links, free ones, states.
  Links* links(std::uint32_t pool) const;
  std::uint16_t* free_offsets(std::uint32_t pool) const;
  State* states(std::uint32_t pool) const;

  Config config_;
  std::uint32_t range_;
  std::size_t pool_bytes_;
  Memory memory_;
  HashIndex index_;
  std::vector<Pool> pools_;
  std::uint32_t made_ = 0;  // pools from here on were never used
  std::uint32_t idle_oldest_ = kNone;
  std::uint32_t idle_newest_ = kNone;
  std::vector<std::uint16_t> exclusions_;  // per offset, how many
  Usage total_;
};

}  // namespace pollux
