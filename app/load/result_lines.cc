#include "load/result_lines.h"

#include <fmt/format.h>

#include <cmath>

#include "errors.h"
#include "units.h"

namespace pollux::app {

using Json = nlohmann::ordered_json;

std::string error_lines(const Json& errors) {
  std::string text;
  for (const ErrorClass& error : error_classes()) {
    const auto count = errors.value(std::string{error.name}, std::uint64_t{0});
    if (count == 0) continue;
    text +=
        fmt::format("{:<12}{} {}: {}\n", text.empty() ? "errors" : "", with_commas(count), error.name, error.meaning);
  }
  return text;
}

std::string pace_line(const Json& pace) {
  return fmt::format(
      "{:<12}asked {} ({}/s)  begun {} ({:.1f} %)  missed {}\n", "schedule",
      with_commas(static_cast<std::uint64_t>(std::llround(pace.at("asked").get<double>()))),
      show_count(pace.at("asked_per_second").get<double>()), with_commas(pace.at("begun").get<std::uint64_t>()),
      100 * pace.at("achieved_fraction").get<double>(), with_commas(pace.at("missed").get<std::uint64_t>()));
}

std::string threshold_lines(const Json& thresholds) {
  std::string text;
  for (const Json& one : thresholds) {
    text += fmt::format("{:<12}{}: fails where {}; it is {:g}\n", "threshold",
                        one.at("pass").get<bool>() ? "held" : "FAILED", one.at("expression").get<std::string>(),
                        one.at("value").get<double>());
  }
  return text;
}

}  // namespace pollux::app
