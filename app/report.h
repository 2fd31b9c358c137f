#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hdr_histogram.h"
#include "runtime/snapshot.h"
#include "service_counters.h"
#include "time/instant.h"

namespace pollux::app {

struct Verdict {
  enum class State : std::uint8_t { kValid, kDegraded, kInvalid };
  State state = State::kValid;
  std::vector<std::string> reasons;

  // Never makes it better.
  void degrade(std::string reason) { lower_to(State::kDegraded, std::move(reason)); }
  void invalidate(std::string reason) { lower_to(State::kInvalid, std::move(reason)); }

 private:
  void lower_to(State to, std::string reason) {
    state = std::max(state, to);
    reasons.push_back(std::move(reason));
  }
};
std::string_view name(Verdict::State state);

// How an open loop's schedule was kept.
struct Pace {
  double asked = 0;                  // connections that were to be opened by the end
  std::uint64_t begun = 0;           // ... that were, or failed at once
  std::uint64_t missed = 0;          // ... that had not begun when their time was over
  std::uint64_t waits_for_port = 0;  // how often they waited because no port was free
};

// A threshold, as it came out.
struct Threshold {
  std::string expression;
  double value = 0;  // of its metric
  bool pass = true;
};

// One second of a run.
struct Sample {
  Duration at{0};  // since the start
  double connections_per_second = 0;
  std::optional<double> asked_per_second{};  // by an open loop's schedule
  std::uint64_t active = 0;
  std::uint64_t time_wait = 0;
  Duration p50{0};
  Duration p99{0};
  std::uint64_t retransmits = 0;  // within it
  std::uint64_t errors = 0;       // within it
  std::uint64_t drops = 0;        // within it, for whatever reason
  std::vector<double> busy{};     // of each core, within it; for the status line
};

// Everything a run has to tell; what the JSON result is made of, and of that the summary (result_text.h).
struct Result {
  std::string command;                // "serve http"
  std::optional<std::uint64_t> seed;  // as given; else nobody knows the keys
  std::string started;                // wall clock, ISO 8601
  Duration duration{0};
  nlohmann::json config;
  std::vector<std::string> tcp_settings;  // the user's that are not the defaults: "tcp.ecn=on"
  Verdict verdict;
  ServiceCounters service;  // of the side that the run is about
  std::uint64_t open_at_end = 0;
  std::uint64_t opening_at_end = 0;  // ... of which so many had no answer to their SYN yet
  std::string group;                 // ... and its group; rates and totals are that group's
  runtime::EngineSnapshot engine;
  std::vector<std::pair<std::string, HdrHistogram>> latency;
  std::vector<Sample> series;
  std::optional<Pace> pace;  // of an open loop
  std::vector<Threshold> thresholds;
  std::optional<std::uint64_t> impairment_seed;  // empty: nothing was impaired
  double time_wait_entry = 0;                    // bytes that an IPv4 connection in TIME-WAIT takes, index included
  double idle_connection = 0;                    // bytes, its share of the tables included
  nlohmann::ordered_json sections;               // of this subcommand alone, by name; null: none
  std::vector<std::string> findings;             // of this subcommand alone, for people; lines
};

// What was dropped and why: every reason that occurred, with its count.
std::vector<std::pair<std::string, std::uint64_t>> drops(const runtime::EngineSnapshot& engine);

// "schema": "pollux.result/1".
nlohmann::ordered_json to_json(const Result& result);

std::string iso_time_now();

}  // namespace pollux::app
