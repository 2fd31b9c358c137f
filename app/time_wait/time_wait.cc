#include "time_wait/time_wait.h"

#include <nlohmann/json.hpp>

#include "session.h"
#include "time_wait/churn.h"
#include "time_wait/compare.h"
#include "time_wait/fill.h"
#include "time_wait/model.h"

namespace pollux::app {
namespace {

constexpr double kModelRate = 10'000;

int time_wait_model(const Options& options) {
  Session session{options, Command::kTimeWaitModel, "timewait model"};
  if (auto ok = session.open_result(); !ok) return fail(kUsage, ok.error());
  Scenario base = scenario_of(options);
  if (base.rate == 0) base.rate = kModelRate;
  const EntryBytes bytes = entry_bytes();
  auto json = model_json(base, options.time_wait.alternatives, bytes);
  json["config"] = show_options(options, Command::kTimeWaitModel);
  const std::string text = "pollux timewait model\n" + model_text(base, options.time_wait.alternatives, bytes);
  if (auto ok = session.write(json, text); !ok) return fail(kRunTimeError, ok.error());
  return kOk;
}

}  // namespace

Scenario scenario_of(const Options& options) {
  Scenario s;
  s.addresses = options.time_wait.addresses;
  s.ports = std::uint64_t{options.shard.last_port} - options.shard.first_port + 1;
  s.destinations = options.time_wait.destinations;
  s.two_msl = 2 * options.shard.tcp.msl;
  s.rate = options.time_wait.rate;
  return s;
}

int time_wait(Command command, const Options& options, Signals& signals) {
  if (command == Command::kTimeWaitModel) return time_wait_model(options);
  if (command == Command::kTimeWaitFill) return time_wait_fill(options, signals);
  if (command == Command::kTimeWaitChurn) return time_wait_churn(options, signals);
  return time_wait_compare(options, signals);
}

}  // namespace pollux::app
