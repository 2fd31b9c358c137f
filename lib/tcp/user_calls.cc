// RFC 9293, 3.10: SEND, RECEIVE, CLOSE and ABORT, and the memory that they begin and end.

#include <algorithm>

#include "base/assert.h"
#include "base/mutant.h"
#include "tcp/tcb.h"

namespace pollux::tcp {
namespace {

// Whether SEND is allowed in this state (3.10.2), and if not, what it says.
Expected<void, UserError> sendable(State state, Reason reason, bool close_wanted) {
  switch (state) {
    case State::kClosed:
      if (reason == Reason::kReset) return unexpected(UserError::kConnectionReset);
      return unexpected(UserError::kConnectionDoesNotExist);
    case State::kListen:
      return unexpected(UserError::kConnectionDoesNotExist);
    case State::kSynSent:
    case State::kSynReceived:
    case State::kEstablished:
    case State::kCloseWait:
      if (close_wanted) return unexpected(UserError::kConnectionClosing);
      return {};
    case State::kFinWait1:
    case State::kFinWait2:
    case State::kClosing:
    case State::kLastAck:
    case State::kTimeWait:
      return unexpected(UserError::kConnectionClosing);
  }
  unreachable();
}

}  // namespace

// --- SEND ---

Expected<std::uint32_t, UserError> Tcb::send(std::span<const std::byte> text, Env& env) {
  if (auto ok = sendable(state_, reason_, flag(kCloseWanted)); !ok) return unexpected(ok.error());
  if (text.empty()) return 0u;
  Transmission& tx = begin_transmission(env);
  const std::uint32_t wanted = static_cast<std::uint32_t>(std::min<std::size_t>(text.size(), send_room(env)));
  const std::uint32_t taken = tx.buffer.append_copy(env.stores.slices, text.first(wanted));
  if (taken == 0 && tx.buffer.empty()) {  // no block is free, and no acknowledgment will come to say when one is
    tx.app_waits = false;                 // or `writable` would say at once that there is room
    end_transmission_if_idle(env);
    return unexpected(UserError::kInsufficientResources);
  }
  if (taken < text.size()) tx.app_waits = true;
  tx.pushed = text_end(env);
  may_transmit_ = true;
  ASSERT(invariants_hold(env));
  return taken;
}

Expected<std::uint32_t, UserError> Tcb::send_reference(std::span<const std::byte> text, Env& env) {
  if (auto ok = sendable(state_, reason_, flag(kCloseWanted)); !ok) return unexpected(ok.error());
  if (text.empty()) return 0u;
  // It would wait for room that there never is.
  if (text.size() > env.config.send_buffer) return unexpected(UserError::kInsufficientResources);
  Transmission& tx = begin_transmission(env);
  if (text.size() > send_room(env)) {
    tx.app_waits = true;
    end_transmission_if_idle(env);
    return 0u;
  }
  if (!tx.buffer.append_reference(env.stores.slices, text)) {
    end_transmission_if_idle(env);
    return unexpected(UserError::kInsufficientResources);
  }
  tx.pushed = text_end(env);
  may_transmit_ = true;
  ASSERT(invariants_hold(env));
  return static_cast<std::uint32_t>(text.size());
}

Expected<std::uint32_t, UserError> Tcb::send_urgent(std::span<const std::byte> text, Env& env) {
  const auto taken = send(text, env);
  if (!taken || *taken == 0) return taken;
  Transmission& tx = *transmission(env);
  tx.up = text_end(env);  // MUST-62: after the last urgent byte
  tx.urgent = true;
  return taken;
}

std::uint32_t Tcb::send_room(const Env& env) const {
  const Transmission* tx = transmission(env);
  const std::uint32_t queued = tx == nullptr ? 0 : tx->buffer.size();
  return env.config.send_buffer - std::min(queued, env.config.send_buffer);
}

// --- RECEIVE ---

void Tcb::keep(std::span<std::byte> text, Packet&& packet, Env& env) {
  if (text.empty() || state_ == State::kClosed) return;
  if (flag(kUserClosed)) return abort(env);  // SHLD-3: text that nobody will read
  ReceiveQueue* q = begin_queue(env);
  CHECK(q != nullptr);  // take_in_order made sure of a place
  const bool kept =
      q->append(env.stores.held, rcv_.nxt - static_cast<std::uint32_t>(text.size()), text, std::move(packet));
  CHECK(kept);
  if (events_.eof) {
    events_.eof = false;
    set(kEofPending);
  }
  ASSERT(invariants_hold(env));
}

std::span<const std::byte> Tcb::readable(const Env& env) const {
  const ReceiveQueue* q = queue(env);
  return q == nullptr ? std::span<const std::byte>{} : q->front(env.stores.held);
}

void Tcb::consume(std::uint32_t n, Env& env) {
  ReceiveQueue* q = queue(env);
  if (q == nullptr || n == 0) return;
  q->consume(env.stores.held, n);
  if (q->readable() == 0 && flag(kEofPending)) {
    set(kEofPending, false);
    events_.eof = true;
  }
  end_queue_if_empty(env);
  // MUST-39: the peer is told of new room when that is worth a segment, and while what
  // it knows of is not plenty anyway.
  const std::uint32_t largest =
      std::min(receive_limit(env.config), 65535u << rcv_wind_shift_);  // what the field can say
  const std::uint32_t room = std::min(receive_room(env), largest);
  const std::uint32_t known = rcv_wnd();
  const std::uint32_t worth = std::min(largest / 2, worth_offering(env.config));
  if (!peer_has_closed(state_) && state_ != State::kClosed && room >= known + worth &&
      MUTANT(69, known <= largest / 2, false)) {
    owe_ack();
  }
  ASSERT(invariants_hold(env));
}

std::uint32_t Tcb::unread(const Env& env) const {
  const ReceiveQueue* q = queue(env);
  return q == nullptr ? 0 : q->readable();
}

std::uint32_t Tcb::urgent_ahead(std::uint32_t unoffered, const Env& env) const {
  if (!flag(kUrgentPending)) return 0;
  const SeqNum read_to = rcv_.nxt - unread(env) - unoffered - (peer_has_closed(state_) ? 1u : 0u);
  return read_to < rcv_.up ? distance(read_to, rcv_.up) : 0;
}

// --- CLOSE and ABORT ---

Expected<void, UserError> Tcb::shutdown(Env& env) {
  switch (state_) {
    case State::kClosed:
    case State::kListen:
      return unexpected(UserError::kConnectionDoesNotExist);
    case State::kSynSent:
      end(Reason::kAborted, env);
      return {};
    case State::kSynReceived:
      set(kCloseWanted);  // queued until ESTABLISHED
      return {};
    case State::kEstablished:
      begin_transmission(env);
      enter(State::kFinWait1, env);
      break;
    case State::kCloseWait:
      begin_transmission(env);
      enter(State::kLastAck, env);
      break;
    case State::kFinWait1:
    case State::kFinWait2:
    case State::kClosing:
    case State::kLastAck:
    case State::kTimeWait:
      return unexpected(UserError::kConnectionClosing);
  }
  may_transmit_ = true;
  ASSERT(invariants_hold(env));
  return {};
}

void Tcb::close(std::uint32_t offered, Env& env) {
  if (state_ == State::kClosed) return drop_unread(env);
  if (MUTANT(60, unread(env) > offered, false)) return abort(env);  // SHLD-3
  set(kUserClosed);
  if (state_ == State::kFinWait2) {
    deadlines_.set(Timer::kTimeWait, env.now + env.config.fin_wait_2);
  } else {
    static_cast<void>(shutdown(env));
  }
}

void Tcb::abort(Env& env) {
  if (state_ == State::kClosed) return drop_unread(env);
  const bool tell = state_ == State::kSynReceived || state_ == State::kEstablished || state_ == State::kFinWait1 ||
                    state_ == State::kFinWait2 || state_ == State::kCloseWait;
  end(Reason::kAborted, env);
  marks_.rst = tell;
  may_transmit_ = tell;
}

// Both ends are done, and only text that nobody has read kept the connection.
void Tcb::drop_unread(Env& env) {
  set(kEofPending, false);
  drop_queue(env);
}

void Tcb::set_nodelay(bool on) {
  set(kNoDelay, on);
  may_transmit_ = true;  // MUST-17: what Nagle held goes now
}

void Tcb::set_keep_alive(const KeepAlive& keep_alive, Env& env) {
  set(kKeepAliveOn, keep_alive.on);
  keep_alive_idle_s_ = keep_alive.idle_s;
  keep_alive_interval_s_ = keep_alive.interval_s;
  keep_alive_count_ = keep_alive.count;
  deadlines_.clear(Timer::kKeepAlive);
  arm_keep_alive(env);
}

void Tcb::set_user_timeout(Duration timeout) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count();
  user_timeout_ms_ = static_cast<std::uint32_t>(std::clamp<std::int64_t>(ms, 0, INT32_MAX));
}

