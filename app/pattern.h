#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace pollux::app {

// The text that servers send and clients compare: byte i is (i * 31 + 7) mod 251. It
// repeats after 251 bytes, a prime, so that no buffer or segment size hides a shift.
inline constexpr std::size_t kPatternRegion = 251 * 4096;

// kPatternRegion bytes of it, which is a whole number of periods. Made at the first call; never changes.
std::span<const std::byte, kPatternRegion> pattern_region();

// The longest piece of the pattern from byte `offset` on that lies together, at most `size` bytes.
std::span<const std::byte> pattern_at(std::uint64_t offset, std::uint64_t size);

// Whether `text` is what stands at `offset`.
bool is_pattern(std::span<const std::byte> text, std::uint64_t offset);

// RFC 864: lines of 72 printable characters, each line one character on. 95 lines, then again.
inline constexpr std::size_t kChargenPeriod = 95 * 74;
inline constexpr std::size_t kChargenRegion = kChargenPeriod * 128;
std::span<const std::byte, kChargenRegion> chargen_region();

}  // namespace pollux::app
