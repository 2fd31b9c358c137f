#include "time_wait/churn.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "child.h"
#include "http_content.h"
#include "http_server.h"
#include "load/clients.h"
#include "say.h"
#include "servers.h"
#include "session.h"
#include "time_wait/both_ends.h"
#include "time_wait/churn_result.h"
#include "time_wait/time_wait.h"
#include "units.h"

namespace pollux::app {
namespace {

using Json = nlohmann::ordered_json;
using runtime::Engine;
using Wall = std::chrono::steady_clock;

constexpr std::uint64_t kBody = 64;  // bytes of each answer
constexpr std::uint16_t kFirstServerPort = 80;
constexpr Duration kSampleEvery = 10ms;
constexpr Duration kUnlimited = 5s;  // how long a mode runs that never lacks ports

// One engine, one scenario.
class Churn {
 public:
  Churn(const Options& options, const Scenario& scenario, Duration duration)
      : options_{with_both_ends(options)},
        scenario_{scenario},
        duration_{duration},
        session_{options_, Command::kTimeWaitChurn, "timewait churn"},
        content_{kBody},
        server_name_{options_.port + ":0"},
        client_name_{options_.port + ":1"} {}

  Expected<Json, std::string> run() {
    if (auto ok = configure(); !ok) return unexpected(ok.error());
    if (auto ok = engine_->start(); !ok) return unexpected(ok.error());
    if (auto ok = listen(); !ok) return unexpected(ok.error());
    const auto begin = Wall::now();
    clients_->first([](ShardCore&, CoreClients& clients, Instant now) { clients.begin(now); });
    bool stopped = false;
    while (!stopped && Wall::now() - begin < duration_) {
      stopped = signals_.wait(kSampleEvery) == Signals::Event::kStop;
      sample(Wall::now() - begin);
    }
    result_.duration = Wall::now() - begin;
    clients_->first([](ShardCore&, CoreClients& clients, Instant now) { clients.stop(now); });
    // Those that are open run to their end, which takes microseconds.
    const auto end = Wall::now() + kBothEndsDrain;
    while (clients_->counts().open > 0 && Wall::now() < end && signals_.wait(1ms) != Signals::Event::kStop) {
    }
    Session::Tick last;
    last.service = clients_->counts().service;
    last.engine = engine_->snapshot();
    last.time_wait_entry = servers_->time_wait_entry();
    engine_->stop(kBothEndsDrain);
    return finish(std::move(last));
  }

