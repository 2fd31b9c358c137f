#include "child.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <utility>

namespace pollux::app {
namespace {

using Json = nlohmann::ordered_json;

// {"answer": ...} or {"error": "..."}.
std::string run(const Child::Work& work) {
  try {
    auto answer = work();
    return (answer ? Json{{"answer", std::move(*answer)}} : Json{{"error", answer.error()}}).dump();
  } catch (const std::exception& error) {
    return Json{{"error", error.what()}}.dump();
  }
}

void write_all(int to, const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t n = write(to, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    done += static_cast<std::size_t>(n);
  }
}

// Whoever forked keeps them from all its threads (Signals); work that has none of its own ends by them.
void take_signals_again() {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

Child::Child(const Work& work) {
  int ends[2];
  std::fflush(nullptr);
  if (pipe(ends) != 0) return;
  pid_ = fork();
  if (pid_ == 0) {
    close(ends[0]);
    take_signals_again();
    write_all(ends[1], run(work));
    std::fflush(nullptr);
    _exit(0);
  }
  close(ends[1]);
  answer_ = ends[0];
}

Child::Child(Child&& other) noexcept : pid_{std::exchange(other.pid_, -1)}, answer_{std::exchange(other.answer_, -1)} {}

Child::~Child() {
  if (answer_ >= 0) close(answer_);
  while (pid_ > 0 && waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

bool Child::ended() const {
  pollfd answer{answer_, POLLIN, 0};
  return pid_ < 0 || poll(&answer, 1, 0) > 0;
}

void Child::stop() {
  if (pid_ > 0) kill(pid_, SIGTERM);
}

Expected<Json, std::string> Child::wait() {
  if (pid_ < 0) return unexpected(fmt::format("cannot start another process: {}", std::strerror(errno)));
  std::string text;
  char some[4096];
  for (;;) {
    const ssize_t n = read(answer_, some, sizeof some);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    text.append(some, static_cast<std::size_t>(n));
  }
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) {
    return unexpected(WIFSIGNALED(status) ? fmt::format("a part of the run was ended by signal {}", WTERMSIG(status))
                                          : std::string{"a part of the run ended without a result"});
  }
  if (json.contains("error")) return unexpected(json["error"].get<std::string>());
  return std::move(json["answer"]);
}

}  // namespace pollux::app
