#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/expected.h"
#include "device/impairment.h"
#include "dpdk/eal.h"
#include "load/settings.h"
#include "runtime/options.h"
#include "shard/shard_config.h"
#include "stacktest/replay/compare.h"
#include "stacktest/replay/replayer.h"
#include "stacktest/sim/world.h"
#include "tcp/config.h"
#include "time/instant.h"
#include "time_wait/model.h"

namespace pollux::app {

// What the program is asked to do. Bits, so that an option can name those it is for.
enum class Command : unsigned {
  kDemo = 1,
  kHttp = 2,
  kEcho = 4,
  kDiscard = 8,
  kChargen = 16,
  kScript = 32,
  kLoad = 64,
  kSim = 128,
  kReplay = 256,
  kTap = 512,
  kTimeWaitModel = 1u << 20,
  kTimeWaitFill = 1u << 21,
  kTimeWaitChurn = 1u << 22,
  kTimeWaitCompare = 1u << 23,
  kReport = 1u << 28,
  kCompare = 1u << 29
};

enum class CloseBy : std::uint8_t { kServer, kClient };
enum class IpFamily : std::uint8_t { kBoth, kIpv4, kIpv6 };

// What is for `timewait` alone. Ports and 2MSL are tcp.ports and tcp.time_wait.
struct TimeWaitOptions {
  std::uint64_t entries = 1'000'000;
  std::uint32_t addresses = 1;
  std::uint32_t destinations = 1;
  double rate = 0;                  // connections/s; 0: as many as can be
  std::vector<TimeWaitMode> modes;  // empty: all
  Alternatives alternatives;
};

// What `stacktest sim` runs.
struct SimSettings {
  sim::World world;        // but for its seed
  bool all_peers = false;  // instead of the world's, by seed
  std::optional<std::uint64_t> seeds;
  std::uint32_t jobs = 0;  // worlds at a time; 0: one for each core
};

// What `stacktest replay` feeds to the stack, and what it expects of it.
struct ReplayOptions {
  stacktest::ReplaySettings settings;  // but for TCP's and the seed
  std::uint64_t connection = 1;        // of the capture, 1 is the first
  std::string expect;                  // capture files; empty: none
  std::string out;
  stacktest::Strictness strictness = stacktest::Strictness::kPackets;
};

// Everything the user may choose, as resolved from the file and the command line.
struct Options {
  std::string port;   // empty: what the subcommand takes by default
  ShardConfig shard;  // addresses, gateways, limits and all of TCP; keys and MAC are filled in later
  // Of each connection, ours and accepted ones. Without Nagle: an answer that is written whole need not wait for an
  // ACK.
  tcp::Options connection{.nodelay = true};
  // ListenSpec::fast_open of our servers.
  std::uint32_t pending_fast_opens() const { return connection.fast_open ? 256 : 0; }
  std::vector<unsigned> cores;  // CPUs; one may stand more than once
  bool pipeline = false;
  std::uint32_t workers = 0;  // 0: one for each core
  runtime::IdlePolicy idle = runtime::IdlePolicy::kAuto;
  dpdk::HugePages hugepages = dpdk::HugePages::kAuto;
  std::optional<std::uint64_t> seed;
  std::string config;
  std::string json;  // a path, "-": standard output, empty: none
  std::string capture;
  std::optional<ChecksumMode> checksum;
  Impairment impairment;
  std::optional<std::uint64_t> impairment_seed;
  bool verbose = false;
  bool quiet = false;
  std::optional<Duration> duration;
  std::vector<std::string> eal;  // what followed a final "--"

  // serve
  std::uint16_t listen = 0;  // 0: the service's own port
  std::uint64_t body = 1000;
  std::string root;
  Duration header_timeout = 10s;
  Duration idle_timeout = 60s;

  // demo
  std::uint32_t clients = 64;
  CloseBy close = CloseBy::kServer;

