// What the page shows of TIME-WAIT: of made-up results, of which every figure is known.

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "time_wait/result_parts.h"

namespace pollux::app {
namespace {

using Json = nlohmann::ordered_json;

Json run(const char* who) {
  return {{"who", who},
          {"sustained_per_second", 470.0},
          {"exhausted_after_ns", 14'100'000'000},
          {"first_failure", "connect: EADDRNOTAVAIL"},
          {"refusals", {{"EADDRNOTAVAIL", 12}}},
          {"time_wait_peak", 100},
          {"bytes_per_entry", 256.0},
          {"time_wait_bytes", 25600.0},
          {"cpu_seconds", 1.5},
          {"model", {{"sustained_per_second", 471.0}, {"exhausted_after_ns", 14'116'000'000}}},
          {"off_model", {{"sustained", -0.002}, {"exhausted_after", nullptr}}},
          {"series",
           {{{"t_ns", 1'000'000'000},
             {"connections_per_second", 60.0},
             {"model_connections_per_second", 61.0},
             {"time_wait", 50},
             {"model_time_wait", 51.0}},
            {{"t_ns", 2'000'000'000},
             {"connections_per_second", 40.0},
             {"model_connections_per_second", 41.0},
             {"time_wait", 100},
             {"model_time_wait", 101.0}},
            {{"t_ns", 3'000'000'000},
             {"connections_per_second", 20.0},
             {"model_connections_per_second", 21.0},
             {"time_wait", 100},
             {"model_time_wait", 101.0}}}}};
}

const Chart& chart(const TimeWaitParts& parts, const std::string& title) {
  const auto found =
      std::find_if(parts.charts.begin(), parts.charts.end(), [&](const Chart& c) { return c.title == title; });
  EXPECT_NE(found, parts.charts.end()) << title;
  return *found;
}

using Points = std::vector<std::pair<double, double>>;

TEST(TimeWaitParts, AResultOfAnotherSubcommandHasNone) {
  EXPECT_FALSE(has_time_wait_sections({{"series", Json::array()}}));
  EXPECT_TRUE(has_time_wait_sections({{"churn", Json::array()}}));
}

TEST(TimeWaitParts, EachRunHasItsColourAndTheModelIsDashedInIt) {
  const TimeWaitParts parts = time_wait_parts({{"compare", {run("Linux"), run("Pollux")}}});
  const Chart& rate = chart(parts, "Connection rate");
  ASSERT_EQ(rate.lines.size(), 4u);
  EXPECT_EQ(rate.lines[2].label, "Pollux");
  EXPECT_EQ(rate.lines[3].label, "Pollux, model");
  EXPECT_EQ(rate.lines[2].colour, rate.lines[3].colour);
  EXPECT_NE(rate.lines[0].colour, rate.lines[2].colour);
  EXPECT_TRUE(rate.lines[3].dashed);
  EXPECT_EQ(rate.lines[2].points, (Points{{1, 60}, {2, 40}, {3, 20}}));
  EXPECT_EQ(rate.lines[3].points, (Points{{1, 61}, {2, 41}, {3, 21}}));
  EXPECT_EQ(chart(parts, "In TIME-WAIT").lines[1].points, (Points{{1, 51}, {2, 101}, {3, 101}}));
}

TEST(TimeWaitParts, RateAgainstOccupancyIsTheMeanOfTheSecondsWithSoMany) {
  const TimeWaitParts parts = time_wait_parts({{"churn", {run("Linux")}}});
  EXPECT_EQ(chart(parts, "Rate against occupancy").lines[0].points, (Points{{50, 60}, {100, 30}}));
  EXPECT_EQ(chart(parts, "Memory against occupancy").lines[0].points,
            (Points{{50, 12800}, {100, 25600}, {100, 25600}}));
}

TEST(TimeWaitParts, TheTableHasTheModelBesideWhatWasMeasured) {
  const TimeWaitParts parts = time_wait_parts({{"churn", {run("Linux")}}});
  ASSERT_EQ(parts.tables.size(), 2u);
  EXPECT_TRUE(parts.of_several_runs);
  EXPECT_EQ(parts.tables[0].rows[0], (std::vector<std::string>{"Linux", "470/s", "471/s", "-0.2 %", "14.1s", "14.1s",
                                                               "-", "100", "25.6 kB", "1.5 s"}));
  EXPECT_EQ(parts.tables[1].rows[0],
            (std::vector<std::string>{"Linux", "EADDRNOTAVAIL", "12", "connect: EADDRNOTAVAIL"}));
  EXPECT_EQ(parts.tiles[0].note, "ports ran out after 14.1s");
}

TEST(TimeWaitParts, TheKernelsSlabsStandBesideItsSockets) {
  const TimeWaitParts parts = time_wait_parts(
      {{"kernel_memory",
        {{"tw_sock_bytes", 256.0}, {"series", {{{"t_ns", 0}, {"in_time_wait", 10}, {"slab_growth_bytes", 9000}}}}}}});
  const Chart& memory = chart(parts, "Memory of the Linux kernel");
  EXPECT_EQ(memory.lines[0].points, (Points{{10, 9000}}));
  EXPECT_EQ(memory.lines[1].points, (Points{{10, 2560}}));
}

TEST(TimeWaitParts, OfAFillEveryCostIsShownAtBothLevels) {
  const Json costs{{"find_hit_ns", 1}, {"find_miss_ns", 2}, {"open_ns", 3},
                   {"reuse_ns", 4},    {"enter_ns", 5},     {"fin_again_ns", 6}};
  const TimeWaitParts parts = time_wait_parts(
      {{"fill",
        {{"entries", 1'000'000},
         {"table_bytes_per_entry", 39.6},
         {"rates", {{{"entries", 10'000}, {"connections_per_second", 400.0}}}},
         {"costs", {{"at_10k", costs}, {"at_all", costs}}},
         {"expiry", {{"ns_each", 170.0}, {"together", 900'000}, {"longest_turn_cpu_ns", 220'000}}},
         {"aims", {{{"what", "bytes"}, {"value", 39.6}, {"limit", 40.0}, {"met", true}}}},
         {"series", {{{"t_ns", 0}, {"time_wait", 5}, {"connections_per_second", 390.0}, {"resident_bytes", 200}}}}}}});
  const Chart& cost = chart(parts, "Cost");
  ASSERT_EQ(cost.lines.size(), 2u);
  EXPECT_EQ(cost.categories.size(), 6u);
  EXPECT_EQ(cost.lines[1].points, (Points{{0, 1}, {1, 2}, {2, 3}, {3, 4}, {4, 5}, {5, 6}}));
  EXPECT_EQ(chart(parts, "Memory against occupancy").lines[0].points, (Points{{5, 200}}));
  EXPECT_EQ(parts.tables[0].rows[0], (std::vector<std::string>{"bytes", "39.6", "40", "met"}));
}

}  // namespace
}  // namespace pollux::app
