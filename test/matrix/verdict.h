#pragma once

#include <string>
#include <vector>

#include "oracle.h"
#include "station.h"

namespace pollux::matrix {

// Why what was seen is not this outcome; empty: it is.
std::string difference(const Outcome& outcome, const Observed& seen);

// Empty: it is one of them. Else why it is not the one that comes nearest, the first.
std::string difference(const std::vector<Outcome>& outcomes, const Observed& seen);

}  // namespace pollux::matrix
