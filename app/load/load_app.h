#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "device/fixed_queue.h"
#include "load/core_clients.h"
#include "load/flaw.h"
#include "load/latencies.h"
#include "load/load_config.h"
#include "load/load_counts.h"
#include "load/probes.h"
#include "load/slot_list.h"
#include "load/tuples.h"
#include "shard/shard_core.h"
#include "slot_pool.h"

namespace pollux::app {

// The clients of one core: an App for a Shard, which opens connections when the schedule says so, or back to back, and
// exchanges requests and answers over them as the protocol X does (load/exchange.h).
//
//   probe()    opens a connection to each target and resets it, until one is answered
//   fill()     opens the connections to be held
//   begin(at)  the schedule's clock starts; so do the clients of the closed loop
//   stop(now)  no new connections, no new requests; those that are under way run to their end
//
// An arrival that comes late is late: what it is measured from stays where the schedule put it. All memory is taken at
// start; nothing on the way of a connection is virtual.
template <class X>
class LoadApp final : public CoreClients {
 public:
  explicit LoadApp(const LoadConfig& config)
      : config_{config},
        exchange_{config.exchange},
        tuples_{config.exchange.targets, config.sources},
        slots_{config.max_connections},
        schedule_{config.schedule},
        probes_{config.exchange.targets.size()} {}

  template <class S>
  std::optional<Instant> on_turn(S& shard, Instant now) {
    if (warm_at_ && now >= *warm_at_) {
      latencies_ = Latencies{};
      warm_at_.reset();
    }
    end_overdue(shard, now);
    wake(shard, now, thinkers_, config_.think);
    wake(shard, now, readers_, kReadEvery);
    send_probes(shard, now);
    open_held(shard, now);
    open_clients(shard, now);
    open_arrivals(shard, now);
    return next_due(now);
  }
  template <class S>
  void on_drain(S& shard, Instant now) {
    stopping_ = draining_ = true;
    shard.for_each(now, [&](auto conn) {
      if (conn.user() != 0 && slot_of(conn).role == Role::kHeld) conn.close();
    });
  }

  void probe() override { probes_.begin(); }
  void end_probes() override { probes_.end(); }
  void fill() override { to_hold_ = config_.held; }
  bool filled() const override { return to_hold_ == 0 && counts_.opening == 0; }
  void begin(Instant at) override {
    start_ = at;
    if (config_.warmup > Duration{0}) warm_at_ = at + config_.warmup;
    while (idle_clients_.size() < config_.closed) idle_clients_.push(at);
  }
  void stop(Instant now) override {
    if (!stopping_ && start_) counts_.missed = schedule_.due(now - *start_);
    stopping_ = true;
    to_hold_ = 0;
    probes_.end();
  }

  template <class C>
  void on_open(C conn) {
    Slot& slot = slot_of(conn);
    slot.open = true;
    if (slot.role == Role::kProbe) {
      probes_.opened(slot.target);
      return conn.abort();
    }
    --counts_.opening;
    ++counts_.service.opened;
    slot.opened = conn.now();
    latencies_.connect.record(slot.opened - slot.started);
    if (slot.role == Role::kHeld) {
      ++counts_.held;
      timeouts_.remove(number_of(conn));
      return;
    }
    if (!slot.asked) request(conn, slot);
  }

  template <class C>
  std::size_t on_text(C conn, std::span<const std::byte> text) {
    Slot& slot = slot_of(conn);
    if (config_.read_rate != 0) text = text.first(allowed(conn, slot, text.size()));
    counts_.service.bytes_received += text.size();
    if (text.empty()) return 0;
    if (!slot.asked) return unasked(conn, slot, text.size());
    if (slot.first_byte == Instant{}) {
      slot.first_byte = conn.now();
      latencies_.first_byte.record(slot.first_byte - slot.sent);
    }
    took(conn, slot, exchange_.take(slot.exchange, text));
    return text.size();
  }

