#include "result_csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace pollux::app {
namespace {

using Json = nlohmann::ordered_json;
using Row = std::vector<std::pair<std::string, std::string>>;  // column, cell

std::string cell(const Json& value) { return value.is_null() ? std::string{} : value.dump(); }

Row row_of(const Json& second) {
  Row row;
  for (const auto& [key, value] : second.items()) {
    if (!value.is_array()) row.emplace_back(key, cell(value));
    for (std::size_t i = 0; value.is_array() && i < value.size(); ++i) {
      row.emplace_back(fmt::format("{}_{}", key, i), cell(value[i]));
    }
  }
  return row;
}

std::string quoted(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string all = "\"";
  for (const char c : text) all += c == '"' ? std::string{"\"\""} : std::string{c};
  return all + "\"";
}

}  // namespace

std::string series_csv(const Json& result) {
  std::vector<std::string> columns;
  std::vector<Row> rows;
  for (const Json& second : result.at("series")) {
    rows.push_back(row_of(second));
    for (const auto& [column, text] : rows.back()) {
      if (std::find(columns.begin(), columns.end(), column) == columns.end()) columns.push_back(column);
    }
  }
  std::string csv;
  for (const std::string& column : columns) csv += (csv.empty() ? "" : ",") + quoted(column);
  csv += "\n";
  for (const Row& row : rows) {
    std::string line;
    for (const std::string& column : columns) {
      const auto found = std::find_if(row.begin(), row.end(), [&](const auto& one) { return one.first == column; });
      line += (&column == &columns.front() ? "" : ",") + (found == row.end() ? std::string{} : found->second);
    }
    csv += line + "\n";
  }
  return csv;
}

}  // namespace pollux::app
