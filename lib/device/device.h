#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/packet.h"

namespace pollux {

using MacBytes = std::array<std::byte, 6>;

// Who looks at the checksums of received packets.
enum class RxChecksum : std::uint8_t {
  kSoftware,  // we do: the device says nothing
  kHardware,  // the device does, and says so in Packet::ip_checksum and tcp_checksum; we do what it left kUnknown
  kTrust,     // nobody: the medium cannot corrupt, or its sender never fills them in (veth, af_packet)
};

// What one port can do. Nothing here is assumed: a device negotiates it when it starts.
struct DeviceFeatures {
  bool tx_ip_checksum = false;   // TxOffload::ip_checksum is honoured
  bool tx_tcp_checksum = false;  // TxOffload::tcp_checksum is honoured
  bool tso = false;              // TxOffload::segment_size is honoured, for IPv4
  bool tso_ipv6 = false;         // ... and for IPv6
  RxChecksum rx_checksum = RxChecksum::kSoftware;
  std::uint16_t mtu = 1500;        // the largest IP packet
  std::uint32_t max_frame = 1514;  // the most that allocate() has room for, Ethernet header included (large with TSO)
  MacBytes mac{};
};

// What a Worker polls: one receive and one transmit queue, owned by one core.
//
//   receive -> out[0..n)   whoever wants to keep a packet moves it away
//   recycle(out[0..n))     the others go back in one call
//   allocate -> fill -> send | discard;  flush once per turn
template <class D>
concept Device = requires(D d, std::span<Packet> out, std::uint32_t n, TxFrame f, TxOffload o) {
  // Fills out[0..n) with received packets and says n. The bytes of each are
  // contiguous; what the wire or the driver split is put together by the device.
  { d.receive(out) } -> std::same_as<std::size_t>;
  // Gives back the packets in `out` that nobody moved away.
  {d.recycle(out)};
  // A frame with room for n bytes; an empty one when there is no memory (counted) or n > max_frame.
  { d.allocate(n) } -> std::same_as<TxFrame>;
  // Queues the first n bytes of the frame. Ends the loan. Beyond tx_room() the frame is dropped and counted.
  {d.send(f, n, o)};
  // Gives an unsent frame back.
  {d.discard(f)};
  // Hands queued frames to the wire. What it does not take stays queued, in order.
  {d.flush()};
  // How many more frames may be queued this turn. At 0 a shard stops building segments.
  { d.tx_room() } -> std::same_as<std::size_t>;
  { d.features() } -> std::same_as<const DeviceFeatures&>;
};

}  // namespace pollux
