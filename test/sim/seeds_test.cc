// Whole worlds from seeds. A failure prints the line that runs it again.

#include <gtest/gtest.h>
#include <sys/time.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

#include "scenario.h"
#include "seed_range.h"

namespace pollux::sim {
namespace {

// An assertion in the core ends the program; which seed it was must be known all the same.
volatile std::uint64_t current_seed = 0;

constexpr long kSecondsPerSeed = 60;  // of processor time; a seed that takes longer loops

void limit_time(long seconds) {
  const itimerval limit{{0, 0}, {seconds, 0}};
  setitimer(ITIMER_PROF, &limit, nullptr);
}

void tell_seed(int) {
  char line[64];
  const int n = std::snprintf(line, sizeof line, "\nTEST_SEED=%llu\n", static_cast<unsigned long long>(current_seed));
  if (write(STDOUT_FILENO, line, static_cast<std::size_t>(n)) < 0) _exit(2);
}

void expect_pass(std::uint64_t seed, const Outcome& outcome) {
  for (const std::string& failure : outcome.failures) {
    ADD_FAILURE() << failure << "\nTEST_SEED=" << seed << "\nwith " << outcome.troubles.to_string();
  }
}

TEST(Seeds, EveryWorldComesToAGoodEnd) {
  const auto [first, count] = SeedRange::from_environment();
  const auto tell_and_exit = [](int signal) {
    tell_seed(signal);
    std::_Exit(3);
  };
  std::signal(SIGABRT, tell_seed);
  std::signal(SIGSEGV, tell_and_exit);
  std::signal(SIGPROF, tell_and_exit);
  const std::clock_t begin = std::clock();
  std::uint64_t segments = 0;
  std::uint64_t failed = 0;
  double virtual_seconds = 0;
  const std::uint64_t enough = std::getenv("POLLUX_MUTANT") != nullptr ? 1 : 5;
  for (std::uint64_t seed = first; seed < first + count && failed < enough; ++seed) {
    current_seed = seed;
    limit_time(kSecondsPerSeed);
    const Outcome outcome = run_world({.seed = seed, .without = too_long_here()});
    expect_pass(seed, outcome);
    if (!outcome.failures.empty()) ++failed;
    segments += outcome.segments;
    virtual_seconds += outcome.virtual_seconds;
  }
  limit_time(0);
  std::signal(SIGABRT, SIG_DFL);
  std::signal(SIGSEGV, SIG_DFL);
  const double took = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  std::printf("%llu seeds, %llu segments, %.1f virtual hours in %.1f s of one core: %.1f seeds/s, %.0f segments/s\n",
              static_cast<unsigned long long>(count), static_cast<unsigned long long>(segments), virtual_seconds / 3600,
              took, static_cast<double>(count) / took, static_cast<double>(segments) / took);
}

TEST(Seeds, TheSameSeedGivesTheSameLog) {
  for (std::uint64_t seed = 1000; seed < 1010; ++seed) {
    const World world{.seed = seed, .without = too_long_here()};
    const Outcome one = run_world(world);
    const Outcome two = run_world(world);
    EXPECT_EQ(one.log_hash, two.log_hash) << "TEST_SEED=" << seed;
    EXPECT_EQ(one.events, two.events);
    EXPECT_NE(one.log_hash, run_world({.seed = seed + 100, .without = world.without}).log_hash);
  }
}

}  // namespace
}  // namespace pollux::sim
