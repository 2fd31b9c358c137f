#include "load/load_options.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "option_values.h"

namespace pollux::app {
namespace {

using Json = nlohmann::json;

constexpr auto kLoad = static_cast<unsigned>(Command::kLoad);

constexpr Choice<Scheme> kSchemes[] = {
    {"http", Scheme::kHttp}, {"echo", Scheme::kEcho}, {"discard", Scheme::kDiscard}, {"chargen", Scheme::kChargen}};
constexpr std::uint16_t kPorts[] = {80, 7, 9, 19};
constexpr Choice<Arrivals> kArrivals[] = {{"constant", Arrivals::kConstant}, {"poisson", Arrivals::kPoisson}};
constexpr Choice<Method> kMethods[] = {{"GET", Method::kGet}, {"HEAD", Method::kHead}, {"POST", Method::kPost}};
constexpr Choice<Closer> kClosers[] = {
    {"client", Closer::kClient}, {"server", Closer::kServer}, {"rst", Closer::kReset}};
constexpr Choice<OnExhaust> kOnExhaust[] = {
    {"fail", OnExhaust::kFail}, {"wait", OnExhaust::kWait}, {"reuse", OnExhaust::kReuse}};

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

// "80", "8000-8003", "1024 - 65535".
SetResult parse_ports(std::string_view text, std::uint16_t& first, std::uint16_t& last) {
  const std::size_t dash = text.find('-');
  if (auto ok = put_within(parse_count(trim(text.substr(0, dash))), 1, 65535, first); !ok) return ok;
  last = first;
  if (dash == std::string_view::npos) return {};
  return put_within(parse_count(trim(text.substr(dash + 1))), first, 65535, last);
}

// "198.18.0.1", "198.18.0.1:80", "[2001:2::1]:80": where the host ends; npos where a bracket is open.
std::size_t end_of_host(std::string_view authority) {
  if (!authority.starts_with('[')) return std::min(authority.find(':'), authority.size());
  const std::size_t bracket = authority.find(']');
  return bracket == std::string_view::npos ? bracket : bracket + 1;
}

Expected<IpAddress, std::string> parse_host(std::string_view host) {
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  const std::string_view text = bracketed ? host.substr(1, host.size() - 2) : host;
  const auto address = IpAddress::parse(text);
  if (!address || address->is_v4() == bracketed) {
    return unexpected(fmt::format(
        "`{}` is no address; names are not looked up (getent hosts {}), and IPv6 stands in []", host, text));
  }
  if (address->is_multicast() || address->is_unspecified() || address->is_broadcast() || address->is_loopback()) {
    return unexpected(fmt::format("`{}` is no address that a connection can go to over a port of ours", host));
  }
  return *address;
}

SetResult add_url(Options& o, std::string_view text) {
  auto targets = parse_url(text);
  if (!targets) return unexpected(targets.error());
  for (Target& target : *targets) {
    if (!o.load.targets.empty() && o.load.targets.front().scheme != target.scheme) {
      return unexpected(
          fmt::format("`{}` is of another scheme than `{}`; a run has one", text, to_string(o.load.targets.front())));
    }
    o.load.targets.push_back(std::move(target));
  }
  if (o.load.targets.size() > 4096) return unexpected(std::string{"more than 4096 targets"});
  return {};
}

// "10k/s" or "10k/s->1M/s".
SetResult parse_stage_rate(std::string_view text, Stage& stage) {
  const std::size_t arrow = text.find("->");
  if (auto ok = put(parse_rate(trim(text.substr(0, arrow))), stage.from); !ok) return ok;
  stage.to = stage.from;
  return arrow == std::string_view::npos ? SetResult{} : put(parse_rate(trim(text.substr(arrow + 2))), stage.to);
}

// "rate=10k/s->1M/s,for=20s,arrivals=poisson".
SetResult add_stage(Options& o, std::string_view text) {
  constexpr std::array<std::string_view, 3> kKeys{"rate", "for", "arrivals"};
  Stage stage;
  stage.from = -1;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view part = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos) {
      return unexpected(fmt::format("`{}` is not KEY=VALUE, such as rate=10k/s,for=20s", part));
    }
    const std::string_view key = part.substr(0, equals);
    const std::string_view value = part.substr(equals + 1);
    SetResult ok;
    if (key == "rate")
      ok = parse_stage_rate(value, stage);
    else if (key == "for")
      ok = put_duration(value, 1ms, 24h * 365, stage.length);
    else if (key == "arrivals")
      ok = put_choice(value, kArrivals, stage.arrivals);
    else
      return unexpected(fmt::format("a stage has no `{}`{}", key, did_you_mean(key, kKeys)));
    if (!ok) return unexpected(fmt::format("{}: {}", key, ok.error()));
  }
  if (stage.from < 0 || stage.length == Duration{0}) {
    return unexpected(fmt::format("`{}` lacks a rate or a time: rate=10k/s,for=20s", text));
  }
  o.load.stages.push_back(stage);
  return {};
}

