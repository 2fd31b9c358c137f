#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "base/random.h"
#include "time/instant.h"

namespace pollux::sim {

// Between `low` and `high`, each order of magnitude as likely as another.
inline std::uint64_t spread(Random& random, std::uint64_t low, std::uint64_t high) {
  const double l = std::log(static_cast<double>(low));
  const double h = std::log(static_cast<double>(high) + 1);
  return std::clamp(static_cast<std::uint64_t>(std::exp(l + random.fraction() * (h - l))), low, high);
}

inline Duration spread(Random& random, Duration low, Duration high) {
  return Duration{static_cast<Duration::rep>(
      spread(random, static_cast<std::uint64_t>(low.count()), static_cast<std::uint64_t>(high.count())))};
}

}  // namespace pollux::sim
