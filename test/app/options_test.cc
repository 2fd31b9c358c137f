#include "options.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

namespace pollux::app {
namespace {

constexpr Command kCommands[] = {Command::kDemo,    Command::kHttp,    Command::kEcho,
                                 Command::kDiscard, Command::kChargen, Command::kLoad};

// That of the servers where there are two of the name.
const OptionSpec& option(std::string_view name) {
  for (const OptionSpec& spec : option_table()) {
    if (spec.name == name) return spec;
  }
  throw std::invalid_argument{std::string{name}};
}

Setting given(const OptionSpec& spec, std::string value) {
  return {&spec, std::move(value), "--" + std::string{spec.name}};
}
Setting given(std::string_view name, std::string value) { return given(option(name), std::move(value)); }

bool has_option(Command command, std::string_view name) {
  const auto table = option_table();
  return std::any_of(table.begin(), table.end(),
                     [&](const OptionSpec& spec) { return spec.name == name && spec.is_for(command); });
}

Options options_of(const std::vector<Setting>& line) {
  auto resolved = resolve({}, line);
  EXPECT_TRUE(resolved) << resolved.error();
  return resolved ? *resolved : Options{};
}

std::string error_of(std::string_view name, std::string value) {
  const auto resolved = resolve({}, {given(name, std::move(value))});
  return resolved ? "no error" : resolved.error();
}

// A value for every option that differs from its default.
const std::map<std::string, std::string> kValues{
    {"port", "ring-pair"},
    {"ip", "198.18.0.2/24"},
    {"ip-range", "198.18.1.0/24"},
    {"gateway", "198.18.0.1"},
    {"cores", "0,2-3"},
    {"workers", "2"},
    {"pipeline", "on"},
    {"idle", "spin"},
    {"hugepages", "off"},
    {"mtu", "1400"},
    {"vlan", "7"},
    {"checksum", "trust"},
    {"impair", "loss=0.01"},
    {"max-connections", "1k"},
    {"set", "tcp.time_wait=10s"},
    {"seed", "42"},
    {"duration", "3s"},
    {"json", "r.json"},
    {"capture", "a.pcap"},
    {"config", "a.toml"},
    {"verbose", "on"},
    {"quiet", "on"},
    {"script", "a.pkt"},
    {"family", "ipv6"},
    {"captures", "/tmp"},
    {"beside-linux", "on"},
    {"in", "a.pcap"},
    {"connection", "2"},
    {"role", "client"},
    {"asap", "on"},
    {"isn", "near-wrap"},
    {"out", "b.pcap"},
    {"expect", "c.pcap"},
    {"loose", "on"},
    {"seeds", "7"},
    {"jobs", "3"},
    {"peer", "off-path"},
    {"flows", "3"},
    {"bytes", "10k"},
    {"loss", "1%"},
    {"reorder", "1%"},
    {"duplicate", "1%"},
    {"corrupt", "1%"},
    {"delay", "3ms"},
    {"without", "jitter"},
    {"only", "loss"},
    {"tests", "/tmp"},
    {"keep", "on"},
    {"listen", "8080"},
    {"body", "1Ki"},
    {"root", "files"},
    {"header-timeout", "3s"},
    {"idle-timeout", "4s"},
    {"clients", "10"},
    {"close", "client"},
    {"result", "r.json"},
    {"html", "r.html"},
    {"csv", "r.csv"},
    {"max-regress", "3%"},
    {"url", "echo://198.18.0.1:7007-7008"},
    {"rate", "20k/s"},
    {"arrivals", "poisson"},
    {"ramp", "1s"},
    {"warmup", "1s"},
    {"stage", "rate=1k/s->2k/s,for=2s,arrivals=poisson"},
    {"closed", "8"},
    {"connections", "1000"},
    {"requests-per-connection", "10"},
    {"method", "HEAD"},
    {"size", "1Ki"},
    {"verify", "on"},
    {"think", "10ms"},
    {"read-rate", "10k"},
    {"timeout", "3s"},
    {"wait-target", "1s"},
    {"source", "198.18.1.0/24"},
    {"source-ports", "1024-2047"},
    {"on-exhaust", "wait"},
    {"secret-file", "/tmp/secret"},
    {"fail-if", "response.p99 > 1ms"},
    {"abort-if", "errors.refused > 0"},
    {"with-server", "on"},
    {"dry-run", "on"},
    {"entries", "20k"},
    {"addresses", "4"},
    {"destinations", "3"},
    {"mode", "plain,addresses=4,msl=2s"},
};

// A value for every key of TCP that differs from its default.
const std::map<std::string, std::string> kTcpValues{
    {"time_wait", "10s"},
    {"msl", "5s"},
    {"keepalive", "30s"},
    {"keepalive_interval", "5s"},
    {"keepalive_count", "3"},
    {"fin_wait2", "5s"},
    {"user_timeout", "20s"},
    {"congestion", "newreno"},
    {"ecn", "on"},
    {"fastopen", "on"},
    {"pacing", "on"},
    {"timestamps", "off"},
    {"window_scaling", "off"},
    {"sack", "off"},
    {"mss", "536"},
    {"path_mtu_discovery", "off"},
    {"mtu_probing", "off"},
    {"base_mss", "512"},
    {"min_pmtu", "576"},
    {"mtu_expires", "5m"},
    {"delayed_ack", "100ms"},
    {"nodelay", "off"},
    {"rto_initial", "2s"},
    {"rto_min", "50ms"},
    {"rto_max", "30s"},
    {"rcvbuf", "64Ki"},
    {"rcvbuf_max", "2Mi"},
    {"sndbuf", "128Ki"},
    {"r1", "5"},
    {"r2", "100s"},
    {"r2_syn", "200s"},
    {"syn_ack_retries", "2"},
    {"initial_window", "4"},
    {"max_ranges", "256"},
    {"persist_max", "30s"},
    {"challenge_interval", "100ms"},
    {"sws_override", "150ms"},
    {"rst_ends_time_wait", "on"},
    {"ttl", "32"},
    {"tos", "8"},
    {"ports", "1024-65535"},
    {"syn_cookies", "off"},
    {"max_half_open", "100"},
    {"max_time_wait", "1000"},
    {"max_time_wait_v6", "1000"},
    {"time_wait_full", "refuse"},
    {"reuse_time_wait", "off"},
    {"max_destinations", "8"},
    {"resets_per_second", "5"},
};

TEST(OptionTable, EveryOptionChangesSomethingThatTheResultShows) {
  for (const OptionSpec& spec : option_table()) {
    ASSERT_TRUE(kValues.contains(std::string{spec.name})) << spec.name << " has no value in this test";
    const Options changed = options_of({given(spec, kValues.at(std::string{spec.name}))});
    EXPECT_NE(spec.show(changed), spec.show(Options{})) << spec.name;
  }
}

TEST(OptionTable, EveryKeyOfTcpChangesSomethingThatTheResultShows) {
  for (const TcpKey& key : tcp_keys()) {
    ASSERT_TRUE(kTcpValues.contains(std::string{key.name})) << key.name << " has no value in this test";
    Options changed;
    const auto ok = key.set(changed, kTcpValues.at(std::string{key.name}));
    ASSERT_TRUE(ok) << key.name << ": " << ok.error();
    EXPECT_NE(key.show(changed), key.show(Options{})) << key.name;
  }
}

TEST(OptionTable, WhatAKeyShowsItReadsBack) {
  for (const TcpKey& key : tcp_keys()) {
    Options first;
    ASSERT_TRUE(key.set(first, kTcpValues.at(std::string{key.name})));
    const auto shown = key.show(first);
    const std::string text = shown.is_string() ? shown.get<std::string>() : shown.dump();
    Options second;
    const auto ok = key.set(second, text);
    ASSERT_TRUE(ok) << key.name << "=" << text << ": " << ok.error();
    EXPECT_EQ(key.show(second), shown) << key.name;
  }
}

TEST(OptionTable, NamesAreUniqueAndHaveHelp) {
  for (const Command command : kCommands) {
    std::set<std::string_view> names;
    std::set<char> letters;
    for (const OptionSpec& spec : option_table()) {
      EXPECT_FALSE(spec.help.empty()) << spec.name;
      EXPECT_NE(spec.commands, 0u);
      if (!spec.is_for(command)) continue;
      EXPECT_TRUE(names.insert(spec.name).second) << spec.name;
      EXPECT_TRUE(spec.letter == 0 || letters.insert(spec.letter).second) << spec.letter;
    }
  }
}

TEST(Toml, EveryOptionHasAKeyThatDoesWhatTheCommandLineDoes) {
  for (const OptionSpec& spec : option_table()) {
    if (spec.name == "config" || spec.name == "set") continue;
    const std::string& value = kValues.at(std::string{spec.name});
    for (const Command command : kCommands) {
      const std::string text = spec.value.empty() ? spec.key() + " = true" : spec.key() + " = \"" + value + "\"";
      const auto file = read_toml(text, "a.toml", command);
      if (!spec.is_for(command)) {
        EXPECT_EQ(file.has_value(), has_option(command, spec.name)) << text;
        continue;
      }
      ASSERT_TRUE(file) << file.error();
      const auto from_file = resolve(*file, {});
      ASSERT_TRUE(from_file) << from_file.error();
      EXPECT_EQ(spec.show(*from_file), spec.show(options_of({given(spec, value)}))) << spec.name;
    }
  }
}

TEST(Toml, EveryKeyOfTcpStandsInTheTableTcp) {
  for (const TcpKey& key : tcp_keys()) {
    const std::string& value = kTcpValues.at(std::string{key.name});
    const auto file = read_toml("[tcp]\n" + std::string{key.name} + " = \"" + value + "\"\n", "a.toml", Command::kEcho);
    ASSERT_TRUE(file) << file.error();
    const auto resolved = resolve(*file, {});
    ASSERT_TRUE(resolved) << resolved.error();
    EXPECT_EQ(key.show(*resolved), key.show(options_of({given("set", "tcp." + std::string{key.name} + "=" + value)})));
  }
}

TEST(Toml, NumbersTruthListsAndTablesAreTaken) {
  const auto file = read_toml(R"(
ip = ["198.18.0.2/24", "2001:2::2/64"]
cores = [0, 1]
pipeline = true
vlan = 7
impair = { loss = 0.01, seed = 7 }
[tcp]
timestamps = false
mss = 536
)",
                              "a.toml", Command::kHttp);
  ASSERT_TRUE(file) << file.error();
  const auto options = resolve(*file, {});
  ASSERT_TRUE(options) << options.error();
  EXPECT_EQ(options->shard.addresses.size(), 2u);
  EXPECT_EQ(options->cores, (std::vector<unsigned>{0, 1}));
  EXPECT_TRUE(options->pipeline);
  EXPECT_EQ(options->shard.vlan, 7);
  EXPECT_DOUBLE_EQ(options->impairment.loss, 0.01);
  EXPECT_EQ(options->impairment_seed, 7u);
  EXPECT_FALSE(options->shard.tcp.timestamps);
  EXPECT_EQ(options->shard.tcp.mss, 536);
}

TEST(Toml, StagesStandInAnArrayOfTables) {
  const auto file = read_toml(R"(
[[stage]]
rate = "0/s -> 10k/s"
for = "5s"
[[stage]]
rate = 1000
for = "1m"
arrivals = "poisson"
)",
                              "a.toml", Command::kLoad);
  ASSERT_TRUE(file) << file.error();
  const auto options = resolve(*file, {});
  ASSERT_TRUE(options) << options.error();
  ASSERT_EQ(options->load.stages.size(), 2u);
  EXPECT_EQ(options->load.stages[0].to, 10'000);
  EXPECT_EQ(options->load.stages[1].from, 1000);
  EXPECT_EQ(options->load.stages[1].length, 60s);
  EXPECT_EQ(options->load.stages[1].arrivals, Arrivals::kPoisson);
  const auto misspelt = read_toml("[[stage]]\nrate = 5\nfro = \"5s\"\n", "a.toml", Command::kLoad);
  ASSERT_TRUE(misspelt);
  const auto refused = resolve(*misspelt, {});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().find("a stage has no `fro`; did you mean `for`?"), std::string::npos) << refused.error();
}

