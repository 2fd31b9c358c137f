#include "sim_command.h"

#include <chrono>

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

void run_one(const sim::World& world, const Options& options, WorldTally& tally) {
  const sim::Outcome outcome = sim::run_apart(world);
  ++tally.worlds;
  tally.segments += outcome.segments;
  tally.virtual_seconds += outcome.virtual_seconds;
  if (!outcome.failures.empty()) {
    ++tally.failed;
    return report_failure(world, outcome);
  }
  if (options.verbose) {
    say(stdout, "seed {}, {}: ok, {} flows, {} segments, log {:016x}, with {}\n", world.seed, sim::name_of(world.peer),
        outcome.flows, outcome.segments, outcome.log_hash, outcome.troubles.to_string());
  }
}

}  // namespace

int stacktest_sim(const Options& options) {
  const std::uint64_t first = options.seed.value_or(1);
  const std::uint64_t count = options.sim.seeds.value_or(options.seed ? 1 : 200);
  sim::World world = options.sim.world;
  world.capture = options.capture;
  if (count > 1 && !world.capture.empty()) {
    return fail(kUsage, "--capture is for one world: name it with --seed, and leave --seeds out");
  }
  WorldTally tally;
  const auto begin = std::chrono::steady_clock::now();
  for (std::uint64_t i = 0; i < count && tally.failed < kEnough; ++i) {
    world.seed = first + i;
    if (options.sim.all_peers) world.peer = static_cast<sim::Peer>(world.seed % sim::kPeers);
    run_one(world, options, tally);
  }
  const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (!options.quiet) {
    say(stdout, "{} seeds: {} passed, {} failed; {} segments in {:.1f} virtual hours, {:.1f} s\n", tally.worlds,
        tally.worlds - tally.failed, tally.failed, tally.segments, tally.virtual_seconds / 3600, took);
  }
  return tally.failed == 0 ? kOk : kRunTimeError;
}

}  // namespace pollux::app
