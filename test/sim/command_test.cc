// `stacktest sim`: worlds are repeatable whoever is at the other end, and one that fails is told, shrunk and run again.

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "base/mutant.h"
#include "command_line.h"
#include "seed_range.h"
#include "sim/apart.h"
#include "sim/shrink.h"
#include "stacktest/sim_command.h"

namespace pollux::sim {
namespace {

class EveryPeer : public testing::TestWithParam<std::size_t> {
 protected:
  static World world(std::uint64_t seed) {
    World w;
    w.seed = seed;
    w.peer = static_cast<Peer>(GetParam());
    w.without = too_long_here();
    return w;
  }
};

TEST_P(EveryPeer, LeavesTheOtherHostWithoutFault) {
  for (std::uint64_t seed = 1; seed <= 25; ++seed) {
    const Outcome outcome = run_apart(world(seed));
    for (const std::string& failure : outcome.failures) ADD_FAILURE() << failure << "\n" << to_arguments(world(seed));
    EXPECT_GT(outcome.segments, 0u);
  }
}

// An echo that has no room for its answer looks again and again, and moves nothing: it is given up all the same.
TEST(AClosedWindow, EndsAWorldOfEchoesToo) {
  World world;
  world.seed = 6501;
  world.peer = Peer::kZeroWindow;
  EXPECT_EQ(run_apart(world).failures, std::vector<std::string>{});
}

// Its client fills a window of which the server refuses the last segments, for want of memory, and has no SEQ for an
// ACK but the right edge of it.
TEST(AFullWindow, LetsItsSendersAcksCount) {
  World world;
  world.seed = 11033;
  world.flows = 1;
  world.bytes = 3'900'004;
  EXPECT_EQ(run_apart(world).failures, std::vector<std::string>{});
}

TEST_P(EveryPeer, IsTheSameForTheSameSeed) {
  for (std::uint64_t seed = 500; seed < 503; ++seed) {
    const Outcome one = run_world(world(seed));
    const Outcome two = run_world(world(seed));
    EXPECT_EQ(one.log_hash, two.log_hash) << to_arguments(world(seed));
    EXPECT_EQ(one.events, two.events);
    EXPECT_NE(one.log_hash, run_world(world(seed + 100)).log_hash);
  }
}

std::string peer_name(const testing::TestParamInfo<std::size_t>& peer) {
  std::string name{name_of(static_cast<Peer>(peer.param))};
  std::erase(name, '-');
  return name;
}
INSTANTIATE_TEST_SUITE_P(All, EveryPeer, testing::Range(std::size_t{0}, kPeers), peer_name);

// A world that has what it is asked for, and fails as `fails` says.
RunWorld worlds_where(bool (*fails)(const World&, const Outcome&)) {
  return [fails](const World& world) {
    Outcome outcome;
    for (const Trouble t : {Trouble::kLoss, Trouble::kJitter, Trouble::kRude}) outcome.troubles.add(t);
    outcome.troubles.remove(world.without);
    outcome.flows = std::min(world.flows, 7u);
    outcome.most_bytes = std::min<std::uint64_t>(world.bytes, 100'000);
    if (fails(world, outcome)) outcome.failures = {"it fails"};
    return outcome;
  };
}

TEST(Shrinking, LeavesWhatIsNeededToFail) {
  const RunWorld run = worlds_where([](const World&, const Outcome& o) {
    return o.troubles.has(Trouble::kLoss) && o.flows >= 3 && o.most_bytes >= 1000;
  });
  const Shrunk least = shrink({}, run({}), run, 100);
  EXPECT_EQ(least.outcome.troubles.to_string(), "loss");
  EXPECT_LE(least.world.flows, 4u);
  EXPECT_LT(least.world.bytes, 2000u);
  EXPECT_EQ(least.outcome.failures, std::vector<std::string>{"it fails"});
  EXPECT_FALSE(run(least.world).failures.empty());
}

TEST(Shrinking, EndsAfterSoManyWorlds) {
  const RunWorld run = worlds_where([](const World&, const Outcome&) { return true; });
  EXPECT_EQ(shrink({}, run({}), run, 3).runs, 3u);
}

TEST(AWorldApart, HasTheOutcomeItHasHere) {
  World world;
  world.seed = 42;
  const Outcome here = run_world(world);
  const Outcome apart = run_apart(world);
  EXPECT_EQ(apart.log_hash, here.log_hash);
  EXPECT_EQ(apart.events, here.events);
  EXPECT_EQ(apart.troubles, here.troubles);
  EXPECT_EQ(apart.flows, here.flows);
  EXPECT_EQ(apart.failures, here.failures);
}

app::Options options_of(const std::string& line) {
  std::istringstream in{line};
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  const auto parsed = app::parse_command_line(words);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error());
  return parsed ? parsed->options : app::Options{};
}

TEST(TheCommandLine, MakesTheWorldItNames) {
  const std::string arguments =
      "--seed 17 --peer crashing --flows 2 --bytes 1000 --loss 0.25 --reorder 0 --duplicate 0.5 --corrupt 0.125 "
      "--delay 1500us --without jitter,rude";
  const app::Options options = options_of("stacktest sim " + arguments);
  World world = options.sim.world;
  world.seed = options.seed.value_or(0);
  EXPECT_EQ(to_arguments(world), arguments);
}

TEST(TheCommand, SaysWhatSucceeds) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(app::stacktest_sim(options_of("stacktest sim --seeds 3 --peer all")), 0);
  EXPECT_NE(testing::internal::GetCapturedStdout().find("3 seeds: 3 passed, 0 failed"), std::string::npos);
}

// Whoever is done first, they are told of in the order of their seeds, and are the same worlds.
TEST(TheCommand, RunsWorldsBesideEachOtherAsItDoesOneByOne) {
  const auto told = [](const std::string& line) {
    testing::internal::CaptureStdout();
    EXPECT_EQ(app::stacktest_sim(options_of("stacktest sim --verbose " + line)), 0);
    const std::string text = testing::internal::GetCapturedStdout();
    return text.substr(0, text.rfind(';'));  // then it says how long it took
  };
  const std::string one_by_one = told("--seeds 12 --seed 4 --peer all --jobs 1");
  EXPECT_EQ(told("--seeds 12 --seed 4 --peer all --jobs 5"), one_by_one);
  EXPECT_EQ(std::count(one_by_one.begin(), one_by_one.end(), '\n'), 12);
}

TEST(TheCommand, LengthensWhatAWorldSends) {
  World world;
  world.seed = 11033;
  world.flows = 1;
  const Outcome long_one = run_apart(world);
  world.without.add(Trouble::kLong);
  const Outcome short_one = run_apart(world);
  EXPECT_TRUE(long_one.troubles.has(Trouble::kLong));
  EXPECT_GE(long_one.most_bytes, 2000 * 536u);
  EXPECT_LT(short_one.most_bytes, 400'000u);
  EXPECT_GT(long_one.segments, 10 * short_one.segments);
}

#ifdef POLLUX_ASSERTIONS
// "again     pollux stacktest sim --seed 5 ...": what follows the program's name.
std::string again_in(const std::string& output) {
  constexpr std::string_view kAgain = "again     pollux ";
  const std::size_t at = output.find(kAgain);
  if (at == std::string::npos) return {};
  return output.substr(at + kAgain.size(), output.find('\n', at) - at - kAgain.size());
}

TEST(TheCommand, PrintsOneLineThatShowsAFaultAgainInASmallerWorld) {
  for (const int mutant : {15, 17}) {  // cwnd is not applied; the right edge moves left
    selected_mutant = mutant;
    testing::internal::CaptureStdout();
    EXPECT_EQ(app::stacktest_sim(options_of("stacktest sim --seeds 30")), 1);
    const std::string again = again_in(testing::internal::GetCapturedStdout());
    ASSERT_NE(again, "") << "mutant " << mutant;
    const app::Options options = options_of(again);
    World world = options.sim.world;
    world.seed = options.seed.value_or(0);
    EXPECT_FALSE(world.without.empty()) << again;
    EXPECT_TRUE(world.flows != UINT32_MAX || world.bytes != UINT64_MAX) << again;
    EXPECT_FALSE(run_apart(world).failures.empty()) << again;
    selected_mutant = 0;
    EXPECT_TRUE(run_apart(world).failures.empty()) << again;
  }
}
#endif

}  // namespace
}  // namespace pollux::sim
