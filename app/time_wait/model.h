#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "time/instant.h"

namespace pollux::app {

// What users choose between when short connections run out of ports.
enum class TimeWaitMode : std::uint8_t {
  kPlain,         // the client closes first; a tuple is free again after 2MSL
  kTimestamps,    // ... or after a second, where timestamps tell new from old (RFC 6191)
  kAddresses,     // more source addresses
  kServerCloses,  // TIME-WAIT is the server's, which takes a newer SYN for what it is (RFC 9293, MAY-2)
  kMsl,           // a shorter 2MSL
  kRst,           // the client resets: no TIME-WAIT, and nothing that protects the next connection
};
inline constexpr std::array kTimeWaitModes{TimeWaitMode::kPlain,     TimeWaitMode::kTimestamps,
                                           TimeWaitMode::kAddresses, TimeWaitMode::kServerCloses,
                                           TimeWaitMode::kMsl,       TimeWaitMode::kRst};
std::string_view name(TimeWaitMode mode);

// Short connections from `addresses` times `ports` sockets to each of `destinations` (address and port).
struct Scenario {
  TimeWaitMode mode = TimeWaitMode::kPlain;
  std::uint64_t addresses = 1;
  std::uint64_t ports = 28232;
  std::uint64_t destinations = 1;
  Duration two_msl = 60s;
  double rate = 0;  // connections/s that are asked for

  std::uint64_t tuples() const { return addresses * ports * destinations; }
};

// Bytes that one connection in TIME-WAIT takes.
struct EntryBytes {
  double kernel = 0;  // Linux
  double pollux = 0;
  bool kernel_measured_here = false;  // read from this machine's slab allocator; else what was measured elsewhere
};
EntryBytes entry_bytes();

// What comes of a scenario. Connections are taken to be short beside 2MSL.
struct Prediction {
  std::uint64_t tuples = 0;
  std::optional<Duration> held;             // how long a tuple is taken after its connection; empty: not at all
  std::optional<double> sustainable;        // connections/s that go on for ever; empty: as many as are asked for
  std::optional<Duration> exhausted_after;  // from the start; empty: never
  double sustained = 0;                     // connections/s in the long run, of those asked for
  std::uint64_t entries = 0;                // in TIME-WAIT, at most
  std::uint64_t addresses_needed = 0;       // source addresses with which the rate would be sustained in this mode
};
Prediction predict(const Scenario& scenario);
// The same moment by moment, `at` since the start: connections completed, and those of them in TIME-WAIT.
double completed_by(const Scenario& scenario, Duration at);
double waiting_at(const Scenario& scenario, Duration at);

// The scenario in each mode: `base` as it is, with `more_addresses` source addresses, with `shorter` for 2MSL.
struct Alternatives {
  std::uint64_t more_addresses = 16;
  Duration shorter = 1s;
};
Scenario in_mode(Scenario base, TimeWaitMode mode, const Alternatives& alternatives);

// "schema": "pollux.timewait.model/1".
nlohmann::ordered_json model_json(const Scenario& base, const Alternatives& alternatives, const EntryBytes& bytes);
std::string model_text(const Scenario& base, const Alternatives& alternatives, const EntryBytes& bytes);

nlohmann::ordered_json to_json(const Scenario& scenario);
nlohmann::ordered_json to_json(const Prediction& prediction);

}  // namespace pollux::app
