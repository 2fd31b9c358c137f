#include "serve.h"

#include <fmt/format.h>

#include <memory>
#include <string>

#include "http_content.h"
#include "http_server.h"
#include "judge.h"
#include "say.h"
#include "serve_setup.h"
#include "servers.h"
#include "session.h"

namespace pollux::app {
namespace {

struct Service {
  std::string name;      // "serve http"
  std::uint16_t port;    // its well-known one
  std::string exercise;  // a command of the peer's; {host}, {bracketed}: with [] for IPv6, {port}
};

Service service_of(Command command) {
  switch (command) {
    case Command::kHttp:
      return {"serve http", 80, "curl http://{bracketed}:{port}/"};
    case Command::kEcho:
      return {"serve echo", 7, "nc {host} {port}"};
    case Command::kDiscard:
      return {"serve discard", 9, "head -c 1G /dev/zero | nc -N {host} {port}"};
    case Command::kChargen:
      return {"serve chargen", 19, "nc {host} {port} | head"};
    case Command::kDemo:
    case Command::kReport:
    case Command::kCompare:
    case Command::kScript:
    case Command::kSim:
    case Command::kReplay:
    case Command::kTap:
    case Command::kLoad:
    case Command::kTimeWaitModel:
    case Command::kTimeWaitFill:
    case Command::kTimeWaitChurn:
    case Command::kTimeWaitCompare:
      break;
  }
  unreachable();
}

// "198.18.0.2:80 [2001:2::2]:80"; of a range its first address.
std::string listening_on(const Options& options, std::uint16_t port) {
  std::string text;
  for (const LocalAddresses& local : options.shard.addresses) {
    const IpAddress& address = local.prefix.address;
    text += fmt::format("{}{}", text.empty() ? "" : " ",
                        fmt::format(fmt::runtime(address.is_v4() ? "{}:{}" : "[{}]:{}"), to_string(address), port));
    if (local.count > 1) text += fmt::format(" and {} more", local.count - 1);
  }
  return text;
}

std::string exercise(const Service& service, const Options& options, std::uint16_t port) {
  const IpAddress& address = options.shard.addresses.front().prefix.address;
  const std::string host = to_string(address);
  const std::string bracketed = address.is_v4() ? host : "[" + host + "]";
  std::string text = fmt::format(fmt::runtime(service.exercise), fmt::arg("host", host),
                                 fmt::arg("bracketed", bracketed), fmt::arg("port", port));
  const std::string usual = ":80/";
  if (port == 80 && text.find(usual) != std::string::npos) text.replace(text.find(usual), usual.size(), "/");
  return text;
}

class Server {
 public:
  Server(Command command, const Options& options, Signals& signals, std::unique_ptr<Servers> servers)
      : options_{options},
        service_{service_of(command)},
        signals_{signals},
        session_{options, command, service_.name},
        servers_{std::move(servers)} {}

  ~Server() { signals_.set_hurry({}); }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  int run() {
    if (auto ok = session_.open_result(); !ok) return fail(kUsage, ok.error());
    if (auto ok = configure(); !ok) return fail(kUsage, ok.error());
    if (auto ok = start(); !ok) return fail(kRunTimeError, ok.error());
    announce();
    const auto begin = std::chrono::steady_clock::now();
    const bool whole =
        session_.run(signals_, options_.duration.value_or(Duration{0}), options_.port, [this] { return read(); });
    // Without a planned end a ^C is how it ends.
    const bool cut_short = options_.duration && !whole;
    const Duration duration = std::chrono::steady_clock::now() - begin;
    if (!options_.quiet) say(stderr, "draining; ^C leaves at once\n");
    const Session::Tick last = read();
    const bool drained = engine_->stop(kDrain);
    Session::Tick end = read();
    end.engine.take_gauges(last.engine);
    Result result = session_.result(options_.port, std::move(end), duration);
    result.verdict = judge_server(result.engine);
    if (cut_short) result.verdict.degrade("interrupted");
    if (!drained) result.verdict.degrade("some connections were reset at the end: they had not ended in time");
    if (auto ok = session_.write(result); !ok) return fail(kRunTimeError, ok.error());
    return cut_short || signals_.stops() > 1 ? kInterrupted : kOk;
  }

 private:
  static constexpr Duration kDrain = 5s;

  // Nothing of it touches the machine: what is wrong here is the user's choice.
  Expected<void, std::string> configure() {
    auto engine = runtime::Engine::create(session_.engine_options());
    if (!engine) return unexpected(engine.error());
    engine_ = std::move(*engine);
    return servers_->add_to(*engine_, session_.group_options(options_.port));
  }

  Expected<void, std::string> start() {
    if (auto ok = engine_->start(); !ok) return ok;
    signals_.set_hurry([this] { engine_->hurry(); });
    return listen();
  }

  Expected<void, std::string> listen() {
    ListenSpec spec;
    spec.port = options_.listen;
    spec.options = options_.connection;
    spec.fast_open = options_.pending_fast_opens();
    return servers_->listen(spec);
  }

  void announce() const {
    if (options_.verbose) say(stderr, "{}\n", engine_->describe());
    for (const auto& note : engine_->notes()) say(stderr, "note: {}\n", note);
    for (const auto& described : engine_->snapshot().ports) say(stderr, "{}\n", described.description);
    if (has_a_kernel_behind_it(options_)) {
      say(stderr, "{}try:        {}\n", kernel_side_hint(options_), exercise(service_, options_, options_.listen));
    }
    say(stderr, "listening {}   ^C to stop\n", listening_on(options_, options_.listen));
    std::fflush(stderr);
  }

  Session::Tick read() {
    Session::Tick tick;
    tick.service = servers_->counters();
    tick.time_wait_entry = servers_->time_wait_entry();
    tick.engine = engine_->snapshot();
    return tick;
  }

  const Options& options_;
  Service service_;
  Signals& signals_;
  Session session_;
  std::unique_ptr<Servers> servers_;
  std::unique_ptr<runtime::Engine> engine_;
};

int serve_http(const Options& options, Signals& signals) {
  HttpContent content{options.body};
  if (!options.root.empty()) {
    if (auto ok = content.load(options.root); !ok) return fail(kUsage, ok.error());
    say(stderr, "{} files of {}, {} bytes\n", content.files(), options.root, content.file_bytes());
  }
  HttpServerConfig config;
  config.max_connections = options.shard.max_connections;
  config.header_timeout = options.header_timeout;
  config.idle_timeout = options.idle_timeout;
  return Server{Command::kHttp, options, signals, http_servers(content, config)}.run();
}

}  // namespace

int serve(Command command, const Options& given, Signals& signals) {
  Options options = given;
  fill_in_defaults(options, service_of(command).port);
  switch (command) {
    case Command::kHttp:
      return serve_http(options, signals);
    case Command::kEcho:
      return Server{command, options, signals, echo_servers()}.run();
    case Command::kDiscard:
      return Server{command, options, signals, discard_servers()}.run();
    case Command::kChargen:
      return Server{command, options, signals, chargen_servers()}.run();
    case Command::kDemo:
    case Command::kReport:
    case Command::kCompare:
    case Command::kScript:
    case Command::kSim:
    case Command::kReplay:
    case Command::kTap:
    case Command::kLoad:
    case Command::kTimeWaitModel:
    case Command::kTimeWaitFill:
    case Command::kTimeWaitChurn:
    case Command::kTimeWaitCompare:
      break;
  }
  unreachable();
}

}  // namespace pollux::app
