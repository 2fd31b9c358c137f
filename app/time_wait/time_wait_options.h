#pragma once

#include <span>

#include "options.h"

namespace pollux::app {

// The rows of the table of options that are those of `pollux timewait ...` alone.
std::span<const OptionSpec> time_wait_option_rows();

}  // namespace pollux::app
