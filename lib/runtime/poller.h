#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/expected.h"
#include "dpdk/clock.h"
#include "runtime/options.h"
#include "runtime/polled.h"

namespace pollux::runtime {

// When a core that found nothing to do sleeps, and how long.
class Rest {
 public:
  static constexpr Duration kPatience = 20us;  // empty turns for that long come first
  static constexpr Duration kShortest = 20us;
  static constexpr Duration kLongest = 500us;

  void busy(Instant now) { since_ = now; }
  // Whether it has been idle for long enough to sleep.
  bool tired(Instant now) const { return now - since_ >= kPatience; }
  // How long to sleep then: an eighth of the time that it has been idle, but at least kShortest, at most kLongest,
  // never past `due`. So what comes in the midst of a sleep waits for an eighth of what it has kept us waiting, and a
  // flow's round trips grow by no more.
  Duration sleep(Instant now, std::optional<Instant> due) const {
    const Duration sleep = std::clamp((now - since_) / 8, kShortest, kLongest);
    return std::max(due ? std::min(sleep, *due - now) : sleep, Duration{0});
  }

 private:
  Instant since_{};
};

// One thread on one CPU that turns what is seated there, one after the other: a
// worker, or several where there are more workers than CPUs.
class Poller {
 public:
  using Make = std::function<Polled&()>;

  // kAuto counts as kSpin.
  Poller(unsigned cpu, IdlePolicy idle, const dpdk::TscClock& clock) : cpu_{cpu}, idle_{idle}, clock_{clock} {}
  ~Poller() { stop(); }
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  void add(Make make) { makes_.push_back(std::move(make)); }
  unsigned cpu() const { return cpu_; }

  // Starts the thread, has it make its workers there (memory near its CPU), and returns when it polls.
  Expected<void, std::string> start();
  // Each takes a last turn; returns when the thread has ended.
  void stop();

  // From its next turn on the clock that the workers see is ahead of the real one by `by` more. From any thread.
  void advance_clock(Duration by) { ahead_ns_.fetch_add(by.count(), std::memory_order_relaxed); }

  // After start(), in the order of add().
  const std::vector<Polled*>& polled() const { return polled_; }

 private:
  void run(std::promise<std::string> made);
  bool turn(Polled& polled);
  void rest();
  Duration ahead() const { return Duration{ahead_ns_.load(std::memory_order_relaxed)}; }

  unsigned cpu_;
  IdlePolicy idle_;
  dpdk::TscClock clock_;
  std::vector<Make> makes_;
  std::vector<Polled*> polled_;
  Instant started_;
  Instant now_;  // as the real clock has it
  Rest rest_;
  std::atomic<std::int64_t> ahead_ns_{0};
  std::atomic<bool> stop_{false};
  std::jthread thread_;
};

}  // namespace pollux::runtime
