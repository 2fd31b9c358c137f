// setsockopt, getsockopt and TCP_INFO.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>

#include "api/sockets.h"

namespace pollux::api {
namespace {

// An option as a number that is read and written; what changes in a connection that exists is told to it.
struct OptionRow {
  int level;
  int name;
  int least;
  int most;
  int (*get)(const Socket& socket);
  void (*set)(Socket& socket, int value);
  void (*tell)(Conn conn, const tcp::Options& options);  // null: only what connects later is different
};

void tell_keep_alive(Conn conn, const tcp::Options& options) { conn.set_keep_alive(options.keep_alive); }
void tell_ttl(Conn conn, const tcp::Options& options) { conn.set_ttl(options.ttl); }
void tell_tos(Conn conn, const tcp::Options& options) { conn.set_tos(options.tos); }

template <auto kMember>
int get_number(const Socket& socket) {
  return static_cast<int>(socket.options.*kMember);
}
template <auto kMember, class T>
void set_number(Socket& socket, int value) {
  socket.options.*kMember = static_cast<T>(value);
}

constexpr OptionRow kOptions[] = {
    {SOL_SOCKET, SO_REUSEADDR, INT32_MIN, INT32_MAX, [](const Socket& s) { return s.reuse_address ? 1 : 0; },
     [](Socket& s, int value) { s.reuse_address = value != 0; }, nullptr},
    {SOL_SOCKET, SO_KEEPALIVE, INT32_MIN, INT32_MAX, [](const Socket& s) { return s.options.keep_alive.on ? 1 : 0; },
     [](Socket& s, int value) { s.options.keep_alive.on = value != 0; }, tell_keep_alive},
    {IPPROTO_TCP, TCP_KEEPIDLE, 1, 32767, [](const Socket& s) { return int{s.options.keep_alive.idle_s}; },
     [](Socket& s, int value) { s.options.keep_alive.idle_s = static_cast<std::uint16_t>(value); }, tell_keep_alive},
    {IPPROTO_TCP, TCP_KEEPINTVL, 1, 32767, [](const Socket& s) { return int{s.options.keep_alive.interval_s}; },
     [](Socket& s, int value) { s.options.keep_alive.interval_s = static_cast<std::uint16_t>(value); },
     tell_keep_alive},
    {IPPROTO_TCP, TCP_KEEPCNT, 1, 127, [](const Socket& s) { return int{s.options.keep_alive.count}; },
     [](Socket& s, int value) { s.options.keep_alive.count = static_cast<std::uint8_t>(value); }, tell_keep_alive},
    {IPPROTO_TCP, TCP_NODELAY, INT32_MIN, INT32_MAX, [](const Socket& s) { return s.options.nodelay ? 1 : 0; },
     [](Socket& s, int value) { s.options.nodelay = value != 0; },
     [](Conn conn, const tcp::Options& options) { conn.set_nodelay(options.nodelay); }},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, 0, INT32_MAX,
     [](const Socket& s) {
       return static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(s.options.user_timeout).count());
     },
     [](Socket& s, int value) { s.options.user_timeout = std::chrono::milliseconds{value}; },
     [](Conn conn, const tcp::Options& options) { conn.set_user_timeout(options.user_timeout); }},
    {IPPROTO_TCP, TCP_MAXSEG, 88, 32767, get_number<&tcp::Options::mss>, set_number<&tcp::Options::mss, std::uint16_t>,
     nullptr},
    {IPPROTO_TCP, TCP_FASTOPEN, 0, INT32_MAX, [](const Socket& s) { return static_cast<int>(s.fast_open); },
     [](Socket& s, int value) { s.fast_open = static_cast<std::uint32_t>(value); }, nullptr},
    {IPPROTO_IP, IP_TTL, 1, 255, get_number<&tcp::Options::ttl>, set_number<&tcp::Options::ttl, std::uint8_t>,
     tell_ttl},
    {IPPROTO_IPV6, IPV6_UNICAST_HOPS, 1, 255, get_number<&tcp::Options::ttl>,
     set_number<&tcp::Options::ttl, std::uint8_t>, tell_ttl},
    {IPPROTO_IP, IP_TOS, 0, 255, get_number<&tcp::Options::tos>, set_number<&tcp::Options::tos, std::uint8_t>,
     tell_tos},
    {IPPROTO_IPV6, IPV6_TCLASS, 0, 255, get_number<&tcp::Options::tos>, set_number<&tcp::Options::tos, std::uint8_t>,
     tell_tos},
};

