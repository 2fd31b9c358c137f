#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

#include "device/device.h"
#include "runtime/mailbox.h"
#include "runtime/polled.h"
#include "runtime/slow_device.h"
#include "shard/shard.h"

namespace pollux::runtime {

// What an application may have besides the calls of the App concept:
//
//   std::optional<Instant> on_turn(Shard<A>&, Instant now)
//       once per turn, before output: for what no packet causes, such as opening connections at a
//       rate. Returns when it has something to do next (nullopt: nothing), so that the core may sleep.
//   void on_drain(Shard<A>&, Instant now)
//       Engine::stop has begun; listeners are closed. The application opens nothing more and closes its
//       connections when it sees fit. Without it all are closed now, behind what they have queued.
template <class A>
concept TurnedApp = App<A> && requires(A app, Shard<A>& shard, Instant now) {
  { app.on_turn(shard, now) } -> std::same_as<std::optional<Instant>>;
};
template <class A>
concept DrainingApp = App<A> && requires(A app, Shard<A>& shard, Instant now) {
  app.on_drain(shard, now);
};

// One core's shard, application and mailbox: what does not depend on the device.
template <class A>
class Host : public Polled {
 public:
  // `device`: kept alive until the shard, which holds packets of it, is gone.
  Host(std::shared_ptr<void> device, const ShardConfig& config, std::unique_ptr<A> app, Instant start)
      : device_keeper_{std::move(device)}, app_{std::move(app)}, shard_{config, *app_, start}, now_{start} {}

  template <class F>
  std::invoke_result_t<F&, Shard<A>&, A&, Instant> call(F&& f) {
    if constexpr (std::is_void_v<std::invoke_result_t<F&, Shard<A>&, A&, Instant>>) {
      if (!mailbox_.call(f)) run_after_the_end(f);
    } else {
      auto answer = mailbox_.call(f);
      return answer ? std::move(*answer) : run_after_the_end(f);
    }
  }
  template <class F>
  bool post(F&& f) {
    return mailbox_.post(std::forward<F>(f));
  }

  void begin_drain() override {
    call([](Shard<A>& shard, A& app, Instant now) {
      shard.core().close_listeners();
      if constexpr (DrainingApp<A>) {
        app.on_drain(shard, now);
      } else {
        shard.for_each(now, [](Conn conn) { conn.close(); });
      }
    });
  }
  void abort_all() override {
    call([](Shard<A>& shard, A&, Instant now) { shard.for_each(now, [](Conn conn) { conn.abort(); }); });
  }

 protected:
  std::size_t drain_mailbox(Instant now) { return mailbox_.drain(shard_, *app_, now); }
  void close_mailbox(Instant now) { mailbox_.close(shard_, *app_, now); }

  // Its thread has left: the shard is whoever asks's, one at a time.
  template <class F>
  decltype(auto) run_after_the_end(F& f) {
    const std::lock_guard lock{after_the_end_};
    return f(shard_, *app_, now_);
  }

  std::shared_ptr<void> device_keeper_;
  std::unique_ptr<A> app_;
  Shard<A> shard_;
  Instant now_;  // of the last turn
  std::optional<Instant> app_due_;

 private:
  Mailbox<Shard<A>&, A&, Instant> mailbox_;
  std::mutex after_the_end_;
};

// One core's loop over one device. Everything it touches is its own but the mailbox.
template <Device D, App A>
class Worker final : public Host<A> {
 public:
  Worker(D& device, std::shared_ptr<void> keeper, const ShardConfig& config, std::unique_ptr<A> app, Instant start)
      : Host<A>{std::move(keeper), config, std::move(app), start}, device_{device} {}

  bool turn(Instant now) override {
    now_ = now;
    if constexpr (requires { device_.set_now(now); }) device_.set_now(now);
    std::size_t done = receive(now);
    done += obey(now);
    done += shard_.run_timers(now);
    if constexpr (TurnedApp<A>) app_due_ = app_->on_turn(shard_, now);
    done += shard_.has_output() ? 1 : 0;
    shard_.transmit(device_, now);
    return done != 0;
  }

  std::optional<Instant> next_due(Instant now) const override {
    std::optional<Instant> due = earlier(shard_.next_due(now), app_due_);
    if constexpr (requires { device_.next_due(); }) due = earlier(due, device_.next_due());
    return due;
  }

  void leave(Instant now) override { this->close_mailbox(now); }

  CoreSnapshot snapshot() override {
    return this->call([this](Shard<A>& shard, A&, Instant) { return read(shard.core()); });
  }
  Polled::Remaining remaining() override {
    return this->call([this](Shard<A>& shard, A&, Instant) {
      Polled::Remaining left{shard.core().connections(), shard.has_output() ? 1u : 0u};
      if constexpr (requires { device_.pending(); }) left.frames += device_.pending();
      return left;
    });
  }

 private:
  using Host<A>::app_;
  using Host<A>::app_due_;
  using Host<A>::now_;
  using Host<A>::shard_;

  static std::optional<Instant> earlier(std::optional<Instant> a, std::optional<Instant> b) {
    if (!a || !b) return a ? a : b;
    return std::min(*a, *b);
  }

  std::size_t receive(Instant now) {
    const std::size_t n = device_.receive(burst_);
    if (n == 0) return 0;
    const std::span<Packet> received = std::span{burst_}.first(n);
    shard_.receive(received, now);
    device_.recycle(received);
    return n;
  }

  std::size_t obey(Instant now) {
    const std::size_t n = this->drain_mailbox(now);
    this->loop_.commands += n;
    return n;
  }

  CoreSnapshot read(const ShardCore& core) {
    CoreSnapshot s;
    s.role = CoreRole::kWorker;
    s.loop = this->loop_;
    if constexpr (requires { s.queue = device_.counters(); }) s.queue = device_.counters();
    add_steering(device_, s.loop);
    add_impairment(device_, s);
    s.shard = core.counters();
    s.tcp = core.tcp_counters();
    s.gauges = core.gauges();
    s.memory = core.memory();
    s.connections = core.connections();
    s.time_wait = core.time_wait().size();
    s.time_wait_counters = core.time_wait().counters();
    s.ports = core.ports().total();
    return s;
  }

  D& device_;
  std::array<Packet, ShardCore::kMaxBurst> burst_;
};

}  // namespace pollux::runtime
