#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/assert.h"
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
  void close_listeners() { core_.close_listeners(); }

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
  void offer_fresh(Conn conn, tcp::Tcb& tcb, std::span<std::byte> fresh, Packet& packet);
  void offer_queued(Conn conn, tcp::Tcb& tcb);
  void tell(Conn conn, tcp::Tcb& tcb);
  template <class D>
  bool transmit_replies(D& device, TxFrame& frame, const DeviceOffers& offers);
  template <class D>
  bool transmit_connection(std::uint32_t index, D& device, TxFrame& frame, const DeviceOffers& offers);

  // Segments that one connection may send before others have their turn.
  static constexpr int kSegmentsPerVisit = 64;

  ShardCore core_;
  A& app_;
};

// --- Input ---

template <class A>
void Shard<A>::receive(std::span<Packet> burst, Instant now) {
  core_.prepare(burst, now);
  for (std::size_t i = 0; i < burst.size(); ++i) {
    const ShardCore::Touched touched = core_.arrive(i, burst[i]);
    if (touched.index != ShardCore::kNone) deliver(touched.index, touched.fresh, burst[i]);
  }
}

template <class A>
void Shard<A>::deliver(std::uint32_t index, std::span<std::byte> fresh, Packet& packet) {
  tcp::Tcb& tcb = core_.tcb(index);
  Conn conn{tcb, core_.env(), index, static_cast<std::uint32_t>(fresh.size())};
  const tcp::Events before = tcb.poll_beginnings();
  if (before.opened) app_.on_open(conn);
  if (before.urgent) app_.on_urgent(conn);
  if (!fresh.empty()) offer_fresh(Conn{tcb, core_.env(), index}, tcb, fresh, packet);
  conn = Conn{tcb, core_.env(), index};
  if (!tcb.app_paused) offer_queued(conn, tcb);
  tell(conn, tcb);
  core_.settle(index);
}

template <class A>
void Shard<A>::offer_fresh(Conn conn, tcp::Tcb& tcb, std::span<std::byte> fresh, Packet& packet) {
  const std::size_t taken = tcb.state() == tcp::State::kClosed ? fresh.size() : app_.on_text(conn, fresh);
  ASSERT(taken <= fresh.size());
  if (taken == fresh.size()) return;
  tcb.app_paused = true;
  tcb.keep(fresh.subspan(taken), std::move(packet), core_.env());
}

template <class A>
void Shard<A>::offer_queued(Conn conn, tcp::Tcb& tcb) {
  tcb.app_paused = false;
  for (std::span<const std::byte> text = conn.readable(); !text.empty(); text = conn.readable()) {
    const std::size_t taken = app_.on_text(conn.offering(text.size()), text);
    ASSERT(taken <= text.size());
    conn.consume(static_cast<std::uint32_t>(taken));
    if (tcb.closed_by_user() && !conn.readable().empty()) return conn.abort();  // SHLD-3
    if (taken < text.size()) {
      tcb.app_paused = true;
      return;
    }
  }
}

// What the application is to know beside text; its answers may bring more.
template <class A>
void Shard<A>::tell(Conn conn, tcp::Tcb& tcb) {
  for (tcp::Events events = tcb.poll_events(); events.any(); events = tcb.poll_events()) {
    if (events.opened) app_.on_open(conn);
    if (events.urgent) app_.on_urgent(conn);
    if (events.writable) app_.on_writable(conn);
    if (events.soft_error) {
      core_.doubt_next_hop(tcb);
      if constexpr (requires { app_.on_soft_error(conn, tcb.soft_error()); })
        app_.on_soft_error(conn, tcb.soft_error());
    }
    if (events.eof) app_.on_eof(conn);
    if (events.closed) app_.on_closed(conn, tcb.reason());
  }
}

template <class A>
std::size_t Shard<A>::run_timers(Instant now, std::size_t budget) {
  return core_.run_timers(now, budget, [&](std::uint32_t index) {
    tcp::Tcb& tcb = core_.tcb(index);
    tell(Conn{tcb, core_.env(), index}, tcb);
    core_.settle(index);
  });
}