const OptionRow* find_option(const Socket& socket, int level, int name) {
  if (level == (socket.v6 ? IPPROTO_IP : IPPROTO_IPV6)) return nullptr;
  const auto* row = std::find_if(std::begin(kOptions), std::end(kOptions),
                                 [&](const OptionRow& option) { return option.level == level && option.name == name; });
  return row == std::end(kOptions) ? nullptr : row;
}

struct CongestionName {
  std::string_view name;
  tcp::CongestionControl control;
};

constexpr CongestionName kCongestionNames[] = {{"cubic", tcp::CongestionControl::kCubic},
                                               {"dctcp", tcp::CongestionControl::kDctcp},
                                               {"reno", tcp::CongestionControl::kNewReno}};

std::uint8_t state_number(tcp::State state) {
  switch (state) {
    case tcp::State::kEstablished:
      return TCP_ESTABLISHED;
    case tcp::State::kSynSent:
      return TCP_SYN_SENT;
    case tcp::State::kSynReceived:
      return TCP_SYN_RECV;
    case tcp::State::kFinWait1:
      return TCP_FIN_WAIT1;
    case tcp::State::kFinWait2:
      return TCP_FIN_WAIT2;
    case tcp::State::kCloseWait:
      return TCP_CLOSE_WAIT;
    case tcp::State::kLastAck:
      return TCP_LAST_ACK;
    case tcp::State::kListen:
      return TCP_LISTEN;
    case tcp::State::kClosing:
      return TCP_CLOSING;
    case tcp::State::kTimeWait:  // a record that no socket stands for
    case tcp::State::kClosed:
      return TCP_CLOSE;
  }
  unreachable();
}

}  // namespace

Result<void> Sockets::set_option(int fd, int level, int name, int value) {
  Socket* socket = find(fd);
  if (socket == nullptr) return unexpected(EBADF);
  const OptionRow* option = find_option(*socket, level, name);
  if (option == nullptr) return unexpected(ENOPROTOOPT);
  if (value < option->least || value > option->most) return unexpected(EINVAL);
  option->set(*socket, value);
  if (option->tell != nullptr) with(*socket, [&](Conn conn) { option->tell(conn, socket->options); });
  return {};
}

Result<int> Sockets::get_option(int fd, int level, int name) {
  Socket* socket = find(fd);
  if (socket == nullptr) return unexpected(EBADF);
  const tcp::Config& config = shard_.core().config().tcp;
  if (level == SOL_SOCKET && name == SO_ERROR) return take_error(*socket);
  if (level == SOL_SOCKET && name == SO_SNDBUF) return static_cast<int>(config.send_buffer);
  if (level == SOL_SOCKET && name == SO_RCVBUF) return static_cast<int>(config.receive_buffer);
  if (level == IPPROTO_TCP && name == TCP_MAXSEG && tcb(*socket) != nullptr) {
    return static_cast<int>(tcb(*socket)->smss());
  }
  const OptionRow* option = find_option(*socket, level, name);
  if (option == nullptr) return unexpected(ENOPROTOOPT);
  return option->get(*socket);
}

Result<void> Sockets::set_congestion(int fd, std::string_view name) {
  Socket* socket = find(fd);
  if (socket == nullptr) return unexpected(EBADF);
  const auto* row = std::ranges::find(kCongestionNames, name, &CongestionName::name);
  if (row == std::end(kCongestionNames)) return unexpected(ENOENT);
  if (socket->kind != Socket::Kind::kFresh) return unexpected(EISCONN);
  socket->options.congestion = row->control;
  return {};
}

Result<std::string_view> Sockets::get_congestion(int fd) const {
  const Socket* socket = find(fd);
  if (socket == nullptr) return unexpected(EBADF);
  const auto control = socket->options.congestion.value_or(shard_.core().config().tcp.congestion);
  return std::ranges::find(kCongestionNames, control, &CongestionName::control)->name;
}

TcpInfo Sockets::info(const Socket& socket) const {
  const tcp::Tcb* open = tcb(socket);
  if (open == nullptr) {
    TcpInfo last = socket.last_info;
    if (socket.kind == Socket::Kind::kListening) last.state = TCP_LISTEN;
    return last;
  }
  std::uint8_t options = 0;
  if (open->state() != tcp::State::kSynSent) {
    options = static_cast<std::uint8_t>(
        (open->timestamps() ? TCPI_OPT_TIMESTAMPS : 0) | (open->sack_permitted() ? TCPI_OPT_SACK : 0) |
        (open->window_scaled() ? TCPI_OPT_WSCALE : 0) | (open->ecn() ? TCPI_OPT_ECN : 0));
  }
  return {open->info(env()), state_number(open->state()), options};
}

}  // namespace pollux::api
