#include <array>
#include <limits>

#include "option_values.h"
#include "options.h"

namespace pollux::app {
namespace {

using Json = nlohmann::json;

constexpr Choice<TimeWaitTable::FullPolicy> kFullPolicies[] = {
    {"evict-oldest", TimeWaitTable::FullPolicy::kEvictOldest},
    {"evict", TimeWaitTable::FullPolicy::kEvictOldest},
    {"refuse", TimeWaitTable::FullPolicy::kRefuse}};
constexpr Choice<tcp::CongestionControl> kCongestionControls[] = {{"newreno", tcp::CongestionControl::kNewReno},
                                                                  {"cubic", tcp::CongestionControl::kCubic},
                                                                  {"dctcp", tcp::CongestionControl::kDctcp}};
constexpr Duration kLongest = 24h;

// Rows for a member of tcp::Config.
template <auto kMember, Duration::rep kLowNs = 1, Duration::rep kHighNs = Duration{kLongest}.count()>
constexpr TcpKey duration_key(std::string_view name, std::string_view help) {
  return {name, "TIME", help,
          [](Options& o, std::string_view text) {
            return put_duration(text, Duration{kLowNs}, Duration{kHighNs}, o.shard.tcp.*kMember);
          },
          [](const Options& o) { return Json(exact_duration(o.shard.tcp.*kMember)); }};
}
template <auto kMember>
constexpr TcpKey switch_key(std::string_view name, std::string_view help) {
  return {name, "on|off", help,
          [](Options& o, std::string_view text) { return put(parse_switch(text), o.shard.tcp.*kMember); },
          [](const Options& o) { return Json(o.shard.tcp.*kMember); }};
}
template <auto kMember, std::uint64_t kLow, std::uint64_t kHigh>
constexpr TcpKey size_key(std::string_view name, std::string_view value, std::string_view help) {
  return {
      name, value, help,
      [](Options& o, std::string_view text) { return put_within(parse_size(text), kLow, kHigh, o.shard.tcp.*kMember); },
      [](const Options& o) { return Json(o.shard.tcp.*kMember); }};
}
// Rows for a member of ShardConfig.
template <auto kMember, std::uint64_t kLow, std::uint64_t kHigh>
constexpr TcpKey limit_key(std::string_view name, std::string_view help) {
  return {
      name, "N", help,
      [](Options& o, std::string_view text) { return put_within(parse_count(text), kLow, kHigh, o.shard.*kMember); },
      [](const Options& o) { return Json(o.shard.*kMember); }};
}
// Rows for a member of tcp::Options.
template <auto kMember, std::uint64_t kLow, std::uint64_t kHigh>
constexpr TcpKey byte_key(std::string_view name, std::string_view help) {
  return {name, "N", help,
          [](Options& o, std::string_view text) {
            return put_within(parse_count(text), kLow, kHigh, o.connection.*kMember);
          },
          [](const Options& o) { return Json(o.connection.*kMember); }};
}

// Whole seconds, as KeepAlive has them.
SetResult put_seconds(std::string_view text, std::uint16_t& into) {
  Duration value{};
  if (auto ok = put_duration(text, 1s, 65535s, value); !ok) return ok;
  if (value % 1s != 0s) return unexpected(fmt::format("`{}` is not whole seconds", text));
  into = static_cast<std::uint16_t>(value / 1s);
  return {};
}

// on, off, or the idle time after which probes begin, which also turns them on. Probes
// then follow each other as fast as they begin, if that is faster than their default.
SetResult set_keepalive(Options& o, std::string_view text) {
  tcp::KeepAlive& keep_alive = o.connection.keep_alive;
  if (const auto on = parse_switch(text); on && text != "1" && text != "0") {
    keep_alive.on = *on;
    return {};
  }
  if (auto ok = put_seconds(text, keep_alive.idle_s); !ok) {
    return unexpected(fmt::format("{}; keepalive is on, off, or the idle time before the first probe", ok.error()));
  }
  keep_alive.on = true;
  keep_alive.interval_s = std::min(keep_alive.interval_s, keep_alive.idle_s);
  return {};
}

SetResult set_time_wait(Options& o, std::string_view text) {
  Duration two_msl{};
  if (auto ok = put_duration(text, 2ms, kLongest, two_msl); !ok) return ok;
  o.shard.tcp.msl = two_msl / 2;
  return {};
}

SetResult set_mss(Options& o, std::string_view text) {
  if (text == "0") {
    o.shard.tcp.mss = 0;
    return {};
  }
  return put_within(parse_size(text), 48, 65495, o.shard.tcp.mss);
}

using Config = tcp::Config;
constexpr std::uint64_t kMebi = 1 << 20;

SetResult set_receive_buffer_max(Options& o, std::string_view text) {
  std::uint32_t& most = o.shard.tcp.receive_buffer_max;
  if (text == "off") {
    most = 0;
    return {};
  }
  return put_within(parse_size(text), 2048, 16 * kMebi, most);  // no window grows further (lib/tcp/open.cc)
}

SetResult set_tos(Options& o, std::string_view text) {
  std::uint8_t tos = 0;
  if (auto ok = put_within(parse_count(text), 0, 255, tos); !ok) return ok;
  if (ecn_of(tos) != Ecn::kNotEct)
    return unexpected(fmt::format("the lowest two bits of {} are those of ECN (RFC 3168, 5): tcp.ecn=on", tos));
  o.connection.tos = tos;
  return {};
}

constexpr std::array kTcpKeys{
    TcpKey{"time_wait", "TIME", "how long TIME-WAIT lasts (2 MSL)", set_time_wait,
           [](const Options& o) { return Json(exact_duration(o.shard.tcp.msl * 2)); }},
    duration_key<&Config::msl, 1'000'000>("msl", "maximum segment lifetime; TIME-WAIT lasts twice this"),
    TcpKey{"keepalive", "on|off|TIME", "probe idle connections, after this time", set_keepalive,
           [](const Options& o) {
             const tcp::KeepAlive& keep_alive = o.connection.keep_alive;
             return keep_alive.on ? Json(fmt::format("{}s", keep_alive.idle_s)) : Json("off");
           }},
    TcpKey{"keepalive_interval", "TIME", "time between unanswered probes",
           [](Options& o, std::string_view text) { return put_seconds(text, o.connection.keep_alive.interval_s); },
           [](const Options& o) { return Json(fmt::format("{}s", o.connection.keep_alive.interval_s)); }},
    TcpKey{"keepalive_count", "N", "unanswered probes that end a connection",
           [](Options& o, std::string_view text) {
             return put_within(parse_count(text), 1, 255, o.connection.keep_alive.count);
           },
           [](const Options& o) { return Json(o.connection.keep_alive.count); }},
    duration_key<&Config::fin_wait_2, 1'000'000>("fin_wait2", "how long a closed connection waits for the peer's FIN"),
    TcpKey{
        "user_timeout", "TIME", "unacknowledged for so long: give up; 0: after r2",
        [](Options& o, std::string_view text) { return put_duration(text, 0s, kLongest, o.connection.user_timeout); },
        [](const Options& o) { return Json(exact_duration(o.connection.user_timeout)); }},
    TcpKey{
        "congestion", "newreno|cubic|dctcp", "congestion control (RFC 6582, RFC 9438, RFC 8257)",
        [](Options& o, std::string_view text) { return put_choice(text, kCongestionControls, o.shard.tcp.congestion); },
        [](const Options& o) { return Json(word_of(o.shard.tcp.congestion, kCongestionControls)); }},
    TcpKey{"ecn", "on|off", "RFC 3168 explicit congestion notification; dctcp has it always",
           [](Options& o, std::string_view text) { return put(parse_switch(text), o.shard.tcp.ecn); },
           [](const Options& o) { return Json(o.ecn()); }},
    TcpKey{"fastopen", "on|off", "text in the SYN where there is a cookie (RFC 7413): for requests that may come twice",
           [](Options& o, std::string_view text) {
             auto ok = put(parse_switch(text), o.connection.fast_open);
             o.shard.tcp.fast_open_client = o.shard.tcp.fast_open_server = o.connection.fast_open;
             return ok;
           },
           [](const Options& o) { return Json(o.connection.fast_open); }},
    switch_key<&Config::pacing>("pacing", "spread over the round trip what cwnd lets go"),
    switch_key<&Config::timestamps>("timestamps", "RFC 7323 timestamps"),
    switch_key<&Config::window_scaling>("window_scaling", "RFC 7323 window scale"),
    switch_key<&Config::sack_permitted>("sack", "RFC 2018 selective acknowledgment"),
    TcpKey{"mss", "N", "largest segment to send and to offer; 0: what the MTU allows", set_mss,
           [](const Options& o) { return Json(o.shard.tcp.mss); }},
    switch_key<&Config::path_mtu_discovery>("path_mtu_discovery",
                                            "believe routers that say what is too large (RFC 1191)"),
    switch_key<&Config::mtu_probing>("mtu_probing", "find out what passes where no router tells (RFC 4821)"),
    size_key<&Config::base_mss, 48, 9000>("base_mss", "N", "largest segment tried first where larger ones vanish"),
    size_key<&Config::min_pmtu, 88, 1280>("min_pmtu", "N", "IP packet below which no router is believed"),
    duration_key<&Config::mtu_expires, 1'000'000'000, 36'000'000'000'000>(
        "mtu_expires", "until what was too large for the path is tried again"),
    duration_key<&Config::delayed_ack, 0, 499'999'999>("delayed_ack", "how long an ACK may wait; 0: not at all"),
    TcpKey{"nodelay", "on|off", "send small segments at once (no Nagle)",
           [](Options& o, std::string_view text) { return put(parse_switch(text), o.connection.nodelay); },
           [](const Options& o) { return Json(o.connection.nodelay); }},
    duration_key<&Config::rto_initial, 1'000'000>("rto_initial", "retransmission time-out before any measurement"),
    duration_key<&Config::rto_min, 1'000'000>("rto_min", "least retransmission time-out"),
    duration_key<&Config::rto_max, 1'000'000>("rto_max", "greatest retransmission time-out"),
    size_key<&Config::receive_buffer, 2048, 1024 * kMebi>("rcvbuf", "SIZE", "receive buffer of a connection"),
    TcpKey{"rcvbuf_max", "SIZE|off",
           "what the receive buffer grows to, doubled where a quarter of it is read in a round trip; 16 MiB at most",
           set_receive_buffer_max,
           [](const Options& o) {
             const std::uint32_t most = o.shard.tcp.receive_buffer_max;
             return most == 0 ? Json("off") : Json(most);
           }},
    size_key<&Config::send_buffer, 2048, 1024 * kMebi>("sndbuf", "SIZE", "send buffer of a connection"),
    size_key<&Config::r1, 1, 255>("r1", "N", "retransmissions before the application is warned"),
    duration_key<&Config::r2, 1'000'000>("r2", "unacknowledged for so long: give up"),
    duration_key<&Config::r2_syn, 1'000'000>("r2_syn", "SYN unanswered for so long: give up"),
    size_key<&Config::syn_ack_retries, 0, 30>("syn_ack_retries", "N", "times a SYN-ACK is sent again"),
    size_key<&Config::initial_window_segments, 1, 64>("initial_window", "N", "segments sent before the first ACK"),
    size_key<&Config::max_ranges, 1, 65536>("max_ranges", "N", "out-of-order pieces kept for a connection"),
    duration_key<&Config::persist_max, 1'000'000>("persist_max", "greatest time between zero-window probes"),
    duration_key<&Config::challenge_interval, 0>("challenge_interval", "least time between challenge ACKs"),
    duration_key<&Config::sws_override, 1'000'000>("sws_override",
                                                   "how long a small segment waits for a larger window"),
    switch_key<&Config::rst_ends_time_wait>("rst_ends_time_wait", "believe RST in TIME-WAIT (RFC 793, not 1337)"),
    byte_key<&tcp::Options::ttl, 1, 255>("ttl", "time to live of what is sent"),
    TcpKey{"tos", "N", "DiffServ byte of what is sent; its lowest two bits are ECN's", set_tos,
           [](const Options& o) { return Json(o.connection.tos); }},
    TcpKey{"ports", "LO-HI", "ephemeral ports", set_ephemeral_ports,
           [](const Options& o) { return Json(fmt::format("{}-{}", o.shard.first_port, o.shard.last_port)); }},
    switch_key<&Config::syn_cookies>("syn_cookies", "keep nothing of a SYN while half of a backlog is half open"),
    limit_key<&ShardConfig::max_half_open, 1, 1u << 24>("max_half_open", "half-open connections of a core"),
    limit_key<&ShardConfig::max_time_wait_v4, 1, 1u << 30>("max_time_wait", "IPv4 connections in TIME-WAIT of a core"),
    limit_key<&ShardConfig::max_time_wait_v6, 1, 1u << 30>("max_time_wait_v6",
                                                           "IPv6 connections in TIME-WAIT of a core"),
    TcpKey{"time_wait_full", "evict-oldest|refuse", "when TIME-WAIT is full: forget the oldest, or the new one",
           [](Options& o, std::string_view text) { return put_choice(text, kFullPolicies, o.shard.time_wait_full); },
           [](const Options& o) { return Json(word_of(o.shard.time_wait_full, kFullPolicies)); }},
    TcpKey{"reuse_time_wait", "on|off", "open over TIME-WAIT where timestamps allow it (RFC 6191)",
           [](Options& o, std::string_view text) {
             auto ok = put(parse_switch(text), o.shard.reuse_time_wait);
             o.reuse_time_wait_given = o.shard.reuse_time_wait;
             return ok;
           },
           [](const Options& o) { return Json(o.shard.reuse_time_wait); }},
    limit_key<&ShardConfig::max_destinations, 1, 65536>("max_destinations", "remote address and port pairs to open to"),
    limit_key<&ShardConfig::resets_per_second, 0, 1'000'000'000>("resets_per_second",
                                                                 "resets to unknown segments; 0: no limit"),
};

}  // namespace

