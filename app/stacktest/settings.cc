#include "settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>

namespace pollux::stacktest {
namespace {

constexpr std::uint16_t kMtuV4 = 1500;
constexpr std::uint16_t kMtuV6 = 1520;  // so that the MSS is the same, as in Linux's own suite
constexpr std::uint64_t kSeed = 1;

IpAddress address(std::string_view text) { return *IpAddress::parse(text); }

// The numbers that Linux's suite gives to packetdrill.
Settings defaults(Family family) {
  const bool v4 = family == Family::kIpv4;
  Settings s;
  s.local = address(v4 ? "192.168.0.1" : "fd3d:a0b:17d6::1");
  s.remote = address(v4 ? "192.0.2.1" : "fd3d:fa7b:d17d::1");
  s.stack = api::small_config(kSeed);
  s.stack.gateways = {address(v4 ? "192.168.0.254" : "fd3d:a0b:17d6::fe")};
  s.stack.mtu = v4 ? kMtuV4 : kMtuV6;
  return s;
}

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc{} || read.ptr != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

// --- Options ---

bool without_effect(std::string_view name) {
  constexpr std::string_view kNames[] = {"netmask_ip",   "speed",       "mss",          "debug",    "verbose",
                                         "code_command", "code_format", "code_sockopt", "non_fatal"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

void apply_number(const ScriptOption& option, std::int64_t least, std::int64_t most, const auto& use) {
  const auto value = number(option.value);
  if (!value || *value < least || *value > most) {
    throw ScriptError{option.at,
                      fmt::format("--{}={}: expected a number from {} to {}", option.name, option.value, least, most)};
  }
  use(*value);
}

IpAddress parse_address(const ScriptOption& option) {
  const auto parsed = IpAddress::parse(std::string_view{option.value}.substr(0, option.value.find('/')));
  if (!parsed) throw ScriptError{option.at, fmt::format("--{}: {}", option.name, parsed.error())};
  return *parsed;
}

void apply_version(const ScriptOption& option, Settings& s) {
  if (option.value == "ipv4") {
    s.only = Family::kIpv4;
  } else if (option.value == "ipv6") {
    s.only = Family::kIpv6;
  } else {
    throw ScriptError{option.at, fmt::format("--ip_version={}: expected ipv4 or ipv6", option.value)};
  }
}

void apply_option(const ScriptOption& option, Settings& s) {
  const auto port = [&](std::uint16_t& to) {
    apply_number(option, 1, 65535, [&](std::int64_t v) { to = static_cast<std::uint16_t>(v); });
  };
  if (option.name == "ip_version") return apply_version(option, s);
  if (option.name == "bind_port") return port(s.bind_port);
  if (option.name == "connect_port") return port(s.connect_port);
  if (option.name == "remote_ip") return void(s.remote = parse_address(option));
  if (option.name == "local_ip") return void(s.local = parse_address(option));
  if (option.name == "gateway_ip") return void(s.stack.gateways = {parse_address(option)});
  if (option.name == "mtu") {
    return apply_number(option, 576, 65535, [&](std::int64_t v) { s.stack.mtu = static_cast<std::uint16_t>(v); });
  }
  if (option.name == "tolerance_usecs") {
    return apply_number(option, 0, 60'000'000, [&](std::int64_t v) { s.tolerance = std::chrono::microseconds{v}; });
  }
  if (option.name == "tolerance_percent") {
    return apply_number(option, 0, 100, [&](std::int64_t v) { s.tolerance_percent = static_cast<double>(v); });
  }
  if (option.name == "tcp_ts_tick_usecs") {
    return apply_number(option, 0, 1'000'000, [&](std::int64_t v) { s.ts_tick_us = static_cast<std::uint32_t>(v); });
  }
  if (option.name == "strict_segments") return void(s.strict_segments = true);
  if (without_effect(option.name)) return;
  throw ScriptError{option.at, fmt::format("--{} is not supported", option.name)};
}

// --- Commands ---

struct Sysctl {
  std::string_view name;
  bool (*apply)(Settings& s, const std::vector<std::int64_t>& values);
};

constexpr Sysctl kSysctls[] = {
    {"tcp_timestamps", [](Settings& s, const auto& v) { return s.stack.tcp.timestamps = v[0] != 0, true; }},
    {"tcp_sack", [](Settings& s, const auto& v) { return s.stack.tcp.sack_permitted = v[0] != 0, true; }},
    {"tcp_window_scaling", [](Settings& s, const auto& v) { return s.stack.tcp.window_scaling = v[0] != 0, true; }},
    {"tcp_rfc1337", [](Settings& s, const auto& v) { return s.stack.tcp.rst_ends_time_wait = v[0] == 0, true; }},
    {"tcp_tw_reuse", [](Settings& s, const auto& v) { return s.stack.reuse_time_wait = v[0] != 0, true; }},
    {"tcp_fin_timeout",
     [](Settings& s, const auto& v) { return s.stack.tcp.fin_wait_2 = std::chrono::seconds{v[0]}, v[0] > 0; }},
    {"tcp_invalid_ratelimit",
     [](Settings& s, const auto& v) { return s.stack.tcp.challenge_interval = std::chrono::milliseconds{v[0]}, true; }},
    {"tcp_synack_retries",
     [](Settings& s, const auto& v) {
       s.stack.tcp.syn_ack_retries = static_cast<std::uint8_t>(v[0]);
       return v[0] <= 127;
     }},
    {"tcp_ecn",  // 2, to agree but not to ask, is the same as 1 where the peer opens
     [](Settings& s, const auto& v) { return s.stack.tcp.ecn = v[0] != 0, v[0] <= 2; }},
    {"tcp_mtu_probing", [](Settings& s, const auto& v) { return s.stack.tcp.mtu_probing = v[0] != 0, v[0] <= 2; }},
    {"mtu_expires",
     [](Settings& s, const auto& v) { return s.stack.tcp.mtu_expires = std::chrono::seconds{v[0]}, v[0] <= 60'000; }},
    {"tcp_fastopen",
     [](Settings& s, const auto& v) {
       s.stack.tcp.fast_open_client = (v[0] & 1) != 0;
       s.stack.tcp.fast_open_server = (v[0] & 2) != 0;
       return v[0] <= 3;  // the rest is Fast Open without cookies
     }},
    {"tcp_rmem",
     [](Settings& s, const auto& v) {
       if (v.size() != 3) return false;
       s.stack.tcp.receive_buffer = static_cast<std::uint32_t>(v[1]);
       return true;
     }},
    {"tcp_wmem",
     [](Settings& s, const auto& v) {
       if (v.size() != 3) return false;
       s.stack.tcp.send_buffer = static_cast<std::uint32_t>(v[1]);
       return true;
     }},
};

bool ignored_sysctl(std::string_view name) {
  constexpr std::string_view kNames[] = {"tcp_congestion_control",
                                         "tcp_dsack",
                                         "tcp_early_retrans",
                                         "tcp_fack",
                                         "tcp_frto",
                                         "tcp_keepalive_time",
                                         "tcp_min_tso_segs",
                                         "tcp_no_metrics_save",
                                         "tcp_notsent_lowat",
                                         "tcp_pacing_ca_ratio",
                                         "tcp_pacing_ss_ratio",
                                         "tcp_recovery",
                                         "tcp_reordering",
                                         "tcp_slow_start_after_idle",
                                         "tcp_syn_retries",
                                         "tcp_syncookies",
                                         "tcp_tso_win_divisor",
                                         "tcp_abc",
                                         "tcp_max_syn_backlog",
                                         "somaxconn",
                                         "tcp_moderate_rcvbuf"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

// "00010203-04050607-08090a0b-0c0d0e0f", and the one before it behind a comma: as Linux reads tcp_fastopen_key.
std::optional<HashKey> fast_open_key(std::string_view text) {
  if (text.size() != 35) return std::nullopt;
  std::uint64_t words[4];
  for (std::size_t i = 0; i < 4; ++i) {
    const std::string_view word = text.substr(9 * i, 8);
    const auto read = std::from_chars(word.data(), word.data() + word.size(), words[i], 16);
    if (read.ec != std::errc{} || read.ptr != word.data() + word.size()) return std::nullopt;
    if (i < 3 && text[9 * i + 8] != '-') return std::nullopt;
  }
  return HashKey{words[0] | words[1] << 32, words[2] | words[3] << 32};
}

Expected<void, std::string> apply_fast_open_keys(std::string_view text, Settings& s) {
  const std::size_t comma = text.find(',');
  const auto current = fast_open_key(text.substr(0, comma));
  const auto previous = comma == std::string_view::npos ? current : fast_open_key(text.substr(comma + 1));
  if (!current || !previous) {
    return unexpected(
        fmt::format("the sysctl tcp_fastopen_key: `{}` is not four words of eight hexadecimal digits, "
                    "such as 00010203-04050607-08090a0b-0c0d0e0f",
                    text));
  }
  s.stack.keys.fast_open = {*current, previous};
  return {};
}

// net.ipv4.tcp_sack=0, /proc/sys/net/ipv4/tcp_sack=0
Expected<void, std::string> apply_sysctl(const std::string& setting, Settings& s) {
  const std::size_t equals = setting.find('=');
  if (equals == std::string::npos) return unexpected(fmt::format("`{}` is not NAME=VALUE", setting));
  const std::string path = setting.substr(0, equals);
  const std::string name = path.substr(path.find_last_of("./") + 1);
  std::string text = setting.substr(equals + 1);
  text.erase(std::remove(text.begin(), text.end(), '"'), text.end());
  if (ignored_sysctl(name)) return {};
  if (name == "tcp_fastopen_key") return apply_fast_open_keys(text, s);
  std::vector<std::int64_t> values;
  std::istringstream words{text};
  for (std::string word; words >> word;) {
    const auto value = number(word);
    if (!value) return unexpected(fmt::format("the sysctl {}: `{}` is not a number", name, word));
    values.push_back(*value);
  }
  const auto* row =
      std::find_if(std::begin(kSysctls), std::end(kSysctls), [&](const Sysctl& known) { return known.name == name; });
  if (row == std::end(kSysctls)) return unexpected(fmt::format("there is nothing like the sysctl {} here", name));
  if (values.empty() || !row->apply(s, values))
    return unexpected(fmt::format("the sysctl {} cannot be {}", name, text));
  return {};
}

// One command as words; quotes keep blanks together.
std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words(1);
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') quoted = !quoted;
    if (!quoted && (c == ' ' || c == '\t')) {
      if (!words.back().empty()) words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

Expected<void, std::string> apply_line(std::string_view line, Settings& s) {
  const std::vector<std::string> words = words_of(line);
  if (words.empty() || words[0][0] == '#') return {};
  const std::string name = words[0].substr(words[0].rfind('/') + 1);
  if (name == "sysctl" || name == "set_sysctls.py") {
    for (std::size_t i = 1; i < words.size(); ++i) {
      if (words[i][0] == '-') continue;
      if (words[i][0] == '>') break;
      if (auto ok = apply_sysctl(words[i], s); !ok) return ok;
    }
    return {};
  }
  if (name == "tc") {  // what paces on Linux is the queueing discipline
    s.stack.tcp.pacing = std::find(words.begin(), words.end(), "fq") != words.end();
    return {};
  }
  const bool harmless = name == "defaults.sh" || name.starts_with("sysctl_restore") ||
                        (name == "ip" && words.size() > 1 && words[1] == "tcp_metrics");
  if (harmless) return {};
  return unexpected(fmt::format("the command `{}` is not one that a test in virtual time can run", words[0]));
}

Expected<void, std::string> apply_command(std::string text, Settings& s) {
  for (const std::string_view separator : {"&&", ";"}) {
    for (std::size_t at = text.find(separator); at != std::string::npos; at = text.find(separator)) {
      text.replace(at, separator.size(), "\n");
    }
  }
  std::istringstream lines{text};
  for (std::string line; std::getline(lines, line);) {
    if (auto ok = apply_line(line, s); !ok) return ok;
  }
  return {};
}

}  // namespace

Expected<Settings, ScriptError> settings_of(const Script& script, Family family) {
  Settings s = defaults(family);
  try {
    for (const ScriptOption& option : script.options) apply_option(option, s);
  } catch (const ScriptError& error) {
    return unexpected(error);
  }
  if (script.init_command) {
    if (auto ok = apply_command(*script.init_command, s); !ok) return unexpected(ScriptError{{1, 1}, ok.error()});
  }
  s.stack.addresses = {{{s.local, static_cast<std::uint8_t>(s.local.is_v4() ? 16 : 48)}, 1}};
  return s;
}

Expected<void, std::string> check_late_command(const std::string& text) {
  Settings unused;
  return apply_command(text, unused);
}

}  // namespace pollux::stacktest