  template <class C>
  void on_writable(C conn) {
    Slot& slot = slot_of(conn);
    if (slot.asked) send(conn, slot);
  }
  template <class C>
  void on_eof(C conn) {
    Slot& slot = slot_of(conn);
    slot.eof = true;
    if (slot.asked) took(conn, slot, exchange_.finish(slot.exchange));
    slot.done = slot.done || !slot.asked;  // the peer wants no further request: that is its right
    conn.close();
  }
  template <class C>
  void on_urgent(C) {}

  template <class C>
  void on_closed(C conn, tcp::Reason reason) {
    const std::uint32_t number = number_of(conn);
    Slot& slot = slots_[number];
    if (slot.role == Role::kProbe) {
      probes_.closed(slot.target, reason, conn.now());
    } else {
      count_end(slot, reason, conn.now());
    }
    timeouts_.remove(number);
    thinkers_.remove(number);
    readers_.remove(number);
    slots_.give_back(number);
    conn.user() = 0;
  }

  // With gauges as of now.
  LoadCounts counts() const override {
    LoadCounts counts = counts_;
    counts.open = slots_.size() - probes_.under_way();
    counts.targets_unanswered = probes_.unanswered();
    return counts;
  }
  // What was measured since the last call, for an empty one.
  void swap_latencies(Latencies& with) override { std::swap(latencies_, with); }
  const Schedule& schedule() const { return schedule_; }
  const Probes& probes() const override { return probes_; }
  // Why the last active open was refused at once.
  std::optional<ConnectError> refusal() const override { return refusal_; }

 private:
  enum class Role : std::uint8_t { kArrival, kClient, kHeld, kProbe };

  struct Slot {
    SlotLinks timeout;
    SlotLinks pause;
    ConnId id;
    Instant intended{};  // of this request
    Instant started{};   // the call of connect
    Instant opened{};
    Instant sent{};         // when the request was
    Instant first_byte{};   // of its answer; Instant{}: none yet
    Instant answered{};     // its last
    Instant waits_since{};  // for a list's head to be due
    Instant paused_at{};
    std::uint32_t requests_left = 0;
    std::uint32_t allowance = 0;  // bytes that may be read before the next pause
    std::uint16_t target = 0;
    Role role = Role::kArrival;
    Flaw flaw = Flaw::kNone;
    bool open = false;
    bool asked = false;  // a request is out, and its answer has not come whole
    bool done = false;   // nothing more is to be asked
    bool eof = false;
    typename X::State exchange{};
  };
  using Timeouts = SlotList<Slot, &Slot::timeout>;
  using Pauses = SlotList<Slot, &Slot::pause>;

  // So many are opened before what has come in has its turn.
  static constexpr int kOpenAtOnce = 64;
  static constexpr std::uint64_t kFillAtOnce = 512;  // held connections being opened at a time
  static constexpr Duration kRetry = 1ms;            // for a port, or memory
  static constexpr Duration kReadEvery = 10ms;

  template <class C>
  static std::uint32_t number_of(C& conn) {
    return static_cast<std::uint32_t>(conn.user());
  }
  template <class C>
  Slot& slot_of(C& conn) {
    return slots_[number_of(conn)];
  }

  // ---- opening ----

  template <class S>
  void open_arrivals(S& shard, Instant now) {
    if (!start_ || stopping_ || now < retry_at_) return;
    for (int i = 0; i < kOpenAtOnce; ++i) {
      const auto next = schedule_.next();
      if (!next || *start_ + *next > now) return;
      const Instant intended = *start_ + *next;
      if (!open(shard, Role::kArrival, intended, now)) return;
      const Duration slip = now - intended;
      latencies_.slip.record(slip);
      if (counts_.begun > 0) latencies_.gap_error.record(std::chrono::abs(slip - last_slip_));
      last_slip_ = slip;
      ++counts_.begun;
      schedule_.pop();
    }
  }