std::string show_stage(const Stage& stage) {
  return fmt::format("rate={}{},for={},arrivals={}", stage.from,
                     stage.to == stage.from ? std::string{} : fmt::format("->{}", stage.to),
                     exact_duration(stage.length), word_of(stage.arrivals, kArrivals));
}

SetResult add_source(Options& o, std::string_view text) {
  auto range = parse_address_range(text);
  if (!range) return unexpected(range.error());
  o.load.sources.push_back(*range);
  return {};
}

template <std::vector<Condition> LoadSettings::*kMember>
SetResult add_condition(Options& o, std::string_view text) {
  auto condition = parse_condition(text);
  if (!condition) return unexpected(condition.error());
  (o.load.*kMember).push_back(std::move(*condition));
  return {};
}
template <std::vector<Condition> LoadSettings::*kMember>
Json show_conditions(const Options& o) {
  Json shown = Json::array();
  for (const Condition& condition : o.load.*kMember) shown.push_back(condition.text);
  return shown;
}

template <auto kMember>
SetResult set_load_switch(Options& o, std::string_view text) {
  return put(parse_switch(text), o.load.*kMember);
}
template <auto kMember>
Json show_load(const Options& o) {
  return Json(o.load.*kMember);
}
template <auto kMember>
Json show_load_duration(const Options& o) {
  return Json(exact_duration(o.load.*kMember));
}
// What is of the open loop without stages.
template <auto kShow>
Json show_pace(const Options& o) {
  return o.load.closed > 0 || !o.load.stages.empty() ? Json(nullptr) : kShow(o);
}
Json show_arrivals(const Options& o) { return Json(word_of(o.load.arrivals, kArrivals)); }
template <auto kMember, std::uint64_t kLow, std::uint64_t kHigh>
SetResult set_load_count(Options& o, std::string_view text) {
  return put_within(parse_count(text), kLow, kHigh, o.load.*kMember);
}
template <auto kMember>
SetResult set_load_duration(Options& o, std::string_view text) {
  return put_duration(text, 0s, 24h, o.load.*kMember);
}

