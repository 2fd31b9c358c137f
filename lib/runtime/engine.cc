#include "runtime/engine.h"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <thread>

#include "base/random.h"
#include "base/siphash.h"
#include "dpdk/clock.h"
#include "dpdk/random.h"
#include "dpdk/thread.h"
#include "runtime/poller.h"
#include "runtime/port_polled.h"
#include "runtime/ports.h"

namespace pollux::runtime {

namespace {

using Done = Expected<void, std::string>;

constexpr unsigned kMaxWorkers = 64;

// EAL pins whoever starts it to one CPU, which a poller may want for itself.
class KeepAffinity {
 public:
  KeepAffinity() { sched_getaffinity(0, sizeof set_, &set_); }
  ~KeepAffinity() { sched_setaffinity(0, sizeof set_, &set_); }
  KeepAffinity(const KeepAffinity&) = delete;
  KeepAffinity& operator=(const KeepAffinity&) = delete;

 private:
  cpu_set_t set_{};
};

// Where keys come from: the kernel, or a seed.
class KeySource {
 public:
  explicit KeySource(std::optional<std::uint64_t> seed) {
    if (seed) random_.emplace(*seed);
  }
  HashKey key() {
    if (random_) return {(*random_)(), (*random_)()};
    const auto words = dpdk::random_key();
    return {words[0], words[1]};
  }
  std::uint64_t number() { return random_ ? (*random_)() : dpdk::random_seed(); }

 private:
  std::optional<Random> random_;
};

// One secret, several keys: whoever knows one of them knows none of the others.
HashKey derived(const HashKey& secret, std::uint64_t purpose) {
  return {siphash24_of(secret, 2 * purpose), siphash24_of(secret, 2 * purpose + 1)};
}

Duration since_1970(Instant now) {
  return std::chrono::duration_cast<Duration>(std::chrono::system_clock::now().time_since_epoch()) -
         now.time_since_epoch();
}

std::string list(const std::vector<unsigned>& numbers) {
  std::string text;
  for (const unsigned n : numbers) text += (text.empty() ? "" : " ") + std::to_string(n);
  return text;
}

// One group with what it stands on. Destroyed from the workers down.
struct Team {
  std::unique_ptr<GroupBase> group;
  GroupPort where;
  dpdk::Port* port = nullptr;
  std::unique_ptr<SteeringMap> map;
  std::unique_ptr<Capture> capture;
  std::vector<dpdk::RingHandle> inboxes;   // run to completion, of each worker
  std::vector<dpdk::RingHandle> to_stack;  // pipeline
  std::vector<dpdk::RingHandle> from_stack;
  std::unique_ptr<PortPolled> port_core;
  ShardKeys keys;

  const GroupOptions& options() const { return group->options(); }
  Shape shape() const {
    if (options().pipeline) return Shape::kRing;
    return options().workers > 1 ? Shape::kSteered : Shape::kQueue;
  }
  unsigned pollers() const { return options().workers + (options().pipeline ? 1 : 0); }
};

// The ports of one --port: two for a pair, else one.
struct Opened {
  std::string text;
  dpdk::PortSpec spec;
  dpdk::PortConfig config;
  std::vector<std::unique_ptr<dpdk::Port>> ports;
};

// Who sits where; the order is that of Poller::polled().
struct Place {
  Team* team;
  unsigned worker;
  bool port_core;
  unsigned cpu;
};

}  // namespace

struct Engine::Impl {
  EngineOptions options;
  std::vector<unsigned> cpus;  // to poll on
  KeySource keys;
  // From here on what start() makes, in this order; destroyed in the opposite one.
  std::unique_ptr<dpdk::Eal> eal;
  std::vector<Opened> opened;
  std::deque<Team> teams;
  std::optional<dpdk::TscClock> clock;
  Duration ahead{0};  // of the workers' clock, see advance_clock
  std::deque<Poller> pollers;
  std::vector<Place> places;
  std::vector<Polled*> polled;  // as `places`
  bool running = false;
  bool drained = true;
  std::vector<std::string> broken_captures;
  std::atomic<bool> stopping{false};

