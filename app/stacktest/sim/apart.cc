#include "apart.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <sstream>

namespace pollux::sim {
namespace {

constexpr rlim_t kSeconds = 120;  // of processor time; a world that takes longer loops
constexpr std::string_view kMark = "\noutcome ";

// Everything in an Outcome as text: the failures one to a line.
std::string written(const Outcome& o) {
  std::string text = fmt::format("{}{} {} {} {} {} {} {}\n", kMark, o.log_hash, o.events, o.segments, o.virtual_seconds,
                                 o.flows, o.most_bytes, o.troubles.empty() ? "-" : o.troubles.to_string(','));
  for (const std::string& failure : o.failures) text += failure + "\n";
  return text;
}

Outcome read_back(const std::string& text) {
  Outcome o;
  std::istringstream in{text};
  std::string troubles;
  in >> o.log_hash >> o.events >> o.segments >> o.virtual_seconds >> o.flows >> o.most_bytes >> troubles;
  std::istringstream names{troubles};
  for (std::string name; std::getline(names, name, ',');) {
    if (const auto trouble = trouble_named(name)) o.troubles.add(*trouble);
  }
  std::getline(in, troubles);
  for (std::string line; std::getline(in, line);) o.failures.push_back(line);
  return o;
}

[[noreturn]] void run_in_child(const World& world, int to) {
  dup2(to, STDOUT_FILENO);
  dup2(to, STDERR_FILENO);
  const rlimit cpu{kSeconds, kSeconds};
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CPU, &cpu);
  setrlimit(RLIMIT_CORE, &no_core);
  const std::string text = written(run_world(world));
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t n = write(to, text.data() + at, text.size() - at);
    if (n <= 0) _exit(1);
    at += static_cast<std::size_t>(n);
  }
  _exit(0);
}

// How a process ended that told no outcome, and what it said before.
std::string last_words(int status, std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  const std::string said = text.empty() ? "" : ": " + text.substr(text.rfind('\n') + 1);
  if (!WIFSIGNALED(status)) return fmt::format("it ended with {}{}", WEXITSTATUS(status), said);
  if (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGXCPU) {
    return fmt::format("it did not end within {} s of processor time", kSeconds);
  }
  return fmt::format("it was ended by SIG{}{}", sigabbrev_np(WTERMSIG(status)), said);
}

}  // namespace

WorldApart::WorldApart(const World& world) {
  std::array<int, 2> ends{};
  std::fflush(nullptr);
  if (pipe2(ends.data(), O_CLOEXEC) != 0) std::abort();
  process_ = fork();
  if (process_ < 0) std::abort();
  if (process_ == 0) run_in_child(world, ends[1]);
  close(ends[1]);
  from_ = ends[0];
}

WorldApart::~WorldApart() {
  close(from_);
  if (process_ < 0) return;
  kill(process_, SIGKILL);
  waitpid(process_, nullptr, 0);
}

bool WorldApart::listen() {
  std::array<char, 4096> buffer;
  const ssize_t n = read(from_, buffer.data(), buffer.size());
  if (n > 0) text_.append(buffer.data(), static_cast<std::size_t>(n));
  return n > 0;
}

Outcome WorldApart::outcome() {
  int status = 0;
  waitpid(process_, &status, 0);
  process_ = -1;
  const std::size_t mark = text_.rfind(kMark);
  if (mark != std::string::npos && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    return read_back(text_.substr(mark + kMark.size()));
  }
  Outcome lost;
  lost.failures = {last_words(status, text_)};
  return lost;
}

Outcome run_apart(const World& world) {
  WorldApart apart{world};
  while (apart.listen()) {
  }
  return apart.outcome();
}

}  // namespace pollux::sim
