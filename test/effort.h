#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace pollux::test {

// How often a test does what it does over and over. Under a sanitizer (POLLUX_SLOWED, see scripts/run_suites) a tenth:
// it looks at what each time does to memory; whether the answer is right in all of them is seen without it.
inline std::uint64_t effort(std::uint64_t times) {
  return std::getenv("POLLUX_SLOWED") == nullptr ? times : std::max<std::uint64_t>(times / 10, 1);
}

}  // namespace pollux::test
