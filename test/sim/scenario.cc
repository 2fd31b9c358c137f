#include "scenario.h"

#include <algorithm>
#include <cmath>

#include "network.h"

namespace pollux::sim {
namespace {

// Phase two may take this long for a flow without any progress: two of the longest
// retransmission intervals, and what a reader sleeps.
constexpr Duration kPatience = 200s;
constexpr Duration kFaultyPhase = 120s;

using Millis32 = std::chrono::duration<std::int64_t, std::milli>;

// Which kinds of trouble a seed has. Each is off in many seeds, so that one does not hide
// what another would show ("swarm testing", Groce et al., 2012).
struct Swarm {
  explicit Swarm(Random& random)
      : loss{random.chance(0.6)},
        reorder{random.chance(0.5)},
        duplicate{random.chance(0.4)},
        corrupt{random.chance(0.35)},
        jitter{random.chance(0.4)},
        slow_wire{random.chance(0.2)},
        partitions{random.chance(0.25)},
        odd_devices{random.chance(0.4)},
        small_tables{random.chance(0.25)},
        odd_sizes{random.chance(0.5)},
        rude{random.chance(0.3)},
        strangers{random.chance(0.35)},
        replays{random.chance(0.3)},
        many_flows{random.chance(0.15)},
        wraps{random.chance(0.4)},
        ipv6{random.chance(0.6)},
        both_open{random.chance(0.15)} {}
  bool loss, reorder, duplicate, corrupt, jitter, slow_wire, partitions, odd_devices, small_tables, odd_sizes, rude,
      strangers, replays, many_flows, wraps, ipv6, both_open;

