#include "page.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "report.h"
#include "result_page.h"

namespace pollux::app {
namespace {

using Json = nlohmann::ordered_json;

// What the page's script reads.
Json charts_in(const std::string& html) {
  const std::string before = "<script type=\"application/json\" id=\"charts\">";
  const std::size_t begin = html.find(before) + before.size();
  return Json::parse(html.substr(begin, html.find("</script>", begin) - begin));
}

TEST(Page, WhatItIsToldIsEscapedWhereverItStands) {
  const std::string evil = "</script><script>alert(1)</script>\"'&<img src=x onerror=alert(1)>";
  Page page;
  page.title = page.subtitle = page.footer = evil;
  page.verdicts = {{evil, evil, {evil}}};
  page.tiles = {{evil, evil, evil}};
  page.tables = {{evil, {evil, evil}, {{evil, evil}}}};
  Chart chart{evil, evil, {evil, Unit::kSeconds}, {evil, Unit::kCount}, {{evil, {{0, 1}}}}, {evil}};
  page.charts = {chart};
  const std::string html = to_html(page);
  EXPECT_EQ(html.find("<script>alert"), std::string::npos);
  EXPECT_EQ(html.find("<img"), std::string::npos);
  EXPECT_EQ(charts_in(html)[0]["title"], evil);
  EXPECT_EQ(charts_in(html)[0]["lines"][0]["label"], evil);
  EXPECT_EQ(charts_in(html)[0]["categories"][0], evil);
}

TEST(Page, BytesThatAreNoUtf8DoNotBreakIt) {
  Page page;
  page.charts = {{"\xff", "", {}, {}, {{"\xc3", {{0, 1}}}}, {}}};
  EXPECT_EQ(charts_in(to_html(page)).size(), 1u);
}

TEST(Page, AGapIsNullAndWhatIsEmptyIsLeftOut) {
  Page page;
  page.charts = {{"with", "", {}, {}, {{"a", {{1, 2}, {2, std::numeric_limits<double>::quiet_NaN()}}}}, {}},
                 {"without", "", {}, {}, {{"a", {}}}, {}}};
  page.tables = {{"empty", {"a"}, {}}};
  const std::string html = to_html(page);
  const Json charts = charts_in(html);
  ASSERT_EQ(charts.size(), 1u);
  EXPECT_EQ(charts[0]["lines"][0]["points"], Json::parse("[[1.0, 2.0], [2.0, null]]"));
  EXPECT_EQ(html.find("empty</h2>"), std::string::npos);
}

TEST(PercentilePoints, RunFromTheLeastToTheGreatest) {
  HdrHistogram h;
  EXPECT_TRUE(percentile_points(h).empty());
  for (int i = 1; i <= 1000; ++i) h.record(Duration{i});
  const auto points = percentile_points(h);
  EXPECT_EQ(points.front(), (std::pair<double, double>{1, 1}));
  EXPECT_EQ(points.back(), (std::pair<double, double>{1000, 1000}));
  EXPECT_EQ(points[5], (std::pair<double, double>{2, 500}));  // the median
  for (std::size_t i = 1; i < points.size(); ++i) EXPECT_GE(points[i].second, points[i - 1].second);
}

ResultFile file_of(const std::string& path, Duration took) {
  Result r;
  r.command = "demo";
  r.started = "2001-01-01T00:00:00Z";
  r.duration = 2s;
  r.config = Json::object();
  r.engine.cores.resize(2);
  r.engine.cores[1].cpu = 1;
  HdrHistogram h;
  for (int i = 0; i < 100; ++i) h.record(took);
  r.latency = {{"connect", h}, {"service", h}, {"close", HdrHistogram{}}};
  r.series = {{.at = 1s, .connections_per_second = 4, .p50 = took}, {.at = 2s}};
  return {path, to_json(r)};
}

std::vector<std::string> titles(const Page& page) {
  std::vector<std::string> all;
  for (const Chart& chart : page.charts) all.push_back(chart.title);
  return all;
}

TEST(ResultPage, OfOneResultHasALineForEachFigure) {
  const ResultFile one = file_of("a.json", 5us);
  const auto page = page_of({&one, 1});
  ASSERT_TRUE(page) << page.error();
  EXPECT_EQ(titles(*page),
            (std::vector<std::string>{"Rate", "Latency", "Latency distribution", "Connections", "Trouble", "Cores"}));
  const Chart& latency = page->charts[1];
  ASSERT_EQ(latency.lines.size(), 2u);
  EXPECT_EQ(latency.lines[0].label, "p50");
  EXPECT_EQ(latency.lines[0].points[0], (std::pair<double, double>{1, 5000}));
  EXPECT_TRUE(std::isnan(latency.lines[0].points[1].second));  // nothing was served in that second
  EXPECT_NE(latency.lines[0].colour, latency.lines[1].colour);
  EXPECT_EQ(page->charts[2].lines.size(), 2u);
  EXPECT_EQ(page->charts[5].categories.size(), 2u);
  EXPECT_EQ(page->title, "pollux demo");
  EXPECT_EQ(page->verdicts.size(), 1u);
}

TEST(ResultPage, OfSeveralEachHasItsColour) {
  const ResultFile both[] = {file_of("x/a.json", 5us), file_of("x/b.json", 7us)};
  const auto page = page_of(both);
  ASSERT_TRUE(page) << page.error();
  EXPECT_EQ(titles(*page),
            (std::vector<std::string>{"Rate", "Latency", "Latency distribution: connect",
                                      "Latency distribution: service", "Connections", "Trouble", "Cores"}));
  const auto& lines = page->charts[1].lines;
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0].label, "a p50");
  EXPECT_EQ(lines[3].label, "b p99");
  EXPECT_EQ(lines[0].colour, lines[1].colour);
  EXPECT_NE(lines[0].colour, lines[2].colour);
  EXPECT_TRUE(lines[1].dashed);
  EXPECT_FALSE(lines[2].dashed);
  EXPECT_EQ(page->verdicts.size(), 2u);
}

TEST(ResultPage, FilesOfOneNameAreCalledByTheirPaths) {
  const ResultFile both[] = {file_of("x/a.json", 5us), file_of("y/a.json", 7us)};
  const auto page = page_of(both);
  ASSERT_TRUE(page) << page.error();
  EXPECT_EQ(page->charts[0].lines[1].label, "y/a.json");
}

TEST(ResultPage, AHistogramThatCannotBeReadIsNamed) {
  ResultFile bad = file_of("a.json", 5us);
  bad.json["latency"]["service"]["hdr_v2_base64"] = "AAAA";
  const auto page = page_of({&bad, 1});
  ASSERT_FALSE(page);
  EXPECT_NE(page.error().find("`a.json`: latency.service.hdr_v2_base64: "), std::string::npos) << page.error();
}

}  // namespace
}  // namespace pollux::app