  explicit Impl(EngineOptions o) : options{std::move(o)}, keys{options.seed} {}
  ~Impl() {
    pollers.clear();
    for (Team& team : teams) {
      team.group->clear();
      team.port_core.reset();
    }
    teams.clear();
    opened.clear();
  }

  std::vector<Opened> planned_ports() const;
  std::size_t memory_mb(bool huge_pages) const;
  std::size_t memory_mb() const;
  Done start_eal();
  Done open_ports();
  Done equip(Team& team);
  Done make_rings(Team& team);
  void place_workers();
  IdlePolicy idle() const;
  Done launch();
  Polled& build(const Place& place);
  Seat seat(const Place& place);
  template <class F>
  bool wait(Duration limit, const std::atomic<bool>& hurry, F&& done);
  void send_out_the_last(const std::atomic<bool>& hurry);
};

Engine::Engine(EngineOptions options) : impl_{std::make_unique<Impl>(std::move(options))} {}
Engine::~Engine() {
  hurry();
  stop(Duration{0});
}

Expected<std::unique_ptr<Engine>, std::string> Engine::create(EngineOptions options) {
  const std::vector<unsigned> allowed = dpdk::allowed_cpus();
  for (const unsigned cpu : options.cores) {
    if (std::find(allowed.begin(), allowed.end(), cpu) != allowed.end()) continue;
    return unexpected("--cores: this process may not run on CPU " + std::to_string(cpu) + "; it may on " +
                      list(allowed) + " (taskset -p $$, nproc)");
  }
  auto engine = std::unique_ptr<Engine>{new Engine{std::move(options)}};
  engine->impl_->cpus = engine->impl_->options.cores.empty() ? allowed : engine->impl_->options.cores;
  return engine;
}

Done Engine::check(const GroupOptions& options) const {
  if (impl_->running) return unexpected(std::string{"a group cannot be added to an engine that runs"});
  if (options.workers == 0 || options.workers > kMaxWorkers) {
    return unexpected("a group has 1 to " + std::to_string(kMaxWorkers) + " workers, not " +
                      std::to_string(options.workers));
  }
  if (options.shard.addresses.empty()) return unexpected("--port " + options.port + " has no address: give it --ip");
  const auto where = GroupPort::parse(options.port);
  if (!where) return unexpected(where.error());
  if (auto ok = check_queues(options, *where); !ok) return ok;
  for (const Team& team : impl_->teams) {
    if (team.where.shared != where->shared) continue;
    if (team.where.end == where->end) {
      return unexpected("--port " + options.port + " is given twice" +
                        (where->spec.is_pair()
                             ? "; the ends of a pair are " + where->shared + ":0 and " + where->shared + ":1"
                             : std::string{}));
    }
    if (polled_queues(team.options()) != polled_queues(options)) {
      return unexpected("the two ends of " + where->shared + " are polled on " +
                        std::to_string(polled_queues(team.options())) + " and " +
                        std::to_string(polled_queues(options)) +
                        " queues: what comes to the others would lie there\n  give both as many workers");
    }
  }
  return {};
}

void Engine::add(std::unique_ptr<GroupBase> group) {
  Team& team = impl_->teams.emplace_back();
  team.where = *GroupPort::parse(group->options().port);
  team.group = std::move(group);
}

std::size_t Engine::packet_memory_mb(bool huge_pages) const { return impl_->memory_mb(huge_pages); }

Done Engine::start() {
  CHECK(!impl_->running && impl_->eal == nullptr);
  if (impl_->teams.empty()) return unexpected(std::string{"nothing to start: no port was given"});
  impl_->opened = impl_->planned_ports();
  auto done = impl_->start_eal().and_then([&] { return impl_->open_ports(); });
  for (Team& team : impl_->teams) {
    done = done.and_then([&] { return impl_->equip(team); });
  }
  if (!done) return done;
  impl_->place_workers();
  if (impl_->places.size() > impl_->cpus.size()) {
    notes_.push_back(std::to_string(impl_->places.size()) + " polling cores were asked for, on " +
                     std::to_string(impl_->cpus.size()) + " CPUs (" + list(impl_->cpus) +
                     "): they take turns; for full speed give as many with --cores, or fewer workers");
  }
  return impl_->launch();
}

std::vector<Opened> Engine::Impl::planned_ports() const {
  std::vector<Opened> planned;
  for (const Team& team : teams) {
    const dpdk::PortConfig config = port_config(team.options());
    const auto same =
        std::find_if(planned.begin(), planned.end(), [&](const Opened& o) { return o.text == team.where.shared; });
    if (same == planned.end()) {
      planned.push_back({team.where.shared, team.where.spec, config, {}});
    } else {
      same->config = pair_config(same->config, config);
    }
  }
  return planned;
}

std::size_t Engine::Impl::memory_mb(bool huge_pages) const {
  constexpr std::size_t kRest = std::size_t{32} << 20;  // rings, EAL's and the drivers' own
  std::size_t bytes = kRest;
  for (const Opened& o : planned_ports()) bytes += dpdk::port_memory(o.config, huge_pages) * (o.spec.is_pair() ? 2 : 1);
  return (bytes >> 20) + 1;
}

// EAL takes huge pages where as much as it is told of is free in them.
std::size_t Engine::Impl::memory_mb() const {
  if (options.memory_mb != 0) return options.memory_mb;
  const std::size_t with = memory_mb(true);
  const bool fits = options.hugepages == dpdk::HugePages::kRequire ||
                    (options.hugepages == dpdk::HugePages::kAuto && dpdk::free_huge_mb() >= with);
  return fits ? with : memory_mb(false);
}

Done Engine::Impl::start_eal() {
  const KeepAffinity kept;
  dpdk::EalOptions eal_options;
  eal_options.huge_pages = options.hugepages;
  eal_options.memory_mb = memory_mb();
  eal_options.cpus = {cpus.front()};
  eal_options.verbose = options.verbose;
  eal_options.extra = options.eal_arguments;
  for (const Opened& o : opened) {
    if (o.spec.kind == dpdk::PortKind::kPci) eal_options.pci.push_back(o.spec.device);
  }
  auto started = dpdk::Eal::start(eal_options);
  if (!started) return unexpected(started.error());
  eal = std::move(*started);
  clock = dpdk::TscClock::calibrate();
  return {};
}

Done Engine::Impl::open_ports() {
  constexpr Duration kPairLimit = 2s;
  for (Opened& o : opened) {
    auto ports = dpdk::Port::open(o.spec, o.config);
    if (!ports) return unexpected(ports.error());
    o.ports = std::move(*ports);
    for (const auto& port : o.ports) {
      if (o.spec.is_pair() && !port->wait_for_link(kPairLimit)) {
        return unexpected("--port " + o.text + ": its two ends did not find each other within 2 s");
      }
    }
  }
  return {};
}

// Gives a team its port, keys, map, rings and capture file.
Done Engine::Impl::equip(Team& team) {
  const GroupOptions& group = team.options();
  const auto mine =
      std::find_if(opened.begin(), opened.end(), [&](const Opened& o) { return o.text == team.where.shared; });
  team.port = mine->ports[team.where.end].get();
  if (auto ok = check_kernel_addresses(group, team.where); !ok) return ok;
  if (team.shape() == Shape::kSteered && team.port->queues() < group.workers) {
    return unexpected("--port " + group.port + " has " + std::to_string(team.port->queues()) + " queues, for " +
                      std::to_string(group.workers) +
                      " workers\n  to use them all: --pipeline, where one core polls the port for the others");
  }
  team.keys = {keys.key(), keys.key(), keys.key(), keys.number(), since_1970(clock->now()), {keys.key()}};
  if (options.secret) {
    team.keys.isn = derived(*options.secret, 1);
    team.keys.timestamp = derived(*options.secret, 2);
    team.keys.fast_open.current = derived(*options.secret, 3);
  }
  const HashKey steering = keys.key();
  const bool rss =
      team.shape() == Shape::kSteered && team.port->rss().has_value() && team.port->queues() == group.workers;
  team.map = rss ? std::make_unique<SteeringMap>(group.workers, steering, *team.port->rss())
                 : std::make_unique<SteeringMap>(group.workers, steering);
  if (group.capture_file) {
    auto capture = Capture::create(*group.capture_file, since_1970(clock->now()));
    if (!capture) return unexpected(capture.error());
    team.capture = std::move(*capture);
  }
  return make_rings(team);
}

Done Engine::Impl::make_rings(Team& team) {
  const std::string name = "plx_p" + std::to_string(team.port->id());
  const auto add = [&](std::vector<dpdk::RingHandle>& to, const char* what, dpdk::Producers producers) -> Done {
    for (unsigned i = 0; i < team.options().workers; ++i) {
      auto ring = dpdk::make_ring(name + what + std::to_string(i), kRingSize, producers, team.port->numa_node());
      if (!ring) return unexpected(ring.error());
      to.push_back(std::move(*ring));
    }
    return {};
  };
  switch (team.shape()) {
    case Shape::kQueue:
      return {};
    case Shape::kSteered:
      // Of two workers each has but one that passes it packets.
      return add(team.inboxes, "_in", team.options().workers == 2 ? dpdk::Producers::kOne : dpdk::Producers::kMany);
    case Shape::kRing:
      return add(team.to_stack, "_to", dpdk::Producers::kOne).and_then([&] {
        return add(team.from_stack, "_from", dpdk::Producers::kOne);
      });
  }
  unreachable();
}

// Port cores and workers, dealt to the CPUs one after the other.
void Engine::Impl::place_workers() {
  const auto deal = [&](Team& team, unsigned worker, bool port_core) {
    places.push_back({&team, worker, port_core, cpus[places.size() % cpus.size()]});
  };
  for (Team& team : teams) {
    if (team.options().pipeline) deal(team, 0, true);
    for (unsigned w = 0; w < team.options().workers; ++w) deal(team, w, false);
  }
}

IdlePolicy Engine::Impl::idle() const {
  if (options.idle != IdlePolicy::kAuto) return options.idle;
  const bool physical =
      std::all_of(opened.begin(), opened.end(), [](const Opened& o) { return o.spec.kind == dpdk::PortKind::kPci; });
  const bool spare_cpu = places.size() < dpdk::allowed_cpus().size();
  return physical && spare_cpu ? IdlePolicy::kSpin : IdlePolicy::kSleep;
}

Done Engine::Impl::launch() {
  const std::size_t count = std::min(cpus.size(), places.size());
  for (std::size_t i = 0; i < count; ++i) pollers.emplace_back(cpus[i], idle(), *clock);
  for (std::size_t i = 0; i < places.size(); ++i) {
    pollers[i % count].add([this, i]() -> Polled& { return build(places[i]); });
  }
  // A port core reaches into its workers' rings only, so the order does not matter.
  for (Poller& poller : pollers) {
    if (auto ok = poller.start(); !ok) {
      for (Poller& started : pollers) started.stop();
      return ok;
    }
  }
  for (std::size_t i = 0; i < places.size(); ++i) polled.push_back(pollers[i % count].polled()[i / count]);
  running = true;
  return {};
}

Polled& Engine::Impl::build(const Place& place) {
  Team& team = *place.team;
  if (!place.port_core) return team.group->build(seat(place));
  std::vector<dpdk::Lane> lanes;
  for (unsigned w = 0; w < team.options().workers; ++w) {
    lanes.push_back({team.to_stack[w].get(), team.from_stack[w].get()});
  }
  team.port_core = std::make_unique<PortPolled>(dpdk::QueueWire{team.port->id(), 0, 0}, std::move(lanes), *team.map);
  return *team.port_core;
}

Seat Engine::Impl::seat(const Place& place) {
  Team& team = *place.team;
  const GroupOptions& group = team.options();
  const DeviceFeatures& features = team.port->features();
  const unsigned w = place.worker;
  Seat seat;
  seat.group = group.port;
  seat.worker = w;
  seat.cpu = place.cpu;
  seat.start = dpdk::TscClock{*clock}.now();
  seat.port = team.port;
  seat.shape = team.shape();
  seat.queue = seat.shape == Shape::kSteered ? static_cast<std::uint16_t>(w) : std::uint16_t{0};
  seat.map = team.map.get();
  for (const auto& inbox : team.inboxes) seat.inboxes.push_back(inbox.get());
  seat.from_port = group.pipeline ? team.to_stack[w].get() : nullptr;
  seat.to_port = group.pipeline ? team.from_stack[w].get() : nullptr;
  seat.capture = team.capture.get();
  seat.impair = group.impair;
  if (seat.impair) seat.impair->seed += w;

  seat.shard = group.shard;
  seat.shard.mac = MacAddress::load(features.mac.data());
  seat.shard.mtu = features.mtu;
  seat.shard.checksums = checksum_mode(features.rx_checksum);
  seat.shard.ownership = team.map->ownership(w);
  seat.shard.keys = team.keys;
  seat.shard.keys.random_seed = team.keys.random_seed + w;
  seat.shard.answers_arp = w == 0;
  return seat;
}

template <class F>
bool Engine::Impl::wait(Duration limit, const std::atomic<bool>& hurry, F&& done) {
  constexpr auto kLook = std::chrono::milliseconds{1};
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!done()) {
    if (hurry.load() || std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(kLook);
  }
  return true;
}

// Resets and last ACKs: what the wire does not take in that time stays here.
void Engine::Impl::send_out_the_last(const std::atomic<bool>& hurry) {
  constexpr Duration kLimit = 200ms;
  wait(kLimit, hurry,
       [&] { return std::all_of(polled.begin(), polled.end(), [](Polled* p) { return p->remaining().frames == 0; }); });
}

bool Engine::stop(Duration drain) {
  if (!impl_->running) return impl_->drained;
  if (impl_->stopping.exchange(true)) {
    hurry();
    return false;
  }
  for (Polled* polled : impl_->polled) polled->begin_drain();
  impl_->drained = impl_->wait(drain, hurry_, [&] {
    return std::all_of(impl_->polled.begin(), impl_->polled.end(),
                       [](Polled* p) { return p->remaining().connections == 0; });
  });
  if (!impl_->drained) {
    for (Polled* polled : impl_->polled) polled->abort_all();
  }
  impl_->send_out_the_last(hurry_);
  for (Poller& poller : impl_->pollers) poller.stop();
  for (const Team& team : impl_->teams) {
    if (team.capture && !team.capture->flush()) impl_->broken_captures.push_back(*team.options().capture_file);
  }
  impl_->running = false;
  return impl_->drained;
}

EngineSnapshot Engine::snapshot() {
  EngineSnapshot all;
  all.at = now();
  for (std::size_t i = 0; i < impl_->polled.size(); ++i) {
    const Place& place = impl_->places[i];
    CoreSnapshot core = impl_->polled[i]->snapshot();
    core.group = place.team->options().port;
    core.worker = place.worker;
    core.cpu = place.cpu;
    all.cores.push_back(std::move(core));
  }
  for (const Team& team : impl_->teams) {
    if (team.port == nullptr) continue;
    all.ports.push_back({team.options().port, team.port->describe(), team.port->counters(), team.port->outstanding(),
                         team.port->pool_bytes()});
  }
  all.broken_captures = impl_->broken_captures;
  return all;
}

Instant Engine::now() { return impl_->clock ? impl_->clock->now() + impl_->ahead : Instant{}; }

void Engine::advance_clock(Duration by) {
  impl_->ahead += by;
  for (Poller& poller : impl_->pollers) poller.advance_clock(by);
}

std::string Engine::describe() const {
  std::string text = impl_->eal == nullptr ? "not started" : impl_->eal->describe();
  for (const Opened& o : impl_->opened) {
    for (const auto& port : o.ports) text += "\n" + port->describe();
  }
  return text;
}

const dpdk::Port* Engine::port_of(const GroupBase& group) const {
  for (const Team& team : impl_->teams) {
    if (team.group.get() == &group) return team.port;
  }
  return nullptr;
}

std::string Engine::interface(const GroupBase& group) const {
  const dpdk::Port* port = port_of(group);
  return port == nullptr ? std::string{} : port->interface();
}

MacAddress Engine::mac(const GroupBase& group) const {
  const dpdk::Port* port = port_of(group);
  return port == nullptr ? MacAddress{} : MacAddress::load(port->features().mac.data());
}

}  // namespace pollux::runtime
