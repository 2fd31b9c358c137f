#include "wire/checksum.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace pollux {
namespace {

// Both kernels add 32-bit words into 64-bit lanes: no carry is ever lost below 2^32
// words, and none has to be looked for.

// Sums, and copies to `to` if kCopy, all of `size`.
template <bool kCopy>
std::uint64_t add_words(std::byte* to, const std::byte* from, std::size_t size) {
  std::uint64_t even = 0;
  std::uint64_t odd = 0;
  for (; size >= 8; size -= 8, from += 8) {
    std::uint64_t word;
    std::memcpy(&word, from, sizeof word);
    if constexpr (kCopy) {
      std::memcpy(to, &word, sizeof word);
      to += 8;
    }
    even += static_cast<std::uint32_t>(word);
    odd += word >> 32;
  }
  std::uint64_t rest = 0;
  if (size != 0) {
    std::memcpy(&rest, from, size);
    if constexpr (kCopy) std::memcpy(to, from, size);
  }
  return even + odd + static_cast<std::uint32_t>(rest) + (rest >> 32);
}

#if defined(__x86_64__)

constexpr std::size_t kBlock = 64;

// The same for `blocks` of kBlock bytes, four words of each half at a time.
template <bool kCopy>
__attribute__((target("avx2"))) std::uint64_t add_blocks(std::byte* to, const std::byte* from, std::size_t blocks) {
  const __m256i low_words = _mm256_set1_epi64x(0xffffffff);
  __m256i even = _mm256_setzero_si256();
  __m256i odd = _mm256_setzero_si256();
  for (; blocks != 0; --blocks, from += kBlock) {
    const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + kBlock / 2));
    if constexpr (kCopy) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), a);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + kBlock / 2), b);
      to += kBlock;
    }
    even = _mm256_add_epi64(even, _mm256_add_epi64(_mm256_and_si256(a, low_words), _mm256_and_si256(b, low_words)));
    odd = _mm256_add_epi64(odd, _mm256_add_epi64(_mm256_srli_epi64(a, 32), _mm256_srli_epi64(b, 32)));
  }
  const __m256i lanes = _mm256_add_epi64(even, odd);
  alignas(32) std::uint64_t lane[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lane), lanes);
  return lane[0] + lane[1] + lane[2] + lane[3];
}

template <bool kCopy>
std::uint64_t add_all(std::byte* to, const std::byte* from, std::size_t size) {
  if (size < kBlock || !__builtin_cpu_supports("avx2")) return add_words<kCopy>(to, from, size);
  const std::size_t blocks = size / kBlock;
  const std::size_t done = blocks * kBlock;
  const std::uint64_t total = add_blocks<kCopy>(to, from, blocks);
  return total + add_words<kCopy>(kCopy ? to + done : nullptr, from + done, size - done);
}

#else

template <bool kCopy>
std::uint64_t add_all(std::byte* to, const std::byte* from, std::size_t size) {
  return add_words<kCopy>(to, from, size);
}

#endif

}  // namespace

PartialSum detail::sum_long(const std::byte* from, std::size_t size) {
  return PartialSum{add_all<false>(nullptr, from, size)};
}

PartialSum copy_and_sum(std::byte* to, const std::byte* from, std::size_t size) {
  return PartialSum{add_all<true>(to, from, size)};
}

}  // namespace pollux