// --- State and memory ---

// The one place where the state changes.
void Tcb::enter(State next, Env& env) {
  ASSERT(legal(state_, next));
  if (state_ != State::kClosed) --env.counters.states[static_cast<std::size_t>(state_)];
  if (next != State::kClosed) ++env.counters.states[static_cast<std::size_t>(next)];
  state_ = next;
  if (next == State::kTimeWait) {
    deadlines_.clear_all();
    begin_two_msl(env);
    reason_ = Reason::kFinished;
    events_.closed = true;
  }
}

// MUST-13; and again for each FIN that comes in TIME-WAIT.
void Tcb::begin_two_msl(Env& env) { deadlines_.set(Timer::kTimeWait, env.now + MUTANT(48, 2, 1) * env.config.msl); }

// The connection is over. What was queued in either direction is gone with it; but where both sides had closed, and
// nobody gave up, the application may still read what has come, which is everything.
void Tcb::end(Reason reason, Env& env) {
  const bool both_closed = sending_is_closed(state_) && peer_has_closed(state_);
  const bool told = state_ == State::kTimeWait && !events_.closed;  // "closed" is the last event, and comes once
  enter(State::kClosed, env);
  deadlines_.clear_all();
  marks_ = {};
  ack_at_once_ = false;
  may_transmit_ = false;
  if (!told) reason_ = reason;
  drop_transmission(env);
  if (!both_closed || (reason != Reason::kFinished && reason != Reason::kReset)) {
    set(kEofPending, false);
    events_ = {};
    drop_queue(env);
  } else if (unread(env) == 0) {
    drop_queue(env);  // but an untold D-SACK
  }
  events_.closed = !told;
}

