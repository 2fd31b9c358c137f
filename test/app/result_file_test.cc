#include "result_file.h"

#include <gtest/gtest.h>

#include "report.h"
#include "result_csv.h"
#include "result_text.h"

namespace pollux::app {
namespace {

using Json = nlohmann::ordered_json;

Result measured() {
  Result r;
  r.command = "demo";
  r.started = "2001-01-01T00:00:00Z";
  r.duration = 2s;
  r.config = Json::object();
  r.engine.cores.resize(1);
  HdrHistogram h;
  h.record(5us);
  r.latency = {{"connect", h}};
  r.series = {{.at = 1s, .connections_per_second = 4.5, .p50 = 7ns}, {.at = 2s, .errors = 3}};
  return r;
}

std::string error_of(const std::string& text) {
  const auto result = parse_result("folder/r.json", text);
  return result ? "no error" : result.error();
}

TEST(ResultFile, WhatIsWrittenIsReadAgainAndSaysTheSame) {
  const Json written = to_json(measured());
  const auto read = parse_result("folder/r.json", written.dump(2));
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->json, written);
  EXPECT_EQ(summary(read->json), summary(written));
  EXPECT_EQ(read->label(), "r");
}

TEST(ResultFile, WhatIsNoResultIsToldApart) {
  EXPECT_NE(error_of("").find("`folder/r.json` is no JSON"), std::string::npos);
  EXPECT_NE(error_of("{\"schema\": ").find("is no JSON: parse error at line 1"), std::string::npos) << error_of("{");
  EXPECT_NE(error_of("[]").find("no result"), std::string::npos);
  EXPECT_NE(error_of("{}").find("no \"schema\""), std::string::npos);
  EXPECT_NE(error_of(R"({"schema": "pollux.result/2"})").find(R"(schema is "pollux.result/2", not "pollux.result/1")"),
            std::string::npos)
      << error_of(R"({"schema": "pollux.result/2"})");
  EXPECT_NE(error_of(std::string(1'000'000, '[')).find("`folder/r.json`"), std::string::npos);
  EXPECT_NE(error_of("{\"schema\": " + std::string(100'000, '[') + std::string(100'000, ']') + "}").find("nested"),
            std::string::npos);
}

TEST(ResultFile, EveryMemberThatIsNeededIsMissedWhenItIsNotThere) {
  const Json whole = to_json(measured());
  for (const char* section : {"meta", "config", "verdict", "totals", "rates", "latency", "errors", "tcp", "states",
                              "time_wait", "memory", "cores", "drops", "series", "thresholds"}) {
    Json less = whole;
    less.erase(section);
    EXPECT_NE(error_of(less.dump()).find(std::string{section} + " is missing"), std::string::npos) << section;
  }
  const std::pair<const char*, const char*> members[] = {
      {"/totals/responses", "totals.responses is missing"},
      {"/latency/connect/p99", "latency.connect.p99 is missing"},
      {"/series/1/t_ns", "series[1].t_ns is missing"},
      {"/cores/0/group", "cores[0].group is missing"},
  };
  for (const auto& [pointer, message] : members) {
    Json less = whole;
    const Json::json_pointer at{pointer};
    less[at.parent_pointer()].erase(at.back());
    EXPECT_NE(error_of(less.dump()).find(message), std::string::npos) << error_of(less.dump());
  }
}

TEST(ResultFile, WhatComesFromAFileDoesNotMoveTheTerminalsCursor) {
  Json hostile = to_json(measured());
  hostile["meta"]["command"] = "demo\x1b[2J\r";
  hostile["verdict"]["reasons"] = {"a\nVALID"};
  hostile["drops"]["\x1b]0;x\x07"] = 1;
  hostile["cores"][0]["group"] = "\b\b";
  const auto read = parse_result("r.json", hostile.dump());
  ASSERT_TRUE(read) << read.error();
  const std::string text = summary(read->json);
  EXPECT_EQ(text.find_first_of("\x1b\r\x07\b"), std::string::npos);
  EXPECT_NE(text.find("a?VALID"), std::string::npos) << text;
}

TEST(ResultCsv, IsTheSeriesLineByLine) {
  Json json = to_json(measured());
  json["series"][0]["busy"] = {0.5, 0.25};
  json["series"][1]["asked_per_second"] = nullptr;
  json["series"][1]["a,\"b"] = 1;
  EXPECT_EQ(
      series_csv(json),
      "t_ns,connections_per_second,active,time_wait,p50,p99,retransmits,errors,drops,busy_0,busy_1,asked_per_second,"
      "\"a,\"\"b\"\n"
      "1000000000,4.5,0,0,7,0,0,0,0,0.5,0.25,,\n"
      "2000000000,0.0,0,0,0,0,0,3,0,,,,1\n");
}

}  // namespace
}  // namespace pollux::app
