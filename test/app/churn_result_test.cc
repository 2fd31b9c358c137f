// What is read off a run: a made-up one, of which every figure is known.

#include "time_wait/churn_result.h"

#include <gtest/gtest.h>

#include <string>

namespace pollux::app {
namespace {

// A thousand tuples and a 2MSL of 2 s; 2000 connections/s are asked for: half a second of connections, then a second
// and a half of refusals, over and over.
ChurnResult saw_tooth() {
  ChurnResult r;
  r.who = "somebody";
  r.scenario = {.ports = 1000, .two_msl = 2s, .rate = 2000};
  r.duration = 7s;
  r.exhausted_after = 502ms;
  r.first_failure = "no port";
  for (Duration at{0}; at <= r.duration; at += 10ms) {
    const auto into = at % 2s;
    const auto tens = static_cast<std::uint64_t>(at / 10ms);
    const std::uint64_t done = 1000 * static_cast<std::uint64_t>(at / 2s) +
                               std::min<std::uint64_t>(1000, static_cast<std::uint64_t>(into / 10ms) * 20);
    r.samples.push_back({at, done, 20 * tens - done, 1000});
  }
  r.completed = r.samples.back().completed;
  r.attempted = r.completed + r.samples.back().refused;
  r.refusals = {{"EADDRNOTAVAIL", r.samples.back().refused}};
  r.peak_time_wait = 1000;
  r.bytes_per_entry = 40;
  return r;
}

TEST(ChurnResult, TheSustainedRateIsThatOfWholePeriods) {
  const ChurnResult r = saw_tooth();
  EXPECT_NEAR(r.sustained().value(), 500, 0.5);  // 1000 tuples each 2 s, though 3500 were completed in 7 s
  EXPECT_NEAR(r.rate_before(), 2000, 50);
}

TEST(ChurnResult, WhoWaitsForAPortIsRefusedNoneAndHasTheSameRates) {
  ChurnResult r = saw_tooth();
  for (ChurnSample& s : r.samples) s.refused = 0;
  EXPECT_NEAR(r.sustained().value(), 500, 0.5);
  EXPECT_NEAR(r.rate_before(), 2000, 50);
}

TEST(ChurnResult, WithoutARefusalItIsThatOfTheWholeRun) {
  ChurnResult r = saw_tooth();
  r.exhausted_after.reset();
  EXPECT_NEAR(r.sustained().value(), 4000.0 / 7, 1);
}

TEST(ChurnResult, ARunThatIsTooShortForAPeriodHasNoSustainedRate) {
  ChurnResult r = saw_tooth();
  r.samples.resize(200);
  EXPECT_FALSE(r.sustained());
  EXPECT_TRUE(to_json(r)["sustained_per_second"].is_null());
}

TEST(ChurnResult, TheModelStandsBesideWhatWasMeasured) {
  const auto json = to_json(saw_tooth());
  EXPECT_EQ(json["model"]["exhausted_after_ns"], 500'000'000);
  EXPECT_NEAR(json["off_model"]["sustained"].get<double>(), 0, 0.002);
  EXPECT_NEAR(json["off_model"]["exhausted_after"].get<double>(), 0.004, 1e-9);
  EXPECT_EQ(json["time_wait_bytes"], 40'000.0);
  EXPECT_EQ(json["refusals"]["EADDRNOTAVAIL"], 10'000);
  ASSERT_EQ(json["series"].size(), 7u);
  EXPECT_NEAR(json["series"][1]["connections_per_second"].get<double>(), 0, 1e-9);  // the second second
  EXPECT_NEAR(json["series"][2]["connections_per_second"].get<double>(), 1000, 20);
  for (const auto& second : json["series"]) {
    EXPECT_NEAR(second["model_connections_per_second"].get<double>(), second["connections_per_second"].get<double>(),
                20);
    EXPECT_EQ(second["model_time_wait"], 1000.0);
  }
}

TEST(ChurnResult, ARunWithoutARateIsHeldAgainstWhatItReachedAtFirst) {
  ChurnResult r = saw_tooth();
  r.scenario.rate = 0;
  EXPECT_NEAR(static_cast<double>(prediction_for(r).exhausted_after.value().count()), 0.5e9, 0.02e9);
}

TEST(ChurnResult, TheTableNamesTheFirstFailure) {
  const std::string text = churn_table(nlohmann::ordered_json::array({to_json(saw_tooth())}));
  for (const char* part : {"somebody", "500/s", "502ms", "first failure: no port", "40.0 kB"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
}

}  // namespace
}  // namespace pollux::app
