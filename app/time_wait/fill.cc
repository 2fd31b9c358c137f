#include "time_wait/fill.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "memory_figures.h"
#include "say.h"
#include "session.h"
#include "time_wait/apps.h"
#include "time_wait/both_ends.h"
#include "time_wait/model.h"
#include "time_wait/probe.h"
#include "units.h"

namespace pollux::app {
namespace {

using Json = nlohmann::ordered_json;
using runtime::Engine;
using runtime::Group;
using Wall = std::chrono::steady_clock;

constexpr std::uint32_t kClients = 512;
constexpr std::uint64_t kFirstLevel = 10'000;
constexpr Duration kFillSampleEvery = 20ms;
constexpr std::size_t kSamplesOfALevel = 16;
constexpr Duration kStallAim = 1ms;
constexpr std::uint64_t kManyEntries = 1'000'000;  // below them the room for those that come meanwhile counts for much
constexpr double kBytesAim = 42.9;                 // 4 GiB for 100 M

class Fill {
 public:
  Fill(const Options& options, Signals& signals)
      : options_{with_defaults(options)},
        signals_{signals},
        session_{options_, Command::kTimeWaitFill, "timewait fill"},
        server_name_{options_.port + ":0"},
        client_name_{options_.port + ":1"},
        wanted_{options_.time_wait.entries} {
    tuples_.first = IpPrefix::parse(kSources)->address;
  }
  ~Fill() { signals_.set_hurry({}); }
  Fill(const Fill&) = delete;
  Fill& operator=(const Fill&) = delete;

  int run() {
    if (auto ok = session_.open_result(); !ok) return fail(kUsage, ok.error());
    const auto needed = static_cast<std::uint64_t>(entry_bytes().pollux * static_cast<double>(wanted_ + spare()));
    const auto available = available_bytes();
    if (available && needed > *available)
      return fail(kUsage,
                  fmt::format("--entries: {} entries take {}, of which this machine has {} left", with_commas(wanted_),
                              show_bytes(static_cast<double>(needed)), show_bytes(static_cast<double>(*available))));
    if (auto ok = configure(); !ok) return fail(kUsage, ok.error());
    if (auto ok = start(); !ok) return fail(kRunTimeError, ok.error());
    begun_ = Wall::now();
    const bool whole = fill() && expire();
    const Duration took = Wall::now() - begun_;
    Session::Tick last = read();
    const bool drained = engine_->stop(kBothEndsDrain);
    Result result = session_.result(server_name_, std::move(last), took);
    judge(result, whole, drained);
    report(result);
    if (auto ok = session_.write(result); !ok) return fail(kRunTimeError, ok.error());
    if (!whole) return signals_.stops() > 0 ? kInterrupted : kNotValid;
    return result.verdict.state == Verdict::State::kInvalid ? kNotValid : kOk;
  }

 private:
  // What is entered first must not have ended before the last is in.
  static Options with_defaults(Options options) {
    constexpr std::int64_t kSlowest = 100'000;  // connections/s
    options = with_both_ends(std::move(options));
    if (options.clients == Options{}.clients) options.clients = kClients;
    const bool own_cores = options.cores.size() > 1 && options.cores[0] != options.cores[1];
    if (options.idle == runtime::IdlePolicy::kAuto && own_cores) options.idle = runtime::IdlePolicy::kSpin;
    const auto fill_time = std::chrono::seconds{static_cast<std::int64_t>(options.time_wait.entries) / kSlowest};
    if (options.shard.tcp.msl == tcp::Config{}.msl)
      options.shard.tcp.msl = std::max<Duration>(options.shard.tcp.msl, fill_time / 2 + 30s);
    return options;
  }

