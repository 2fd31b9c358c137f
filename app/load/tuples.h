#pragma once

#include <cstdint>
#include <vector>

#include "load/settings.h"
#include "wire/ip_address.h"

namespace pollux::app {

// Which of our addresses talks to which target: one pair after the other, so that all get the same share. The ports
// that complete the tuple are EphemeralPorts's.
class Tuples {
 public:
  struct Pair {
    std::uint16_t target = 0;
    IpAddress source;
  };

  Tuples(const std::vector<Target>& targets, const std::vector<IpAddress>& sources) {
    for (std::size_t t = 0; t < targets.size(); ++t) {
      for (const IpAddress& source : sources) {
        if (source.is_v4() == targets[t].address.is_v4()) by_target_.push_back({static_cast<std::uint16_t>(t), source});
      }
      ends_.push_back(static_cast<std::uint32_t>(by_target_.size()));
    }
    turn_.resize(targets.size());
  }

  std::uint32_t pairs() const { return static_cast<std::uint32_t>(by_target_.size()); }
  std::uint32_t pairs_of(std::uint16_t target) const { return ends_[target] - begin_of(target); }

  std::uint16_t next_target() {
    const std::uint16_t target = next_;
    next_ = static_cast<std::uint16_t>(next_ + 1u == ends_.size() ? 0 : next_ + 1);
    return target;
  }
  // The pair whose turn it is among those of the target, of which there is one at least.
  const Pair& next_pair(std::uint16_t target) {
    const std::uint32_t turn = turn_[target];
    turn_[target] = turn + 1 == pairs_of(target) ? 0 : turn + 1;
    return by_target_[begin_of(target) + turn];
  }

 private:
  std::uint32_t begin_of(std::uint16_t target) const { return target == 0 ? 0 : ends_[target - 1u]; }

  std::vector<Pair> by_target_;
  std::vector<std::uint32_t> ends_;  // of each target's pairs
  std::vector<std::uint32_t> turn_;
  std::uint16_t next_ = 0;
};

}  // namespace pollux::app
