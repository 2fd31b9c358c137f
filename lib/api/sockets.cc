#include "api/sockets.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>

namespace pollux::api {
namespace {

using Kind = Socket::Kind;

Errno errno_of(tcp::Reason reason) {
  switch (reason) {
    case tcp::Reason::kNone:
    case tcp::Reason::kFinished:
    case tcp::Reason::kAborted:
      return 0;
    case tcp::Reason::kReset:
      return ECONNRESET;
    case tcp::Reason::kRefused:
      return ECONNREFUSED;
    case tcp::Reason::kTimedOut:
      return ETIMEDOUT;
    case tcp::Reason::kUnreachable:
      return EHOSTUNREACH;
  }
  unreachable();
}

Errno errno_of(ListenError error) {
  switch (error) {
    case ListenError::kAddressInUse:
      return EADDRINUSE;
    case ListenError::kInvalidAddress:
      return EADDRNOTAVAIL;
    case ListenError::kInsufficientResources:
      return ENOBUFS;
  }
  unreachable();
}

Errno errno_of(tcp::UserError error) {
  switch (error) {
    case tcp::UserError::kConnectionDoesNotExist:
    case tcp::UserError::kConnectionClosing:
    case tcp::UserError::kConnectionReset:
      return EPIPE;
    case tcp::UserError::kInsufficientResources:
      return ENOBUFS;
  }
  unreachable();
}

}  // namespace

// --- Packets and time ---

void Sockets::receive(std::span<const std::byte> packet) {
  const std::vector<std::byte> frame = VirtualLink::framed(packet);
  if (frame.empty()) return;
  Packet burst[] = {heap_.lend(frame)};
  shard_.receive(burst, now_);
  transmit();
}

std::optional<SentPacket> Sockets::next_packet() {
  if (sent_.empty()) return std::nullopt;
  SentPacket first = std::move(sent_.front());
  sent_.pop_front();
  return first;
}

void Sockets::advance(Instant to) {
  for (std::optional<Instant> due = next_deadline(); due && *due <= to; due = next_deadline()) {
    // What is due may only be there to find out that nothing is: then time must go on all the same.
    now_ = std::max(now_, *due);
    if (shard_.run_timers(now_) == 0 && now_ < to) now_ = std::min(to, now_ + 1us);
    transmit();
    if (now_ == to) break;
  }
  now_ = std::max(now_, to);
  shard_.run_timers(now_);
  transmit();
}

// Everything that is owed goes out now, and what it asks of the link is answered.
void Sockets::transmit() {
  do {
    shard_.transmit(link_, now_);
    while (!link_.answers.empty()) {
      Packet burst[] = {heap_.lend(link_.answers.front())};
      link_.answers.pop_front();
      shard_.receive(burst, now_);
    }
  } while (shard_.has_output());
  for (auto& packet : link_.sent) sent_.push_back({now_, std::move(packet)});
  link_.sent.clear();
}

// --- Descriptors ---

Socket* Sockets::find(int fd) {
  if (fd < 0 || static_cast<std::size_t>(fd) >= descriptors_.size()) return nullptr;
  const std::uint32_t slot = descriptors_[static_cast<std::size_t>(fd)];
  return slot == kNoSlot ? nullptr : slots_[slot].get();
}

std::uint32_t Sockets::new_slot(bool v6) {
  const auto free = std::find(slots_.begin(), slots_.end(), nullptr);
  const auto slot = static_cast<std::uint32_t>(free - slots_.begin());
  if (free == slots_.end()) slots_.emplace_back();
  slots_[slot] = std::make_unique<Socket>(v6);
  return slot;
}

Result<int> Sockets::new_descriptor(std::uint32_t slot) {
  const auto free = std::find(descriptors_.begin(), descriptors_.end(), kNoSlot);
  const auto fd = static_cast<std::size_t>(free - descriptors_.begin());
  if (fd == kMostDescriptors) return unexpected(EMFILE);
  if (free == descriptors_.end()) descriptors_.push_back(kNoSlot);
  descriptors_[fd] = slot;
  return static_cast<int>(fd);
}

Result<int> Sockets::open(int domain) {
  if (domain != AF_INET && domain != AF_INET6) return unexpected(EAFNOSUPPORT);
  const std::uint32_t slot = new_slot(domain == AF_INET6);
  const auto fd = new_descriptor(slot);
  if (!fd) free_slot(slot);
  return fd;
}

// --- Names ---

bool Sockets::port_is_taken(const Socket& socket, const Endpoint& local) const {
  return std::any_of(slots_.begin(), slots_.end(), [&](const auto& other) {
    if (!other || other.get() == &socket || !other->bound || other->v6 != socket.v6) return false;
    if (other->bound->port != local.port) return false;
    const IpAddress& address = other->bound->address;
    if (!(address == local.address || address.is_unspecified() || local.address.is_unspecified())) return false;
    return !(socket.reuse_address && other->reuse_address && other->kind != Kind::kListening);
  });
}

// A port that nobody is bound to.
std::optional<Endpoint> Sockets::autobind(const Socket& socket) const {
  const ShardConfig& config = shard_.core().config();
  for (std::uint32_t port = config.first_port; port <= config.last_port; ++port) {
    const Endpoint candidate{{}, static_cast<std::uint16_t>(port)};
    if (!port_is_taken(socket, candidate)) return candidate;
  }
  return std::nullopt;
}

Result<void> Sockets::bind(int fd, const Endpoint& local) {
  Socket* socket = find(fd);
  if (socket == nullptr) return unexpected(EBADF);
  if (socket->bound || socket->kind != Kind::kFresh) return unexpected(EINVAL);
  const bool any = local.address.is_unspecified();
  if (!any && local.address.is_v4() == socket->v6) return unexpected(EAFNOSUPPORT);
  if (!any) {
    const auto& own = shard_.core().config().addresses;
    const bool ours = std::any_of(own.begin(), own.end(), [&](const LocalAddresses& range) {
      const IpAddress& first = range.prefix.address;
      return first.is_v4() == local.address.is_v4() && first <= local.address &&
             local.address <= first.plus(range.count - 1);
    });
    if (!ours) return unexpected(EADDRNOTAVAIL);
  }
  Endpoint name = local;
  if (name.port == 0) {
    const auto free = autobind(*socket);
    if (!free) return unexpected(EADDRINUSE);
    name.port = free->port;
  }
  if (port_is_taken(*socket, name)) return unexpected(EADDRINUSE);
  socket->bound = name;
  socket->local = name;
  return {};
}

// --- Listening ---

Result<void> Sockets::listen(int fd, int backlog) {
  Socket* socket = find(fd);
  if (socket == nullptr) return unexpected(EBADF);
  if (socket->kind == Kind::kListening) return {};
  if (socket->kind != Kind::kFresh) return unexpected(EINVAL);
  if (!socket->bound) {
    socket->bound = autobind(*socket);
    if (!socket->bound) return unexpected(EADDRINUSE);
    socket->local = *socket->bound;
  }
  ListenSpec spec;
  spec.address = socket->bound->address;
  // Of one family, as the socket is: Listeners tells 0.0.0.0 from the address that means both.
  if (!socket->v6 && spec.address.is_unspecified()) spec.address = IpAddress::v4(0u);
  spec.port = socket->bound->port;
  spec.options = socket->options;
  spec.backlog = static_cast<std::uint32_t>(std::max(backlog, 0)) + 1;
  spec.fast_open = socket->fast_open;
  const auto listener = shard_.listen(spec);
  if (!listener) return unexpected(errno_of(listener.error()));
  socket->listener = *listener;
  socket->kind = Kind::kListening;
  return {};
}

Result<int> Sockets::accept(int fd) {
  Socket* socket = find(fd);
  if (socket == nullptr) return unexpected(EBADF);
  if (socket->kind != Kind::kListening) return unexpected(EINVAL);
  if (socket->waiting.empty()) return unexpected(EAGAIN);
  const auto accepted = new_descriptor(socket->waiting.front());
  if (accepted) socket->waiting.pop_front();
  return accepted;
}

// --- Reading and writing ---

Errno Sockets::take_error(Socket& socket) { return std::exchange(socket.error, 0); }

Result<std::size_t> Sockets::read(int fd, std::span<std::byte> to) {
  Socket* socket = find(fd);
  if (socket == nullptr) return unexpected(EBADF);
  if (socket->kind == Kind::kFresh || socket->kind == Kind::kListening) return unexpected(ENOTCONN);
  std::size_t taken = 0;
  with(*socket, [&](Conn conn) {
    while (taken < to.size() && !conn.readable().empty()) {
      const std::span<const std::byte> text = conn.readable();
      const std::size_t size = std::min(text.size(), to.size() - taken);
      std::copy_n(text.begin(), size, to.begin() + static_cast<std::ptrdiff_t>(taken));
      conn.consume(static_cast<std::uint32_t>(size));
      taken += size;
    }
  });
  if (taken > 0 || to.empty()) return taken;
  const tcp::Tcb* rest = tcb(*socket);
  if (socket->saw_end || socket->read_shut) return 0u;
  if (socket->error != 0) return unexpected(take_error(*socket));
  if (rest == nullptr || tcp::peer_has_closed(rest->state())) return 0u;
  return unexpected(EAGAIN);
}

Result<std::size_t> Sockets::write(int fd, std::span<const std::byte> from, bool urgent) {
  Socket* socket = find(fd);
  if (socket == nullptr) return unexpected(EBADF);
  if (socket->error != 0) return unexpected(take_error(*socket));
  const tcp::Tcb* open = tcb(*socket);
  if (open == nullptr || socket->write_shut) return unexpected(EPIPE);
  if (still_opening(*socket)) return unexpected(EAGAIN);
  Result<std::size_t> result = 0u;
  with(*socket, [&](Conn conn) {
    const auto taken = urgent ? conn.send_urgent(from) : conn.send(from);
    if (!taken) {
      result = unexpected(errno_of(taken.error()));
    } else if (*taken == 0 && !from.empty()) {
      result = unexpected(EAGAIN);
    } else {
      result = *taken;
    }
  });
  return result;
}

// --- Ending ---

Result<void> Sockets::shutdown(int fd, int how) {
  Socket* socket = find(fd);
  if (socket == nullptr) return unexpected(EBADF);
  if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) return unexpected(EINVAL);
  if (socket->kind == Kind::kListening) {
    if (how != SHUT_WR) end(descriptors_[static_cast<std::size_t>(fd)]);
    return {};
  }
  if (!socket->alive) return unexpected(ENOTCONN);
  if (still_opening(*socket)) {
    with(*socket, [](Conn conn) { conn.abort(); });
    return {};
  }
  if (how != SHUT_WR) socket->read_shut = true;
  if (how == SHUT_RD) return {};
  socket->write_shut = true;
  with(*socket, [](Conn conn) { conn.shutdown(); });
  return {};
}

