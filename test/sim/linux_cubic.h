#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "network.h"

namespace pollux::sim {

// A bulk sender as Linux's is with its default congestion control, in whole packets: CUBIC in the arithmetic of
// net/ipv4/tcp_cubic.c (with HyStart by delay), proportional rate reduction as in tcp_input.c, losses by three later
// packets that have arrived. Its packets are Ethernet frames of no protocol that pass a Network's wire among those of
// its hosts; their acknowledgments, one for every two, come back after a constant time. Written from what that code
// does, and shares nothing with ours.
class LinuxCubic {
 public:
  // Sends from now on, as host `from` would.
  LinuxCubic(Network& net, int from, Duration way_back);

  std::uint64_t delivered() const { return delivered_; }  // packets, as the far end has seen them

  static constexpr std::size_t kFrame = 1514;  // as large as ours with 1448 bytes of text

 private:
  struct Packet {
    std::uint64_t number;
    Instant sent;
    bool arrived = false;
  };

  void receive(std::uint64_t number, Instant at);
  void answer(Instant at);

  void send();
  void acknowledged(const std::vector<std::uint64_t>& numbers);
  bool find_losses();
  void enter_recovery();
  void reduce_proportionally(std::uint64_t delivered);
  void check_time_out();

  void grow(std::uint64_t acked);
  void update(std::uint64_t acked);
  void hystart(Duration rtt);
  std::uint64_t reduced_threshold();

  Network& net_;
  int from_;
  Duration way_back_;

  std::uint64_t delivered_ = 0;
  std::uint64_t last_received_ = 0;
  Instant quick_until_{};
  std::vector<std::uint64_t> to_acknowledge_;

  std::deque<Packet> packets_;  // in flight, and those that arrived behind some that are
  std::uint64_t next_ = 1;
  std::uint64_t highest_arrived_ = 0;
  std::uint64_t in_flight_ = 0;
  Instant progress_{};

  std::uint64_t cwnd_ = 10;
  std::uint64_t ssthresh_ = UINT32_MAX;
  std::uint64_t cwnd_count_ = 0;
  std::uint64_t recovery_end_ = 0;  // recovering while a packet up to this one is in flight
  std::uint64_t prior_cwnd_ = 0;
  std::uint64_t prr_delivered_ = 0;
  std::uint64_t prr_out_ = 0;

  // struct bictcp
  std::uint64_t last_max_ = 0;
  std::uint64_t last_cwnd_ = 0;
  Instant last_time_{};
  bool in_epoch_ = false;
  Instant epoch_start_{};
  std::uint64_t origin_ = 0;
  double k_ = 0;  // seconds
  Duration delay_min_{0};
  std::uint64_t ack_count_ = 0;
  std::uint64_t tcp_cwnd_ = 0;
  std::uint64_t count_ = 1;
  std::uint64_t round_end_ = 0;
  Duration round_rtt_{0};
  int round_samples_ = 0;
};

}  // namespace pollux::sim
