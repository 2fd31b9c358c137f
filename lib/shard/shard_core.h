#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/expected.h"
#include "base/memory.h"
#include "base/slab.h"
#include "shard/conn.h"
#include "shard/ephemeral_ports.h"
#include "shard/fast_open_cache.h"
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
#include "wire/wire_drop.h"

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
  std::uint64_t user = 0;  // Conn::user() from the start
};

// What a shard saw that is not TCP's own, in events since start.
struct ShardCounters {
  std::uint64_t rx_frames = 0;
  std::uint64_t rx_bytes = 0;
  std::uint64_t tx_frames = 0;
  std::uint64_t tx_bytes = 0;
  std::array<std::uint64_t, kWireDropCount> wire_drops{};
  std::uint64_t not_our_address = 0;    // destination is none of ours
  std::uint64_t link_group = 0;         // TCP in a broadcast or multicast frame
  std::uint64_t bad_source = 0;         // from one of our own addresses or a subnet broadcast (MUST-63)
  std::uint64_t no_listener = 0;        // segments to ports where nobody listens
  std::uint64_t backlog_full = 0;       // SYNs dropped: too many half-open for the listener
  std::uint64_t half_open_full = 0;     // SYNs dropped: the table of half-open ones is full
  std::uint64_t table_full = 0;         // connections refused: max_connections
  std::uint64_t half_open_expired = 0;  // SYN-ACK never answered
  std::uint64_t replies_dropped = 0;    // the list of replies was full
  std::uint64_t resets_withheld = 0;    // by resets_per_second
  std::uint64_t icmp_ignored = 0;       // quoting no connection, a wrong sequence number, or of no use
  std::uint64_t icmp_errors = 0;        // delivered to TCP
  std::uint64_t echo_replies = 0;
  std::uint64_t malformed_options = 0;  // option lists cut short (MUST-7)
  std::uint64_t foreign = 0;            // frames of flows that another shard owns
  std::uint64_t no_route = 0;
  std::uint64_t unreachable_neighbour = 0;
  std::uint64_t ports_exhausted = 0;  // active opens refused at once
  std::uint64_t tx_no_memory = 0;     // the device had no frame
};

// What a device does for the frames that are built for it.
struct DeviceOffers {
  bool ip_checksum = false;
  bool tcp_checksum = false;
  bool tso = false;
  bool tso_ipv6 = false;
};

// The connections of one core and everything they need; all but the calls into the
// application (Shard<A> in shard.h). Never shared, never locked.
class ShardCore {
 public:
  static constexpr std::size_t kMaxBurst = 64;
  static constexpr std::uint32_t kNone = 0xffffffff;

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
  void close_listeners();
  Expected<ConnId, ConnectError> connect(const ConnectSpec& spec, Instant now);
  // Whether what is sent over a connection that is being opened goes in its SYN: there is a Fast Open cookie for it.
  bool sends_in_syn(std::uint32_t index) {
    const auto known =
        tcbs_[index].asks_fast_open(env_) ? fast_open_cache_.find(tcbs_[index].key(), env_.now) : std::nullopt;
    return known && known->cookie.size > 0;
  }
  // kNone if the connection is gone.
  std::uint32_t find(ConnId id) const;

  tcp::Tcb& tcb(std::uint32_t index) { return tcbs_[index]; }
  const tcp::Tcb& tcb(std::uint32_t index) const { return tcbs_[index]; }
  tcp::Env& env(Instant now) {
    env_.now = now;
    return env_;
  }
  tcp::Env& env() { return env_; }

  // After a verb and the application's callbacks: puts the connection on the ready
  // list, arms its timer, or frees it when it is over.
  void settle(std::uint32_t index);

  // --- Output ---

  bool has_output() const;
  // Somebody has something to send and does not know the neighbour's address yet.
  bool waits_for_neighbour() const { return waiting_head_ != kNone; }
  // Answers that belong to no TCB: ARP, ICMP, resets, SYN-ACKs, TIME-WAIT's ACKs. Builds
  // the next into `frame`; 0: there is none.
  std::size_t build_reply(const TxFrame& frame, const DeviceOffers& device, TxOffload& offload);
  // The next connection with something to send, or kNone; it leaves the ready list.
  std::uint32_t next_ready();
  // Room for a whole packet of the MTU.
  std::uint32_t plain_frame_size() const { return config_.mtu + (config_.vlan == 0 ? 14u : 18u); }
  // The device had no memory for a frame; counted. Always false.
  bool note_no_frame() {
    ++shard_counters_.tx_no_memory;
    return false;
  }
  // How large a frame the connection's next segment may need.
  std::uint32_t frame_size(std::uint32_t index, const DeviceOffers& device, std::uint32_t max_frame) const;
  // Retransmissions bring nothing, or ICMP says that the way is blocked: the next hop is asked for again (MUST-20).
  void doubt_next_hop(const tcp::Tcb& tcb) { neighbours_.doubt({tcb.next_hop, tcb.next_hop_generation}); }
  // Puts a connection back at the head of the ready list (the device is full).
  void put_back(std::uint32_t index);
  // Builds the connection's next segment into `frame`; 0: nothing more to send now.
  std::size_t build_segment(std::uint32_t index, const TxFrame& frame, const DeviceOffers& device, TxOffload& offload);

