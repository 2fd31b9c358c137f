#include "wire/mac_address.h"

#include <charconv>

namespace pollux {

Expected<MacAddress, std::string> MacAddress::parse(std::string_view text) {
  MacAddress mac;
  bool valid = text.size() == 3 * kSize - 1;
  for (std::size_t i = 0; valid && i < kSize; ++i) {
    const char* digits = text.data() + 3 * i;
    std::uint8_t value = 0;
    const auto [end, error] = std::from_chars(digits, digits + 2, value, 16);
    valid = error == std::errc{} && end == digits + 2 && (i + 1 == kSize || *end == ':');
    mac.bytes_[i] = std::byte{value};
  }
  if (!valid) return unexpected("'" + std::string{text} + "' is not an Ethernet address like 02:00:00:00:00:01");
  return mac;
}

std::string to_string(const MacAddress& mac) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : mac.bytes()) {
    if (!text.empty()) text += ':';
    text += kDigits[std::to_integer<std::size_t>(byte >> 4)];
    text += kDigits[std::to_integer<std::size_t>(byte & std::byte{0xf})];
  }
  return text;
}

}  // namespace pollux
