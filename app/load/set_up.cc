#include "load/set_up.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "dpdk/thread.h"
#include "load/load_options.h"
#include "load/tuples.h"
#include "serve_setup.h"
#include "units.h"

namespace pollux::app {
namespace {

using Done = Expected<void, std::string>;

constexpr Duration kDuration = 10s;
constexpr const char* kPair = "memif-pair";

bool is_pair(const std::string& port) { return port.ends_with("-pair"); }

bool holds(const LocalAddresses& range, const IpAddress& address) {
  const IpAddress& first = range.prefix.address;
  return first.is_v4() == address.is_v4() && first <= address && address <= first.plus(range.count - 1);
}
bool is_ours(const Options& o, const IpAddress& address) {
  return std::any_of(o.shard.addresses.begin(), o.shard.addresses.end(),
                     [&](const LocalAddresses& range) { return holds(range, address); });
}

Done check_request(Options& o) {
  LoadSettings& l = o.load;
  const Scheme scheme = l.targets.front().scheme;
  const bool http = scheme == Scheme::kHttp;
  if (l.close == Closer::kDefault) l.close = http ? Closer::kServer : Closer::kClient;
  if (l.close == Closer::kServer && !http) {
    return unexpected(std::string{"--close server is for http://: the other services wait for the client to close"});
  }
  if (l.method != Method::kGet && !http) return unexpected(std::string{"--method is for http://"});
  if (l.requests > 1 && (scheme == Scheme::kDiscard || scheme == Scheme::kChargen)) {
    return unexpected(std::string{"--requests-per-connection is for http:// and echo://"});
  }
  if (l.with_server && l.method == Method::kPost) {
    return unexpected(std::string{"--method POST: our server answers GET and HEAD only; give the URL of another"});
  }
  return {};
}

Done check_warmup(const Options& o) {
  if (o.load.warmup < *o.duration) return {};
  return unexpected(fmt::format("--warmup {} leaves nothing of a run of {} to be measured",
                                exact_duration(o.load.warmup), exact_duration(*o.duration)));
}

Done check_pace(Options& o) {
  LoadSettings& l = o.load;
  if (l.stages.empty()) {
    if (!o.duration) o.duration = kDuration;
    if (l.ramp > *o.duration) return unexpected(std::string{"--ramp is longer than --duration"});
    return check_warmup(o);
  }
  Duration length{0};
  for (const Stage& stage : l.stages) length += stage.length;
  if (o.duration && *o.duration != length) {
    return unexpected(fmt::format("--duration {} is not the length of all stages, {}; leave it out",
                                  exact_duration(*o.duration), exact_duration(length)));
  }
  o.duration = length;
  return check_warmup(o);
}

void add_sources(Options& o) {
  for (const LocalAddresses& source : o.load.sources) {
    const IpAddress last = source.prefix.address.plus(source.count - 1);
    if (!is_ours(o, source.prefix.address) || !is_ours(o, last)) o.shard.addresses.push_back(source);
  }
}

Done check_targets(const Options& o) {
  for (const Target& target : o.load.targets) {
    if (is_ours(o, target.address)) return unexpected(fmt::format("{} is an address of ours", to_string(target)));
    const std::vector<IpAddress> sources = source_addresses(o);
    const bool one = std::any_of(sources.begin(), sources.end(),
                                 [&](const IpAddress& a) { return a.is_v4() == target.address.is_v4(); });
    if (!one) {
      return unexpected(fmt::format("no address of ours is of the family of {}; give --ip {}", to_string(target),
                                    target.address.is_v4() ? "198.18.0.2/24" : "2001:2::2/64"));
    }
    const bool on_link =
        std::any_of(o.shard.addresses.begin(), o.shard.addresses.end(),
                    [&](const LocalAddresses& range) { return range.prefix.contains(target.address); });
    const bool by_gateway =
        std::any_of(o.shard.gateways.begin(), o.shard.gateways.end(),
                    [&](const IpAddress& gateway) { return gateway.is_v4() == target.address.is_v4(); });
    if (!on_link && !by_gateway) {
      return unexpected(
          fmt::format("{} is on none of our networks; give --gateway, or an --ip on its network", to_string(target)));
    }
  }
  return {};
}

// The other end of the pair is the server's, whose addresses are the targets'.
void fill_in_pair(Options& o) {
  if (o.port.empty()) o.port = kPair;
  o.workers = std::max(o.workers, 1u);
  if (o.load.targets.empty()) o.load.targets = *parse_url("http://198.18.0.2/");
  if (o.shard.addresses.empty()) {
    for (const char* address : {"198.18.0.1/24", "2001:2::1/64"}) {
      o.shard.addresses.push_back({*IpPrefix::parse(address), 1});
    }
  }
}

// A core of its own for each poller, and one for the kernel where the target may be behind it: then nobody sleeps.
void fill_in_cores(Options& o) {
  const std::vector<unsigned> allowed = dpdk::allowed_cpus();
  const unsigned sides = o.load.with_server ? 2 : 1;
  const std::size_t pollers = std::size_t{sides} * (o.workers + (o.pipeline ? 1 : 0));
  if (o.cores.empty()) {
    o.cores = allowed;
    o.cores.resize(std::min(o.cores.size(), pollers));
  }
  const std::size_t own = std::set<unsigned>{o.cores.begin(), o.cores.end()}.size();
  const bool kernel_has_one = !has_a_kernel_behind_it(o) || own < allowed.size();
  if (o.idle == runtime::IdlePolicy::kAuto && pollers <= own && kernel_has_one) o.idle = runtime::IdlePolicy::kSpin;
}

// What was asked for must have room.
void fill_in_sizes(Options& o) {
  const std::uint32_t workers = o.stack_cores();
  const std::uint32_t at_once = (o.load.connections + o.load.closed + workers - 1) / workers;
  o.shard.max_connections = std::max(o.shard.max_connections, at_once + at_once / 8 + 4096);
  if (!o.ports_given) {
    o.shard.first_port = 1024;
    o.shard.last_port = 65535;
  }
  o.shard.max_destinations = Tuples{o.load.targets, source_addresses(o)}.pairs();
  o.shard.reuse_time_wait = o.load.on_exhaust == OnExhaust::kReuse;
}

Done check_reuse(const Options& o) {
  const bool reuse = o.load.on_exhaust == OnExhaust::kReuse;
  if (o.reuse_time_wait_given.value_or(reuse) != reuse) {
    return unexpected(
        fmt::format("tcp.reuse_time_wait={}: load reuses what is in TIME-WAIT with --on-exhaust reuse, and "
                    "only then; leave the key out",
                    *o.reuse_time_wait_given ? "on" : "off"));
  }
  if (reuse && !o.shard.tcp.timestamps)
    return unexpected(
        std::string{"--on-exhaust reuse and tcp.timestamps=off: RFC 6191 needs timestamps; leave out one"});
  return {};
}

}  // namespace

Expected<Options, std::string> resolved_for_load(Options o) {
  if (o.load.with_server) {
    if (!o.port.empty() && !is_pair(o.port)) {
      return unexpected(fmt::format("--with-server runs over memif-pair or ring-pair, not over `{}`", o.port));
    }
    fill_in_pair(o);
    add_sources(o);
  } else {
    if (is_pair(o.port))
      return unexpected(fmt::format("--port {} has a server at its other end: give --with-server", o.port));
    if (o.load.targets.empty()) {
      return unexpected(std::string{"load what? Give a URL, such as http://198.18.0.1/, or --with-server"});
    }
    fill_in_addresses(o);
    add_sources(o);
    fill_in_port(o);
  }
  if (auto ok = check_request(o); !ok) return unexpected(ok.error());
  if (auto ok = check_pace(o); !ok) return unexpected(ok.error());
  if (auto ok = check_targets(o); !ok) return unexpected(ok.error());
  if (auto ok = check_reuse(o); !ok) return unexpected(ok.error());
  fill_in_cores(o);
  fill_in_sizes(o);
  return o;
}

Options options_of_server(const Options& load) {
  Options server = load;
  server.shard.addresses.clear();
  for (const Target& target : load.load.targets) {
    if (is_ours(server, target.address)) continue;
    for (const LocalAddresses& ours : load.shard.addresses) {
      if (!ours.prefix.contains(target.address)) continue;
      server.shard.addresses.push_back({{target.address, ours.prefix.length}, 1});
      break;
    }
  }
  server.shard.gateways.clear();
  server.shard.reuse_time_wait = true;
  // Clients on other networks than the server's come by way of the first of our addresses.
  for (const LocalAddresses& ours : load.shard.addresses) {
    const bool has = std::any_of(server.shard.gateways.begin(), server.shard.gateways.end(),
                                 [&](const IpAddress& g) { return g.is_v4() == ours.prefix.address.is_v4(); });
    if (!has) server.shard.gateways.push_back(ours.prefix.address);
  }
  return server;
}

std::vector<IpAddress> source_addresses(const Options& o) {
  std::vector<IpAddress> all;
  for (const LocalAddresses& range : o.load.sources.empty() ? o.shard.addresses : o.load.sources) {
    for (std::uint32_t i = 0; i < range.count; ++i) all.push_back(range.prefix.address.plus(i));
  }
  return all;
}

Schedule schedule_of(const Options& o, unsigned worker) {
  const LoadSettings& l = o.load;
  if (l.closed > 0) return {};
  std::vector<Stage> stages = l.stages;
  if (stages.empty()) {
    if (l.ramp > Duration{0}) stages.push_back({0, l.rate, l.ramp, l.arrivals});
    if (*o.duration > l.ramp) stages.push_back({l.rate, l.rate, *o.duration - l.ramp, l.arrivals});
  }
  return Schedule{stages, o.seed.value_or(1), worker, o.stack_cores()};
}

LoadConfig config_of(const Options& o, unsigned worker) {
  const LoadSettings& l = o.load;
  const std::uint32_t workers = o.stack_cores();
  const auto share = [&](std::uint32_t all) { return all / workers + (worker < all % workers ? 1 : 0); };
  LoadConfig config;
  config.exchange = {l.targets, l.method, l.size, l.verify, l.close == Closer::kServer, std::nullopt};
  const bool all_of_root =
      std::all_of(l.targets.begin(), l.targets.end(), [](const Target& t) { return t.path == "/"; });
  if (l.with_server && all_of_root) config.exchange.pattern = o.body;
  config.schedule = schedule_of(o, worker);
  config.closed = share(l.closed);
  config.held = share(l.connections);
  config.requests = l.requests;
  config.max_connections = o.shard.max_connections;
  config.think = l.think;
  config.warmup = l.warmup;
  config.timeout = l.timeout;
  config.read_rate = l.read_rate;
  config.close = l.close;
  config.on_exhaust = l.on_exhaust;
  config.sources = source_addresses(o);
  config.options = o.connection;
  return config;
}

std::string source_hint(const Options& o, double tuples) {
  const double ports = 1.0 + o.shard.last_port - o.shard.first_port;
  const auto wanted =
      static_cast<std::uint64_t>(std::ceil(tuples / ports / static_cast<double>(o.load.targets.size())));
  return fmt::format("--source ADDR/LEN+{}", std::max<std::uint64_t>(wanted, 2));
}

}  // namespace pollux::app
