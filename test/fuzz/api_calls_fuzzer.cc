// Two stacks, calls in any order on either, and a wire on which anything may be lost, repeated, overtaken or damaged:
// what is read is what was written, and when all is closed nothing is left.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <vector>

#include "api/stack.h"
#include "tape.h"

namespace {

using namespace pollux;

constexpr Instant kStart{1'000'000s};
constexpr std::uint16_t kPort = 80;
constexpr int kMostCalls = 300;
constexpr int kMostTurns = 4000;
constexpr std::size_t kMostInFlight = 64;  // packets, each way

// The byte at a place of every stream.
std::byte byte_at(std::uint64_t offset) { return static_cast<std::byte>(offset * 7 + (offset >> 8) * 13 + 1); }

ShardConfig config(int host) {
  ShardConfig c = api::small_config(static_cast<std::uint64_t>(host) + 1);
  c.addresses = {{{IpAddress::v4(0xc6120001u + static_cast<std::uint32_t>(host)), 24}, 1}};
  c.tcp.send_buffer = 4000;
  c.tcp.receive_buffer = 3000;
  c.tcp.msl = 1s;
  return c;
}

struct Socket {
  int fd = -1;
  std::uint64_t written = 0;
  std::uint64_t read = 0;
};

class World {
 public:
  void call(fuzz::Tape& tape) {
    const int host = tape.coin() ? 1 : 0;
    std::vector<Socket>& sockets = sockets_[static_cast<std::size_t>(host)];
    if (sockets.empty() || tape.below(8) == 0) return open(host);
    Socket& socket = sockets[tape.below(static_cast<std::uint32_t>(sockets.size()))];
    call_on(host, socket, tape);
  }

  // Packets move, as the tape wants, or as they should; time goes on.
  void turn(fuzz::Tape& tape) {
    // Without the tape all that is said is answered before time goes on; there is an end to that.
    for (int rounds = 0; exchange(tape) && tape.over(); ++rounds) CHECK(rounds < kMostTurns);
    advance(tape.over() ? 24h : std::chrono::milliseconds{tape.u8()});
  }

  void close_all() {
    for (const int host : {0, 1}) {
      for (const Socket& socket : sockets_[static_cast<std::size_t>(host)]) {
        static_cast<void>(stack(host).close(socket.fd));
      }
    }
  }
  bool empty() { return stack(0).connections() == 0 && stack(1).connections() == 0; }

 private:
  api::Stack& stack(int host) { return stacks_[static_cast<std::size_t>(host)]; }
  static api::Endpoint endpoint(int host, std::uint16_t port) {
    return {IpAddress::v4(0xc6120001u + static_cast<std::uint32_t>(host)), port};
  }

  void open(int host) {
    if (const auto fd = stack(host).open(AF_INET)) sockets_[static_cast<std::size_t>(host)].push_back({*fd});
  }

  void call_on(int host, Socket& s, fuzz::Tape& tape) {
    api::Stack& stack = this->stack(host);
    const std::uint16_t port = static_cast<std::uint16_t>(kPort + tape.below(3));
    switch (tape.below(13)) {
      case 0:
        return expect_errno(stack.bind(s.fd, endpoint(host, port)));
      case 1:
        return expect_errno(stack.listen(s.fd, static_cast<int>(tape.below(4))));
      case 2:
      case 3:
        return expect_errno(stack.connect(s.fd, endpoint(1 - host, port)));
      case 4:
        return accept(host, s.fd);
      case 5:
      case 6:
        return read(stack, s, 1 + tape.below(2000));
      case 7:
      case 8:
        return write(stack, s, 1 + tape.below(2000), tape.below(16) == 0);
      case 9:
        return expect_errno(stack.shutdown(s.fd, static_cast<int>(tape.below(3))));
      case 10:
        return expect_errno(stack.set_option(s.fd, IPPROTO_TCP, TCP_NODELAY, tape.coin() ? 1 : 0));
      case 11:
        CHECK((stack.poll(s.fd) & POLLNVAL) == 0);
        static_cast<void>(stack.info(s.fd));
        static_cast<void>(stack.unread(s.fd));
        return static_cast<void>(stack.unsent(s.fd));
      default:
        return end(host, s, tape.coin());
    }
  }

