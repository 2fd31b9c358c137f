#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/packet.h"
#include "wire/segment.h"

// What goes into a TCB and comes out of it, beside its verbs.
namespace pollux::tcp {

// What a user call answers when it cannot be done; RFC 9293, 3.10 in its own words.
enum class UserError : std::uint8_t {
  kConnectionDoesNotExist,  // "connection does not exist"
  kConnectionClosing,       // "connection closing": sending after CLOSE
  kInsufficientResources,   // "insufficient resources"
  kConnectionReset,         // "connection reset"
};

// Why a connection is over, as the application learns it (MUST-12).
enum class Reason : std::uint8_t {
  kNone,         // it is not
  kFinished,     // both FINs sent, received and acknowledged
  kReset,        // the peer's RST
  kRefused,      // the peer's RST to our SYN, or ICMP port unreachable
  kTimedOut,     // R2, user timeout or keep-alive
  kUnreachable,  // ICMP host or net unreachable while opening; or the soft error behind a time-out
  kAborted,      // our ABORT
};

// What an OPEN brings along.
struct Opening {
  SeqNum iss;  // RFC 6528
  std::uint32_t timestamp_offset = 0;
  std::uint16_t mss = 536;  // what we can receive: MTU less IP and TCP headers (MUST-67)
  // RFC 7413: goes into the first SYN or SYN-ACK. An active open with a cookie may send text in its SYN, as much as
  // fits the MSS that the peer had when it gave it.
  std::optional<FastOpenCookie> fast_open{};
  std::uint16_t peer_mss = 0;
};

// A segment that arrives, and the packet that it lies in. `fresh` comes back: text
// that is in order and was not queued. The caller offers it to the application and
// passes to keep() what the application left.
struct Arrival {
  const Segment& segment;
  Packet& packet;
  std::span<std::byte> fresh;
};

// A segment to be sent. Its text is `text_size` bytes that copy_text() fetches.
struct Outgoing {
  SeqNum seq;
  SeqNum ack;
  std::uint16_t wnd = 0;
  std::uint16_t up = 0;
  TcpFlags flags;
  Ecn ecn = Ecn::kNotEct;
  TcpOptions options;
  std::uint32_t text_offset = 0;  // in the send buffer
  std::uint32_t text_size = 0;
  std::uint16_t segment_size = 0;  // of text; what the device is to cut it into. 0: it is one segment
};

// What the application is to be told; taken by poll_events.
struct Events {
  bool opened : 1 = false;      // the handshake is done, or with Fast Open begun
  bool eof : 1 = false;         // the peer's FIN, and all text before it has been read
  bool writable : 1 = false;    // room in the send buffer again
  bool urgent : 1 = false;      // RCV.UP moved (MUST-32)
  bool soft_error : 1 = false;  // R1 reached or an ICMP error that does not end the connection (MUST-47)
  bool closed : 1 = false;      // the last event; see reason()
  bool any() const { return opened || eof || writable || urgent || soft_error || closed; }
};

enum class IcmpError : std::uint8_t {
  kPortUnreachable,
  kProtocolUnreachable,
  kHostUnreachable,
  kNetUnreachable,
  kOther
};

}  // namespace pollux::tcp
