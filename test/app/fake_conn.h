#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "shard/conn.h"

namespace pollux::app {

// What stands behind a FakeConn: one connection's two directions, as the application sees them.
struct FakeConnection {
  std::uint32_t room = 256 * 1024;  // free bytes of the send buffer
  std::string sent;
  std::string urgent;  // of `sent`, what went out as urgent
  std::string unread;  // left behind by on_text
  std::uint32_t urgent_ahead = 0;
  std::uint64_t user = 0;
  Instant now{};
  bool wants_room = false;
  bool shut = false;
  bool closed = false;
  bool aborted = false;
};

// Stands in for Conn where an application is tested without a shard.
class FakeConn {
 public:
  explicit FakeConn(FakeConnection& c) : c_{&c} {}

  ConnId id() const { return {1, 1}; }
  tcp::State state() const { return c_->shut || c_->closed ? tcp::State::kFinWait1 : tcp::State::kEstablished; }
  Instant now() const { return c_->now; }
  std::uint64_t& user() { return c_->user; }

  Expected<std::uint32_t, tcp::UserError> send(std::span<const std::byte> text) {
    if (c_->shut || c_->closed) return unexpected(tcp::UserError::kConnectionClosing);
    const auto n = std::min<std::size_t>(text.size(), c_->room);
    if (n < text.size()) c_->wants_room = true;
    return take(text.first(n));
  }
  Expected<std::uint32_t, tcp::UserError> send_reference(std::span<const std::byte> text) {
    if (c_->shut || c_->closed) return unexpected(tcp::UserError::kConnectionClosing);
    if (text.size() > c_->room) {
      c_->wants_room = true;
      return 0u;
    }
    return take(text);
  }
  Expected<std::uint32_t, tcp::UserError> send_urgent(std::span<const std::byte> text) {
    const auto n = send(text);
    if (n && *n > 0) c_->urgent += c_->sent.back();
    return n;
  }
  std::uint32_t send_room() const { return c_->room; }
  std::span<const std::byte> readable() const { return std::as_bytes(std::span{c_->unread}); }
  void consume(std::uint32_t n) { c_->unread.erase(0, n); }
  std::uint32_t urgent_ahead() const { return c_->urgent_ahead; }
  void shutdown() { c_->shut = true; }
  void close() { c_->closed = true; }
  void abort() { c_->aborted = true; }

 private:
  std::uint32_t take(std::span<const std::byte> text) {
    c_->sent.append(reinterpret_cast<const char*>(text.data()), text.size());
    c_->room -= static_cast<std::uint32_t>(text.size());
    return static_cast<std::uint32_t>(text.size());
  }

  FakeConnection* c_;
};

// One connection to an application, driven as a shard would.
template <class A>
class Client {
 public:
  explicit Client(A& app) : app_{app} { app_.on_open(FakeConn{c_}); }

  // Text arrives: offered, unless some lies unread already.
  void sends(std::string_view text) {
    if (!c_.unread.empty()) {
      c_.unread += text;
      return;
    }
    const std::size_t taken = app_.on_text(FakeConn{c_}, std::as_bytes(std::span{text}));
    ASSERT(taken <= text.size());
    c_.unread = text.substr(taken);
  }
  // Urgent data is announced that ends so many bytes on.
  void announces_urgent(std::uint32_t ahead) {
    c_.urgent_ahead = ahead;
    app_.on_urgent(FakeConn{c_});
  }
  void sends_eof() { app_.on_eof(FakeConn{c_}); }
  // The peer acknowledges: so many bytes of room.
  void makes_room(std::uint32_t bytes) {
    c_.room += bytes;
    if (!c_.wants_room) return;
    c_.wants_room = false;
    app_.on_writable(FakeConn{c_});
  }
  void is_gone(tcp::Reason reason) { app_.on_closed(FakeConn{c_}, reason); }
  // What was sent since the last time.
  std::string received() { return std::exchange(c_.sent, {}); }
  FakeConnection* operator->() { return &c_; }
  FakeConnection& connection() { return c_; }

 private:
  A& app_;
  FakeConnection c_;
};

// Shard's calls that the applications' on_turn and on_drain use, over the one connection.
class FakeShard {
 public:
  explicit FakeShard(FakeConnection& c) : c_{&c} {}
  template <class Use>
  bool with(ConnId, Instant now, Use&& use) {
    c_->now = now;
    use(FakeConn{*c_});
    return true;
  }
  template <class Use>
  void for_each(Instant now, Use&& use) {
    with({}, now, use);
  }

 private:
  FakeConnection* c_;
};

}  // namespace pollux::app
