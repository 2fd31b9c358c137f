#pragma once

#include <string_view>

namespace pollux::app {

// Files that are part of the program (embedded by app/page/embed.py), so that it needs none when it runs.
extern const std::string_view kChartJs;       // Chart.js, as Debian's libjs-chart.js has it
extern const std::string_view kPageScript;    // page/charts.js
extern const std::string_view kPageStyle;     // page/style.css
extern const std::string_view kResultSchema;  // result.schema.json

}  // namespace pollux::app
