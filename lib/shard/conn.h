#pragma once

#include <concepts>
#include <cstdint>
#include <span>

#include "base/expected.h"
#include "tcp/tcb.h"
#include "wire/flow_key.h"

namespace pollux {

// Names a connection for as long as one likes: a handle of a connection that is gone
// is recognised, never taken for its successor.
struct ConnId {
  std::uint32_t index = 0xffffffff;
  std::uint32_t generation = 0;
  friend bool operator==(const ConnId&, const ConnId&) = default;
};

// A connection in the application's hands, valid during one callback (or one call of
// Shard::with). All calls are for the core that owns the shard. Cheap to copy.
class Conn {
 public:
  // `unoffered`: fresh text that on_text is still to be called with.
  Conn(tcp::Tcb& tcb, tcp::Env& env, std::uint32_t index, std::uint32_t unoffered = 0)
      : tcb_{&tcb}, env_{&env}, index_{index}, unoffered_{unoffered} {}
  // For the call of on_text that offers the first `bytes` of readable().
  Conn offering(std::size_t bytes) const {
    Conn conn = *this;
    conn.offered_ = static_cast<std::uint32_t>(bytes);
    return conn;
  }

  ConnId id() const { return {index_, tcb_->generation}; }
  const FlowKey& key() const { return tcb_->key(); }
  tcp::State state() const { return tcb_->state(); }
  Instant now() const { return env_->now; }
  // Eight bytes of the application's own.
  std::uint64_t& user() { return tcb_->user; }

  // Queues a copy of `text`; how many bytes were taken. Fewer than asked: on_writable
  // comes when there is room. After close or shutdown: an error.
  Expected<std::uint32_t, tcp::UserError> send(std::span<const std::byte> text) { return tcb_->send(text, *env_); }
  // Queues `text` without a copy, all or nothing; it must stay until the connection is closed.
  Expected<std::uint32_t, tcp::UserError> send_reference(std::span<const std::byte> text) {
    return tcb_->send_reference(text, *env_);
  }
  Expected<std::uint32_t, tcp::UserError> send_urgent(std::span<const std::byte> text) {
    return tcb_->send_urgent(text, *env_);
  }
  std::uint32_t send_room() const { return tcb_->send_room(*env_); }

  // Received text that on_text left behind, and taking from it later.
  std::span<const std::byte> readable() const { return tcb_->readable(*env_); }
  void consume(std::uint32_t n) {
    tcb_->consume(n, *env_);
    if (tcb_->unread(*env_) == 0) tcb_->app_paused = false;  // nothing is left to ask for: text comes by itself again
  }
  std::uint32_t urgent_ahead() const { return tcb_->urgent_ahead(unoffered_, *env_); }

  // Half close: our FIN goes out behind what is queued; the peer may go on sending.
  void shutdown() { static_cast<void>(tcb_->shutdown(*env_)); }
  // Full close. Text that is unread or still comes in is answered with a reset; what on_text is being
  // called with counts as read if on_text takes it.
  void close() { tcb_->close(offered_, *env_); }
  // Reset, at once (SO_LINGER 0). The text that on_text is being called with is gone.
  void abort() { tcb_->abort(*env_); }

  void set_nodelay(bool on) { tcb_->set_nodelay(on); }
  void set_keep_alive(const tcp::KeepAlive& k) { tcb_->set_keep_alive(k, *env_); }
  void set_user_timeout(Duration t) { tcb_->set_user_timeout(t); }
  void set_ttl(std::uint8_t ttl) { tcb_->set_ttl(ttl); }
  void set_tos(std::uint8_t tos) { tcb_->set_tos(tos); }  // DiffServ; the two ECN bits are ours (SHLD-21)

  const tcp::Tcb& tcb() const { return *tcb_; }
  // What Linux's TCP_INFO tells, as of now. What it counts over a whole life is 0 but for the connections that
  // ShardConfig::ledgers has a place for when they open.
  tcp::Info info() const { return tcb_->info(*env_); }

 private:
  tcp::Tcb* tcb_;
  tcp::Env* env_;
  std::uint32_t index_;
  std::uint32_t unoffered_;
  std::uint32_t offered_ = 0;
};

// What a shard calls: a program's own class, dispatched at compile time. Callbacks run
// on the shard's core, inside its turn, and must not block. For each connection:
//
//   on_open    once, when the handshake is done, active or passive; with Fast Open (ListenSpec::fast_open) when a SYN
//              with a good cookie comes, whose text follows, and which may be an old duplicate (RFC 7413, 2.1)
//   on_text    received text, in order; returns how many bytes it took. What it leaves
//              is kept, the peer's window closes, and on_text comes again with the rest
//              and more when the application calls Shard::resume
//   on_eof     once: the peer has sent everything (FIN), and all of it has been taken
//   on_writable  room again, after a send that was cut short
//   on_urgent  urgent data was announced (conn.urgent_ahead() says how far)
//   on_soft_error  if the class has it: something is wrong that does not end the connection (yet):
//              many retransmissions (R1), or an ICMP error; tcp::Reason::kUnreachable if that said so
//   on_closed  once, the last call: why. Without on_open before it, an active open failed
template <class A>
concept App = requires(A app, Conn conn, std::span<const std::byte> text, tcp::Reason reason) {
  {app.on_open(conn)};
  { app.on_text(conn, text) } -> std::convertible_to<std::size_t>;
  {app.on_eof(conn)};
  {app.on_writable(conn)};
  {app.on_urgent(conn)};
  {app.on_closed(conn, reason)};
};

}  // namespace pollux
