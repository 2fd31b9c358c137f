#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/endian.h"
#include "base/expected.h"
#include "wire/ip_address.h"
#include "wire/wire_drop.h"

namespace pollux {

//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-------+---------------+---------------------------------------+
//   |Version| Traffic Class |              Flow Label               |  0
//   |         Payload Length        |  Next Header  |   Hop Limit   |  4
//   |                      Source Address (16)                      |  8
//   |                   Destination Address (16)                    | 24
//
// A view of an IPv6 header (RFC 8200, 3). Holding one is proof that the header and
// its payload lie inside the bytes.
class Ipv6Header {
 public:
  static constexpr std::size_t kSize = 40;

  // `bytes`: the packet and whatever padding Ethernet put behind it.
  static Expected<Ipv6Header, WireDrop> parse(std::span<const std::byte> bytes) {
    if (bytes.size() < kSize) return unexpected(WireDrop::kIpTruncated);
    const Ipv6Header header{bytes};
    if ((load_be<std::uint8_t>(bytes.data()) >> 4) != 6) return unexpected(WireDrop::kIpHeader);
    if (header.payload_length() > bytes.size() - kSize) return unexpected(WireDrop::kIpLength);
    return header;
  }

  std::uint8_t traffic_class() const { return static_cast<std::uint8_t>(load_be<std::uint16_t>(bytes_.data()) >> 4); }
  std::uint16_t payload_length() const { return load_be<std::uint16_t>(bytes_.data() + 4); }
  std::uint8_t next_header() const { return load_be<std::uint8_t>(bytes_.data() + 6); }
  std::uint8_t hop_limit() const { return load_be<std::uint8_t>(bytes_.data() + 7); }
  IpAddress source() const { return IpAddress::v6(bytes_.data() + 8); }
  IpAddress destination() const { return IpAddress::v6(bytes_.data() + 24); }
  std::span<const std::byte> payload() const { return bytes_.subspan(kSize, payload_length()); }

 private:
  explicit Ipv6Header(std::span<const std::byte> bytes) : bytes_{bytes} {}

  std::span<const std::byte> bytes_;
};

// How far a chain of extension headers is followed before it is an attack.
inline constexpr std::size_t kMaxExtensionHeaders = 8;
inline constexpr std::size_t kMaxExtensionBytes = 256;

// What stands behind the extension headers.
struct UpperLayer {
  std::uint8_t protocol = 0;
  std::span<const std::byte> bytes;
};

// Walks the extension headers (RFC 8200, 4) from `first` on. Hop-by-hop and
// destination options are skipped unless one says that a host which does not know
// it must drop the packet; fragments and routes still to be travelled are dropped,
// and so is every routing header of type 0 (RFC 5095).
Expected<UpperLayer, WireDrop> skip_extension_headers(std::uint8_t first, std::span<const std::byte> payload);

}  // namespace pollux
