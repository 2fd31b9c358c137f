#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "shard/conn.h"
#include "shard/shard_core.h"

namespace pollux {

// One core's whole world of connections, with the application inline. ShardCore does
// the work; this adds the calls into the application and out of a device.
//
// A turn:  receive(burst) -> run_timers() -> transmit(device), all with the same `now`.
template <class A>
class Shard {
 public:
  // `start`: the first instant it will ever be given. Takes all memory; throws std::bad_alloc.
  Shard(const ShardConfig& config, A& app, Instant start) : core_{config, start}, app_{app} { static_assert(App<A>); }

  // Takes a burst of received frames. What is kept is moved out of `burst`; the caller
  // recycles the rest.
  void receive(std::span<Packet> burst, Instant now);

  // Timers that are due, at most `budget` of each kind; how many were.
  std::size_t run_timers(Instant now, std::size_t budget = 256);

  // Builds what is owed and hands it to `device`, as far as it has room; then flushes.
  template <class D>
  void transmit(D& device, Instant now);

  // --- The application's calls, from outside a callback ---

  Expected<std::uint16_t, ListenError> listen(const ListenSpec& spec) { return core_.listen(spec); }
  // No new connections; those that are open go on.
  void close_listener(std::uint16_t listener) { core_.close_listener(listener); }

  // Active open. on_open or on_closed follows.
  Expected<ConnId, ConnectError> connect(const ConnectSpec& spec, Instant now) { return core_.connect(spec, now); }

  // Calls use(Conn) if that connection still exists; whether it did.
  template <class Use>
  bool with(ConnId id, Instant now, Use&& use);
  // Offers text that on_text left behind once more.
  bool resume(ConnId id, Instant now);

  // Calls use(Conn) for every connection (TIME-WAIT and half-open ones have none).
  template <class Use>
  void for_each(Instant now, Use&& use);

  // When run_timers has something to do; nullopt: never, as things stand.
  std::optional<Instant> next_due(Instant now) const { return core_.next_due(now); }
  // Whether transmit has something to do.
  bool has_output() const { return core_.has_output(); }

  const ShardCore& core() const { return core_; }
  ShardCore& core() { return core_; }

 private:
  void deliver(std::uint32_t index, std::span<std::byte> fresh, Packet& packet);
  void offer_queued(Conn conn, tcp::Tcb& tcb);
  void tell(std::uint32_t index);

  ShardCore core_;
  A& app_;
};

}  // namespace pollux
