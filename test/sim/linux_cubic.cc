#include "linux_cubic.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/endian.h"

namespace pollux::sim {
namespace {

constexpr std::uint16_t kLocalExperiment = 0x88b5;  // IEEE 802: EtherType for whoever wants one
constexpr std::size_t kNumberAt = 14;
constexpr std::uint64_t kBeta = 717;  // of 1024
constexpr double kC = 0.4;

}  // namespace

LinuxCubic::LinuxCubic(Network& net, int from, Duration way_back)
    : net_{net}, from_{from}, way_back_{way_back}, progress_{net.now()} {
  net.observe_wire([this](const LinkEvent& event) {
    if (event.kind != LinkEventKind::kDelivered || load_be<std::uint16_t>(event.frame.data() + 12) != kLocalExperiment)
      return;
    receive(load_be<std::uint64_t>(event.frame.data() + kNumberAt), event.at);
  });
  send();
  check_time_out();
}

// The far end: an ACK for every two, or after 40 ms; for each while there is a hole, which is for a round trip.
void LinuxCubic::receive(std::uint64_t number, Instant at) {
  ++delivered_;
  if (number != last_received_ + 1) quick_until_ = at + 2 * way_back_;
  last_received_ = number;
  to_acknowledge_.push_back(number);
  if (to_acknowledge_.size() >= 2 || at < quick_until_) return answer(at);
  net_.at(at + 40ms, [this, number] {
    if (!to_acknowledge_.empty() && to_acknowledge_.front() == number) answer(net_.now());
  });
}

void LinuxCubic::answer(Instant at) {
  net_.at(at + way_back_, [this, numbers = std::exchange(to_acknowledge_, {})] { acknowledged(numbers); });
}

void LinuxCubic::send() {
  while (in_flight_ < cwnd_) {
    std::array<std::byte, kFrame> frame{};
    store_be(frame.data() + 12, kLocalExperiment);
    store_be(frame.data() + kNumberAt, next_);
    packets_.push_back({.number = next_++, .sent = net_.now()});
    ++in_flight_;
    ++prr_out_;
    net_.inject(1 - from_, frame);
  }
}

void LinuxCubic::acknowledged(const std::vector<std::uint64_t>& numbers) {
  std::uint64_t acked = 0;
  Duration rtt{};
  for (const std::uint64_t number : numbers) {
    const auto packet =
        std::find_if(packets_.begin(), packets_.end(), [&](const Packet& p) { return p.number == number; });
    if (packet == packets_.end() || packet->arrived) continue;  // given up
    packet->arrived = true;
    ++acked;
    highest_arrived_ = std::max(highest_arrived_, number);
    rtt = net_.now() - packet->sent;
  }
  if (acked == 0) return;
  in_flight_ -= acked;
  progress_ = net_.now();
  delay_min_ = delay_min_ == Duration{} ? rtt : std::min(delay_min_, rtt);
  if (find_losses()) enter_recovery();
  const bool recovers = !packets_.empty() && packets_.front().number <= recovery_end_;
  if (recovers) {
    reduce_proportionally(acked);
  } else {
    if (recovery_end_ > 0) cwnd_ = ssthresh_;
    recovery_end_ = 0;
    if (cwnd_ < ssthresh_) hystart(rtt);
    grow(acked);
  }
  send();
}

// Drops what is over from the front; true: something sent after the last reduction was lost.
bool LinuxCubic::find_losses() {
  bool news = false;
  while (!packets_.empty()) {
    const Packet& first = packets_.front();
    if (!first.arrived) {
      if (first.number + 3 > highest_arrived_) break;
      --in_flight_;
      news |= first.number > recovery_end_;
    }
    packets_.pop_front();
  }
  return news;
}

void LinuxCubic::enter_recovery() {
  prior_cwnd_ = cwnd_;
  ssthresh_ = reduced_threshold();
  recovery_end_ = next_ - 1;
  prr_delivered_ = prr_out_ = 0;
}

// tcp_cwnd_reduction()
void LinuxCubic::reduce_proportionally(std::uint64_t delivered) {
  prr_delivered_ += delivered;
  std::int64_t may_send = 0;
  if (in_flight_ > ssthresh_) {
    const std::uint64_t share = (ssthresh_ * prr_delivered_ + prior_cwnd_ - 1) / prior_cwnd_;
    may_send = static_cast<std::int64_t>(share) - static_cast<std::int64_t>(prr_out_);
  } else {
    const auto behind = static_cast<std::int64_t>(prr_delivered_) - static_cast<std::int64_t>(prr_out_);
    may_send = std::min(static_cast<std::int64_t>(ssthresh_ - in_flight_),
                        std::max(behind, static_cast<std::int64_t>(delivered)) + 1);
  }
  may_send = std::max<std::int64_t>(may_send, prr_out_ == 0 ? 1 : 0);
  cwnd_ = in_flight_ + static_cast<std::uint64_t>(may_send);
}

void LinuxCubic::check_time_out() {
  const Duration rto = std::max<Duration>(2 * delay_min_, 200ms) + 200ms;
  if (in_flight_ > 0 && net_.now() - progress_ > rto) {
    ssthresh_ = reduced_threshold();
    packets_.clear();
    in_flight_ = 0;
    recovery_end_ = 0;
    cwnd_ = 1;
    progress_ = net_.now();
    send();
  }
  net_.at(net_.now() + 50ms, [this] { check_time_out(); });
}

// --- tcp_cubic.c ---

void LinuxCubic::grow(std::uint64_t acked) {
  if (cwnd_ < ssthresh_) {
    cwnd_ += acked;
    return;
  }
  update(acked);
  if (cwnd_count_ >= count_) {  // tcp_cong_avoid_ai()
    cwnd_count_ = 0;
    ++cwnd_;
  }
  cwnd_count_ += acked;
  if (cwnd_count_ >= count_) {
    cwnd_ += cwnd_count_ / count_;
    cwnd_count_ %= count_;
  }
}

// bictcp_update()
void LinuxCubic::update(std::uint64_t acked) {
  ack_count_ += acked;
  const Instant now = net_.now();
  if (last_cwnd_ == cwnd_ && now - last_time_ <= 31ms) return;
  last_cwnd_ = cwnd_;
  last_time_ = now;
  if (!in_epoch_) {
    in_epoch_ = true;
    epoch_start_ = now;
    ack_count_ = acked;
    tcp_cwnd_ = cwnd_;
    origin_ = std::max(last_max_, cwnd_);
    k_ = std::cbrt(static_cast<double>(origin_ - cwnd_) / kC);
  }
  const double t = std::chrono::duration<double>(now - epoch_start_ + delay_min_).count() - k_;
  const double target = static_cast<double>(origin_) + kC * t * t * t;
  const auto whole = target > 0 ? static_cast<std::uint64_t>(target) : 0;
  count_ = whole > cwnd_ ? cwnd_ / (whole - cwnd_) : 100 * cwnd_;
  if (last_max_ == 0) count_ = std::min<std::uint64_t>(count_, 20);
  const std::uint64_t scale = 8 * (1024 + kBeta) / 3 / (1024 - kBeta);
  const std::uint64_t a_step = std::max<std::uint64_t>((cwnd_ * scale) >> 3, 1);
  while (ack_count_ > a_step) {
    ack_count_ -= a_step;
    ++tcp_cwnd_;
  }
  if (tcp_cwnd_ > cwnd_) count_ = std::min(count_, cwnd_ / (tcp_cwnd_ - cwnd_));
  count_ = std::max<std::uint64_t>(count_, 2);
}

// hystart_update(), HYSTART_DELAY
void LinuxCubic::hystart(Duration rtt) {
  if (highest_arrived_ > round_end_) {
    round_end_ = next_ - 1;
    round_rtt_ = rtt;
    round_samples_ = 0;
  }
  round_rtt_ = std::min(round_rtt_, rtt);
  if (cwnd_ < 16 || ++round_samples_ < 8) return;
  const Duration slack = std::clamp<Duration>(delay_min_ / 8, 4ms, 16ms);
  if (round_rtt_ >= delay_min_ + slack) ssthresh_ = cwnd_;
}

// bictcp_recalc_ssthresh()
std::uint64_t LinuxCubic::reduced_threshold() {
  in_epoch_ = false;
  last_max_ = cwnd_ < last_max_ ? cwnd_ * (1024 + kBeta) / 2048 : cwnd_;
  return std::max<std::uint64_t>(cwnd_ * kBeta / 1024, 2);
}

}  // namespace pollux::sim
