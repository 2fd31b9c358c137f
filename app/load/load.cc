#include "load/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "dpdk/eal.h"
#include "http_content.h"
#include "http_server.h"
#include "load/clients.h"
#include "load/judge_load.h"
#include "load/plan.h"
#include "load/set_up.h"
#include "load/thresholds.h"
#include "say.h"
#include "secret_file.h"
#include "serve_setup.h"
#include "servers.h"
#include "session.h"
#include "units.h"

namespace pollux::app {
namespace {

using Done = Expected<void, std::string>;
using SteadyClock = std::chrono::steady_clock;

constexpr Duration kDrain = 2s;
// A SYN that was lost twice comes again after three seconds, and there may be bad luck besides.
constexpr Duration kDrainImpaired = 15s;
constexpr Duration kLook = 2ms;
// All cores have heard of the start before it comes.
constexpr Duration kLead = 2ms;

class Load {
 public:
  Load(const Options& options, Signals& signals)
      : options_{options},
        signals_{signals},
        session_{options_, Command::kLoad, "load"},
        group_name_{options.load.with_server ? options.port + ":1" : options.port},
        clients_{clients_of(scheme())} {}

  ~Load() { signals_.set_hurry({}); }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  int run() {
    if (options_.load.dry_run) return show_plan();
    if (auto ok = session_.open_result(); !ok) return fail(kUsage, ok.error());
    if (auto ok = configure(); !ok) return fail(kUsage, ok.error());
    plan_ = plan_text();  // before we have taken the huge pages ourselves
    if (auto ok = start(); !ok) return fail(kRunTimeError, ok.error());
    announce();
    if (!targets_answer()) return finish_unanswered();
    if (!fill()) return finish(Ending::kInterrupted, engine_->snapshot(), Duration{0});
    return measure();
  }

 private:
  enum class Ending { kWhole, kInterrupted, kAborted };

  // ---- the engine ----

  // Empty: the server is elsewhere.
  std::string server_name() const { return options_.load.with_server ? options_.port + ":0" : std::string{}; }

  Done configure() {
    runtime::EngineOptions engine_options = session_.engine_options();
    if (auto ok = keep_secret(engine_options); !ok) return ok;
    auto engine = runtime::Engine::create(engine_options);
    if (!engine) return unexpected(engine.error());
    engine_ = std::move(*engine);
    if (options_.load.with_server) {
      const Options server = options_of_server(options_);
      runtime::GroupOptions group = session_.group_options(server_name());
      group.shard = server.shard;
      group.workers = options_.workers;
      group.capture_file.reset();  // one side sees every frame
      servers_ = make_servers();
      if (auto ok = servers_->add_to(*engine_, group); !ok) return ok;
    }
    runtime::GroupOptions group = session_.group_options(group_name_);
    group.workers = options_.workers;
    return clients_->add_to(*engine_, group, [this](unsigned worker) { return config_of(options_, worker); });
  }
  Scheme scheme() const { return options_.load.targets.front().scheme; }
  std::unique_ptr<Servers> make_servers() {
    switch (scheme()) {
      case Scheme::kHttp: {
        HttpServerConfig config;
        config.max_connections = options_.shard.max_connections;
        config.header_timeout = config.idle_timeout = 24h;  // held connections ask for nothing
        return http_servers(content_.emplace(options_.body), config);
      }
      case Scheme::kEcho:
        return echo_servers();
      case Scheme::kDiscard:
        return discard_servers();
      case Scheme::kChargen:
        return chargen_servers();
    }
    unreachable();
  }

  int show_plan() {
    if (auto ok = configure(); !ok) return fail(kUsage, ok.error());
    say(stdout, "{}", plan_text());
    return kOk;
  }
  std::string plan_text() const {
    const PacketMemory packets{engine_->packet_memory_mb(true), engine_->packet_memory_mb(false), dpdk::free_huge_mb()};
    return to_text(plan_of(options_), options_) + to_text(packets, options_.hugepages);
  }

  // With both ends here, or with a seed, nothing is to be kept.
  Done keep_secret(runtime::EngineOptions& engine) const {
    if (options_.load.with_server || options_.load.dry_run || options_.seed) return {};
    const bool given = !options_.load.secret_file.empty();
    const auto path = given ? options_.load.secret_file : default_secret_file();
    const auto secret = kept_secret(path);
    if (secret) {
      engine.secret = *secret;
    } else if (given) {
      return unexpected("--secret-file: " + secret.error());
    } else if (!options_.quiet) {
      say(stderr,
          "note: {}\n  a target that still holds this run's connections in TIME-WAIT may doubt the next one's\n",
          secret.error());
    }
    return {};
  }

