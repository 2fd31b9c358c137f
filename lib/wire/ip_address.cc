#include "wire/ip_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace pollux {
namespace {

std::uint64_t high_half(const IpAddress& a) {
  return std::uint64_t{from_big_endian(a.words()[0])} << 32 | from_big_endian(a.words()[1]);
}

std::uint64_t low_half(const IpAddress& a) {
  return std::uint64_t{from_big_endian(a.words()[2])} << 32 | from_big_endian(a.words()[3]);
}

// Whether the first `bits` of two numbers agree.
constexpr bool same_leading_bits(std::uint64_t a, std::uint64_t b, unsigned bits) {
  return bits == 0 || ((a ^ b) >> (64 - bits)) == 0;
}

}  // namespace

Expected<IpAddress, std::string> IpAddress::parse(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  std::array<std::byte, 16> bytes{};
  const bool fits = text.size() < terminated.size() && text.find('\0') == std::string_view::npos;
  if (fits) std::copy(text.begin(), text.end(), terminated.begin());
  if (fits && inet_pton(AF_INET, terminated.data(), bytes.data()) == 1) return v4(bytes.data());
  if (fits && inet_pton(AF_INET6, terminated.data(), bytes.data()) == 1) return v6(bytes.data());
  return unexpected("'" + std::string{text} + "' is neither an IPv4 nor an IPv6 address");
}

bool IpAddress::is_unspecified() const { return is_v4() ? v4_host_order() == 0 : *this == IpAddress{}; }

bool IpAddress::is_loopback() const {
  if (is_v4()) return v4_host_order() >> 24 == 127;
  return high_half(*this) == 0 && low_half(*this) == 1;
}

bool IpAddress::is_multicast() const { return is_v4() ? v4_host_order() >> 28 == 0xe : high_half(*this) >> 56 == 0xff; }

bool IpAddress::is_link_local() const {
  return is_v4() ? v4_host_order() >> 16 == 0xa9fe : high_half(*this) >> 54 == 0xfe80 >> 6;
}

bool IpAddress::is_broadcast() const { return is_v4() && v4_host_order() == 0xffffffff; }

IpAddress IpAddress::plus(std::uint64_t n) const {
  if (is_v4()) return v4(v4_host_order() + static_cast<std::uint32_t>(n));
  IpAddress sum = *this;
  const std::uint64_t low = low_half(*this) + n;
  sum.words_[2] = from_big_endian(static_cast<std::uint32_t>(low >> 32));
  sum.words_[3] = from_big_endian(static_cast<std::uint32_t>(low));
  return sum;
}

std::string to_string(const IpAddress& address) {
  std::array<std::byte, 16> bytes{};
  address.store(bytes.data());
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(address.is_v4() ? AF_INET : AF_INET6, bytes.data(), text.data(), text.size());
  return text.data();
}

Expected<IpPrefix, std::string> IpPrefix::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return unexpected(address.error());
  const unsigned longest = address->is_v4() ? 32 : 128;
  if (slash == std::string_view::npos) {
    return unexpected("'" + std::string{text} + "' has no prefix length; write " + std::string{text} + "/" +
                      (address->is_v4() ? "24" : "64"));
  }
  const std::string_view digits = text.substr(slash + 1);
  std::uint8_t length = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size() || length > longest) {
    return unexpected("'" + std::string{text} + "': the prefix length must be a number from 0 to " +
                      std::to_string(longest));
  }
  return IpPrefix{*address, length};
}

bool IpPrefix::contains(const IpAddress& a) const {
  if (a.is_v4() != address.is_v4()) return false;
  if (a.is_v4()) {
    return same_leading_bits(std::uint64_t{a.v4_host_order()} << 32, std::uint64_t{address.v4_host_order()} << 32,
                             length);
  }
  const unsigned high_bits = std::min<unsigned>(length, 64);
  return same_leading_bits(high_half(a), high_half(address), high_bits) &&
         same_leading_bits(low_half(a), low_half(address), length - high_bits);
}

bool IpPrefix::is_subnet_broadcast(const IpAddress& a) const {
  if (!address.is_v4() || length >= 31 || !contains(a)) return false;
  const std::uint32_t host_bits = 0xffffffffu >> length;
  return (a.v4_host_order() & host_bits) == host_bits;
}

std::string to_string(const IpPrefix& prefix) {
  return to_string(prefix.address) + "/" + std::to_string(prefix.length);
}

}  // namespace pollux