  template <class T>
  static void expect_errno(const api::Result<T>& result) {
    CHECK(result.has_value() || result.error() > 0);
    CHECK(result.has_value() || result.error() != EBADF);
  }

  void accept(int host, int listener) {
    const auto fd = stack(host).accept(listener);
    expect_errno(fd);
    if (fd) sockets_[static_cast<std::size_t>(host)].push_back({*fd});
  }

  static void read(api::Stack& stack, Socket& s, std::uint32_t size) {
    std::vector<std::byte> to(size);
    const auto n = stack.read(s.fd, to);
    expect_errno(n);
    if (!n) return;
    CHECK(*n <= size);
    for (std::size_t i = 0; i < *n; ++i) CHECK(to[i] == byte_at(s.read + i));
    s.read += *n;
  }

  static void write(api::Stack& stack, Socket& s, std::uint32_t size, bool urgent) {
    std::vector<std::byte> from(size);
    for (std::size_t i = 0; i < size; ++i) from[i] = byte_at(s.written + i);
    const auto n = stack.write(s.fd, from, urgent);
    expect_errno(n);
    if (!n) return;
    CHECK(*n <= size);
    s.written += *n;
  }

  void end(int host, const Socket& s, bool abort) {
    const int fd = s.fd;
    expect_errno(abort ? stack(host).abort(fd) : stack(host).close(fd));
    CHECK(stack(host).poll(fd) == POLLNVAL);
    std::erase_if(sockets_[static_cast<std::size_t>(host)], [&](const Socket& other) { return other.fd == fd; });
  }

  // One packet after the other, as many as there are; whether there were any.
  bool exchange(fuzz::Tape& tape) {
    fetch();
    bool any = false;
    for (const int host : {0, 1}) {
      std::deque<std::vector<std::byte>>& queue = towards_[static_cast<std::size_t>(host)];
      for (std::size_t n = queue.size(); n > 0; --n) {
        std::vector<std::byte> packet = std::move(queue.front());
        queue.pop_front();
        pass(host, std::move(packet), tape);
        any = true;
      }
    }
    return any;
  }

  void fetch() {
    for (const int host : {0, 1}) {
      std::deque<std::vector<std::byte>>& queue = towards_[static_cast<std::size_t>(1 - host)];
      while (auto packet = stack(host).next_packet()) {
        if (queue.size() < kMostInFlight) queue.push_back(std::move(packet->bytes));
      }
    }
  }

  // One byte that differs no checksum fails to see.
  void pass(int to, std::vector<std::byte> packet, fuzz::Tape& tape) {
    switch (tape.over() ? 0 : tape.below(12)) {
      case 9:
        return;
      case 10:
        towards_[static_cast<std::size_t>(to)].push_back(packet);
        break;
      case 11:
        packet[tape.below(static_cast<std::uint32_t>(packet.size()))] ^= static_cast<std::byte>(1 + tape.below(255));
        break;
      default:
        break;
    }
    stack(to).receive(packet);
  }

  // At most up to the next thing that happens, in either stack.
  void advance(Duration most) {
    Instant to = stack(0).now() + most;
    for (const int host : {0, 1}) {
      if (const auto due = stack(host).next_deadline()) to = std::min(to, std::max(*due, stack(0).now()));
    }
    for (const int host : {0, 1}) stack(host).advance(to);
  }

  std::array<api::Stack, 2> stacks_{api::Stack{config(0), kStart}, api::Stack{config(1), kStart}};
  std::array<std::vector<Socket>, 2> sockets_;
  std::array<std::deque<std::vector<std::byte>>, 2> towards_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Tape tape{data, size};
  World world;
  for (int n = 0; n < kMostCalls && !tape.over(); ++n) {
    world.call(tape);
    if (tape.coin()) world.turn(tape);
  }
  world.close_all();
  fuzz::Tape nothing{nullptr, 0};
  int turns = 0;
  while (!world.empty() && turns < kMostTurns) {
    world.turn(nothing);
    ++turns;
  }
  CHECK(world.empty());
  return 0;
}
