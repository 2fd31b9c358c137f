#pragma once

#include <cstdint>
#include <string_view>

namespace pollux::tcp {

// What became of an arriving segment. Every way out of SEGMENT ARRIVES is one of
// these, and each is counted.
enum class Verdict : std::uint8_t {
  kContinue,           // a check passed; never the final word
  kAccepted,           // taken: text, FIN, ACK or option had its effect
  kReset,              // answered with a reset made from the segment alone (3.5.2)
  kConnectionReset,    // a believed RST ended the connection
  kConnectionRefused,  // a believed RST ended an opening connection
  kListenIgnored,      // in LISTEN: RST, or neither SYN nor ACK
  kSynWithFin,         // SYN and FIN together in LISTEN
  kOutOfWindow,        // fails "first, check sequence number"
  kDuplicate,          // fails it for lying before RCV.NXT, behind IRS
  kPaws,               // timestamp older than TS.Recent (RFC 7323, 5)
  kRstOutOfWindow,     // RST outside the window
  kChallengedRst,      // RST inside the window but not at RCV.NXT (RFC 5961, 3)
  kChallengedSyn,      // SYN in a synchronized state (RFC 5961, 4)
  kDuplicateSyn,       // our SYN-ACK was lost: the SYN came again
  kNoAck,              // ACK bit off in a state that wants it
  kAckOfUnsent,        // SEG.ACK after SND.NXT
  kAckTooOld,          // SEG.ACK below SND.UNA - MAX.SND.WND (RFC 5961, 5)
  kRstIgnored,         // RST in TIME-WAIT (RFC 1337), or in SYN-SENT without a good ACK
  kSynSentIgnored,     // in SYN-SENT: an acceptable ACK alone, or nothing of use
  kNoMemory,           // no room to hold the text; not acknowledged
  kReopen,             // TIME-WAIT gives way to a new connection (RFC 6191)
  kDataAfterClose,     // text for an application that has closed: reset
};
inline constexpr int kVerdictCount = 22;

// The counter's name: "challenged_rst".
std::string_view name(Verdict verdict);

// One sentence for people.
std::string_view describe(Verdict verdict);

}  // namespace pollux::tcp
