#pragma once

#include <algorithm>
#include <cstdint>

#include "shard/replies.h"
#include "time/instant.h"

namespace pollux {

// A listener's PendingFastOpenRequests (RFC 7413, 4.2 and 5.1): connections that its application has already, and whose
// handshake is not done. One that a RST ends counts on for a minute: it would be the RSTs of those whose address was
// forged that made room for more of the same.
class PendingFastOpens {
 public:
  // `most`: 0: Fast Open is off.
  explicit PendingFastOpens(std::uint32_t most = 0) : most_{most}, reset_until_{most} {}

  bool full(Instant now) {
    while (!reset_until_.empty() && reset_until_.front() <= now) reset_until_.pop();
    return now_pending_ + reset_until_.size() >= most_;
  }
  void begin() { ++now_pending_; }
  void end(bool by_reset, Instant now) {
    --now_pending_;
    if (!by_reset) return;
    if (Instant* until = reset_until_.push()) *until = now + kAfterReset;
  }
  std::uint32_t size() const { return now_pending_; }

 private:
  static constexpr Duration kAfterReset = 60s;

  std::uint32_t most_;
  std::uint32_t now_pending_ = 0;
  BoundedQueue<Instant> reset_until_;
};

}  // namespace pollux
