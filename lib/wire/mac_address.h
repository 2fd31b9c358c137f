#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/expected.h"

namespace pollux {

// An Ethernet address.
class MacAddress {
 public:
  static constexpr std::size_t kSize = 6;

  constexpr MacAddress() = default;
  constexpr explicit MacAddress(const std::array<std::uint8_t, kSize>& bytes) {
    std::transform(bytes.begin(), bytes.end(), bytes_.begin(), [](std::uint8_t b) { return std::byte{b}; });
  }

  // Reads kSize bytes.
  static MacAddress load(const std::byte* from) {
    MacAddress mac;
    std::memcpy(mac.bytes_.data(), from, kSize);
    return mac;
  }
  static constexpr MacAddress broadcast() { return MacAddress{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}; }

  // "02:00:00:00:00:01".
  static Expected<MacAddress, std::string> parse(std::string_view text);

  // Writes kSize bytes.
  void store(std::byte* to) const { std::memcpy(to, bytes_.data(), kSize); }

  constexpr bool is_zero() const { return *this == MacAddress{}; }
  constexpr bool is_broadcast() const { return *this == broadcast(); }
  constexpr bool is_group() const { return (bytes_[0] & std::byte{1}) != std::byte{0}; }  // multicast or broadcast

  constexpr const std::array<std::byte, kSize>& bytes() const { return bytes_; }

  friend constexpr bool operator==(const MacAddress&, const MacAddress&) = default;
  friend constexpr auto operator<=>(const MacAddress&, const MacAddress&) = default;

 private:
  std::array<std::byte, kSize> bytes_{};
};

std::string to_string(const MacAddress& mac);

}  // namespace pollux
