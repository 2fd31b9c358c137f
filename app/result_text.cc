#include "result_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "load/result_lines.h"
#include "time/instant.h"
#include "units.h"

namespace pollux::app {
namespace {

using Json = nlohmann::ordered_json;

std::uint64_t count(const Json& section, std::string_view key) { return section.at(key).get<std::uint64_t>(); }
std::string commas(const Json& section, std::string_view key) { return with_commas(count(section, key)); }
std::string bytes(const Json& section, std::string_view key) { return show_bytes(section.at(key).get<double>()); }
std::string amount(const Json& section, std::string_view key) { return show_count(section.at(key).get<double>()); }
std::string duration(const Json& section, std::string_view key) {
  return show_duration(Duration{section.at(key).get<Duration::rep>()});
}

// What of TCP was set otherwise than by default. Results of older versions do not say.
std::string settings_line(const Json& meta) {
  std::string text;
  if (const auto set = meta.find("set"); set != meta.end()) {
    for (const Json& one : *set) text += fmt::format("  {}", printable(one.get<std::string>()));
  }
  return text.empty() ? text : fmt::format("{:<12}{}\n", "set", std::string_view{text}.substr(2));
}

std::string connections_lines(const Json& result) {
  const Json& totals = result.at("totals");
  const Json& rates = result.at("rates");
  std::string text =
      fmt::format("{:<12}{} completed in {:.1f} s: {}/s   failed {}   open {}\n", "connections",
                  commas(totals, "connections_completed"), result.at("meta").at("duration_ns").get<double>() / 1e9,
                  amount(rates, "connections_per_second"), commas(totals, "connections_failed"),
                  commas(totals, "connections_open"));
  if (count(totals, "responses") > 0)
    text +=
        fmt::format("{:<12}{}: {}/s\n", "responses", commas(totals, "responses"), amount(rates, "requests_per_second"));
  return text + fmt::format("{:<12}rx {}  {} packets/s   tx {}  {} packets/s\n", "traffic",
                            bytes(totals, "bytes_received"), amount(rates, "rx_packets_per_second"),
                            bytes(totals, "bytes_sent"), amount(rates, "tx_packets_per_second"));
}

std::string latency_table(const Json& latency) {
  const auto counted = [](const Json& phase) { return count(phase, "count") > 0; };
  if (std::none_of(latency.begin(), latency.end(), counted)) return {};
  std::string text = fmt::format("{:<12}{:>9}{:>9}{:>9}{:>9}{:>9}\n", "latency", "p50", "p90", "p99", "p99.9", "max");
  for (const auto& [what, phase] : latency.items()) {
    if (!counted(phase)) continue;
    text +=
        fmt::format("  {:<10}{:>9}{:>9}{:>9}{:>9}{:>9}\n", printable(what), duration(phase, "p50"),
                    duration(phase, "p90"), duration(phase, "p99"), duration(phase, "p999"), duration(phase, "max"));
  }
  return text;
}

std::string tcp_line(const Json& tcp) {
  return fmt::format(
      "{:<12}segments sent {}  received {}  retransmitted {}  out of order {}  resets sent {}  received {}\n", "tcp",
      commas(tcp, "segments_sent"), commas(tcp, "segments_received"), commas(tcp, "retransmitted_segments"),
      commas(tcp, "out_of_order"), commas(tcp, "resets_sent"), commas(tcp, "resets_received"));
}

std::string time_wait_line(const Json& t) {
  return fmt::format("{:<12}{} now, {} at most; entered {}  reused {}  evicted {}{}; {:.0f} B each\n", "TIME-WAIT",
                     commas(t, "entries"), commas(t, "peak"), commas(t, "entered"), commas(t, "reused"),
                     commas(t, "evicted"),
                     count(t, "refused_full") == 0 ? "" : "  refused " + commas(t, "refused_full"),
                     t.at("bytes_per_entry").get<double>());
}

std::string memory_line(const Json& m) {
  return fmt::format("{:<12}{} resident; connections {}, TIME-WAIT {} reserved; {:.0f} B per idle connection\n",
                     "memory", bytes(m, "rss_bytes"), bytes(m, "connections_bytes"), bytes(m, "time_wait_bytes"),
                     m.at("bytes_per_idle_connection").get<double>());
}

std::string cores_lines(const Json& cores) {
  std::string text;
  for (const Json& core : cores) {
    text += fmt::format("{:<12}{} {}  busy {:.0f} %  rx {}  tx {} packets{}\n",
                        fmt::format("core {}", count(core, "core")), core.at("role").get<std::string>(),
                        printable(core.at("group").get<std::string>()), 100 * core.at("busy_fraction").get<double>(),
                        amount(core, "rx_packets"), amount(core, "tx_packets"),
                        count(core, "resteered") == 0 ? "" : fmt::format("  re-steered {}", count(core, "resteered")));
  }
  return text;
}

// Those that are not 0.
std::string counts_line(std::string_view name, const Json& counts) {
  std::string text;
  for (const auto& [what, n] : counts.items()) {
    const auto number = n.get<std::uint64_t>();
    if (number != 0) text += fmt::format("{}{} {}", text.empty() ? "" : "  ", printable(what), with_commas(number));
  }
  return fmt::format("{:<12}{}\n", name, text.empty() ? "none" : text);
}

const Json* impairment(const Json& result) {
  const auto found = result.find("impairment");
  return found == result.end() || found->is_null() ? nullptr : &*found;
}

std::string impairment_line(const Json& result) {
  const Json* const impaired = impairment(result);
  if (impaired == nullptr) return {};
  Json befell = impaired->at("received");
  befell.erase("frames");
  return counts_line("bad wire", befell);
}

// What a subcommand alone found, in its own words.
std::string findings_lines(const Json& result) {
  std::string text;
  if (const auto found = result.find("findings"); found != result.end()) {
    for (const Json& line : *found) text += printable(line.get<std::string>()) + '\n';
  }
  return text;
}

std::string verdict_lines(const Json& verdict) {
  std::string text = fmt::format("{}\n", verdict.at("state").get<std::string>());
  for (const Json& reason : verdict.at("reasons")) text += fmt::format("  {}\n", printable(reason.get<std::string>()));
  return text;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string safe{text};
  std::replace_if(
      safe.begin(), safe.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  return safe;
}

std::string title(const Json& result) {
  const Json& meta = result.at("meta");
  std::string text = "pollux " + meta.at("command").get<std::string>();
  if (!meta.at("seed").is_null()) text += fmt::format(", seed {}", count(meta, "seed"));
  if (const Json* const impaired = impairment(result))
    text += fmt::format(", bad wire with seed {}", count(*impaired, "seed"));
  return text;
}

std::string summary(const Json& result) {
  return printable(title(result)) + "\n" + settings_line(result.at("meta")) + connections_lines(result) +
         (result.contains("pace") ? pace_line(result.at("pace")) : std::string{}) + error_lines(result.at("errors")) +
         latency_table(result.at("latency")) + tcp_line(result.at("tcp")) + time_wait_line(result.at("time_wait")) +
         memory_line(result.at("memory")) + cores_lines(result.at("cores")) + counts_line("drops", result.at("drops")) +
         impairment_line(result) + findings_lines(result) + threshold_lines(result.at("thresholds")) +
         verdict_lines(result.at("verdict"));
}

}  // namespace pollux::app