TEST(Toml, TheCommandLineWins) {
  const auto file =
      read_toml("ip = \"198.18.0.2/24\"\nvlan = 7\n[tcp]\nmss = 536\nttl = 32\n", "a.toml", Command::kHttp);
  ASSERT_TRUE(file) << file.error();
  const auto options = resolve(*file, {given("ip", "198.18.0.3/24"), given("set", "tcp.mss=1000")});
  ASSERT_TRUE(options);
  ASSERT_EQ(options->shard.addresses.size(), 1u);
  EXPECT_EQ(to_string(options->shard.addresses[0].prefix), "198.18.0.3/24");
  EXPECT_EQ(options->shard.vlan, 7);
  EXPECT_EQ(options->shard.tcp.mss, 1000);
  EXPECT_EQ(options->connection.ttl, 32);
}

TEST(Toml, AMisspeltKeyIsAnErrorWithFileLineAndSuggestion) {
  const auto file = read_toml("vlan = 1\nchekcsum = \"sw\"\n", "a.toml", Command::kHttp);
  ASSERT_FALSE(file);
  EXPECT_NE(file.error().find("a.toml:2"), std::string::npos) << file.error();
  EXPECT_NE(file.error().find("`checksum`"), std::string::npos) << file.error();
  const auto tcp = read_toml("[tcp]\nmss = 536\ntime_wiat = \"1s\"\n", "a.toml", Command::kHttp);
  ASSERT_TRUE(tcp);
  const auto resolved = resolve(*tcp, {});
  ASSERT_FALSE(resolved);
  EXPECT_EQ(resolved.error().substr(0, 10), "a.toml:3: ");
  EXPECT_NE(resolved.error().find("`tcp.time_wait`"), std::string::npos) << resolved.error();
}

