#pragma once

#include <cstdint>

#include "base/siphash.h"
#include "time/instant.h"
#include "wire/flow_key.h"
#include "wire/seq_num.h"

namespace pollux::tcp {

// What makes sequence numbers and timestamps unguessable from outside. The keys
// come from the machine's random source at start (MUST-9); tests give their own.
class Secrets {
 public:
  Secrets(HashKey isn_key, HashKey timestamp_key) : isn_key_{isn_key}, timestamp_key_{timestamp_key} {}

  // RFC 6528: M + F(connection), M a clock of 4 us, F a keyed hash (MUST-8, SHLD-1).
  SeqNum isn(const FlowKey& key, Instant now) const {
    const auto m = static_cast<std::uint32_t>(now.time_since_epoch().count() / 4000);
    return SeqNum{m + static_cast<std::uint32_t>(hash_of(isn_key_, key))};
  }

  // RFC 7323, 7.1: each connection's timestamps start somewhere else, but the same
  // addresses and ports always share an offset, so that RFC 6191 can compare them.
  std::uint32_t timestamp_offset(const FlowKey& key) const {
    return static_cast<std::uint32_t>(hash_of(timestamp_key_, key));
  }

 private:
  static std::uint64_t hash_of(const HashKey& secret, const FlowKey& key);

  HashKey isn_key_;
  HashKey timestamp_key_;
};

}  // namespace pollux::tcp
