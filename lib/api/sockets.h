#pragma once

#include <cerrno>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "api/stack.h"
#include "api/virtual_link.h"
#include "shard/shard.h"

namespace pollux::api {

// What stands behind a descriptor, or waits to be accepted.
struct Socket {
  enum class Kind : std::uint8_t {
    kFresh,  // not listening, not connected, and never was
    kListening,
    kConnecting,  // connect() has not told yet what became of it
    kConnected,   // or was
  };

  explicit Socket(bool is_v6) : v6{is_v6} {}

  Kind kind = Kind::kFresh;
  bool v6 = false;
  bool alive = false;   // `conn` exists
  bool opened = false;  // the handshake was done
  bool reuse_address = false;
  std::uint32_t fast_open = 0;  // ListenSpec's, for listen()
  bool read_shut = false;
  bool write_shut = false;
  bool saw_end = false;  // the peer's FIN was told
  Errno error = 0;       // SO_ERROR
  std::optional<Endpoint> bound;
  Endpoint local;
  Endpoint remote;
  ConnId conn;
  std::uint16_t listener = 0;
  std::deque<std::uint32_t> waiting;  // to be accepted
  tcp::Options options;
  Linger linger;
  TcpInfo last_info;  // when the connection ended
};

// The sockets of a stack: the application of its shard.
class Sockets {
 public:
  Sockets(const ShardConfig& config, Instant start)
      : link_{config.mtu}, shard_{with_mac(config), *this, start}, now_{start} {
    // The router is there from the start: its address need not be asked for first.
    for (const IpAddress& gateway : config.gateways) {
      shard_.core().neighbours().add_static(gateway, VirtualLink::kRouterMac);
    }
  }

  // --- Packets and time ---
  void receive(std::span<const std::byte> packet);
  std::optional<SentPacket> next_packet();
  std::optional<Instant> next_deadline() const { return shard_.next_due(now_); }
  void advance(Instant to);
  Instant now() const { return now_; }

  // --- Calls (see Stack) ---
  Result<int> open(int domain);
  Result<void> bind(int fd, const Endpoint& local);
  Result<void> listen(int fd, int backlog);
  Result<int> accept(int fd);
  Result<void> connect(int fd, const Endpoint& remote);
  Result<std::size_t> connect_and_write(int fd, const Endpoint& remote, std::span<const std::byte> from);
  Result<void> disconnect(int fd);
  Result<std::size_t> read(int fd, std::span<std::byte> to);
  Result<std::size_t> write(int fd, std::span<const std::byte> from, bool urgent);
  Result<void> shutdown(int fd, int how);
  Result<void> close(int fd);
  Result<void> abort(int fd);
  short poll(int fd) const;
  Result<void> set_option(int fd, int level, int name, int value);
  Result<int> get_option(int fd, int level, int name);
  Result<void> set_congestion(int fd, std::string_view name);
  Result<std::string_view> get_congestion(int fd) const;

  // The socket of a descriptor; null: EBADF.
  Socket* find(int fd);
  const Socket* find(int fd) const { return const_cast<Sockets*>(this)->find(fd); }
  // Of the connection, if it exists.
  const tcp::Tcb* tcb(const Socket& socket) const;
  TcpInfo info(const Socket& socket) const;
  std::uint32_t unread(const Socket& socket) const;

  Shard<Sockets>& shard() { return shard_; }
  const Shard<Sockets>& shard() const { return shard_; }
  const tcp::Env& env() const { return const_cast<Shard<Sockets>&>(shard_).core().env(); }

  // --- What the shard tells ---
  void on_open(Conn conn);
  std::size_t on_text(Conn, std::span<const std::byte>) { return 0; }  // it waits in the connection until it is read
  void on_eof(Conn conn);
  void on_writable(Conn) {}
  void on_urgent(Conn) {}
  void on_closed(Conn conn, tcp::Reason reason);

 private:
  static constexpr std::size_t kMostDescriptors = 1024;
  static constexpr std::uint32_t kNoSlot = UINT32_MAX;

  static ShardConfig with_mac(ShardConfig config) {
    config.mac = VirtualLink::kOurMac;
    return config;
  }

  std::uint32_t new_slot(bool v6);
  Result<int> new_descriptor(std::uint32_t slot);
  void free_slot(std::uint32_t slot) { slots_[slot].reset(); }
  Socket* socket_of(Conn conn);
  void transmit();
  void end(std::uint32_t slot);
  Errno take_error(Socket& socket);
  std::optional<Endpoint> autobind(const Socket& socket) const;
  bool port_is_taken(const Socket& socket, const Endpoint& local) const;
  Result<std::size_t> begin_connect(std::uint32_t slot, const Endpoint& remote,
                                    std::optional<std::span<const std::byte>> first);
  bool still_opening(const Socket& socket) const;
  Result<void> finish_connect(Socket& socket);

  template <class Use>
  bool with(const Socket& socket, Use&& use) {
    const bool found = socket.alive && shard_.with(socket.conn, now_, use);
    transmit();
    return found;
  }

  Heap heap_;  // outlives the shard, which may hold packets
  VirtualLink link_;
  std::vector<std::unique_ptr<Socket>> slots_;
  std::vector<std::uint32_t> descriptors_;  // slot of each, or kNoSlot
  std::deque<SentPacket> sent_;
  Shard<Sockets> shard_;
  Instant now_;
};

}  // namespace pollux::api