TEST(Toml, ABadPortIsAnErrorWithFileAndLine) {
  const auto file = read_toml("vlan = 1\nport = \"memif:server,no-slash.sock\"\n", "a.toml", Command::kHttp);
  ASSERT_TRUE(file) << file.error();
  const auto resolved = resolve(*file, {});
  ASSERT_FALSE(resolved);
  EXPECT_EQ(resolved.error().substr(0, 39), "a.toml:2: port: memif:server,no-slash.s") << resolved.error();
  EXPECT_NE(resolved.error().find("must begin with '/'"), std::string::npos) << resolved.error();
}

TEST(Toml, BrokenTomlIsAnErrorWithItsLine) {
  const auto file = read_toml("vlan = 1\nip = = 3\n", "a.toml", Command::kHttp);
  ASSERT_FALSE(file);
  EXPECT_NE(file.error().find("a.toml:2"), std::string::npos) << file.error();
  EXPECT_FALSE(read_toml_file("/nonexistent.toml", Command::kHttp));
  const auto broken = [](const std::string& line) {
    const auto refused = read_toml("[tcp]\nttl = 3\n" + line + "\n", "a.toml", Command::kHttp);
    EXPECT_FALSE(refused) << line;
    return refused ? std::string{} : refused.error();
  };
  for (const char* bare : {"congestion = cubic", "congestion = newreno", "time_wait = 10s", "ecn = on", "ecn = tru"}) {
    EXPECT_EQ(broken(bare).substr(0, 10), "a.toml:3: ");
    EXPECT_NE(broken(bare).find("quotes"), std::string::npos) << broken(bare);
  }
  for (const char* other : {"mss 536", "ttl = 4"}) EXPECT_EQ(broken(other).find("quotes"), std::string::npos) << other;
}

