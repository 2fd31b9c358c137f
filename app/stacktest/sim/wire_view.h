#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "wire/ip_address.h"

namespace pollux::sim {

// A TCP frame as somebody reads it who has the RFCs and not lib/wire: the simulator's
// judge must not share the mistakes of what it judges.
struct WireView {
  IpAddress source;
  IpAddress destination;
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::uint32_t seq = 0;
  std::uint32_t ack = 0;
  std::uint16_t wnd = 0;
  std::uint16_t up = 0;
  bool fin = false;
  bool syn = false;
  bool rst = false;
  bool psh = false;
  bool ack_bit = false;
  bool urg = false;
  bool ece = false;
  bool cwr = false;
  std::uint8_t ecn = 0;  // of the IP header: 1 ECT(1), 2 ECT(0), 3 CE
  std::optional<std::uint16_t> mss;
  std::optional<std::uint8_t> wind_shift;
  std::optional<std::pair<std::uint32_t, std::uint32_t>> ts;  // TSval, TSecr
  bool sack_permitted = false;
  bool fast_open = false;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> sack;  // left and right edges
  std::size_t options_size = 0;                               // bytes, padding included
  std::size_t ip_size = 0;                                    // of the IP packet
  std::size_t tcp_offset = 0;                                 // in the frame
  std::span<const std::byte> text;

  std::uint32_t length() const { return static_cast<std::uint32_t>(text.size()) + (syn ? 1u : 0u) + (fin ? 1u : 0u); }
};

enum class Sight : std::uint8_t {
  kTcp,
  kOther,      // ARP, neighbour discovery, ICMP
  kMalformed,  // no endpoint may send this, and none may take it; `complaint` says why
};

// Reads a frame. Checksums are verified; `complaint` tells of the first thing that is wrong.
Sight look(std::span<const std::byte> frame, WireView& view, std::string& complaint);

// Whether an IP frame's checksums would let it pass, whatever else is wrong with it.
bool checksums_hold(std::span<const std::byte> frame);

// Whether the frame is an ARP request or a neighbour solicitation.
bool asks_for_neighbour(std::span<const std::byte> frame);

// Whether the frame is a router's word that something is too large for it (RFC 1191, 4; RFC 4443, 3.2).
bool says_too_big(std::span<const std::byte> frame);

// The checksums of a TCP frame made right again, after its bytes were changed.
void mend_checksums(std::span<std::byte> frame);

// Header fields of a TCP frame changed in place; mend_checksums() comes after. Without URG there is no urgent pointer.
void set_seq(std::span<std::byte> frame, const WireView& view, std::uint32_t seq);
void set_ack(std::span<std::byte> frame, const WireView& view, std::uint32_t ack);
void set_flags(std::span<std::byte> frame, const WireView& view, std::uint8_t flags);
void set_wnd(std::span<std::byte> frame, const WireView& view, std::uint16_t wnd);

// The frame without its text.
std::vector<std::byte> headers_only(std::span<const std::byte> frame, const WireView& view);

// The frame, which has no text, with this SACK block (RFC 2018, 3): instead of its first, or where it has none and room
// for 12 bytes of options more, as its only one.
std::vector<std::byte> with_sack(std::span<const std::byte> frame, const WireView& view, std::uint32_t left,
                                 std::uint32_t right);

// "client 198.18.0.1:1000 > 198.18.0.2:80 S 100(0) ack 0 win 65535".
std::string to_string(const WireView& view);

}  // namespace pollux::sim
