#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pollux::app {

// RFC 4648, section 4: with padding, without line breaks.
std::string encode_base64(std::span<const std::byte> bytes);
// Empty where a character, the length or the padding is none of base64.
std::optional<std::vector<std::byte>> decode_base64(std::string_view text);

}  // namespace pollux::app
