#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/expected.h"
#include "shard/shard_config.h"
#include "tcp/counters.h"
#include "tcp/info.h"
#include "time/instant.h"
#include "wire/ip_address.h"

namespace pollux::api {

// A number from <cerrno>, what a POSIX programmer expects of the call of that name. Never 0.
using Errno = int;
template <class T>
using Result = Expected<T, Errno>;

class Sockets;

struct Endpoint {
  IpAddress address;  // unspecified: any of ours
  std::uint16_t port = 0;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

// An IP packet that the stack has sent.
struct SentPacket {
  Instant at;
  std::vector<std::byte> bytes;  // from the first byte of the IP header; checksums are filled in
};

// SO_LINGER. `seconds` other than 0 is kept and told, but close() never waits.
struct Linger {
  bool on = false;
  int seconds = 0;
};

// struct tcp_info.
struct TcpInfo : tcp::Info {
  std::uint8_t state = 7;    // TCP_ESTABLISHED (1) ... TCP_CLOSING (11) of <netinet/tcp.h>
  std::uint8_t options = 0;  // TCPI_OPT_TIMESTAMPS (1), _SACK (2), _WSCALE (4), _ECN (8)
};

// Limits that let a process hold thousands of stacks; keys that follow from `seed`, so that equal seeds and equal
// input give equal output. The caller adds addresses, gateways and what else it wants.
ShardConfig small_config(std::uint64_t seed);

// The stack, driven from outside: what a test, a simulator or a replay needs, and all that it needs. Packets and time
// go in, packets and deadlines come out, and sockets that never block stand between; no clock is read, no random
// number drawn, no thread begun. Any number of stacks can be in a process; each is for one thread at a time.
//
//   receive(packet)   what the network brings, one packet at a time
//   advance(instant)  time passes, and timers that are due run, each at its own instant
//   next_packet()     what the stack has sent, in order, with the instant of each
//   next_deadline()   when advance() has something to do
//
// Sockets are small integers from 0 up, each the lowest that is free, for this stack alone. Calls are those of POSIX,
// non-blocking always; where POSIX leaves a choice, the answer is Linux's. Whoever wants a call that blocks makes it
// again after each packet and each deadline, for as long as it says EAGAIN, EINPROGRESS or EALREADY.
class Stack {
 public:
  // `start`: the first instant, from which time goes on. Takes all memory; throws std::bad_alloc.
  Stack(const ShardConfig& config, Instant start);
  ~Stack();
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  // --- Packets and time ---

  // An IPv4 or IPv6 packet, copied. What is malformed or for somebody else is dropped and counted, as on a wire. Every
  // address on the link and behind a gateway is taken to be reachable: ARP and neighbour discovery need not be
  // answered.
  void receive(std::span<const std::byte> packet);
  // The oldest packet not yet fetched.
  std::optional<SentPacket> next_packet();
  // The earliest instant at which something will happen by itself; nullopt: never, as things stand.
  std::optional<Instant> next_deadline() const;
  // Time goes on to `to`, which must not be before now().
  void advance(Instant to);
  Instant now() const;

  // --- Sockets; EBADF wherever `fd` is none ---