TEST(Options, TheDemoRunsOverAPairAndOverNothingElse) {
  const auto of_demo = [](const std::string& value) {
    const auto file = read_toml("port = \"" + value + "\"", "a.toml", Command::kDemo);
    EXPECT_TRUE(file) << file.error();
    return resolve(*file, {});
  };
  for (const char* pair : {"memif-pair", "ring-pair"}) EXPECT_EQ(of_demo(pair)->port, pair);
  for (const char* port : {"ring", "ring-pair:0", "memif-pair:queues=2", "tap", "memif:server,@x", "nonsense"}) {
    const auto refused = of_demo(port);
    ASSERT_FALSE(refused) << port;
    EXPECT_EQ(refused.error().substr(0, 16), "a.toml:1: port: ") << refused.error();
    EXPECT_NE(refused.error().find("memif-pair or ring-pair"), std::string::npos) << refused.error();
  }
}

TEST(Options, AWorkerIsForEachCoreButThatOfAPipeline) {
  const auto workers = [](const std::vector<Setting>& line) { return options_of(line).stack_cores(); };
  EXPECT_EQ(workers({}), 1u);
  EXPECT_EQ(workers({given("cores", "0,1,2")}), 3u);
  EXPECT_EQ(workers({given("cores", "0,1,2"), given("pipeline", "on")}), 2u);
  EXPECT_EQ(workers({given("cores", "0"), given("pipeline", "on")}), 1u);
  EXPECT_EQ(workers({given("cores", "0"), given("workers", "4")}), 4u);
}