  // report, compare
  std::vector<std::string> results;  // paths
  std::string html;                  // a path, "-": standard output, empty: none; so is csv
  std::string csv;
  std::optional<double> max_regress;  // a share
  // stacktest
  std::vector<std::string> files;  // scripts, and directories of them
  IpFamily family = IpFamily::kBoth;
  std::string captures;  // a directory; empty: none are written
  bool beside_linux = false;
  SimSettings sim;
  ReplayOptions replay;
  std::string tests;  // the directory of the interop suite; empty: the one beside the program
  bool keep = false;

  LoadSettings load;
  bool ports_given = false;  // the ephemeral ones
  std::optional<bool> reuse_time_wait_given;
  std::vector<std::string> tcp_settings;  // "tcp.mss=536": those of the user's that are not the defaults
  TimeWaitOptions time_wait;

  bool ecn() const;  // whether connections ask for it; DCTCP always does
  // Stack cores of a server.
  std::uint32_t stack_cores() const;
  bool impaired() const {
    return impairment.loss > 0 || impairment.duplicate > 0 || impairment.reorder > 0 || impairment.corrupt > 0 ||
           impairment.mark > 0 || impairment.delay.count() > 0 || impairment.jitter.count() > 0;
  }
};

using SetResult = Expected<void, std::string>;

// "198.18.1.0/24", "198.18.1.7/24+100": the addresses from ADDR to the end of the network, or so many of them; of an
// IPv4 network neither its own address nor the broadcast address.
Expected<LocalAddresses, std::string> parse_address_range(std::string_view text);

// One option. The command line has it as --name, a file as the key with _ for each -. A name may stand for one option
// of some subcommands and for another of others.
struct OptionSpec {
  std::string_view name;
  char letter = 0;         // -v; 0: none
  std::string_view value;  // what stands for its value in the help; empty: a switch
  std::string_view help;
  unsigned commands = 0;  // bits of Command
  bool repeatable = false;
  SetResult (*set)(Options&, std::string_view) = nullptr;
  nlohmann::json (*show)(const Options&) = nullptr;
  std::string_view implied = {};     // what it means without a value; empty: it needs one
  bool stands_alone = false;         // its values may be given without its name
  std::string_view instead_of = {};  // "rate,ramp": names of those that say nothing beside it

  bool is_for(Command command) const { return (commands & static_cast<unsigned>(command)) != 0; }
  std::string key() const;
};
std::span<const OptionSpec> option_table();

// One key of --set tcp.KEY=VALUE and of a file's [tcp].
struct TcpKey {
  std::string_view name;
  std::string_view value;
  std::string_view help;
  SetResult (*set)(Options&, std::string_view) = nullptr;
  nlohmann::json (*show)(const Options&) = nullptr;

  std::string show_text(const Options& options) const;  // as `set` would take it
};
std::span<const TcpKey> tcp_keys();
// "tcp.mss=536": the keys whose values are not the defaults.
std::vector<std::string> changed_tcp_settings(const Options& options);
// "1024-65535".
SetResult set_ephemeral_ports(Options& options, std::string_view text);

// An option as given, before it is understood.
struct Setting {
  const OptionSpec* option = nullptr;
  std::string value;
  std::string origin;  // "--port", "tap.toml:3: port"
};

// Settings of TCP that cannot go together; `options`: what `file` and `line` make of them.
SetResult check_tcp(const Options& options, const std::vector<Setting>& file, const std::vector<Setting>& line);

// The settings of a TOML text; `path` is for messages.
Expected<std::vector<Setting>, std::string> read_toml(std::string_view text, const std::string& path, Command command);
Expected<std::vector<Setting>, std::string> read_toml_file(const std::string& path, Command command);

// The file's settings, then the command line's, which win: they replace those of the file.
Expected<Options, std::string> resolve(const std::vector<Setting>& file, const std::vector<Setting>& line);

// Every option as resolved, for the result file.
nlohmann::json show_options(const Options& options, Command command);

}  // namespace pollux::app
