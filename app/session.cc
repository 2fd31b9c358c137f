#include "session.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <iostream>

#include "dpdk/random.h"
#include "result_text.h"
#include "say.h"
#include "shard/connection_bytes.h"
#include "units.h"

namespace pollux::app {
namespace {

using Clock = std::chrono::steady_clock;
constexpr Duration kSecond = 1s;

std::uint64_t all_drops(const Session::Tick& tick) {
  std::uint64_t sum = 0;
  for (const auto& [reason, count] : drops(tick.engine)) sum += count;
  return sum;
}

Sample sample_of(const Session::Tick& now, const Session::Tick& before, Duration at, Duration passed,
                 const std::string& group) {
  Sample s;
  s.at = at;
  const auto all = now.engine.total();
  const auto all_before = before.engine.total();
  const double completed = static_cast<double>(now.service.completed - before.service.completed);
  s.connections_per_second = completed / std::max(std::chrono::duration<double>(passed).count(), 1e-9);
  s.active = now.engine.total(group).connections;
  s.time_wait = all.time_wait;
  s.p50 = now.p50;
  s.p99 = now.p99;
  s.retransmits = all.tcp.retransmitted_segments - all_before.tcp.retransmitted_segments;
  s.errors = now.service.failed() - before.service.failed();
  s.drops = all_drops(now) - all_drops(before);
  s.asked_per_second = now.asked;
  for (std::size_t i = 0; i < now.engine.cores.size(); ++i) {
    s.busy.push_back(now.engine.cores[i].loop.since(before.engine.cores[i].loop).busy_fraction());
  }
  return s;
}

std::string cannot_write(const std::string& path) {
  return fmt::format("--json: cannot write `{}`: {}", path, std::strerror(errno));
}

}  // namespace

int fail(Exit code, const std::string& error) {
  say(stderr, "pollux: {}\n", error);
  return code;
}

// Its own, or that of the run, or any: 53 bits, which every reader of JSON keeps.
std::optional<std::uint64_t> Session::impairment_seed_of(const Options& options) {
  if (!options.impaired()) return std::nullopt;
  if (options.impairment_seed) return options.impairment_seed;
  return options.seed ? *options.seed : dpdk::random_seed() >> 11;
}

runtime::EngineOptions Session::engine_options() const {
  runtime::EngineOptions engine;
  engine.hugepages = options_.hugepages;
  engine.cores = options_.cores;
  engine.eal_arguments = options_.eal;
  engine.seed = options_.seed;  // else secrets that nobody knows
  engine.idle = options_.idle;
  engine.verbose = options_.verbose;
  return engine;
}

runtime::GroupOptions Session::group_options(const std::string& port) const {
  runtime::GroupOptions group;
  group.port = port;
  group.workers = options_.stack_cores();
  group.pipeline = options_.pipeline;
  group.shard = options_.shard;
  group.mtu = options_.shard.mtu;
  group.checksums = options_.checksum;
  if (!options_.capture.empty()) group.capture_file = options_.capture;
  if (options_.impaired()) {
    group.impair.emplace();
    group.impair->received = options_.impairment;
    group.impair->seed = *impairment_seed_;
  }
  return group;
}

bool Session::run(Signals& signals, Duration limit, const std::string& group, const std::function<Tick()>& read,
                  const std::function<bool(Result)>& look) {
  const auto start = Clock::now();
  auto last_time = start;
  Tick before = read();
  for (;;) {
    const Duration passed = Clock::now() - start;
    const Duration to_second = std::max<Duration>(last_time + kSecond - Clock::now(), 0ns);
    const Duration wait = limit.count() == 0 ? to_second : std::clamp<Duration>(limit - passed, 0ns, to_second);
    const Signals::Event event = signals.wait(wait);
    if (event == Signals::Event::kStop) break;
    const auto now = Clock::now();
    const bool over = limit.count() != 0 && now - start >= limit;
    if (event != Signals::Event::kShow && now - last_time < kSecond && !over) continue;
    Tick tick = read();
    if (event == Signals::Event::kShow) {
      say(stderr, "\n{}", summary(to_json(result(group, tick, now - start))));
      continue;
    }
    series_.push_back(sample_of(tick, before, now - start, now - last_time, group));
    show_status(series_.back(), tick);
    if (over || (look && !look(result(group, tick, now - start)))) break;
    before = std::move(tick);
    last_time = now;
  }
  if (isatty(STDERR_FILENO) != 0 && !options_.quiet && !series_.empty()) say(stderr, "\n");
  return signals.stops() == 0;
}

// Redrawn in place on a terminal; elsewhere a line each.
void Session::show_status(const Sample& s, const Tick& tick) const {
  if (options_.quiet) return;
  const bool terminal = isatty(STDERR_FILENO) != 0;
  const auto all = tick.engine.total();
  std::string cores;
  for (const double busy : s.busy) cores += fmt::format(" {:.0f}%", 100 * busy);
  const std::string asked = s.asked_per_second ? fmt::format(" of {}", show_count(*s.asked_per_second)) : std::string{};
  say(stderr,
      "{}{:>5.0f} s  {:>7}/s{}  open {:>6}  TIME-WAIT {:>7}  p50 {:>7}  p99 {:>7}  retransmits {}  errors {}  "
      "cores{}{}",
      terminal ? "\r\033[K" : "", std::chrono::duration<double>(s.at).count(), show_count(s.connections_per_second),
      asked, s.active, show_count(static_cast<double>(s.time_wait)), show_duration(s.p50), show_duration(s.p99),
      all.tcp.retransmitted_segments, tick.service.failed(), cores, terminal ? "" : "\n");
  std::fflush(stderr);
}

Result Session::result(const std::string& group, Tick last, Duration duration) const {
  Result r;
  r.command = name_;
  r.seed = options_.seed;
  r.started = started_;
  r.duration = duration;
  r.config = show_options(options_, command_);
  r.tcp_settings = options_.tcp_settings;
  r.impairment_seed = impairment_seed_;
  if (impairment_seed_) r.config["impair"]["seed"] = *impairment_seed_;
  r.service = last.service;
  r.group = group;
  r.open_at_end = last.engine.total(group).connections;
  r.engine = std::move(last.engine);
  r.series = series_;
  r.time_wait_entry = last.time_wait_entry;
  r.idle_connection = bytes_per_idle_connection(options_.shard.max_connections);
  return r;
}

// What is in the file already stays until there is a result.
Expected<void, std::string> Session::open_result() {
  if (options_.json.empty() || options_.json == "-") return {};
  const bool is_new = access(options_.json.c_str(), F_OK) != 0;
  result_file_.reset(std::fopen(options_.json.c_str(), "ae"));
  result_file_is_new_ = result_file_ && is_new;
  if (!result_file_) return unexpected(cannot_write(options_.json));
  return {};
}

Session::~Session() {
  if (result_file_is_new_) std::remove(options_.json.c_str());  // there was no result to put into it
}

Expected<void, std::string> Session::write(const Result& result) {
  const auto json = to_json(result);
  return write(json, summary(json));
}

Expected<void, std::string> Session::write(const nlohmann::ordered_json& json, const std::string& summary) {
  const bool to_stdout = options_.json == "-";
  if (!options_.quiet) say(to_stdout ? stderr : stdout, "{}", summary);
  if (to_stdout) {
    std::cout << json.dump(2) << std::endl;
    if (!std::cout) return unexpected(cannot_write("standard output"));
  } else if (result_file_) {
    std::FILE* const file = result_file_.get();
    result_file_is_new_ = false;
    if (ftruncate(fileno(file), 0) != 0 && errno != EINVAL) return unexpected(cannot_write(options_.json));  // a pipe
    const std::string text = json.dump(2) + '\n';
    if (std::fputs(text.c_str(), file) < 0 || std::fflush(file) != 0) return unexpected(cannot_write(options_.json));
  }
  std::fflush(stdout);
  return {};
}

}  // namespace pollux::app