  // Free tuples for what is measured, and for connections that are made while all entries end.
  std::uint64_t spare() const { return std::clamp<std::uint64_t>(wanted_ / 16, 65'536, 2'000'000); }

  runtime::GroupOptions side(const std::string& port) const {
    runtime::GroupOptions group = session_.group_options(port);
    group.workers = 1;
    group.shard.pages = Pages::kTouched;  // what is measured shall not wait for the kernel's zeros
    group.shard.max_connections = std::max(4 * options_.clients, 1024u);
    group.shard.max_half_open = std::max(4 * options_.clients, 1024u);
    group.shard.send_blocks = 64;
    group.shard.held_segments = 4096;
    group.shard.max_time_wait_v6 = 1;
    group.shard.max_time_wait_v4 = 1;
    return group;
  }

  Expected<void, std::string> configure() {
    auto engine = Engine::create(session_.engine_options());
    if (!engine) return unexpected(engine.error());
    engine_ = std::move(*engine);
    runtime::GroupOptions server = side(server_name_);
    server.shard.addresses = {{*IpPrefix::parse(kServerAddress), 1}};
    server.shard.gateways = {IpPrefix::parse(kClientAddress)->address};
    server.shard.max_time_wait_v4 = static_cast<std::uint32_t>(wanted_ + spare());
    auto holder = engine_->add_group<CloseAtOnce>(server, [](unsigned) { return std::make_unique<CloseAtOnce>(); });
    if (!holder) return unexpected(holder.error());
    holder_ = *holder;

    runtime::GroupOptions client = side(client_name_);
    const auto addresses = static_cast<std::uint32_t>(tuples_.addresses_for(wanted_ + spare()));
    client.shard.addresses = {{*IpPrefix::parse(kClientAddress), 1}, {*IpPrefix::parse(kSources), addresses}};
    client.shard.first_port = client.shard.last_port = 1;  // it says itself which ports it wants
    client.capture_file.reset();                           // one side sees every frame
    TupleOpener::Config config;
    config.server = IpPrefix::parse(kServerAddress)->address;
    config.tuples = tuples_;
    config.clients = options_.clients;
    config.options = options_.connection;
    auto opener =
        engine_->add_group<TupleOpener>(client, [config](unsigned) { return std::make_unique<TupleOpener>(config); });
    if (!opener) return unexpected(opener.error());
    opener_ = *opener;
    return {};
  }

  Expected<void, std::string> start() {
    if (auto ok = engine_->start(); !ok) return ok;
    signals_.set_hurry([this] { engine_->hurry(); });
    ListenSpec spec;
    spec.port = 80;
    spec.options = options_.connection;
    const auto listening =
        holder_->call(0, [&](Shard<CloseAtOnce>& shard, CloseAtOnce&, Instant) { return shard.listen(spec); });
    if (!listening) return unexpected(fmt::format("cannot listen: {}", describe(listening.error())));
    if (options_.verbose) say(stderr, "{}\n", engine_->describe());
    if (!options_.quiet) {
      for (const auto& note : engine_->notes()) say(stderr, "note: {}\n", note);
      say(stderr, "{} connections into TIME-WAIT (2MSL {}), {} at a time, from {} addresses, over {}\n",
          with_commas(wanted_), exact_duration(2 * options_.shard.tcp.msl), options_.clients,
          with_commas(tuples_.addresses_for(wanted_ + spare())), options_.port);
    }
    return {};
  }

  // --- What the workers are asked ---

  struct Table {
    Instant now{};
    std::uint64_t entries = 0;
    TimeWaitTable::Counters counters;
    std::size_t bytes = 0;
  };
  Table table() {
    return holder_->call(0, [](Shard<CloseAtOnce>& shard, CloseAtOnce&, Instant now) {
      const TimeWaitTable& t = shard.core().time_wait();
      return Table{now, t.size(), t.counters(), t.bytes()};
    });
  }
  runtime::LoopCounters holder_loop() { return engine_->snapshot().total(server_name_).loop; }
  void open_up_to(std::uint64_t end) {
    opener_->call(0, [end](Shard<TupleOpener>&, TupleOpener& app, Instant) { app.open_up_to(end); });
  }
  bool opener_is_idle() {
    return opener_->call(0, [](Shard<TupleOpener>&, TupleOpener& app, Instant) { return app.idle(); });
  }

  Session::Tick read() {
    Session::Tick tick;
    tick.service = opener_->call(0, [](Shard<TupleOpener>&, TupleOpener& app, Instant) { return app.counters(); });
    tick.time_wait_entry = holder_->call(0, [](Shard<CloseAtOnce>& shard, CloseAtOnce&, Instant) {
      return shard.core().time_wait().bytes_per_entry_v4();
    });
    tick.engine = engine_->snapshot();
    return tick;
  }

  // --- Filling ---

  struct At {
    Instant now{};
    std::uint64_t entries = 0;
    std::uint64_t resident = 0;  // bytes of this process
  };

  bool fill() {
    if (!open_and_wait(std::min(kFirstLevel, wanted_))) return false;
    at_first_level_ = probe(wanted_ + spare() - PathProbe::kFresh);
    if (!open_and_wait(wanted_)) return false;
    filled_ = table();
    table_resident_ = holder_->call(
        0, [](Shard<CloseAtOnce>& shard, CloseAtOnce&, Instant) { return shard.core().time_wait().resident(); });
    if (filled_.entries < wanted_) return true;  // the verdict says so
    at_last_level_ = probe(wanted_ + spare() - 2 * PathProbe::kFresh);
    return true;
  }

  // False: interrupted.
  bool open_and_wait(std::uint64_t end) {
    open_up_to(end);
    auto shown = Wall::now();
    for (bool idle = false; !idle;) {
      if (signals_.wait(kFillSampleEvery) == Signals::Event::kStop) return false;
      idle = opener_is_idle();
      const Table t = table();
      samples_.push_back({t.now, t.entries, resident_bytes()});
      if (Wall::now() - shown < 1s) continue;
      show(t);
      shown = Wall::now();
    }
    return wait_until([this] { return connections() == 0; });
  }
  std::uint32_t connections() {
    return holder_->call(0,
                         [](Shard<CloseAtOnce>& shard, CloseAtOnce&, Instant) { return shard.core().connections(); });
  }

  template <class Done>
  bool wait_until(Done&& done) {
    while (!done()) {
      if (signals_.wait(1ms) == Signals::Event::kStop) return false;
    }
    return true;
  }

  PathCosts probe(std::uint64_t fresh) {
    return holder_->call(0, [&](Shard<CloseAtOnce>& shard, CloseAtOnce&, Instant now) {
      return PathProbe{shard, tuples_, std::min(table_size(shard), wanted_), fresh, now}.measure();
    });
  }
  static std::uint64_t table_size(const Shard<CloseAtOnce>& shard) { return shard.core().time_wait().size(); }

  void show(const Table& t) const {
    if (options_.quiet || samples_.size() < 2) return;
    say(stderr, "{:>5.0f} s  TIME-WAIT {:>12}  expired {:>12}\n", seconds(Wall::now() - begun_), with_commas(t.entries),
        with_commas(t.counters.expired));
  }

  // Connections/s while about so many were in the table, a tenth more or less, and for some samples at least: the
  // median, so that moments in which another program had the core do not count.
  double rate_at(std::uint64_t level) const {
    const auto reached = [&](std::uint64_t entries) {
      const auto found = std::lower_bound(samples_.begin(), samples_.end(), entries,
                                          [](const At& at, std::uint64_t n) { return at.entries < n; });
      return static_cast<std::size_t>(found - samples_.begin());
    };
    if (samples_.empty()) return 0;
    std::size_t first = reached(level - level / 10);
    const std::size_t last =
        std::min(std::max(reached(level + level / 10), first + kSamplesOfALevel), samples_.size() - 1);
    if (last - std::min(first, last) < kSamplesOfALevel) first = last > kSamplesOfALevel ? last - kSamplesOfALevel : 0;
    std::vector<double> rates;
    for (std::size_t s = first; s < last; ++s) {
      const At& a = samples_[s];
      const At& b = samples_[s + 1];
      if (b.now > a.now) rates.push_back(static_cast<double>(b.entries - a.entries) / seconds(b.now - a.now));
    }
    if (rates.empty()) return 0;
    std::sort(rates.begin(), rates.end());
    return rates[rates.size() / 2];
  }

  // --- Expiring ---

  struct Expiry {
    std::uint64_t expired = 0;
    Duration took{0};
    double busy_each = 0;         // ns of the holder's core, while nothing else happened
    std::uint64_t meanwhile = 0;  // connections opened
    TurnWatch::Turns turns;
  };

  // The oldest tenth alone, for what one costs; then all that is left in one moment, while connections are opened.
  bool expire() {
    if (filled_.entries < wanted_ || table().counters.expired > 0)
      return true;  // not all came, or too slow for its 2MSL: the verdict says so
    const Duration two_msl = 2 * options_.shard.tcp.msl;
    const auto tenth =
        std::find_if(samples_.begin(), samples_.end(), [&](const At& at) { return at.entries >= wanted_ / 10; });
    const std::uint64_t of_tenth = tenth->entries;
    const auto busy_before = holder_loop().busy;
    engine_->advance_clock(two_msl - (table().now - tenth->now));
    if (!wait_until([&] { return table().counters.expired >= of_tenth; })) return false;
    const auto busy = holder_loop().busy - busy_before;
    expiry_.busy_each = static_cast<double>(busy.count()) / static_cast<double>(table().counters.expired);

    const Table before = table();
    holder_->call(0, [](Shard<CloseAtOnce>&, CloseAtOnce& app, Instant) { app.watch.begin(); });
    const auto begin = Wall::now();
    engine_->advance_clock(two_msl);
    // Behind the leap, which would be too long a silence for connections that are being opened.
    if (!both_have_leapt()) return false;
    open_up_to(wanted_ + spare() - 2 * PathProbe::kFresh);
    const std::uint64_t due = before.counters.entered - before.counters.reused;
    if (!wait_until([&] { return table().counters.expired >= due; })) return false;
    expiry_.took = Wall::now() - begin;
    const Table after = table();
    holder_->call(0, [this](Shard<CloseAtOnce>&, CloseAtOnce& app, Instant) { expiry_.turns = app.watch.end(); });
    expiry_.expired = after.counters.expired - before.counters.expired;
    expiry_.meanwhile = after.counters.entered - before.counters.entered;
    opener_->call(0, [](Shard<TupleOpener>&, TupleOpener& app, Instant) { app.open_up_to(app.next()); });
    if (!wait_until([this] { return opener_is_idle() && connections() == 0; })) return false;
    engine_->advance_clock(two_msl);
    return wait_until([this] { return table().entries == 0; });
  }

  // False: interrupted.
  bool both_have_leapt() {
    const Instant here = engine_->now();
    return wait_until([&] {
      const auto now_of = [](auto&, auto&, Instant now) { return now; };
      return holder_->call(0, now_of) >= here && opener_->call(0, now_of) >= here;
    });
  }

  // --- Telling ---

  std::vector<std::uint64_t> levels() const {
    std::vector<std::uint64_t> all;
    for (std::uint64_t level = kFirstLevel; level < wanted_; level *= 10) all.push_back(level);
    all.push_back(wanted_);
    return all;
  }

  void judge(Result& result, bool whole, bool drained) {
    if (!whole) result.verdict.degrade("interrupted");
    if (whole && filled_.entries < wanted_)
      result.verdict.invalidate(fmt::format("{} of {} entries are in the table", filled_.entries, wanted_));
    if (filled_.counters.expired > 0) {
      result.verdict.invalidate(fmt::format("{} ended before all were in; --set tcp.time_wait={} is longer",
                                            filled_.counters.expired, exact_duration(8 * options_.shard.tcp.msl)));
    }
    if (result.service.failed() > 0) {
      const std::string_view why =
          opener_->call(0, [](Shard<TupleOpener>&, TupleOpener& app, Instant) { return app.refusal(); });
      result.verdict.invalidate(fmt::format("{} connections failed{}{}", result.service.failed(),
                                            why.empty() ? "" : "; one was refused at once: ", why));
    }
    if (!drained) result.verdict.degrade("connections were left at the end");
    if (whole && table().entries > 0) result.verdict.invalidate(fmt::format("{} entries are left", table().entries));
  }

  struct Aim {
    std::string what;
    double value;
    double limit;
    bool at_most;
    bool met() const { return at_most ? value <= limit : value >= limit; }
  };
  std::vector<Aim> aims() const {
    std::vector<Aim> all;
    if (filled_.entries >= kManyEntries)
      all.push_back({"bytes of the table for each entry", table_each(), kBytesAim, true});
    if (expiry_.expired > 0)
      all.push_back({"longest turn of the loop while all end, ms of its core", seconds(expiry_.turns.cpu.max()) * 1e3,
                     seconds(kStallAim) * 1e3, true});
    const double first = rate_at(kFirstLevel);
    if (samples_.size() < 3 * kSamplesOfALevel) return all;  // the levels would share their samples
    for (const std::uint64_t level : levels()) {
      if (level <= kFirstLevel || first == 0) continue;
      all.push_back({fmt::format("rate at {} of that at 10k", show_count(static_cast<double>(level))),
                     rate_at(level) / first, level > 10'000'000 ? 0.8 : 0.9, false});
    }
    return all;
  }
  // Room for those that come meanwhile included.
  double table_each() const { return static_cast<double>(filled_.bytes) / static_cast<double>(filled_.entries); }

  double resident_each() const { return static_cast<double>(table_resident_) / static_cast<double>(filled_.entries); }

  static Json costs_json(const PathCosts& c) {
    return {{"find_hit_ns", c.find_hit}, {"find_miss_ns", c.find_miss}, {"open_ns", c.open},
            {"enter_ns", c.enter},       {"fin_again_ns", c.fin_again}, {"reuse_ns", c.reuse}};
  }

  void report(Result& result) const {
    Json rates = Json::array();
    for (const std::uint64_t level : levels())
      rates.push_back({{"entries", level}, {"connections_per_second", rate_at(level)}});
    Json series = Json::array();
    const std::size_t step = std::max<std::size_t>(samples_.size() / 500, 1);
    for (std::size_t i = step; i < samples_.size(); i += step) {
      const At& a = samples_[i - step];
      const At& b = samples_[i];
      const double rate = b.now > a.now && b.entries > a.entries
                              ? static_cast<double>(b.entries - a.entries) / seconds(b.now - a.now)
                              : 0;
      series.push_back({{"t_ns", (b.now - samples_.front().now).count()},
                        {"time_wait", b.entries},
                        {"connections_per_second", rate},
                        {"resident_bytes", b.resident - std::min(b.resident, resident_at_first_)}});
    }
    Json met = Json::array();
    for (const Aim& aim : aims())
      met.push_back({{"what", aim.what}, {"value", aim.value}, {"limit", aim.limit}, {"met", aim.met()}});
    result.sections["fill"] = {
        {"entries", filled_.entries},
        {"entered", filled_.counters.entered},
        {"table_bytes", filled_.bytes},
        {"table_bytes_per_entry", table_each()},
        {"resident_bytes_per_entry", resident_each()},
        {"rates", std::move(rates)},
        {"costs", {{"at_10k", costs_json(at_first_level_)}, {"at_all", costs_json(at_last_level_)}}},
        {"expiry",
         {{"ns_each", expiry_.busy_each},
          {"together", expiry_.expired},
          {"took_ns", expiry_.took.count()},
          {"connections_meanwhile", expiry_.meanwhile},
          {"turns", expiry_.turns.wall.count()},
          {"longest_turn_cpu_ns", expiry_.turns.cpu.max().count()},
          {"longest_turn_wall_ns", expiry_.turns.wall.max().count()},
          {"p999_turn_wall_ns", expiry_.turns.wall.quantile(0.999).count()}}},
        {"aims", std::move(met)},
        {"series", std::move(series)}};
    result.findings = lines();
  }

  std::vector<std::string> lines() const {
    std::vector<std::string> out;
    out.push_back(fmt::format("{:<12}{} in TIME-WAIT; table {}, {:.1f} B each; resident {:.1f} B each", "filled",
                              with_commas(filled_.entries), show_bytes(static_cast<double>(filled_.bytes)),
                              table_each(), resident_each()));
    for (const std::uint64_t level : levels())
      out.push_back(fmt::format("{:<12}{}/s at {} entries", "rate", show_count(rate_at(level)), with_commas(level)));
    out.push_back(fmt::format("{:<12}{:>10}{:>10}{:>12}{:>10}{:>12}{:>10}", "cost, ns", "find hit", "find miss",
                              "SYN to open", "reuse", "FIN, enter", "FIN again"));
    for (const auto& [what, c] : {std::pair{"  at 10k", &at_first_level_}, std::pair{"  at all", &at_last_level_}})
      out.push_back(fmt::format("{:<12}{:>10.0f}{:>10.0f}{:>12.0f}{:>10.0f}{:>12.0f}{:>10.0f}", what, c->find_hit,
                                c->find_miss, c->open, c->reuse, c->enter, c->fin_again));
    out.push_back(fmt::format("{:<12}{:.0f} ns each; {} together in {}, {} connections opened meanwhile", "expiry",
                              expiry_.busy_each, with_commas(expiry_.expired), show_duration(expiry_.took),
                              with_commas(expiry_.meanwhile)));
    out.push_back(fmt::format("{:<12}longest turn meanwhile {} of its core's time, {} by the clock; p99.9 {}", "stall",
                              show_duration(expiry_.turns.cpu.max()), show_duration(expiry_.turns.wall.max()),
                              show_duration(expiry_.turns.wall.quantile(0.999))));
    for (const Aim& aim : aims())
      out.push_back(fmt::format("{:<12}{}: {:.3g}, {} {:.3g}", aim.met() ? "met" : "NOT MET", aim.what, aim.value,
                                aim.at_most ? "at most" : "at least", aim.limit));
    return out;
  }

  Options options_;
  Signals& signals_;
  Session session_;
  std::string server_name_;
  std::string client_name_;
  std::uint64_t wanted_;
  TupleSpace tuples_;
  std::unique_ptr<Engine> engine_;
  Group<CloseAtOnce>* holder_ = nullptr;
  Group<TupleOpener>* opener_ = nullptr;
  Wall::time_point begun_;
  std::vector<At> samples_;
  PathCosts at_first_level_;
  PathCosts at_last_level_;
  Table filled_;
  std::uint64_t resident_at_first_ = resident_bytes();
  std::size_t table_resident_ = 0;  // when all were in
  Expiry expiry_;
};

}  // namespace

int time_wait_fill(const Options& options, Signals& signals) { return Fill{options, signals}.run(); }

}  // namespace pollux::app
