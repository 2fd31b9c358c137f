#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/expected.h"
#include "base/random.h"
#include "base/slab.h"
#include "shard/conn.h"
#include "shard/ephemeral_ports.h"
#include "shard/flow_table.h"
#include "shard/half_open_table.h"
#include "shard/listeners.h"
#include "shard/neighbour_table.h"
#include "shard/replies.h"
#include "shard/shard_config.h"
#include "shard/time_wait_table.h"
#include "tcp/isn.h"
#include "tcp/tcb.h"
#include "time/timer_wheel.h"
#include "wire/build.h"
#include "wire/frame.h"

namespace pollux {

enum class ConnectError : std::uint8_t {
  kAddressNotAvailable,  // no local port is free for that destination (EADDRNOTAVAIL)
  kAddressInUse,         // the local port asked for is taken
  kInvalidAddress,       // group, broadcast or unspecified remote address; local address not ours (MUST-46)
  kNoRoute,              // not on the link, and no gateway
  kInsufficientResources,
};
std::string_view describe(ConnectError error);

struct ConnectSpec {
  IpAddress remote;
  std::uint16_t remote_port = 0;
  std::optional<IpAddress> local;  // MUST-43; absent: the first address of the family on the way (MUST-44)
  std::uint16_t local_port = 0;    // 0: an ephemeral one
  tcp::Options options;
  std::uint64_t user = 0;          // Conn::user() from the start
};

// What a shard saw that is not TCP's own, in events since start.
struct ShardCounters {
  std::uint64_t rx_frames = 0;
  std::uint64_t rx_bytes = 0;
  std::uint64_t tx_frames = 0;
  std::uint64_t tx_bytes = 0;
  std::array<std::uint64_t, kWireDropCount> wire_drops{};
  std::uint64_t not_our_address = 0;      // destination is none of ours
  std::uint64_t link_group = 0;           // TCP in a broadcast or multicast frame
  std::uint64_t bad_source = 0;           // from one of our own addresses or a subnet broadcast (MUST-63)
  std::uint64_t no_listener = 0;          // segments to ports where nobody listens
  std::uint64_t backlog_full = 0;         // SYNs dropped: too many half-open for the listener
  std::uint64_t half_open_full = 0;       // SYNs dropped: the table of half-open ones is full
  std::uint64_t table_full = 0;           // connections refused: max_connections
  std::uint64_t half_open_expired = 0;    // SYN-ACK never answered
  std::uint64_t replies_dropped = 0;      // the list of replies was full
  std::uint64_t resets_withheld = 0;      // by resets_per_second
  std::uint64_t icmp_ignored = 0;         // quoting no connection, a wrong sequence number, or of no use
  std::uint64_t icmp_errors = 0;          // delivered to TCP
  std::uint64_t echo_replies = 0;
  std::uint64_t malformed_options = 0;    // option lists cut short (MUST-7)
  std::uint64_t foreign = 0;              // frames of flows that another shard owns
  std::uint64_t no_route = 0;
  std::uint64_t unreachable_neighbour = 0;
  std::uint64_t ports_exhausted = 0;      // active opens refused at once
  std::uint64_t tx_no_memory = 0;         // the device had no frame
};

// The connections of one core and everything they need; all but the calls into the
// application (Shard<A> in shard.h). Never shared, never locked.
class ShardCore {
 public:
  static constexpr std::size_t kMaxBurst = 64;

  ShardCore(const ShardConfig& config, Instant start);
  ~ShardCore();
  ShardCore(const ShardCore&) = delete;
  ShardCore& operator=(const ShardCore&) = delete;

  // --- Input ---

  // All but the state machine for a burst of at most kMaxBurst frames: parses, and
  // brings near what arrive() will touch.
  void prepare(std::span<Packet> burst, Instant now);

  // The state machine for frame i of the burst. If a connection was touched, its index
  // (else kNone) and the fresh text to offer to the application.
  struct Touched {
    std::uint32_t index = kNone;
    std::span<std::byte> fresh;
  };
  Touched arrive(std::size_t i, Packet& packet);

  // --- Time ---

  // Runs what is due; passes each touched connection to touched(index).
  template <class OnTouched>
  std::size_t run_timers(Instant now, std::size_t budget, OnTouched&& touched);
  std::optional<Instant> next_due(Instant now) const;

  // --- Calls ---

  Expected<std::uint16_t, ListenError> listen(const ListenSpec& spec);
  void close_listener(std::uint16_t listener);
  Expected<ConnId, ConnectError> connect(const ConnectSpec& spec, Instant now);
  // kNone if the connection is gone.
  std::uint32_t find(ConnId id) const;

  tcp::Tcb& tcb(std::uint32_t index) { return tcbs_[index]; }
  const tcp::Tcb& tcb(std::uint32_t index) const { return tcbs_[index]; }
  tcp::Env& env(Instant now) {
    env_.now = now;
    return env_;
  }

  // After a verb and the application's callbacks: puts the connection on the ready
  // list, arms its timer, or frees it when it is over.
  void settle(std::uint32_t index);

  // --- Output ---

  bool has_output() const;
  // Answers that belong to no TCB: ARP, ICMP, resets, SYN-ACKs, TIME-WAIT's ACKs. Builds
  // the next into `frame`; 0: there is none.
  std::size_t build_reply(std::span<std::byte> frame, const DeviceOffers& device, TxOffload& offload);
  // The next connection with something to send, or kNone; it leaves the ready list.
  std::uint32_t next_ready();
  // Puts a connection back at the head of the ready list (the device is full).
  void put_back(std::uint32_t index);
  // Builds the connection's next segment into `frame`; 0: nothing more to send now.
  std::size_t build_segment(std::uint32_t index, std::span<std::byte> frame, const DeviceOffers& device,
                            TxOffload& offload);

  // Every TCB's index, in no order.
  template <class Use>
  void for_each(Use&& use) const;

  // --- What it holds ---

  struct Gauges {
    std::array<std::uint64_t, tcp::kStateCount> states{};  // connections in each state, LISTEN: listeners
  };
  Gauges gauges() const;
  struct MemoryUse {
    std::size_t connections = 0;   // TCBs, side blocks, flow table; bytes taken from the system
    std::size_t half_open = 0;
    std::size_t time_wait = 0;
    std::size_t buffers = 0;
    std::size_t ports = 0;
  };
  MemoryUse memory() const;
  const tcp::Counters& tcp_counters() const { return counters_; }
  const ShardCounters& counters() const { return shard_counters_; }
  const TimeWaitTable& time_wait() const { return time_wait_; }
  const EphemeralPorts& ports() const { return ports_; }
  const NeighbourTable& neighbours() const { return neighbours_; }
  NeighbourTable& neighbours() { return neighbours_; }
  const HalfOpenTable& half_open() const { return half_open_; }
  const ShardConfig& config() const { return config_; }
  std::uint32_t connections() const { return tcbs_.size(); }
  tcp::Stores& stores() { return stores_; }
};

}  // namespace pollux
