#include "wire/ipv4.h"
#include "wire/ipv6.h"

namespace pollux {
namespace {

// RFC 791, 3.1. Two options are a single byte.
constexpr std::uint8_t kEndOfOptions = 0;
constexpr std::uint8_t kNoOperation = 1;
constexpr std::uint8_t kLooseSourceRoute = 131;
constexpr std::uint8_t kStrictSourceRoute = 137;

// Next header values.
constexpr std::uint8_t kHopByHop = 0;
constexpr std::uint8_t kRouting = 43;
constexpr std::uint8_t kFragment = 44;
constexpr std::uint8_t kDestinationOptions = 60;

std::uint8_t byte_at(std::span<const std::byte> bytes, std::size_t i) {
  return std::to_integer<std::uint8_t>(bytes[i]);
}

// Hop-by-hop and destination options (RFC 8200, 4.2). We know none but the padding,
// so the two high bits of the type decide: 00 skip, anything else drop.
bool may_skip_all(std::span<const std::byte> options) {
  while (!options.empty()) {
    const std::uint8_t type = byte_at(options, 0);
    if (type == 0) {  // Pad1
      options = options.subspan(1);
      continue;
    }
    if ((type & 0xc0) != 0 || options.size() < 2) return false;
    const std::size_t size = 2u + byte_at(options, 1);
    if (size > options.size()) return false;
    options = options.subspan(size);
  }
  return true;
}

WireDrop check_routing(std::span<const std::byte> header) {
  const std::uint8_t type = byte_at(header, 2);
  const std::uint8_t segments_left = byte_at(header, 3);
  return type == 0 || segments_left != 0 ? WireDrop::kIpSourceRoute : WireDrop::kNone;
}

constexpr bool is_extension(std::uint8_t protocol) {
  return protocol == kHopByHop || protocol == kRouting || protocol == kFragment || protocol == kDestinationOptions;
}

}  // namespace

WireDrop check_ipv4_options(std::span<const std::byte> options) {
  while (!options.empty()) {
    const std::uint8_t type = byte_at(options, 0);
    if (type == kEndOfOptions) break;
    if (type == kNoOperation) {
      options = options.subspan(1);
      continue;
    }
    if (options.size() < 2) return WireDrop::kIpOptions;
    const std::size_t length = byte_at(options, 1);
    if (length < 2 || length > options.size()) return WireDrop::kIpOptions;
    if (type == kLooseSourceRoute || type == kStrictSourceRoute) return WireDrop::kIpSourceRoute;
    options = options.subspan(length);
  }
  return WireDrop::kNone;
}

Expected<UpperLayer, WireDrop> skip_extension_headers(std::uint8_t first, std::span<const std::byte> payload) {
  UpperLayer at{first, payload};
  std::size_t walked = 0;
  for (std::size_t headers = 0; is_extension(at.protocol); ++headers) {
    if (at.protocol == kFragment) return unexpected(WireDrop::kIpFragment);
    if (headers == kMaxExtensionHeaders) return unexpected(WireDrop::kIpExtensionLimit);
    // Only the first may be hop-by-hop (4.1).
    if (at.protocol == kHopByHop && headers != 0) return unexpected(WireDrop::kIpExtension);
    if (at.bytes.size() < 8) return unexpected(WireDrop::kIpExtension);
    const std::size_t size = (byte_at(at.bytes, 1) + 1u) * 8u;
    if (size > at.bytes.size()) return unexpected(WireDrop::kIpExtension);
    walked += size;
    if (walked > kMaxExtensionBytes) return unexpected(WireDrop::kIpExtensionLimit);
    const auto header = at.bytes.first(size);
    if (at.protocol == kRouting) {
      if (const WireDrop drop = check_routing(header); drop != WireDrop::kNone) return unexpected(drop);
    } else if (!may_skip_all(header.subspan(2))) {
      return unexpected(WireDrop::kIpExtension);
    }
    at = {byte_at(header, 0), at.bytes.subspan(size)};
  }
  return at;
}

}  // namespace pollux