  Done start() {
    if (auto ok = engine_->start(); !ok) return ok;
    signals_.set_hurry([this] { engine_->hurry(); });
    if (!servers_) return {};
    std::set<std::uint16_t> ports;
    for (const Target& target : options_.load.targets) ports.insert(target.port);
    for (const std::uint16_t port : ports) {
      ListenSpec spec;
      spec.port = port;
      spec.options = options_.connection;
      spec.fast_open = options_.pending_fast_opens();
      if (auto ok = servers_->listen(spec); !ok) return ok;
    }
    return {};
  }

  void announce() const {
    if (options_.quiet) return;
    if (options_.verbose) say(stderr, "{}\n", engine_->describe());
    for (const auto& note : engine_->notes()) say(stderr, "note: {}\n", note);
    for (const auto& port : engine_->snapshot().ports) say(stderr, "{}\n", port.description);
    if (has_a_kernel_behind_it(options_)) say(stderr, "{}", kernel_side_hint(options_));
    say(stderr, "target      {}{}\n", to_string(options_.load.targets.front()),
        options_.load.targets.size() > 1 ? fmt::format(" and {} more", options_.load.targets.size() - 1) : "");
    say(stderr, "{}", plan_);
  }

  // ---- before the clock ----

  // One core asks for all.
  bool targets_answer() {
    if (options_.load.wait_target == Duration{0}) return true;
    clients_->first([](ShardCore&, CoreClients& clients, Instant) { clients.probe(); });
    const auto end = SteadyClock::now() + options_.load.wait_target;
    bool all = false;
    while (!all && SteadyClock::now() < end && signals_.wait(kLook) != Signals::Event::kStop) {
      clients_->first(
          [&](ShardCore&, CoreClients& clients, Instant) { all = clients.counts().targets_unanswered == 0; });
    }
    clients_->first([&](ShardCore& core, CoreClients& clients, Instant) {
      clients.end_probes();
      const auto targets = static_cast<std::uint16_t>(options_.load.targets.size());
      for (std::uint16_t t = 0; t < targets; ++t) {
        if (!clients.probes().answered(t)) unanswered_.push_back(why_unanswered(core, clients, t));
      }
    });
    return all;
  }
  std::string why_unanswered(const ShardCore& core, const CoreClients& clients, std::uint16_t t) const {
    const Target& target = options_.load.targets[t];
    const std::string what =
        fmt::format("target {} did not answer within {}", to_string(target), exact_duration(options_.load.wait_target));
    const std::string address = to_string(target.address);
    if (clients.probes().failure(t) == tcp::Reason::kRefused) {
      return fmt::format("{}: it refuses connections to port {}; is the server running (ss -ltn)?", what, target.port);
    }
    if (clients.refusal()) return fmt::format("{}: {}", what, describe(*clients.refusal()));
    if (core.waits_for_neighbour() || core.counters().unreachable_neighbour > 0) {
      return fmt::format("{}: nobody on the link says that {} is his; is it up (ip addr, ping {})?", what, address,
                         address);
    }
    return fmt::format(
        "{}: it is silent; does a firewall drop what we send (nft list ruleset), is there a way back to {}?", what,
        to_string(source_addresses(options_).front()));
  }

  // False: interrupted.
  bool fill() {
    if (options_.load.connections == 0) return true;
    clients_->each([](ShardCore&, CoreClients& clients, Instant) { clients.fill(); });
    const auto begin = SteadyClock::now();
    for (bool filled = false; !filled;) {
      if (signals_.wait(kLook) == Signals::Event::kStop) return false;
      filled = true;
      clients_->each([&](ShardCore&, CoreClients& clients, Instant) { filled = filled && clients.filled(); });
    }
    const Duration took = SteadyClock::now() - begin;
    if (!options_.quiet) {
      say(stderr, "held        {} connections, opened in {}\n", with_commas(clients_->counts().held),
          show_duration(took));
    }
    return true;
  }

  // ---- the run ----

  int measure() {
    const runtime::EngineSnapshot before = engine_->snapshot();
    const Instant start = engine_->now() + kLead;
    const auto steady_start = SteadyClock::now() + kLead;
    start_ = start;
    clients_->each([&](ShardCore&, CoreClients& clients, Instant) { clients.begin(start); });
    const auto look = [&](const Result& so_far) { return keeps_going(so_far); };
    signals_.wait(kLead);  // the run's clock and the schedule's start together
    const bool whole = session_.run(
        signals_, *options_.duration, group_name_, [this] { return read(); },
        options_.load.abort_if.empty() ? std::function<bool(Result)>{} : look);
    const auto ours = static_cast<double>((engine_->now() - start).count());
    const auto kernels = static_cast<double>(Duration{SteadyClock::now() - steady_start}.count());
    clock_error_ = std::abs(ours / std::max(kernels, 1.0) - 1);
    const Duration duration = std::min<Duration>(SteadyClock::now() - steady_start, *options_.duration);
    clients_->each([&](ShardCore&, CoreClients& clients, Instant) { clients.stop(start + duration); });
    return finish(aborted_ ? Ending::kAborted : whole ? Ending::kWhole : Ending::kInterrupted, before, duration);
  }
  bool keeps_going(Result so_far) {
    so_far.latency = latencies_.named();
    so_far.pace = pace(counts_, so_far.duration);
    for (const Threshold& threshold : outcomes(options_.load.abort_if, so_far)) aborted_ = aborted_ || !threshold.pass;
    return !aborted_;
  }

