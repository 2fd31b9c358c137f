#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/endian.h"
#include "base/expected.h"
#include "wire/mac_address.h"
#include "wire/wire_drop.h"

namespace pollux {

enum class EtherType : std::uint16_t {
  kIpv4 = 0x0800,
  kArp = 0x0806,
  kVlan = 0x8100,  // IEEE 802.1Q
  kIpv6 = 0x86dd,
  kServiceVlan = 0x88a8,  // IEEE 802.1ad
  kOldServiceVlan = 0x9100,
};

// An Ethernet II header with at most one 802.1Q tag:
//
//   destination 6 | source 6 | [0x8100 | priority 3, drop 1, id 12] | type 2
//
// Holding one is proof that it lies inside the frame.
class EthernetHeader {
 public:
  static constexpr std::size_t kMinSize = 14;
  static constexpr std::size_t kTagSize = 4;
  static constexpr std::uint16_t kVlanMask = 0x0fff;
  static constexpr std::uint16_t kSmallestType = 0x0600;  // below, it is the length of an 802.3 frame

  static Expected<EthernetHeader, WireDrop> parse(std::span<const std::byte> frame) {
    if (frame.size() < kMinSize) return unexpected(WireDrop::kL2Short);
    EthernetHeader header{frame};
    header.type_ = load_be<std::uint16_t>(frame.data() + 12);
    if (header.type_ == static_cast<std::uint16_t>(EtherType::kVlan)) {
      if (frame.size() < kMinSize + kTagSize) return unexpected(WireDrop::kL2Short);
      header.vlan_ = load_be<std::uint16_t>(frame.data() + 14) & kVlanMask;
      header.type_ = load_be<std::uint16_t>(frame.data() + 16);
      header.size_ = kMinSize + kTagSize;
    }
    return header;
  }

  MacAddress destination() const { return MacAddress::load(frame_.data()); }
  MacAddress source() const { return MacAddress::load(frame_.data() + MacAddress::kSize); }
  std::uint16_t vlan() const { return vlan_; }  // 0: no tag, or one that gives a priority only
  std::uint16_t type() const { return type_; }  // behind the tag
  std::span<const std::byte> payload() const { return frame_.subspan(size_); }

 private:
  explicit EthernetHeader(std::span<const std::byte> frame) : frame_{frame} {}

  std::span<const std::byte> frame_;
  std::size_t size_ = kMinSize;
  std::uint16_t type_ = 0;
  std::uint16_t vlan_ = 0;
};

}  // namespace pollux
