#include "options.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "load/load_options.h"
#include "option_values.h"
#include "runtime/ports.h"
#include "stacktest/stacktest_options.h"
#include "time_wait/time_wait_options.h"

namespace pollux::app {
namespace {

using Json = nlohmann::json;

constexpr Choice<dpdk::HugePages> kHugePages[] = {
    {"auto", dpdk::HugePages::kAuto}, {"require", dpdk::HugePages::kRequire}, {"off", dpdk::HugePages::kOff}};
constexpr Choice<ChecksumMode> kChecksums[] = {
    {"hw", ChecksumMode::kHardware}, {"sw", ChecksumMode::kSoftware}, {"trust", ChecksumMode::kTrust}};
constexpr Choice<CloseBy> kCloseBy[] = {{"server", CloseBy::kServer}, {"client", CloseBy::kClient}};
constexpr Choice<runtime::IdlePolicy> kIdle[] = {{"auto", runtime::IdlePolicy::kAuto},
                                                 {"spin", runtime::IdlePolicy::kSpin},
                                                 {"pause", runtime::IdlePolicy::kPause},
                                                 {"sleep", runtime::IdlePolicy::kSleep}};

Expected<IpPrefix, std::string> parse_prefix(std::string_view text) {
  auto prefix = IpPrefix::parse(text);
  if (!prefix)
    return unexpected(fmt::format("{}; an address is ADDR/LEN, such as 198.18.0.2/24 or 2001:2::2/64", prefix.error()));
  return *prefix;
}

// Understood here, so that a mistake in it is told with the option or the line of the file; opened much later.
SetResult set_port(Options& o, std::string_view text) {
  const auto port = runtime::GroupPort::parse(std::string{text});
  if (!port) {
    std::string_view error = port.error();
    constexpr std::string_view kOption = "--port ";
    if (error.starts_with(kOption)) error.remove_prefix(kOption.size());
    return unexpected(std::string{error});
  }
  o.port = text;
  return {};
}

// The demo has both ends of a pair, and says itself which is whose.
SetResult set_pair(Options& o, std::string_view text) {
  if (text != "memif-pair" && text != "ring-pair") {
    return unexpected(
        fmt::format("`{}` has no two ends for a client and a server; it is memif-pair or ring-pair", text));
  }
  o.port = text;
  return {};
}

// Whether a host can have the address (RFC 1122, 3.2.1.3; RFC 4291, 2.5.2 and 2.7).
SetResult usable_by_a_host(const IpPrefix& prefix, std::string_view text) {
  const IpAddress& a = prefix.address;
  const auto refuse = [&](std::string_view what) { return unexpected(fmt::format("`{}` is {}", text, what)); };
  if (a.is_unspecified()) return refuse("no address of a host");
  if (a.is_multicast()) return refuse("a group, not the address of a host");
  if (a.is_loopback()) return refuse("a loopback address, which no port carries");
  if (a.is_broadcast()) return refuse("the broadcast address");
  if (prefix.is_subnet_broadcast(a)) return refuse("the broadcast address of its network");
  const bool has_hosts = a.is_v4() && prefix.length < 31;
  if (has_hosts && (a.v4_host_order() & (0xffffffffu >> prefix.length)) == 0) {
    return refuse("the address of the network, not of a host in it");
  }
  return {};
}

SetResult add_address(Options& o, std::string_view text) {
  const auto prefix = parse_prefix(text);
  if (!prefix) return unexpected(prefix.error());
  if (auto ok = usable_by_a_host(*prefix, text); !ok) return ok;
  for (const auto& other : o.shard.addresses) {
    if (other.count == 1 && other.prefix.address == prefix->address) {
      return unexpected(fmt::format("{} is there twice", to_string(prefix->address)));
    }
  }
  o.shard.addresses.push_back({*prefix, 1});
  return {};
}

SetResult add_address_range(Options& o, std::string_view text) {
  const auto range = parse_address_range(text);
  if (!range) return unexpected(range.error());
  o.shard.addresses.push_back(*range);
  return {};
}

SetResult add_gateway(Options& o, std::string_view text) {
  const auto address = IpAddress::parse(text);
  if (!address) return unexpected(address.error());
  for (const IpAddress& other : o.shard.gateways) {
    if (other.is_v4() == address->is_v4()) {
      return unexpected(fmt::format("there is a gateway of this family already: {}", to_string(other)));
    }
  }
  o.shard.gateways.push_back(*address);
  return {};
}

// "0,2-4": a list of CPUs; one may stand more than once.
SetResult set_cores(Options& o, std::string_view text) {
  o.cores.clear();
  for (const std::string_view part : split(text, ',')) {
    const std::size_t dash = part.find('-');
    unsigned first = 0;
    unsigned last = 0;
    constexpr std::string_view kWhat = "cores are a list such as 0,2-4";
    if (auto ok = put_within(parse_count(part.substr(0, dash)), 0, 1023, first); !ok) {
      return unexpected(fmt::format("{}; {}", ok.error(), kWhat));
    }
    last = first;
    if (dash != std::string_view::npos) {
      if (auto ok = put_within(parse_count(part.substr(dash + 1)), first, 1023, last); !ok) {
        return unexpected(fmt::format("{}; {}", ok.error(), kWhat));
      }
    }
    for (unsigned core = first; core <= last; ++core) o.cores.push_back(core);
  }
  return {};
}

SetResult set_tcp(Options& o, std::string_view text) {
  const std::size_t equals = text.find('=');
  if (!text.starts_with("tcp.") || equals == std::string_view::npos) {
    return unexpected(fmt::format("`{}` is not tcp.KEY=VALUE, such as tcp.time_wait=10s", text));
  }
  const std::string_view key = text.substr(4, equals - 4);
  for (const TcpKey& row : tcp_keys()) {
    if (row.name != key) continue;
    auto ok = row.set(o, text.substr(equals + 1));
    return ok ? ok : unexpected(fmt::format("tcp.{}: {}", key, ok.error()));
  }
  std::vector<std::string_view> names;
  for (const TcpKey& row : tcp_keys()) names.push_back(row.name);
  return unexpected(fmt::format("there is no key `tcp.{}`{}\n  pollux --help tcp shows what there is", key,
                                did_you_mean(key, names, "tcp.")));
}

// "loss=0.01,reorder=10%,seed=7": what befalls received frames.
SetResult set_impairment(Options& o, std::string_view text) {
  constexpr std::array<std::string_view, 9> kKeys{"loss", "duplicate", "reorder", "reorder_delay", "corrupt",
                                                  "mark", "delay",     "jitter",  "seed"};
  std::vector<std::string_view> given;
  for (const std::string_view part : split(text, ',')) {
    const std::size_t equals = part.find('=');
    const std::string_view key = part.substr(0, equals);
    if (equals == std::string_view::npos)
      return unexpected(fmt::format("`{}` is not KEY=VALUE, such as loss=0.01", part));
    const std::string_view value = part.substr(equals + 1);
    if (std::count(given.begin(), given.end(), key) > 0) return unexpected(fmt::format("{} is given twice", key));
    given.push_back(key);
    Impairment& i = o.impairment;
    SetResult ok;
    if (key == "loss")
      ok = put(parse_chance(value), i.loss);
    else if (key == "duplicate")
      ok = put(parse_chance(value), i.duplicate);
    else if (key == "reorder")
      ok = put(parse_chance(value), i.reorder);
    else if (key == "corrupt")
      ok = put(parse_chance(value), i.corrupt);
    else if (key == "mark")
      ok = put(parse_chance(value), i.mark);
    else if (key == "reorder_delay")
      ok = put_duration(value, 0s, 10s, i.reorder_delay);
    else if (key == "delay")
      ok = put_duration(value, 0s, 10s, i.delay);
    else if (key == "jitter")
      ok = put_duration(value, 0s, 10s, i.jitter);
    else if (key == "seed")
      ok = put(parse_count(value), o.impairment_seed.emplace());
    else
      return unexpected(fmt::format("there is no impairment `{}`{}; there are {}", key, did_you_mean(key, kKeys),
                                    fmt::join(kKeys, ", ")));
    if (!ok) return unexpected(fmt::format("{}: {}", key, ok.error()));
  }
  return {};
}

Json show_impairment(const Options& o) {
  const Impairment& i = o.impairment;
  if (!o.impaired()) return nullptr;
  Json shown{{"loss", i.loss},
             {"duplicate", i.duplicate},
             {"reorder", i.reorder},
             {"corrupt", i.corrupt},
             {"mark", i.mark},
             {"reorder_delay", exact_duration(i.reorder_delay)},
             {"delay", exact_duration(i.delay)},
             {"jitter", exact_duration(i.jitter)}};
  if (o.impairment_seed) shown["seed"] = *o.impairment_seed;
  return shown;
}

Json show_addresses(const Options& o, bool ranges) {
  Json shown = Json::array();
  for (const LocalAddresses& local : o.shard.addresses) {
    if ((local.count > 1) != ranges) continue;
    shown.push_back(ranges ? fmt::format("{}+{}", to_string(local.prefix), local.count) : to_string(local.prefix));
  }
  return shown;
}

Json show_tcp(const Options& o) {
  Json shown = Json::object();
  for (const TcpKey& row : tcp_keys()) shown[std::string{row.name}] = row.show(o);
  return shown;
}

template <auto kMember>
SetResult set_text(Options& o, std::string_view text) {
  return put_text(text, o.*kMember);
}
template <auto kMember>
Json show_text(const Options& o) {
  return (o.*kMember).empty() ? Json(nullptr) : Json(o.*kMember);
}
template <auto kMember>
SetResult set_switch(Options& o, std::string_view text) {
  return put(parse_switch(text), o.*kMember);
}
template <auto kMember>
Json show_member(const Options& o) {
  return Json(o.*kMember);
}
template <auto kMember>
Json show_duration_member(const Options& o) {
  return Json(exact_duration(o.*kMember));
}

constexpr auto bit(Command command) { return static_cast<unsigned>(command); }
constexpr unsigned kServe = 2 | 4 | 8 | 16;
constexpr unsigned kStackTest = bit(Command::kScript) | bit(Command::kSim) | bit(Command::kReplay) | bit(Command::kTap);
constexpr unsigned kOnPorts = kServe | bit(Command::kLoad);
constexpr unsigned kOnResults = bit(Command::kReport) | bit(Command::kCompare);
constexpr unsigned kTimeWaitRuns =
    bit(Command::kTimeWaitFill) | bit(Command::kTimeWaitChurn) | bit(Command::kTimeWaitCompare);
constexpr unsigned kPairs = bit(Command::kDemo) | kTimeWaitRuns;  // both ends of a virtual pair in this process
constexpr unsigned kAll = kPairs | kOnPorts;
constexpr unsigned kEvery = kAll | bit(Command::kTimeWaitModel);

constexpr std::array kOptions{
    OptionSpec{"port", 'p', "SPEC",
               "tap:name=plx0[,kernel=ADDR/LEN], memif:server|client,PATH, ring, pcap:IN,OUT, "
               "afpacket:IFACE, a PCI address or a DPDK vdev",
               kServe, false, set_port, show_text<&Options::port>},
    OptionSpec{"port", 'p', "SPEC",
               "as of serve; with --with-server memif-pair or ring-pair. Default: a tap whose kernel side is "
               "198.18.0.1; with --with-server memif-pair",
               bit(Command::kLoad), false, set_port, show_text<&Options::port>},
    OptionSpec{"port", 'p', "PAIR",
               "what is between client and server: memif-pair, where frames are copied as between two processes, or "
               "ring-pair, where they are passed on; default: memif-pair",
               kPairs, false, set_pair, show_text<&Options::port>},
    OptionSpec{"ip", 0, "ADDR/LEN", "an address of ours and its network; repeatable, IPv4 and IPv6", kOnPorts, true,
               add_address, [](const Options& o) { return show_addresses(o, false); }},
    OptionSpec{"ip-range", 0, "ADDR/LEN[+N]", "all addresses of a network from ADDR on, or N of them; repeatable",
               kOnPorts, true, add_address_range, [](const Options& o) { return show_addresses(o, true); }},
    OptionSpec{"gateway", 0, "ADDR", "where packets to other networks go; one of each family", kOnPorts, true,
               add_gateway,
               [](const Options& o) {
                 Json shown = Json::array();
                 for (const IpAddress& address : o.shard.gateways) shown.push_back(to_string(address));
                 return shown;
               }},
    OptionSpec{"cores", 0, "LIST", "CPUs to poll on, such as 2,4-6", kAll, false, set_cores,
               show_member<&Options::cores>},
    OptionSpec{"workers", 0, "N", "stack cores; 0: one for each of --cores", kOnPorts, false,
               [](Options& o, std::string_view text) { return put_within(parse_count(text), 0, 256, o.workers); },
               show_member<&Options::workers>},
    OptionSpec{"pipeline", 0, "", "one core of each port moves packets for the others", kAll, false,
               set_switch<&Options::pipeline>, show_member<&Options::pipeline>},
    OptionSpec{"idle", 0, "auto|spin|pause|sleep", "what a core does that has nothing to do", kAll, false,
               [](Options& o, std::string_view text) { return put_choice(text, kIdle, o.idle); },
               [](const Options& o) { return Json(word_of(o.idle, kIdle)); }},
    OptionSpec{"hugepages", 0, "auto|require|off", "huge pages for packet memory", kAll, false,
               [](Options& o, std::string_view text) { return put_choice(text, kHugePages, o.hugepages); },
               [](const Options& o) { return Json(word_of(o.hugepages, kHugePages)); }},
    OptionSpec{"mtu", 0, "N", "largest IP packet", kAll, false,
               [](Options& o, std::string_view text) { return put_within(parse_size(text), 576, 65535, o.shard.mtu); },
               [](const Options& o) { return Json(o.shard.mtu); }},
    OptionSpec{"vlan", 0, "ID", "802.1Q tag; 0: untagged", kAll, false,
               [](Options& o, std::string_view text) { return put_within(parse_count(text), 0, 4094, o.shard.vlan); },
               [](const Options& o) { return Json(o.shard.vlan); }},
    OptionSpec{"checksum", 0, "hw|sw|trust", "who verifies received checksums; default: what suits the port", kAll,
               false, [](Options& o, std::string_view text) { return put_choice(text, kChecksums, o.checksum); },
               [](const Options& o) { return o.checksum ? Json(word_of(*o.checksum, kChecksums)) : Json(nullptr); }},
    OptionSpec{"impair", 0, "KEY=VALUE,...",
               "a bad wire for what is received: loss=0.01, reorder=10%, duplicate, corrupt, mark "
               "(as a router does that meets congestion, RFC 3168), delay, jitter, reorder_delay, seed",
               kAll, false, set_impairment, show_impairment},
    OptionSpec{"max-connections", 0, "N", "connections a core holds at most", kAll, false,
               [](Options& o, std::string_view text) {
                 return put_within(parse_count(text), 1, 1u << 28, o.shard.max_connections);
               },
               [](const Options& o) { return Json(o.shard.max_connections); }},
    OptionSpec{"set", 0, "tcp.KEY=VALUE", "a setting of TCP; repeatable (see `pollux --help tcp`)",
               kEvery | bit(Command::kReplay), true, set_tcp, show_tcp},
    OptionSpec{"seed", 0, "N",
               "keys and all random choices follow from it: a run to be repeated, not for the open net; default: from "
               "the kernel",
               kAll, false, [](Options& o, std::string_view text) { return put(parse_count(text), o.seed.emplace()); },
               [](const Options& o) { return o.seed ? Json(*o.seed) : Json(nullptr); }},
    OptionSpec{
        "duration", 'd', "TIME", "end by itself after this time", kAll, false,
        [](Options& o, std::string_view text) { return put_duration(text, 1ms, 24h * 365, o.duration.emplace()); },
        [](const Options& o) { return o.duration ? Json(exact_duration(*o.duration)) : Json(nullptr); }},
    OptionSpec{"json", 0, "FILE", "write the result here at the end; -: to standard output", kEvery, false,
               set_text<&Options::json>, show_text<&Options::json>},
    OptionSpec{"capture", 0, "FILE", "write all frames to a pcap file", kAll, false, set_text<&Options::capture>,
               show_text<&Options::capture>},
    OptionSpec{"config", 'c', "FILE", "options from a TOML file; the command line wins", kEvery, false,
               set_text<&Options::config>, show_text<&Options::config>},
    OptionSpec{"verbose", 'v', "", "more about what happens, DPDK's log too", kAll | kStackTest, false,
               set_switch<&Options::verbose>, show_member<&Options::verbose>},
    OptionSpec{"quiet", 'q', "", "no status lines, no summary", kEvery | kStackTest, false, set_switch<&Options::quiet>,
               show_member<&Options::quiet>},

    OptionSpec{"listen", 'l', "PORT", "TCP port; default: the service's own", kServe, false,
               [](Options& o, std::string_view text) { return put_within(parse_count(text), 1, 65535, o.listen); },
               show_member<&Options::listen>},
    OptionSpec{"body", 'b', "SIZE", "size of what our server answers GET / with",
               bit(Command::kHttp) | bit(Command::kDemo) | bit(Command::kLoad), false,
               [](Options& o, std::string_view text) {
                 return put_within(parse_size(text), 0, std::uint64_t{1} << 40, o.body);
               },
               show_member<&Options::body>},
    OptionSpec{"root", 'r', "DIR", "serve the files below this directory; they are read at start", bit(Command::kHttp),
               false, set_text<&Options::root>, show_text<&Options::root>},
    OptionSpec{"header-timeout", 0, "TIME", "how long a request may take to arrive", bit(Command::kHttp), false,
               [](Options& o, std::string_view text) { return put_duration(text, 10ms, 24h, o.header_timeout); },
               show_duration_member<&Options::header_timeout>},
    OptionSpec{"idle-timeout", 0, "TIME", "how long a connection may stand still between requests", bit(Command::kHttp),
               false, [](Options& o, std::string_view text) { return put_duration(text, 10ms, 24h, o.idle_timeout); },
               show_duration_member<&Options::idle_timeout>},
    OptionSpec{"clients", 'n', "N", "connections open at the same time", kPairs, false,
               [](Options& o, std::string_view text) { return put_within(parse_count(text), 1, 1u << 20, o.clients); },
               show_member<&Options::clients>},
    OptionSpec{"close", 0, "server|client", "who closes first, and hence holds TIME-WAIT", bit(Command::kDemo), false,
               [](Options& o, std::string_view text) { return put_choice(text, kCloseBy, o.close); },
               [](const Options& o) { return Json(word_of(o.close, kCloseBy)); }},

    OptionSpec{"result", 0, "FILE", "what --json of a run wrote; --result may be left out", kOnResults, true,
               [](Options& o, std::string_view text) {
                 o.results.emplace_back(text);
                 return SetResult{};
               },
               show_member<&Options::results>, "", true},
    OptionSpec{"html", 0, "FILE", "a page with charts, of one result or of several side by side; -: to standard output",
               bit(Command::kReport), false, set_text<&Options::html>, show_text<&Options::html>},
    OptionSpec{"csv", 0, "FILE", "the series; - or no FILE: to standard output", bit(Command::kReport), false,
               set_text<&Options::csv>, show_text<&Options::csv>, "-"},
    OptionSpec{"max-regress", 0, "PERCENT", "fail (exit code 3) if a rate or latency is worse by more, such as 3%",
               bit(Command::kCompare), false,
               [](Options& o, std::string_view text) { return put(parse_percent(text), o.max_regress.emplace()); },
               [](const Options& o) { return o.max_regress ? Json(*o.max_regress) : Json(nullptr); }},
};

bool is_instead_of(const Setting& one, const Setting& other) {
  const auto names = split(one.option->instead_of, ',');
  return std::find(names.begin(), names.end(), other.option->name) != names.end();
}

// What the command line gives replaces what the file does of the same option, or of one that says nothing beside it.
// --ramp and --arrivals belong to a rate: they do not turn the closed loop or the stages of a file into one.
bool replaces(const Setting& line, const Setting& file) {
  const std::string_view name = line.option->name;
  if (line.option == file.option) return name != "set";
  if (name == "stage" && file.option->name == "duration") return true;  // stages have their own
  return is_instead_of(line, file) || (is_instead_of(file, line) && name != "ramp" && name != "arrivals");
}

// What says nothing beside another that is given too.
SetResult check_exclusions(const std::vector<Setting>& settings) {
  for (const Setting& one : settings) {
    for (const Setting& other : settings) {
      if (!is_instead_of(one, other)) continue;
      return unexpected(fmt::format("{} and {}: the one stands instead of the other; leave out one of the two",
                                    one.origin, other.origin));
    }
  }
  return {};
}

SetResult apply(Options& options, const Setting& setting) {
  auto ok = setting.option->set(options, setting.value);
  return ok ? ok : unexpected(fmt::format("{}: {}", setting.origin, ok.error()));
}

}  // namespace

Expected<LocalAddresses, std::string> parse_address_range(std::string_view text) {
  constexpr std::uint64_t kMost = 1u << 20;
  const std::size_t plus = text.find('+');
  auto prefix = parse_prefix(text.substr(0, plus));
  if (!prefix) return unexpected(prefix.error());
  const bool v4 = prefix->address.is_v4();
  const unsigned host_bits = (v4 ? 32u : 128u) - prefix->length;
  const std::uint64_t host =
      v4 ? prefix->address.v4_host_order()
         : load_be<std::uint64_t>(reinterpret_cast<const std::byte*>(prefix->address.words().data() + 2));
  const std::uint64_t mask = host_bits >= 64 ? UINT64_MAX : (std::uint64_t{1} << host_bits) - 1;
  std::uint64_t place = host & mask;
  if (place == 0 && host_bits > 1) {
    prefix->address = prefix->address.plus(1);
    place = 1;
  }
  std::uint64_t left = std::min(mask - place, kMost) + 1;
  if (v4 && host_bits > 1 && place + left - 1 == mask) --left;
  std::uint64_t count = left;
  if (plus != std::string_view::npos) {
    if (auto ok = put_within(parse_count(text.substr(plus + 1)), 1, left, count); !ok) return unexpected(ok.error());
  } else if (left > kMost) {
    return unexpected(fmt::format("`{}` holds more than {} addresses; say how many: {}+1000", text, kMost, text));
  }
  if (count == 0) return unexpected(fmt::format("`{}` holds no address for a host", text));
  return LocalAddresses{*prefix, static_cast<std::uint32_t>(count)};
}

bool Options::ecn() const { return shard.tcp.ecn || shard.tcp.congestion == tcp::CongestionControl::kDctcp; }

std::uint32_t Options::stack_cores() const {
  if (workers != 0) return workers;
  const auto all = static_cast<std::uint32_t>(cores.size());
  if (pipeline) return all > 1 ? all - 1 : 1;
  return std::max(all, 1u);
}

std::string OptionSpec::key() const {
  std::string text{name};
  std::replace(text.begin(), text.end(), '-', '_');
  return text;
}

std::span<const OptionSpec> option_table() {
  static const std::vector<OptionSpec> kTable = [] {
    std::vector<OptionSpec> table{kOptions.begin(), kOptions.end()};
    for (const auto rows : {time_wait_option_rows(), load_option_rows(), stacktest_option_rows()})
      table.insert(table.end(), rows.begin(), rows.end());
    return table;
  }();
  return kTable;
}

Expected<Options, std::string> resolve(const std::vector<Setting>& file, const std::vector<Setting>& line) {
  Options options;
  std::vector<Setting> kept;
  for (const Setting& setting : file) {
    const bool replaced =
        std::any_of(line.begin(), line.end(), [&](const Setting& other) { return replaces(other, setting); });
    if (replaced) continue;
    kept.push_back(setting);
    if (auto ok = apply(options, setting); !ok) return unexpected(ok.error());
  }
  const bool on_exhaust =
      std::any_of(line.begin(), line.end(), [](const Setting& given) { return given.option->name == "on-exhaust"; });
  if (on_exhaust) options.reuse_time_wait_given.reset();  // it decides, not the file's key
  for (const Setting& setting : line) {
    kept.push_back(setting);
    if (auto ok = apply(options, setting); !ok) return unexpected(ok.error());
  }
  if (auto ok = check_exclusions(kept); !ok) return unexpected(ok.error());
  if (auto ok = check_tcp(options, file, line); !ok) return unexpected(ok.error());
  options.tcp_settings = changed_tcp_settings(options);
  return options;
}

nlohmann::json show_options(const Options& options, Command command) {
  Json shown = Json::object();
  for (const OptionSpec& option : option_table()) {
    if (!option.is_for(command)) continue;
    shown[option.name == "set" ? std::string{"tcp"} : option.key()] = option.show(options);
  }
  if (!options.eal.empty()) shown["eal"] = options.eal;
  return shown;
}

}  // namespace pollux::app
