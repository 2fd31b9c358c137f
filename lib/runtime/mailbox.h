#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/assert.h"

namespace pollux::runtime {

// A callable of any type with the call `f(Args...)`, move-only; small ones stand in
// the object itself.
template <class... Args>
class Command {
 public:
  static constexpr std::size_t kInline = 104;

  // clang-tidy 14 does not read the constraint, and compares types of equal size.
  // NOLINTBEGIN(bugprone-forwarding-reference-overload, misc-redundant-expression)
  template <class F>
  requires(!std::is_same_v<std::decay_t<F>, Command>) explicit Command(F&& f) {
    using Stored = std::decay_t<F>;
    if constexpr (sizeof(Stored) <= kInline && alignof(Stored) <= alignof(std::max_align_t) &&
                  std::is_nothrow_move_constructible_v<Stored>) {
      new (&storage_) Stored(std::forward<F>(f));
      table_ = &kTable<Stored>;
    } else {
      auto boxed = [held = std::make_unique<Stored>(std::forward<F>(f))](Args... args) { (*held)(args...); };
      new (&storage_) decltype(boxed)(std::move(boxed));
      table_ = &kTable<decltype(boxed)>;
    }
  }
  // NOLINTEND(bugprone-forwarding-reference-overload, misc-redundant-expression)
  Command(Command&& other) noexcept : table_{std::exchange(other.table_, nullptr)} {
    if (table_ != nullptr) table_->move(&other.storage_, &storage_);
  }
  Command& operator=(Command&&) = delete;
  ~Command() {
    if (table_ != nullptr) table_->destroy(&storage_);
  }

  void operator()(Args... args) { table_->call(&storage_, args...); }

 private:
  struct Table {
    void (*call)(void*, Args...);
    void (*move)(void* from, void* to);  // and ends `from`
    void (*destroy)(void*);
  };
  template <class F>
  static constexpr Table kTable{
      [](void* f, Args... args) { (*static_cast<F*>(f))(args...); },
      [](void* from, void* to) {
        new (to) F(std::move(*static_cast<F*>(from)));
        static_cast<F*>(from)->~F();
      },
      [](void* f) { static_cast<F*>(f)->~F(); },
  };

  const Table* table_ = nullptr;
  alignas(std::max_align_t) std::byte storage_[kInline];
};

// Commands to one core from any thread, run by that core in the order they came.
//
// An empty mailbox costs its core one load. Senders take a lock among themselves; the
// core only tries it, and looks again at its next turn, so that a sender which the
// kernel suspends at the wrong moment does not hold up packets.
template <class... Args>
class Mailbox {
 public:
  explicit Mailbox(std::size_t capacity = 1024) : capacity_{capacity} {
    waiting_.reserve(capacity);
    running_.reserve(capacity);
  }

  // The owner runs f(Args...) soon. False: full, or closed.
  template <class F>
  bool post(F&& f) {
    const std::lock_guard lock{mutex_};
    if (closed_ || waiting_.size() == capacity_) return false;
    waiting_.emplace_back(std::forward<F>(f));
    any_.store(true, std::memory_order_release);
    return true;
  }

  // Has the owner run f(Args...), waits, and returns what it returned. nullopt (false
  // where f returns nothing): closed. Never from the owner's own thread, which would wait for itself.
  template <class F>
  auto call(F&& f) {
    using Result = std::invoke_result_t<F&, Args...>;
    if constexpr (std::is_void_v<Result>) {
      return call([&f](Args... args) { return f(args...), true; }).has_value();
    } else {
      Answer<Result> answer;
      auto command = [&f, &answer](Args... args) { answer.give(f(args...)); };
      if (!post_waiting(command)) return std::optional<Result>{};
      return answer.wait();
    }
  }

  // Runs what has come; how many. The owner alone calls it.
  std::size_t drain(Args... args) {
    if (!any_.load(std::memory_order_acquire)) [[likely]]
      return 0;
    {
      const std::unique_lock lock{mutex_, std::try_to_lock};
      if (!lock.owns_lock()) return 0;
      running_.swap(waiting_);
      any_.store(false, std::memory_order_relaxed);
    }
    room_.notify_all();
    return run(args...);
  }

  // Runs what has come; then no more come in. Whoever is refused knows that the owner
  // has run its last command and may read what it left.
  void close(Args... args) {
    while (take_or_close()) run(args...);
    room_.notify_all();
  }

 private:
  template <class R>
  class Answer {
   public:
    void give(R result) {
      // Told under the lock: the waiter may not leave, and take this object with it, before notify_one is through.
      const std::lock_guard lock{mutex_};
      result_.emplace(std::move(result));
      there_.notify_one();
    }
    std::optional<R> wait() {
      std::unique_lock lock{mutex_};
      there_.wait(lock, [this] { return result_.has_value(); });
      return std::move(result_);
    }

   private:
    std::mutex mutex_;
    std::condition_variable there_;
    std::optional<R> result_;
  };

  template <class F>
  bool post_waiting(F& f) {
    std::unique_lock lock{mutex_};
    room_.wait(lock, [this] { return closed_ || waiting_.size() < capacity_; });
    if (closed_) return false;
    waiting_.emplace_back(std::ref(f));
    any_.store(true, std::memory_order_release);
    return true;
  }

  bool take_or_close() {
    const std::lock_guard lock{mutex_};
    closed_ = waiting_.empty();
    running_.swap(waiting_);
    any_.store(false, std::memory_order_relaxed);
    return !closed_;
  }

  std::size_t run(Args... args) {
    for (auto& command : running_) command(args...);
    const std::size_t n = running_.size();
    running_.clear();
    return n;
  }

  std::atomic<bool> any_{false};
  std::mutex mutex_;
  std::condition_variable room_;
  bool closed_ = false;
  std::size_t capacity_;
  std::vector<Command<Args...>> waiting_;
  std::vector<Command<Args...>> running_;  // the owner's
};

}  // namespace pollux::runtime