// What a socket stands for comes to its end: a connection goes on alone, a listener takes its children along.
void Sockets::end(std::uint32_t slot) {
  Socket& socket = *slots_[slot];
  if (socket.kind == Kind::kListening) {
    shard_.close_listener(socket.listener);
    socket.kind = Kind::kFresh;
    for (const std::uint32_t child : std::exchange(socket.waiting, {})) {
      slots_[child]->linger = {true, 0};
      end(child);
      free_slot(child);
    }
    return;
  }
  const bool reset = socket.linger.on && socket.linger.seconds == 0;
  with(socket, [&](Conn conn) {
    conn.user() = 0;
    if (reset) {
      conn.abort();
    } else {
      conn.close();
    }
  });
  socket.alive = false;
}

Result<void> Sockets::close(int fd) {
  if (find(fd) == nullptr) return unexpected(EBADF);
  const std::uint32_t slot = std::exchange(descriptors_[static_cast<std::size_t>(fd)], kNoSlot);
  end(slot);
  free_slot(slot);
  return {};
}

Result<void> Sockets::abort(int fd) {
  Socket* socket = find(fd);
  if (socket == nullptr) return unexpected(EBADF);
  socket->linger = {true, 0};
  return close(fd);
}

// --- Looking ---

const tcp::Tcb* Sockets::tcb(const Socket& socket) const {
  if (!socket.alive) return nullptr;
  const std::uint32_t index = shard_.core().find(socket.conn);
  return index == ShardCore::kNone ? nullptr : &const_cast<Shard<Sockets>&>(shard_).core().tcb(index);
}

