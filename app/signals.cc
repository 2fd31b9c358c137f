#include "signals.h"

#include <unistd.h>

#include <ctime>

#include "session.h"

namespace pollux::app {

Signals::Signals() {
  sigemptyset(&set_);
  sigaddset(&set_, SIGINT);
  sigaddset(&set_, SIGTERM);
  sigaddset(&set_, SIGHUP);  // a terminal that goes must not take the result with it
  sigaddset(&set_, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  std::signal(SIGPIPE, SIG_IGN);  // whoever reads our output may leave before us
  thread_ = std::thread{[this] { take_signals(); }};
  // A process that forks while a thread begins may leave its child an allocator that is locked for ever: ASan's is.
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [this] { return begun_; });
}

Signals::~Signals() {
  {
    const std::lock_guard lock{mutex_};
    leaving_ = true;
  }
  thread_.join();
}

void Signals::take_signals() {
  constexpr timespec kLook{0, 50'000'000};
  {
    const std::lock_guard lock{mutex_};
    begun_ = true;
  }
  changed_.notify_all();
  for (;;) {
    const int signal = sigtimedwait(&set_, nullptr, &kLook);
    if (signal > 0) took(signal);
    const std::lock_guard lock{mutex_};
    if (leaving_) return;
  }
}

void Signals::took(int signal) {
  {
    const std::lock_guard lock{mutex_};
    if (signal == SIGUSR1) {
      show_ = true;
    } else {
      ++stops_;
      if (stops_ > 2 || (stops_ == 2 && !hurry_)) _exit(kInterrupted);
      if (stops_ == 2) hurry_();
    }
  }
  changed_.notify_all();
}

Signals::Event Signals::wait(std::chrono::nanoseconds limit) {
  std::unique_lock lock{mutex_};
  changed_.wait_for(lock, limit, [this] { return stops_ > 0 || show_; });
  if (stops_ > 0) return Event::kStop;
  if (!show_) return Event::kNone;
  show_ = false;
  return Event::kShow;
}

void Signals::set_hurry(std::function<void()> hurry) {
  const std::lock_guard lock{mutex_};
  hurry_ = std::move(hurry);
}

int Signals::stops() const {
  const std::lock_guard lock{mutex_};
  return stops_;
}

}  // namespace pollux::app
