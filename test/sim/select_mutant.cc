// POLLUX_MUTANT=n: the whole program runs with that seeded bug (mutants.h).

#include <cstdio>
#include <cstdlib>

#include "base/mutant.h"

namespace pollux::sim {
namespace {

[[maybe_unused]] const bool selected = [] {
  const char* number = std::getenv("POLLUX_MUTANT");
  if (number == nullptr) return false;
#ifdef POLLUX_ASSERTIONS
  selected_mutant = std::atoi(number);
#else
  std::fprintf(stderr, "a release build has no mutants\n");
  std::exit(2);
#endif
  return true;
}();

}  // namespace
}  // namespace pollux::sim