TEST(Options, EveryImpairmentImpairs) {
  EXPECT_FALSE(Options{}.impaired());
  EXPECT_FALSE(options_of({given("impair", "seed=7,reorder_delay=2ms")}).impaired());
  for (const char* one :
       {"loss=1%", "duplicate=1%", "reorder=1%", "corrupt=1%", "mark=1%", "delay=1ms", "jitter=1ms"}) {
    const Options impaired = options_of({given("impair", one), given("set", "tcp.ecn=on")});
    EXPECT_TRUE(impaired.impaired()) << one;
    EXPECT_TRUE(show_options(impaired, Command::kHttp)["impair"].is_object()) << one;
  }
}

// The error of the command line with these settings of TCP.
std::string tcp_error_of(const std::vector<std::string>& settings) {
  std::vector<Setting> line;
  for (const std::string& setting : settings) line.push_back(given("set", setting));
  const auto resolved = resolve({}, line);
  return resolved ? "no error" : resolved.error();
}

TEST(Options, SettingsOfTcpThatCannotGoTogetherAreAnErrorThatNamesBoth) {
  const struct {
    std::vector<std::string> settings;
    std::vector<std::string> named;
  } wrong[] = {
      {{"tcp.congestion=dctcp", "tcp.ecn=off"}, {"tcp.ecn=off", "dctcp"}},
      {{"tcp.rcvbuf=64Ki", "tcp.rcvbuf_max=32Ki"}, {"tcp.rcvbuf_max", "tcp.rcvbuf,", "65536", "32768"}},
      {{"tcp.rcvbuf_max=4Mi", "tcp.window_scaling=off"}, {"tcp.rcvbuf_max", "tcp.window_scaling"}},
      {{"tcp.rto_min=2s", "tcp.rto_max=1500ms"}, {"tcp.rto_min", "tcp.rto_max", "2s", "1500ms"}},
      {{"tcp.mss=500", "tcp.base_mss=600"}, {"tcp.mss: 500", "tcp.base_mss, which is 600"}},
      {{"tcp.time_wait=10s", "tcp.msl=4s"}, {"tcp.time_wait=10s", "tcp.msl=4s"}},
  };
  for (const auto& [settings, named] : wrong) {
    const std::string error = tcp_error_of(settings);
    for (const std::string& name : named) EXPECT_NE(error.find(name), std::string::npos) << error;
    EXPECT_NE(tcp_error_of({settings.rbegin(), settings.rend()}), "no error") << settings[0];
    EXPECT_EQ(error.find("--set: tcp."), 0u) << error;
    for (const std::string& alone : settings) {
      if (alone == "tcp.rcvbuf_max=32Ki") continue;  // rcvbuf is more by default
      EXPECT_EQ(tcp_error_of({alone}), "no error");
    }
  }
  EXPECT_NE(tcp_error_of({"tcp.rto_min=61s"}).find("give tcp.rto_max=61s too"), std::string::npos);
  EXPECT_NE(tcp_error_of({"tcp.rto_max=100ms"}).find("give tcp.rto_min=100ms too"), std::string::npos);
  EXPECT_EQ(tcp_error_of({"tcp.rcvbuf=16Ki", "tcp.rcvbuf_max=48Ki", "tcp.window_scaling=off"}), "no error");
  EXPECT_EQ(tcp_error_of({"tcp.time_wait=10s", "tcp.msl=5s"}), "no error");
  EXPECT_EQ(tcp_error_of({"tcp.mss=500"}), "no error") << "base_mss is more by default, which nobody asked for";
}

