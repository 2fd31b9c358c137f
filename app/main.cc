// pollux: one program with subcommands.

#include <fmt/format.h>

#include <exception>
#include <new>
#include <string>
#include <vector>

#include "command_line.h"
#include "demo.h"
#include "serve.h"
#include "session.h"
#include "signals.h"

namespace {

using namespace pollux::app;

int run(const std::vector<std::string>& words) {
  const auto line = parse_command_line(words);
  if (!line) return fail(kUsage, line.error());
  if (line->print_only) {
    fmt::print("{}", line->text);
    return kOk;
  }
  Signals signals;
  return line->command == Command::kDemo ? demo(line->options, signals) : serve(line->command, line->options, signals);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const std::bad_alloc&) {
    return fail(kRunTimeError,
                "out of memory; fewer --max-connections or smaller --set tcp.max_time_wait need less (free -m)");
  } catch (const std::exception& error) {
    return fail(kRunTimeError, error.what());
  }
}
