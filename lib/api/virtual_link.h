#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/packet.h"
#include "device/device.h"
#include "time/instant.h"
#include "wire/arp.h"
#include "wire/build.h"
#include "wire/ethernet.h"
#include "wire/frame.h"
#include "wire/nd.h"

namespace pollux::api {

// Lends the bytes of arriving frames, each from the heap in exactly its size.
class Heap final : public PacketOwner {
 public:
  ~Heap() = default;
  Packet lend(std::span<const std::byte> frame) {
    auto* bytes = new std::byte[frame.size()];
    std::memcpy(bytes, frame.data(), frame.size());
    return Packet{{bytes, frame.size()}, static_cast<std::uint32_t>(frame.size()), this, bytes};
  }
  void take_back(void* handle) override { delete[] static_cast<std::byte*>(handle); }
};

// A device for IP packets: Ethernet is put on and taken off here. At the other end of the wire stands one router, which
// also answers for every address that is looked for.
class VirtualLink {
 public:
  static constexpr MacAddress kOurMac{{2, 0, 0, 0, 0, 1}};
  static constexpr MacAddress kRouterMac{{2, 0, 0, 0, 0, 2}};

  explicit VirtualLink(std::uint16_t mtu) {
    features_.mtu = mtu;
    features_.max_frame = mtu + std::uint32_t{EthernetHeader::kMinSize};
  }

  // --- The shard's side: a Device that never fills up ---

  const DeviceFeatures& features() const { return features_; }
  std::size_t tx_room() const { return SIZE_MAX; }
  TxFrame allocate(std::uint32_t size) {
    auto* bytes = new std::byte[size];
    return {bytes, size, bytes};
  }
  void discard(TxFrame frame) { delete[] static_cast<std::byte*>(frame.handle); }
  void send(TxFrame frame, std::uint32_t size, const TxOffload&) {
    const std::span<const std::byte> bytes{frame.data, size};
    if (!answer(bytes)) sent.emplace_back(bytes.begin() + EthernetHeader::kMinSize, bytes.end());
    discard(frame);
  }
  void flush() {}

  // --- The other side ---

  // The frame that brings an IP packet; empty if it is neither IPv4 nor IPv6.
  static std::vector<std::byte> framed(std::span<const std::byte> packet) {
    const unsigned version = packet.empty() ? 0 : std::to_integer<unsigned>(packet[0]) >> 4;
    if (version != 4 && version != 6) return {};
    std::vector<std::byte> frame(EthernetHeader::kMinSize + packet.size());
    kOurMac.store(frame.data());
    kRouterMac.store(frame.data() + MacAddress::kSize);
    store_be(frame.data() + 12, static_cast<std::uint16_t>(version == 4 ? EtherType::kIpv4 : EtherType::kIpv6));
    std::memcpy(frame.data() + EthernetHeader::kMinSize, packet.data(), packet.size());
    return frame;
  }

  std::deque<std::vector<std::byte>> sent;     // IP packets
  std::deque<std::vector<std::byte>> answers;  // frames for the shard: who has that address

 private:
  // Whether the frame asks for a neighbour; if so, the answer is on its way.
  bool answer(std::span<const std::byte> frame) {
    ParsedFrame parsed;
    if (parse_frame(frame, policy_, ChecksumWord::kUnknown, ChecksumWord::kUnknown, parsed) != WireDrop::kNone) {
      return false;
    }
    std::vector<std::byte> reply(kMaxControlFrame);
    const LinkSpec link{kRouterMac, kOurMac, 0};
    if (parsed.kind == FrameKind::kArp) {
      const auto request = parse_arp(parsed.payload);
      if (!request || request->operation != ArpOperation::kRequest) return true;
      reply.resize(write_arp_reply(reply.data(), link, request->target_ip, *request));
    } else if (parsed.kind == FrameKind::kNd) {
      const auto request = parse_nd(parsed);
      if (!request || request->kind != NdKind::kSolicitation) return true;
      reply.resize(write_neighbour_advertisement(reply.data(), link, request->target, parsed));
    } else {
      return false;
    }
    answers.push_back(std::move(reply));
    return true;
  }

  DeviceFeatures features_;
  ParsePolicy policy_;
};

}  // namespace pollux::api
