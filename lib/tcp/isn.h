#pragma once

#include <cstdint>

#include "base/mutant.h"
#include "base/siphash.h"
#include "time/instant.h"
#include "wire/flow_key.h"
#include "wire/seq_num.h"

namespace pollux::tcp {

// What makes sequence numbers and timestamps unguessable from outside. The keys
// come from the machine's random source (MUST-9); tests give their own.
//
// A peer that holds a connection in TIME-WAIT takes a SYN for a new one only where its number or its timestamp is above
// the old one's (RFC 9293, 3.10.7.4; RFC 6191). Whoever keeps the keys from run to run, and says what another clock,
// which goes on between them, read when ours read zero, is believed by it after a restart too.
class Secrets {
 public:
  Secrets(HashKey isn_key, HashKey timestamp_key, Duration clock_origin = Duration{0})
      : isn_key_{isn_key}, timestamp_key_{timestamp_key}, clock_origin_{clock_origin} {}

  // RFC 6528: M + F(connection), M a clock of 4 us, F a keyed hash (MUST-8, SHLD-1).
  SeqNum isn(const FlowKey& key, Instant now) const {
    const auto m = static_cast<std::uint32_t>((now.time_since_epoch() + clock_origin_).count() / 4000);
    return SeqNum{m + MUTANT(67, static_cast<std::uint32_t>(hash_of(isn_key_, key)), 0u)};
  }

  // What makes a SYN cookie unguessable: a keyed hash of both ends, of the SYN's number, of when it came and of
  // `terms`, which is what else the cookie says. SipHash is a pseudo-random function of inputs of any length, and no
  // FlowKey is as long as this: cookies tell nothing about ISNs under the same key (MUST-9).
  std::uint64_t cookie_hash(const FlowKey& key, SeqNum irs, std::uint32_t period, std::uint32_t terms) const;
  // Counts `length`s of time, on the clock that ISNs are numbered by.
  std::uint32_t period(Instant now, Duration length) const {
    return static_cast<std::uint32_t>((now.time_since_epoch() + clock_origin_) / length);
  }

  // RFC 7323, 7.1: each connection's timestamps start somewhere else, but the same
  // addresses and ports always share an offset, so that RFC 6191 can compare them.
  std::uint32_t timestamp_offset(const FlowKey& key) const {
    const Duration::rep origin_ms = clock_origin_.count() / 1'000'000;
    return static_cast<std::uint32_t>(hash_of(timestamp_key_, key)) + static_cast<std::uint32_t>(origin_ms);
  }

 private:
  static std::uint64_t hash_of(const HashKey& secret, const FlowKey& key);

  HashKey isn_key_;
  HashKey timestamp_key_;
  Duration clock_origin_;
};

}  // namespace pollux::tcp
