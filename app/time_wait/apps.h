#pragma once

#include <chrono>
#include <cstdint>
#include <ctime>
#include <optional>
#include <string_view>
#include <utility>

#include "hdr_histogram.h"
#include "passive_app.h"
#include "service_counters.h"
#include "shard/shard_core.h"

namespace pollux::app {

// Addresses times ports, numbered: what a client opens from, one after the other.
struct TupleSpace {
  IpAddress first;  // consecutive from here on
  std::uint16_t first_port = 1024;
  std::uint32_t ports = 64512;

  IpAddress address(std::uint64_t n) const { return first.plus(n / ports); }
  std::uint16_t port(std::uint64_t n) const { return static_cast<std::uint16_t>(first_port + n % ports); }
  std::uint64_t addresses_for(std::uint64_t tuples) const { return (tuples + ports - 1) / ports; }
};

// Opens the connections of the tuples up to a number it is told, some at a time; ends each when its peer has. An App
// for a Shard that opens from on_turn.
class TupleOpener : public PassiveApp {
 public:
  struct Config {
    IpAddress server;
    std::uint16_t port = 80;
    TupleSpace tuples;
    std::uint32_t clients = 64;  // open at the same time
    tcp::Options options;
  };
  explicit TupleOpener(const Config& config) : config_{config} {}

  void open_up_to(std::uint64_t end) { end_ = end; }
  bool idle() const { return open_ == 0 && next_ >= end_; }
  std::uint64_t next() const { return next_; }

  template <class S>
  std::optional<Instant> on_turn(S& shard, Instant now) {
    while (open_ < config_.clients && next_ < end_) {
      ConnectSpec spec;
      spec.remote = config_.server;
      spec.remote_port = config_.port;
      spec.local = config_.tuples.address(next_);
      spec.local_port = config_.tuples.port(next_);
      spec.options = config_.options;
      ++next_;
      ++counters_.attempted;
      const auto id = shard.connect(spec, now);
      if (id) {
        ++open_;
      } else {
        refusal_ = describe(id.error());
        ++counters_.no_resources;
      }
    }
    return std::nullopt;
  }
  template <class S>
  void on_drain(S&, Instant) {
    end_ = next_;
  }

  template <class C>
  void on_open(C) {
    ++counters_.opened;
  }
  template <class C>
  void on_eof(C conn) {
    conn.close();
  }
  template <class C>
  void on_closed(C, tcp::Reason reason) {
    --open_;
    counters_.count_closed(reason);
  }
  const ServiceCounters& counters() const { return counters_; }
  // Why the last active open was refused at once; empty: none was.
  std::string_view refusal() const { return refusal_; }

 private:
  Config config_;
  std::uint64_t next_ = 0;
  std::uint64_t end_ = 0;
  std::uint32_t open_ = 0;
  ServiceCounters counters_;
  std::string_view refusal_;
};

// How long the turns of a loop take, as its application sees them: from one on_turn to the next.
class TurnWatch {
 public:
  struct Turns {
    HdrHistogram wall;  // the loop's time
    HdrHistogram cpu;   // ... without what other threads had of the CPU meanwhile
  };

  void begin() {
    turns_ = {};
    last_.reset();
    on_ = true;
  }
  Turns end() {
    on_ = false;
    return std::move(turns_);
  }
  void turn() {
    if (!on_) return;
    const Times now{std::chrono::steady_clock::now().time_since_epoch(), cpu_time()};
    if (last_) {
      turns_.wall.record(now.wall - last_->wall);
      turns_.cpu.record(now.cpu - last_->cpu);
    }
    last_ = now;
  }

 private:
  struct Times {
    Duration wall;
    Duration cpu;
  };
  static Duration cpu_time() {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return std::chrono::seconds{t.tv_sec} + std::chrono::nanoseconds{t.tv_nsec};
  }

  bool on_ = false;
  std::optional<Times> last_;
  Turns turns_;
};

// Closes each connection as soon as it is open, and so keeps it in TIME-WAIT.
class CloseAtOnce : public PassiveApp {
 public:
  template <class S>
  std::optional<Instant> on_turn(S&, Instant) {
    watch.turn();
    return std::nullopt;
  }
  template <class C>
  void on_open(C conn) {
    ++counters_.opened;
    conn.close();
  }
  template <class C>
  void on_closed(C, tcp::Reason reason) {
    counters_.count_closed(reason);
  }
  const ServiceCounters& counters() const { return counters_; }

  TurnWatch watch;

 private:
  ServiceCounters counters_;
};

}  // namespace pollux::app