constexpr std::array kLoadRows{
    OptionSpec{
        "url", 0, "URL",
        "what to connect to: http://ADDR[:PORT][/PATH], echo://, discard://, chargen://; several are asked in turn; "
        "PORT may be LO-HI",
        kLoad, true, add_url,
        [](const Options& o) {
          Json shown = Json::array();
          for (const Target& target : o.load.targets) shown.push_back(to_string(target));
          return shown;
        },
        "", true},
    OptionSpec{"rate", 'r', "RATE", "connections to open in a second, whatever the target does: the open loop", kLoad,
               false, [](Options& o, std::string_view text) { return put(parse_rate(text), o.load.rate); },
               show_pace<show_load<&LoadSettings::rate>>},
    OptionSpec{"arrivals", 0, "constant|poisson", "equal distances, or each connection independent of the others",
               kLoad, false,
               [](Options& o, std::string_view text) { return put_choice(text, kArrivals, o.load.arrivals); },
               show_pace<show_arrivals>},
    OptionSpec{"ramp", 0, "TIME", "the rate grows from 0 during this time, the first of --duration", kLoad, false,
               set_load_duration<&LoadSettings::ramp>, show_pace<show_load_duration<&LoadSettings::ramp>>},
    OptionSpec{"warmup", 0, "TIME", "latencies of this first part of the run are left out, and how late it began too",
               kLoad, false, set_load_duration<&LoadSettings::warmup>, show_load_duration<&LoadSettings::warmup>},
    OptionSpec{"stage", 0, "KEY=VALUE,...",
               "a part of the run, instead of rate, arrivals, ramp and duration: rate=10k/s->1M/s,for=20s,"
               "arrivals=poisson; repeatable, in a file [[stage]]",
               kLoad, true, add_stage,
               [](const Options& o) {
                 Json shown = Json::array();
                 for (const Stage& stage : o.load.stages) shown.push_back(show_stage(stage));
                 return shown;
               },
               "", false, "rate,arrivals,ramp"},
    OptionSpec{"closed", 0, "N", "the closed loop: N clients, each opens its next connection when the last is over",
               kLoad, false, set_load_count<&LoadSettings::closed, 1, 1u << 24>,
               [](const Options& o) { return o.load.closed == 0 ? Json(nullptr) : Json(o.load.closed); }, "", false,
               "rate,arrivals,ramp,stage"},
    OptionSpec{"connections", 'n', "N", "opened before the clock starts, and held open meanwhile", kLoad, false,
               set_load_count<&LoadSettings::connections, 0, 1u << 28>, show_load<&LoadSettings::connections>},
    OptionSpec{"requests-per-connection", 0, "N", "one after the other; http and echo", kLoad, false,
               set_load_count<&LoadSettings::requests, 1, 0xffffffff>, show_load<&LoadSettings::requests>},
    OptionSpec{"method", 0, "GET|HEAD|POST", "of the HTTP request", kLoad, false,
               [](Options& o, std::string_view text) { return put_choice(text, kMethods, o.load.method); },
               [](const Options& o) { return Json(word_of(o.load.method, kMethods)); }},
    OptionSpec{"size", 0, "SIZE", "bytes that a request sends (POST, echo, discard) or takes (chargen)", kLoad, false,
               [](Options& o, std::string_view text) {
                 return put_within(parse_size(text), 1, std::uint64_t{1} << 40, o.load.size);
               },
               show_load<&LoadSettings::size>},
    OptionSpec{"verify", 0, "",
               "compare bodies: each of a target's with those before it, the first 4 MiB; chargen: the characters",
               kLoad, false, set_load_switch<&LoadSettings::verify>, show_load<&LoadSettings::verify>},
    OptionSpec{
        "think", 0, "TIME",
        "between an answer and the next request on the same connection; in a closed loop also before a client's next "
        "connection",
        kLoad, false, set_load_duration<&LoadSettings::think>, show_load_duration<&LoadSettings::think>},
    OptionSpec{"read-rate", 0, "SIZE", "slow clients: bytes that each connection reads in a second; 0: all that comes",
               kLoad, false,
               [](Options& o, std::string_view text) {
                 return put_within(parse_size(text), 0, std::uint64_t{1} << 40, o.load.read_rate);
               },
               show_load<&LoadSettings::read_rate>},
    OptionSpec{"timeout", 0, "TIME", "how long opening, or a request and its answer, may take before it has failed",
               kLoad, false,
               [](Options& o, std::string_view text) { return put_duration(text, 1ms, 24h, o.load.timeout); },
               show_load_duration<&LoadSettings::timeout>},
    OptionSpec{"wait-target", 0, "TIME", "how long to try until the target answers; the clock starts then. 0: at once",
               kLoad, false, set_load_duration<&LoadSettings::wait_target>,
               show_load_duration<&LoadSettings::wait_target>},
    OptionSpec{
        "close", 0, "client|server|rst",
        "who closes first, and hence holds TIME-WAIT; rst: we reset, and nobody does. Default: http server, else "
        "client",
        kLoad, false, [](Options& o, std::string_view text) { return put_choice(text, kClosers, o.load.close); },
        [](const Options& o) {
          return o.load.close == Closer::kDefault ? Json(nullptr) : Json(word_of(o.load.close, kClosers));
        }},
    OptionSpec{"source", 0, "ADDR/LEN[+N]", "connect from these addresses in turn; default: all of ours; repeatable",
               kLoad, true, add_source,
               [](const Options& o) {
                 Json shown = Json::array();
                 for (const LocalAddresses& s : o.load.sources) {
                   shown.push_back(fmt::format("{}+{}", to_string(s.prefix), s.count));
                 }
                 return shown;
               }},
    OptionSpec{"source-ports", 0, "LO-HI", "... and from these ports; default: 1024-65535", kLoad, false,
               set_ephemeral_ports,
               [](const Options& o) { return Json(fmt::format("{}-{}", o.shard.first_port, o.shard.last_port)); }},
    OptionSpec{"on-exhaust", 0, "fail|wait|reuse",
               "where no port is free: the connection fails at once, waits, or takes one out of TIME-WAIT where "
               "timestamps prove it safe (RFC 6191)",
               kLoad | static_cast<unsigned>(Command::kTimeWaitChurn), false,
               [](Options& o, std::string_view text) { return put_choice(text, kOnExhaust, o.load.on_exhaust); },
               [](const Options& o) { return Json(word_of(o.load.on_exhaust, kOnExhaust)); }},
    OptionSpec{
        "secret-file", 0, "FILE",
        "keeps the secret behind our sequence numbers and timestamps, so that a target that holds the last run's "
        "connections in TIME-WAIT believes this one's; default: ~/.local/state/pollux/secret",
        kLoad, false,
        [](Options& o, std::string_view text) {
          if (text.empty()) return SetResult{unexpected(std::string{"an empty value"})};
          o.load.secret_file = text;
          return SetResult{};
        },
        [](const Options& o) { return o.load.secret_file.empty() ? Json(nullptr) : Json(o.load.secret_file); }},
    OptionSpec{"fail-if", 0, "EXPR",
               "end with 3 where this holds of the result, such as `response.p99 > 500us` or `errors.refused > 0`; "
               "repeatable",
               kLoad, true, add_condition<&LoadSettings::fail_if>, show_conditions<&LoadSettings::fail_if>},
    OptionSpec{"abort-if", 0, "EXPR", "the same, looked at each second: the run ends when it holds", kLoad, true,
               add_condition<&LoadSettings::abort_if>, show_conditions<&LoadSettings::abort_if>},
    OptionSpec{"with-server", 0, "", "run the server too, over memif-pair or ring-pair: no root, no NIC", kLoad, false,
               set_load_switch<&LoadSettings::with_server>, show_load<&LoadSettings::with_server>},
    OptionSpec{"dry-run", 0, "", "print the plan, and start nothing", kLoad, false,
               set_load_switch<&LoadSettings::dry_run>, show_load<&LoadSettings::dry_run>},
};

