// What settings of TCP cannot go together. Each is in range by itself; together one of them would do nothing, or be
// another than the user was told.

#include "base/assert.h"
#include "option_values.h"
#include "options.h"
#include "units.h"

namespace pollux::app {
namespace {

// The last setting of a key, and its value.
struct Given {
  const Setting* setting = nullptr;
  std::string_view value;

  explicit operator bool() const { return setting != nullptr; }
};
Given last_of(std::string_view key, const std::vector<Setting>& settings) {
  Given given;
  for (const Setting& setting : settings) {
    if (setting.option->name != "set") continue;
    const std::string_view text = std::string_view{setting.value}.substr(4);  // behind "tcp."
    const std::size_t equals = text.find('=');
    if (text.substr(0, equals) == key) given = {&setting, text.substr(equals + 1)};
  }
  return given;
}

// One of the two at least is there. Tells where; of both, if both are.
SetResult wrong(const Given& one, const Given& other, const std::string& why) {
  ASSERT(one || other);
  const std::string& place = (one ? one : other).setting->origin;
  const bool elsewhere = one && other && other.setting->origin != place;
  return unexpected(elsewhere ? fmt::format("{} and {}: {}", place, other.setting->origin, why)
                              : fmt::format("{}: {}", place, why));
}

class Conflicts {
 public:
  Conflicts(const std::vector<Setting>& file, const std::vector<Setting>& line) : file_{file}, line_{line} {}

  // The setting that holds: the command line's, else the file's.
  Given given(std::string_view key) const {
    const Given of_line = last_of(key, line_);
    return of_line ? of_line : last_of(key, file_);
  }
  bool on_line(std::string_view key) const { return static_cast<bool>(last_of(key, line_)); }

  // Of two keys one at least is given, for the defaults go together.
  SetResult wrong(std::string_view one, std::string_view other, const std::string& why) const {
    return pollux::app::wrong(given(one), given(other), why);
  }

  // `low` is above `high`, which may not be.
  SetResult wrong_order(std::string_view low, const std::string& low_value, std::string_view high,
                        const std::string& high_value) const {
    if (given(low) && !given(high)) {
      return wrong(low, high,
                   fmt::format("tcp.{0}: {1} is more than tcp.{2}, which is {3}; give tcp.{2}={1} too", low, low_value,
                               high, high_value));
    }
    std::string why = fmt::format("tcp.{}: {} is less than tcp.{}, which is {}", high, high_value, low, low_value);
    if (!given(low)) why += fmt::format("; give tcp.{}={} too", low, high_value);
    return wrong(high, low, why);
  }

 private:
  const std::vector<Setting>& file_;
  const std::vector<Setting>& line_;
};

constexpr std::uint32_t kUnscaled = 65535;  // RFC 9293, 3.1: the window field

// Two names of one thing.
SetResult check_time_wait(const std::vector<Setting>& settings) {
  const Given time_wait = last_of("time_wait", settings);
  const Given msl = last_of("msl", settings);
  if (!time_wait || !msl || *parse_duration(time_wait.value) == 2 * *parse_duration(msl.value)) return {};
  return wrong(
      time_wait, msl,
      fmt::format("tcp.time_wait={} is not twice tcp.msl={}; leave out one of the two", time_wait.value, msl.value));
}

// Marks on what none of ours sends or asks for.
SetResult marks_without_ecn(const Conflicts& conflicts, const std::vector<Setting>& file,
                            const std::vector<Setting>& line) {
  Given impair;
  for (const auto* settings : {&file, &line}) {
    for (const Setting& setting : *settings) {
      if (setting.option->name == "impair") impair.setting = &setting;
    }
  }
  const Given ecn = conflicts.given("ecn");
  return wrong(impair, ecn,
               ecn ? "mark: with tcp.ecn=off nothing comes that is ECN-capable; leave out one of the two"
                   : "mark: without ECN nothing comes that is ECN-capable; give --set tcp.ecn=on");
}

}  // namespace

SetResult check_tcp(const Options& o, const std::vector<Setting>& file, const std::vector<Setting>& line) {
  const Conflicts conflicts{file, line};
  const tcp::Config& c = o.shard.tcp;
  const tcp::Config defaults;
  if (auto ok = check_time_wait(line); !ok) return ok;
  const bool line_decides = conflicts.on_line("time_wait") || conflicts.on_line("msl");
  if (auto ok = check_time_wait(file); !ok && !line_decides) return ok;
  const bool line_wins = conflicts.on_line("congestion") && !conflicts.on_line("ecn");
  if (c.congestion == tcp::CongestionControl::kDctcp && !c.ecn && conflicts.given("ecn") && !line_wins) {
    return conflicts.wrong(
        "ecn", "congestion",
        "tcp.ecn=off: tcp.congestion=dctcp cannot do without ECN (RFC 8257); leave out one of the two");
  }
  if (c.receive_buffer_max != 0 && c.receive_buffer_max < c.receive_buffer) {
    return conflicts.wrong_order("rcvbuf", fmt::format("{}", c.receive_buffer), "rcvbuf_max",
                                 fmt::format("{}", c.receive_buffer_max));
  }
  if (c.receive_buffer_max != 0 && !c.window_scaling && c.receive_buffer >= kUnscaled) {
    return conflicts.wrong("rcvbuf_max", "window_scaling",
                           fmt::format("tcp.rcvbuf_max: with tcp.window_scaling=off no window is above {} bytes, and "
                                       "tcp.rcvbuf is {}; leave out one of the two",
                                       kUnscaled, c.receive_buffer));
  }
  if (c.rto_max < c.rto_min)
    return conflicts.wrong_order("rto_min", exact_duration(c.rto_min), "rto_max", exact_duration(c.rto_max));
  // What there is by default yields to the other.
  if (c.mss != 0 && c.mss < c.base_mss && c.base_mss != defaults.base_mss)
    return conflicts.wrong_order("base_mss", fmt::format("{}", c.base_mss), "mss", fmt::format("{}", c.mss));
  if (o.impairment.mark > 0 && !o.ecn()) return marks_without_ecn(conflicts, file, line);
  return {};
}

}  // namespace pollux::app
