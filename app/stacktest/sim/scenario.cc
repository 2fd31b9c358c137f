#include "scenario.h"

#include <algorithm>
#include <vector>

#include "network.h"
#include "plans.h"
#include "spread.h"
#include "strangers.h"

namespace pollux::sim {
namespace {

// Phase two may take this long for a flow without any progress: two of the longest
// retransmission intervals, and what a reader sleeps.
constexpr Duration kPatience = 200s;
// Where the path is narrow and says nothing, smaller segments are tried in steps, each after some intervals (RFC
// 4821, 7.7).
constexpr Duration kPatienceWithSilentRouter = 600s;
constexpr std::uint64_t kLongestTransfer = 64u << 20;  // bytes; what is sent by reference is kept to the end
constexpr Duration kFaultyPhase = 120s;
constexpr Duration kLongFaultyPhase = 20min;

using Millis32 = std::chrono::duration<std::int64_t, std::milli>;

// --- The world ---

Impairment wire(Random& random, Troubles troubles, const World& world) {
  Impairment i;
  i.delay = spread(random, 10us, 200ms);
  if (troubles.has(Trouble::kLoss)) i.loss = random.fraction() * 0.2;
  if (troubles.has(Trouble::kReorder)) i.reorder = random.fraction() * 0.3;
  i.reorder_delay = spread(random, 100us, 300ms);
  if (troubles.has(Trouble::kDuplicate)) i.duplicate = random.fraction() * 0.2;
  if (troubles.has(Trouble::kJitter)) i.jitter = spread(random, 10us, 300ms);
  if (troubles.has(Trouble::kSlowWire)) {
    i.bits_per_second = spread(random, 200'000, 50'000'000);
    i.queue_bytes = spread(random, 8'000, 200'000);
  }
  i.loss = world.loss.value_or(i.loss);
  i.reorder = world.reorder.value_or(i.reorder);
  i.duplicate = world.duplicate.value_or(i.duplicate);
  i.delay = world.delay.value_or(i.delay);
  return i;
}

tcp::Config tcp_config(Random& random, Troubles troubles) {
  tcp::Config c;
  c.r2 = 3h;  // nobody gives up: what is not finished at the end is a fault
  c.r2_syn = 1h;
  c.syn_ack_retries = 30;
  c.timestamps = random.chance(0.6);
  c.window_scaling = random.chance(0.6);
  c.congestion = random.chance(0.6) ? tcp::CongestionControl::kCubic : tcp::CongestionControl::kNewReno;
  c.sack_permitted = random.chance(0.85);  // both must
  c.msl = std::chrono::duration_cast<Duration>(std::chrono::milliseconds{1000 + random.below(30'000)});
  if (!troubles.has(Trouble::kOddSizes)) return c;
  c.receive_buffer = static_cast<std::uint32_t>(spread(random, 600, 1'000'000));
  c.send_buffer = static_cast<std::uint32_t>(spread(random, 200, 1'000'000));
  c.max_ranges = static_cast<std::uint32_t>(spread(random, 1, 512));
  c.delayed_ack = std::chrono::milliseconds{random.below(400)};
  c.initial_window_segments = static_cast<std::uint8_t>(1 + random.below(10));
  c.rst_ends_time_wait = false;
  if (random.chance(0.4)) c.mss = static_cast<std::uint16_t>(spread(random, 48, 1460));
  return c;
}

// Drawn apart, as what follows. Whose buffer grows, grows to at most sixteen times what it was.
void choose_largest_buffers(NetworkConfig& c, std::uint64_t seed) {
  Random random{seed * 0x94d049bb133111ebu + 1};
  for (tcp::Config& tcp : c.tcp) {
    const auto times = static_cast<std::uint32_t>(1 + random.below(16));
    if (random.chance(0.5)) tcp.receive_buffer_max = std::min(times * tcp.receive_buffer, 4u << 20);
  }
}

// Drawn apart from the rest of the world, which is as it would be without.
void choose_ecn(NetworkConfig& c, std::uint64_t seed) {
  Random random{seed * 0xbf58476d1ce4e5b9u + 1};
  for (tcp::Config& tcp : c.tcp) {
    tcp.ecn = random.chance(0.5);
    tcp.pacing = random.chance(0.25);
    if (random.chance(0.15)) tcp.congestion = tcp::CongestionControl::kDctcp;
  }
  for (Impairment& wire : *c.wire) {
    if (random.chance(0.7)) wire.mark_above = wire.bits_per_second == 0 ? 0 : random.below(wire.queue_bytes);
  }
}

// Drawn apart, too. Where frames come twice, or who has taken a SYN's text aborts and forgets before the SYN is sent
// again, a server may be opened to twice (RFC 7413, 2.1), which no plan here bears.
void choose_fast_open(NetworkConfig& c, Troubles troubles, const World& world) {
  Random random{world.seed * 0xd6e8feb86659fd93u + 1};
  if (troubles.has(Trouble::kDuplicate) || troubles.has(Trouble::kReplays) || troubles.has(Trouble::kRude)) return;
  if (world.peer != Peer::kHonest) return;
  for (tcp::Config& tcp : c.tcp) {
    tcp.fast_open_client = random.chance(0.5);
    tcp.fast_open_server = random.chance(0.7);
  }
}

DeviceFaults device(Random& random, Troubles troubles, const World& world) {
  DeviceFaults f;
  if (troubles.has(Trouble::kCorrupt)) f.corrupt = random.fraction() * 0.1;
  f.corrupt = world.corrupt.value_or(f.corrupt);
  if (!troubles.has(Trouble::kOddDevices)) return f;
  f.tx_room = spread(random, 1, 64);
  if (random.chance(0.5)) f.no_frame = random.fraction() * 0.3;
  f.tx_checksums = random.chance(0.5);
  f.tso = random.chance(0.5);
  return f;
}

// Shortly before milliseconds, or timestamps, or nothing at all wraps.
Instant start_time(Random& random, Troubles troubles) {
  const std::int64_t wrap = std::int64_t{1} << (random.chance(0.5) ? 32 : 31);
  const auto before = static_cast<std::int64_t>(random.below(60'000));
  const std::int64_t ms =
      troubles.has(Trouble::kWraps) ? wrap - before : static_cast<std::int64_t>(random.below(1u << 30));
  return Instant{Millis32{ms} + std::chrono::nanoseconds{random.below(1'000'000)}};
}

void shrink_tables(ShardConfig& c, Random& random) {
  c.max_connections = static_cast<std::uint32_t>(spread(random, 3, 64));
  c.max_half_open = static_cast<std::uint32_t>(spread(random, 2, 64));
  c.max_time_wait_v4 = static_cast<std::uint32_t>(spread(random, 2, 64));
  c.max_time_wait_v6 = static_cast<std::uint32_t>(spread(random, 2, 64));
  c.send_blocks = static_cast<std::uint32_t>(spread(random, 16, 512));
  c.held_segments = static_cast<std::uint32_t>(spread(random, 16, 512));
  c.sacked_ranges = static_cast<std::uint32_t>(spread(random, 1, 512));
  c.last_port = static_cast<std::uint16_t>(c.first_port + spread(random, 2, 64));
  c.max_destinations = 2;
}

// Another ISN key, until the connection to be opened at `now` begins shortly before its numbers wrap.
void aim_isn(ShardConfig& c, const FlowKey& key, Instant now, Random& random) {
  constexpr std::uint32_t kNear = 300'000;
  const std::uint32_t wrap = random.chance(0.7) ? 0u : 0x8000'0000u;
  for (int tries = 0; tries < 200'000; ++tries) {
    c.keys.isn = {random(), random()};
    const tcp::Secrets secrets{c.keys.isn, c.keys.timestamp};
    if (wrap - secrets.isn(key, now).value() < kNear) return;
  }
}

// --- A run ---

Troubles troubles_of(const World& world, Random& random, Random& late, Random& latest) {
  Troubles t = Troubles::draw(random, late, latest);
  if (world.peer == Peer::kOffPath) t.add(Trouble::kStrangers);
  t.remove(world.without);
  return t;
}

// No side sends more; what waits for the other's text waits for what there is.
void limit_bytes(Plan& client, Plan& server, std::uint64_t most) {
  client.total = std::min(client.total, most);
  server.total = std::min(server.total, most);
  client.abort_after = std::min(client.abort_after, client.total);
  server.abort_after = std::min(server.abort_after, client.total);
  if (server.start == Start::kAfterText) server.start_after = client.total;
}

class Scenario {
 public:
  explicit Scenario(const World& world)
      : world_{world},
        random_{world.seed * 0x9e3779b97f4a7c15u + 1},
        late_{~world.seed},
        latest_{world.seed * 0xa0761d6478bd642fu + 1},
        troubles_{troubles_of(world, random_, late_, latest_)},
        msl_{0},
        net_{network_config()} {
    if (troubles_.has(Trouble::kStrangers) || troubles_.has(Trouble::kReplays)) net_.keep_frames(200);
    net_.let_no_guess_hit();
    plan_flows();
    plan_partitions();
    plan_routers();
    plan_strangers();
    net_.set_hostile(1, make_hostile(world.peer, random_.fork()));
    if (world.peer == Peer::kCrashing) plan_crashes();
    // Text may come beyond the window that this end has really offered, and is not taken then.
    if (world.peer == Peer::kOptimistic) net_.oracle().excuse_late_acks(1);
  }

  Outcome run() {
    net_.run_until([&] { return all_done(); }, troubles_.has(Trouble::kLong) ? kLongFaultyPhase : kFaultyPhase);
    net_.heal();
    healed_ = true;
    healed_at_ = net_.now();
    while (!net_.failed() && !all_done()) {
      const Instant from = net_.now();
      const std::vector<std::uint64_t> moved = bytes_moved();
      net_.run_until([&] { return all_done(); }, silent_router_ ? kPatienceWithSilentRouter : kPatience);
      if (!all_done() && !net_.failed()) look_for_stalled(from, moved);
    }
    if (!net_.failed()) {
      net_.sleep(kPatience);  // half-open ones that nobody answers, orphans
      net_.sleep(2 * 35s + 1s);
      net_.sleep(kPatience);
      net_.check_nothing_left();
    }
    Outcome outcome;
    outcome.failures = net_.failures();
    outcome.log_hash = net_.log_hash();
    outcome.events = net_.events();
    outcome.segments = net_.oracle().segments();
    outcome.virtual_seconds = std::chrono::duration<double>(net_.now() - start_).count();
    outcome.troubles = troubles_;
    outcome.flows = static_cast<std::uint32_t>(net_.flows().size());
    for (const auto& flow : net_.flows()) {
      for (const Side& side : flow->sides) outcome.most_bytes = std::max(outcome.most_bytes, side.plan.total);
    }
    return outcome;
  }

 private:
  NetworkConfig network_config() {
    NetworkConfig c;
    c.seed = world_.seed;
    c.capture = world_.capture;
    c.start = start_ = start_time(random_, troubles_);
    c.wire = {wire(random_, troubles_, world_), wire(random_, troubles_, world_)};
    c.one_way = (*c.wire)[0].delay;
    const std::uint16_t mtu = static_cast<std::uint16_t>(!troubles_.has(Trouble::kOddSizes) ? 1500
                                                         : troubles_.has(Trouble::kIpv6)    ? 1280 + random_.below(1000)
                                                                                         : 576 + random_.below(8000));
    for (std::size_t host = 0; host < 2; ++host) {
      c.tcp[host] = tcp_config(random_, troubles_);
      c.device[host] = device(random_, troubles_, world_);
      if (troubles_.has(Trouble::kOddDevices)) c.burst[host] = spread(random_, 1, 64);
    }
    choose_largest_buffers(c, world_.seed);
    choose_ecn(c, world_.seed);
    choose_fast_open(c, troubles_, world_);
    segment_ = mtu - 40u;
    for (const tcp::Config& tcp : c.tcp) {
      if (tcp.mss != 0) segment_ = std::min<std::uint64_t>(segment_, tcp.mss);
    }
    msl_ = std::min(c.tcp[0].msl, c.tcp[1].msl);
    c.backlog = troubles_.has(Trouble::kSmallTables) ? static_cast<std::uint32_t>(spread(random_, 1, 16)) : 1024;
    const std::uint64_t shard_seed = random_();
    first_port_ = static_cast<std::uint16_t>(1024 + random_.below(30'000));
    c.shard = [this, mtu, shard_seed](ShardConfig& shard, int host) {
      Random random{shard_seed + static_cast<std::uint64_t>(host)};
      shard.mtu = mtu;
      if (troubles_.has(Trouble::kSmallTables)) shrink_tables(shard, random);
      if (!troubles_.has(Trouble::kWraps)) return;
      const IpAddress client = IpAddress::v4(0xc6120001u);
      const IpAddress server = IpAddress::v4(0xc6120002u);
      const FlowKey key{client, server, first_port_, Network::kPort};
      aim_isn(shard, host == 0 ? key : FlowKey{server, client, Network::kPort, first_port_}, start_, random);
    };
    return c;
  }

  void plan_flows() {
    const std::size_t count = troubles_.has(Trouble::kManyFlows) ? 10 + random_.below(30) : 1 + random_.below(5);
    for (std::size_t i = 0; i < count; ++i) {
      auto [client, server] = random_plans(random_, troubles_);
      if (troubles_.has(Trouble::kManyFlows)) limit_bytes(client, server, 20'000);
      if (troubles_.has(Trouble::kLong) && i == 0) lengthen(client, server, long_transfer());
      limit_bytes(client, server, world_.bytes);
      // Who hears nothing more of a peer finds out.
      if (loses_data(world_.peer)) client.keep_alive = server.keep_alive = true;
      const bool small = troubles_.has(Trouble::kSmallTables);
      const bool v4 = i == 0 || !troubles_.has(Trouble::kIpv6) || random_.chance(0.5);
      // With small tables one host only opens and the other only accepts, or each could wait for the other's places.
      const int opener = i == 0 || small || random_.chance(0.7) ? 0 : 1;
      const bool both = troubles_.has(Trouble::kBothOpen) && !small && i > 0 && random_.chance(0.5);
      const std::uint16_t port = i == 0 && troubles_.has(Trouble::kWraps) ? first_port_ : std::uint16_t{0};
      const Duration when = i == 0 ? Duration{0} : spread(random_, 1us, 20s);
      if (i >= world_.flows) continue;  // but the rest of the world is as it would be
      Flow& flow = net_.add_flow(opener, v4, client, server);
      flow.may_fail |= loses_data(world_.peer);
      net_.at(start_ + when, [this, &flow, both, port] { open(flow, both, port); });
    }
  }

  std::uint64_t long_transfer() { return std::min(segment_ * spread(latest_, 2'000, 60'000), kLongestTransfer); }

  // Ports and places may be taken; then later.
  void open(Flow& flow, bool both, std::uint16_t port) {
    if (both) return net_.connect_both(flow);
    if (net_.connect(flow, port)) return;
    const ConnectError error = *net_.error();
    if (error != ConnectError::kAddressNotAvailable && error != ConnectError::kInsufficientResources) {
      return net_.fail("connect: " + std::string{describe(error)});
    }
    net_.at(net_.now() + 500ms, [this, &flow, both, port] { open(flow, both, port); });
  }

  void plan_partitions() {
    if (!troubles_.has(Trouble::kPartitions)) return;
    for (std::uint64_t n = 1 + random_.below(4); n > 0; --n) {
      const int from = static_cast<int>(random_.below(2));
      const bool two_ways = random_.chance(0.5);
      const Instant when = start_ + spread(random_, 1ms, 60s);
      const Duration length = spread(random_, 10ms, 30s);
      const auto cut = [this, from, two_ways](bool on) {
        net_.partition(from, on && !healed_);
        if (two_ways) net_.partition(1 - from, on && !healed_);
      };
      net_.at(when, [cut] { cut(true); });
      net_.at(when + length, [cut] { cut(false); });
    }
  }

  // Some say what they cannot pass on, some do not; or what they say is too little to be true over IPv6.
  void plan_routers() {
    if (!troubles_.has(Trouble::kNarrow)) return;
    for (int host = 0; host < 2; ++host) {
      const Router router{.mtu = static_cast<std::uint16_t>(spread(late_, 576, 1499)), .tells = late_.chance(0.6)};
      const Instant when = start_ + spread(late_, 1us, 10s);
      if (!late_.chance(0.7)) continue;
      // Nor is a router believed that tells of less than IPv6 has everywhere (RFC 8201, 4).
      silent_router_ |= !router.tells || router.mtu < 1280;
      net_.at(when, [this, host, router] { net_.narrow(host, router); });
    }
  }

  void plan_crashes() {
    for (std::uint64_t n = 1 + random_.below(3); n > 0; --n) {
      net_.at(start_ + spread(random_, 1ms, 60s), [this] {
        if (!healed_) net_.restart(1);
      });
    }
  }

  void plan_strangers() {
    const bool off_path = world_.peer == Peer::kOffPath;
    for (int i = 0; i < (off_path ? 600 : 60); ++i) {
      const Instant when = start_ + spread(random_, 100us, 100s);
      const bool old = random_.chance(off_path ? 0.05 : 0.5);
      if (old ? !troubles_.has(Trouble::kReplays) : !troubles_.has(Trouble::kStrangers)) continue;
      net_.at(when, [this, old] {
        if (old) {
          replay(net_, msl_, random_);
        } else {
          strange_segment(net_, random_);
        }
      });
    }
  }

  bool all_done() {
    return std::all_of(net_.flows().begin(), net_.flows().end(), [](const std::unique_ptr<Flow>& flow) {
      const Side& client = flow->sides[0];
      const Side& server = flow->sides[1];
      // A server that never heard of the connection has nothing to close.
      return client.closed && (server.closed || (!server.opened && !flow->simultaneous));
    });
  }

  void look_for_stalled(Instant from, const std::vector<std::uint64_t>& moved) {
    if (world_.peer == Peer::kOptimistic || world_.peer == Peer::kZeroWindow) return give_up(from, moved);
    find_stalled(from);
  }

  // By each flow's applications, in either direction.
  std::vector<std::uint64_t> bytes_moved() {
    std::vector<std::uint64_t> moved;
    for (const auto& flow : net_.flows()) {
      const Side& c = flow->sides[0];
      const Side& s = flow->sides[1];
      moved.push_back(c.sent + c.received + s.sent + s.received);
    }
    return moved;
  }

  // A peer that has lost text, or takes none any more, is one that an application gives up in the end. An
  // echo that has no room for its answer looks again and again, which is no progress.
  void give_up(Instant from, const std::vector<std::uint64_t>& moved_before) {
    const std::vector<std::uint64_t> moved = bytes_moved();
    for (std::size_t i = 0; i < moved.size(); ++i) {
      const auto& flow = net_.flows()[i];
      const Side& server = flow->sides[1];
      const bool echoing = server.plan.start == Start::kEcho && server.opened && !server.shut;
      const bool goes_on =
          echoing ? moved[i] != moved_before[i] : std::max(flow->sides[0].progress, server.progress) >= from;
      if (goes_on) continue;
      for (Endpoint end : {net_.client(*flow), net_.server(*flow)}) {
        if (!end.side().closed) end.abort();
      }
    }
  }

  // Of the flows that are not over, none may stand still; but those that wait for a place in
  // a backlog, a table or the memory for text to be sent wait as long as others get theirs.
  void find_stalled(Instant from) {
    const bool some_go_on =
        std::any_of(net_.flows().begin(), net_.flows().end(), [&](const std::unique_ptr<Flow>& flow) {
          return std::max(flow->sides[0].progress, flow->sides[1].progress) >= from;
        });
    for (const auto& flow : net_.flows()) {
      const Side& c = flow->sides[0];
      const Side& s = flow->sides[1];
      if (c.closed && (s.closed || !s.opened)) continue;
      const Instant last = std::max(c.progress, s.progress);
      const bool waits_for_place =
          troubles_.has(Trouble::kSmallTables) && (!s.opened || c.pump_pending || s.pump_pending);
      if (last >= from || (waits_for_place && some_go_on)) continue;
      if (waits_for_half_open(c.closed ? c : s)) continue;
      net_.fail("flow " + std::to_string(flow->number) + " stands still: client " + describe(c) + ", server " +
                describe(s));
    }
  }

  // After a reset an old SYN begins the connection anew where it is `over`. The peer, who never heard of the reset,
  // sends from beyond the new window; each answers the other with an ACK (RFC 9293, 3.10.7.4, first) until the SYN-ACKs
  // end: thirty, a minute apart at most. Whose half-open connection it is that there is the judge does not see.
  bool waits_for_half_open(const Side& over) {
    constexpr Duration kSynAcks = 31min;
    return over.closed && troubles_.has(Trouble::kReplays) && net_.core(over.host).half_open().size() > 0 &&
           net_.now() - healed_at_ < kSynAcks;
  }

  std::string describe(const Side& side) {
    return std::string{tcp::to_string((side.index == 0 ? net_.client(*side.flow) : net_.server(*side.flow)).state())} +
           " sent " + std::to_string(side.sent) + "/" + std::to_string(side.plan.total) + " received " +
           std::to_string(side.received) + " start " + std::to_string(static_cast<int>(side.plan.start)) + " finish " +
           std::to_string(static_cast<int>(side.plan.finish)) + (side.resume_pending ? " reader asleep" : "") +
           (side.pump_pending ? " sender asleep" : "");
  }
  static std::string describe(ConnectError error) { return std::string{pollux::describe(error)}; }

  World world_;
  Random random_;
  Random late_;
  Random latest_;
  Troubles troubles_;
  Duration msl_;
  Instant start_{};
  std::uint16_t first_port_ = 0;
  std::uint64_t segment_ = 0;  // bytes of text, about
  bool silent_router_ = false;
  bool healed_ = false;
  Instant healed_at_{};
  Network net_;
};

}  // namespace

Outcome run_world(const World& world) { return Scenario{world}.run(); }

}  // namespace pollux::sim