// A number in the unit that the result file has it in.
Expected<double, std::string> parse_limit(std::string_view text) {
  double plain = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), plain);
  if (error == std::errc{} && end == text.data() + text.size()) return plain;
  if (text.ends_with('%')) {
    const auto share = std::from_chars(text.data(), text.data() + text.size() - 1, plain);
    if (share.ec == std::errc{} && share.ptr == text.data() + text.size() - 1) return plain / 100;
  }
  if (const auto duration = parse_duration(text)) return static_cast<double>(duration->count());
  if (const auto rate = parse_rate(text)) return *rate;
  if (const auto size = parse_size(text)) return static_cast<double>(*size);
  return unexpected(fmt::format("`{}` is no limit; such are 500us, 1%, 10k/s, 1Mi and 7", text));
}

}  // namespace

std::span<const OptionSpec> load_option_rows() { return kLoadRows; }

std::string to_string(const Target& target) {
  return fmt::format("{}://{}{}", word_of(target.scheme, kSchemes), target.authority, target.path);
}

Expected<std::vector<Target>, std::string> parse_url(std::string_view url) {
  const std::size_t colon = url.find("://");
  if (colon == std::string_view::npos) {
    return unexpected(fmt::format("`{}` is no URL; such are http://198.18.0.1/ and echo://[2001:2::1]:7", url));
  }
  Scheme scheme{};
  if (auto ok = put_choice(url.substr(0, colon), kSchemes, scheme); !ok) return unexpected(ok.error());
  const std::string_view rest = url.substr(colon + 3);
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  const std::string_view authority = rest.substr(0, slash);
  const std::string_view path = rest.substr(slash);
  if (path.find_first_of(" \r\n") != std::string_view::npos)
    return unexpected(fmt::format("`{}` has a blank in it", url));
  if (scheme != Scheme::kHttp && path.size() > 1) {
    return unexpected(fmt::format("`{}`: only http has a path", url));
  }
  const std::size_t end = end_of_host(authority);
  if (end == std::string_view::npos) return unexpected(fmt::format("`{}` lacks a ]", url));
  const auto address = parse_host(authority.substr(0, end));
  if (!address) return unexpected(address.error());
  const std::uint16_t usual = kPorts[static_cast<int>(scheme)];
  std::uint16_t first = usual;
  std::uint16_t last = usual;
  if (end < authority.size()) {
    if (authority[end] != ':') return unexpected(fmt::format("`{}`: what follows the address is no port", url));
    if (auto ok = parse_ports(authority.substr(end + 1), first, last); !ok) {
      return unexpected(fmt::format("the port of `{}`: {}", url, ok.error()));
    }
  }
  std::vector<Target> targets;
  for (std::uint32_t port = first; port <= last; ++port) {
    Target target;
    target.scheme = scheme;
    target.address = *address;
    target.port = static_cast<std::uint16_t>(port);
    if (scheme == Scheme::kHttp) target.path = path.empty() ? "/" : std::string{path};
    target.authority = std::string{authority.substr(0, end)};
    if (port != usual) target.authority += fmt::format(":{}", port);
    targets.push_back(std::move(target));
  }
  return targets;
}

Expected<Condition, std::string> parse_condition(std::string_view text) {
  constexpr Choice<Condition::Relation> kRelations[] = {{">=", Condition::Relation::kAtLeast},
                                                        {"<=", Condition::Relation::kAtMost},
                                                        {">", Condition::Relation::kAbove},
                                                        {"<", Condition::Relation::kBelow}};
  const std::size_t at = text.find_first_of("<>");
  if (at == std::string_view::npos || trim(text.substr(0, at)).empty()) {
    return unexpected(fmt::format("`{}` is not METRIC > LIMIT; such is `response.p99 > 500us`", text));
  }
  Condition condition;
  condition.text = text;
  const std::size_t width = at + 1 < text.size() && text[at + 1] == '=' ? 2 : 1;
  static_cast<void>(put_choice(text.substr(at, width), kRelations, condition.relation));
  for (std::string_view rest = trim(text.substr(0, at)); !rest.empty();) {
    const std::string_view part = rest.substr(0, rest.find('.'));
    condition.path.emplace_back(part);
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
  }
  if (auto ok = put(parse_limit(trim(text.substr(at + width))), condition.limit); !ok) return unexpected(ok.error());
  return condition;
}

}  // namespace pollux::app
