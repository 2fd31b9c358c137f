#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "wire/seq_num.h"

namespace pollux {

// The control bits of RFC 9293, 3.1, in their places in the header.
struct TcpFlags {
  bool fin = false;
  bool syn = false;
  bool rst = false;
  bool psh = false;
  bool ack = false;
  bool urg = false;
  bool ece = false;
  bool cwr = false;

  static constexpr TcpFlags decode(std::uint8_t bits) {
    return {(bits & 0x01) != 0, (bits & 0x02) != 0, (bits & 0x04) != 0, (bits & 0x08) != 0,
            (bits & 0x10) != 0, (bits & 0x20) != 0, (bits & 0x40) != 0, (bits & 0x80) != 0};
  }
  constexpr std::uint8_t encode() const {
    return static_cast<std::uint8_t>((fin ? 0x01 : 0) | (syn ? 0x02 : 0) | (rst ? 0x04 : 0) | (psh ? 0x08 : 0) |
                                     (ack ? 0x10 : 0) | (urg ? 0x20 : 0) | (ece ? 0x40 : 0) | (cwr ? 0x80 : 0));
  }
  friend constexpr bool operator==(const TcpFlags&, const TcpFlags&) = default;
};

// The ECN field of an IP header: the lower two bits of TOS or traffic class (RFC 3168, 5).
enum class Ecn : std::uint8_t { kNotEct = 0, kEct1 = 1, kEct0 = 2, kCe = 3 };
constexpr Ecn ecn_of(std::uint8_t tos) { return static_cast<Ecn>(tos & 3u); }

// RFC 7323, 3.2.
struct Timestamps {
  std::uint32_t val = 0;
  std::uint32_t ecr = 0;
  friend constexpr bool operator==(const Timestamps&, const Timestamps&) = default;
};

// RFC 2018, 3: numbers from `left` up to but without `right`.
struct SackBlock {
  SeqNum left;
  SeqNum right;
  friend constexpr bool operator==(const SackBlock&, const SackBlock&) = default;
};

struct SackBlocks {
  static constexpr std::size_t kMax = 4;
  std::array<SackBlock, kMax> blocks{};
  std::uint8_t count = 0;

  std::span<const SackBlock> all() const { return std::span{blocks}.first(count); }
};

// RFC 7413, 4.1.1: 4 to 16 bytes, an even number; none in a request for one.
struct FastOpenCookie {
  static constexpr std::size_t kMin = 4;
  static constexpr std::size_t kMax = 16;
  std::array<std::byte, kMax> bytes{};
  std::uint8_t size = 0;

  std::span<const std::byte> all() const { return std::span{bytes}.first(size); }
  friend constexpr bool operator==(const FastOpenCookie&, const FastOpenCookie&) = default;
};

// The options of one segment; what was absent, malformed or unknown is not there.
struct TcpOptions {
  std::optional<std::uint16_t> mss;           // RFC 9293, 3.7.1; in SYN only
  std::optional<std::uint8_t> wind_shift;     // RFC 7323, 2; in SYN only; 0..14
  bool sack_permitted = false;                // RFC 2018, 2; in SYN only
  std::optional<Timestamps> ts;               // RFC 7323, 3
  SackBlocks sack;                            // RFC 2018, 3
  std::optional<FastOpenCookie> fast_open{};  // RFC 7413, 4.1.1; in SYN only
};

// One TCP segment as the state machine sees it: SEG.SEQ, SEG.ACK, SEG.LEN,
// SEG.WND, SEG.UP of RFC 9293, 3.3.1. `wnd` is the field as it came, unscaled.
struct Segment {
  SeqNum seq;
  SeqNum ack;
  std::uint16_t wnd = 0;
  std::uint16_t up = 0;
  TcpFlags flags;
  Ecn ecn = Ecn::kNotEct;  // of the packet that it came in
  TcpOptions options;
  std::span<const std::byte> text;

  // SEG.LEN: the text, and one for each of SYN and FIN.
  std::uint32_t len() const {
    return static_cast<std::uint32_t>(text.size()) + (flags.syn ? 1u : 0u) + (flags.fin ? 1u : 0u);
  }
  // Of a SYN, and of a SYN-ACK that does not just send back what it was asked (RFC 3168, 6.1.1).
  bool is_ecn_setup() const { return flags.syn && flags.ece && flags.cwr != flags.ack; }
};

// One line as packetdrill prints it: "S. 100:100(0) ack 7 win 65535 <mss 1460,...>".
std::string to_string(const Segment& segment);

}  // namespace pollux
