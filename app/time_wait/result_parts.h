#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "page.h"

namespace pollux::app {

// What the page of a result shows of the sections that `timewait` alone has: fill, churn, compare, kernel_memory.
struct TimeWaitParts {
  std::vector<Tile> tiles;
  std::vector<Chart> charts;
  std::vector<Table> tables;
  bool of_several_runs = false;  // so that the result's own totals and tables say nothing
};

bool has_time_wait_sections(const nlohmann::ordered_json& result);
// `result` is as result.schema.json says.
TimeWaitParts time_wait_parts(const nlohmann::ordered_json& result);

}  // namespace pollux::app
