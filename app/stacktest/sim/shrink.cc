#include "shrink.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

namespace pollux::sim {
namespace {

class Shrinker {
 public:
  Shrinker(const World& world, const Outcome& outcome, const RunWorld& run, unsigned most)
      : best_{world, outcome, 0}, run_{run}, most_{most} {}

  Shrunk shrink() {
    bool smaller = true;
    while (smaller) {
      smaller = drop_flows();
      smaller |= drop_troubles();
      smaller |= drop_bytes();
    }
    return std::move(best_);
  }

 private:
  // Whether `world` fails as well, and so takes the place of the best.
  bool take(const World& world) {
    if (best_.runs >= most_) return false;
    ++best_.runs;
    Outcome outcome = run_(world);
    if (outcome.failures.empty()) return false;
    best_.world = world;
    // One that did not come to its end does not tell what was in it.
    if (outcome.flows == 0) {
      outcome.troubles = best_.outcome.troubles;
      outcome.troubles.remove(world.without);
      outcome.flows = std::min(best_.outcome.flows, world.flows);
      outcome.most_bytes = std::min(best_.outcome.most_bytes, world.bytes);
    }
    best_.outcome = std::move(outcome);
    return true;
  }

  bool drop_troubles() {
    bool dropped = false;
    for (std::size_t i = 0; i < kTroubles; ++i) {
      const auto trouble = static_cast<Trouble>(i);
      if (!best_.outcome.troubles.has(trouble)) continue;
      World world = best_.world;
      world.without.add(trouble);
      dropped |= take(world);
    }
    return dropped;
  }

  bool drop_flows() {
    bool dropped = false;
    for (const std::uint32_t divisor : {8u, 2u}) {
      while (best_.outcome.flows > 1) {
        World world = best_.world;
        world.flows = std::max(best_.outcome.flows / divisor, 1u);
        if (!take(world)) break;
        dropped = true;
      }
    }
    return dropped;
  }

  bool drop_bytes() {
    bool dropped = false;
    for (const std::uint64_t divisor : {16u, 2u}) {
      while (best_.outcome.most_bytes > 0) {
        World world = best_.world;
        world.bytes = best_.outcome.most_bytes / divisor;
        if (!take(world)) break;
        dropped = true;
      }
    }
    return dropped;
  }

  Shrunk best_;
  const RunWorld& run_;
  unsigned most_;
};

}  // namespace

Shrunk shrink(const World& failing, const Outcome& outcome, const RunWorld& run, unsigned most_runs) {
  Outcome known = outcome;
  // Ended before it could tell: everything may be in it.
  if (known.flows == 0) {
    for (std::size_t i = 0; i < kTroubles; ++i) known.troubles.add(static_cast<Trouble>(i));
    known.troubles.remove(failing.without);
    known.flows = std::min(failing.flows, 64u);
    known.most_bytes = std::min<std::uint64_t>(failing.bytes, 1u << 20);
  }
  return Shrinker{failing, known, run, most_runs}.shrink();
}

}  // namespace pollux::sim