TEST(Options, OfSettingsThatCannotGoTogetherTheCommandLinesWins) {
  const auto options = resolve({given("set", "tcp.time_wait=10s")}, {given("set", "tcp.msl=1s")});
  ASSERT_TRUE(options) << options.error();
  EXPECT_EQ(options->shard.tcp.msl, Duration{1s});
  EXPECT_TRUE(
      resolve({given("set", "tcp.time_wait=10s"), given("set", "tcp.msl=4s")}, {given("set", "tcp.time_wait=6s")}));
  const auto dctcp = resolve({given("set", "tcp.ecn=off")}, {given("set", "tcp.congestion=dctcp")});
  ASSERT_TRUE(dctcp) << dctcp.error();
  const auto file = read_toml("[tcp]\ncongestion = \"dctcp\"\n", "a.toml", Command::kDemo);
  ASSERT_TRUE(file) << file.error();
  const auto refused = resolve(*file, {given("set", "tcp.ecn=off")});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().find("--set and a.toml:2: "), 0u) << refused.error();
}

TEST(Options, WhatStandsInsteadOfAnotherIsNotGivenWithIt) {
  for (const char* other : {"rate", "ramp", "arrivals", "stage"}) {
    const auto refused = resolve({}, {given("closed", "5"), given(other, kValues.at(other))});
    ASSERT_FALSE(refused) << other;
    EXPECT_NE(refused.error().find("--closed and --" + std::string{other}), std::string::npos) << refused.error();
  }
  EXPECT_FALSE(resolve({}, {given("rate", "7"), given("stage", kValues.at("stage"))}));
  const auto open_loop = resolve({given("closed", "5")}, {given("rate", "7")});  // the command line wins
  ASSERT_TRUE(open_loop);
  EXPECT_EQ(open_loop->load.closed, 0u);
  const auto closed_loop = resolve({given("stage", kValues.at("stage"))}, {given("closed", "5")});
  ASSERT_TRUE(closed_loop);
  EXPECT_TRUE(closed_loop->load.stages.empty());
  EXPECT_EQ(show_options(*closed_loop, Command::kLoad)["rate"], nullptr);
  for (const char* modifier : {"ramp", "arrivals"}) {
    EXPECT_FALSE(resolve({given("closed", "5")}, {given(modifier, kValues.at(modifier))})) << modifier;
    const auto with_rate = resolve({given("closed", "5")}, {given("rate", "7"), given(modifier, kValues.at(modifier))});
    ASSERT_TRUE(with_rate) << with_rate.error();
    EXPECT_EQ(with_rate->load.closed, 0u);
  }
  const auto staged = resolve({given("duration", "30s")}, {given("stage", kValues.at("stage"))});
  ASSERT_TRUE(staged);
  EXPECT_FALSE(staged->duration) << "stages have their own";
}

TEST(Options, WhatIsTakenOutOfTimeWaitTheCommandLinesOnExhaustDecides) {
  const std::vector<Setting> result = {given("set", "tcp.reuse_time_wait=off"), given("on-exhaust", "fail")};
  const auto reuse = resolve(result, {given("on-exhaust", "reuse")});
  ASSERT_TRUE(reuse);
  EXPECT_FALSE(reuse->reuse_time_wait_given);
  const auto both = resolve({}, {given("set", "tcp.reuse_time_wait=off"), given("on-exhaust", "reuse")});
  ASSERT_TRUE(both);
  EXPECT_EQ(both->reuse_time_wait_given, false);
}

