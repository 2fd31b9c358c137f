// connect(), with text or without, and what becomes of it.

#include <utility>

#include "api/sockets.h"
#include "base/assert.h"

namespace pollux::api {
namespace {

using Kind = Socket::Kind;

Errno errno_of(ConnectError error) {
  switch (error) {
    case ConnectError::kAddressNotAvailable:
    case ConnectError::kAddressInUse:
      return EADDRNOTAVAIL;
    case ConnectError::kInvalidAddress:
    case ConnectError::kNoRoute:
      return ENETUNREACH;
    case ConnectError::kInsufficientResources:
      return ENOBUFS;
  }
  unreachable();
}

}  // namespace

Result<void> Sockets::connect(int fd, const Endpoint& remote) {
  Socket* socket = find(fd);
  if (socket == nullptr) return unexpected(EBADF);
  switch (socket->kind) {
    case Kind::kFresh: {
      const auto begun = begin_connect(descriptors_[static_cast<std::size_t>(fd)], remote, std::nullopt);
      return unexpected(begun.error());
    }
    case Kind::kConnecting:
      return finish_connect(*socket);
    case Kind::kListening:
    case Kind::kConnected:
      return unexpected(EISCONN);
  }
  unreachable();
}

Result<std::size_t> Sockets::connect_and_write(int fd, const Endpoint& remote, std::span<const std::byte> from) {
  Socket* socket = find(fd);
  if (socket == nullptr) return unexpected(EBADF);
  if (!shard_.core().config().tcp.fast_open_client) return unexpected(EOPNOTSUPP);
  switch (socket->kind) {
    case Kind::kFresh:
      return begin_connect(descriptors_[static_cast<std::size_t>(fd)], remote, from);
    case Kind::kConnecting:
      return unexpected(tcb(*socket) != nullptr && still_opening(*socket) ? EALREADY : EISCONN);
    case Kind::kListening:
    case Kind::kConnected:
      return unexpected(EISCONN);
  }
  unreachable();
}

// `first`: with Fast Open, to be taken only if it goes in the SYN; then how much was, else EINPROGRESS.
Result<std::size_t> Sockets::begin_connect(std::uint32_t slot, const Endpoint& remote,
                                           std::optional<std::span<const std::byte>> first) {
  Socket& socket = *slots_[slot];
  if (remote.address.is_v4() == socket.v6) return unexpected(EAFNOSUPPORT);
  if (remote.port == 0 || remote.address.is_unspecified()) return unexpected(EADDRNOTAVAIL);
  ConnectSpec spec;
  spec.remote = remote.address;
  spec.remote_port = remote.port;
  if (socket.bound) {
    if (!socket.bound->address.is_unspecified()) spec.local = socket.bound->address;
    spec.local_port = socket.bound->port;
  }
  spec.options = socket.options;
  spec.options.fast_open = first.has_value();
  spec.user = slot + 1;
  const auto conn = shard_.connect(spec, now_);
  if (!conn) return unexpected(errno_of(conn.error()));
  socket.conn = *conn;
  socket.alive = true;
  socket.kind = Kind::kConnecting;
  socket.error = 0;
  socket.remote = remote;
  const FlowKey& key = tcb(socket)->key();
  socket.local = {key.local, key.local_port};
  std::size_t taken = 0;
  if (first && shard_.core().sends_in_syn(conn->index)) {
    shard_.with(*conn, now_, [&](Conn opening) { taken = opening.send(*first).value_or(0); });
  }
  transmit();
  if (taken == 0) return unexpected(EINPROGRESS);
  return taken;
}

Result<void> Sockets::finish_connect(Socket& socket) {
  const tcp::Tcb* opened = tcb(socket);
  if (opened != nullptr && still_opening(socket)) return unexpected(EALREADY);
  if (opened == nullptr && (socket.error != 0 || !socket.opened)) {
    const Errno why = take_error(socket);
    socket.kind = Kind::kFresh;
    return unexpected(why != 0 ? why : ECONNABORTED);
  }
  socket.kind = Kind::kConnected;
  return {};
}

Result<void> Sockets::disconnect(int fd) {
  Socket* socket = find(fd);
  if (socket == nullptr) return unexpected(EBADF);
  const Linger linger = std::exchange(socket->linger, {true, 0});
  end(descriptors_[static_cast<std::size_t>(fd)]);
  Socket fresh{socket->v6};
  fresh.reuse_address = socket->reuse_address;
  fresh.fast_open = socket->fast_open;
  fresh.bound = socket->bound;
  fresh.local = socket->bound.value_or(Endpoint{});
  fresh.options = socket->options;
  fresh.linger = linger;
  *socket = std::move(fresh);
  return {};
}

}  // namespace pollux::api
