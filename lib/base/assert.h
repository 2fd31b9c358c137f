#pragma once

// Our own mistakes. ASSERT stands in every build but the release one and its
// argument must be free of effects; CHECK stands in all of them.

namespace pollux {

// Prints the failed condition and where it stands, then aborts.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);

[[noreturn]] inline void unreachable() { __builtin_unreachable(); }

}  // namespace pollux

#define CHECK(condition)                                                                          \
  (__builtin_expect(!(condition), 0) ? ::pollux::assertion_failed(#condition, __FILE__, __LINE__) \
                                     : static_cast<void>(0))

#ifdef POLLUX_ASSERTIONS
#define ASSERT(condition) CHECK(condition)
#else
#define ASSERT(condition) static_cast<void>(sizeof(!(condition)))
#endif
