#include "sim_command.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>
#include <vector>

#include "say.h"
#include "session.h"
#include "sim/apart.h"
#include "sim/shrink.h"

namespace pollux::app {
namespace {

constexpr unsigned kMostRuns = 150;  // to shrink one
constexpr std::uint64_t kEnough = 5;

struct WorldTally {
  std::uint64_t worlds = 0;
  std::uint64_t failed = 0;
  std::uint64_t segments = 0;
  double virtual_seconds = 0;
};

void say_failures(const sim::Outcome& outcome) {
  for (const std::string& failure : outcome.failures) say(stdout, "  {}\n", failure);
}

void report_failure(const sim::World& world, const sim::Outcome& outcome) {
  say(stdout, "seed {} fails, with {}:\n", world.seed,
      outcome.troubles.empty() ? "no trouble at all" : outcome.troubles.to_string());
  say_failures(outcome);
  sim::World smaller = world;
  smaller.capture.clear();
  const sim::Shrunk least = sim::shrink(smaller, outcome, sim::run_apart, kMostRuns);
  say(stdout, "the least that fails, of {} worlds tried:\n", least.runs);
  say_failures(least.outcome);
  say(stdout, "  again     pollux stacktest sim {}\n", sim::to_arguments(least.world));
}

// Worlds that run beside each other, and are told of in the order of their seeds.
class Worlds {
 public:
  explicit Worlds(const Options& options) : options_{options}, world_{options.sim.world} {
    world_.capture = options.capture;
    jobs_ = options.sim.jobs != 0 ? options.sim.jobs : std::max(std::thread::hardware_concurrency(), 1u);
  }

  // Ends early where enough have failed.
  WorldTally run(std::uint64_t first, std::uint64_t count) {
    std::uint64_t to_start = first;
    for (std::uint64_t seed = first; seed < first + count && tally_.failed < kEnough; ++seed) {
      while (!done_.contains(seed)) {
        while (running_.size() < jobs_ && to_start < first + count) {
          running_.try_emplace(to_start, world(to_start));
          ++to_start;
        }
        listen();
      }
      tell(world(seed), done_.extract(seed).mapped());
    }
    return tally_;
  }

 private:
  sim::World world(std::uint64_t seed) const {
    sim::World world = world_;
    world.seed = seed;
    if (options_.sim.all_peers) world.peer = static_cast<sim::Peer>(seed % sim::kPeers);
    return world;
  }

  // Waits until one of those that run has something to tell.
  void listen() {
    std::vector<pollfd> all;
    for (const auto& [seed, apart] : running_) all.push_back({apart.descriptor(), POLLIN, 0});
    poll(all.data(), all.size(), -1);
    auto next = running_.begin();
    for (const pollfd& one : all) {
      const auto it = next++;
      if (one.revents == 0 || it->second.listen()) continue;
      done_.emplace(it->first, it->second.outcome());
      running_.erase(it);
    }
  }

  void tell(const sim::World& world, const sim::Outcome& outcome) {
    ++tally_.worlds;
    tally_.segments += outcome.segments;
    tally_.virtual_seconds += outcome.virtual_seconds;
    if (!outcome.failures.empty()) {
      ++tally_.failed;
      return report_failure(world, outcome);
    }
    if (options_.verbose) {
      say(stdout, "seed {}, {}: ok, {} flows, {} segments, log {:016x}, with {}\n", world.seed,
          sim::name_of(world.peer), outcome.flows, outcome.segments, outcome.log_hash, outcome.troubles.to_string());
    }
  }

  const Options& options_;
  sim::World world_;
  std::size_t jobs_;
  std::map<std::uint64_t, sim::WorldApart> running_;  // by seed; so is the next
  std::map<std::uint64_t, sim::Outcome> done_;
  WorldTally tally_;
};

}  // namespace

int stacktest_sim(const Options& options) {
  const std::uint64_t first = options.seed.value_or(1);
  const std::uint64_t count = options.sim.seeds.value_or(options.seed ? 1 : 200);
  if (count > 1 && !options.capture.empty()) {
    return fail(kUsage, "--capture is for one world: name it with --seed, and leave --seeds out");
  }
  const auto begin = std::chrono::steady_clock::now();
  const WorldTally tally = Worlds{options}.run(first, count);
  const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (!options.quiet) {
    say(stdout, "{} seeds: {} passed, {} failed; {} segments in {:.1f} virtual hours, {:.1f} s\n", tally.worlds,
        tally.worlds - tally.failed, tally.failed, tally.segments, tally.virtual_seconds / 3600, took);
  }
  return tally.failed == 0 ? kOk : kRunTimeError;
}

}  // namespace pollux::app