  Session::Tick read() {
    Session::Tick tick;
    Latencies interval;
    counts_ = clients_->counts_with(interval);
    if (engine_->now() - start_ >= options_.load.warmup) latencies_.merge(interval);
    tick.service = counts_.service;
    tick.p50 = interval.response.quantile(0.5);
    tick.p99 = interval.response.quantile(0.99);
    if (options_.load.closed == 0) tick.asked = schedule_.rate(engine_->now() - start_ - 500ms);
    tick.time_wait_entry = clients_->time_wait_entry();
    tick.engine = engine_->snapshot();
    return tick;
  }

  // What is under way runs to its end; what is held stays.
  bool drain(SteadyClock::time_point end) {
    for (LoadCounts now = clients_->counts(); now.open > now.held; now = clients_->counts()) {
      if (SteadyClock::now() >= end || signals_.stops() > 1) return false;
      // No core tells that its last connection has ended, and after a ^C the signals have nothing to wait for.
      std::this_thread::sleep_for(kLook);
    }
    return true;
  }

  std::optional<Pace> pace(const LoadCounts& c, Duration duration) const {
    if (options_.load.closed > 0) return std::nullopt;
    return Pace{schedule_.expected(duration), c.begun, c.missed, c.waits_for_port};
  }

  // ---- after it ----

  int finish(Ending ending, const runtime::EngineSnapshot& before, Duration duration) {
    const runtime::EngineSnapshot after = engine_->snapshot();
    const bool answered = unanswered_.empty();  // else there is nothing to wait for
    const auto drained_by = SteadyClock::now() + (options_.impaired() && answered ? kDrainImpaired : kDrain);
    drain(drained_by);
    Session::Tick last = read();
    engine_->stop(std::max<Duration>(drained_by - SteadyClock::now(), kDrain));
    runtime::EngineSnapshot end = engine_->snapshot();
    end.take_gauges(last.engine);
    Result result = session_.result(group_name_, last, duration);
    result.open_at_end = counts_.open;
    result.opening_at_end = counts_.opening;
    if (unanswered_.empty()) result.pace = pace(counts_, duration);  // else the clock never started
    result.latency = latencies_.named();
    result.verdict = judge_load(
        {counts_, latencies_, before, after, end, group_name_, server_name(), clock_error_, unanswered_}, options_);
    result.engine = std::move(end);
    if (ending == Ending::kInterrupted) result.verdict.degrade("interrupted");
    for (const auto* conditions : {&options_.load.fail_if, &options_.load.abort_if}) {
      for (Threshold& one : outcomes(*conditions, result)) result.thresholds.push_back(std::move(one));
    }
    if (auto ok = session_.write(result); !ok) return fail(kRunTimeError, ok.error());
    if (ending == Ending::kInterrupted) return kInterrupted;
    if (result.verdict.state == Verdict::State::kInvalid) return kNotValid;
    const bool held =
        std::all_of(result.thresholds.begin(), result.thresholds.end(), [](const auto& t) { return t.pass; });
    return held && ending == Ending::kWhole ? kOk : kThresholdFailed;
  }
  int finish_unanswered() {
    for (const std::string& why : unanswered_) say(stderr, "pollux: {}\n", why);
    const bool stopped = signals_.stops() > 0;
    return finish(stopped ? Ending::kInterrupted : Ending::kWhole, engine_->snapshot(), options_.load.wait_target);
  }

  const Options& options_;
  Signals& signals_;
  Session session_;
  std::optional<HttpContent> content_;  // of the server
  std::string group_name_;
  std::string plan_;
  Schedule schedule_ = schedule_of(options_);  // for what all cores are to do together
  Instant start_{};
  LoadCounts counts_;  // as last read
  Latencies latencies_;
  std::vector<std::string> unanswered_;
  double clock_error_ = 0;
  bool aborted_ = false;
  std::unique_ptr<runtime::Engine> engine_;
  std::unique_ptr<Servers> servers_;
  std::unique_ptr<Clients> clients_;
};

}  // namespace

int load(const Options& given, Signals& signals) {
  for (const auto& [conditions, option] :
       {std::pair{&given.load.fail_if, "--fail-if"}, std::pair{&given.load.abort_if, "--abort-if"}}) {
    if (auto ok = check_metrics(*conditions, option); !ok) return fail(kUsage, ok.error());
  }
  const auto options = resolved_for_load(given);
  if (!options) return fail(kUsage, options.error());
  return Load{*options, signals}.run();
}

}  // namespace pollux::app
