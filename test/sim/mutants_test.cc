// Does the simulator bite? Each seeded bug runs in a process of its own, over seeds and then
// over the scenes, until something notices: an assertion, an invariant, the oracle, a test, or
// that nothing moves any more. Prints how many seeds each lived.

#include "mutants.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

namespace pollux::sim {
namespace {

constexpr const char* kSeeds = "300";
constexpr rlim_t kMostSeconds = 300;  // of processor time

struct Ran {
  bool passed = false;
  std::string output;
};

// sim_test with a mutant and a filter.
Ran run_with(int mutant, const std::string& filter) {
  const char* program = std::getenv("SIM_TEST");
  std::array<int, 2> ends{};
  if (program == nullptr || pipe(ends.data()) != 0) return {};
  const pid_t child = fork();
  if (child == 0) {
    const rlimit cpu{kMostSeconds, kMostSeconds};
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CPU, &cpu);
    setrlimit(RLIMIT_CORE, &no_core);
    setenv("POLLUX_MUTANT", std::to_string(mutant).c_str(), 1);
    setenv("POLLUX_SIM_SEEDS", kSeeds, 1);
    unsetenv("TEST_SEED");
    dup2(ends[1], STDOUT_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    execl(program, program, ("--gtest_filter=" + filter).c_str(), "--gtest_fail_fast", static_cast<char*>(nullptr));
    _exit(0);  // counts as passed, so that a program that is not there kills no mutant
  }
  close(ends[1]);
  Ran run;
  std::array<char, 4096> buffer;
  for (ssize_t n = read(ends[0], buffer.data(), buffer.size()); n > 0; n = read(ends[0], buffer.data(), buffer.size()))
    run.output.append(buffer.data(), static_cast<std::size_t>(n));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  run.passed = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  return run;
}

std::optional<unsigned long> seed_in(const std::string& output) {
  const std::size_t at = output.find("TEST_SEED=");
  if (at == std::string::npos) return std::nullopt;
  return std::strtoul(output.c_str() + at + std::string{"TEST_SEED="}.size(), nullptr, 10);
}

// The first scene that failed, or that the program ended in.
std::string scene_in(const std::string& output) {
  const std::size_t failed = output.find("[  FAILED  ] ");
  const std::size_t at = failed == std::string::npos ? output.rfind("[ RUN      ] ") : failed;
  if (at == std::string::npos) return "?";
  const std::size_t begin = at + std::string{"[  FAILED  ] "}.size();
  return output.substr(begin, output.find_first_of(" \n", begin) - begin);
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
                scene_in(scenes.output).c_str());
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
