#pragma once

#include <span>

#include "options.h"

namespace pollux::app {

// The rows of the table of options that are those of `pollux stacktest ...` alone.
std::span<const OptionSpec> stacktest_option_rows();

}  // namespace pollux::app
