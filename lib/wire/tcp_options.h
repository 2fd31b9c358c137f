#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/endian.h"
#include "wire/segment.h"

namespace pollux {

// TCP options on the wire (RFC 9293, 3.1). Two are a single byte; every other one
// is kind, length, value, where the length counts all three (MUST-68).
enum class TcpOption : std::uint8_t {
  kEnd = 0,
  kNop = 1,
  kMss = 2,
  kWindShift = 3,
  kSackPermitted = 4,
  kSack = 5,
  kTimestamps = 8,
  kFastOpen = 34,
};

inline constexpr std::size_t kMaxTcpOptions = 40;  // bytes that a data offset of 15 leaves for them
inline constexpr std::uint8_t kMaxWindShift = 14;  // RFC 7323, 2.3

// The layout nearly every segment of a connection with timestamps has: NOP, NOP,
// kind 8, length 10 (RFC 7323, appendix A).
inline constexpr std::size_t kAlignedTimestampsSize = 12;
inline constexpr std::uint32_t kAlignedTimestamps = 0x0101080a;

// Reads any options at all; the way for those that are not laid out as above.
[[nodiscard]] bool decode_any_options(std::span<const std::byte> bytes, bool syn, TcpOptions& options);

// Adds to `options`, which must be empty, what the options in `bytes` say.
//
// Unknown ones are skipped (MUST-6), known ones of a wrong size too; the first
// valid one of its kind counts; those that belong in a SYN are ignored elsewhere.
// An impossible length (zero, one, or past the end) ends the reading: what came
// before it stands, and the result is false (MUST-7).
[[nodiscard]] inline bool decode_options(std::span<const std::byte> bytes, bool syn, TcpOptions& options) {
  if (bytes.empty()) return true;
  if (bytes.size() == kAlignedTimestampsSize && load_be<std::uint32_t>(bytes.data()) == kAlignedTimestamps) {
    options.ts = Timestamps{load_be<std::uint32_t>(bytes.data() + 4), load_be<std::uint32_t>(bytes.data() + 8)};
    return true;
  }
  return decode_any_options(bytes, syn, options);
}

// What encode_options will write: a multiple of 4, at most kMaxTcpOptions.
std::size_t options_size(const TcpOptions& options);

// How many of `options.sack`'s blocks there is room for beside the others.
std::size_t sack_blocks_sent(const TcpOptions& options);

// Writes the options that are present, in Linux's order, each group padded in front
// with NOPs to whole words, a cookie behind itself; SACK blocks as many as fit. Returns options_size.
std::size_t encode_options(std::byte* to, const TcpOptions& options);

}  // namespace pollux
