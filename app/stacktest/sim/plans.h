#pragma once

#include <utility>

#include "base/random.h"
#include "flow.h"
#include "trouble.h"

namespace pollux::sim {

// What the client and the server of a flow do. Whatever is chosen comes to an end.
std::pair<Plan, Plan> random_plans(Random& random, Troubles troubles);

}  // namespace pollux::sim