// Of a connection that exists. One that came with Fast Open is open before its handshake is done.
bool Sockets::still_opening(const Socket& socket) const {
  const tcp::State state = tcb(socket)->state();
  return !socket.opened && (state == tcp::State::kSynSent || state == tcp::State::kSynReceived);
}

std::uint32_t Sockets::unread(const Socket& socket) const {
  const tcp::Tcb* open = tcb(socket);
  return open == nullptr ? 0 : open->unread(env());
}

// As Linux's tcp_poll.
short Sockets::poll(int fd) const {
  const Socket* socket = find(fd);
  if (socket == nullptr) return POLLNVAL;
  if (socket->kind == Kind::kListening) return socket->waiting.empty() ? short{0} : short{POLLIN};
  const tcp::Tcb* open = tcb(*socket);
  unsigned mask = 0;
  if (socket->error != 0) mask |= POLLERR;
  if (open == nullptr || open->state() == tcp::State::kClosed || open->state() == tcp::State::kTimeWait) {
    mask |= POLLHUP | POLLOUT;
    if (socket->kind != Kind::kFresh) mask |= POLLIN | POLLRDHUP;
    return static_cast<short>(mask);
  }
  if (still_opening(*socket)) return static_cast<short>(mask);
  const bool peer_closed = tcp::peer_has_closed(open->state()) || socket->read_shut;
  if (peer_closed) mask |= POLLIN | POLLRDHUP;
  if (peer_closed && socket->write_shut) mask |= POLLHUP;
  if (open->unread(env()) > 0) mask |= POLLIN;
  if (socket->write_shut || open->send_room(env()) > 0) mask |= POLLOUT;
  return static_cast<short>(mask);
}

