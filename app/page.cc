#include "page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <nlohmann/json.hpp>

#include "assets.h"
#include "base/assert.h"

namespace pollux::app {
namespace {

using Json = nlohmann::ordered_json;

// As charts.js knows them.
std::string_view name(Unit unit) {
  switch (unit) {
    case Unit::kCount:
      return "count";
    case Unit::kPerSecond:
      return "per_second";
    case Unit::kNanoseconds:
      return "ns";
    case Unit::kSeconds:
      return "s";
    case Unit::kBytes:
      return "bytes";
    case Unit::kBitsPerSecond:
      return "bits_per_second";
    case Unit::kFraction:
      return "fraction";
    case Unit::kPercentile:
      return "percentile";
  }
  unreachable();
}

Json axis_json(const Axis& axis) {
  return {{"title", axis.title}, {"unit", name(axis.unit)}, {"logarithmic", axis.logarithmic}};
}

Json line_json(const Line& line) {
  Json points = Json::array();
  for (const auto& [x, y] : line.points) points.push_back({x, std::isfinite(y) ? Json(y) : Json(nullptr)});
  return {{"label", line.label}, {"colour", line.colour}, {"dashed", line.dashed}, {"points", std::move(points)}};
}

// Whose legend leaves no room for the lines in half of the page.
bool is_wide(const Chart& chart) {
  constexpr std::size_t kLinesBesideAnother = 6;
  return chart.lines.size() > kLinesBesideAnother;
}

Json chart_json(const Chart& chart) {
  Json lines = Json::array();
  for (const Line& line : chart.lines) lines.push_back(line_json(line));
  return {{"title", chart.title},    {"wide", is_wide(chart)},         {"x", axis_json(chart.x)},
          {"y", axis_json(chart.y)}, {"categories", chart.categories}, {"lines", std::move(lines)}};
}

// JSON inside of a <script>: nothing in it may end the element or begin a comment.
std::string script_json(const Json& json) {
  std::string text;
  for (const char c : json.dump(-1, ' ', true, Json::error_handler_t::replace)) {
    if (c == '<') {
      text += "\\u003c";
    } else {
      text += c;
    }
  }
  return text;
}

std::string element(std::string_view tag, std::string_view text, std::string_view css = {}) {
  if (text.empty()) return {};
  const std::string attribute = css.empty() ? std::string{} : fmt::format(" class=\"{}\"", css);
  return fmt::format("<{}{}>{}</{}>", tag, attribute, escape_html(text), tag);
}

std::string verdict_html(const PageVerdict& verdict) {
  std::string css = verdict.state;
  std::transform(css.begin(), css.end(), css.begin(), [](unsigned char c) { return std::tolower(c); });
  std::string html = fmt::format("<section class=\"verdict {}\"><p>{}{}</p>", escape_html(css),
                                 element("strong", verdict.state), element("span", verdict.of));
  if (!verdict.reasons.empty()) {
    html += "<ul>";
    for (const std::string& reason : verdict.reasons) html += element("li", reason);
    html += "</ul>";
  }
  return html + "</section>\n";
}

std::string tiles_html(const std::vector<Tile>& tiles) {
  if (tiles.empty()) return {};
  std::string html = "<section class=\"tiles\">\n";
  for (const Tile& tile : tiles) {
    html += fmt::format("<div>{}{}{}</div>\n", element("h2", tile.label), element("p", tile.value, "figure"),
                        element("p", tile.note, "note"));
  }
  return html + "</section>\n";
}

std::string charts_html(const std::vector<const Chart*>& charts) {
  if (charts.empty()) return {};
  std::string html = "<noscript><p>The charts are drawn by a script, which this browser does not run.</p></noscript>\n";
  html += "<section class=\"charts\">\n";
  for (const Chart* chart : charts) {
    html += fmt::format(
        "<figure{}><figcaption>{}{}</figcaption><div class=\"canvas\"><canvas role=\"img\" "
        "aria-label=\"{}\"></canvas></div></figure>\n",
        is_wide(*chart) ? " class=\"wide\"" : "", element("h2", chart->title), element("p", chart->note, "note"),
        escape_html(chart->title));
  }
  return html + "</section>\n";
}

// Needs the whole width of the page.
bool is_wide(const Table& table) {
  constexpr std::size_t kColumnsBesideAnother = 8;  // of tables that stand two in a row
  constexpr std::size_t kLettersBesideAnother = 40;
  const auto is_long = [](const std::string& cell) { return cell.size() > kLettersBesideAnother; };
  return table.header.size() > kColumnsBesideAnother ||
         std::any_of(table.rows.begin(), table.rows.end(),
                     [&](const auto& row) { return std::any_of(row.begin(), row.end(), is_long); });
}

std::string table_html(const Table& table) {
  std::string html =
      fmt::format("<div class=\"table{}\">{}<table>\n", is_wide(table) ? " wide" : "", element("h2", table.title));
  if (!table.header.empty()) {
    html += "<thead><tr>";
    for (const std::string& cell : table.header) html += fmt::format("<th scope=\"col\">{}</th>", escape_html(cell));
    html += "</tr></thead>\n";
  }
  html += "<tbody>\n";
  for (const auto& row : table.rows) {
    html += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i) {
      html += fmt::format("<{}>{}</{}>", i == 0 ? "th scope=\"row\"" : "td", escape_html(row[i]), i == 0 ? "th" : "td");
    }
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

std::string tables_html(const std::vector<Table>& tables) {
  std::string html;
  for (const Table& table : tables) {
    if (!table.rows.empty()) html += table_html(table);
  }
  return html.empty() ? html : "<section class=\"tables\">\n" + html + "</section>\n";
}

std::string head_html(const Page& page) {
  // The policy keeps the page to what is in it, whatever a script may try.
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'unsafe-inline'; "
      "style-src 'unsafe-inline'; img-src data:\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n"
      "<link rel=\"icon\" href=\"data:,\">\n{}\n<style>\n{}</style>\n</head>\n",
      element("title", page.title), kPageStyle);
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string html;
  for (const char c : text) {
    switch (c) {
      case '&':
        html += "&amp;";
        break;
      case '<':
        html += "&lt;";
        break;
      case '>':
        html += "&gt;";
        break;
      case '"':
        html += "&quot;";
        break;
      case '\'':
        html += "&#39;";
        break;
      default:
        html += c;
    }
  }
  return html;
}

std::string to_html(const Page& page) {
  std::vector<const Chart*> charts;
  Json data = Json::array();
  for (const Chart& chart : page.charts) {
    if (std::all_of(chart.lines.begin(), chart.lines.end(), [](const Line& l) { return l.points.empty(); })) continue;
    charts.push_back(&chart);
    data.push_back(chart_json(chart));
  }
  std::string html = head_html(page) + "<body>\n<header>" + element("h1", page.title) +
                     element("p", page.subtitle, "subtitle") + "</header>\n<main>\n";
  for (const PageVerdict& verdict : page.verdicts) html += verdict_html(verdict);
  html += tiles_html(page.tiles) + charts_html(charts) + tables_html(page.tables) + "</main>\n";
  html += element("footer", page.footer);
  html += fmt::format("\n<script type=\"application/json\" id=\"charts\">{}</script>\n", script_json(data));
  html += fmt::format("<script>\n{}</script>\n<script>\n{}</script>\n</body>\n</html>\n", kChartJs, kPageScript);
  return html;
}

}  // namespace pollux::app
