#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/endian.h"
#include "base/expected.h"
#include "wire/segment.h"
#include "wire/seq_num.h"
#include "wire/wire_drop.h"

namespace pollux {

//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-------------------------------+-------------------------------+
//   |          Source Port          |       Destination Port        |  0
//   |                        Sequence Number                        |  4
//   |                    Acknowledgment Number                      |  8
//   |  DOfs | Rsrvd |C E U A P R S F|            Window             | 12
//   |           Checksum            |         Urgent Pointer        | 16
//   |                           [Options]                           | 20
//
// A view of a TCP header (RFC 9293, 3.1). Holding one is proof that the header and
// its options lie inside the bytes, so no accessor can fail or read past them.
class TcpHeader {
 public:
  static constexpr std::uint8_t kProtocol = 6;
  static constexpr std::size_t kMinSize = 20;
  static constexpr std::size_t kChecksumOffset = 16;

  // `bytes` is the whole segment: header, options, text.
  static Expected<TcpHeader, WireDrop> parse(std::span<const std::byte> bytes) {
    if (bytes.size() < kMinSize) return unexpected(WireDrop::kTcpTruncated);
    const TcpHeader header{bytes};
    if (header.size() < kMinSize || header.size() > bytes.size()) return unexpected(WireDrop::kTcpDataOffset);
    return header;
  }

  std::uint16_t source_port() const { return field<std::uint16_t, 0>(); }
  std::uint16_t destination_port() const { return field<std::uint16_t, 2>(); }
  SeqNum seq() const { return SeqNum{field<std::uint32_t, 4>()}; }
  SeqNum ack() const { return SeqNum{field<std::uint32_t, 8>()}; }
  std::size_t size() const { return (field<std::uint8_t, 12>() >> 4) * 4u; }
  TcpFlags flags() const { return TcpFlags::decode(field<std::uint8_t, 13>()); }
  std::uint16_t wnd() const { return field<std::uint16_t, 14>(); }
  std::uint16_t up() const { return field<std::uint16_t, 18>(); }

  std::span<const std::byte> options() const { return bytes_.first(size()).subspan(kMinSize); }
  std::span<const std::byte> text() const { return bytes_.subspan(size()); }

 private:
  explicit TcpHeader(std::span<const std::byte> bytes) : bytes_{bytes} {}

  template <std::unsigned_integral T, std::size_t kOffset>
  T field() const {
    static_assert(kOffset + sizeof(T) <= kMinSize, "outside the fixed header");
    return load_be<T>(bytes_.data() + kOffset);
  }

  std::span<const std::byte> bytes_;
};

}  // namespace pollux