 private:
  runtime::GroupOptions side(const std::string& port) const {
    runtime::GroupOptions group = session_.group_options(port);
    group.workers = 1;
    ShardConfig& shard = group.shard;
    shard.tcp.msl = scenario_.two_msl / 2;
    shard.max_connections = std::max(4 * options_.clients, 16'384u);
    shard.send_blocks = 1024;
    shard.held_segments = 4096;
    shard.max_time_wait_v4 = static_cast<std::uint32_t>(std::max<std::uint64_t>(2 * scenario_.tuples(), 16'384));
    shard.max_time_wait_v6 = 1;
    shard.reuse_time_wait = scenario_.mode == TimeWaitMode::kTimestamps;
    return group;
  }

  LoadConfig load_config() const {
    LoadConfig config;
    const IpAddress server = IpPrefix::parse(kServerAddress)->address;
    for (std::uint64_t d = 0; d < scenario_.destinations; ++d) {
      Target target;
      target.address = server;
      target.port = static_cast<std::uint16_t>(kFirstServerPort + d);
      target.path = "/";
      target.authority = to_string(server);
      config.exchange.targets.push_back(target);
    }
    config.exchange.server_closes = scenario_.mode == TimeWaitMode::kServerCloses;
    config.close = scenario_.mode == TimeWaitMode::kRst            ? Closer::kReset
                   : scenario_.mode == TimeWaitMode::kServerCloses ? Closer::kServer
                                                                   : Closer::kClient;
    config.on_exhaust = scenario_.mode == TimeWaitMode::kTimestamps ? OnExhaust::kReuse : options_.load.on_exhaust;
    const IpAddress first = IpPrefix::parse(kSources)->address;
    for (std::uint64_t a = 0; a < scenario_.addresses; ++a) config.sources.push_back(first.plus(a));
    config.max_connections = std::max(4 * options_.clients, 16'384u);
    config.options = options_.connection;
    if (scenario_.rate > 0) {
      const Stage all{scenario_.rate, scenario_.rate, duration_ + 1s, Arrivals::kConstant};
      config.schedule = Schedule{{all}, options_.seed.value_or(1)};
    } else {
      config.closed = options_.clients;
    }
    return config;
  }

  Expected<void, std::string> configure() {
    auto engine = Engine::create(session_.engine_options());
    if (!engine) return unexpected(engine.error());
    engine_ = std::move(*engine);
    runtime::GroupOptions server = side(server_name_);
    server.shard.addresses = {{*IpPrefix::parse(kServerAddress), 1}};
    server.shard.gateways = {IpPrefix::parse(kClientAddress)->address};  // the sources lie behind it
    HttpServerConfig http;
    http.max_connections = server.shard.max_connections;
    servers_ = http_servers(content_, http);
    if (auto ok = servers_->add_to(*engine_, server); !ok) return ok;

    runtime::GroupOptions client = side(client_name_);
    client.capture_file.reset();  // one side sees every frame
    client.shard.addresses = {{*IpPrefix::parse(kClientAddress), 1},
                              {*IpPrefix::parse(kSources), static_cast<std::uint32_t>(scenario_.addresses)}};
    client.shard.max_destinations = static_cast<std::uint32_t>(scenario_.addresses * scenario_.destinations);
    return clients_->add_to(*engine_, client, [config = load_config()](unsigned) { return config; });
  }

  Expected<void, std::string> listen() {
    for (std::uint64_t d = 0; d < scenario_.destinations; ++d) {
      ListenSpec spec;
      spec.port = static_cast<std::uint16_t>(kFirstServerPort + d);
      spec.options = options_.connection;
      if (auto ok = servers_->listen(spec); !ok) return ok;
    }
    return {};
  }

  void sample(Duration at) {
    const LoadCounts now = clients_->counts();
    const ServiceCounters& service = now.service;
    const std::uint64_t waiting = engine_->snapshot().total().time_wait;
    result_.samples.push_back({at, service.completed, service.port_exhausted, waiting});
    result_.peak_time_wait = std::max(result_.peak_time_wait, waiting);
    if (result_.exhausted_after || (service.port_exhausted == 0 && now.waits_for_port == 0)) return;
    // Of a schedule one knows when those refused since the last look were due.
    const double since = scenario_.rate > 0 ? static_cast<double>(service.port_exhausted) / scenario_.rate : 0;
    result_.exhausted_after = at - Duration{static_cast<Duration::rep>(since * 1e9)};
    result_.first_failure = now.waits_for_port > 0
                                ? std::string{"none: connections wait for a port (--on-exhaust wait)"}
                                : fmt::format("connect: {}", describe(ConnectError::kAddressNotAvailable));
  }

  Json finish(Session::Tick last) {
    const ServiceCounters& s = last.service;
    const auto total = last.engine.total();
    result_.who = "Pollux, " + std::string{name(scenario_.mode)};
    if (scenario_.mode == TimeWaitMode::kAddresses) result_.who += fmt::format("={}", scenario_.addresses);
    result_.who += fmt::format(", 2MSL {}", exact_duration(scenario_.two_msl));
    result_.scenario = scenario_;
    result_.attempted = s.attempted;
    result_.completed = s.completed;
    for (const auto& [cause, count] : {std::pair{"port_exhausted", s.port_exhausted},
                                       {"no_resources", s.no_resources},
                                       {"refused", s.refused},
                                       {"reset", s.reset},
                                       {"timeout", s.timed_out},
                                       {"unreachable", s.unreachable},
                                       {"protocol", s.protocol}}) {
      if (count > 0) result_.refusals.emplace_back(cause, count);
    }
    result_.bytes_per_entry = last.time_wait_entry;
    result_.cpu_seconds = std::chrono::duration<double>(total.loop.busy).count();
    Json json = to_json(result_);
    json["endpoint"] = to_json(session_.result(client_name_, std::move(last), result_.duration));
    return json;
  }

  Options options_;
  Scenario scenario_;
  Duration duration_;
  Signals signals_;  // of this process
  Session session_;
  HttpContent content_;
  std::string server_name_;
  std::string client_name_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Servers> servers_;
  std::unique_ptr<Clients> clients_ = clients_of(Scheme::kHttp);
  ChurnResult result_;
};

}  // namespace

Duration churn_time(const Scenario& scenario) {
  const Prediction p = predict(scenario);
  const bool limited = p.held && (scenario.rate == 0 || p.exhausted_after);
  return limited ? *p.held * 5 / 2 + p.exhausted_after.value_or(1s) : kUnlimited;
}

std::optional<std::string> too_large(const Scenario& scenario) {
  constexpr std::uint64_t kMostTuples = 500'000'000;  // a table of 32-bit positions holds twice as many
  constexpr std::uint64_t kMostDestinations = 65'536;
  if (scenario.tuples() > kMostTuples)
    return fmt::format("{} addresses x {} ports x {} destinations are more than 500,000,000 tuples; take fewer",
                       scenario.addresses, scenario.ports, scenario.destinations);
  if (scenario.addresses * scenario.destinations > kMostDestinations)
    return fmt::format(
        "{} addresses x {} destinations are more than 65,536 pairs, each of which has its ports; take fewer",
        scenario.addresses, scenario.destinations);
  return std::nullopt;
}

Expected<Json, std::string> churn(const Options& options, const Scenario& scenario, Duration duration) {
  return Churn{options, scenario, duration}.run();
}

int time_wait_churn(const Options& options, Signals& signals) {
  Session session{options, Command::kTimeWaitChurn, "timewait churn"};
  if (auto ok = session.open_result(); !ok) return fail(kUsage, ok.error());
  if (options.load.on_exhaust == OnExhaust::kReuse)
    return fail(kUsage, "--on-exhaust reuse is what `--mode timestamps` measures; here it is fail or wait");
  const auto begin = Wall::now();
  std::vector<TimeWaitMode> modes = options.time_wait.modes;
  if (modes.empty()) modes.assign(kTimeWaitModes.begin(), kTimeWaitModes.end());
  Result result = session.result({}, {}, {});
  Json runs = Json::array();
  for (const TimeWaitMode mode : modes) {
    if (signals.stops() > 0) break;
    const Scenario scenario = in_mode(scenario_of(options), mode, options.time_wait.alternatives);
    if (const auto why = too_large(scenario)) return fail(kUsage, *why);
    const Duration duration = options.duration.value_or(churn_time(scenario));
    if (!options.quiet) say(stderr, "{} for {}\n", name(mode), show_duration(duration));
    Child child{[&] { return churn(options, scenario, duration); }};
    while (!child.ended() && signals.wait(kSampleEvery) != Signals::Event::kStop) {
    }
    if (!child.ended()) child.stop();  // it has a result of what there was
    auto answer = child.wait();
    if (!answer) return fail(kRunTimeError, answer.error());
    judge(result.verdict, *answer);
    result.service.attempted += (*answer)["attempted"].get<std::uint64_t>();
    result.service.completed += (*answer)["completed"].get<std::uint64_t>();
    runs.push_back(std::move(*answer));
  }
  if (signals.stops() > 0) result.verdict.degrade("interrupted");
  result.duration = Wall::now() - begin;
  const std::string text = "pollux timewait churn\n" + churn_table(runs) + verdict_text(result.verdict);
  result.findings = lines_of(churn_table(runs));
  result.sections["churn"] = std::move(runs);
  if (auto ok = session.write(to_json(result), text); !ok) return fail(kRunTimeError, ok.error());
  return signals.stops() > 0 ? kInterrupted : kOk;
}

}  // namespace pollux::app
