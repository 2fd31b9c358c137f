#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wire/segment.h"
#include "wire/seq_num.h"

// What RFC 9293, 3.10.7 (SEGMENT ARRIVES) and RFC 5961 say must follow when one
// segment meets one connection. Written from their text alone: it includes
// nothing of lib/tcp, and of lib/wire only the types of a number and of the flags.
//
// The stack it speaks of implements RFC 5961 (its checks are requirements here,
// not choices), no timestamps, no fast open. Where the text leaves a choice, the
// oracle names every choice.
namespace pollux::matrix {

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

std::string_view name(State state);

// A connection before the segment arrives: RFC 9293, 3.3.1 and 3.10.7, and
// RFC 5961, 5.2. What a state does not have yet is never looked at.
struct Block {
  State state = State::kClosed;
  bool passive = false;   // it came from LISTEN (MUST-11)
  bool listener = false;  // someone listens on its port still
  SeqNum iss{};
  SeqNum irs{};
  SeqNum snd_una{};
  SeqNum snd_nxt{};
  std::uint32_t max_snd_wnd = 0;  // bytes
  SeqNum rcv_nxt{};
  std::uint32_t rcv_wnd = 0;  // bytes
};

// The segment. Its urgent pointer, where URG is set, lies ahead of all its text.
struct Arrival {
  TcpFlags flags{};
  SeqNum seq{};
  SeqNum ack{};            // the field, whether or not the ACK bit is set
  std::uint32_t text = 0;  // bytes

  std::uint32_t len() const { return text + (flags.syn ? 1u : 0u) + (flags.fin ? 1u : 0u); }  // SEG.LEN
};

// What goes out. kAck, kSynAck and kRstAck carry an acknowledgment, kRst does not.
enum class Wire : std::uint8_t { kNothing, kAck, kSynAck, kRst, kRstAck };

enum class When : std::uint8_t {
  kNow,   // it must answer the segment
  kSoon,  // at once, or delayed by less than 0.5 s (RFC 9293, 3.8.6.3, MUST-40)
  kMay,   // at once, or not at all
};

struct Answer {
  Wire wire = Wire::kNothing;
  std::optional<SeqNum> seq{};  // none: a number of its own choice
  SeqNum after{};               // and then one that comes after this, where `reopens`
  bool reopens = false;
  SeqNum ack{};
  When when = When::kNow;
};

// Whether the application must hear of something.
enum class Tell : std::uint8_t { kNo, kMay, kMust };

struct Told {
  Tell connected = Tell::kNo;  // OPEN has succeeded
  Tell end = Tell::kNo;        // "connection closing": the peer's FIN
  Tell reset = Tell::kNo;      // "connection reset"
  Tell refused = Tell::kNo;    // "connection refused"
  Tell urgent = Tell::kNo;     // there is urgent data
  std::uint32_t text = 0;      // bytes that can now be read
};

// One thing that may follow.
struct Outcome {
  State state = State::kClosed;
  Told told{};
  Answer answer{};  // nothing else goes out at once
  Answer also{};    // after it
  // Where the connection goes on: its variables, and the text beyond RCV.NXT that
  // is to be held (SHLD-31), which begins at SEG.SEQ, and the FIN behind it.
  SeqNum snd_una{};
  SeqNum rcv_nxt{};
  std::uint32_t held = 0;
  bool fin_held = false;
  std::string_view source{};  // who says so
};

// What may follow, the first being the most literal reading. Never empty.
std::vector<Outcome> expected(const Block& block, const Arrival& seg);

// "SYN-RECEIVED, answers <SEQ=7><ACK=9><CTL=ACK>, told: connected, 12 bytes".
std::string to_string(const Outcome& outcome);
std::string to_string(const Answer& answer);
std::string to_string(const Told& told);
std::string to_string(const Block& block);

// As tcpdump prints it: "Flags [S.], seq 7:7, ack 9, length 0".
std::string to_string(const Arrival& seg);

}  // namespace pollux::matrix
