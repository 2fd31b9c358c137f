#include "time_wait/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "child.h"
#include "memory_figures.h"
#include "say.h"
#include "session.h"
#include "time_wait/churn.h"
#include "time_wait/churn_result.h"
#include "time_wait/kernel_churn.h"
#include "time_wait/time_wait.h"
#include "units.h"

namespace pollux::app {
namespace {

using Json = nlohmann::ordered_json;
using Wall = std::chrono::steady_clock;

constexpr double kRate = 2000;
constexpr Duration kKernelTwoMsl = 60s;  // TCP_TIMEWAIT_LEN
constexpr std::uint16_t kWideFirst = 1024;
constexpr std::uint16_t kWideLast = 65535;
constexpr Duration kLookAtSlabsEvery = 1s;
constexpr Duration kSlack = 2s;  // the kernel's timers of a minute are up to two seconds late

struct Range {
  std::uint16_t first;
  std::uint16_t last;
  std::uint64_t size() const { return std::uint64_t{last} - first + 1; }
};

class Compare {
 public:
  Compare(const Options& options, Signals& signals)
      : options_{options},
        signals_{signals},
        base_{scenario_of(options)},
        given_{options.shard.first_port, options.shard.last_port} {
    if (base_.rate == 0) base_.rate = kRate;
    const Range wide{kWideFirst, kWideLast};
    ranges_ = {given_};
    if (given_.size() < wide.size()) ranges_.push_back(wide);
    // Every tuple of the largest range is used up, and comes again.
    const auto run_out =
        Duration{static_cast<Duration::rep>(static_cast<double>(ranges_.back().size()) / base_.rate * 1e9)};
    duration_ = options.duration.value_or(std::max(2 * kKernelTwoMsl, kKernelTwoMsl + run_out) + kSlack);
  }

  int run() {
    if (base_.destinations != 1) return fail(kUsage, "--destinations: compare knows one; give --addresses instead");
    if (base_.two_msl != kKernelTwoMsl)
      return fail(kUsage, "--set tcp.time_wait: the kernel's is 60s and cannot be chosen; leave it out");
    const Scenario largest = in_mode(base_, TimeWaitMode::kAddresses, options_.time_wait.alternatives);
    if (const auto why = too_large(largest)) return fail(kUsage, *why);
    Session session{options_, Command::kTimeWaitCompare, "timewait compare"};
    if (auto ok = session.open_result(); !ok) return fail(kUsage, ok.error());
    const auto begin = Wall::now();
    const auto slab_before = slab_bytes();
    start_those_that_know_their_ports();
    if (auto ok = run_side_by_side("1 of 2"); !ok) return fail(kRunTimeError, ok.error());
    const Json memory = kernel_memory(slab_before);
    if (signals_.stops() == 0) {
      start_those_that_ask_for_ports();
      if (auto ok = run_side_by_side("2 of 2"); !ok) return fail(kRunTimeError, ok.error());
    }
    Result result = session.result({}, {}, Wall::now() - begin);
    for (const Json& run : runs_) judge(result.verdict, run);
    if (signals_.stops() > 0) result.verdict.degrade("interrupted");
    result.sections["kernel_memory"] = memory;
    result.sections["compare"] = runs_;
    result.findings = lines_of(churn_table(runs_) + memory_text(memory));
    const std::string text =
        "pollux timewait compare\n" + churn_table(runs_) + memory_text(memory) + verdict_text(result.verdict);
    if (auto ok = session.write(to_json(result), text); !ok) return fail(kRunTimeError, ok.error());
    return signals_.stops() > 0 ? kInterrupted : kOk;
  }

 private:
  void start_those_that_know_their_ports() {
    for (const Range& range : ranges_) start_kernel(range, {.own_ports = true, .timestamps = false});
    start_kernel(given_, {.own_ports = true});
    for (const Range& range : ranges_) start_pollux(range, TimeWaitMode::kPlain);
    start_pollux(given_, TimeWaitMode::kTimestamps);
    start_pollux(given_, TimeWaitMode::kAddresses);
  }
  // Looking for a free port takes the kernel all of a core: nobody else is measured beside it.
  void start_those_that_ask_for_ports() {
    for (const Range& range : ranges_) start_kernel(range, {.own_ports = false});
    start_kernel(given_, {.own_ports = false, .reuse = true});
  }