  // AF_INET or AF_INET6, which listens for both families where it is bound to no address. EAFNOSUPPORT, EMFILE.
  Result<int> open(int domain);
  // Port 0: one that is free. EINVAL: bound or connected already. EAFNOSUPPORT, EADDRNOTAVAIL, EADDRINUSE.
  Result<void> bind(int fd, const Endpoint& local);
  // As on Linux, at most `backlog` + 1 connections may be half open at a time. Again on a listening socket: no effect.
  // EINVAL: connected or connecting. EADDRINUSE: somebody listens there. ENOBUFS.
  Result<void> listen(int fd, int backlog);
  // EAGAIN: nobody has come. EINVAL: not listening. EMFILE. A connection that was reset meanwhile is given out, too.
  Result<int> accept(int fd);
  // EINPROGRESS: the SYN is on its way. Again: EALREADY until the answer, then once what became of it: success,
  // ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH, ECONNABORTED. EISCONN: connected, or listening. EAFNOSUPPORT. ENETUNREACH: a
  // group or broadcast address, or no route. EADDRNOTAVAIL: port 0, no address at all, no local port is free, or the
  // one it is bound to has such a connection. ENOBUFS.
  Result<void> connect(int fd, const Endpoint& remote);
  // sendto() with MSG_FASTOPEN: connect(), and with a cookie for that server text goes in the SYN (RFC 7413); then
  // how many bytes were taken, for the SYN and to follow it, and connect() again says what became of it. Else
  // EINPROGRESS, as for connect(), and nothing was taken. The server may get the text twice (2.1). EOPNOTSUPP:
  // tcp::Config::fast_open_client is off. EALREADY, EISCONN, and what else connect() says.
  Result<std::size_t> connect_and_write(int fd, const Endpoint& remote, std::span<const std::byte> from);
  // connect() with AF_UNSPEC, as POSIX has it: whatever the socket stands for is over, a connection with a reset, and
  // it may bind, listen or connect anew. Options stay, and so does the name that bind() gave it.
  Result<void> disconnect(int fd);
  // As many bytes as there are, 0 at the end of the stream. EAGAIN: none yet. ENOTCONN. ECONNRESET, ETIMEDOUT,
  // ECONNREFUSED, EHOSTUNREACH: once, why the connection is over; then 0. Urgent bytes come in line (RFC 6093, 3.1).
  Result<std::size_t> read(int fd, std::span<std::byte> to);
  // How many bytes were taken: a copy is kept until it is acknowledged. EAGAIN: no room, or still connecting. EPIPE:
  // our direction is closed, or was never open. ECONNRESET, ...: as for read, once. `urgent`: MSG_OOB.
  Result<std::size_t> write(int fd, std::span<const std::byte> from, bool urgent = false);
  // SHUT_RD, SHUT_WR or SHUT_RDWR. ENOTCONN, EINVAL. Of a listening or connecting socket it ends all.
  Result<void> shutdown(int fd, int how);
  // The descriptor is free at once; the connection goes on to its end by itself: FIN, or RST where received bytes are
  // unread or SO_LINGER asks for it.
  Result<void> close(int fd);
  // close() with SO_LINGER on and 0 seconds: RST.
  Result<void> abort(int fd);
  // POLLIN, POLLOUT, POLLRDHUP, POLLHUP, POLLERR that hold now; POLLNVAL: no such socket. Never fails.
  short poll(int fd) const;

  // Levels and names of <sys/socket.h>, <netinet/in.h> and <netinet/tcp.h>: SO_REUSEADDR (kept and told), SO_KEEPALIVE,
  // TCP_NODELAY, TCP_KEEPIDLE, TCP_KEEPINTVL (seconds), TCP_KEEPCNT, TCP_USER_TIMEOUT (milliseconds), TCP_MAXSEG
  // (bytes, before connect or listen), TCP_FASTOPEN (how many may be pending, before listen), IP_TTL,
  // IPV6_UNICAST_HOPS, IP_TOS, IPV6_TCLASS. A listening socket's are inherited. ENOPROTOOPT: no such option; EINVAL:
  // out of range.
  Result<void> set_option(int fd, int level, int name, int value);
  // The same, and SO_ERROR, which is forgotten once told; SO_SNDBUF, SO_RCVBUF (bytes, of every connection).
  Result<int> get_option(int fd, int level, int name);
  // TCP_CONGESTION, by Linux's names: reno, cubic, dctcp. ENOENT: no such one; EISCONN: it is chosen when a connection
  // begins. A listening socket's is inherited.
  Result<void> set_congestion(int fd, std::string_view name);
  Result<std::string_view> get_congestion(int fd) const;
  Result<void> set_linger(int fd, const Linger& linger);
  Result<Linger> get_linger(int fd) const;

  Result<Endpoint> local_name(int fd) const;   // getsockname
  Result<Endpoint> remote_name(int fd) const;  // getpeername. ENOTCONN
  Result<TcpInfo> info(int fd) const;          // TCP_INFO; of a connection that is over, its last, state TCP_CLOSE
  Result<std::uint32_t> unread(int fd) const;  // FIONREAD, bytes
  // Bytes not yet acknowledged (SIOCOUTQ), the FIN not counted.
  Result<std::uint32_t> unsent(int fd) const;
  // Unread bytes up to the end of urgent data; 0: none pends (RFC 9293, 3.8.5).
  Result<std::uint32_t> urgent_ahead(int fd) const;

  // --- What it counts ---

  const tcp::Counters& counters() const;
  // Connections that exist, half-open ones and TIME-WAIT included.
  std::uint32_t connections() const;

 private:
  std::unique_ptr<Sockets> sockets_;
};

}  // namespace pollux::api
