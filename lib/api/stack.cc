#include "api/stack.h"

#include <poll.h>

#include "api/sockets.h"
#include "base/random.h"

namespace pollux::api {

ShardConfig small_config(std::uint64_t seed) {
  Random random{seed};
  ShardConfig config;
  config.keys = {{random(), random()}, {random(), random()}, {random(), random()}, random()};
  config.max_connections = 64;
  config.max_half_open = 64;
  config.max_time_wait_v4 = 64;
  config.max_time_wait_v6 = 64;
  config.send_blocks = 1024;
  config.held_segments = 4096;
  config.ledgers = config.max_connections;
  config.max_destinations = 8;
  config.last_port = static_cast<std::uint16_t>(config.first_port + 1023);
  config.pages = Pages::kOrdinary;
  return config;
}

Stack::Stack(const ShardConfig& config, Instant start) : sockets_{std::make_unique<Sockets>(config, start)} {}
Stack::~Stack() = default;

void Stack::receive(std::span<const std::byte> packet) { sockets_->receive(packet); }
std::optional<SentPacket> Stack::next_packet() { return sockets_->next_packet(); }
std::optional<Instant> Stack::next_deadline() const { return sockets_->next_deadline(); }
void Stack::advance(Instant to) { sockets_->advance(to); }
Instant Stack::now() const { return sockets_->now(); }

Result<int> Stack::open(int domain) { return sockets_->open(domain); }
Result<void> Stack::bind(int fd, const Endpoint& local) { return sockets_->bind(fd, local); }
Result<void> Stack::listen(int fd, int backlog) { return sockets_->listen(fd, backlog); }
Result<int> Stack::accept(int fd) { return sockets_->accept(fd); }
Result<void> Stack::connect(int fd, const Endpoint& remote) { return sockets_->connect(fd, remote); }
Result<std::size_t> Stack::connect_and_write(int fd, const Endpoint& remote, std::span<const std::byte> from) {
  return sockets_->connect_and_write(fd, remote, from);
}
Result<void> Stack::disconnect(int fd) { return sockets_->disconnect(fd); }
Result<std::size_t> Stack::read(int fd, std::span<std::byte> to) { return sockets_->read(fd, to); }
Result<std::size_t> Stack::write(int fd, std::span<const std::byte> from, bool urgent) {
  return sockets_->write(fd, from, urgent);
}
Result<void> Stack::shutdown(int fd, int how) { return sockets_->shutdown(fd, how); }
Result<void> Stack::close(int fd) { return sockets_->close(fd); }
Result<void> Stack::abort(int fd) { return sockets_->abort(fd); }
short Stack::poll(int fd) const { return sockets_->poll(fd); }

Result<void> Stack::set_option(int fd, int level, int name, int value) {
  return sockets_->set_option(fd, level, name, value);
}
Result<int> Stack::get_option(int fd, int level, int name) { return sockets_->get_option(fd, level, name); }

Result<void> Stack::set_congestion(int fd, std::string_view name) { return sockets_->set_congestion(fd, name); }
Result<std::string_view> Stack::get_congestion(int fd) const { return sockets_->get_congestion(fd); }

Result<void> Stack::set_linger(int fd, const Linger& linger) {
  Socket* socket = sockets_->find(fd);
  if (socket == nullptr) return unexpected(EBADF);
  socket->linger = linger;
  return {};
}

Result<Linger> Stack::get_linger(int fd) const {
  const Socket* socket = sockets_->find(fd);
  if (socket == nullptr) return unexpected(EBADF);
  return socket->linger;
}

Result<Endpoint> Stack::local_name(int fd) const {
  const Socket* socket = sockets_->find(fd);
  if (socket == nullptr) return unexpected(EBADF);
  return socket->local;
}

Result<Endpoint> Stack::remote_name(int fd) const {
  const Socket* socket = sockets_->find(fd);
  if (socket == nullptr) return unexpected(EBADF);
  if (!socket->alive || !socket->opened) return unexpected(ENOTCONN);
  return socket->remote;
}

Result<TcpInfo> Stack::info(int fd) const {
  const Socket* socket = sockets_->find(fd);
  if (socket == nullptr) return unexpected(EBADF);
  return sockets_->info(*socket);
}

Result<std::uint32_t> Stack::unread(int fd) const {
  const Socket* socket = sockets_->find(fd);
  if (socket == nullptr) return unexpected(EBADF);
  return sockets_->unread(*socket);
}

Result<std::uint32_t> Stack::unsent(int fd) const {
  const Socket* socket = sockets_->find(fd);
  if (socket == nullptr) return unexpected(EBADF);
  const tcp::Tcb* tcb = sockets_->tcb(*socket);
  return tcb == nullptr ? 0 : sockets_->shard().core().config().tcp.send_buffer - tcb->send_room(sockets_->env());
}

Result<std::uint32_t> Stack::urgent_ahead(int fd) const {
  const Socket* socket = sockets_->find(fd);
  if (socket == nullptr) return unexpected(EBADF);
  const tcp::Tcb* tcb = sockets_->tcb(*socket);
  return tcb == nullptr ? 0 : tcb->urgent_ahead(0, sockets_->env());
}

const tcp::Counters& Stack::counters() const { return sockets_->shard().core().tcp_counters(); }

std::uint32_t Stack::connections() const {
  const ShardCore& core = sockets_->shard().core();
  return core.connections() + core.half_open().size() + core.time_wait().size();
}

}  // namespace pollux::api
