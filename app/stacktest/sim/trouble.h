#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"

namespace pollux::sim {

// A kind of trouble that a world may have.
enum class Trouble : std::uint8_t {
  kLoss,
  kReorder,
  kDuplicate,
  kCorrupt,
  kJitter,
  kSlowWire,
  kPartitions,
  kOddDevices,
  kSmallTables,
  kOddSizes,
  kRude,
  kStrangers,
  kReplays,
  kManyFlows,
  kWraps,
  kIpv6,
  kBothOpen,
  kNarrow,
  kLong,
};
inline constexpr std::size_t kTroubles = 19;

std::string_view name_of(Trouble trouble);
std::optional<Trouble> trouble_named(std::string_view name);

// Some of them.
class Troubles {
 public:
  constexpr Troubles() = default;
  // Each is off in many seeds, so that one does not hide what another would show ("swarm testing", Groce et al., 2012).
  // `late` is for what came later, and `latest` for what came after that, so that the worlds of old stay what they
  // were.
  static Troubles draw(Random& random, Random& late, Random& latest);

  bool has(Trouble t) const { return (bits_ & bit(t)) != 0; }
  void add(Trouble t) { bits_ |= bit(t); }
  void remove(Troubles other) { bits_ &= ~other.bits_; }
  bool empty() const { return bits_ == 0; }
  // Their names, in the order of the enumeration.
  std::string to_string(char separator = ' ') const;

  friend bool operator==(const Troubles&, const Troubles&) = default;

 private:
  static std::uint32_t bit(Trouble t) { return 1u << static_cast<unsigned>(t); }
  std::uint32_t bits_ = 0;
};

}  // namespace pollux::sim
