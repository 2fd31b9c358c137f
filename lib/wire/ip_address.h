#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/endian.h"
#include "base/expected.h"

namespace pollux {

// An IPv4 or IPv6 address: 16 bytes in network order; IPv4 as ::ffff:a.b.c.d.
class IpAddress {
 public:
  constexpr IpAddress() = default;

  // `host_order`: 198.18.0.1 is 0xc6120001.
  static IpAddress v4(std::uint32_t host_order) {
    IpAddress a;
    a.words_ = {0, 0, from_big_endian(0x0000ffffu), from_big_endian(host_order)};
    return a;
  }
  static IpAddress v4(const std::byte* network_order) { return v4(load_be<std::uint32_t>(network_order)); }
  static IpAddress v6(const std::byte* network_order) {
    IpAddress a;
    std::memcpy(a.words_.data(), network_order, 16);
    return a;
  }

  // Dotted or colon notation. nullopt-like error where it is neither.
  static Expected<IpAddress, std::string> parse(std::string_view text);

  bool is_v4() const { return words_[0] == 0 && words_[1] == 0 && words_[2] == from_big_endian(0x0000ffffu); }
  std::uint32_t v4_host_order() const { return from_big_endian(words_[3]); }

  // Writes 4 or 16 bytes.
  void store(std::byte* to) const {
    if (is_v4()) {
      std::memcpy(to, &words_[3], 4);
    } else {
      std::memcpy(to, words_.data(), 16);
    }
  }
  const std::array<std::uint32_t, 4>& words() const { return words_; }  // network order

  bool is_unspecified() const;  // 0.0.0.0, ::
  bool is_loopback() const;     // 127/8, ::1
  bool is_multicast() const;    // 224/4, ff00::/8
  bool is_link_local() const;   // 169.254/16, fe80::/10
  bool is_broadcast() const;    // 255.255.255.255

  // The address `n` places on (for ranges); carries through all 32 or 64 low bits.
  IpAddress plus(std::uint64_t n) const;

  friend bool operator==(const IpAddress&, const IpAddress&) = default;
  // As numbers: every address of a range lies between its first and its last.
  friend std::strong_ordering operator<=>(const IpAddress& a, const IpAddress& b) {
    for (std::size_t i = 0; i < a.words_.size(); ++i) {
      if (a.words_[i] != b.words_[i]) return from_big_endian(a.words_[i]) <=> from_big_endian(b.words_[i]);
    }
    return std::strong_ordering::equal;
  }

 private:
  std::array<std::uint32_t, 4> words_{};
};

// "198.18.0.2", "2001:2::2".
std::string to_string(const IpAddress& address);

// An address and the length of its prefix: "198.18.0.2/24".
struct IpPrefix {
  IpAddress address;
  std::uint8_t length = 0;  // 0..32 for IPv4, 0..128 for IPv6

  static Expected<IpPrefix, std::string> parse(std::string_view text);
  bool contains(const IpAddress& a) const;             // same family and same leading bits
  bool is_subnet_broadcast(const IpAddress& a) const;  // IPv4, length < 31: all host bits one
  friend bool operator==(const IpPrefix&, const IpPrefix&) = default;
};

std::string to_string(const IpPrefix& prefix);

}  // namespace pollux
