#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace pollux::app {

// What is wrong with `value` by a JSON schema, with the place: "totals.requests is missing"; empty: nothing. The first
// fault counts. Knows the keywords of draft 2020-12 that result.schema.json uses; any other is a fault of its own, so
// that none is passed over in silence.
//
// Stricter than the draft in one point: 1.0 is no integer.
std::string fault_by_schema(const nlohmann::ordered_json& value, const nlohmann::ordered_json& schema);

}  // namespace pollux::app
