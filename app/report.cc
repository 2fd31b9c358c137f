#include "report.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <map>

#include "errors.h"
#include "hdr_encoding.h"
#include "memory_figures.h"
#include "tcp/state.h"
#include "tcp/verdict.h"
#include "units.h"
#include "version.h"
#include "wire/wire_drop.h"

namespace pollux::app {
namespace {

using Json = nlohmann::ordered_json;
using runtime::CoreRole;
using runtime::CoreSnapshot;

// To divide by.
double never_zero(Duration d) { return std::max(seconds(d), 1e-9); }

std::string cpu_model() {
  std::ifstream file{"/proc/cpuinfo"};
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(std::min(line.find(": ") + 2, line.size()));
  }
  return "unknown";
}

std::string kernel_release() {
  utsname name{};
  return uname(&name) == 0 ? name.release : "unknown";
}

// What the verdict on a segment says when the segment had no effect at all.
bool is_drop(tcp::Verdict verdict) {
  switch (verdict) {
    case tcp::Verdict::kContinue:
    case tcp::Verdict::kAccepted:
    case tcp::Verdict::kReset:
    case tcp::Verdict::kConnectionReset:
    case tcp::Verdict::kConnectionRefused:
    case tcp::Verdict::kDuplicate:  // an answer is its effect
    case tcp::Verdict::kDuplicateSyn:
    case tcp::Verdict::kReopen:
      return false;
    case tcp::Verdict::kListenIgnored:
    case tcp::Verdict::kSynWithFin:
    case tcp::Verdict::kOutOfWindow:
    case tcp::Verdict::kPaws:
    case tcp::Verdict::kRstOutOfWindow:
    case tcp::Verdict::kChallengedRst:
    case tcp::Verdict::kChallengedSyn:
    case tcp::Verdict::kNoAck:
    case tcp::Verdict::kAckOfUnsent:
    case tcp::Verdict::kAckTooOld:
    case tcp::Verdict::kRstIgnored:
    case tcp::Verdict::kSynSentIgnored:
    case tcp::Verdict::kNoMemory:
    case tcp::Verdict::kDataAfterClose:
      return true;
  }
  unreachable();
}

// Reasons with their counts, in a fixed order, those of no count too.
std::vector<std::pair<std::string, std::uint64_t>> all_drops(const runtime::EngineSnapshot& engine) {
  const CoreSnapshot all = engine.total();
  const ShardCounters& s = all.shard;
  std::vector<std::pair<std::string, std::uint64_t>> list;
  for (std::size_t i = 1; i < kWireDropCount; ++i) list.emplace_back(name(static_cast<WireDrop>(i)), s.wire_drops[i]);
  for (int i = 0; i < tcp::kVerdictCount; ++i) {
    const auto verdict = static_cast<tcp::Verdict>(i);
    if (is_drop(verdict))
      list.emplace_back(fmt::format("tcp_{}", name(verdict)), all.tcp.verdicts[static_cast<std::size_t>(i)]);
  }
  const std::pair<const char*, std::uint64_t> shard[] = {{"not_our_address", s.not_our_address},
                                                         {"link_group", s.link_group},
                                                         {"bad_source", s.bad_source},
                                                         {"no_listener", s.no_listener},
                                                         {"backlog_full", s.backlog_full},
                                                         {"half_open_full", s.half_open_full},
                                                         {"table_full", s.table_full},
                                                         {"half_open_expired", s.half_open_expired},
                                                         {"replies_dropped", s.replies_dropped},
                                                         {"resets_withheld", s.resets_withheld},
                                                         {"icmp_ignored", s.icmp_ignored},
                                                         {"malformed_options", s.malformed_options},
                                                         {"foreign", s.foreign},
                                                         {"no_route", s.no_route},
                                                         {"unreachable_neighbour", s.unreachable_neighbour},
                                                         {"tx_no_memory", s.tx_no_memory},
                                                         {"queue_tx_dropped", all.queue.tx_dropped},
                                                         {"queue_no_mbuf", all.queue.no_mbuf},
                                                         {"queue_rx_unjoined", all.queue.rx_unjoined},
                                                         {"resteer_lost", all.loop.resteer_lost},
                                                         {"pipeline_rx_dropped", all.loop.rx_dropped}};
  for (const auto& [reason, count] : shard) list.emplace_back(reason, count);
  dpdk::PortCounters port;
  for (const runtime::PortSnapshot& p : engine.ports) {
    port.rx_missed += p.counters.rx_missed;
    port.rx_errors += p.counters.rx_errors;
    port.rx_no_mbuf += p.counters.rx_no_mbuf;
    port.tx_errors += p.counters.tx_errors;
  }
  list.emplace_back("port_rx_missed", port.rx_missed);
  list.emplace_back("port_rx_errors", port.rx_errors);
  list.emplace_back("port_rx_no_mbuf", port.rx_no_mbuf);
  list.emplace_back("port_tx_errors", port.tx_errors);
  return list;
}

std::string_view role(const CoreSnapshot& core) { return core.role == CoreRole::kPort ? "rx/tx" : "stack"; }

// What a port core moved, or what a stack core's shard took and gave.
std::pair<std::uint64_t, std::uint64_t> packets(const CoreSnapshot& core) {
  if (core.role == CoreRole::kPort) return {core.queue.rx_packets, core.queue.tx_packets};
  return {core.shard.rx_frames, core.shard.tx_frames};
}

Json meta(const Result& r) {
  std::vector<unsigned> cores;
  for (const CoreSnapshot& core : r.engine.cores) cores.push_back(core.cpu);
  return {{"version", kVersion},  {"git", kGit},
          {"command", r.command}, {"seed", r.seed ? Json(*r.seed) : Json(nullptr)},
          {"started", r.started}, {"duration_ns", r.duration.count()},
          {"cpu", cpu_model()},   {"kernel", kernel_release()},
          {"dpdk", kDpdkVersion}, {"cores", cores},
          {"set", r.tcp_settings}};
}

Json totals(const Result& r, const CoreSnapshot& side) {
  const ServiceCounters& s = r.service;
  // A server attempts nothing: what came to it counts.
  const std::uint64_t attempted = s.attempted != 0 ? s.attempted : s.opened;
  return {{"connections_attempted", attempted},
          {"connections_opened", s.opened},
          {"connections_completed", s.completed},
          {"connections_failed", s.failed()},
          {"connections_never_opened", s.never_opened},
          {"connections_open", r.open_at_end},
          {"connections_opening", r.opening_at_end},
          {"requests", s.requests},
          {"responses", s.responses},
          {"bytes_sent", side.tcp.bytes_sent},
          {"bytes_received", side.tcp.bytes_received}};
}

Json rates(const Result& r, const CoreSnapshot& side) {
  const double s = never_zero(r.duration);
  const auto per_second = [&](std::uint64_t n) { return static_cast<double>(n) / s; };
  const std::uint64_t tried = std::max(r.service.attempted, r.service.opened);
  return {{"connections_per_second", per_second(r.service.completed)},
          {"requests_per_second", per_second(r.service.responses)},
          {"failed_fraction", tried == 0 ? 0.0 : static_cast<double>(r.service.failed()) / static_cast<double>(tried)},
          {"rx_bits_per_second", 8 * per_second(side.shard.rx_bytes)},
          {"tx_bits_per_second", 8 * per_second(side.shard.tx_bytes)},
          {"rx_packets_per_second", per_second(side.shard.rx_frames)},
          {"tx_packets_per_second", per_second(side.shard.tx_frames)}};
}

Json latencies(const Result& r) {
  Json all = Json::object();
  for (const auto& [what, h] : r.latency) {
    all[what] = {{"count", h.count()},
                 {"min", h.min().count()},
                 {"mean", h.mean().count()},
                 {"p50", h.quantile(0.5).count()},
                 {"p90", h.quantile(0.9).count()},
                 {"p99", h.quantile(0.99).count()},
                 {"p999", h.quantile(0.999).count()},
                 {"p9999", h.quantile(0.9999).count()},
                 {"max", h.max().count()},
                 {"hdr_v2_base64", encode_hdr(h)}};
  }
  return all;
}

Json errors(const ServiceCounters& s) {
  Json counts = Json::object();
  for (const ErrorClass& error : error_classes()) counts[std::string{error.name}] = s.*error.count;
  counts["bad_requests"] = s.protocol_errors;
  return counts;
}

Json pace(const Pace& p, Duration duration) {
  return {{"asked", p.asked},
          {"begun", p.begun},
          {"missed", p.missed},
          {"waits_for_port", p.waits_for_port},
          {"asked_per_second", p.asked / never_zero(duration)},
          {"achieved_fraction", p.asked == 0 ? 1.0 : static_cast<double>(p.begun) / p.asked}};
}

Json thresholds(const Result& r) {
  Json list = Json::array();
  for (const Threshold& t : r.thresholds)
    list.push_back({{"expression", t.expression}, {"value", t.value}, {"pass", t.pass}});
  return list;
}

Json tcp_section(const CoreSnapshot& all) {
  const tcp::Counters& c = all.tcp;
  Json verdicts = Json::object();
  for (int i = 1; i < tcp::kVerdictCount; ++i) {
    verdicts[std::string{name(static_cast<tcp::Verdict>(i))}] = c.verdicts[static_cast<std::size_t>(i)];
  }
  return {{"segments_sent", c.segments_sent},
          {"segments_received", c.segments_received},
          {"bytes_sent", c.bytes_sent},
          {"bytes_received", c.bytes_received},
          {"retransmitted_segments", c.retransmitted_segments},
          {"rto_fired", c.rto_fired},
          {"fast_retransmits", c.fast_retransmits},
          {"tail_loss_probes", c.tail_loss_probes},
          {"path_mtu_lowered", c.path_mtu_lowered},
          {"black_holes", c.black_holes},
          {"mtu_probes", c.mtu_probes},
          {"mtu_probes_lost", c.mtu_probes_lost},
          {"ecn_opened", c.ecn_opened},
          {"ce_marks_received", c.ce_marks_received},
          {"ecn_reductions", c.ecn_reductions},
          {"duplicate_acks", c.duplicate_acks},
          {"dsacks_received", c.dsacks_received},
          {"spurious_time_outs", c.spurious_time_outs},
          {"spurious_recoveries", c.spurious_recoveries},
          {"out_of_order", c.out_of_order},
          {"duplicate_segments", c.duplicate_segments},
          {"bad_checksum", all.shard.wire_drops[static_cast<std::size_t>(WireDrop::kTcpChecksum)]},
          {"resets_sent", c.resets_sent},
          {"resets_received", c.resets_received},
          {"challenge_acks", c.challenge_acks},
          {"challenges_withheld", c.challenges_withheld},
          {"syn_cookies_sent", c.syn_cookies_sent},
          {"syn_cookies_accepted", c.syn_cookies_accepted},
          {"syn_cookies_failed", c.syn_cookies_failed},
          {"fast_open_active", c.fast_open_active},
          {"fast_open_active_fail", c.fast_open_active_fail},
          {"fast_open_passive", c.fast_open_passive},
          {"fast_open_passive_fail", c.fast_open_passive_fail},
          {"fast_open_listen_overflow", c.fast_open_listen_overflow},
          {"fast_open_cookie_reqd", c.fast_open_cookie_reqd},
          {"zero_window_probes", c.zero_window_probes},
          {"keep_alive_probes", c.keep_alive_probes},
          {"active_opens", c.active_opens},
          {"passive_opens", c.passive_opens},
          {"opened", c.opened},
          {"timed_out", c.timed_out},
          {"delayed_acks", c.delayed_acks},
          {"verdicts", verdicts}};
}

Json states(const CoreSnapshot& all) {
  Json counts = Json::object();
  for (int i = 1; i < tcp::kStateCount; ++i) {
    const auto state = static_cast<tcp::State>(i);
    const std::uint64_t n =
        state == tcp::State::kTimeWait ? all.time_wait : all.gauges.states[static_cast<std::size_t>(i)];
    counts[std::string{to_string(state)}] = n;
  }
  return counts;
}

Json time_wait(const Result& r, const CoreSnapshot& all) {
  const auto& c = all.time_wait_counters;
  return {{"entries", all.time_wait},
          {"peak", c.peak},
          {"entered", c.entered},
          {"expired", c.expired},
          {"reused", c.reused},
          {"refused_full", c.refused},
          {"evicted", c.evicted},
          {"reset", c.reset},
          {"restarted", c.restarted},
          {"restart_refused", c.restart_refused},
          {"bytes", all.memory.time_wait},
          {"bytes_per_entry", r.time_wait_entry}};
}

std::uint64_t mbuf_bytes(const Result& r) {
  std::uint64_t bytes = 0;
  for (const runtime::PortSnapshot& port : r.engine.ports) bytes += port.pool_bytes;
  return bytes;
}

Json memory(const Result& r, const CoreSnapshot& all) {
  return {{"rss_bytes", resident_bytes()},
          {"connections_bytes", all.memory.connections},
          {"half_open_bytes", all.memory.half_open},
          {"time_wait_bytes", all.memory.time_wait},
          {"buffers_bytes", all.memory.buffers},
          {"ports_bytes", all.memory.ports},
          {"mbuf_bytes", mbuf_bytes(r)},
          {"bytes_per_idle_connection", r.idle_connection}};
}

Json cores(const Result& r) {
  Json list = Json::array();
  for (const CoreSnapshot& core : r.engine.cores) {
    const auto [rx, tx] = packets(core);
    list.push_back({{"core", core.cpu},
                    {"role", role(core)},
                    {"group", core.group},
                    {"worker", core.worker},
                    {"busy_fraction", core.loop.busy_fraction()},
                    {"rx_packets", rx},
                    {"tx_packets", tx},
                    {"rx_dropped", core.loop.rx_dropped + core.loop.resteer_lost + core.queue.rx_unjoined},
                    {"tx_dropped", core.queue.tx_dropped + core.queue.no_mbuf},
                    {"resteered", core.loop.resteered},
                    {"processed_elsewhere", core.shard.foreign},
                    {"connections", core.connections}});
  }
  return list;
}

Json series(const Result& r) {
  Json list = Json::array();
  for (const Sample& s : r.series) {
    list.push_back({{"t_ns", s.at.count()},
                    {"connections_per_second", s.connections_per_second},
                    {"active", s.active},
                    {"time_wait", s.time_wait},
                    {"p50", s.p50.count()},
                    {"p99", s.p99.count()},
                    {"retransmits", s.retransmits},
                    {"errors", s.errors},
                    {"drops", s.drops}});
    if (s.asked_per_second) list.back()["asked_per_second"] = *s.asked_per_second;
  }
  return list;
}

Json impaired(const ImpairmentCounters& c) {
  return {{"frames", c.sent},     {"dropped", c.lost},        {"duplicated", c.duplicated}, {"reordered", c.reordered},
          {"delayed", c.delayed}, {"corrupted", c.corrupted}, {"marked", c.marked}};
}

Json both_ways(const CoreSnapshot& side) {
  return {{"received", impaired(side.impaired_received)}, {"sent", impaired(side.impaired_sent)}};
}

// What befell the frames on purpose, in each direction: of all groups, and of each.
Json impairment(const Result& r) {
  if (!r.impairment_seed) return nullptr;
  Json json = both_ways(r.engine.total());
  json["seed"] = *r.impairment_seed;
  Json groups = Json::object();
  for (const CoreSnapshot& core : r.engine.cores) groups[core.group] = both_ways(r.engine.total(core.group));
  json["groups"] = std::move(groups);
  return json;
}

}  // namespace

