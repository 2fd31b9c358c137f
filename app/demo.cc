#include "demo.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "dpdk/thread.h"
#include "http_content.h"
#include "http_server.h"
#include "judge.h"
#include "load/clients.h"
#include "load/load_options.h"
#include "say.h"
#include "servers.h"
#include "session.h"
#include "units.h"

namespace pollux::app {
namespace {

using runtime::Engine;

constexpr Duration kDuration = 5s;
constexpr Duration kDrain = 2s;
// A SYN that was lost twice comes again after three seconds, and there may be bad luck besides.
constexpr Duration kDrainImpaired = 15s;
constexpr const char* kPair = "memif-pair";

class Demo {
 public:
  Demo(const Options& options, Signals& signals)
      : options_{with_defaults(options)},
        signals_{signals},
        session_{options_, Command::kDemo, "demo"},
        content_{options_.body},
        server_name_{options_.port + ":0"},
        client_name_{options_.port + ":1"} {}

  ~Demo() { signals_.set_hurry({}); }
  Demo(const Demo&) = delete;
  Demo& operator=(const Demo&) = delete;

  int run() {
    if (auto ok = session_.open_result(); !ok) return fail(kUsage, ok.error());
    if (auto ok = configure(); !ok) return fail(kUsage, ok.error());
    if (auto ok = start(); !ok) return fail(kRunTimeError, ok.error());
    announce();
    const auto begin = std::chrono::steady_clock::now();
    const bool whole = session_.run(signals_, *options_.duration, client_name_, [this] { return read(); });
    const auto end = std::chrono::steady_clock::now() + drain_limit();
    stop_clients(end);
    const Duration duration = std::chrono::steady_clock::now() - begin;
    const Session::Tick last = read();
    const bool drained = engine_->stop(std::max<Duration>(end - std::chrono::steady_clock::now(), kDrain));
    Result result = finish(last, duration, drained);
    if (!whole) result.verdict.degrade("interrupted");
    if (auto ok = session_.write(result); !ok) return fail(kRunTimeError, ok.error());
    if (!whole) return kInterrupted;
    return result.verdict.state == Verdict::State::kInvalid ? kNotValid : kOk;
  }

 private:
  // A core for each side where there are as many (two with --pipeline): then nobody sleeps.
  static Options with_defaults(Options options) {
    if (options.port.empty()) options.port = kPair;
    if (!options.duration) options.duration = kDuration;
    if (options.cores.empty()) {
      options.cores = dpdk::allowed_cpus();
      const std::size_t wanted = options.pipeline ? 4 : 2;
      if (options.cores.size() > wanted) options.cores.resize(wanted);
    }
    const bool own_cores = options.cores.size() > 1 && options.cores[0] != options.cores[1];
    if (options.idle == runtime::IdlePolicy::kAuto && own_cores) options.idle = runtime::IdlePolicy::kSpin;
    return options;
  }

  runtime::GroupOptions side(const std::string& port, const char* address) const {
    runtime::GroupOptions group = session_.group_options(port);
    group.workers = 1;
    group.shard.addresses = {{*IpPrefix::parse(address), 1}};
    if (!options_.capture.empty() && port == client_name_) group.capture_file.reset();  // one side sees every frame
    return group;
  }

  // Nothing of it touches the machine: what is wrong here is the user's choice.
  Expected<void, std::string> configure() {
    auto engine = Engine::create(session_.engine_options());
    if (!engine) return unexpected(engine.error());
    engine_ = std::move(*engine);
    HttpServerConfig server_config;
    server_config.max_connections = options_.shard.max_connections;
    servers_ = http_servers(content_, server_config);
    if (auto ok = servers_->add_to(*engine_, side(server_name_, "198.18.0.2/24")); !ok) return ok;
    return clients_->add_to(*engine_, side(client_name_, "198.18.0.1/24"),
                            [config = config_of_clients()](unsigned) { return config; });
  }

