// Against numbers worked out by hand: tuples = addresses x ports x destinations; a rate is sustained while
// rate x (the time that a tuple is held) does not exceed them.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "memory_figures.h"
#include "time_wait/model.h"

namespace pollux::app {
namespace {

// Linux's defaults: ports 32768 to 60999, 60 s.
Scenario linux_defaults(double rate) { return {.ports = 28232, .two_msl = 60s, .rate = rate}; }

TEST(TimeWaitModel, TheDefaultsOfLinuxSustain470ConnectionsASecond) {
  const Prediction p = predict(linux_defaults(2000));
  EXPECT_EQ(p.tuples, 28232u);
  EXPECT_NEAR(p.sustainable.value(), 470.53, 0.01);  // 28232 / 60
  EXPECT_NEAR(p.sustained, 470.53, 0.01);
  EXPECT_EQ(p.exhausted_after, Duration{14'116ms});  // 28232 / 2000
  EXPECT_EQ(p.entries, 28232u);
  EXPECT_EQ(p.addresses_needed, 5u);  // 2000 x 60 / 28232 = 4.25
}

TEST(TimeWaitModel, BelowWhatIsSustainablePortsNeverRunOut) {
  const Prediction p = predict(linux_defaults(400));
  EXPECT_FALSE(p.exhausted_after);
  EXPECT_DOUBLE_EQ(p.sustained, 400);
  EXPECT_EQ(p.entries, 24'000u);  // 400 x 60
  EXPECT_EQ(p.addresses_needed, 1u);
}

TEST(TimeWaitModel, TenThousandASecondAre600000Entries) {
  Scenario s = linux_defaults(10'000);
  s.addresses = 22;  // 22 x 28232 = 621,104
  const Prediction p = predict(s);
  EXPECT_FALSE(p.exhausted_after);
  EXPECT_EQ(p.entries, 600'000u);
  EXPECT_EQ(p.addresses_needed, 22u);  // 600000 / 28232 = 21.25
}

TEST(TimeWaitModel, PortsAddressesAndDestinationsMultiply) {
  const Scenario s{.addresses = 4, .ports = 1000, .destinations = 3, .two_msl = 2s, .rate = 100'000};
  const Prediction p = predict(s);
  EXPECT_EQ(p.tuples, 12'000u);
  EXPECT_DOUBLE_EQ(p.sustainable.value(), 6000);
  EXPECT_EQ(p.exhausted_after, Duration{120ms});
}

TEST(TimeWaitModel, WithTimestampsATupleIsHeldForASecond) {
  Scenario s = linux_defaults(50'000);
  s.mode = TimeWaitMode::kTimestamps;
  const Prediction p = predict(s);
  EXPECT_DOUBLE_EQ(p.sustainable.value(), 28232);
  EXPECT_EQ(p.exhausted_after, Duration{564'640us});
  EXPECT_EQ(p.entries, 28232u);
  s.two_msl = 500ms;  // it ends before it may be reused
  EXPECT_DOUBLE_EQ(predict(s).sustainable.value(), 56464);
}

TEST(TimeWaitModel, WhereTheServerClosesTheClientsPortsAreFreeAtOnceAndTheServerHoldsEveryTuple) {
  Scenario s = linux_defaults(5000);
  s.mode = TimeWaitMode::kServerCloses;
  const Prediction p = predict(s);
  EXPECT_FALSE(p.sustainable);
  EXPECT_FALSE(p.exhausted_after);
  EXPECT_DOUBLE_EQ(p.sustained, 5000);
  EXPECT_EQ(p.entries, 28232u);
}

TEST(TimeWaitModel, AResetLeavesNothingBehind) {
  Scenario s = linux_defaults(5000);
  s.mode = TimeWaitMode::kRst;
  const Prediction p = predict(s);
  EXPECT_FALSE(p.exhausted_after);
  EXPECT_EQ(p.entries, 0u);
  EXPECT_EQ(p.addresses_needed, 1u);
}

// A thousand tuples, 2,000/s, 2MSL 2 s: half a second of connections, then none until the first tuple is free again.
TEST(TimeWaitModel, MomentByMomentItIsASawTooth) {
  const Scenario s{.ports = 1000, .two_msl = 2s, .rate = 2000};
  EXPECT_EQ(completed_by(s, Duration{0}), 0);
  EXPECT_EQ(completed_by(s, 250ms), 500);
  EXPECT_EQ(completed_by(s, 500ms), 1000);
  EXPECT_EQ(completed_by(s, 2s), 1000);
  EXPECT_EQ(completed_by(s, 2250ms), 1500);
  EXPECT_EQ(waiting_at(s, 250ms), 500);
  EXPECT_EQ(waiting_at(s, 1s), 1000);
  EXPECT_EQ(waiting_at(s, 2250ms), 1000);  // 500 have left, 500 have come
}

TEST(TimeWaitModel, MomentByMomentNothingIsLackingBelowTheSustainableRate) {
  Scenario s{.ports = 1000, .two_msl = 2s, .rate = 400};
  EXPECT_EQ(completed_by(s, 10s), 4000);
  EXPECT_EQ(waiting_at(s, 1s), 400);
  EXPECT_EQ(waiting_at(s, 10s), 800);
  s.mode = TimeWaitMode::kTimestamps;
  s.rate = 900;
  EXPECT_EQ(waiting_at(s, 10s), 1000);  // a tuple is there once
  s.mode = TimeWaitMode::kRst;
  EXPECT_EQ(waiting_at(s, 10s), 0);
}

TEST(TimeWaitModel, AModeChangesWhatItIsNamedAfterAndNothingElse) {
  const Scenario base = linux_defaults(1000);
  const Alternatives alternatives{.more_addresses = 8, .shorter = 5s};
  EXPECT_EQ(in_mode(base, TimeWaitMode::kAddresses, alternatives).addresses, 8u);
  EXPECT_EQ(in_mode(base, TimeWaitMode::kMsl, alternatives).two_msl, Duration{5s});
  EXPECT_EQ(in_mode(base, TimeWaitMode::kPlain, alternatives).addresses, 1u);
  EXPECT_EQ(in_mode(base, TimeWaitMode::kRst, alternatives).two_msl, Duration{60s});
}

TEST(TimeWaitModel, MemoryIsEntriesTimesWhatOneTakes) {
  const EntryBytes bytes{.kernel = 256, .pollux = 40, .kernel_measured_here = false};
  const auto json = model_json(linux_defaults(2000), {}, bytes);
  EXPECT_EQ(json["schema"], "pollux.timewait.model/1");
  ASSERT_EQ(json["modes"].size(), 6u);
  const auto& plain = json["modes"][0];
  EXPECT_EQ(plain["scenario"]["mode"], "plain");
  EXPECT_EQ(plain["prediction"]["exhausted_after_ns"], 14'116'000'000);
  EXPECT_EQ(plain["memory"]["linux_bytes"], 28232 * 256.0);
  EXPECT_EQ(plain["memory"]["pollux_bytes"], 28232 * 40.0);
  EXPECT_TRUE(json["modes"][5]["prediction"]["sustainable_per_second"].is_null());
}

TEST(TimeWaitModel, TheTextHasTheNumbersThatUsersKnow) {
  const std::string text = model_text(linux_defaults(2000), {}, {.kernel = 256, .pollux = 39.6});
  for (const char* part : {"28,232 ports", "471/s", "after 14.1s", "5 source addresses", "256 B", "server-closes"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
}

TEST(TimeWaitModel, OurOwnBytesAreThoseOfTheTable) {
  const EntryBytes bytes = entry_bytes();
  EXPECT_GT(bytes.pollux, 39);
  EXPECT_LE(bytes.pollux, 40);
  EXPECT_GE(bytes.kernel, 200);
}

TEST(MemoryFigures, ASlabsObjectSizeIsTheThirdNumberBehindItsName) {
  std::istringstream text{
      "slabinfo - version: 2.1\n"
      "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables\n"
      "tw_sock_TCPv6         32     32    264   16    1 : tunables    0    0    0 : slabdata      2      2      0\n"
      "tw_sock_TCP          160    224    256   16    1 : tunables    0    0    0 : slabdata     14     14      0\n"};
  EXPECT_EQ(slab_object_bytes(text, "tw_sock_TCP"), 256u);
  EXPECT_FALSE(slab_object_bytes(text, "nobody"));
}

TEST(MemoryFigures, ThisProcessIsInMemory) { EXPECT_GT(resident_bytes(), 1'000'000u); }

}  // namespace
}  // namespace pollux::app