std::string_view name(Verdict::State state) {
  switch (state) {
    case Verdict::State::kValid:
      return "VALID";
    case Verdict::State::kDegraded:
      return "DEGRADED";
    case Verdict::State::kInvalid:
      return "INVALID";
  }
  unreachable();
}

std::vector<std::pair<std::string, std::uint64_t>> drops(const runtime::EngineSnapshot& engine) {
  auto list = all_drops(engine);
  std::erase_if(list, [](const auto& drop) { return drop.second == 0; });
  return list;
}

nlohmann::ordered_json to_json(const Result& r) {
  const CoreSnapshot all = r.engine.total();
  const CoreSnapshot side = r.engine.total(r.group);
  Json dropped = Json::object();
  for (const auto& [reason, count] : drops(r.engine)) dropped[reason] = count;
  Json ports = Json::array();
  for (const runtime::PortSnapshot& port : r.engine.ports) ports.push_back(port.description);
  Json json;
  json["schema"] = "pollux.result/1";
  json["meta"] = meta(r);
  json["config"] = r.config;
  json["verdict"] = {{"state", name(r.verdict.state)}, {"reasons", r.verdict.reasons}};
  json["totals"] = totals(r, side);
  json["rates"] = rates(r, side);
  json["latency"] = latencies(r);
  json["errors"] = errors(r.service);
  json["tcp"] = tcp_section(all);
  json["states"] = states(all);
  json["time_wait"] = time_wait(r, all);
  json["memory"] = memory(r, all);
  json["ports"] = ports;
  json["cores"] = cores(r);
  json["drops"] = dropped;
  json["impairment"] = impairment(r);
  json["series"] = series(r);
  if (r.pace) json["pace"] = pace(*r.pace, r.duration);
  json["thresholds"] = thresholds(r);
  for (const auto& [name, section] : r.sections.items()) json[name] = section;
  if (!r.findings.empty()) json["findings"] = r.findings;
  return json;
}

std::string iso_time_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return {text, size};
}

}  // namespace pollux::app
