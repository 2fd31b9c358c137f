#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/endian.h"
#include "base/expected.h"
#include "wire/wire_drop.h"

namespace pollux {

//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-------+-------+---------------+-------------------------------+
//   |Version|  IHL  |Type of Service|          Total Length         |  0
//   |         Identification        |0|D|M|     Fragment Offset     |  4
//   |  Time to Live |    Protocol   |        Header Checksum        |  8
//   |                       Source Address                          | 12
//   |                    Destination Address                        | 16
//   |                           [Options]                           | 20
//
// A view of an IPv4 header (RFC 791, 3.1). Holding one is proof that the header,
// its options and its payload lie inside the bytes.
class Ipv4Header {
 public:
  static constexpr std::size_t kMinSize = 20;
  static constexpr std::uint8_t kVersionAndIhl = 0x45;  // of a header without options
  static constexpr std::uint16_t kDontFragment = 0x4000;
  static constexpr std::uint16_t kFragmentMask = 0x3fff;  // more fragments, and the offset

  // `bytes`: the packet and whatever padding Ethernet put behind it.
  static Expected<Ipv4Header, WireDrop> parse(std::span<const std::byte> bytes) {
    if (bytes.size() < kMinSize) return unexpected(WireDrop::kIpTruncated);
    const Ipv4Header header{bytes};
    if ((header.first() >> 4) != 4 || header.size() < kMinSize) return unexpected(WireDrop::kIpHeader);
    if (header.total_length() > bytes.size() || header.total_length() < header.size()) {
      return unexpected(WireDrop::kIpLength);
    }
    return header;
  }

  std::size_t size() const { return (first() & 0x0fu) * 4u; }
  std::uint8_t tos() const { return load_be<std::uint8_t>(bytes_.data() + 1); }
  std::uint16_t total_length() const { return load_be<std::uint16_t>(bytes_.data() + 2); }
  bool is_fragment() const { return (load_be<std::uint16_t>(bytes_.data() + 6) & kFragmentMask) != 0; }
  std::uint8_t ttl() const { return load_be<std::uint8_t>(bytes_.data() + 8); }
  std::uint8_t protocol() const { return load_be<std::uint8_t>(bytes_.data() + 9); }
  std::uint32_t source() const { return load_be<std::uint32_t>(bytes_.data() + 12); }
  std::uint32_t destination() const { return load_be<std::uint32_t>(bytes_.data() + 16); }

  std::span<const std::byte> header() const { return bytes_.first(size()); }
  std::span<const std::byte> options() const { return header().subspan(kMinSize); }
  std::span<const std::byte> payload() const { return bytes_.first(total_length()).subspan(size()); }

 private:
  explicit Ipv4Header(std::span<const std::byte> bytes) : bytes_{bytes} {}

  std::uint8_t first() const { return load_be<std::uint8_t>(bytes_.data()); }

  std::span<const std::byte> bytes_;
};

// Options are not acted upon (MUST-50), but a source route or a malformed list is a
// reason to drop the packet.
WireDrop check_ipv4_options(std::span<const std::byte> options);

}  // namespace pollux
