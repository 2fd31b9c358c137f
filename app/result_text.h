#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace pollux::app {

// What a result says, for people; some thirty lines. `result`: as result.schema.json has it.
std::string summary(const nlohmann::ordered_json& result);

// "pollux demo, seed 7, bad wire with seed 8": what it takes to see the same again.
std::string title(const nlohmann::ordered_json& result);

// A text that came from a file, for a terminal: control characters, which could move its cursor, become `?`.
std::string printable(std::string_view text);

}  // namespace pollux::app
