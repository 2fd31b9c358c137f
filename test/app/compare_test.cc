#include "compare.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "report.h"

namespace pollux::app {
namespace {

using Json = nlohmann::ordered_json;

// So many connections, each of which took the same time.
ResultFile result_of(std::uint64_t completed, Duration took, std::uint64_t values = 10'000) {
  Result r;
  r.command = "demo";
  r.started = "2001-01-01T00:00:00Z";
  r.duration = 1s;
  r.config = Json{{"clients", 64}, {"json", "r.json"}, {"tcp", {{"mss", 1460}, {"sack", true}}}};
  r.service.attempted = r.service.opened = r.service.completed = completed;
  HdrHistogram h;
  for (std::uint64_t i = 0; i < values; ++i) h.record(took);
  r.latency = {{"connect", h}, {"close", HdrHistogram{}}};
  return {"r.json", to_json(r)};
}

Difference named(const std::vector<Difference>& all, const std::string& name) {
  for (const Difference& d : all) {
    if (d.name == name) return d;
  }
  ADD_FAILURE() << "no " << name;
  return {};
}

TEST(Compare, OfRatesMoreIsBetterAndOfLatenciesLess) {
  const auto all = differences(result_of(1000, 100us), result_of(900, 90us));
  EXPECT_NEAR(named(all, "rates.connections_per_second").regress(), 0.1, 1e-9);
  EXPECT_NEAR(named(all, "latency.connect.p99").regress(), -0.1, 1e-3);
  EXPECT_EQ(named(all, "rates.requests_per_second").regress(), 0);
}

TEST(Compare, EveryRateAndEveryLatencyThatBothMeasuredIsThere) {
  const ResultFile a = result_of(1000, 100us);
  const auto all = differences(a, a);
  for (const char* rate : {"connections", "requests", "rx_bits", "tx_bits", "rx_packets", "tx_packets"})
    named(all, fmt::format("rates.{}_per_second", rate));
  for (const char* q : {"min", "mean", "p50", "p90", "p99", "p999", "p9999", "max"})
    named(all, std::string{"latency.connect."} + q);
  EXPECT_EQ(all.size(), 6u + 8u);  // nothing was closed
  EXPECT_TRUE(beyond(all, 0).empty());
}

TEST(Compare, OnlyWhatIsWorseByMoreIsBeyond) {
  const auto all = differences(result_of(1000, 100us), result_of(970, 100us));
  EXPECT_TRUE(beyond(all, 0.031).empty());
  ASSERT_EQ(beyond(all, 0.029).size(), 1u);
  EXPECT_EQ(beyond(all, 0.029)[0].name, "rates.connections_per_second");
  EXPECT_TRUE(beyond(differences(result_of(970, 100us), result_of(1000, 100us)), 0.029).empty());
}

TEST(Compare, APercentileIsJudgedWhereTenValuesLieBeyondItInBoth) {
  const auto judged = [](std::uint64_t before, std::uint64_t after) {
    std::string names;
    for (const Difference& d : differences(result_of(10, 100us, before), result_of(10, 200us, after))) {
      if (d.judged && d.kind == Difference::Kind::kLatency) names += d.name.substr(d.name.rfind('.'));
    }
    return names;
  };
  EXPECT_EQ(judged(19, 10'000), "");
  EXPECT_EQ(judged(10'000, 20), ".mean.p50");
  EXPECT_EQ(judged(1000, 1000), ".mean.p50.p90.p99");
  EXPECT_EQ(judged(100'000, 100'000), ".mean.p50.p90.p99.p999.p9999");
}

TEST(Compare, FromZeroToAnythingIsBeyondEveryLimit) {
  const auto all = differences(result_of(1000, 0us), result_of(1000, 1us));
  EXPECT_TRUE(std::isinf(named(all, "latency.connect.p50").regress()));
  EXPECT_FALSE(beyond(all, 1000).empty());
  EXPECT_TRUE(beyond(differences(result_of(0, 1us), result_of(1000, 1us)), 0).empty());
}

TEST(Compare, OtherSubcommandsAndInvalidResultsAreRefused) {
  const ResultFile good = result_of(1000, 100us);
  EXPECT_FALSE(refusal(good, good));
  ResultFile other = good;
  other.json["meta"]["command"] = "serve http";
  ASSERT_TRUE(refusal(good, other));
  EXPECT_FALSE(refusal(good, other)->invalid);
  EXPECT_NE(refusal(good, other)->why.find("`pollux serve http`"), std::string::npos);
  ResultFile invalid = good;
  invalid.json["verdict"] = {{"state", "INVALID"}, {"reasons", {"the core was busy"}}};
  for (const auto& refused : {refusal(good, invalid), refusal(invalid, good)}) {
    ASSERT_TRUE(refused);
    EXPECT_TRUE(refused->invalid);
    EXPECT_NE(refused->why.find("the core was busy"), std::string::npos);
  }
}

TEST(Compare, TellsWhatOfTheSettingsDiffers) {
  const ResultFile before = result_of(1000, 100us);
  ResultFile after = before;
  EXPECT_TRUE(different_settings(before, after).empty());
  after.json["config"]["json"] = "other.json";  // where the result went is no setting of the run
  after.json["config"]["clients"] = 128;
  after.json["meta"]["kernel"] = "9.9";
  after.json["config"]["tcp"] = {{"mss", 536}, {"sack", true}};
  const auto lines = different_settings(before, after);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_NE(lines[0].find("kernel: "), std::string::npos);
  EXPECT_EQ(lines[1], "clients: 64 before, 128 after");
  EXPECT_EQ(lines[2], "tcp.mss: 1460 before, 536 after");
}

TEST(Compare, TheTextHasSignPerCentAndDirection) {
  const std::string text = comparison(result_of(1000, 100us), result_of(900, 90us), 0.05);
  EXPECT_NE(text.find("rates: more is better"), std::string::npos);
  EXPECT_NE(text.find("latency: less is better"), std::string::npos);
  EXPECT_NE(text.find("-100    -10.0 %  WORSE THAN ALLOWED"), std::string::npos) << text;
  EXPECT_NE(text.find("-10.0 %  better"), std::string::npos) << text;
  EXPECT_NE(text.find("+0.0 %  same"), std::string::npos) << text;
}

}  // namespace
}  // namespace pollux::app
