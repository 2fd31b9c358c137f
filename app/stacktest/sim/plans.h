#pragma once

#include <utility>

#include "base/random.h"
#include "flow.h"
#include "trouble.h"

namespace pollux::sim {

// What the client and the server of a flow do. Whatever is chosen comes to an end.
std::pair<Plan, Plan> random_plans(Random& random, Troubles troubles);

// The same plans with so many times the bytes, in chunks so many times as large, that one side sends at least `bytes`.
void lengthen(Plan& client, Plan& server, std::uint64_t bytes);

}  // namespace pollux::sim
