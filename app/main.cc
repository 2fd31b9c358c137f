// pollux: one program with subcommands.

#include <exception>
#include <new>
#include <string>
#include <vector>

#include "base/assert.h"
#include "command_line.h"
#include "demo.h"
#include "load/load.h"
#include "report_command.h"
#include "say.h"
#include "serve.h"
#include "session.h"
#include "signals.h"
#include "stacktest/replay_command.h"
#include "stacktest/script_command.h"
#include "stacktest/sim_command.h"
#include "stacktest/tap_command.h"
#include "time_wait/time_wait.h"

namespace pollux::app {
namespace {

int run(const std::vector<std::string>& words) {
  const auto line = parse_command_line(words);
  if (!line) return fail(kUsage, line.error());
  if (line->print_only) {
    say(stdout, "{}", line->text);
    return kOk;
  }
  if (line->command == Command::kReport) return report(line->options);
  if (line->command == Command::kCompare) return compare(line->options);
  if (line->command == Command::kScript) return stacktest_script(line->options);
  if (line->command == Command::kReplay) return stacktest_replay(line->options);
  if (line->command == Command::kSim) return stacktest_sim(line->options);
  if (line->command == Command::kTap) return stacktest_tap(line->options);
  Signals signals;
  switch (line->command) {
    case Command::kDemo:
      return demo(line->options, signals);
    case Command::kLoad:
      return load(line->options, signals);
    case Command::kHttp:
    case Command::kEcho:
    case Command::kDiscard:
    case Command::kChargen:
      return serve(line->command, line->options, signals);
    case Command::kTimeWaitModel:
    case Command::kTimeWaitFill:
    case Command::kTimeWaitChurn:
    case Command::kTimeWaitCompare:
      return time_wait(line->command, line->options, signals);
    case Command::kReport:
    case Command::kCompare:
    case Command::kScript:
    case Command::kSim:
    case Command::kReplay:
    case Command::kTap:
      break;  // they measure nothing, and ^C may end them
  }
  unreachable();
}

}  // namespace
}  // namespace pollux::app

int main(int argc, char** argv) {
  using pollux::app::fail;
  using pollux::app::kRunTimeError;
  try {
    return pollux::app::run({argv + 1, argv + argc});
  } catch (const std::bad_alloc&) {
    return fail(kRunTimeError,
                "out of memory; fewer --max-connections or smaller --set tcp.max_time_wait need less (free -m)");
  } catch (const std::exception& error) {
    return fail(kRunTimeError, error.what());
  }
}