// --- The application's calls ---

template <class A>
template <class Use>
bool Shard<A>::with(ConnId id, Instant now, Use&& use) {
  const std::uint32_t index = core_.find(id);
  if (index == ShardCore::kNone) return false;
  tcp::Tcb& tcb = core_.tcb(index);
  const Conn conn{tcb, core_.env(now), index};
  use(conn);
  tell(conn, tcb);
  core_.settle(index);
  return true;
}

template <class A>
bool Shard<A>::resume(ConnId id, Instant now) {
  return with(id, now, [&](Conn conn) { offer_queued(conn, core_.tcb(id.index)); });
}

template <class A>
template <class Use>
void Shard<A>::for_each(Instant now, Use&& use) {
  std::vector<std::uint32_t> all;
  core_.for_each([&](std::uint32_t index) { all.push_back(index); });
  for (const std::uint32_t index : all) {
    tcp::Tcb& tcb = core_.tcb(index);
    const Conn conn{tcb, core_.env(now), index};
    use(conn);
    tell(conn, tcb);
    core_.settle(index);
  }
}

// --- Output ---

template <class A>
template <class D>
void Shard<A>::transmit(D& device, Instant now) {
  static_cast<void>(core_.env(now));
  if (core_.has_output()) {
    const auto& features = device.features();
    const DeviceOffers offers{features.tx_ip_checksum, features.tx_tcp_checksum, features.tso, features.tso_ipv6};
    TxFrame frame;  // kept from one segment to the next when nothing was built into it
    bool room = transmit_replies(device, frame, offers);
    while (room) {
      const std::uint32_t index = core_.next_ready();
      if (index == ShardCore::kNone) break;
      room = transmit_connection(index, device, frame, offers);
    }
    if (frame) device.discard(frame);
  }
  device.flush();
}

// False: the device is full, or has no memory.
template <class A>
template <class D>
bool Shard<A>::transmit_replies(D& device, TxFrame& frame, const DeviceOffers& offers) {
  while (device.tx_room() > 0) {
    if (!frame) frame = device.allocate(core_.plain_frame_size());
    if (!frame) return core_.note_no_frame();
    TxOffload offload;
    const std::size_t size = core_.build_reply(frame, offers, offload);
    if (size == 0) return true;
    device.send(std::exchange(frame, {}), static_cast<std::uint32_t>(size), offload);
  }
  return false;
}

template <class A>
template <class D>
bool Shard<A>::transmit_connection(std::uint32_t index, D& device, TxFrame& frame, const DeviceOffers& offers) {
  for (int segments = 0; segments < kSegmentsPerVisit; ++segments) {
    const std::uint32_t wanted = core_.frame_size(index, offers, device.features().max_frame);
    if (frame && frame.capacity < wanted) device.discard(std::exchange(frame, {}));
    if (!frame && device.tx_room() > 0) {
      frame = device.allocate(wanted);
      // Large frames may all be on their way; then one segment at a time, or nobody behind this one would send.
      if (!frame && wanted > core_.plain_frame_size()) frame = device.allocate(core_.plain_frame_size());
    }
    if (!frame) {
      core_.put_back(index);
      core_.settle(index);  // what it sent already may need a timer before the device takes more
      return device.tx_room() > 0 ? core_.note_no_frame() : false;
    }
    TxOffload offload;
    const std::size_t size = core_.build_segment(index, frame, offers, offload);
    if (size == 0) break;
    device.send(std::exchange(frame, {}), static_cast<std::uint32_t>(size), offload);
    if (!core_.tcb(index).wants_to_transmit()) break;
  }
  tcp::Tcb& tcb = core_.tcb(index);
  tell(Conn{tcb, core_.env(), index}, tcb);
  core_.settle(index);
  return true;
}

}  // namespace pollux
