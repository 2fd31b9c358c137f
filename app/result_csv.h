#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace pollux::app {

// The series of a result as CSV (RFC 4180, but lines end in \n): a header with the names of the result file, a line
// for each second. A list takes a column for each of its members: busy_0, busy_1.
std::string series_csv(const nlohmann::ordered_json& result);

}  // namespace pollux::app
