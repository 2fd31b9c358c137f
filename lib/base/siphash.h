#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

namespace pollux {

// The secret of a keyed hash, drawn by whoever owns randomness.
struct HashKey {
  std::uint64_t k0 = 0;
  std::uint64_t k1 = 0;
};

namespace siphash_detail {

struct State {
  std::uint64_t v0, v1, v2, v3;

  constexpr explicit State(const HashKey& key)
      : v0{key.k0 ^ 0x736f6d6570736575u},
        v1{key.k1 ^ 0x646f72616e646f6du},
        v2{key.k0 ^ 0x6c7967656e657261u},
        v3{key.k1 ^ 0x7465646279746573u} {}

  constexpr void round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }

  template <int kRounds>
  constexpr void take(std::uint64_t word) {
    v3 ^= word;
    for (int i = 0; i < kRounds; ++i) round();
    v0 ^= word;
  }

  template <int kRounds>
  constexpr std::uint64_t finish() {
    v2 ^= 0xff;
    for (int i = 0; i < kRounds; ++i) round();
    return v0 ^ v1 ^ v2 ^ v3;
  }
};

// Where `size` is a constant the compiler unrolls the loop and keeps all in registers.
template <int kCompress, int kFinish>
inline std::uint64_t hash(const HashKey& key, const std::byte* data, std::size_t size) {
  static_assert(std::endian::native == std::endian::little);
  State state{key};
  const std::size_t whole = size & ~std::size_t{7};
  for (std::size_t i = 0; i < whole; i += 8) {
    std::uint64_t word;
    std::memcpy(&word, data + i, 8);
    state.take<kCompress>(word);
  }
  std::uint64_t last = 0;
  if ((size & 7) != 0) std::memcpy(&last, data + whole, size & 7);  // No bytes may mean no pointer.
  state.take<kCompress>(last | (std::uint64_t{size} << 56));
  return state.finish<kFinish>();
}

}  // namespace siphash_detail

// SipHash-2-4 (Aumasson and Bernstein, 2012): a pseudo-random function, for what
// an attacker sees the results of: ISNs, SYN cookies, timestamp offsets.
inline std::uint64_t siphash24(const HashKey& key, std::span<const std::byte> data) {
  return siphash_detail::hash<2, 4>(key, data.data(), data.size());
}

// SipHash-1-3: half the rounds, for hash tables, where an attacker sees only time.
inline std::uint64_t siphash13(const HashKey& key, std::span<const std::byte> data) {
  return siphash_detail::hash<1, 3>(key, data.data(), data.size());
}

// The same over the bytes of a value that has no padding, such as a FlowKey.
template <class T>
requires std::has_unique_object_representations_v<T>
inline std::uint64_t siphash24_of(const HashKey& key, const T& value) {
  return siphash_detail::hash<2, 4>(key, reinterpret_cast<const std::byte*>(&value), sizeof(T));
}

template <class T>
requires std::has_unique_object_representations_v<T>
inline std::uint64_t siphash13_of(const HashKey& key, const T& value) {
  return siphash_detail::hash<1, 3>(key, reinterpret_cast<const std::byte*>(&value), sizeof(T));
}

}  // namespace pollux
