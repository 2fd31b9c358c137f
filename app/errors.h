#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "service_counters.h"

namespace pollux::app {

// A way in which a connection fails: what the result file calls it, and one plain sentence on what it means and what to
// look at.
struct ErrorClass {
  std::string_view name;
  std::uint64_t ServiceCounters::*count;
  std::string_view meaning;
};

// All that ServiceCounters::failed() adds up.
std::span<const ErrorClass> error_classes();

}  // namespace pollux::app
