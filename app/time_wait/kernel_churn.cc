#include "time_wait/kernel_churn.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>

#include "memory_figures.h"

namespace pollux::app {
namespace {

using Clock = std::chrono::steady_clock;
using Done = Expected<void, std::string>;

constexpr std::uint32_t kServer = 0xc6120002;       // 198.18.0.2
constexpr std::uint32_t kFirstClient = 0xc6130001;  // 198.19.0.1 and what follows
constexpr std::uint16_t kPort = 80;
constexpr Duration kKernelSampleEvery = 10ms;
// The kernel looks at every port before it says that there is none; asking at once again would cost all of the CPU.
constexpr Duration kAfterRefusal = 10ms;

class Socket {
 public:
  explicit Socket(int fd) : fd_{fd} {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

std::string why(std::string_view what) { return fmt::format("{}: {}", what, std::strerror(errno)); }

sockaddr_in endpoint(std::uint32_t address, std::uint16_t port) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(address);
  to.sin_port = htons(port);
  return to;
}

Done write_setting(const char* path, const std::string& value) {
  std::ofstream file{path};
  file << value << std::flush;
  if (!file) return unexpected(fmt::format("cannot write {} to {}", value, path));
  return {};
}

// Runs a script of `ip` in the network namespace of this thread.
Done ip(const std::string& script) {
  std::FILE* const batch = popen("ip -batch -", "w");
  if (batch == nullptr) return unexpected(why("cannot run ip"));
  const bool written = std::fputs(script.c_str(), batch) >= 0;
  if (pclose(batch) != 0 || !written)
    return unexpected("the program ip (of iproute2) could not set up a network namespace:\n" + script);
  return {};
}

// A file descriptor of the new network namespace that this thread is in now.
Expected<int, std::string> new_namespace() {
  if (unshare(CLONE_NEWNET) != 0) {
    return unexpected(why("cannot make a network namespace") +
                      "\n  as root it works, and for anybody in: scripts/netns pollux timewait compare");
  }
  // Not close-on-exec: ip takes it by its number.
  const int fd = open("/proc/thread-self/ns/net", O_RDONLY);  // NOLINT(android-cloexec-open)
  if (fd < 0) return unexpected(why("cannot open a network namespace"));
  return fd;
}

Expected<int, std::string> listener() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in own = endpoint(kServer, kPort);
  if (fd < 0 || bind(fd, reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0 || listen(fd, 1024) != 0)
    return unexpected(why("cannot listen"));
  return fd;
}

Done set_kernel(const KernelChurn& churn) {
  if (auto ok = write_setting("/proc/sys/net/ipv4/tcp_tw_reuse", churn.reuse ? "1" : "0"); !ok) return ok;
  if (auto ok = write_setting("/proc/sys/net/ipv4/tcp_timestamps", churn.timestamps ? "1" : "0"); !ok) return ok;
  return write_setting("/proc/sys/net/ipv4/ip_local_port_range",
                       fmt::format("{} {}", churn.first_port, churn.last_port));
}

// Leaves this thread in the client's namespace: its listening socket is in the server's, at the other end of the pair.
Expected<int, std::string> lay_out(const KernelChurn& churn) {
  auto server = new_namespace();
  if (!server) return server;
  auto client = new_namespace();
  if (!client) return client;
  const std::string to_server = fmt::format("/proc/self/fd/{}", *server);
  if (auto ok = ip("link add client type veth peer name server netns " + to_server +
                   "\nlink set lo up\nlink set client up\naddr add 198.18.0.1/15 dev client\n"
                   "route add local 198.19.0.0/16 dev lo\n");
      !ok)
    return unexpected(ok.error());
  if (auto ok = set_kernel(churn); !ok) return unexpected(ok.error());
  if (setns(*server, CLONE_NEWNET) != 0) return unexpected(why("cannot enter a network namespace"));
  if (auto ok = ip("link set server up\naddr add 198.18.0.2/15 dev server\n"); !ok) return unexpected(ok.error());
  auto listening = listener();
  if (setns(*client, CLONE_NEWNET) != 0) return unexpected(why("cannot enter a network namespace"));
  close(*server);
  close(*client);
  return listening;
}

// Takes one connection after the other: a request, a response, and the client's close.
void serve(int listener) {
  char text[64];
  for (;;) {
    const Socket connection{accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)};
    if (connection.fd() < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      return;  // shut down
    }
    if (recv(connection.fd(), text, sizeof text, 0) > 0) send(connection.fd(), "response", 8, MSG_NOSIGNAL);
    while (recv(connection.fd(), text, sizeof text, 0) > 0) {
    }
  }
}

// The error number of what failed; 0: all went well.
int open_and_close(const KernelChurn& churn, std::uint64_t number) {
  const Socket client{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (client.fd() < 0) return errno;
  const int on = 1;
  const std::uint32_t address = kFirstClient + static_cast<std::uint32_t>(number % churn.addresses);
  sockaddr_in own = endpoint(address, 0);
  if (churn.own_ports) {
    const std::uint64_t ports = std::uint64_t{churn.last_port} - churn.first_port + 1;
    own = endpoint(address, static_cast<std::uint16_t>(churn.first_port + number / churn.addresses % ports));
    setsockopt(client.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  } else {
    setsockopt(client.fd(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  }
  if (bind(client.fd(), reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0) return errno;
  const sockaddr_in server = endpoint(kServer, kPort);
  if (connect(client.fd(), reinterpret_cast<const sockaddr*>(&server), sizeof server) != 0) return errno;
  char text[64];
  if (send(client.fd(), "request", 7, MSG_NOSIGNAL) != 7) return EIO;
  return recv(client.fd(), text, sizeof text, 0) == 8 ? 0 : EPROTO;
}

// Of this namespace.
std::uint64_t in_time_wait() {
  std::ifstream file{"/proc/thread-self/net/sockstat"};
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("TCP:")) continue;
    std::istringstream words{line.substr(4)};
    std::string what;
    std::uint64_t count = 0;
    while (words >> what >> count) {
      if (what == "tw") return count;
    }
  }
  return 0;
}

double cpu_seconds() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  const auto of = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return of(use.ru_utime) + of(use.ru_stime);
}

void count_refusal(ChurnResult& result, int error, Duration at) {
  const bool for_want_of_ports = error == EADDRNOTAVAIL || error == EADDRINUSE;
  const std::string cause = strerrorname_np(error);
  if (result.first_failure.empty()) result.first_failure = fmt::format("{} ({})", cause, std::strerror(error));
  if (for_want_of_ports && !result.exhausted_after) result.exhausted_after = at;
  const auto found =
      std::find_if(result.refusals.begin(), result.refusals.end(), [&](const auto& row) { return row.first == cause; });
  if (found == result.refusals.end()) {
    result.refusals.emplace_back(cause, 1);
  } else {
    ++found->second;
  }
}

// The schedule of a constant rate; arrivals that come due while a refusal is waited out are lost.
void connect_at_rate(const KernelChurn& churn, ChurnResult& result) {
  const auto start = Clock::now();
  const auto due = [&](std::uint64_t n) {
    return Duration{static_cast<Duration::rep>(static_cast<double>(n) * 1e9 / churn.rate)};
  };
  std::uint64_t arrivals = 0;
  std::uint64_t refused = 0;
  Duration next_sample{0};
  for (;;) {
    const Duration at = Clock::now() - start;
    if (at >= next_sample) {
      const std::uint64_t waiting = in_time_wait();
      result.peak_time_wait = std::max(result.peak_time_wait, waiting);
      result.samples.push_back({at, result.completed, refused, waiting});
      next_sample = at + kKernelSampleEvery;
    }
    if (at >= churn.duration) break;
    if (due(arrivals) > at) {
      // Nothing happens until then that could be waited for: this is the schedule's clock.
      std::this_thread::sleep_for(std::min(due(arrivals), next_sample) - at);
      continue;
    }
    ++result.attempted;
    ++arrivals;
    // The tuple that failed is the oldest, and so the first to come free.
    const int error = open_and_close(churn, result.completed);
    if (error == 0) {
      ++result.completed;
      continue;
    }
    ++refused;
    const Duration now = Clock::now() - start;
    count_refusal(result, error, now);
    std::this_thread::sleep_for(kAfterRefusal);
    const double behind = std::chrono::duration<double>(now + kAfterRefusal).count() * churn.rate;
    arrivals = std::max(arrivals, static_cast<std::uint64_t>(std::ceil(behind)));
  }
  result.duration = Clock::now() - start;
}

}  // namespace

Expected<ChurnResult, std::string> run(const KernelChurn& churn) {
  const auto listening = lay_out(churn);
  if (!listening) return unexpected(listening.error());
  const Socket listener{*listening};
  ChurnResult result;
  result.who = fmt::format("Linux, {}{}, {} {}-{}", churn.timestamps ? "" : "no timestamps, ",
                           churn.reuse ? "tcp_tw_reuse 1" : "tcp_tw_reuse 0", churn.own_ports ? "bound" : "ports",
                           churn.first_port, churn.last_port);
  result.scenario.mode =
      churn.reuse || (churn.own_ports && churn.timestamps) ? TimeWaitMode::kTimestamps : TimeWaitMode::kPlain;
  result.scenario.addresses = churn.addresses;
  result.scenario.ports = std::uint64_t{churn.last_port} - churn.first_port + 1;
  result.scenario.rate = churn.rate;  // TCP_TIMEWAIT_LEN is 60 s, and cannot be chosen
  result.bytes_per_entry = entry_bytes().kernel;
  std::thread server{[fd = listener.fd()] { serve(fd); }};
  const double cpu = cpu_seconds();
  connect_at_rate(churn, result);
  result.cpu_seconds = cpu_seconds() - cpu;
  shutdown(listener.fd(), SHUT_RDWR);
  server.join();
  return result;
}

}  // namespace pollux::app
