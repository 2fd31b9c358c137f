#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "api/stack.h"
#include "ast.h"
#include "base/expected.h"
#include "time/instant.h"

namespace pollux::stacktest {

enum class Family : std::uint8_t { kIpv4, kIpv6 };

// How a script is to be run: its options (--name=value) and what its shell commands ask of the system.
//
// Options taken: --ip_version, --bind_port, --connect_port, --remote_ip, --local_ip, --gateway_ip, --mtu,
// --tolerance_usecs, --tolerance_percent, --tcp_ts_tick_usecs, --strict_segments; without effect: --netmask_ip,
// --speed,
// --debug, --verbose, --code_command, --code_format, --code_sockopt, --non_fatal (all is fatal).
//
// Shell commands: `sysctl` and set_sysctls.py set what Pollux has (tcp_timestamps, tcp_sack, tcp_window_scaling,
// tcp_synack_retries, tcp_rfc1337, tcp_fin_timeout, tcp_invalid_ratelimit, tcp_tw_reuse, tcp_rmem, tcp_wmem, tcp_ecn,
// tcp_mtu_probing, mtu_expires, tcp_fastopen, tcp_fastopen_key); `tc` with fq: connections are paced, as on Linux;
// defaults.sh, the script that restores, `ip tcp_metrics` and the sysctls of what Pollux does not have or has
// only in one way are left out. Anything else is an error: a script that needs it would not test what it says.
struct Settings {
  std::optional<Family> only;  // --ip_version
  IpAddress local;
  IpAddress remote;
  std::uint16_t bind_port = 8080;
  std::uint16_t connect_port = 8080;
  Duration tolerance = 4ms;
  double tolerance_percent = 12.5;
  std::uint32_t ts_tick_us = 0;  // 0: TSval is not checked
  bool strict_segments = false;  // a line is one packet, and not several of one size
  ShardConfig stack;
};

Expected<Settings, ScriptError> settings_of(const Script& script, Family family);

// What a command in the middle of a script changes: nothing that a stack which runs could take.
Expected<void, std::string> check_late_command(const std::string& text);

}  // namespace pollux::stacktest
