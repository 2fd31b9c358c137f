#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/siphash.h"
#include "time/instant.h"
#include "wire/flow_key.h"
#include "wire/segment.h"

namespace pollux {

// What this shard's clients know of servers for Fast Open (RFC 7413, 4.1.3): cookie and MSS, and that it fails there
// (4.1.3.1). By our address, for which the cookie was made, and the server's address and port, for it is a port where
// Fast Open is on or off. So many servers at most; the one that was asked for least lately of a few gives way.
class FastOpenCache {
 public:
  struct Known {
    FastOpenCookie cookie{};  // empty: none, to be asked for
    std::uint16_t mss = 0;    // that the server's SYN-ACK told; 0: without a cookie
  };

  // `servers`: 0 keeps nothing, and knows nothing. Takes all memory.
  FastOpenCache(std::uint32_t servers, const HashKey& hash_key);

  // nullopt: there it has failed lately; the usual handshake.
  std::optional<Known> find(const FlowKey& key, Instant now);
  void learn(const FlowKey& key, const FastOpenCookie& cookie, std::uint16_t mss, Instant now);
  // The option was not answered, or the text of a SYN not taken. Once may be chance; twice and more in a row keeps from
  // trying it for longer each time: 4, 8, 16 ... 64 minutes. (Linux's rule.)
  void fail(const FlowKey& key, Instant now);
  // The text of a SYN was taken.
  void succeed(const FlowKey& key);

  std::size_t bytes() const { return entries_.size() * sizeof(Entry); }

 private:
  static constexpr std::size_t kWays = 4;
  struct Entry {
    IpAddress local;
    IpAddress remote;
    Instant used = Instant::min();
    Instant avoid_until = Instant::min();
    std::uint16_t remote_port = 0;  // 0: the place is free
    std::uint16_t mss = 0;
    FastOpenCookie cookie;
    std::uint8_t failures = 0;  // in a row
  };
  static_assert(sizeof(Entry) == 72);  // as ShardConfig::fast_open_servers says

  std::size_t set_of(const FlowKey& key) const;
  Entry* lookup(const FlowKey& key);
  // A place for it, if need be another server's.
  Entry& place_for(const FlowKey& key, Instant now);

  std::vector<Entry> entries_;  // sets of kWays
  HashKey hash_key_;
};

}  // namespace pollux
