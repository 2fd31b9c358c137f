#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/endian.h"
#include "base/mutant.h"
#include "wire/ip_address.h"

namespace pollux {

// The Internet checksum (RFC 1071).
//
// A PartialSum is the ones' complement sum of the 16-bit words of some bytes, as
// the words lie in memory, not yet folded. Sums of pieces add up to the sum of
// the whole; a piece that starts at an odd offset is turned first.
class PartialSum {
 public:
  constexpr PartialSum() = default;
  constexpr explicit PartialSum(std::uint64_t value) : value_{value} {}

  friend constexpr PartialSum operator+(PartialSum a, PartialSum b) {
    const std::uint64_t sum = a.value_ + b.value_;
    return PartialSum{sum + (sum < a.value_ ? 1 : 0)};  // the end-around carry
  }
  constexpr PartialSum& operator+=(PartialSum other) { return *this = *this + other; }

  // What these bytes add to a whole in which they start at an odd offset.
  constexpr PartialSum at_odd_offset() const { return PartialSum{__builtin_bswap16(folded())}; }

  // The sum in 16 bits, in memory order. 0 only for bytes that are all zero.
  constexpr std::uint16_t folded() const {
    std::uint64_t s = (value_ & 0xffffffff) + (value_ >> 32);
    s = (s & 0xffff) + ((s >> 16) & 0xffff) + (s >> 32);
    s = (s & 0xffff) + (s >> 16);
    s = (s & 0xffff) + (s >> 16);
    return static_cast<std::uint16_t>(s);
  }

  // Whether bytes that include their own checksum are intact.
  constexpr bool verifies() const { return folded() == 0xffff; }

  // Writes the checksum field: the complement of the sum of all the other bytes.
  void store_checksum(std::byte* to) const {
    const auto field = static_cast<std::uint16_t>(~folded());
    std::memcpy(to, &field, sizeof field);
  }

  // Writes the sum itself: what a device that completes the checksum starts from.
  void store_sum(std::byte* to) const {
    const std::uint16_t field = folded();
    std::memcpy(to, &field, sizeof field);
  }

 private:
  std::uint64_t value_ = 0;
};

namespace detail {
PartialSum sum_long(const std::byte* from, std::size_t size);
}

// Sums fewer than 2^32 bytes, of any alignment and any number.
inline PartialSum sum(std::span<const std::byte> bytes) {
  const std::byte* from = bytes.data();
  std::size_t size = bytes.size();
  if (size >= 64) return detail::sum_long(from, size);
  std::uint64_t total = 0;
  for (; size >= 4; size -= 4, from += 4) {
    std::uint32_t word;
    std::memcpy(&word, from, sizeof word);
    total += word;
  }
  if (size >= 2) {
    std::uint16_t word;
    std::memcpy(&word, from, sizeof word);
    total += word;
    from += 2;
  }
  // The pad byte comes after it.
  if ((size & 1) != 0) total += std::to_integer<std::uint64_t>(*from) << MUTANT(74, 0, 8);
  return PartialSum{total};
}

// Copies and sums in one pass over the bytes. `to` and `from` must not overlap.
PartialSum copy_and_sum(std::byte* to, const std::byte* from, std::size_t size);

// The pseudo-header of RFC 9293, 3.1, for either family. `length` counts the
// transport header and what follows it; a device that cuts the text itself (TSO)
// wants 0. IPv4 addresses are summed with their ::ffff: prefix, which is minus
// zero and changes nothing.
inline PartialSum pseudo_header_sum(const IpAddress& a, const IpAddress& b, std::uint8_t protocol,
                                    std::uint32_t length) {
  std::uint64_t total = std::uint64_t{from_big_endian(length)} + from_big_endian(std::uint32_t{protocol});
  for (const std::uint32_t word : a.words()) total += word;
  for (const std::uint32_t word : b.words()) total += word;
  return PartialSum{total};
}

// The checksum after one word under it changed from `before` to `after` (RFC
// 1624, equation 3). All three in the same byte order, whichever it is.
constexpr std::uint16_t updated_checksum(std::uint16_t checksum, std::uint16_t before, std::uint16_t after) {
  const std::uint32_t complement = static_cast<std::uint16_t>(~checksum);
  const std::uint64_t s = std::uint64_t{complement} + static_cast<std::uint16_t>(~before) + after;
  return static_cast<std::uint16_t>(~PartialSum{s}.folded());
}
constexpr std::uint16_t updated_checksum(std::uint16_t checksum, std::uint32_t before, std::uint32_t after) {
  const std::uint32_t complement = static_cast<std::uint16_t>(~checksum);
  const std::uint64_t s = std::uint64_t{complement} + static_cast<std::uint32_t>(~before) + after;
  return static_cast<std::uint16_t>(~PartialSum{s}.folded());
}

}  // namespace pollux
