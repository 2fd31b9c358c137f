#pragma once

#include <cstdint>
#include <string>

#include "captured_session.h"
#include "tcp/config.h"

namespace pollux::stacktest {

// Which numbers the captured peer has when it speaks to the stack; ours are the stack's in any case, and what the peer
// acknowledges follows them.
enum class PeerNumbers : std::uint8_t {
  kCaptured,
  kNearWrap,  // it begins shortly before its numbers wrap
};

struct ReplaySettings {
  Role role = Role::kServer;  // what the stack is
  bool asap = false;          // each packet as soon as the stack has sent what it acknowledges; else at its time
  PeerNumbers numbers = PeerNumbers::kCaptured;
  tcp::Config tcp;         // but for what the captured end's SYN says: MSS, and the options it had
  std::uint64_t seed = 1;  // of the stack's keys
};

struct Replay {
  CapturedSession session;  // both ends as they were on the wire now, in the capture's numbers; frames count from 1
  std::string failure;      // why it went no further, with the captured frame; empty: to the end
};

// Feeds what one end of the captured connection sent to a stack, which an application drives to say what the other end
// said: it writes when that was sent, closes and resets, and reads at once. Time is virtual.
Replay replay(const CapturedSession& captured, const ReplaySettings& settings);

}  // namespace pollux::stacktest
