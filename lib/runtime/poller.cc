#include "runtime/poller.h"

#include <emmintrin.h>
#include <sys/prctl.h>

#include <chrono>
#include <new>
#include <utility>

#include "dpdk/thread.h"

namespace pollux::runtime {

namespace {

constexpr int kPauses = 16;

void pause_briefly() {
  for (int i = 0; i < kPauses; ++i) _mm_pause();
}

}  // namespace

Expected<void, std::string> Poller::start() {
  std::promise<std::string> made;
  std::future<std::string> error = made.get_future();
  thread_ = dpdk::registered_thread(
      static_cast<int>(cpu_),
      [this, promise = std::make_shared<std::promise<std::string>>(std::move(made))] { run(std::move(*promise)); });
  const std::string text = error.get();
  if (!text.empty()) return unexpected(text);
  return {};
}

void Poller::stop() {
  stop_.store(true, std::memory_order_relaxed);
  if (thread_.joinable()) thread_.join();
}

void Poller::run(std::promise<std::string> made) {
  // The kernel adds 50 us to each sleep by default: more than the sleep itself.
  prctl(PR_SET_TIMERSLACK, 1'000ul, 0ul, 0ul, 0ul);
  try {
    for (const Make& make : makes_) polled_.push_back(&make());
  } catch (const std::exception& e) {
    made.set_value("cannot make the worker on CPU " + std::to_string(cpu_) + ": " + e.what());
    return;
  }
  started_ = now_ = clock_.now();
  rest_.busy(now_);
  made.set_value({});

  while (!stop_.load(std::memory_order_relaxed)) {
    bool busy = false;
    for (Polled* polled : polled_) busy |= turn(*polled);
    if (busy) {
      rest_.busy(now_);
    } else {
      rest();
    }
  }
  for (Polled* polled : polled_) turn(*polled);
  for (Polled* polled : polled_) polled->leave(now_ + ahead());
}

// The clock is read once: the end of a turn is the beginning of the next.
bool Poller::turn(Polled& polled) {
  const bool busy = polled.turn(now_ + ahead());
  const Instant end = clock_.now();
  LoopCounters& loop = polled.loop();
  ++loop.turns;
  loop.total = end - started_;
  if (busy) {
    ++loop.busy_turns;
    loop.busy += end - now_;
  }
  now_ = end;
  return busy;
}

void Poller::rest() {
  if (idle_ != IdlePolicy::kPause && idle_ != IdlePolicy::kSleep) return;
  if (idle_ == IdlePolicy::kPause || !rest_.tired(now_)) return pause_briefly();
  const Duration ahead_by = ahead();
  std::optional<Instant> due;
  for (const Polled* polled : polled_) {
    const std::optional<Instant> one = polled->next_due(now_ + ahead_by);
    if (one && (!due || *one - ahead_by < *due)) due = *one - ahead_by;
  }
  const Duration sleep = rest_.sleep(now_, due);
  if (sleep == Duration{0}) return;
  std::this_thread::sleep_for(sleep);
  now_ = clock_.now();
}

}  // namespace pollux::runtime