  // Every TCB's index, in no order.
  template <class Use>
  void for_each(Use&& use) const;

  // --- What it holds ---

  struct Gauges {
    std::array<std::uint64_t, tcp::kStateCount> states{};  // connections in each state, LISTEN: listeners
  };
  Gauges gauges() const;
  struct MemoryUse {
    std::size_t connections = 0;  // TCBs, side blocks, flow table; bytes taken from the system
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

 private:
  struct Lookup {
    std::uint64_t hash = 0;
    WireDrop drop = WireDrop::kNone;
  };

  // input.cc: frames and what they are for
  Touched arrive_tcp(std::size_t i, Packet& packet);
  Touched arrive_for_nobody(std::size_t i, Packet& packet);
  void arrive_at_listener(std::size_t i, std::uint16_t listener, std::optional<SeqNum> above);
  Touched arrive_half_open(std::size_t i, std::uint32_t id, Packet& packet);
  bool arrive_in_time_wait(std::size_t i, Packet& packet);
  void reopen(std::size_t i, const TimeWaitEntry& entry);
  void arrive_arp(const ParsedFrame& frame);
  void arrive_nd(const ParsedFrame& frame);
  Touched arrive_icmp(const ParsedFrame& frame);
  void echo(const ParsedFrame& frame);
  std::uint32_t locate(const FlowKey& key, std::uint64_t hash) const;
  bool is_local(const IpAddress& address) const;
  bool is_broadcast(const IpAddress& address) const;

  // half_open.cc: SYN-RECEIVED in a record
  void expand(std::uint32_t id, tcp::Tcb& tcb);
  void expand(const FlowKey& key, const tcp::HandshakeRecord& record, tcp::Tcb& tcb);
  void admit(std::uint32_t index, const ParsedFrame& frame, std::uint64_t hash);
  void forget_half_open(std::uint32_t id, std::uint64_t hash);
  void half_open_due(std::uint32_t id);
  bool icmp_for_half_open(std::uint32_t id, SeqNum seq, std::uint64_t hash);
  void send_syn_ack(tcp::Tcb& tcb, const MacAddress& destination);
  // `above`: a sequence number that ISS must be above.
  tcp::Opening opening_for(const FlowKey& key, std::optional<SeqNum> above) const;
  std::uint16_t mss_for(const FlowKey& key) const { return key.local.is_v4() ? mss_v4_ : mss_v6_; }

  // fast_open.cc: open before the handshake is done (RFC 7413)
  bool allows_fast_open(const ParsedFrame& frame, const Listener& listener, bool takes_place) const;
  std::optional<Touched> arrive_with_fast_open(std::size_t i, std::uint16_t listener, Packet& packet);
  std::optional<FastOpenCookie> cookie_to_give(const ParsedFrame& frame) const;
  void end_pending_fast_open(tcp::Tcb& tcb);
  void ask_fast_open(const FlowKey& key, tcp::Opening& opening);
  void learn_of_fast_open(const tcp::Tcb& tcb, const Segment& answer, SeqNum text_end);
  void timers_due(std::uint32_t index);

  // syn_cookies.cc: SYN-RECEIVED in nothing at all
  // The last eighth of the table is for those that no cookie can open: what takes the place of a connection in
  // TIME-WAIT.
  bool wants_cookie(const Listener& listener, bool v4) const {
    const bool crowded = listener.half_open > listener.spec.backlog / 2 || half_open_.crowded(v4);
    return crowded && config_.tcp.syn_cookies;
  }
  void answer_with_cookie(const ParsedFrame& frame, Listener& listener);
  std::optional<Touched> arrive_with_cookie(std::size_t i, std::uint16_t listener, Packet& packet);

