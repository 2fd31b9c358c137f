#pragma once

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

// A program with a bug in it (base/mutant.h), in a process of its own. The program links select_mutant.cc.
namespace pollux::sim {

struct Ran {
  bool passed = false;
  std::string output;
};

// `program` null or not there: counts as passed, and so kills no mutant. Mutant 0: as it is.
inline Ran run_mutated(const char* program, int mutant, std::vector<std::string> arguments,
                       const std::vector<std::pair<const char*, const char*>>& environment = {}) {
  constexpr rlim_t kMostSeconds = 300;  // of processor time
  std::array<int, 2> ends{};
  if (program == nullptr || pipe(ends.data()) != 0) return {.passed = true, .output = {}};
  const pid_t child = fork();
  if (child == 0) {
    const rlimit cpu{kMostSeconds, kMostSeconds};
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CPU, &cpu);
    setrlimit(RLIMIT_CORE, &no_core);
    setenv("POLLUX_MUTANT", std::to_string(mutant).c_str(), 1);
    for (const auto& [name, value] : environment) setenv(name, value, 1);
    unsetenv("TEST_SEED");
    dup2(ends[1], STDOUT_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    std::string name = program;
    std::vector<char*> argv{name.data()};
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    execv(program, argv.data());
    _exit(0);
  }
  close(ends[1]);
  Ran run;
  std::array<char, 4096> buffer;
  for (ssize_t n = read(ends[0], buffer.data(), buffer.size()); n > 0; n = read(ends[0], buffer.data(), buffer.size()))
    run.output.append(buffer.data(), static_cast<std::size_t>(n));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  run.passed = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  return run;
}

// What makes a gtest program run the tests that match, up to the first that fails.
inline std::vector<std::string> tests_matching(const std::string& filter) {
  return {"--gtest_filter=" + filter, "--gtest_fail_fast"};
}

// The first test that failed, or that the program ended in.
inline std::string failed_in(const std::string& output) {
  const std::size_t failed = output.find("[  FAILED  ] ");
  const std::size_t at = failed == std::string::npos ? output.rfind("[ RUN      ] ") : failed;
  if (at == std::string::npos) return "?";
  const std::size_t begin = at + std::string{"[  FAILED  ] "}.size();
  return output.substr(begin, output.find_first_of(" \n,", begin) - begin);
}

}  // namespace pollux::sim
