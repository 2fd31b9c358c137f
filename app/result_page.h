#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/expected.h"
#include "hdr_histogram.h"
#include "page.h"
#include "result_file.h"

namespace pollux::app {

// The page of a result, or of several side by side (at least one): a colour for each then. The error names a
// histogram that cannot be read.
Expected<Page, std::string> page_of(std::span<const ResultFile> results);

// How a latency is distributed, up to its maximum, as the points of a line over Unit::kPercentile: each halving of what
// is left has five of them.
std::vector<std::pair<double, double>> percentile_points(const HdrHistogram& histogram);

}  // namespace pollux::app
