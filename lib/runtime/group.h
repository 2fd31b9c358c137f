#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "runtime/options.h"
#include "runtime/seat.h"
#include "runtime/worker.h"

namespace pollux::runtime {

// What an engine knows of a group without knowing its application.
class GroupBase {
 public:
  explicit GroupBase(GroupOptions options) : options_{std::move(options)} {}
  virtual ~GroupBase() = default;

  const GroupOptions& options() const { return options_; }
  unsigned workers() const { return options_.workers; }

  // Makes a worker, on the thread and core that will poll it. Throws std::bad_alloc.
  virtual Polled& build(const Seat& seat) = 0;
  // Ends all workers. No thread polls them any more.
  virtual void clear() = 0;

 private:
  GroupOptions options_;
};

// One port and its workers, each with a shard and an application of type A. Made by
// Engine::add_group, alive as long as the engine; calls are for the time after Engine::start.
template <App A>
class Group final : public GroupBase {
 public:
  using MakeApp = std::function<std::unique_ptr<A>(unsigned worker)>;

  Group(GroupOptions options, MakeApp make_app) : GroupBase{std::move(options)}, make_app_{std::move(make_app)} {
    hosts_.resize(workers());
  }

  // Has a worker's core run f(Shard<A>&, A&, Instant now) between two turns, waits, and returns what it
  // returned. For control threads: never from a callback. After Engine::stop it runs on the caller's thread.
  template <class F>
  decltype(auto) call(unsigned worker, F&& f) {
    return host(worker).call(std::forward<F>(f));
  }
  // The same without waiting; false if the mailbox is full or the engine has stopped. From any thread, callbacks too.
  template <class F>
  bool post(unsigned worker, F&& f) {
    return host(worker).post(std::forward<F>(f));
  }
  // call() for each worker in turn.
  template <class F>
  void call_all(F&& f) {
    for (unsigned i = 0; i < workers(); ++i) call(i, f);
  }

  Polled& build(const Seat& seat) override {
    auto& host = hosts_[seat.worker];
    host = build_host<A>(seat, make_app_(seat.worker));
    return *host;
  }
  void clear() override { hosts_.clear(); }

 private:
  Host<A>& host(unsigned worker) {
    CHECK(worker < hosts_.size() && hosts_[worker] != nullptr);
    return *hosts_[worker];
  }

  MakeApp make_app_;
  std::vector<std::unique_ptr<Host<A>>> hosts_;
};

}  // namespace pollux::runtime