  // Back to back: each opens a connection, asks, compares the whole answer, sees the connection closed, and begins
  // again.
  LoadConfig config_of_clients() const {
    LoadConfig config;
    config.exchange.targets = *parse_url("http://198.18.0.2/");
    config.exchange.verify = true;
    config.exchange.pattern = options_.body;
    config.exchange.server_closes = options_.close == CloseBy::kServer;
    config.closed = options_.clients;
    config.max_connections = options_.clients;
    config.timeout = 24h;  // what a bad wire delays is no failure
    config.close = options_.close == CloseBy::kServer ? Closer::kServer : Closer::kClient;
    config.on_exhaust = options_.shard.reuse_time_wait ? OnExhaust::kReuse : OnExhaust::kFail;
    config.sources = {*IpAddress::parse("198.18.0.1")};
    config.options = options_.connection;
    return config;
  }

  Expected<void, std::string> start() {
    if (auto ok = engine_->start(); !ok) return ok;
    signals_.set_hurry([this] { engine_->hurry(); });
    return begin();
  }

  Expected<void, std::string> begin() {
    ListenSpec spec;
    spec.port = 80;
    spec.options = options_.connection;
    spec.fast_open = options_.pending_fast_opens();
    if (auto ok = servers_->listen(spec); !ok) return ok;
    clients_->first([](ShardCore&, CoreClients& clients, Instant now) { clients.begin(now); });
    return {};
  }

  void announce() const {
    if (options_.quiet) return;
    if (options_.verbose) say(stderr, "{}\n", engine_->describe());
    for (const auto& note : engine_->notes()) say(stderr, "note: {}\n", note);
    say(stderr, "{} clients, each: connect, GET / of {} bytes, verify, {} closes; over {} for {}\n", options_.clients,
        options_.body, options_.close == CloseBy::kServer ? "server" : "client", options_.port,
        exact_duration(*options_.duration));
  }

  Duration drain_limit() const { return options_.impaired() ? kDrainImpaired : kDrain; }

  // No new connections; those that are open run to their end, which takes microseconds.
  void stop_clients(std::chrono::steady_clock::time_point end) {
    constexpr auto kSoon = std::chrono::milliseconds{500};
    clients_->first([](ShardCore&, CoreClients& clients, Instant now) { clients.stop(now); });
    bool told = options_.quiet;
    while (open() > 0 && signals_.stops() < 2 && std::chrono::steady_clock::now() < end) {
      if (!told && end - std::chrono::steady_clock::now() < drain_limit() - kSoon) {
        say(stderr, "{} connections are open still; waiting for their end for {} at most\n", open(),
            exact_duration(drain_limit()));
        told = true;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
  }
  std::uint64_t open() { return clients_->counts().open; }

  Session::Tick read() {
    Session::Tick tick;
    Latencies interval;
    tick.service = clients_->counts_with(interval).service;
    tick.time_wait_entry = servers_->time_wait_entry();
    tick.p50 = interval.service.quantile(0.5);
    tick.p99 = interval.service.quantile(0.99);
    latency_.merge(interval);
    tick.engine = engine_->snapshot();
    return tick;
  }

  Result finish(const Session::Tick& before, Duration duration, bool drained) {
    Session::Tick tick = read();
    tick.engine.take_gauges(before.engine);
    BothSides sides;
    sides.client = tick.service;
    sides.server = servers_->counters();
    sides.client_open = open();
    sides.drained = drained;
    sides.impaired = options_.impaired();
    Result result = session_.result(client_name_, before, duration);
    result.service = tick.service;
    result.verdict = judge(sides, tick.engine, client_name_, server_name_);
    result.open_at_end = sides.client_open;
    result.engine = std::move(tick.engine);
    result.latency = latency_.named();
    return result;
  }

  Options options_;
  Signals& signals_;
  Session session_;
  HttpContent content_;
  std::string server_name_;
  std::string client_name_;
  Latencies latency_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Servers> servers_;
  std::unique_ptr<Clients> clients_ = clients_of(Scheme::kHttp);
};

}  // namespace

int demo(const Options& options, Signals& signals) { return Demo{options, signals}.run(); }

}  // namespace pollux::app
