#include "report.h"

#include <gtest/gtest.h>

#include "judge.h"
#include "options.h"
#include "result_text.h"

namespace pollux::app {
namespace {

// A run of two groups, client and server, in which nothing went wrong.
runtime::EngineSnapshot engine_of(std::uint64_t to_server, std::uint64_t to_client) {
  runtime::EngineSnapshot engine;
  runtime::CoreSnapshot server;
  server.group = "pair:0";
  server.tcp.bytes_received = to_server;
  server.tcp.bytes_sent = to_client;
  runtime::CoreSnapshot client;
  client.group = "pair:1";
  client.tcp.bytes_sent = to_server;
  client.tcp.bytes_received = to_client;
  client.shard.rx_bytes = 1000;
  engine.cores = {server, client};
  return engine;
}

Result result_of() {
  Result r;
  r.command = "demo";
  r.seed = 7;
  r.started = "2001-01-01T00:00:00Z";
  r.duration = 2s;
  r.config = show_options(Options{}, Command::kDemo);
  r.group = "pair:1";
  r.service.attempted = 10;
  r.service.opened = 10;
  r.service.completed = 8;
  r.service.refused = 2;
  r.engine = engine_of(100, 2000);
  HdrHistogram h;
  h.record(5us);
  r.latency = {{"connect", h}};
  r.series = {{.at = 1s, .connections_per_second = 4}};
  r.time_wait_entry = 39.5;
  return r;
}

TEST(Result, NamesWhatOfTcpWasNotAsByDefault) {
  Result r = result_of();
  EXPECT_EQ(summary(to_json(r)).find("\nset "), std::string::npos);
  r.tcp_settings = {"tcp.congestion=newreno", "tcp.ecn=on"};
  EXPECT_NE(summary(to_json(r)).find("\nset         tcp.congestion=newreno  tcp.ecn=on\n"), std::string::npos)
      << summary(to_json(r));
  auto of_an_older_version = to_json(r);
  of_an_older_version["meta"].erase("set");
  EXPECT_EQ(summary(of_an_older_version).find("\nset "), std::string::npos);
}

TEST(Result, HasEverySectionOfTheSchema) {
  const auto json = to_json(result_of());
  EXPECT_EQ(json["schema"], "pollux.result/1");
  const std::map<std::string, std::vector<std::string>> sections{
      {"meta", {"version", "git", "command", "seed", "started", "duration_ns", "cpu", "kernel", "dpdk", "cores"}},
      {"verdict", {"state", "reasons"}},
      {"totals",
       {"connections_attempted", "connections_opened", "connections_completed", "connections_failed", "requests",
        "responses", "bytes_sent", "bytes_received"}},
      {"rates",
       {"connections_per_second", "requests_per_second", "rx_bits_per_second", "tx_bits_per_second",
        "rx_packets_per_second", "tx_packets_per_second"}},
      {"errors", {"refused", "reset", "timeout", "port_exhausted", "protocol"}},
      {"tcp",
       {"segments_sent", "segments_received", "retransmitted_segments", "rto_fired", "fast_retransmits",
        "duplicate_acks", "out_of_order", "bad_checksum", "resets_sent", "resets_received", "challenge_acks",
        "syn_cookies_sent"}},
      {"states",
       {"LISTEN", "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING",
        "LAST-ACK", "TIME-WAIT"}},
      {"time_wait",
       {"entries", "peak", "entered", "expired", "reused", "refused_full", "evicted", "bytes", "bytes_per_entry"}},
      {"memory", {"rss_bytes", "connections_bytes", "time_wait_bytes", "mbuf_bytes", "bytes_per_idle_connection"}}};
  for (const auto& [section, keys] : sections) {
    ASSERT_TRUE(json.contains(section)) << section;
    for (const auto& key : keys) EXPECT_TRUE(json[section].contains(key)) << section << "." << key;
  }
  for (const char* key : {"count", "min", "mean", "p50", "p90", "p99", "p999", "p9999", "max"}) {
    EXPECT_TRUE(json["latency"]["connect"].contains(key)) << key;
  }
  for (const char* key :
       {"core", "role", "busy_fraction", "rx_packets", "tx_packets", "rx_dropped", "tx_dropped", "resteered"}) {
    EXPECT_TRUE(json["cores"][0].contains(key)) << key;
  }
  for (const char* key :
       {"t_ns", "connections_per_second", "active", "time_wait", "p50", "p99", "retransmits", "errors"}) {
    EXPECT_TRUE(json["series"][0].contains(key)) << key;
  }
  EXPECT_TRUE(json["config"].is_object());
  EXPECT_TRUE(json["drops"].is_object());
  EXPECT_TRUE(json["thresholds"].is_array());
}

TEST(Result, NumbersAreThoseOfTheSideTheRunIsAbout) {
  const auto json = to_json(result_of());
  EXPECT_EQ(json["totals"]["bytes_received"], 2000);
  EXPECT_EQ(json["totals"]["bytes_sent"], 100);
  EXPECT_EQ(json["totals"]["connections_failed"], 2);
  EXPECT_EQ(json["rates"]["connections_per_second"], 4.0);
  EXPECT_EQ(json["rates"]["rx_bits_per_second"], 4000.0);
  EXPECT_EQ(json["latency"]["connect"]["p50"], 5000);
  EXPECT_EQ(json["meta"]["duration_ns"], 2'000'000'000);
  EXPECT_EQ(json["time_wait"]["bytes_per_entry"], 39.5);
}

TEST(Result, MemoryIsThatOfThePoolsAndTheTables) {
  Result r = result_of();
  r.engine.ports.resize(2);
  r.engine.ports[0].pool_bytes = 1 << 20;
  r.engine.ports[1].pool_bytes = 2 << 20;
  r.idle_connection = 232.5;
  const auto memory = to_json(r)["memory"];
  EXPECT_EQ(memory["mbuf_bytes"], 3 << 20);
  EXPECT_EQ(memory["bytes_per_idle_connection"], 232.5);
}

TEST(Result, ASubcommandHasSectionsAndLinesOfItsOwn) {
  Result r = result_of();
  r.sections["fill"] = {{"entries", 7}};
  r.findings = {"filled      7"};
  EXPECT_EQ(to_json(r)["fill"]["entries"], 7);
  EXPECT_NE(summary(to_json(r)).find("filled      7\n"), std::string::npos);
}

// What no log says: how many were turned away by a full table.
TEST(Result, RefusalsOfAFullTimeWaitTableAreToldWhereThereWereAny) {
  Result r = result_of();
  EXPECT_EQ(summary(to_json(r)).find("refused 3"), std::string::npos);
  r.engine.cores[0].time_wait_counters.refused = 3;
  EXPECT_NE(summary(to_json(r)).find("refused 3"), std::string::npos);
}

TEST(Result, ASeedIsShownWhereOneWasGiven) {
  Result r = result_of();
  EXPECT_EQ(to_json(r)["meta"]["seed"], 7);
  r.seed.reset();
  EXPECT_TRUE(to_json(r)["meta"]["seed"].is_null());
}

TEST(Result, WhatABadWireDidIsToldForEachDirectionAndGroup) {
  Result r = result_of();
  EXPECT_TRUE(to_json(r).contains("impairment"));
  EXPECT_TRUE(to_json(r)["impairment"].is_null());
  r.impairment_seed = 9;
  r.engine.cores[0].impaired_received = {
      .sent = 100, .lost = 1, .duplicated = 2, .reordered = 3, .corrupted = 4, .delayed = 5};
  r.engine.cores[0].impaired_received.marked = 6;
  r.engine.cores[1].impaired_received = {.sent = 200, .lost = 10};
  r.engine.cores[1].impaired_sent = {.sent = 300, .lost = 20};
  const auto json = to_json(r)["impairment"];
  EXPECT_EQ(json["seed"], 9);
  EXPECT_EQ(json["received"]["frames"], 300);
  EXPECT_EQ(json["received"]["dropped"], 11);
  EXPECT_EQ(json["received"]["duplicated"], 2);
  EXPECT_EQ(json["received"]["reordered"], 3);
  EXPECT_EQ(json["received"]["corrupted"], 4);
  EXPECT_EQ(json["received"]["delayed"], 5);
  EXPECT_EQ(json["received"]["marked"], 6);
  EXPECT_EQ(json["sent"]["dropped"], 20);
  EXPECT_EQ(json["groups"]["pair:0"]["received"]["dropped"], 1);
  EXPECT_EQ(json["groups"]["pair:1"]["received"]["dropped"], 10);
  EXPECT_NE(summary(to_json(r)).find("bad wire    dropped 11"), std::string::npos) << summary(to_json(r));
}

TEST(Result, SynCookiesOfAllCoresAreCounted) {
  Result r = result_of();
  for (runtime::CoreSnapshot& core : r.engine.cores) {
    core.tcp.syn_cookies_sent = 10;
    core.tcp.syn_cookies_accepted = 7;
    core.tcp.syn_cookies_failed = 1;
  }
  const auto json = to_json(r);
  const std::uint64_t cores = r.engine.cores.size();
  EXPECT_EQ(json["tcp"]["syn_cookies_sent"], 10 * cores);
  EXPECT_EQ(json["tcp"]["syn_cookies_accepted"], 7 * cores);
  EXPECT_EQ(json["tcp"]["syn_cookies_failed"], 1 * cores);
}

TEST(Result, ADropIsThereByItsNameAndNoOther) {
  Result r = result_of();
  EXPECT_TRUE(to_json(r)["drops"].empty());
  r.engine.cores[0].shard.wire_drops[static_cast<std::size_t>(WireDrop::kTcpChecksum)] = 3;
  r.engine.cores[1].shard.backlog_full = 2;
  r.engine.cores[1].tcp.verdicts[static_cast<std::size_t>(tcp::Verdict::kPaws)] = 4;
  r.engine.cores[1].tcp.verdicts[static_cast<std::size_t>(tcp::Verdict::kAccepted)] = 5;
  r.engine.cores[1].tcp.verdicts[static_cast<std::size_t>(tcp::Verdict::kDuplicate)] = 6;
  const auto json = to_json(r);
  EXPECT_EQ(json["drops"].size(), 3u);
  EXPECT_EQ(json["drops"]["backlog_full"], 2);
  EXPECT_EQ(json["drops"]["tcp_paws"], 4);
  EXPECT_EQ(json["tcp"]["bad_checksum"], 3);
  EXPECT_EQ(json["tcp"]["verdicts"]["accepted"], 5);
}

TEST(Result, TheSummaryHasTheVerdictAndItsReasons) {
  Result r = result_of();
  EXPECT_NE(summary(to_json(r)).find("VALID"), std::string::npos);
  r.verdict.degrade("some reason");
  EXPECT_NE(summary(to_json(r)).find("DEGRADED\n  some reason"), std::string::npos);
  EXPECT_NE(summary(to_json(r)).find("connect"), std::string::npos);
}

TEST(Verdict, OnlyEverGetsWorse) {
  Verdict v;
  EXPECT_EQ(v.state, Verdict::State::kValid);
  v.invalidate("a");
  v.degrade("b");
  EXPECT_EQ(v.state, Verdict::State::kInvalid);
  EXPECT_EQ(v.reasons.size(), 2u);
}

class Judge : public ::testing::Test {
 protected:
  Judge() {
    sides_.client = {.attempted = 10, .opened = 10, .completed = 10, .requests = 10, .responses = 10};
    sides_.server = {.opened = 10, .completed = 10, .requests = 10, .responses = 10};
  }
  Verdict::State state() const { return judge(sides_, engine_, "pair:1", "pair:0").state; }

  BothSides sides_;
  runtime::EngineSnapshot engine_ = engine_of(100, 2000);
};

TEST_F(Judge, ARunThatAccountsForEverythingIsValid) { EXPECT_EQ(state(), Verdict::State::kValid); }

TEST_F(Judge, AConnectionThatIsUnaccountedForMakesItInvalid) {
  sides_.client.attempted = 11;
  EXPECT_EQ(state(), Verdict::State::kInvalid);
  sides_.client_open = 1;
  EXPECT_EQ(state(), Verdict::State::kValid);
}

TEST_F(Judge, BytesThatDifferMakeItInvalid) {
  engine_.cores[0].tcp.bytes_received -= 1;
  EXPECT_EQ(state(), Verdict::State::kInvalid);
}

TEST_F(Judge, RequestsThatDifferMakeItInvalid) {
  sides_.server.requests = 9;
  EXPECT_EQ(state(), Verdict::State::kInvalid);
}

TEST_F(Judge, ARunWithoutAConnectionIsInvalid) {
  sides_.client = {};
  sides_.server = {};
  EXPECT_EQ(state(), Verdict::State::kInvalid);
}

TEST_F(Judge, AFailureADropOrAnUnfinishedEndDegradesIt) {
  sides_.client.attempted = 11;
  sides_.client.reset = 1;
  EXPECT_EQ(state(), Verdict::State::kDegraded);
  sides_.client.attempted = 10;
  sides_.client.reset = 0;
  engine_.cores[0].shard.tx_no_memory = 1;
  EXPECT_EQ(state(), Verdict::State::kDegraded);
  sides_.impaired = true;
  EXPECT_EQ(state(), Verdict::State::kValid);
  sides_.drained = false;
  EXPECT_EQ(state(), Verdict::State::kDegraded);
}

TEST_F(Judge, ACaptureThatLacksFramesDegradesItAndSoItDoesAServers) {
  engine_.broken_captures = {"a.pcap"};
  EXPECT_EQ(state(), Verdict::State::kDegraded);
  sides_.impaired = true;
  EXPECT_EQ(state(), Verdict::State::kDegraded);
  const Verdict server = judge_server(engine_);
  EXPECT_EQ(server.state, Verdict::State::kDegraded);
  EXPECT_NE(server.reasons.at(0).find("a.pcap"), std::string::npos);
}

TEST(JudgeServer, ItsOwnLossesDegradeARunAndWhatPeersSendInVainDoesNot) {
  const auto with = [](const auto& change) {
    runtime::EngineSnapshot engine = engine_of(100, 2000);
    engine.ports.resize(1);
    runtime::CoreSnapshot port;
    port.role = runtime::CoreRole::kPort;
    engine.cores.push_back(port);
    change(engine);
    return judge_server(engine);
  };
  using Engine = runtime::EngineSnapshot;
  EXPECT_EQ(with([](Engine& e) { e.cores[0].shard.no_listener = 3; }).state, Verdict::State::kValid);
  EXPECT_EQ(with([](Engine& e) { e.cores[0].shard.wire_drops[2] = 3; }).state, Verdict::State::kValid);
  EXPECT_EQ(with([](Engine& e) { e.cores[0].tcp.verdicts[static_cast<std::size_t>(tcp::Verdict::kPaws)] = 3; }).state,
            Verdict::State::kValid);
  void (*const losses[])(Engine&) = {
      [](Engine& e) { e.ports[0].counters.rx_missed = 1; },  [](Engine& e) { e.ports[0].counters.rx_errors = 1; },
      [](Engine& e) { e.ports[0].counters.rx_no_mbuf = 1; }, [](Engine& e) { e.ports[0].counters.tx_errors = 1; },
      [](Engine& e) { e.cores[0].queue.tx_dropped = 1; },    [](Engine& e) { e.cores[0].queue.no_mbuf = 1; },
      [](Engine& e) { e.cores[0].queue.rx_unjoined = 1; },   [](Engine& e) { e.cores[0].loop.resteer_lost = 1; },
      [](Engine& e) { e.cores[2].loop.rx_dropped = 1; },     [](Engine& e) { e.cores[2].queue.tx_dropped = 1; },
      [](Engine& e) { e.cores[0].shard.tx_no_memory = 1; },  [](Engine& e) { e.cores[0].shard.foreign = 1; },
      [](Engine& e) { e.cores[0].shard.backlog_full = 1; },  [](Engine& e) { e.cores[0].shard.half_open_full = 1; },
      [](Engine& e) { e.cores[0].shard.table_full = 1; }};
  int which = 0;
  for (const auto loss : losses) {
    EXPECT_EQ(with(loss).state, Verdict::State::kDegraded) << which;
    EXPECT_EQ(with(loss).reasons.size(), 1u) << which++;
  }
}

}  // namespace
}  // namespace pollux::app