  // connections.cc: TCBs' comings and goings
  std::uint32_t new_tcb(std::uint64_t hash);
  void enrol(std::uint32_t index, std::uint64_t hash);
  void destroy(std::uint32_t index);
  void give_up_key(std::uint32_t index);
  void leave_flow_table(std::uint32_t index);
  void free_tcb(std::uint32_t index);
  std::uint32_t& generation_at(std::uint32_t index) const {
    return reinterpret_cast<std::uint32_t*>(generations_.data())[index];
  }
  void to_time_wait(std::uint32_t index);
  void time_wait_over(const TimeWaitEntry& entry);
  Expected<std::uint16_t, ConnectError> choose_port(const FlowKey& key, const ConnectSpec& spec,
                                                    std::optional<SeqNum>& above);
  bool reuse_time_wait(const FlowKey& key, std::optional<SeqNum>& above);
  std::uint64_t draw();
  std::optional<IpAddress> source_for(const IpAddress& remote) const;
  std::optional<IpAddress> next_hop_for(const IpAddress& remote) const;
  bool invalid_remote(const IpAddress& remote) const;

  // output.cc
  void push_ready(std::uint32_t index);
  void wait_for_neighbour(std::uint32_t index);
  void wake_waiting();
  NeighbourTable::Resolved resolve(tcp::Tcb& tcb);
  void discard_output(tcp::Tcb& tcb);
  std::uint16_t take_ip_ids(std::uint32_t packets);
  std::size_t write_segment(const TxFrame& frame, const TcpFrameSpec& spec, std::size_t text,
                            const DeviceOffers& device, TxOffload& offload);
  void request_neighbour(const IpAddress& address, const MacAddress* known);
  void acknowledge_at_once(tcp::Tcb& tcb);
  bool push_reply(const FlowKey& key, const MacAddress& destination, const tcp::Outgoing& out, std::uint8_t ttl,
                  std::uint8_t tos);
  void push_reset(const ParsedFrame& frame);
  RawReply* push_raw();
  LinkSpec link_to(const MacAddress& destination) const;
  const MacAddress* mac_towards(const IpAddress& remote);
  void tick_neighbours(Instant now);

  ShardConfig config_;
  tcp::Secrets secrets_;
  Slab<tcp::Tcb> tcbs_;
  tcp::Stores stores_;
  tcp::Counters counters_;
  ShardCounters shard_counters_;
  tcp::Env env_;
  FlowTable flows_;
  TimeWaitTable time_wait_;
  HalfOpenTable half_open_;
  Listeners listeners_;
  EphemeralPorts ports_;
  FastOpenCache fast_open_cache_;
  NeighbourTable neighbours_;
  TimerWheel wheel_;
  Memory generations_;  // of the TCB in each place, 0 where there is none: what handles are held against
  std::uint16_t mss_v4_;
  std::uint16_t mss_v6_;
  std::uint32_t next_generation_ = 1;
  std::uint16_t next_ip_id_ = 1;  // of IPv4 packets without DF
  std::uint64_t draws_ = 0;       // random numbers so far: a keyed hash of this count

  // The burst being worked on.
  ParsePolicy policy_;
  std::array<ParsedFrame, kMaxBurst> parsed_;
  std::array<Lookup, kMaxBurst> lookups_;

  // Output owed. Both lists run through Tcb::ready_next.
  std::uint32_t ready_head_ = kNone;
  std::uint32_t ready_tail_ = kNone;
  std::uint32_t waiting_head_ = kNone;  // for a neighbour's address
  static constexpr std::size_t kTcpReplies = 1024;
  BoundedQueue<TcpReply> tcp_replies_{kTcpReplies};
  BoundedQueue<RawReply> raw_replies_{64};
  Instant reset_second_;
  std::uint32_t resets_this_second_ = 0;
  Instant neighbour_tick_;
};

// --- Templates ---

template <class OnTouched>
std::size_t ShardCore::run_timers(Instant now, std::size_t budget, OnTouched&& touched) {
  env_.now = now;
  std::size_t done = wheel_.advance(now, budget, [&](std::uint32_t index) {
    timers_due(index);
    touched(index);
  });
  done += half_open_.advance(now, budget, [&](std::uint32_t id) { half_open_due(id); });
  done += time_wait_.expire(now, budget, [&](const TimeWaitEntry& entry) { time_wait_over(entry); });
  tick_neighbours(now);
  return done;
}

template <class Use>
void ShardCore::for_each(Use&& use) const {
  // Places are given out from the first on: where few are taken, the table's end is not looked at.
  std::uint32_t left = tcbs_.size();
  for (std::uint32_t index = 0; left > 0 && index < tcbs_.capacity(); ++index) {
    if (generation_at(index) == 0) continue;
    --left;
    use(index);
  }
}

}  // namespace pollux
