#include "dpdk/kernel_side.h"

#include <ifaddrs.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

extern char** environ;

namespace pollux::dpdk {
namespace {

struct Addresses {
  Addresses() {
    if (getifaddrs(&first) != 0) first = nullptr;
  }
  ~Addresses() {
    if (first != nullptr) freeifaddrs(first);
  }
  Addresses(const Addresses&) = delete;
  Addresses& operator=(const Addresses&) = delete;
  ifaddrs* first = nullptr;
};

std::optional<IpAddress> address_of(const sockaddr* address) {
  if (address == nullptr) return std::nullopt;
  if (address->sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, address, sizeof v4);
    return IpAddress::v4(reinterpret_cast<const std::byte*>(&v4.sin_addr));
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, address, sizeof v6);
    return IpAddress::v6(reinterpret_cast<const std::byte*>(&v6.sin6_addr));
  }
  return std::nullopt;
}

// Everything the program wrote to `fd`, up to a bound.
std::string read_all(int fd) {
  std::string text;
  char part[512];
  for (ssize_t n = 0; (n = read(fd, part, sizeof part)) > 0 || (n < 0 && errno == EINTR);) {
    if (n > 0 && text.size() < 4096) text.append(part, static_cast<std::size_t>(n));
  }
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

// Runs a program to its end. The error quotes the command and what it said.
Expected<void, std::string> run(std::vector<std::string> words) {
  const std::string command = joined(words);
  int ends[2];
  if (pipe(ends) != 0) return unexpected("cannot run " + command + ": " + std::strerror(errno));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t child = 0;
  const int failed = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  const std::string said = failed == 0 ? read_all(ends[0]) : std::strerror(failed);
  close(ends[0]);
  int status = failed;
  if (failed == 0) waitpid(child, &status, 0);
  if (status != 0) return unexpected("`" + command + "` failed: " + said);
  return {};
}

}  // namespace

Expected<void, std::string> set_up_kernel_side(const std::string& interface, const std::vector<IpPrefix>& addresses) {
  for (const IpPrefix& prefix : addresses) {
    std::vector<std::string> command{"ip", "address", "replace", to_string(prefix), "dev", interface};
    if (!prefix.address.is_v4()) command.emplace_back("nodad");
    if (auto done = run(std::move(command)); !done) return done;
  }
  return run({"ip", "link", "set", "dev", interface, "up"});
}

std::optional<std::string> kernel_owns(const IpAddress& address) {
  const Addresses all;
  for (const ifaddrs* entry = all.first; entry != nullptr; entry = entry->ifa_next) {
    if (address_of(entry->ifa_addr) == address) return entry->ifa_name;
  }
  return std::nullopt;
}

std::optional<std::uint16_t> interface_mtu(const std::string& interface) {
  ifreq request{};
  if (interface.empty() || interface.size() >= sizeof request.ifr_name) return std::nullopt;
  interface.copy(request.ifr_name, interface.size());
  const int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (any < 0) return std::nullopt;
  const int failed = ioctl(any, SIOCGIFMTU, &request);
  close(any);
  if (failed != 0) return std::nullopt;
  return static_cast<std::uint16_t>(std::clamp(request.ifr_mtu, 0, UINT16_MAX));
}

std::optional<std::uint32_t> kernel_drops(const std::string& interface) {
  const Addresses all;
  for (const ifaddrs* a = all.first; a != nullptr; a = a->ifa_next) {
    if (a->ifa_addr == nullptr || a->ifa_addr->sa_family != AF_PACKET || a->ifa_data == nullptr) continue;
    if (interface != a->ifa_name) continue;
    rtnl_link_stats stats;
    std::memcpy(&stats, a->ifa_data, sizeof stats);
    return stats.tx_dropped;
  }
  return std::nullopt;
}

std::string kernel_interfaces() {
  std::string names;
  struct if_nameindex* all = if_nameindex();
  for (const struct if_nameindex* entry = all; entry != nullptr && entry->if_index != 0; ++entry) {
    names += (names.empty() ? "" : " ") + std::string{entry->if_name};
  }
  if (all != nullptr) if_freenameindex(all);
  return names.empty() ? "none" : names;
}

}  // namespace pollux::dpdk
