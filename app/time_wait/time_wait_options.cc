#include "time_wait/time_wait_options.h"

#include <algorithm>
#include <array>

#include "option_values.h"

namespace pollux::app {
namespace {

using Json = nlohmann::json;

constexpr auto kFill = static_cast<unsigned>(Command::kTimeWaitFill);
constexpr unsigned kScenarios = static_cast<unsigned>(Command::kTimeWaitModel) |
                                static_cast<unsigned>(Command::kTimeWaitChurn) |
                                static_cast<unsigned>(Command::kTimeWaitCompare);

// "plain,timestamps,addresses=16,server-closes,msl=1s,rst"
SetResult set_modes(Options& o, std::string_view text) {
  TimeWaitOptions& t = o.time_wait;
  t.modes.clear();
  std::vector<std::string_view> names;
  names.reserve(kTimeWaitModes.size());
  for (const TimeWaitMode mode : kTimeWaitModes) names.push_back(name(mode));
  for (const std::string_view part : split(text, ',')) {
    const std::size_t equals = part.find('=');
    const std::string_view word = part.substr(0, equals);
    const auto* const mode =
        std::find_if(kTimeWaitModes.begin(), kTimeWaitModes.end(), [&](TimeWaitMode m) { return name(m) == word; });
    if (mode == kTimeWaitModes.end())
      return unexpected(fmt::format("there is no mode `{}`{}", word, did_you_mean(word, names)));
    t.modes.push_back(*mode);
    if (equals == std::string_view::npos) continue;
    const std::string_view value = part.substr(equals + 1);
    SetResult ok = unexpected(fmt::format("`{}` takes no value; addresses=N and msl=TIME do", word));
    if (*mode == TimeWaitMode::kAddresses) ok = put_within(parse_count(value), 1, 60000, t.alternatives.more_addresses);
    if (*mode == TimeWaitMode::kMsl) ok = put_duration(value, 2ms, 24h, t.alternatives.shorter);
    if (!ok) return unexpected(fmt::format("{}: {}", word, ok.error()));
  }
  return {};
}
Json show_modes(const Options& o) {
  Json shown = Json::array();
  for (const TimeWaitMode mode : o.time_wait.modes) {
    std::string text{name(mode)};
    if (mode == TimeWaitMode::kAddresses) text += fmt::format("={}", o.time_wait.alternatives.more_addresses);
    if (mode == TimeWaitMode::kMsl) text += "=" + exact_duration(o.time_wait.alternatives.shorter);
    shown.push_back(std::move(text));
  }
  return shown;
}

constexpr std::array kTimeWaitRows{
    OptionSpec{"entries", 0, "N", "connections to put into TIME-WAIT", kFill, false,
               [](Options& o, std::string_view text) {
                 return put_within(parse_count(text), 10'000, 1'000'000'000, o.time_wait.entries);
               },
               [](const Options& o) { return Json(o.time_wait.entries); }},
    OptionSpec{"addresses", 0, "N", "source addresses; each has the ports of tcp.ports", kScenarios, false,
               [](Options& o, std::string_view text) {
                 return put_within(parse_count(text), 1, 60000, o.time_wait.addresses);
               },
               [](const Options& o) { return Json(o.time_wait.addresses); }},
    OptionSpec{"destinations", 0, "N", "ports of the server to connect to", kScenarios, false,
               [](Options& o, std::string_view text) {
                 return put_within(parse_count(text), 1, 1000, o.time_wait.destinations);
               },
               [](const Options& o) { return Json(o.time_wait.destinations); }},
    OptionSpec{"rate", 0, "R/s", "connections to open in a second; default: as many as can be, for the model 10k/s",
               kScenarios, false,
               [](Options& o, std::string_view text) -> SetResult {
                 constexpr double kLeast = 0.01;
                 constexpr double kMost = 100e6;
                 const auto rate = parse_rate(text);
                 if (rate && (*rate < kLeast || *rate > kMost))
                   return unexpected(std::string{"not within 0.01 and 100M/s"});
                 return put(rate, o.time_wait.rate);
               },
               [](const Options& o) { return Json(o.time_wait.rate); }},
    OptionSpec{"mode", 0, "MODE,...",
               "plain, timestamps, addresses=N, server-closes, msl=T (2MSL), rst; default: each after the other",
               kScenarios, false, set_modes, show_modes},
};

}  // namespace

std::span<const OptionSpec> time_wait_option_rows() { return kTimeWaitRows; }

}  // namespace pollux::app