TEST(Options, MarksNeedConnectionsThatAskForEcn) {
  EXPECT_EQ(error_of("impair", "mark=1%").find("--impair: mark: "), 0u);
  EXPECT_NE(error_of("impair", "mark=1%").find("tcp.ecn=on"), std::string::npos);
  const auto off = resolve({given("impair", "mark=1%"), given("set", "tcp.ecn=on")}, {given("set", "tcp.ecn=off")});
  ASSERT_FALSE(off);
  EXPECT_EQ(off.error().find("--impair and --set: "), 0u) << off.error();
  for (const char* setting : {"tcp.ecn=on", "tcp.congestion=dctcp"})
    EXPECT_TRUE(resolve({}, {given("impair", "mark=1%"), given("set", setting)})) << setting;
}

TEST(Options, AnImpairmentIsGivenOnceAndIsOneThatThereIs) {
  EXPECT_NE(error_of("impair", "loss=1%,loss=2%").find("loss is given twice"), std::string::npos);
  EXPECT_NE(error_of("impair", "bogus=1").find("reorder_delay"), std::string::npos) << "all are named";
}

TEST(Options, WhatAResultShowsOfTcpIsTakenAsAFile) {  // all keys, those too that nobody gave
  for (const char* setting : {"tcp.mss=500", "tcp.congestion=dctcp", "tcp.time_wait=10s", "tcp.rto_min=50ms"}) {
    const auto shown = show_options(options_of({given("set", setting)}), Command::kEcho)["tcp"];
    std::string text = "[tcp]\n";
    for (const auto& [key, value] : shown.items()) text += key + " = " + value.dump() + "\n";
    const auto file = read_toml(text, "a.toml", Command::kEcho);
    ASSERT_TRUE(file) << file.error();
    const auto again = resolve(*file, {});
    ASSERT_TRUE(again) << again.error();
    EXPECT_EQ(show_options(*again, Command::kEcho)["tcp"], shown);
  }
}

TEST(Options, DctcpShowsTheEcnThatItHas) {
  const auto shown = show_options(options_of({given("set", "tcp.congestion=dctcp")}), Command::kDemo);
  EXPECT_EQ(shown["tcp"]["ecn"], true);
}

TEST(Options, TheTosOfAPacketIsWithoutTheBitsOfEcn) {  // RFC 3168, 5
  EXPECT_EQ(tcp_error_of({"tcp.tos=184"}), "no error");
  for (const char* tos : {"tcp.tos=1", "tcp.tos=2", "tcp.tos=187"})
    EXPECT_NE(tcp_error_of({tos}).find("tcp.ecn"), std::string::npos) << tos;
}

TEST(Options, WhatOfTcpIsNotAsByDefaultIsNamed) {
  EXPECT_TRUE(changed_tcp_settings(Options{}).empty());
  const auto options = options_of({given("set", "tcp.congestion=dctcp"), given("set", "tcp.mss=536")});
  EXPECT_EQ(changed_tcp_settings(options),
            (std::vector<std::string>{"tcp.congestion=dctcp", "tcp.ecn=on", "tcp.mss=536"}));
  std::vector<Setting> again;
  for (const std::string& setting : changed_tcp_settings(options)) again.push_back(given("set", setting));
  EXPECT_EQ(changed_tcp_settings(options_of(again)), changed_tcp_settings(options));
}

TEST(Options, KeepaliveIsASwitchOrAnIdleTime) {
  EXPECT_FALSE(Options{}.connection.keep_alive.on);
  const auto with = [](const std::string& value) {
    return options_of({given("set", "tcp.keepalive=" + value)}).connection.keep_alive;
  };
  EXPECT_TRUE(with("on").on);
  EXPECT_EQ(with("on").idle_s, 7200);
  EXPECT_EQ(with("on").interval_s, 75);
  EXPECT_FALSE(with("off").on);
  EXPECT_TRUE(with("30s").on);
  EXPECT_EQ(with("30s").idle_s, 30);
  EXPECT_EQ(with("1s").interval_s, 1);  // probes are not rarer than the idle time that brings the first
  EXPECT_EQ(with("200s").interval_s, 75);
}

