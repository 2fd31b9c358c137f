#include "runtime/steering.h"

#include <optional>

#include "base/assert.h"

namespace pollux::runtime {

namespace {

constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kIcmp = 1;
constexpr std::uint8_t kIcmp6 = 58;

// Bytes from a place on, of which a prefix can be taken only if it is there.
class Cursor {
 public:
  explicit Cursor(std::span<const std::byte> bytes) : rest_{bytes} {}

  bool has(std::size_t n) const { return rest_.size() >= n; }
  template <class T>
  T at(std::size_t offset) const {
    return load_be<T>(rest_.data() + offset);
  }
  const std::byte* data() const { return rest_.data(); }
  void skip(std::size_t n) { rest_ = rest_.subspan(n < rest_.size() ? n : rest_.size()); }

 private:
  std::span<const std::byte> rest_;
};

// What follows the IP headers, and the addresses in front of it.
struct IpPacket {
  std::uint8_t protocol = 0;
  IpAddress source;
  IpAddress destination;
};

// Moves `c` to what an IPv4 header is in front of; nullopt: broken, or a fragment.
std::optional<IpPacket> skip_v4(Cursor& c) {
  if (!c.has(20)) return std::nullopt;
  const std::size_t size = (c.at<std::uint8_t>(0) & 0xfu) * 4u;
  const bool fragment = (c.at<std::uint16_t>(6) & 0x3fff) != 0;
  if (size < 20 || !c.has(size) || fragment) return std::nullopt;
  const IpPacket packet{c.at<std::uint8_t>(9), IpAddress::v4(c.data() + 12), IpAddress::v4(c.data() + 16)};
  c.skip(size);
  return packet;
}

// The same for IPv6, over hop-by-hop options, routing and destination options.
std::optional<IpPacket> skip_v6(Cursor& c) {
  if (!c.has(40)) return std::nullopt;
  IpPacket packet{c.at<std::uint8_t>(6), IpAddress::v6(c.data() + 8), IpAddress::v6(c.data() + 24)};
  c.skip(40);
  for (int headers = 0; headers < 8; ++headers) {
    const bool extension = packet.protocol == 0 || packet.protocol == 43 || packet.protocol == 60;
    if (!extension) return packet;
    if (!c.has(8)) return std::nullopt;
    packet.protocol = c.at<std::uint8_t>(0);
    c.skip(8u + c.at<std::uint8_t>(1) * 8u);
  }
  return std::nullopt;
}

std::optional<IpPacket> skip_ip(Cursor& c) {
  if (!c.has(1)) return std::nullopt;
  const unsigned version = c.at<std::uint8_t>(0) >> 4;
  if (version == 4) return skip_v4(c);
  return version == 6 ? skip_v6(c) : std::nullopt;
}

// The flow that an ICMP error is about: we sent the packet it quotes.
std::optional<FlowKey> quoted_flow(Cursor c) {
  c.skip(8);
  const std::optional<IpPacket> sent = skip_ip(c);
  if (!sent || sent->protocol != kTcp || !c.has(4)) return std::nullopt;
  return FlowKey{sent->source, sent->destination, c.at<std::uint16_t>(0), c.at<std::uint16_t>(2)};
}

bool is_neighbour_discovery(std::uint8_t type) { return type >= 133 && type <= 137; }

// RFC 792: unreachable, source quench, redirect, time exceeded, parameter problem.
bool is_icmp_error(std::uint8_t type) { return (type >= 3 && type <= 5) || type == 11 || type == 12; }

}  // namespace

ToeplitzTables::ToeplitzTables(std::span<const std::uint8_t> key) {
  CHECK(key.size() >= kInput + 4);
  // For each bit that is set, the 32 bits of the key from that bit's number on.
  const auto window = [key](std::size_t bit) {
    std::uint64_t five = 0;
    for (std::size_t i = 0; i < 5; ++i) five = five << 8 | (bit / 8 + i < key.size() ? key[bit / 8 + i] : 0u);
    return static_cast<std::uint32_t>(five >> (8 - bit % 8));
  };
  for (std::size_t byte = 0; byte < kInput; ++byte) {
    for (std::size_t value = 0; value < 256; ++value) {
      std::uint32_t hash = 0;
      for (std::size_t bit = 0; bit < 8; ++bit) {
        if ((value & 0x80u >> bit) != 0) hash ^= window(byte * 8 + bit);
      }
      tables_[byte][value] = hash;
    }
  }
}

SteeringMap::SteeringMap(unsigned cores, const HashKey& key) : cores_{cores} {
  CHECK(cores != 0);
  for (std::size_t i = 0; i < secret_.size(); ++i) secret_[i] = siphash24_of(key, std::uint64_t{i}) | 1;
}

SteeringMap::SteeringMap(unsigned cores, const HashKey& key, const dpdk::RssMap& rss) : SteeringMap{cores, key} {
  toeplitz_.emplace(rss.key());
  table_.assign(rss.table().begin(), rss.table().end());
  for (const std::uint16_t queue : table_) CHECK(queue < cores_);
}

unsigned SteeringMap::owner_by_rss(const FlowKey& flow) const {
  std::array<std::byte, 36> input;
  const std::size_t size = flow.local.is_v4() ? 4 : 16;
  flow.remote.store(input.data());
  flow.local.store(input.data() + size);
  store_be(input.data() + 2 * size, flow.remote_port);
  store_be(input.data() + 2 * size + 2, flow.local_port);
  return queue_of(toeplitz_->hash(input.data(), 2 * size + 4));
}

unsigned SteeringMap::place_other(std::span<const std::byte> frame) const {
  Cursor c{frame};
  if (!c.has(18)) return 0;
  auto type = c.at<std::uint16_t>(12);
  c.skip(12);
  if (type == 0x8100) {
    type = c.at<std::uint16_t>(4);
    c.skip(4);
  }
  c.skip(2);
  if (type == 0x0806) return dpdk::kEveryCore;
  if (type != 0x0800 && type != 0x86dd) return 0;

  const std::optional<IpPacket> packet = type == 0x0800 ? skip_v4(c) : skip_v6(c);
  if (!packet || !c.has(4)) return 0;
  if (packet->protocol == kTcp) {
    return owner({packet->destination, packet->source, c.at<std::uint16_t>(2), c.at<std::uint16_t>(0)});
  }
  const auto icmp_type = c.at<std::uint8_t>(0);
  if (packet->protocol == kIcmp6 && is_neighbour_discovery(icmp_type)) return dpdk::kEveryCore;
  const bool error =
      (packet->protocol == kIcmp && is_icmp_error(icmp_type)) || (packet->protocol == kIcmp6 && icmp_type < 128);
  if (!error) return 0;
  const std::optional<FlowKey> flow = quoted_flow(c);
  return flow ? owner(*flow) : 0;
}

Ownership SteeringMap::ownership(unsigned self) const {
  if (cores_ == 1) return {};
  const auto ask = [](const void* context, const FlowKey& key) {
    return static_cast<std::uint16_t>(static_cast<const SteeringMap*>(context)->owner(key));
  };
  return {ask, this, static_cast<std::uint16_t>(self)};
}

}  // namespace pollux::runtime
