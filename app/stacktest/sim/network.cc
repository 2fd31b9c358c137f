#include "network.h"

#include <algorithm>

#include "base/siphash.h"
#include "wire/congestion_mark.h"

namespace pollux::sim {
namespace {

constexpr Duration kNextTurn = 10us;  // between turns of a host that has not done everything yet
constexpr std::uint64_t kStill = 200'000;
constexpr std::size_t kTimerBudget = 64;
// What a stranger sends bears a mark on the wire, in a bit that no host's address has set: its bytes alone may be those
// of a host's own segment. Gone before the frame is received.
constexpr std::size_t kSourceMac = 6;
constexpr std::byte kForged{0x04};
constexpr HashKey kLogKey{0x706f6c6c75782073, 0x696d756c61746f72};

LinkDirection outward(int host) { return host == 0 ? LinkDirection::kLeftToRight : LinkDirection::kRightToLeft; }

Impairment impairment_of(const NetworkConfig& config) {
  Impairment i;
  i.delay = config.one_way;
  i.loss = config.loss;
  i.reorder = config.reorder;
  i.reorder_delay = std::max<Duration>(config.one_way / 2, 2ms);
  i.duplicate = config.duplicate;
  return i;
}

bool later(Instant a, std::uint64_t na, Instant b, std::uint64_t nb) { return a != b ? a > b : na > nb; }

}  // namespace

// --- Making ---

Network::Network(NetworkConfig config)
    : config_{std::move(config)},
      random_{config_.seed},
      now_{config_.start},
      oracle_{[this](const WireView& view) { return stream_of(view); },
              [this](std::string what) { fail(std::move(what)); }},
      link_{link_config()} {
  link_.deliver_until(now_);
  link_.drop_if([this](LinkDirection way, std::span<const std::byte>) {
    return cut_[way == LinkDirection::kLeftToRight ? 0 : 1];
  });
  link_.drop_if([this](LinkDirection way, std::span<const std::byte> frame) {
    return is_too_big_for_router(way == LinkDirection::kLeftToRight ? 0 : 1, frame);
  });
  for (int host = 0; host < 2; ++host) make_host(host);
  if (config_.capture.empty()) return;
  auto writer = PcapWriter::create(config_.capture);
  if (writer) {
    capture_ = std::move(*writer);
  } else {
    fail(writer.error());
  }
}

Network::~Network() {
  if (capture_) capture_->flush();
}

LinkConfig Network::link_config() const {
  LinkConfig link;
  link.left_to_right = config_.wire ? (*config_.wire)[0] : impairment_of(config_);
  link.right_to_left = config_.wire ? (*config_.wire)[1] : impairment_of(config_);
  link.seed = config_.seed ^ 0x6c696e6b;
  link.buffers = 16384;
  link.features.max_frame = 9216;
  link.mark = mark_congestion;
  return link;
}

IpAddress Network::address(int host, bool v4) const {
  if (v4) return IpAddress::v4(0xc6120001u + static_cast<std::uint32_t>(host));  // 198.18.0.1
  return IpAddress::parse(host == 0 ? "2001:2::1" : "2001:2::2").value();
}

ShardConfig Network::shard_config(int host) const {
  ShardConfig config;
  config.tcp = config_.tcp[static_cast<std::size_t>(host)];
  config.addresses = {{{address(host, true), 24}}, {{address(host, false), 64}}};
  config.mac = MacAddress{{2, 0, 0, 0, 0, static_cast<std::uint8_t>(host + 1)}};
  const std::uint64_t starts = hosts_[static_cast<std::size_t>(host)].starts;
  Random keys{config_.seed * 2 + static_cast<std::uint64_t>(host) + (starts << 48)};
  for (HashKey* key : {&config.keys.flow, &config.keys.isn, &config.keys.timestamp}) *key = {keys(), keys()};
  config.keys.random_seed = keys();
  config.max_connections = 256;
  config.max_half_open = 256;
  // A cookie's third segment that is lost is not asked for again: who waits for the server to speak waits for ever.
  config.tcp.syn_cookies = false;
  config.max_time_wait_v4 = 1024;
  config.max_time_wait_v6 = 1024;
  config.send_blocks = 2048;
  config.held_segments = 2048;
  config.sacked_ranges = 2048;
  config.ledgers = 128;  // fewer than connections
  config.max_destinations = 4;
  config.first_port = 40000;
  config.last_port = 41023;
  config.pages = Pages::kOrdinary;
  if (config_.shard) config_.shard(config, host);
  return config;
}

void Network::make_host(int host) {
  const auto h = static_cast<std::size_t>(host);
  const ShardConfig config = shard_config(host);
  hosts_[h].device = std::make_unique<SimDevice>(host == 0 ? link_.left() : link_.right(), config_.device[h],
                                                 config.mtu, random_.fork());
  hosts_[h].device->observe(
      [this, host](std::span<const std::byte> frame) {
        log(static_cast<std::uint64_t>(host) + 1, frame);
        if (capture_) capture_->write(now_, frame);
        oracle_.sent(host, frame, now_);
        if (keep_frames_ == 0) return;
        if (frames_.size() == keep_frames_) frames_.pop_front();
        frames_.push_back({now_, host, {frame.begin(), frame.end()}});
      },
      [this, host](std::span<const std::byte> frame) {
        log(static_cast<std::uint64_t>(host) + 3, frame);
        oracle_.delivered(host, frame, now_);
      },
      [this, host](std::span<std::byte> frame) { return is_lost(host, frame); });
  const std::uint32_t buffer = config.tcp.receive_buffer;
  oracle_.set_limits(host, {config.mtu, buffer, std::max(buffer, config.tcp.receive_buffer_max)});
  hosts_[h].app = std::make_unique<SimApp>(*this, host);
  hosts_[h].burst.resize(config_.burst[h]);
  start(host, config);
}

void Network::start(int host, const ShardConfig& config) {
  Host& h = hosts_[static_cast<std::size_t>(host)];
  if (config.held_segments < 1024) oracle_.excuse_late_acks(host);  // text behind a hole may have to go again
  h.shard = std::make_unique<SimShard>(config, *h.app, now_);
  h.snd_nxt.resize(config.max_connections);
  h.forward.resize(config.max_connections);
  h.acknowledged.resize(config.max_connections);
  ++h.starts;
  ListenSpec listen;
  listen.port = kPort;
  listen.backlog = config_.backlog;
  if (config.tcp.fast_open_server) listen.fast_open = config_.backlog;
  if (!h.shard->listen(listen)) fail("LISTEN was refused");
}

void Network::restart(int host) {
  Host& h = hosts_[static_cast<std::size_t>(host)];
  h.shard.reset();
  h.received_before = h.device->received();
  oracle_.excuse_late_acks(host);
  for (const auto& flow : flows_) {
    for (Side& side : flow->sides) {
      const bool begun = side.opened || side.id != ConnId{};
      if (side.host != host || side.closed || !begun) continue;
      side.closed = true;
      side.reason = tcp::Reason::kReset;
      side.id = {};
    }
  }
  start(host, shard_config(host));
}

bool Network::is_lost(int host, std::span<std::byte> frame) {
  Host& h = hosts_[static_cast<std::size_t>(host)];
  const bool forged = (frame[kSourceMac] & kForged) != std::byte{};
  frame[kSourceMac] &= ~kForged;
  WireView view;
  std::string complaint;
  if (h.hostile && look(frame, view, complaint) == Sight::kTcp && h.hostile->keeps(view)) return true;
  // A stranger's guess may hit by chance, and be believed; here it never does.
  return forged && guesses_never_hit_ && oracle_.reset_hits(frame);
}

// What it tells comes back from the other end of the wire, and may be lost there.
bool Network::is_too_big_for_router(int from_host, std::span<const std::byte> frame) {
  const Router& router = routers_[static_cast<std::size_t>(from_host)];
  if (!is_too_big(router, frame)) return false;
  WireView view;
  std::string complaint;
  const bool tcp = look(frame, view, complaint) == Sight::kTcp;  // of an error nobody tells (RFC 1122, 3.2.2)
  if (router.tells && tcp) inject(from_host, packet_too_big(frame, router.mtu));
  return true;
}

void Network::set_hostile(int host, std::unique_ptr<Hostile> hostile) {
  Host& h = hosts_[static_cast<std::size_t>(host)];
  h.hostile = std::move(hostile);
  if (!h.hostile) return h.device->speak_through({});
  h.device->speak_through([&h](std::span<const std::byte> frame) -> Hostile::Frames {
    WireView view;
    std::string complaint;
    if (look(frame, view, complaint) != Sight::kTcp) return {{frame.begin(), frame.end()}};
    return h.hostile->instead_of(frame, view);
  });
}

const ImpairmentCounters& Network::wire_counters(int from_host) const { return link_.counters(outward(from_host)); }

// --- Flows ---

Plan Network::manual() {
  Plan plan;
  plan.finish = Finish::kManual;
  return plan;
}

Flow& Network::add_flow(int client, bool v4, const Plan& client_plan, const Plan& server_plan) {
  flows_.push_back(std::make_unique<Flow>());
  Flow& flow = *flows_.back();
  flow.number = static_cast<int>(flows_.size());
  for (int s = 0; s < 2; ++s) {
    Side& side = flow.sides[static_cast<std::size_t>(s)];
    side.flow = &flow;
    side.index = s;
    side.host = s == 0 ? client : 1 - client;
    side.plan = s == 0 ? client_plan : server_plan;
    side.stream = Stream{random_()};
    side.random = random_.fork();
    side.progress = now_;
  }
  if (server_plan.start == Start::kEcho) flow.sides[1].stream = flow.sides[0].stream;
  flow.key = {address(client, v4), address(1 - client, v4), 0, kPort};
  for (const Side& side : flow.sides) flow.may_fail |= loses_data(side.plan.finish);
  return flow;
}

bool Network::connect(Flow& flow, std::uint16_t local_port) {
  Side& side = flow.sides[0];
  ConnectSpec spec;
  spec.remote = flow.key.remote;
  spec.remote_port = flow.key.remote_port;
  spec.local = flow.key.local;
  spec.local_port = local_port;
  spec.user = number_of(side);
  spec.options.nodelay = side.plan.nodelay;
  spec.options.fast_open = core(side.host).config().tcp.fast_open_client;
  const auto id = shard(side.host).connect(spec, now_);
  if (!id) {
    connect_error_ = id.error();
    return false;
  }
  side.id = *id;
  side.progress = now_;
  const tcp::Tcb& tcb = core(side.host).tcb(id->index);
  flow.key = tcb.key();
  by_key_[pollux::to_string(flow.key)] = &flow;
  by_opening_[{pollux::to_string(flow.key), tcb.snd().iss.value()}] = &flow;
  SimApp& app = *hosts_[static_cast<std::size_t>(side.host)].app;
  if (spec.options.fast_open) with(side, [&](Conn conn) { app.send_early(conn, side); });
  return true;
}

void Network::connect_both(Flow& flow) {
  flow.simultaneous = true;
  flow.key.local_port = static_cast<std::uint16_t>(2000 + flow.number);
  flow.key.remote_port = static_cast<std::uint16_t>(3000 + flow.number);
  by_key_[pollux::to_string(flow.key)] = &flow;
  for (Side& side : flow.sides) {
    const FlowKey key = side.index == 0 ? flow.key : turned(flow.key);
    ConnectSpec spec;
    spec.remote = key.remote;
    spec.remote_port = key.remote_port;
    spec.local = key.local;
    spec.local_port = key.local_port;
    spec.user = number_of(side);
    const auto id = shard(side.host).connect(spec, now_);
    if (!id) return fail("a simultaneous OPEN was refused");
    side.id = *id;
  }
}

std::pair<Endpoint, Endpoint> Network::connected_pair(const Plan& client_plan, const Plan& server_plan, bool v4) {
  Flow& flow = add_flow(0, v4, client_plan, server_plan);
  if (!connect(flow)) fail("connect was refused");
  run_until_idle();
  if (!flow.sides[0].opened || !flow.sides[1].opened) fail("the pair did not connect");
  return {client(flow), server(flow)};
}

Side* Network::accepting_side(int host, Conn conn) {
  Flow* flow = opened_with(turned(conn.key()), conn.tcb().rcv().irs.value());
  if (flow == nullptr || flow->sides[1].host != host) return nullptr;
  return &flow->sides[1];
}

// One that was aborted leaves its ports to a later one at once, and its segments may come after that has begun.
Flow* Network::opened_with(const FlowKey& client_key, std::uint32_t iss) {
  const auto found = by_opening_.find({pollux::to_string(client_key), iss});
  return found == by_opening_.end() ? nullptr : found->second;
}

// By a SYN-ACK: what lies between the SYN and `ack` is text that the SYN brought (Fast Open).
Flow* Network::answered_with(const FlowKey& client_key, std::uint32_t ack) {
  const std::string key = pollux::to_string(client_key);
  std::uint32_t nearest = 1u << 16;
  Flow* flow = nullptr;
  for (auto it = by_opening_.lower_bound({key, 0}); it != by_opening_.end() && it->first.first == key; ++it) {
    const std::uint32_t text = ack - 1 - it->first.second;
    if (text >= nearest) continue;
    nearest = text;
    flow = it->second;
  }
  return flow;
}

std::uint64_t Network::number_of(const Side& side) const {
  return static_cast<std::uint64_t>(side.flow->number) * 2 + static_cast<std::uint64_t>(side.index);
}

Side* Network::side(std::uint64_t number) {
  return &flows_[static_cast<std::size_t>(number / 2 - 1)]->sides[static_cast<std::size_t>(number % 2)];
}

Flow* Network::flow_of(const WireView& v) {
  const FlowKey key{v.source, v.destination, v.source_port, v.destination_port};
  for (const FlowKey& k : {key, turned(key)}) {
    if (const auto found = by_key_.find(pollux::to_string(k)); found != by_key_.end()) return found->second;
  }
  return nullptr;
}

std::optional<Stream> Network::stream_of(const WireView& v) {
  const FlowKey key{v.source, v.destination, v.source_port, v.destination_port};
  const bool answer = v.ack_bit;  // of the passive side
  Flow* flow = answer ? answered_with(turned(key), v.ack) : opened_with(key, v.seq);
  if (flow != nullptr) return flow->sides[answer ? 1 : 0].stream;
  flow = flow_of(v);
  if (flow == nullptr || !flow->simultaneous) {
    fail("a SYN for no flow: " + to_string(v));
    return std::nullopt;
  }
  return flow->sides[flow->key == key ? 0 : 1].stream;
}

// --- Time ---

void Network::at(Instant when, std::function<void()> what) {
  due_.push_back({when, ++due_number_, std::move(what)});
  std::push_heap(due_.begin(), due_.end(),
                 [](const Due& a, const Due& b) { return later(a.when, a.number, b.when, b.number); });
}

void Network::run_due() {
  while (!due_.empty() && due_.front().when <= now_) {
    std::pop_heap(due_.begin(), due_.end(),
                  [](const Due& a, const Due& b) { return later(a.when, a.number, b.when, b.number); });
    const Due due = std::move(due_.back());
    due_.pop_back();
    due.what();
  }
}

bool Network::with(Side& side, const std::function<void(Conn)>& what) {
  return shard(side.host).with(side.id, now_, what);
}

void Network::with_later(Side& side, Duration wait, std::function<void(Conn, Side&)> what) {
  at(now_ + wait, [this, &side, what = std::move(what)] { with(side, [&](Conn conn) { what(conn, side); }); });
}

void Network::resume_later(Side& side, Duration wait) {
  at(now_ + wait, [this, &side] {
    side.resume_pending = false;
    shard(side.host).resume(side.id, now_);
  });
}

std::optional<Instant> Network::next_event(bool ignore_idle) const {
  std::optional<Instant> next;
  const auto earlier = [&](std::optional<Instant> t) {
    if (t && (!next || *t < *next)) next = t;
  };
  earlier(link_.next_due());
  if (!due_.empty()) earlier(due_.front().when);
  if (link_.arrived()) earlier(now_ + kNextTurn);
  for (const Host& host : hosts_) {
    if (host.shard->has_output()) earlier(now_ + kNextTurn);
    const ShardCore& core = host.shard->core();
    if (!ignore_idle || !core.neighbours().idle()) earlier(host.shard->next_due(now_));
    earlier(core.half_open().next_due());
    core.for_each([&](std::uint32_t index) {
      const tcp::Tcb& tcb = core.tcb(index);
      if (!ignore_idle || !tcb.keep_alive_on()) earlier(tcb.next_deadline(now_));
    });
  }
  return next;
}

void Network::run_until_idle(Duration at_most) {
  const Instant end = now_ + at_most;
  while (!failed()) {
    const std::optional<Instant> next = next_event(true);
    if (!next || *next > end) return;
    step(*next);
  }
}

bool Network::run_until(const std::function<bool()>& done, Duration at_most) {
  const Instant end = now_ + at_most;
  while (!failed()) {
    if (done()) return true;
    const std::optional<Instant> next = next_event(false);
    if (!next || *next > end) {
      now_ = std::max(now_, end);
      link_.deliver_until(now_);
      return done();
    }
    step(*next);
  }
  return false;
}

void Network::sleep(Duration time) {
  run_until([] { return false; }, time);
}

void Network::step(Instant to) {
  if (to > now_) {
    now_ = to;
    still_ = 0;
  } else if (++still_ > kStill) {
    return fail("time stands still");
  }
  ++events_;
  link_.deliver_until(now_);
  run_due();
  for (int host = 0; host < 2 && !failed(); ++host) turn(host);
}

// What a worker does in one turn (lib/runtime/worker.h), with everything checked that can be.
void Network::turn(int host) {
  Host& h = hosts_[static_cast<std::size_t>(host)];
  h.device->begin_turn();
  oracle_.begin_turn(host, now_);
  note_before_receive(host);
  const std::size_t n = h.device->receive(h.burst);
  const auto received = std::span{h.burst}.first(n);
  h.shard->receive(received, now_);
  h.device->recycle(received);
  check_growth(host);
  h.shard->run_timers(now_, kTimerBudget);
  check_timers(host);
  excuse_what_may_be(host);
  note_before_transmit(host);
  h.shard->transmit(*h.device, now_);
  excuse_what_may_be(host);  // what was meant for a neighbour that does not answer is known only now
  check_connections(host);
  oracle_.end_turn(host, h.shard->has_output());
}

// --- The wire ---

void Network::heal() {
  cut_ = {};
  for (int host = 0; host < 2; ++host) {
    Impairment clean;
    clean.delay = std::min<Duration>(config_.one_way, 50ms);
    link_.impair(outward(host), clean);
    DeviceFaults faults = config_.device[static_cast<std::size_t>(host)];
    faults.no_frame = 0;
    faults.corrupt = 0;
    device(host).set_faults(faults);
    if (Hostile* hostile = hosts_[static_cast<std::size_t>(host)].hostile.get()) hostile->repent();
  }
}

void Network::impair(int from_host, const Impairment& impairment) { link_.impair(outward(from_host), impairment); }

void Network::inject(int host, std::span<const std::byte> frame) {
  ImpairedLink::End& end = host == 0 ? link_.right() : link_.left();
  const TxFrame to = end.allocate(static_cast<std::uint32_t>(frame.size()));
  if (!to) return;
  std::copy(frame.begin(), frame.end(), to.data);
  to.data[kSourceMac] |= kForged;
  end.send(to, static_cast<std::uint32_t>(frame.size()), {});
  end.flush();
}

// --- The log ---

void Network::log(std::uint64_t tag, std::span<const std::byte> bytes) {
  const std::array<std::uint64_t, 4> entry = {
      log_hash_, tag, static_cast<std::uint64_t>(now_.time_since_epoch().count()), siphash13(kLogKey, bytes)};
  log_hash_ = siphash13_of(kLogKey, entry);
}

void Network::note_event(const Side& side, char what) {
  const std::array<std::uint64_t, 4> entry = {number_of(side), static_cast<std::uint64_t>(what), side.sent,
                                              side.received};
  log(5, std::as_bytes(std::span{entry}));
}

}  // namespace pollux::sim