TEST(Options, TimeWaitIsTwiceTheMsl) {
  EXPECT_EQ(options_of({given("set", "tcp.time_wait=10s")}).shard.tcp.msl, Duration{5s});
  EXPECT_EQ(options_of({given("set", "tcp.msl=10s")}).shard.tcp.msl, Duration{10s});
}

TEST(Options, CoresAreAListWithRangesAndRepeats) {
  EXPECT_EQ(options_of({given("cores", "0,1,1")}).cores, (std::vector<unsigned>{0, 1, 1}));
  EXPECT_EQ(options_of({given("cores", "2-4,7")}).cores, (std::vector<unsigned>{2, 3, 4, 7}));
  for (const char* text : {"", "a", "1-", "-1", "3-2", "1,,2", "99999"}) {
    EXPECT_NE(error_of("cores", text), "no error") << text;
  }
}

TEST(Options, AnAddressRangeIsTheHostsOfANetwork) {
  const auto range = [](const std::string& text) {
    return options_of({given("ip-range", text)}).shard.addresses.at(0);
  };
  EXPECT_EQ(to_string(range("198.18.1.0/24").prefix.address), "198.18.1.1");
  EXPECT_EQ(range("198.18.1.0/24").count, 254u);
  EXPECT_EQ(range("198.18.1.10/24").count, 245u);
  EXPECT_EQ(range("198.18.1.10/24+5").count, 5u);
  EXPECT_EQ(range("198.18.1.4/32").count, 1u);
  EXPECT_EQ(range("198.18.1.4/31").count, 2u);
  EXPECT_EQ(range("2001:2::10/64+1000").count, 1000u);
  EXPECT_NE(error_of("ip-range", "198.18.1.250/24+9"), "no error");
  EXPECT_NE(error_of("ip-range", "2001:2::/64"), "no error");  // say how many
}

TEST(Options, ValuesOutOfTheirRangeAreErrorsThatNameIt) {
  const std::pair<const char*, const char*> cases[] = {{"port", "tab:name=plx0"},
                                                       {"port", "tap:kernal=198.18.0.1/24"},
                                                       {"port", "memif:server,no-slash.sock"},
                                                       {"port", "ring-pair:2"},
                                                       {"vlan", "4095"},
                                                       {"mtu", "100"},
                                                       {"listen", "0"},
                                                       {"listen", "65536"},
                                                       {"impair", "loss=2"},
                                                       {"impair", "los=0.1"},
                                                       {"ip", "198.18.0.2"},
                                                       {"ip", "300.1.1.1/8"},
                                                       {"gateway", "x"},
                                                       {"checksum", "hard"},
                                                       {"hugepages", "maybe"},
                                                       {"set", "mss=5"},
                                                       {"set", "tcp.mss"},
                                                       {"set", "tcp.mss=47"},
                                                       {"set", "tcp.delayed_ack=500ms"},
                                                       {"set", "tcp.keepalive=1ms"},
                                                       {"set", "tcp.congestion=vegas"},
                                                       {"set", "tcp.ports=5"},
                                                       {"set", "tcp.ports=9-5"},
                                                       {"set", "tcp.ttl=0"},
                                                       {"set", "tcp.rcvbuf_max=17Mi"},
                                                       {"duration", "5"},
                                                       {"clients", "0"},
                                                       {"close", "rst"},
                                                       {"max-connections", "0"},
                                                       {"workers", "-1"},
                                                       {"seed", "x"}};
  for (const auto& [name, value] : cases) {
    const std::string error = error_of(name, value);
    EXPECT_EQ(error.substr(0, 2 + std::string_view{name}.size()), "--" + std::string{name})
        << name << " " << value << ": " << error;
  }
}

TEST(Options, TheResultShowsEveryOptionOfTheSubcommand) {
  for (const Command command : kCommands) {
    const auto shown = show_options(Options{}, command);
    for (const OptionSpec& spec : option_table()) {
      const std::string key = spec.name == "set" ? "tcp" : spec.key();
      EXPECT_EQ(shown.contains(key), has_option(command, spec.name)) << key;
    }
    EXPECT_EQ(shown["tcp"]["time_wait"], "60s");
  }
}

}  // namespace
}  // namespace pollux::app
