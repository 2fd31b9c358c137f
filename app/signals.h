#pragma once

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <functional>
#include <mutex>
#include <thread>

namespace pollux::app {

// ^C, SIGTERM and SIGUSR1 as events. To be made before any other thread is: it blocks
// the signals for all of them. One thread of its own takes them.
//
//   the first ^C   wait() returns kStop
//   the second     hurry() is called, from the signals' thread; it must be short and not call back
//   the third      the process leaves with 130
class Signals {
 public:
  enum class Event { kNone, kStop, kShow };

  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  // The next event, or kNone when `limit` has passed. Once stopped, always kStop.
  Event wait(std::chrono::nanoseconds limit);
  // What the second ^C does; nothing: leaves with 130. When it returns, what was set before is not called any more.
  void set_hurry(std::function<void()> hurry);
  int stops() const;

 private:
  void take_signals();
  void took(int signal);

  sigset_t set_{};
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool begun_ = false;
  int stops_ = 0;
  bool show_ = false;
  bool leaving_ = false;
  std::function<void()> hurry_;
  std::thread thread_;
};

}  // namespace pollux::app