  // The closed loop: who has thought begins.
  template <class S>
  void open_clients(S& shard, Instant now) {
    if (!start_ || stopping_) return;
    for (int i = 0; i < kOpenAtOnce && now >= retry_at_; ++i) {
      if (idle_clients_.empty() || idle_clients_.front() > now) return;
      const std::uint64_t refused = counts_.service.never_opened;
      if (!open(shard, Role::kClient, idle_clients_.front(), now)) return;
      if (counts_.service.never_opened == refused) {
        idle_clients_.pop();
      } else {
        retry_at_ = now + kRetry;
      }
    }
  }

  template <class S>
  void open_held(S& shard, Instant now) {
    while (to_hold_ > 0 && counts_.opening < kFillAtOnce && now >= retry_at_) {
      if (!open(shard, Role::kHeld, now, now)) return;
      --to_hold_;
    }
  }

  template <class S>
  void send_probes(S& shard, Instant now) {
    probes_.send(now, [&](std::uint16_t target) {
      const auto failure = open_to(shard, target, Role::kProbe, now, now);
      if (failure) refusal_ = failure;
      return !failure;
    });
  }

  // False: no port is free, and it is to wait for one. One that fails at once is attempted too.
  template <class S>
  bool open(S& shard, Role role, Instant intended, Instant now) {
    const auto failure = open_to(shard, tuples_.next_target(), role, intended, now);
    if (failure == ConnectError::kAddressNotAvailable && config_.on_exhaust == OnExhaust::kWait) {
      ++counts_.waits_for_port;
      retry_at_ = now + kRetry;
      return false;
    }
    ++counts_.service.attempted;
    if (failure) {
      count_refusal(*failure);
    } else {
      ++counts_.opening;
    }
    return true;
  }

  // From the source whose turn it is, or from the next that has a port left.
  template <class S>
  std::optional<ConnectError> open_to(S& shard, std::uint16_t target, Role role, Instant intended, Instant now) {
    if (!may_find_port(shard)) return ConnectError::kAddressNotAvailable;
    const std::uint32_t number = slots_.take();
    if (number == 0) return ConnectError::kInsufficientResources;
    std::optional<ConnectError> failure = ConnectError::kNoRoute;
    for (std::uint32_t tries = tuples_.pairs_of(target); tries > 0; --tries) {
      ConnectSpec spec;
      spec.remote = config_.exchange.targets[target].address;
      spec.remote_port = config_.exchange.targets[target].port;
      spec.local = tuples_.next_pair(target).source;
      spec.options = config_.options;
      spec.user = number;
      const auto id = shard.connect(spec, now);
      if (id) {
        opened_as(number, *id, target, role, intended, now);
        if (X::kEarly && spec.options.fast_open && (role == Role::kArrival || role == Role::kClient)) {
          shard.with(*id, now, [&](auto conn) { request(conn, slots_[number]); });
        }
        return std::nullopt;
      }
      failure = id.error();
      if (failure != ConnectError::kAddressNotAvailable) break;
    }
    slots_.give_back(number);
    return failure;
  }
  void opened_as(std::uint32_t number, ConnId id, std::uint16_t target, Role role, Instant intended, Instant now) {
    Slot& slot = slots_[number];
    slot.id = id;
    slot.target = target;
    slot.role = role;
    slot.intended = intended;
    slot.started = now;
    slot.requests_left = config_.requests;
    slot.done = role == Role::kHeld;  // nothing is asked over it
    if (role != Role::kProbe) await(number, now);
  }

  // Without asking each source in turn: whether any has a port left, or may take one out of TIME-WAIT.
  template <class S>
  bool may_find_port(S& shard) const {
    return config_.on_exhaust == OnExhaust::kReuse || port_is_free(shard);
  }
  template <class S>
  bool port_is_free(S& shard) const {
    const EphemeralPorts& ports = shard.core().ports();
    return ports.destinations() < tuples_.pairs() || ports.total().free > 0;
  }

