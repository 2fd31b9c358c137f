#pragma once

#include <cstdint>
#include <string_view>

namespace pollux::tcp {

// The states of RFC 9293, 3.3.2.
//
//                              passive OPEN            active OPEN, snd SYN
//                    +-------- CLOSED <------------------------+
//                    v           ^                             |
//                 LISTEN         | delete TCB                  v
//   rcv SYN,         |   snd SYN |                          SYN-SENT
//   snd SYN,ACK      v           |      rcv SYN, snd SYN,ACK   |
//              SYN-RECEIVED <----+-----------------------------+ rcv SYN,ACK
//                    |  rcv ACK of SYN                         | snd ACK
//                    +-----------------> ESTABLISHED <---------+
//            CLOSE, snd FIN                |    |   rcv FIN, snd ACK
//                    +---------------------+    +---------------------+
//                    v                                                v
//               FIN-WAIT-1 --- rcv FIN, snd ACK ---> CLOSING     CLOSE-WAIT
//   rcv ACK of FIN   |    \ rcv FIN,ACK of FIN          |             | CLOSE, snd FIN
//                    v     \                            |             v
//               FIN-WAIT-2  +----> TIME-WAIT <----------+          LAST-ACK
//                    |                 ^    rcv ACK of FIN            | rcv ACK of FIN
//                    +-----------------+                              v
//                 rcv FIN, snd ACK     +---- 2MSL ---------------> CLOSED
enum class State : std::uint8_t {
  kClosed,
  kListen,
  kSynSent,
  kSynReceived,
  kEstablished,
  kFinWait1,
  kFinWait2,
  kCloseWait,
  kClosing,
  kLastAck,
  kTimeWait,
};
inline constexpr int kStateCount = 11;

// "TIME-WAIT".
std::string_view to_string(State state);

// Whether RFC 9293, figure 5, and the text of 3.10 lead from one state to the other.
bool legal(State from, State to);

// States in which both sides have sent and agreed on sequence numbers.
constexpr bool synchronized(State s) { return s >= State::kEstablished; }

// States in which our FIN has been asked for.
constexpr bool sending_is_closed(State s) {
  return s == State::kFinWait1 || s == State::kFinWait2 || s == State::kClosing || s == State::kLastAck ||
         s == State::kTimeWait;
}

// States in which the peer's FIN has been taken.
constexpr bool peer_has_closed(State s) {
  return s == State::kCloseWait || s == State::kClosing || s == State::kLastAck || s == State::kTimeWait;
}

}  // namespace pollux::tcp
