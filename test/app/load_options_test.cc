#include "load/load_options.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "load/latencies.h"
#include "load/plan.h"
#include "load/set_up.h"
#include "load/slot_list.h"
#include "load/thresholds.h"
#include "load/tuples.h"

namespace pollux::app {
namespace {

std::string error_of(std::string_view url) {
  const auto targets = parse_url(url);
  return targets ? "no error" : targets.error();
}

TEST(Url, NamesSchemeAddressPortAndPath) {
  const auto http = parse_url("http://198.18.0.1/a/b?c=d");
  ASSERT_TRUE(http) << http.error();
  EXPECT_EQ(http->front(), (Target{Scheme::kHttp, *IpAddress::parse("198.18.0.1"), 80, "/a/b?c=d", "198.18.0.1"}));
  const auto echo = parse_url("echo://[2001:2::1]:7007");
  ASSERT_TRUE(echo) << echo.error();
  EXPECT_EQ(echo->front(), (Target{Scheme::kEcho, *IpAddress::parse("2001:2::1"), 7007, "", "[2001:2::1]:7007"}));
  EXPECT_EQ(to_string(echo->front()), "echo://[2001:2::1]:7007");
  EXPECT_EQ(parse_url("http://198.18.0.1")->front().path, "/");
  const auto many = parse_url("http://198.18.0.1:8000-8002/x");
  ASSERT_EQ(many->size(), 3u);
  EXPECT_EQ((*many)[2].port, 8002);
  EXPECT_EQ((*many)[2].authority, "198.18.0.1:8002");
}

TEST(Url, WhatIsNoneIsToldWithWhatWouldBe) {
  const std::pair<const char*, const char*> cases[] = {
      {"198.18.0.1", "such are http://"},
      {"htp://198.18.0.1", "not one of http"},
      {"http://example.org/", "names are not looked up"},
      {"http://2001:2::1/", "IPv6 stands in []"},
      {"http://[198.18.0.1]/", "IPv6 stands in []"},
      {"http://[2001:2::1/", "lacks a ]"},
      {"http://198.18.0.1:0/", "not within 1 to 65535"},
      {"http://198.18.0.1:90-80/", "not within 90 to 65535"},
      {"http://198.18.0.1:x/", "the port of"},
      {"http://[2001:2::1]x/", "no port"},
      {"http://224.0.0.1/", "no address that a connection can go to"},
      {"http://127.0.0.1/", "no address that a connection can go to"},
      {"http://198.18.0.1/a b", "a blank"},
      {"echo://198.18.0.1/path", "only http has a path"},
  };
  for (const auto& [url, expected] : cases) EXPECT_NE(error_of(url).find(expected), std::string::npos) << error_of(url);
}

TEST(Condition, IsAMetricARelationAndALimitInItsUnit) {
  using Relation = Condition::Relation;
  const auto condition = parse_condition("response.p99 > 500us");
  ASSERT_TRUE(condition) << condition.error();
  EXPECT_EQ(condition->path, (std::vector<std::string>{"response", "p99"}));
  EXPECT_EQ(condition->relation, Relation::kAbove);
  EXPECT_EQ(condition->limit, 500'000);
  EXPECT_EQ(parse_condition("a<=1%")->limit, 0.01);
  EXPECT_EQ(parse_condition("a<=1%")->relation, Relation::kAtMost);
  EXPECT_EQ(parse_condition("a >= 10k/s")->limit, 10'000);
  EXPECT_EQ(parse_condition("a < 1Mi")->limit, 1 << 20);
  EXPECT_EQ(parse_condition("a < 0.5")->limit, 0.5);
  for (const char* bad : {"response.p99", "> 5", "a > ", "a > fast"}) EXPECT_FALSE(parse_condition(bad)) << bad;
}

Result result_with(Duration response) {
  Result result;
  Latencies latencies;
  latencies.response.record(response);
  result.latency = latencies.named();
  result.service.attempted = 100;
  result.service.refused = 1;
  return result;
}

TEST(Thresholds, FailWhereTheirConditionHolds) {
  const Result result = result_with(600us);
  const auto outcome = [&](const char* text) { return outcomes({*parse_condition(text)}, result).front().pass; };
  EXPECT_FALSE(outcome("response.p99 > 500us"));
  EXPECT_TRUE(outcome("response.p99 > 700us"));
  EXPECT_TRUE(outcome("latency.response.p99 < 500us"));
  EXPECT_FALSE(outcome("errors.refused >= 1"));
  EXPECT_TRUE(outcome("refused > 1"));
  EXPECT_FALSE(outcome("failed_fraction > 0.1%"));
  EXPECT_TRUE(outcome("pace.missed > 0"));  // a closed loop has none
}

TEST(Thresholds, AMetricThatThereIsNotIsAnErrorWithASuggestion) {
  EXPECT_TRUE(check_metrics({*parse_condition("response.p999 > 1ms"), *parse_condition("achieved_fraction < 99%"),
                             *parse_condition("rates.rx_packets_per_second < 1"), *parse_condition("slip.p99 > 1ms")},
                            "--fail-if"));
  const auto unknown = check_metrics({*parse_condition("respnse.p99 > 1ms")}, "--fail-if");
  ASSERT_FALSE(unknown);
  EXPECT_NE(unknown.error().find("--fail-if: there is no metric `respnse.p99`; did you mean `response.p99`?"),
            std::string::npos)
      << unknown.error();
  EXPECT_FALSE(check_metrics({*parse_condition("latency > 1ms")}, "--fail-if"));  // not a number
}

TEST(Tuples, EveryTargetAndEverySourceOfItsFamilyHasItsTurn) {
  const auto targets = *parse_url("http://198.18.0.1:80-81/");
  std::vector<Target> all = targets;
  all.push_back(parse_url("http://[2001:2::1]/")->front());
  const std::vector<IpAddress> sources{*IpAddress::parse("198.18.0.2"), *IpAddress::parse("198.18.0.3"),
                                       *IpAddress::parse("2001:2::2")};
  Tuples tuples{all, sources};
  EXPECT_EQ(tuples.pairs(), 5u);
  std::map<std::pair<std::uint16_t, std::string>, int> seen;
  for (int i = 0; i < 60; ++i) {
    const std::uint16_t target = tuples.next_target();
    ++seen[{target, to_string(tuples.next_pair(target).source)}];
  }
  EXPECT_EQ(seen, (std::map<std::pair<std::uint16_t, std::string>, int>{{{0, "198.18.0.2"}, 10},
                                                                        {{0, "198.18.0.3"}, 10},
                                                                        {{1, "198.18.0.2"}, 10},
                                                                        {{1, "198.18.0.3"}, 10},
                                                                        {{2, "2001:2::2"}, 20}}));
}

struct Place {
  SlotLinks links;
};
TEST(SlotList, KeepsTheOrderInWhichTheyCame) {
  SlotPool<Place> pool{8};
  SlotList<Place, &Place::links> list{pool};
  for (int i = 0; i < 5; ++i) list.push_back(pool.take());
  for (const std::uint32_t gone : {3u, 1u, 5u}) list.remove(gone);
  list.remove(3);  // no effect
  EXPECT_FALSE(list.holds(5));
  EXPECT_TRUE(list.holds(4));
  EXPECT_EQ(list.front(), 2u);
  list.push_back(1);
  list.remove(2);
  EXPECT_EQ(list.front(), 4u);
  list.remove(4);
  EXPECT_EQ(list.front(), 1u);
  list.remove(1);
  EXPECT_EQ(list.front(), 0u);
}

// ---- what is filled in, and the plan ----

Options asked(
    const std::string& url, const std::function<void(Options&)>& change = [](Options&) {}) {
  Options o;
  o.load.targets = *parse_url(url);
  change(o);
  const auto resolved = resolved_for_load(o);
  EXPECT_TRUE(resolved) << resolved.error();
  return resolved.value_or(o);
}
std::string refused(const std::string& url, const std::function<void(Options&)>& change) {
  Options o;
  o.load.targets = *parse_url(url);
  change(o);
  const auto resolved = resolved_for_load(o);
  return resolved ? "no error" : resolved.error();
}

TEST(LoadSetUp, WithoutAPortItIsATapWhoseKernelSideIsTheTarget) {
  const Options o = asked("http://198.18.0.1/");
  EXPECT_EQ(o.port, "tap:name=plx0,kernel=198.18.0.1/24,kernel=2001:2::1/64");
  EXPECT_EQ(o.load.close, Closer::kServer);
  EXPECT_EQ(o.shard.first_port, 1024);
  EXPECT_EQ(asked("echo://198.18.0.1/").load.close, Closer::kClient);
}

TEST(LoadSetUp, SourcesAreAddressesOfOursAndConnectionsComeFromThemAlone) {
  const Options o = asked("http://198.18.0.1/",
                          [](Options& to) { to.load.sources.push_back(*parse_address_range("198.18.1.0/24")); });
  EXPECT_EQ(o.shard.addresses.size(), 3u);
  EXPECT_EQ(source_addresses(o).size(), 254u);
  EXPECT_EQ(o.shard.max_destinations, 254u);
}

TEST(LoadSetUp, ChoicesThatDoNotGoTogetherAreErrors) {
  EXPECT_NE(refused("echo://198.18.0.1/", [](Options& o) { o.load.close = Closer::kServer; }).find("--close server"),
            std::string::npos);
  EXPECT_NE(refused("http://198.18.0.2/", [](Options&) {}).find("an address of ours"), std::string::npos);
  EXPECT_NE(refused("http://198.19.0.1/", [](Options&) {}).find("none of our networks"), std::string::npos);
  EXPECT_NE(refused("chargen://198.18.0.1/", [](Options& o) { o.load.requests = 2; }).find("--requests-per-connection"),
            std::string::npos);
  EXPECT_NE(refused("http://198.18.0.1/", [](Options& o) { o.port = "memif-pair"; }).find("--with-server"),
            std::string::npos);
  EXPECT_NE(refused("http://198.18.0.1/",
                    [](Options& o) {
                      o.port = "ring";
                      o.load.with_server = true;
                    })
                .find("memif-pair or ring-pair"),
            std::string::npos);
  EXPECT_NE(refused("http://198.18.0.1/",
                    [](Options& o) {
                      o.duration = 1s;
                      o.load.ramp = 2s;
                    })
                .find("--ramp"),
            std::string::npos);
}

// 64,512 ports, each free again after 60 s.
TEST(Plan, SaysWhenPortsRunOutAndWhatMendsIt) {
  const Options o = asked("http://198.18.0.1/", [](Options& to) {
    to.load.close = Closer::kClient;
    to.load.rate = 10'000;
    to.duration = 30s;
  });
  const Plan plan = plan_of(o);
  EXPECT_EQ(plan.tuples, 64'512u);
  EXPECT_NEAR(plan.sustained, 64'512 / 60.0, 0.1);
  ASSERT_TRUE(plan.exhausted_after);
  EXPECT_NEAR(std::chrono::duration<double>(*plan.exhausted_after).count(), 6.45, 0.01);
  ASSERT_EQ(plan.shortages.size(), 1u);
  EXPECT_NE(plan.shortages[0].find("--source ADDR/LEN+5"), std::string::npos) << plan.shortages[0];
  EXPECT_NE(to_text(plan, o).find("tuples 64,512"), std::string::npos) << to_text(plan, o);
}

TEST(Plan, FindsNothingShortWhereTheServerCloses) {
  const Plan plan = plan_of(asked("http://198.18.0.1/", [](Options& to) { to.load.rate = 1e6; }));
  EXPECT_FALSE(plan.exhausted_after);
  EXPECT_EQ(plan.shortages, std::vector<std::string>{});
}

TEST(Plan, AShortTimeWaitSufficesForEver) {
  const Plan plan = plan_of(asked("http://198.18.0.1/", [](Options& to) {
    to.load.close = Closer::kClient;
    to.load.rate = 1000;
    to.duration = 1h;
  }));
  EXPECT_FALSE(plan.exhausted_after);
  EXPECT_NEAR(plan.tuples_needed, 60'000, 1);
}

TEST(Plan, MoreHeldConnectionsThanTuplesAreAShortage) {
  const Plan plan = plan_of(asked("http://198.18.0.1/", [](Options& to) { to.load.connections = 100'000; }));
  ASSERT_EQ(plan.shortages.size(), 1u);
  EXPECT_NE(plan.shortages[0].find("100,000 connections at a time"), std::string::npos) << plan.shortages[0];
}

TEST(Plan, SaysWhatPacketsTakeAndHowToHaveItInHugePages) {
  const auto says = [](std::size_t free_mb, dpdk::HugePages wanted, std::string_view what) {
    const std::string text = to_text(PacketMemory{301, 550, free_mb}, wanted);
    EXPECT_NE(text.find(what), std::string::npos) << text;
  };
  says(400, dpdk::HugePages::kAuto, "301 MB in huge pages, of which 400 MB are free");
  says(300, dpdk::HugePages::kAuto,
       "550 MB in ordinary pages; 301 MB would do in huge pages, of which 300 MB are free");
  says(300, dpdk::HugePages::kAuto, "sysctl vm.nr_hugepages=151");
  says(0, dpdk::HugePages::kRequire, "! 301 MB in huge pages");
  says(400, dpdk::HugePages::kOff, "550 MB, without huge pages");
}

TEST(Plan, CountsTheTablesAsTheyAre) {
  const auto memory = [](const std::function<void(Options&)>& change) {
    return static_cast<double>(plan_of(asked("http://198.18.0.1/", change)).memory);
  };
  const double usual = memory([](Options&) {});
  const double longer = memory([](Options& o) { o.shard.max_time_wait_v4 += 10'000'000; });
  EXPECT_NEAR(longer - usual, 400e6, 40e6);  // 40 B each, and a table is a power of two
  const auto from = [](std::string_view range) {
    return [range](Options& o) { o.load.sources.push_back(*parse_address_range(range)); };
  };
  EXPECT_NEAR(memory(from("198.18.0.9/24+11")) - memory(from("198.18.0.9/24+1")), 10 * 64'512 * 7.0, 1e5);
}

}  // namespace
}  // namespace pollux::app
