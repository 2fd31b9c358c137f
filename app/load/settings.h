#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "load/schedule.h"
#include "shard/shard_config.h"
#include "time/instant.h"
#include "wire/ip_address.h"

namespace pollux::app {

enum class Scheme : std::uint8_t { kHttp, kEcho, kDiscard, kChargen };
enum class Method : std::uint8_t { kGet, kHead, kPost };
enum class Closer : std::uint8_t { kDefault, kClient, kServer, kReset };
// What becomes of a connection that no local port is free for.
enum class OnExhaust : std::uint8_t {
  kFail,   // it fails at once
  kWait,   // it waits until one is, and those behind it too
  kReuse,  // it takes one out of TIME-WAIT where timestamps allow it (RFC 6191), else fails
};

struct Target {
  Scheme scheme = Scheme::kHttp;
  IpAddress address;
  std::uint16_t port = 0;
  std::string path;       // "/index.html?x=1"
  std::string authority;  // "198.18.0.1:8080", for the Host field
  friend bool operator==(const Target&, const Target&) = default;
};
// "http://198.18.0.1:8080/".
std::string to_string(const Target& target);

// A threshold as given: "response.p99 > 500us".
struct Condition {
  std::string text;
  std::vector<std::string> path;  // of the metric in the result file
  enum class Relation : std::uint8_t { kAbove, kAtLeast, kBelow, kAtMost } relation = Relation::kAbove;
  double limit = 0;  // in the metric's own unit: ns, bytes, a share of 1
};

// What `pollux load` is asked for beside what all subcommands have.
struct LoadSettings {
  std::vector<Target> targets;
  double rate = 1000;  // connections per second
  Arrivals arrivals = Arrivals::kConstant;
  std::vector<Stage> stages;  // instead of rate, arrivals, ramp and duration
  Duration ramp{0};
  Duration warmup{0};             // the first part of the run, whose latencies are left out
  std::uint32_t closed = 0;       // clients back to back; 0: open loop
  std::uint32_t connections = 0;  // held open meanwhile
  std::uint32_t requests = 1;     // on each connection
  Method method = Method::kGet;
  std::uint64_t size = 64;  // bytes that a client sends (POST, echo, discard) or takes (chargen)
  bool verify = false;
  Duration think{0};
  Duration timeout = 10s;
  std::uint64_t read_rate = 0;  // bytes per second and connection; 0: as they come
  Duration wait_target = 5s;
  Closer close = Closer::kDefault;
  std::vector<LocalAddresses> sources;
  OnExhaust on_exhaust = OnExhaust::kFail;
  std::vector<Condition> fail_if;
  std::vector<Condition> abort_if;
  std::string secret_file;  // empty: where the user's state is kept
  bool with_server = false;
  bool dry_run = false;
};

}  // namespace pollux::app
