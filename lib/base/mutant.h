#pragma once

// Seeded bugs, to show that the tests bite. MUTANT(n, good, bad) is `good`, and
// `bad` in a build with assertions when mutant n was selected; the list, with the
// real bug each is taken from, stands in test/sim/mutants.h. A release build
// contains none of them.

#ifdef POLLUX_ASSERTIONS
namespace pollux {
inline int selected_mutant = 0;  // 0: none; set before the first shard is made
}
#define MUTANT(n, good, bad) (::pollux::selected_mutant == (n) ? (bad) : (good))
#else
#define MUTANT(n, good, bad) (good)
#endif
