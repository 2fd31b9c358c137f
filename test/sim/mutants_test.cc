// Does the simulator bite? Each seeded bug runs in a process of its own, over seeds and then
// over the scenes, until something notices: an assertion, an invariant, the oracle, a test, or
// that nothing moves any more. Prints how many seeds each lived.

#include "mutants.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

#include "mutant_run.h"

namespace pollux::sim {
namespace {

constexpr const char* kSeeds = "300";

// sim_test with a mutant and a filter.
Ran run_with(int mutant, const std::string& filter) {
  return run_mutated(std::getenv("SIM_TEST"), mutant, filter, {{"POLLUX_SIM_SEEDS", kSeeds}});
}

std::optional<unsigned long> seed_in(const std::string& output) {
  const std::size_t at = output.find("TEST_SEED=");
  if (at == std::string::npos) return std::nullopt;
  return std::strtoul(output.c_str() + at + std::string{"TEST_SEED="}.size(), nullptr, 10);
}

class Mutants : public testing::TestWithParam<Mutant> {};

TEST_P(Mutants, AreSeen) {
  const Mutant& mutant = GetParam();
  const Ran seeds = run_with(mutant.number, "Seeds.EveryWorldComesToAGoodEnd");
  if (!seeds.passed) {
    std::printf("mutant %d (%s): killed by seed %lu\n", mutant.number, mutant.what, seed_in(seeds.output).value_or(0));
    return;
  }
  const Ran scenes = run_with(mutant.number, "-Seeds.*");
  EXPECT_FALSE(scenes.passed) << "mutant " << mutant.number << " lives: " << mutant.what;
  if (!scenes.passed) {
    std::printf("mutant %d (%s): lived %s seeds, killed by %s\n", mutant.number, mutant.what, kSeeds,
                failed_in(scenes.output).c_str());
  }
}

std::string number_of(const testing::TestParamInfo<Mutant>& mutant) { return std::to_string(mutant.param.number); }
INSTANTIATE_TEST_SUITE_P(All, Mutants, testing::ValuesIn(kMutants), number_of);

TEST(Unmutated, PassesTheSameSeedsAndScenes) {
  const Ran run = run_with(0, "-Seeds.TheSameSeedGivesTheSameLog");
  EXPECT_TRUE(run.passed) << run.output;
  EXPECT_NE(run.output.find("Seeds.EveryWorldComesToAGoodEnd"), std::string::npos) << "SIM_TEST names the simulator";
}

}  // namespace
}  // namespace pollux::sim
