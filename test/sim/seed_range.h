#pragma once

#include <cstdint>
#include <cstdlib>

#include "trouble.h"

namespace pollux::sim {

// What worlds go without where each segment takes long: a sanitizer, no optimisation.
inline Troubles too_long_here() {
  Troubles t;
  if (std::getenv("POLLUX_SLOWED") != nullptr) t.add(Trouble::kLong);
  return t;
}

// Which seeds a test runs: TEST_SEED alone, or POLLUX_SIM_SEEDS of them from POLLUX_SIM_FIRST on.
struct SeedRange {
  std::uint64_t first;
  std::uint64_t count;

  static SeedRange from_environment() {
    const auto number_from = [](const char* variable, std::uint64_t otherwise) {
      const char* const text = std::getenv(variable);
      return text == nullptr ? otherwise : std::strtoull(text, nullptr, 0);
    };
    return {number_from("TEST_SEED", number_from("POLLUX_SIM_FIRST", 1)),
            std::getenv("TEST_SEED") != nullptr ? 1 : number_from("POLLUX_SIM_SEEDS", 200)};
  }
};

}  // namespace pollux::sim