  // Waits for what was started, and looks at the slabs meanwhile.
  Expected<void, std::string> run_side_by_side(const char* which) {
    if (!options_.quiet)
      say(stderr, "{}: {} runs side by side, {}/s each, for {}\n", which, children_.size(), show_count(base_.rate),
          exact_duration(duration_));
    slabs_.clear();
    const auto begin = Wall::now();
    const auto none_ended = [this] {
      return std::none_of(children_.begin(), children_.end(), [](const Child& child) { return child.ended(); });
    };
    for (Duration at{0}; at < duration_ && signals_.stops() == 0 && none_ended(); at = Wall::now() - begin) {
      if (const auto bytes = slab_bytes()) slabs_.push_back({at, *bytes});
      signals_.wait(std::min<Duration>(kLookAtSlabsEvery, duration_ - at));
    }
    if (signals_.stops() > 0) stop_all();
    Expected<void, std::string> done;
    for (Child& child : children_) {
      auto answer = child.wait();
      if (answer) {
        runs_.push_back(std::move(*answer));
      } else if (done && signals_.stops() == 0) {
        done = unexpected(answer.error());
        stop_all();
      }
    }
    children_.clear();
    return done;
  }
  void stop_all() {
    for (Child& child : children_) child.stop();
  }

  void start_kernel(const Range& range, KernelChurn kernel) {
    kernel.first_port = range.first;
    kernel.last_port = range.last;
    kernel.addresses = static_cast<std::uint32_t>(base_.addresses);
    kernel.rate = base_.rate;
    kernel.duration = duration_;
    children_.emplace_back([kernel]() -> Expected<Json, std::string> {
      const auto result = pollux::app::run(kernel);
      if (!result) return unexpected(result.error());
      return to_json(*result);
    });
  }

  void start_pollux(const Range& range, TimeWaitMode mode) {
    Options options = options_;
    options.shard.first_port = range.first;
    options.shard.last_port = range.last;
    options.json.clear();
    Scenario scenario = in_mode(base_, mode, options_.time_wait.alternatives);
    scenario.ports = range.size();
    const std::string ports = fmt::format(", ports {}-{}", range.first, range.last);
    children_.emplace_back([options, scenario, ports, this]() -> Expected<Json, std::string> {
      auto answer = churn(options, scenario, duration_);
      if (answer) (*answer)["who"] = (*answer)["who"].get<std::string>() + ports;
      return answer;
    });
  }

  // How many sockets of the kernel are in TIME-WAIT then, in all runs so far.
  std::uint64_t waiting(Duration at) const {
    std::uint64_t all = 0;
    for (const Json& run : runs_) {
      if (!run["who"].get<std::string>().starts_with("Linux")) continue;
      std::uint64_t then = 0;
      for (const Json& second : run["series"]) {
        if (Duration{second["t_ns"].get<Duration::rep>()} <= at) then = second["time_wait"].get<std::uint64_t>();
      }
      all += then;
    }
    return all;
  }

  // What the kernel's slabs grew by while its connections went into TIME-WAIT, for each of them: sockets, and what
  // binds them to their ports. Whatever else this machine did meanwhile is in it.
  Json kernel_memory(std::optional<std::uint64_t> before) const {
    Json series = Json::array();
    std::uint64_t most = 0;
    std::uint64_t grown = 0;
    for (const Slabs& then : slabs_) {
      const std::uint64_t growth = before && then.bytes > *before ? then.bytes - *before : 0;
      const std::uint64_t sockets = waiting(then.at);
      series.push_back({{"t_ns", then.at.count()}, {"in_time_wait", sockets}, {"slab_growth_bytes", growth}});
      if (sockets < most) continue;
      most = sockets;
      grown = growth;
    }
    const bool known = grown > 0 && most > 0;
    return {
        {"in_time_wait", most},
        {"tw_sock_bytes", entry_bytes().kernel},
        {"tw_sock_measured_here", entry_bytes().kernel_measured_here},
        {"slab_growth_bytes", known ? Json(grown) : Json(nullptr)},
        {"slab_bytes_per_entry", known ? Json(static_cast<double>(grown) / static_cast<double>(most)) : Json(nullptr)},
        {"series", std::move(series)}};
  }
  static std::string memory_text(const Json& memory) {
    std::string text =
        fmt::format("Linux memory  {:.0f} B for each TIME-WAIT socket", memory["tw_sock_bytes"].get<double>());
    if (!memory["slab_bytes_per_entry"].is_null()) {
      text += fmt::format("; all slabs together grew by {:.0f} B for each of {}",
                          memory["slab_bytes_per_entry"].get<double>(),
                          with_commas(memory["in_time_wait"].get<std::uint64_t>()));
    }
    return text + "\n";
  }

  Options options_;
  Signals& signals_;
  Scenario base_;
  Range given_;
  std::vector<Range> ranges_;
  Duration duration_{0};
  std::vector<Child> children_;
  struct Slabs {
    Duration at;  // since the runs began
    std::uint64_t bytes;
  };
  std::vector<Slabs> slabs_;
  Json runs_ = Json::array();
};

}  // namespace

int time_wait_compare(const Options& options, Signals& signals) { return Compare{options, signals}.run(); }

}  // namespace pollux::app
