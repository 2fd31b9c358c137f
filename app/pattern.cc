#include "pattern.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace pollux::app {
namespace {

// No lambdas where they are called: the compiler tries those when it compiles, for eight seconds, and gives up.
std::vector<std::byte> make_pattern() {
  std::vector<std::byte> region(kPatternRegion);
  for (std::size_t i = 0; i < region.size(); ++i) region[i] = static_cast<std::byte>((i * 31 + 7) % 251);
  return region;
}

std::vector<std::byte> make_chargen() {
  std::vector<std::byte> region;
  region.reserve(kChargenRegion);
  for (std::size_t line = 0; region.size() < kChargenRegion; ++line) {
    for (std::size_t column = 0; column < 72; ++column) {
      region.push_back(static_cast<std::byte>(' ' + (line + column) % 95));
    }
    region.push_back(std::byte{'\r'});
    region.push_back(std::byte{'\n'});
  }
  return region;
}

}  // namespace

std::span<const std::byte, kPatternRegion> pattern_region() {
  static const std::vector<std::byte> kRegion = make_pattern();
  return std::span<const std::byte, kPatternRegion>{kRegion};
}

std::span<const std::byte> pattern_at(std::uint64_t offset, std::uint64_t size) {
  const std::size_t at = offset % kPatternRegion;
  return pattern_region().subspan(at, std::min<std::uint64_t>(size, kPatternRegion - at));
}

bool is_pattern(std::span<const std::byte> text, std::uint64_t offset) {
  while (!text.empty()) {
    const std::span<const std::byte> expected = pattern_at(offset, text.size());
    if (std::memcmp(text.data(), expected.data(), expected.size()) != 0) return false;
    text = text.subspan(expected.size());
    offset += expected.size();
  }
  return true;
}

std::span<const std::byte, kChargenRegion> chargen_region() {
  static const std::vector<std::byte> kRegion = make_chargen();
  return std::span<const std::byte, kChargenRegion>{kRegion};
}

}  // namespace pollux::app
