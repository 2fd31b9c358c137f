#include "shard/shard_core.h"

#include <algorithm>
#include <cstddef>

#include "base/assert.h"
#include "base/endian.h"
#include "base/mutant.h"

namespace pollux {
namespace {

// Tcb is no standard-layout type, as it has public and private members; the compiler at
// hand defines offsetof for it all the same.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"
constexpr std::size_t kTimerOffset = offsetof(tcp::Tcb, timer);
#pragma GCC diagnostic pop

constexpr std::uint32_t kSpareTransmissions = 4;  // for TCBs that are only unpacked for a moment
constexpr std::uint16_t kHeadersV4 = 40;
constexpr std::uint16_t kHeadersV6 = 60;

// Bytes 8 to 16, as a number; of an IPv4 address too, whose upper half there is the same for all.
std::uint64_t low_half(const IpAddress& address) {
  return std::uint64_t{from_big_endian(address.words()[2])} << 32 | from_big_endian(address.words()[3]);
}

bool is_among(const IpAddress& address, const LocalAddresses& range) {
  const IpAddress& first = range.prefix.address;
  return address.words()[0] == first.words()[0] && address.words()[1] == first.words()[1] &&
         low_half(address) - low_half(first) < range.count;
}

Instant whole_milliseconds(Instant t) { return std::chrono::floor<std::chrono::milliseconds>(t); }

EphemeralPorts::Config ports_config(const ShardConfig& config) {
  EphemeralPorts::Config ports;
  ports.first = config.first_port;
  ports.last = config.last_port;
  ports.max_destinations = config.max_destinations;
  ports.hash_key = config.keys.flow;
  ports.pages = config.pages;
  return ports;
}

TimeWaitTable::Config time_wait_config(const ShardConfig& config) {
  TimeWaitTable::Config table;
  table.capacity_v4 = config.max_time_wait_v4;
  table.capacity_v6 = config.max_time_wait_v6;
  table.two_msl = 2 * config.tcp.msl;
  table.full_policy = config.time_wait_full;
  table.hash_key = config.keys.flow;
  table.pages = config.pages;
  return table;
}

NeighbourTable::Config neighbours_config(const ShardConfig& config) {
  NeighbourTable::Config table;
  table.hash_key = config.keys.flow;
  return table;
}

ParsePolicy parse_policy(const ShardConfig& config) {
  ParsePolicy policy;
  policy.checksums = MUTANT(19, config.checksums, ChecksumMode::kTrust);
  policy.vlan = config.vlan;
  policy.mac = config.mac;
  return policy;
}

}  // namespace

std::string_view describe(ConnectError error) {
  switch (error) {
    case ConnectError::kAddressNotAvailable:
      return "no local port is free for that destination";
    case ConnectError::kAddressInUse:
      return "the local port is in use";
    case ConnectError::kInvalidAddress:
      return "not an address that can be connected to or from";
    case ConnectError::kNoRoute:
      return "no route to that address";
    case ConnectError::kInsufficientResources:
      return "the connection table is full";
  }
  unreachable();
}

ShardCore::ShardCore(const ShardConfig& config, Instant start)
    : config_{config},
      secrets_{config.keys.isn, config.keys.timestamp, config.keys.clock_origin},
      tcbs_{config.max_connections, config.pages},
      stores_{Slab<tcp::Transmission>{config.max_connections + kSpareTransmissions, config.pages},
              tcp::SliceStore{config.send_blocks + 2 * config.max_connections, config.send_blocks, config.pages},
              Slab<tcp::ReceiveQueue>{config.max_connections, config.pages},
              Slab<tcp::HeldText>{config.held_segments, config.pages},
              Slab<tcp::SackedRange>{config.sacked_ranges, config.pages},
              Slab<tcp::Ledger>{config.ledgers, config.pages}},
      env_{start, config_.tcp, stores_, counters_},
      flows_{config.max_connections + 2 * config.max_half_open, config.keys.flow, config.pages},
      time_wait_{time_wait_config(config)},
      half_open_{config.max_half_open, whole_milliseconds(start), config.pages},
      ports_{ports_config(config)},
      fast_open_cache_{config.tcp.fast_open_client ? config.fast_open_servers : 0, config.keys.flow},
      neighbours_{neighbours_config(config)},
      wheel_{whole_milliseconds(start), tcbs_.first() + kTimerOffset, Slab<tcp::Tcb>::stride()},
      generations_{std::size_t{std::max(config.max_connections, 1u)} * sizeof(std::uint32_t), config.pages},
      mss_v4_{static_cast<std::uint16_t>(config.mtu - kHeadersV4)},
      mss_v6_{static_cast<std::uint16_t>(config.mtu - kHeadersV6)},
      policy_{parse_policy(config)},
      reset_second_{start},
      neighbour_tick_{start} {}

ShardCore::~ShardCore() {
  for_each([&](std::uint32_t index) {
    tcbs_[index].release(env_);
    wheel_.disarm(index);
  });
}

Expected<std::uint16_t, ListenError> ShardCore::listen(const ListenSpec& spec) {
  if (!spec.address.is_unspecified() && !is_local(spec.address)) return unexpected(ListenError::kInvalidAddress);
  auto id = listeners_.add(spec);
  if (id && spec.port >= config_.first_port && spec.port <= config_.last_port) ports_.exclude(spec.port);
  return id;
}

void ShardCore::close_listener(std::uint16_t listener) {
  if (listener >= listeners_.size() || !listeners_[listener].open) return;
  const std::uint16_t port = listeners_[listener].spec.port;
  listeners_.close(listener);
  if (port >= config_.first_port && port <= config_.last_port) ports_.include(port);
}

void ShardCore::close_listeners() {
  for (std::uint16_t id = 0; id < listeners_.size(); ++id) close_listener(id);
}

std::optional<Instant> ShardCore::next_due(Instant) const {
  std::optional<Instant> due;
  const auto earlier = [&](std::optional<Instant> t) {
    if (t && (!due || *t < *due)) due = t;
  };
  earlier(wheel_.next_due());
  earlier(half_open_.next_due());
  earlier(time_wait_.next_due());
  if (waiting_head_ != kNone || !neighbours_.idle()) earlier(neighbour_tick_);
  return due;
}

ShardCore::Gauges ShardCore::gauges() const {
  Gauges g;
  for (std::size_t s = 0; s < g.states.size(); ++s) {
    g.states[s] = static_cast<std::uint64_t>(std::max<std::int64_t>(counters_.states[s], 0));
  }
  g.states[static_cast<std::size_t>(tcp::State::kListen)] = listeners_.count();
  return g;
}

ShardCore::MemoryUse ShardCore::memory() const {
  MemoryUse use;
  use.connections = tcbs_.bytes() + stores_.transmissions.bytes() + stores_.queues.bytes() + stores_.ledgers.bytes() +
                    flows_.bytes() + fast_open_cache_.bytes();
  use.half_open = half_open_.bytes();
  use.time_wait = time_wait_.bytes();
  use.buffers =
      stores_.slices.slices.bytes() + stores_.slices.blocks.bytes() + stores_.held.bytes() + stores_.sacked.bytes();
  use.ports = ports_.bytes();
  return use;
}

// --- Addresses ---

bool ShardCore::is_local(const IpAddress& address) const {
  return std::any_of(config_.addresses.begin(), config_.addresses.end(), [&](const LocalAddresses& own) {
    return address == own.prefix.address || (own.count > 1 && is_among(address, own));
  });
}

bool ShardCore::is_broadcast(const IpAddress& address) const {
  return address.is_broadcast() ||
         std::any_of(config_.addresses.begin(), config_.addresses.end(),
                     [&](const LocalAddresses& own) { return own.prefix.is_subnet_broadcast(address); });
}

// MUST-46.
bool ShardCore::invalid_remote(const IpAddress& remote) const {
  return remote.is_unspecified() || remote.is_multicast() || remote.is_loopback() || is_broadcast(remote) ||
         is_local(remote);
}

std::optional<IpAddress> ShardCore::source_for(const IpAddress& remote) const {
  const LocalAddresses* same_family = nullptr;
  for (const LocalAddresses& own : config_.addresses) {
    if (own.prefix.contains(remote)) return own.prefix.address;
    if (own.prefix.address.is_v4() == remote.is_v4() && same_family == nullptr) same_family = &own;
  }
  if (same_family == nullptr) return std::nullopt;
  return same_family->prefix.address;
}

std::optional<IpAddress> ShardCore::next_hop_for(const IpAddress& remote) const {
  for (const LocalAddresses& own : config_.addresses) {
    if (own.prefix.contains(remote)) return remote;
  }
  if (!remote.is_v4() && remote.is_link_local()) return remote;
  for (const IpAddress& gateway : config_.gateways) {
    if (gateway.is_v4() == remote.is_v4()) return gateway;
  }
  return std::nullopt;
}

// RFC 6191, 2: one that ends a TIME-WAIT numbers from above what the old connection has sent.
tcp::Opening ShardCore::opening_for(const FlowKey& key, std::optional<SeqNum> above) const {
  SeqNum iss = secrets_.isn(key, env_.now);
  if (MUTANT(20, above && iss <= *above, false)) iss = *above + 65536;
  return {iss, secrets_.timestamp_offset(key), mss_for(key)};
}

}  // namespace pollux