Events Tcb::poll_events() {
  Events out = events_;
  out.closed = events_.closed && !flag(kEofPending);
  const bool closed_later = events_.closed && !out.closed;
  events_ = {};
  events_.closed = closed_later;
  return out;
}

Events Tcb::poll_beginnings() {
  Events out;
  out.opened = events_.opened;
  out.urgent = events_.urgent;
  events_.opened = false;
  events_.urgent = false;
  return out;
}

void Tcb::release(Env& env) {
  drop_transmission(env);
  drop_queue(env);
  drop_ledger(env);
}

void Tcb::drop_transmission(Env& env) {
  Transmission* tx = transmission(env);
  if (tx == nullptr) return;
  set(kRepairing, false);
  tx->buffer.clear(env.stores.slices);
  tx->scoreboard.clear(env.stores.sacked);
  free_transmission(env);
}

// Its ledger stays.
void Tcb::free_transmission(Env& env) {
  const std::uint32_t resting = kResting | transmission(env)->ledger;
  env.stores.transmissions.free(transmission_);
  transmission_ = resting;
  if (Ledger* l = ledger(env)) l->turn(Pace::kIdle, env.now);
}

void Tcb::drop_queue(Env& env) {
  ReceiveQueue* q = queue(env);
  if (q == nullptr) return;
  q->clear(env.stores.held);
  env.stores.queues.free(queue_);
  queue_ = kNone;
}

// There are some more Transmissions than TCBs, of which one at a time is none of the shard's (a cookie's), so there
// always is one.
Transmission& Tcb::begin_transmission(Env& env) {
  if (!has_transmission()) {
    const std::uint32_t ledger_index = transmission_ & ~kResting;
    transmission_ = env.stores.transmissions.alloc();
    CHECK(transmission_ != kNone);
    Transmission& tx = *transmission(env);
    tx.ledger = ledger_index;
    if (Ledger* l = ledger(env)) l->turn(Pace::kBusy, env.now);
    tx.recover = snd_.una - 1;
    tx.marked_to = manner_.cwr ? snd_.una : snd_.una - 1;  // with CWR still to be sent its ACKs echo what is answered
    tx.app_limited_to = snd_.una;
    tx.delivery_rate.note_delivered(env.now);
    tx.up = snd_.una;
    tx.full_to = snd_.una;
    tx.pushed = snd_.una;
    tx.stalled_since = Millis::floor(env.now);
    if (reordering_.probe_unexplained) {
      reordering_.probe_unexplained = false;
      tx.probe = {.end_seq = snd_.una, .is_retrans = true};
      tx.rack.fack = snd_.una;
    }
  }
  return *transmission(env);
}

void Tcb::end_transmission_if_idle(Env& env) {
  const Transmission* tx = transmission(env);
  if (tx == nullptr || snd_.una != snd_.nxt || !tx->buffer.empty() || flag(kSynUnacked)) return;
  if (fin_wanted() && !flag(kFinSent)) return;
  if (tx->app_waits) events_.writable = true;
  if (tx->adapt_rto_beyond) rtt_.distrust();
  reordering_.probe_unexplained = tx->probe.end_seq && tx->probe.is_retrans;
  set(kRepairing, reordering_.probe_unexplained);
  if (smss_ < most_smss_) settle_mtu_probe(env);
  deadlines_.clear_place(Timer::kRetransmission);
  free_transmission(env);
}

ReceiveQueue* Tcb::begin_queue(Env& env) {
  if (queue_ == kNone) queue_ = env.stores.queues.alloc();
  return queue(env);
}

void Tcb::end_queue_if_empty(Env& env) {
  ReceiveQueue* q = queue(env);
  if (q == nullptr || !q->empty()) return;
  env.stores.queues.free(queue_);
  queue_ = kNone;
}

}  // namespace pollux::tcp
