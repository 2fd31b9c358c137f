#pragma once

#include <cstddef>

struct rte_mbuf;

// ThreadSanitizer does not see how DPDK hands mbufs from one thread to another: its
// libraries are not compiled for it, and its rings order memory with barriers, which
// ThreadSanitizer does not know. So we say so where an mbuf comes to us or leaves us.
// Nothing in other builds.
#ifdef __SANITIZE_THREAD__
extern "C" void __tsan_acquire(void* address);
extern "C" void __tsan_release(void* address);
#endif

namespace pollux::dpdk {

// From here on `object` is ours: what its last owner did with it is done.
inline void comes([[maybe_unused]] void* object) {
#ifdef __SANITIZE_THREAD__
  __tsan_acquire(object);
#endif
}

// What we did with `object` is done; the next owner may have it.
inline void goes([[maybe_unused]] void* object) {
#ifdef __SANITIZE_THREAD__
  __tsan_release(object);
#endif
}

template <class Count>
inline void mbufs_come([[maybe_unused]] rte_mbuf* const* mbufs, [[maybe_unused]] Count n) {
#ifdef __SANITIZE_THREAD__
  for (Count i = 0; i < n; ++i) comes(mbufs[i]);
#endif
}

template <class Count>
inline void mbufs_go([[maybe_unused]] rte_mbuf* const* mbufs, [[maybe_unused]] Count n) {
#ifdef __SANITIZE_THREAD__
  for (Count i = 0; i < n; ++i) goes(mbufs[i]);
#endif
}

}  // namespace pollux::dpdk
