// Configuration files, for each subcommand: whatever one holds, it is understood or refused with a reason that names
// the file, and what is understood can be shown.

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "options.h"
#include "tape.h"

namespace {

using namespace pollux;
using app::Command;

constexpr Command kCommands[] = {Command::kDemo,         Command::kHttp,          Command::kEcho,
                                 Command::kDiscard,      Command::kChargen,       Command::kScript,
                                 Command::kLoad,         Command::kSim,           Command::kReplay,
                                 Command::kTap,          Command::kReport,        Command::kTimeWaitModel,
                                 Command::kTimeWaitFill, Command::kTimeWaitChurn, Command::kTimeWaitCompare,
                                 Command::kCompare};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Tape tape{data, size};
  const Command command = kCommands[tape.below(std::size(kCommands))];
  const fuzz::Exact copy{tape.take(tape.size())};
  const std::string_view text{reinterpret_cast<const char*>(copy.all().data()), copy.all().size()};
  const auto file = app::read_toml(text, "fuzz.toml", command);
  if (!file) {
    CHECK(file.error().starts_with("fuzz.toml:"));
    return 0;
  }
  for (const app::Setting& setting : *file) {
    CHECK(setting.option != nullptr && setting.option->is_for(command));
    CHECK(setting.origin.starts_with("fuzz.toml:"));
  }
  const auto options = app::resolve(*file, {});
  if (!options) {
    CHECK(!options.error().empty());
    return 0;
  }
  CHECK(!app::show_options(*options, command).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).empty());
  return 0;
}
