#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "api/stack.h"

// Two stacks on one wire, which a test can cut.

namespace pollux::test {

inline IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }

// What a call says: 0, or the errno.
template <class T>
int error_of(const api::Result<T>& result) {
  return result ? 0 : result.error();
}

class TwoStacks {
 public:
  static constexpr Duration kWay = 10ms;

  using Configure = std::function<void(ShardConfig&)>;
  explicit TwoStacks(std::uint64_t seed = 1, const Configure& configure = {});

  // Packets go their way, and time goes on, until `duration` is over.
  void run(Duration duration);

  // A server that listens and a client that has connected; accepted: the server's end.
  void connect();

  static api::Endpoint server_name() { return {ip("198.18.0.2"), 80}; }
  static ShardConfig config(std::string_view v4, std::string_view v6, std::uint64_t seed,
                            const Configure& configure = {});

  api::Stack client;
  api::Stack server;
  int listener = -1;
  int connected = -1;
  int accepted = -1;
  bool cut = false;
  std::vector<std::string> log;  // who sent what, when

 private:
  struct OnTheWay {
    Instant arrives;
    bool to_server;
    std::vector<std::byte> bytes;
  };
  void collect();
  std::deque<OnTheWay> wire_;
};

std::vector<std::byte> bytes_of(std::string_view text);
std::string read_all(api::Stack& stack, int fd);

}  // namespace pollux::test
