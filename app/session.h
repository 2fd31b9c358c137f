#pragma once

#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "options.h"
#include "report.h"
#include "runtime/engine.h"
#include "signals.h"

namespace pollux::app {

// Exit codes of the program.
enum Exit : int {
  kOk = 0,
  kRunTimeError = 1,
  kUsage = 2,
  kThresholdFailed = 3,
  kNotValid = 4,
  kInterrupted = 130,
};

// The name of the program's errors, so that they begin alike: "pollux: ...".
int fail(Exit code, const std::string& error);

// What is the same for all subcommands that run an engine: how options become the
// engine's, and what happens each second and at the end.
class Session {
 public:
  Session(const Options& options, Command command, std::string name)
      : options_{options},
        command_{command},
        name_{std::move(name)},
        started_{iso_time_now()},
        impairment_seed_{impairment_seed_of(options)} {}

  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Opens what the result goes to, before anything is run: an error text if it cannot be written.
  Expected<void, std::string> open_result();

  runtime::EngineOptions engine_options() const;
  // `workers` and `pipeline` from the options, or one worker where a subcommand says so.
  runtime::GroupOptions group_options(const std::string& port) const;
  const Options& options() const { return options_; }

  // What a run counts, read once a second.
  struct Tick {
    ServiceCounters service;
    runtime::EngineSnapshot engine;
    double time_wait_entry = 0;   // bytes, see Result
    std::optional<double> asked;  // connections in a second that an open loop is to open now
    Duration p50{0};
    Duration p99{0};
  };
  // Runs until ^C or `limit` (0: for ever): takes a sample each second, shows it. SIGUSR1 shows the summary.
  // False: interrupted. `look`, if there is one, is given each second's result, and may end the run: false.
  bool run(Signals& signals, Duration limit, const std::string& group, const std::function<Tick()>& read,
           const std::function<bool(Result)>& look = {});

  // A result with everything filled in that does not depend on the subcommand.
  Result result(const std::string& group, Tick last, Duration duration) const;
  // Writes JSON and summary where the options say; an error text if that fails.
  Expected<void, std::string> write(const Result& result);
  Expected<void, std::string> write(const nlohmann::ordered_json& json, const std::string& text);

 private:
  static std::optional<std::uint64_t> impairment_seed_of(const Options& options);
  void show_status(const Sample& sample, const Tick& tick) const;

  const Options& options_;
  Command command_;
  std::string name_;
  std::string started_;
  std::optional<std::uint64_t> impairment_seed_;  // empty: nothing is impaired
  std::vector<Sample> series_;
  struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, CloseFile> result_file_;
  bool result_file_is_new_ = false;  // made by us, and still empty
};

}  // namespace pollux::app