  void count_refusal(ConnectError error) {
    refusal_ = error;
    ServiceCounters& service = counts_.service;
    ++(error == ConnectError::kAddressNotAvailable     ? service.port_exhausted
       : error == ConnectError::kInsufficientResources ? service.no_resources
                                                       : service.unreachable);
    ++service.never_opened;
  }

  // ---- a request and its answer ----

  template <class C>
  void request(C& conn, Slot& slot) {
    const std::uint32_t number = number_of(conn);
    timeouts_.remove(number);
    await(number, conn.now());
    exchange_.begin(slot.exchange, slot.target, slot.requests_left == 1, number + slot.requests_left);
    slot.asked = true;
    slot.sent = conn.now();
    slot.first_byte = Instant{};
    ++counts_.service.requests;
    send(conn, slot);
  }
  template <class C>
  void send(C& conn, Slot& slot) {
    const Sent sent = exchange_.send(conn, slot.exchange);
    counts_.service.bytes_sent += sent.bytes;
    if (!sent.failed) return;
    slot.flaw = Flaw::kNoMemory;
    conn.abort();
  }

  template <class C>
  void took(C& conn, Slot& slot, Answer answer) {
    switch (answer) {
      case Answer::kMore:
        return;
      case Answer::kBadStatus:
        slot.flaw = Flaw::kBadStatus;
        [[fallthrough]];
      case Answer::kComplete:
        return answered(conn, slot);
      case Answer::kMismatch:
        slot.flaw = Flaw::kMismatch;
        return conn.abort();
      case Answer::kGarbled:
        slot.flaw = Flaw::kGarbled;
        return conn.abort();
    }
    unreachable();
  }

  template <class C>
  void answered(C& conn, Slot& slot) {
    slot.asked = false;
    slot.answered = conn.now();
    ++counts_.service.responses;
    latencies_.response.record(slot.answered - slot.intended);
    latencies_.service.record(slot.answered - slot.sent);
    --slot.requests_left;
    const bool more = slot.requests_left > 0 && !slot.eof && !stopping_ && exchange_.may_continue(slot.exchange);
    if (!more) return finish(conn, slot);
    // The next is meant to begin when whoever asks has thought about this one.
    slot.intended = slot.answered + config_.think;
    if (config_.think.count() == 0) return request(conn, slot);
    timeouts_.remove(number_of(conn));
    pause(number_of(conn), thinkers_, conn.now());
  }

  template <class C>
  void finish(C& conn, Slot& slot) {
    slot.done = true;
    if (config_.close == Closer::kReset) return conn.abort();
    const bool server_will = config_.close == Closer::kServer && !exchange_.may_continue(slot.exchange);
    if (server_will || slot.eof) return;
    if (X::kEndless) {
      conn.shutdown();  // not close(): what still comes would be answered with a reset
    } else {
      conn.close();
    }
  }

  // Text that answers nothing.
  template <class C>
  std::size_t unasked(C& conn, Slot& slot, std::size_t size) {
    if (X::kEndless && slot.done) return size;
    slot.flaw = Flaw::kGarbled;
    conn.abort();
    return size;
  }

  void count_end(Slot& slot, tcp::Reason reason, Instant now) {
    if (!slot.open) {
      --counts_.opening;
      ++counts_.service.never_opened;
    }
    if (slot.role == Role::kHeld && slot.open) {
      --counts_.held;
      counts_.held_lost += draining_ ? 0 : 1;
    }
    if (slot.role == Role::kClient) {
      idle_clients_.push(now + config_.think);
      if (!slot.open) retry_at_ = now + kRetry;  // or a target that refuses would be asked without end
    }
    const bool as_planned =
        reason == tcp::Reason::kFinished || (reason == tcp::Reason::kAborted && config_.close == Closer::kReset);
    if (slot.flaw == Flaw::kNone && slot.done && as_planned) {
      ++counts_.service.completed;
      if (slot.role == Role::kHeld) return;
      latencies_.close.record(now - slot.answered);
      latencies_.lifetime.record(now - slot.started);
      return;
    }
    count_failure(counts_.service, slot.flaw, reason);
  }

