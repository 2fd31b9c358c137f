#include "tap_command.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "option_values.h"
#include "session.h"

namespace pollux::app {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSelf = "/proc/self/exe";

// test/tap of the tree in whose build directory (TREE/build/app/pollux) the program is.
fs::path suite_beside(const fs::path& program) {
  return program.parent_path().parent_path().parent_path() / "test/tap";
}

}  // namespace

int stacktest_tap(const Options& options) {
  std::error_code error;
  const fs::path program = fs::read_symlink(kSelf, error);
  if (error) return fail(kRunTimeError, fmt::format("cannot read {}: {}", kSelf, error.message()));
  const fs::path suite = options.tests.empty() ? suite_beside(program) : fs::path{options.tests};
  const std::string runner = (suite / "run.py").string();
  if (!fs::exists(runner, error)) {
    return fail(kUsage,
                fmt::format("there is no `{}`; name the suite with --tests DIR: it is test/tap of Pollux's source tree",
                            runner));
  }
  setenv("POLLUX", program.c_str(), 1);
  if (options.keep) setenv("POLLUX_TAP_KEEP", "1", 1);
  std::vector<std::string> words{"python3", runner};
  words.insert(words.end(), options.files.begin(), options.files.end());
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  execvp(arguments[0], arguments.data());
  return fail(kRunTimeError, fmt::format("cannot run python3: {}; scripts/setup test installs what the suite needs",
                                         std::strerror(errno)));
}

}  // namespace pollux::app