// --- What the shard tells ---

Socket* Sockets::socket_of(Conn conn) {
  const std::uint64_t user = conn.user();
  return user == 0 ? nullptr : slots_[user - 1].get();
}

void Sockets::on_open(Conn conn) {
  if (Socket* own = socket_of(conn)) own->opened = true;
  if (socket_of(conn) != nullptr || !conn.tcb().passive()) return;
  const auto parent = std::find_if(slots_.begin(), slots_.end(), [&](const auto& socket) {
    return socket && socket->kind == Kind::kListening && socket->listener == conn.tcb().listener;
  });
  if (parent == slots_.end()) return conn.abort();
  const auto parent_slot = static_cast<std::size_t>(parent - slots_.begin());
  const std::uint32_t slot = new_slot(!conn.key().local.is_v4());
  Socket& listener = *slots_[parent_slot];
  Socket& child = *slots_[slot];
  child.kind = Kind::kConnected;
  child.alive = true;
  child.opened = true;
  child.conn = conn.id();
  child.options = listener.options;
  child.linger = listener.linger;
  child.reuse_address = listener.reuse_address;
  child.local = {conn.key().local, conn.key().local_port};
  child.remote = {conn.key().remote, conn.key().remote_port};
  conn.user() = slot + 1;
  listener.waiting.push_back(slot);
}

void Sockets::on_eof(Conn conn) {
  if (Socket* socket = socket_of(conn)) socket->saw_end = true;
}

void Sockets::on_closed(Conn conn, tcp::Reason reason) {
  Socket* socket = socket_of(conn);
  if (socket == nullptr) return;
  socket->last_info = info(*socket);
  socket->last_info.state = TCP_CLOSE;
  // Linux: a reset after the peer's FIN is told to who writes, not to who has read to the end.
  if (const Errno why = errno_of(reason); why != 0) socket->error = socket->saw_end && why == ECONNRESET ? EPIPE : why;
  socket->alive = false;
}

}  // namespace pollux::api
