// Do the simulator and the scripts bite? Each seeded bug runs in processes of its own until something notices: an
// assertion, an invariant, the oracle, a test, a script, or that nothing moves any more. Prints what that was.

#include "mutants.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <set>
#include <string>

#include "mutant_run.h"

namespace pollux::sim {
namespace {

constexpr const char* kSeeds = "300";

// sim_test with a mutant and a filter.
Ran run_with(int mutant, const std::string& filter) {
  return run_mutated(std::getenv("SIM_TEST"), mutant, tests_matching(filter), {{"POLLUX_SIM_SEEDS", kSeeds}});
}

// The scripts of one folder with a mutant.
Ran run_scripts(int mutant, const std::string& folder) {
  const char* scripts = std::getenv("SCRIPTS");
  if (scripts == nullptr) return {.passed = true, .output = {}};
  return run_mutated(std::getenv("WRONG_POLLUX"), mutant, {"stacktest", "script", std::string{scripts} + "/" + folder});
}

std::optional<unsigned long> seed_in(const std::string& output) {
  const std::size_t at = output.find("TEST_SEED=");
  if (at == std::string::npos) return std::nullopt;
  return std::strtoul(output.c_str() + at + std::string{"TEST_SEED="}.size(), nullptr, 10);
}

// What saw it; none: nothing did.
std::optional<std::string> killer_of(const Mutant& mutant) {
  if (mutant.scripts != nullptr) {
    const Ran scripts = run_scripts(mutant.number, mutant.scripts);
    if (scripts.passed) return std::nullopt;
    return "script " + scripts.output.substr(0, scripts.output.find(": "));
  }
  if (mutant.scenes != nullptr) {
    const Ran scenes = run_with(mutant.number, mutant.scenes);
    if (scenes.passed) return std::nullopt;
    return "scene " + failed_in(scenes.output);
  }
  const Ran seeds = run_with(mutant.number, "Seeds.EveryWorldComesToAGoodEnd");
  if (!seeds.passed) return "seed " + std::to_string(seed_in(seeds.output).value_or(0));
  return std::nullopt;
}

class Mutants : public testing::TestWithParam<Mutant> {};

TEST_P(Mutants, AreSeen) {
  const Mutant& mutant = GetParam();
  const auto killer = killer_of(mutant);
  EXPECT_TRUE(killer) << "mutant " << mutant.number << " lives: " << mutant.what;
  if (killer) std::printf("mutant %d (%s): killed by %s\n", mutant.number, mutant.what, killer->c_str());
}

std::string number_of(const testing::TestParamInfo<Mutant>& mutant) { return std::to_string(mutant.param.number); }
INSTANTIATE_TEST_SUITE_P(All, Mutants, testing::ValuesIn(kMutants), number_of);

TEST(Unmutated, PassesTheSameSeedsAndScenes) {
  const Ran run = run_with(0, "-Seeds.TheSameSeedGivesTheSameLog");
  EXPECT_TRUE(run.passed) << run.output;
  EXPECT_NE(run.output.find("Seeds.EveryWorldComesToAGoodEnd"), std::string::npos) << "SIM_TEST names the simulator";
}

TEST(Unmutated, PassesTheSameScripts) {
  std::set<std::string> folders;
  for (const Mutant& mutant : kMutants) {
    if (mutant.scripts != nullptr) folders.insert(mutant.scripts);
  }
  for (const std::string& folder : folders) {
    const Ran run = run_scripts(0, folder);
    EXPECT_TRUE(run.passed) << folder << "\n" << run.output;
    EXPECT_NE(run.output.find("passed"), std::string::npos) << "WRONG_POLLUX names the program, SCRIPTS its scripts";
  }
}

}  // namespace
}  // namespace pollux::sim
