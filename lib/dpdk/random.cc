#include "dpdk/random.h"

#include <sys/random.h>

#include "base/assert.h"

namespace pollux::dpdk {
namespace {

template <class T>
T from_kernel() {
  T value;
  // Up to 256 bytes come whole, once the kernel's pool is ready; it may wait for that at boot.
  CHECK(getrandom(&value, sizeof value, 0) == static_cast<ssize_t>(sizeof value));
  return value;
}

}  // namespace

std::uint64_t random_seed() { return from_kernel<std::uint64_t>(); }

std::array<std::uint64_t, 2> random_key() { return from_kernel<std::array<std::uint64_t, 2>>(); }

}  // namespace pollux::dpdk