SetResult set_ephemeral_ports(Options& o, std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return unexpected(fmt::format("`{}` is not LO-HI, such as 32768-60999", text));
  std::uint16_t low = 0;
  std::uint16_t high = 0;
  if (auto ok = put_within(parse_count(text.substr(0, dash)), 1, 65535, low); !ok) return ok;
  if (auto ok = put_within(parse_count(text.substr(dash + 1)), 1, 65535, high); !ok) return ok;
  if (high < low) return unexpected(fmt::format("`{}` holds no port: the first is above the last", text));
  o.shard.first_port = low;
  o.shard.last_port = high;
  o.ports_given = true;
  return {};
}

std::span<const TcpKey> tcp_keys() { return kTcpKeys; }

std::string TcpKey::show_text(const Options& options) const {
  const Json shown = show(options);
  if (shown.is_string()) return shown.get<std::string>();
  if (shown.is_boolean()) return shown.get<bool>() ? "on" : "off";
  return shown.dump();
}

std::vector<std::string> changed_tcp_settings(const Options& options) {
  const Options defaults;
  std::vector<std::string> changed;
  for (const TcpKey& key : tcp_keys()) {
    if (key.name == "msl") continue;  // time_wait says it
    const std::string value = key.show_text(options);
    if (value != key.show_text(defaults)) changed.push_back(fmt::format("tcp.{}={}", key.name, value));
  }
  return changed;
}

}  // namespace pollux::app
