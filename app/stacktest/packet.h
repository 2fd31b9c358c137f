#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/expected.h"
#include "wire/ip_address.h"

namespace pollux::stacktest {

// TCP's control bits, as they stand in the header.
inline constexpr std::uint8_t kFin = 0x01, kSyn = 0x02, kRst = 0x04, kPsh = 0x08, kAck = 0x10, kUrg = 0x20, kEce = 0x40,
                              kCwr = 0x80;

namespace option {
inline constexpr std::uint8_t kEol = 0, kNop = 1, kMss = 2, kWscale = 3, kSackOk = 4, kSack = 5, kTimestamps = 8,
                              kMd5 = 19, kFastOpen = 34;
}

// A TCP option as on the wire, without kind and length. The order of a list is kept.
struct TcpOption {
  std::uint8_t kind = option::kNop;
  std::vector<std::byte> data;
  friend bool operator==(const TcpOption&, const TcpOption&) = default;
};

// A number of four bytes in an option: the left edge of a SACK block, TSval.
std::uint32_t number_at(const TcpOption& option, std::size_t offset);
void set_number_at(TcpOption& option, std::size_t offset, std::uint32_t value);
TcpOption make_option(std::uint8_t kind, std::initializer_list<std::uint32_t> words);

// An IP packet with TCP, or with ICMP that quotes TCP. Written and read here without lib/wire: whoever judges the stack
// must not share its mistakes.
struct Packet {
  IpAddress source;
  IpAddress destination;
  std::uint8_t ttl = 64;
  std::uint8_t tos = 0;
  bool icmp = false;

  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::uint32_t seq = 0;
  std::uint32_t ack = 0;
  std::uint8_t flags = 0;
  std::uint16_t wnd = 0;
  std::uint16_t up = 0;
  std::vector<TcpOption> options;
  std::vector<std::byte> text;

  std::uint8_t icmp_type = 0;
  std::uint8_t icmp_code = 0;
  std::uint32_t icmp_rest = 0;  // the second word of the header: an MTU

  bool has(std::uint8_t bits) const { return (flags & bits) == bits; }
  // SEG.LEN.
  std::uint32_t length() const {
    return static_cast<std::uint32_t>(text.size()) + (has(kSyn) ? 1u : 0u) + (has(kFin) ? 1u : 0u);
  }
  const TcpOption* find(std::uint8_t kind) const;
};

// With all checksums right. Of ICMP the fields from the ports to `seq` are those of the segment that is quoted, which
// went the other way.
std::vector<std::byte> to_bytes(const Packet& packet);

enum class Checksums : std::uint8_t { kVerified, kIgnored };

// Reads what the stack has sent. The error says what no packet may be: a wrong checksum or length, options that do not
// end where they should, padding other than zero, a reserved bit.
Expected<Packet, std::string> read_packet(std::span<const std::byte> bytes, Checksums checksums = Checksums::kVerified);

// An Ethernet frame with the packet, for captures. The addresses are made up, those of two hosts; `turned`: from the
// second to the first.
std::vector<std::byte> on_ethernet(std::span<const std::byte> packet, bool turned);

// "P. 1:1001(1000) ack 1 win 257 <nop,nop,TS val 100 ecr 5>": what a script would say.
std::string to_line(const Packet& packet);

}  // namespace pollux::stacktest