  // ---- time ----

  void await(std::uint32_t number, Instant now) {
    slots_[number].waits_since = now;
    timeouts_.push_back(number);
  }
  void pause(std::uint32_t number, Pauses& list, Instant now) {
    slots_[number].paused_at = now;
    list.push_back(number);
  }

  template <class S>
  void end_overdue(S& shard, Instant now) {
    while (timeouts_.front() != 0) {
      const std::uint32_t number = timeouts_.front();
      Slot& slot = slots_[number];
      if (now - slot.waits_since < config_.timeout) return;
      timeouts_.remove(number);
      slot.flaw = Flaw::kTimeout;
      shard.with(slot.id, now, [](auto conn) { conn.abort(); });
    }
  }

  // Those who have thought, or may read on.
  template <class S>
  void wake(S& shard, Instant now, Pauses& list, Duration after) {
    while (list.front() != 0) {
      const std::uint32_t number = list.front();
      Slot& slot = slots_[number];
      if (now - slot.paused_at < after) return;
      list.remove(number);
      const ConnId id = slot.id;
      if (&list == &thinkers_) {
        shard.with(id, now,
                   [&](auto conn) { stopping_ ? finish(conn, slots_[number]) : request(conn, slots_[number]); });
      } else {
        slot.allowance = share();
        shard.resume(id, now);
      }
    }
  }

  // Bytes to be read every kReadEvery.
  std::uint32_t share() const {
    const auto bytes = static_cast<double>(config_.read_rate) * std::chrono::duration<double>(kReadEvery).count();
    return static_cast<std::uint32_t>(std::clamp(bytes, 1.0, 1e9));
  }
  // How much of `size` bytes may be read now; when that is not all, the rest after a pause.
  template <class C>
  std::size_t allowed(C& conn, Slot& slot, std::size_t size) {
    const std::size_t n = std::min<std::size_t>(slot.allowance, size);
    slot.allowance -= static_cast<std::uint32_t>(n);
    if (n < size && !readers_.holds(number_of(conn))) pause(number_of(conn), readers_, conn.now());
    return n;
  }

  std::optional<Instant> next_due(Instant now) {
    std::optional<Instant> due;
    const auto at = [&](Instant when) { due = due ? std::min(*due, when) : when; };
    if (timeouts_.front() != 0) at(slots_[timeouts_.front()].waits_since + config_.timeout);
    if (thinkers_.front() != 0) at(slots_[thinkers_.front()].paused_at + config_.think);
    if (readers_.front() != 0) at(slots_[readers_.front()].paused_at + kReadEvery);
    if (const auto probe = probes_.next_due(now)) at(*probe);
    if (stopping_) return due;
    if (start_ && schedule_.next()) at(std::max(*start_ + *schedule_.next(), retry_at_));
    if (!idle_clients_.empty()) at(std::max(idle_clients_.front(), retry_at_));
    if (to_hold_ > 0) at(std::max(now, retry_at_));
    return due;
  }

  LoadConfig config_;
  X exchange_;
  Tuples tuples_;
  SlotPool<Slot> slots_;
  Timeouts timeouts_{slots_};
  Pauses thinkers_{slots_};
  Pauses readers_{slots_};
  Schedule schedule_;
  LoadCounts counts_;
  Latencies latencies_;
  Probes probes_;
  FixedQueue<Instant> idle_clients_{config_.closed};  // when each is ready
  std::uint32_t to_hold_ = 0;
  std::optional<Instant> start_;
  std::optional<Instant> warm_at_;  // what was measured before is forgotten then
  Duration last_slip_{0};
  Instant retry_at_{};
  std::optional<ConnectError> refusal_;
  bool stopping_ = false;
  bool draining_ = false;
};

}  // namespace pollux::app
