#pragma once

#include <span>

#include "options.h"

namespace pollux::app {

// The rows of the table of options that are `pollux load`'s alone.
std::span<const OptionSpec> load_option_rows();

// The targets that one URL names: "http://198.18.0.1/", "echo://[2001:2::1]:7", "http://198.18.0.1:8000-8003/x".
Expected<std::vector<Target>, std::string> parse_url(std::string_view url);

// "response.p99 > 500us". Whether there is such a metric shows later.
Expected<Condition, std::string> parse_condition(std::string_view text);

}  // namespace pollux::app
