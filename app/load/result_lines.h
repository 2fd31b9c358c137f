#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace pollux::app {

// What the summary has besides where connections failed or a rate was asked for; each from its section of the result
// file. Lines, or nothing.

// Each way in which connections failed, with what that means and what to look at.
std::string error_lines(const nlohmann::ordered_json& errors);
std::string pace_line(const nlohmann::ordered_json& pace);
std::string threshold_lines(const nlohmann::ordered_json& thresholds);

}  // namespace pollux::app
