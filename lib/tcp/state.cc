#include "tcp/state.h"

#include <array>

#include "base/assert.h"

namespace pollux::tcp {

std::string_view to_string(State state) {
  switch (state) {
    case State::kClosed:
      return "CLOSED";
    case State::kListen:
      return "LISTEN";
    case State::kSynSent:
      return "SYN-SENT";
    case State::kSynReceived:
      return "SYN-RECEIVED";
    case State::kEstablished:
      return "ESTABLISHED";
    case State::kFinWait1:
      return "FIN-WAIT-1";
    case State::kFinWait2:
      return "FIN-WAIT-2";
    case State::kCloseWait:
      return "CLOSE-WAIT";
    case State::kClosing:
      return "CLOSING";
    case State::kLastAck:
      return "LAST-ACK";
    case State::kTimeWait:
      return "TIME-WAIT";
  }
  unreachable();
}

namespace {

constexpr std::uint16_t bit(State s) { return static_cast<std::uint16_t>(1u << static_cast<unsigned>(s)); }

// For each state, where one step may lead. CLOSED can follow any state (RST,
// ABORT, time-outs); a FIN in the segment that opens takes two steps.
constexpr std::array<std::uint16_t, kStateCount> kNext = {
    /* CLOSED       */ static_cast<std::uint16_t>(bit(State::kSynSent) | bit(State::kListen) |
                                                  bit(State::kSynReceived)),
    /* LISTEN       */ static_cast<std::uint16_t>(bit(State::kSynReceived) | bit(State::kSynSent)),
    /* SYN-SENT     */ static_cast<std::uint16_t>(bit(State::kSynReceived) | bit(State::kEstablished)),
    /* SYN-RECEIVED */
    static_cast<std::uint16_t>(bit(State::kEstablished) | bit(State::kFinWait1) | bit(State::kListen)),
    /* ESTABLISHED  */ static_cast<std::uint16_t>(bit(State::kFinWait1) | bit(State::kCloseWait)),
    /* FIN-WAIT-1   */
    static_cast<std::uint16_t>(bit(State::kFinWait2) | bit(State::kClosing) | bit(State::kTimeWait)),
    /* FIN-WAIT-2   */ bit(State::kTimeWait),
    /* CLOSE-WAIT   */ bit(State::kLastAck),
    /* CLOSING      */ bit(State::kTimeWait),
    /* LAST-ACK     */ 0,
    /* TIME-WAIT    */ 0,
};

}  // namespace

bool legal(State from, State to) {
  if (to == State::kClosed) return from != State::kClosed;
  return (kNext[static_cast<std::size_t>(from)] & bit(to)) != 0;
}

}  // namespace pollux::tcp
