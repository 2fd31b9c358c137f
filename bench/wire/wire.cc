// A bad wire between two taps of the kernel, made of the simulator's link and the real clock: what it does to the
// frames of one pair of endpoints it does, with the same seed, to those of any other.
//
//   wire LEFT RIGHT SEED LOSS REORDER DELAY_US        LOSS and REORDER: chances, 0 to 1; DELAY_US: one way
//
// Says "ready" once both interfaces exist; ends with an interrupt and then prints its counters as one JSON object.

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "device/impaired_link.h"

namespace {

using pollux::ImpairedLink;
using pollux::Instant;

constexpr int kBurst = 64;
constexpr std::uint32_t kFrame = 1514;

volatile std::sig_atomic_t over = 0;

Instant now() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return Instant{std::chrono::seconds{t.tv_sec} + std::chrono::nanoseconds{t.tv_nsec}};
}

int open_tap(const char* name) {
  const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  ifreq request{};
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0) {
    std::perror(name);
    std::exit(1);
  }
  return fd;
}

void read_frames(int fd, ImpairedLink::End& end) {
  for (int n = 0; n < kBurst; ++n) {
    const pollux::TxFrame frame = end.allocate(kFrame);
    if (frame.data == nullptr) break;  // the kernel's queue holds the rest, and drops as any queue does
    const ssize_t size = read(fd, frame.data, kFrame);
    if (size <= 0) {
      end.discard(frame);
      break;
    }
    end.send(frame, static_cast<std::uint32_t>(size), {});
  }
  end.flush();
}

void write_frames(int fd, ImpairedLink::End& end) {
  std::array<pollux::Packet, kBurst> packets;
  while (const std::size_t n = end.receive(packets)) {
    for (std::size_t i = 0; i < n; ++i) {
      const std::span<const std::byte> bytes = packets[i].bytes();
      if (write(fd, bytes.data(), bytes.size()) < 0) continue;  // an interface that is down: lost, as on any wire
    }
    end.recycle({packets.data(), n});
  }
}

void print(const char* name, const pollux::ImpairmentCounters& c, const char* after) {
  std::printf(R"("%s": {"frames": %llu, "lost": %llu, "reordered": %llu}%s)", name,
              static_cast<unsigned long long>(c.sent), static_cast<unsigned long long>(c.lost),
              static_cast<unsigned long long>(c.reordered), after);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 7) {
    std::fprintf(stderr, "usage: wire LEFT RIGHT SEED LOSS REORDER DELAY_US\n");
    return 2;
  }
  pollux::Impairment impairment;
  impairment.loss = std::atof(arguments[4]);
  impairment.reorder = std::atof(arguments[5]);
  impairment.delay = std::chrono::microseconds{std::atol(arguments[6])};
  // A reordered frame is overtaken by those of half a round trip.
  impairment.reorder_delay = impairment.delay;
  ImpairedLink link{
      {.left_to_right = impairment, .right_to_left = impairment, .seed = std::strtoull(arguments[3], nullptr, 10)}};
  std::array<pollfd, 2> fds{pollfd{open_tap(arguments[1]), POLLIN, 0}, pollfd{open_tap(arguments[2]), POLLIN, 0}};
  prctl(PR_SET_TIMERSLACK, 1);
  for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, [](int) { over = 1; });
  std::puts("ready");
  std::fflush(stdout);

  while (over == 0) {
    timespec wait{0, 100'000'000};
    if (const auto due = link.next_due()) {
      const auto rest = std::max<pollux::Duration>(*due - now(), pollux::Duration{0});
      wait = {rest / std::chrono::seconds{1}, (rest % std::chrono::seconds{1}).count()};
    }
    ppoll(fds.data(), fds.size(), &wait, nullptr);
    link.deliver_until(now());
    read_frames(fds[0].fd, link.left());
    read_frames(fds[1].fd, link.right());
    link.deliver_until(now());
    write_frames(fds[1].fd, link.right());
    write_frames(fds[0].fd, link.left());
  }
  std::printf("{");
  print("left_to_right", link.counters(pollux::LinkDirection::kLeftToRight), ", ");
  print("right_to_left", link.counters(pollux::LinkDirection::kRightToLeft), "}\n");
}