  std::string to_string() const {
    std::string out;
    const auto add = [&](bool on, const char* name) {
      if (on) out += std::string{out.empty() ? "" : " "} + name;
    };
    add(loss, "loss");
    add(reorder, "reorder");
    add(duplicate, "duplicate");
    add(corrupt, "corrupt");
    add(jitter, "jitter");
    add(slow_wire, "slow-wire");
    add(partitions, "partitions");
    add(odd_devices, "odd-devices");
    add(small_tables, "small-tables");
    add(odd_sizes, "odd-sizes");
    add(rude, "rude");
    add(strangers, "strangers");
    add(replays, "replays");
    add(many_flows, "many-flows");
    add(wraps, "wraps");
    add(ipv6, "ipv6");
    add(both_open, "both-open");
    return out;
  }
};

// Between `low` and `high`, each order of magnitude as likely as another.
std::uint64_t spread(Random& random, std::uint64_t low, std::uint64_t high) {
  const double l = std::log(static_cast<double>(low));
  const double h = std::log(static_cast<double>(high) + 1);
  return std::clamp(static_cast<std::uint64_t>(std::exp(l + random.fraction() * (h - l))), low, high);
}

Duration spread(Random& random, Duration low, Duration high) {
  return Duration{static_cast<Duration::rep>(
      spread(random, static_cast<std::uint64_t>(low.count()), static_cast<std::uint64_t>(high.count())))};
}

// --- The world ---

Impairment wire(Random& random, const Swarm& swarm) {
  Impairment i;
  i.delay = spread(random, 10us, 200ms);
  if (swarm.loss) i.loss = random.fraction() * 0.2;
  if (swarm.reorder) i.reorder = random.fraction() * 0.3;
  i.reorder_delay = spread(random, 100us, 300ms);
  if (swarm.duplicate) i.duplicate = random.fraction() * 0.2;
  if (swarm.jitter) i.jitter = spread(random, 10us, 300ms);
  if (swarm.slow_wire) {
    i.bits_per_second = spread(random, 200'000, 50'000'000);
    i.queue_bytes = spread(random, 8'000, 200'000);
  }
  return i;
}

tcp::Config tcp_config(Random& random, const Swarm& swarm) {
  tcp::Config c;
  c.r2 = 3h;  // nobody gives up: what is not finished at the end is a fault
  c.r2_syn = 1h;
  c.syn_ack_retries = 30;
  c.timestamps = random.chance(0.6);
  c.window_scaling = random.chance(0.6);
  c.sack_permitted = random.chance(0.3);
  c.msl = std::chrono::duration_cast<Duration>(std::chrono::milliseconds{1000 + random.below(30'000)});
  if (!swarm.odd_sizes) return c;
  c.receive_buffer = static_cast<std::uint32_t>(spread(random, 600, 1'000'000));
  c.send_buffer = static_cast<std::uint32_t>(spread(random, 200, 1'000'000));
  c.max_ranges = static_cast<std::uint32_t>(spread(random, 1, 512));
  c.delayed_ack = std::chrono::milliseconds{random.below(400)};
  c.initial_window_segments = static_cast<std::uint8_t>(1 + random.below(10));
  c.rst_ends_time_wait = false;
  if (random.chance(0.4)) c.mss = static_cast<std::uint16_t>(spread(random, 48, 1460));
  return c;
}

DeviceFaults device(Random& random, const Swarm& swarm) {
  DeviceFaults f;
  if (swarm.corrupt) f.corrupt = random.fraction() * 0.1;
  if (!swarm.odd_devices) return f;
  f.tx_room = spread(random, 1, 64);
  if (random.chance(0.5)) f.no_frame = random.fraction() * 0.3;
  f.tx_checksums = random.chance(0.5);
  f.tso = random.chance(0.5);
  return f;
}

// Shortly before milliseconds, or timestamps, or nothing at all wraps.
Instant start_time(Random& random, const Swarm& swarm) {
  const std::int64_t wrap = std::int64_t{1} << (random.chance(0.5) ? 32 : 31);
  const auto before = static_cast<std::int64_t>(random.below(60'000));
  const std::int64_t ms = swarm.wraps ? wrap - before : static_cast<std::int64_t>(random.below(1u << 30));
  return Instant{Millis32{ms} + std::chrono::nanoseconds{random.below(1'000'000)}};
}

void shrink_tables(ShardConfig& c, Random& random) {
  c.max_connections = static_cast<std::uint32_t>(spread(random, 3, 64));
  c.max_half_open = static_cast<std::uint32_t>(spread(random, 2, 64));
  c.max_time_wait_v4 = static_cast<std::uint32_t>(spread(random, 2, 64));
  c.max_time_wait_v6 = static_cast<std::uint32_t>(spread(random, 2, 64));
  c.send_blocks = static_cast<std::uint32_t>(spread(random, 16, 512));
  c.held_segments = static_cast<std::uint32_t>(spread(random, 16, 512));
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

// --- What flows do ---

void random_sender(Plan& p, Random& random) {
  p.total = random.chance(0.15) ? 0 : random.chance(0.2) ? spread(random, 30'000, 400'000) : spread(random, 1, 30'000);
  p.chunk = static_cast<std::uint32_t>(spread(random, 1, 60'000));
  p.chunk = std::max(p.chunk, static_cast<std::uint32_t>(p.total / 400 + 1));
  if (random.chance(0.3)) {
    p.pause = random.fraction();
    p.pause_length = spread(random, 100us, 300ms);
    p.chunk = std::max(p.chunk, static_cast<std::uint32_t>(p.total / 60 + 1));
  }
  p.by_reference = random.chance(0.3);
  p.nodelay = random.chance(0.4);
  if (random.chance(0.1)) p.urgent = random.fraction() * 0.5;
}

void random_reader(Plan& p, std::uint64_t to_read, Random& random) {
  if (!random.chance(0.35)) return;
  p.read_chunk = static_cast<std::uint32_t>(std::max<std::uint64_t>(spread(random, 1, 20'000), to_read / 100 + 1));
  p.read_pause = random.fraction() * 0.7;
  p.read_pause_length = random.chance(0.1) ? spread(random, 1s, 90s) : spread(random, 1ms, 400ms);
  if (p.read_pause_length > 1s) p.read_chunk = std::max(p.read_chunk, static_cast<std::uint32_t>(to_read / 5 + 1));
}

// How the two sides' turns are ordered. Whatever is chosen comes to an end.
void random_order(Plan& client, Plan& server, Random& random) {
  switch (random.below(6)) {
    case 0:  // both at once, both ways, closed at the same time
      client.finish = server.finish = Finish::kShutdownWhenSent;
      break;
    case 1:  // request and response, the client closes
      server.start = Start::kAfterText;
      server.start_after = client.total;
      client.finish = Finish::kShutdownWhenSent;
      server.finish = random.chance(0.5) ? Finish::kShutdownAtEof : Finish::kCloseAtEof;
      break;
    case 2:  // request and response, the server closes
      server.start = Start::kAfterText;
      server.start_after = client.total;
      server.finish = Finish::kShutdownWhenSent;
      client.finish = random.chance(0.5) ? Finish::kShutdownAtEof : Finish::kCloseAtEof;
      break;
    case 3:  // echo
      server.start = Start::kEcho;
      server.finish = Finish::kShutdownAtEof;
      client.finish = Finish::kShutdownWhenSent;
      server.by_reference = false;
      server.urgent = 0;
      break;
    case 4:  // half close: the answer comes when everything has been said
      server.start = Start::kAtEof;
      client.finish = Finish::kShutdownWhenSent;
      server.finish = random.chance(0.5) ? Finish::kShutdownWhenSent : Finish::kCloseAtEof;
      break;
    default:  // the server talks first and closes
      client.total = random.chance(0.5) ? 0 : client.total;
      server.finish = Finish::kShutdownWhenSent;
      client.finish = Finish::kShutdownAtEof;
      break;
  }
  if (random.chance(0.3)) client.finish_delay = spread(random, 1us, 500ms);
  if (random.chance(0.3)) server.finish_delay = spread(random, 1us, 500ms);
}

// What the client sends comes in any case; more may wait for an end that a reset replaces.
void make_rude(Plan& p, const Plan& client, Random& random) {
  p.finish = random.chance(0.5) ? Finish::kAbort : Finish::kCloseWhenSent;
  p.abort_after = random.below(client.total + 1);
}

std::pair<Plan, Plan> random_plans(Random& random, const Swarm& swarm) {
  Plan client;
  Plan server;
  random_sender(client, random);
  random_sender(server, random);
  random_order(client, server, random);
  random_reader(client, server.total, random);
  random_reader(server, client.total, random);
  if (swarm.rude && random.chance(0.5)) {
    if (random.chance(0.5)) {
      make_rude(client, client, random);
    } else {
      make_rude(server, client, random);
    }
    client.keep_alive = server.keep_alive = true;  // who was left without a word finds out
  }
  return {client, server};
}

// --- Strangers ---

// Sees nothing but knows addresses and ports, and guesses numbers near the right ones. May
// not name RCV.NXT itself in a reset: that one in 2^32 is allowed to hit.
void strange_segment(Network& net, Random& random) {
  if (net.frames().empty()) return;
  const Network::Kept& kept = net.frames()[random.below(net.frames().size())];
  WireView v;
  std::string complaint;
  if (look(kept.frame, v, complaint) != Sight::kTcp) return;
  const FlowKey sender{v.source, v.destination, v.source_port, v.destination_port};
  const FlowKey receiver{v.destination, v.source, v.destination_port, v.source_port};
  const auto of_receiver = net.oracle().edges(receiver);
  if (!of_receiver) return;
  std::vector<std::byte> frame = headers_only(kept.frame, v);
  std::uint32_t seq = 0;
  switch (random.below(5)) {
    case 0:
      seq = of_receiver->rcv_nxt + 1;
      break;
    case 1:
      seq = of_receiver->rcv_edge - 1;
      break;
    case 2:
      seq = of_receiver->rcv_edge;
      break;
    case 3:
      seq = of_receiver->rcv_nxt + static_cast<std::uint32_t>(random.below(60'000)) + 1;
      break;
    default:
      seq = static_cast<std::uint32_t>(random());
      break;
  }
  constexpr std::uint8_t kSyn = 0x02;
  constexpr std::uint8_t kRst = 0x04;
  constexpr std::uint8_t kAck = 0x10;
  const bool reset = random.chance(0.6);
  // RCV.NXT may have moved on since the last ACK, over what has come in the meantime.
  const auto of_sender = net.oracle().edges(sender);
  if (reset && (!of_sender || seq - of_receiver->rcv_nxt <= of_sender->snd_nxt - of_receiver->rcv_nxt)) return;
  set_seq(frame, v, seq);
  set_ack(frame, v, reset ? 0 : static_cast<std::uint32_t>(random()));
  set_flags(frame, v, reset ? kRst : static_cast<std::uint8_t>(random.chance(0.5) ? kSyn | kAck : kAck));
  // Before the handshake is done, a SYN in the window sends it back to LISTEN (3.10.7.4, fourth).
  const Flow* flow = net.flow_of(v);
  if (flow == nullptr || !flow->sides[0].opened || !flow->sides[1].opened) return;
  mend_checksums(frame);
  net.inject(1 - kept.from, frame);
}

// A frame that was underway for long: within MSL of when it was sent (RFC 9293, 3.4.1).
void replay(Network& net, Duration msl, Random& random) {
  const auto& frames = net.frames();
  if (frames.empty()) return;
  const Network::Kept& kept = frames[random.below(frames.size())];
  if (net.now() - kept.at > msl) return;
  WireView v;
  std::string complaint;
  if (look(kept.frame, v, complaint) != Sight::kTcp) return;
  net.inject(1 - kept.from, kept.frame);
}

// --- A run ---

class Scenario {
 public:
  explicit Scenario(std::uint64_t seed)
      : random_{seed * 0x9e3779b97f4a7c15u + 1}, swarm_{random_}, msl_{0}, net_{network_config(seed)} {
    if (swarm_.strangers || swarm_.replays) net_.keep_frames(200);
    net_.let_no_guess_hit();
    plan_flows();
    plan_partitions();
    plan_strangers();
  }

  Outcome run() {
    net_.run_until([&] { return all_done(); }, kFaultyPhase);
    net_.heal();
    healed_ = true;
    while (!net_.failed() && !all_done()) {
      const Instant from = net_.now();
      net_.run_until([&] { return all_done(); }, kPatience);
      if (!all_done() && !net_.failed()) find_stalled(from);
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
    outcome.features = swarm_.to_string();
    return outcome;
  }

 private:
  NetworkConfig network_config(std::uint64_t seed) {
    NetworkConfig c;
    c.seed = seed;
    c.start = start_ = start_time(random_, swarm_);
    c.wire = {wire(random_, swarm_), wire(random_, swarm_)};
    c.one_way = (*c.wire)[0].delay;
    const std::uint16_t mtu = static_cast<std::uint16_t>(!swarm_.odd_sizes ? 1500
                                                         : swarm_.ipv6     ? 1280 + random_.below(1000)
                                                                           : 576 + random_.below(8000));
    for (std::size_t host = 0; host < 2; ++host) {
      c.tcp[host] = tcp_config(random_, swarm_);
      c.device[host] = device(random_, swarm_);
      if (swarm_.odd_devices) c.burst[host] = spread(random_, 1, 64);
    }
    msl_ = std::min(c.tcp[0].msl, c.tcp[1].msl);
    c.backlog = swarm_.small_tables ? static_cast<std::uint32_t>(spread(random_, 1, 16)) : 1024;
    const std::uint64_t shard_seed = random_();
    first_port_ = static_cast<std::uint16_t>(1024 + random_.below(30'000));
    c.shard = [this, mtu, shard_seed](ShardConfig& shard, int host) {
      Random random{shard_seed + static_cast<std::uint64_t>(host)};
      shard.mtu = mtu;
      if (swarm_.small_tables) shrink_tables(shard, random);
      if (!swarm_.wraps) return;
      const IpAddress client = IpAddress::v4(0xc6120001u);
      const IpAddress server = IpAddress::v4(0xc6120002u);
      const FlowKey key{client, server, first_port_, Network::kPort};
      aim_isn(shard, host == 0 ? key : FlowKey{server, client, Network::kPort, first_port_}, start_, random);
    };
    return c;
  }

  void plan_flows() {
    const std::size_t count = swarm_.many_flows ? 10 + random_.below(30) : 1 + random_.below(5);
    for (std::size_t i = 0; i < count; ++i) {
      auto [client, server] = random_plans(random_, swarm_);
      if (swarm_.many_flows) {
        client.total = std::min<std::uint64_t>(client.total, 20'000);
        server.total = std::min<std::uint64_t>(server.total, 20'000);
        client.abort_after = std::min(client.abort_after, client.total);
        server.abort_after = std::min(server.abort_after, client.total);
        if (server.start == Start::kAfterText) server.start_after = client.total;
      }
      const bool v4 = i == 0 || !swarm_.ipv6 || random_.chance(0.5);
      // With small tables one host only opens and the other only accepts, or each could wait for the other's places.
      const int opener = i == 0 || swarm_.small_tables || random_.chance(0.7) ? 0 : 1;
      Flow& flow = net_.add_flow(opener, v4, client, server);
      const bool both = swarm_.both_open && !swarm_.small_tables && i > 0 && random_.chance(0.5);
      const std::uint16_t port = i == 0 && swarm_.wraps ? first_port_ : std::uint16_t{0};
      const Duration when = i == 0 ? Duration{0} : spread(random_, 1us, 20s);
      net_.at(start_ + when, [this, &flow, both, port] { open(flow, both, port); });
    }
  }

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
    if (!swarm_.partitions) return;
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

  void plan_strangers() {
    for (int i = 0; i < 60; ++i) {
      const Instant when = start_ + spread(random_, 100us, 100s);
      const bool old = random_.chance(0.5);
      if (old ? !swarm_.replays : !swarm_.strangers) continue;
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
      const bool waits_for_place = swarm_.small_tables && (!s.opened || c.pump_pending || s.pump_pending);
      if (last >= from || (waits_for_place && some_go_on)) continue;
      net_.fail("flow " + std::to_string(flow->number) + " stands still: client " + describe(c) + ", server " +
                describe(s));
    }
  }

  std::string describe(const Side& side) {
    return std::string{tcp::to_string((side.index == 0 ? net_.client(*side.flow) : net_.server(*side.flow)).state())} +
           " sent " + std::to_string(side.sent) + "/" + std::to_string(side.plan.total) + " received " +
           std::to_string(side.received) + " start " + std::to_string(static_cast<int>(side.plan.start)) + " finish " +
           std::to_string(static_cast<int>(side.plan.finish)) + (side.resume_pending ? " reader asleep" : "") +
           (side.pump_pending ? " sender asleep" : "");
  }
  static std::string describe(ConnectError error) { return std::string{pollux::describe(error)}; }

  Random random_;
  Swarm swarm_;
  Duration msl_;
  Instant start_{};
  std::uint16_t first_port_ = 0;
  bool healed_ = false;
  Network net_;
};

}  // namespace

Outcome run_seed(std::uint64_t seed) { return Scenario{seed}.run(); }

}  // namespace pollux::sim
