// What settings of TCP cannot go together. Each is in range by itself; together one of them would do nothing, or be
// another than the user was told.

#include "option_values.h"
#include "options.h"
#include "units.h"

namespace pollux::app {
namespace {

// "mss": the last setting of tcp.mss, and its value.
struct Given {
  const Setting* setting = nullptr;
  std::string_view value;

  explicit operator bool() const { return setting != nullptr; }
  SetResult wrong(const std::string& why) const { return unexpected(fmt::format("{}: {}", setting->origin, why)); }
};
Given last_of(std::string_view key, const std::vector<Setting>& settings) {
  Given given;
  for (const Setting& setting : settings) {
    if (setting.option->name != "set") continue;
    const std::string_view text{setting.value};
    const std::size_t equals = text.find('=');
    if (text.substr(0, equals) == key) given = {&setting, text.substr(equals + 1)};
  }
  return given;
}

}  // namespace

SetResult check_tcp_names(const std::vector<Setting>& settings) {
  const Given time_wait = last_of("tcp.time_wait", settings);
  const Given msl = last_of("tcp.msl", settings);
  if (!time_wait || !msl || *parse_duration(time_wait.value) == 2 * *parse_duration(msl.value)) return {};
  return msl.wrong(fmt::format("tcp.msl={} and tcp.time_wait={}, which is to be twice that; give one of the two",
                               msl.value, time_wait.value));
}

SetResult check_tcp(const Options& o, const std::vector<Setting>& file, const std::vector<Setting>& line) {
  const tcp::Config& c = o.shard.tcp;
  // The setting to blame for a pair: what the command line says, else the file.
  const auto blame = [&](std::string_view one, std::string_view other) {
    for (const auto* settings : {&line, &file}) {
      for (const std::string_view key : {one, other}) {
        if (const Given given = last_of(key, *settings)) return given;
      }
    }
    unreachable();  // the defaults go together
  };
  const Given ecn = last_of("tcp.ecn", line) ? last_of("tcp.ecn", line) : last_of("tcp.ecn", file);
  const bool ecn_yields = !last_of("tcp.ecn", line) && last_of("tcp.congestion", line);  // the command line wins
  if (c.congestion == tcp::CongestionControl::kDctcp && !c.ecn && ecn && !ecn_yields)
    return ecn.wrong("tcp.ecn=off: tcp.congestion=dctcp cannot do without ECN (RFC 8257); leave out one of the two");
  if (c.receive_buffer_max != 0 && c.receive_buffer_max < c.receive_buffer) {
    return blame("tcp.rcvbuf_max", "tcp.rcvbuf")
        .wrong(fmt::format("tcp.rcvbuf_max: {0} is less than tcp.rcvbuf, which is {1}; give tcp.rcvbuf={0} too",
                           c.receive_buffer_max, c.receive_buffer));
  }
  if (c.receive_buffer_max != 0 && !c.window_scaling) {
    return blame("tcp.rcvbuf_max", "tcp.window_scaling")
        .wrong("tcp.rcvbuf_max: with tcp.window_scaling=off no window grows; leave out one of the two");
  }
  if (c.rto_max < c.rto_min) {
    return blame("tcp.rto_max", "tcp.rto_min")
        .wrong(fmt::format("tcp.rto_max: {0} is less than tcp.rto_min, which is {1}; give tcp.rto_min={0} too",
                           exact_duration(c.rto_max), exact_duration(c.rto_min)));
  }
  // What there is by default yields to a smaller mss.
  if (c.mss != 0 && c.mss < c.base_mss && c.base_mss != tcp::Config{}.base_mss) {
    return blame("tcp.base_mss", "tcp.mss")
        .wrong(fmt::format("tcp.base_mss: {} is more than tcp.mss, which is {}; leave out tcp.base_mss", c.base_mss,
                           c.mss));
  }
  return {};
}

}  // namespace pollux::app
