#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace pollux {

template <std::unsigned_integral T>
constexpr T from_big_endian(T value) {
  static_assert(std::endian::native == std::endian::little);
  if constexpr (sizeof(T) == 1) {
    return value;
  } else if constexpr (sizeof(T) == 2) {
    return __builtin_bswap16(value);
  } else if constexpr (sizeof(T) == 4) {
    return __builtin_bswap32(value);
  } else {
    return __builtin_bswap64(value);
  }
}

// Reads a number in network order from bytes of any alignment.
template <std::unsigned_integral T>
T load_be(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return from_big_endian(value);
}

// Writes a number in network order to bytes of any alignment.
template <std::unsigned_integral T>
void store_be(std::byte* to, T value) {
  value = from_big_endian(value);
  std::memcpy(to, &value, sizeof value);
}

}  // namespace pollux
