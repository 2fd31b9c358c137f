#include "window_model.h"

#include <algorithm>
#include <cmath>

namespace pollux::tcp::test {

void WindowModel::sent(std::size_t n) {
  if (n >= sendings_.size()) sendings_.resize(n + 1);
  sendings_[n].order = ++order_;
  if (recovering_) prr_out_ += 1;
}

// Of [from, to) what was not known to have arrived.
std::size_t WindowModel::take(std::size_t from, std::size_t to) {
  std::size_t news = 0;
  for (std::size_t n = from; n < to; ++n) {
    if (std::exchange(sendings_[n].arrived, true)) continue;
    latest_ = std::max(latest_, sendings_[n].order);
    ++news;
  }
  return news;
}

double WindowModel::lost() const {
  if (!recovering_ || !rules_.sack) return 0;
  if (lost_at_first_) return *lost_at_first_;
  const auto is_lost = [this](const Sending& s) { return !s.arrived && s.order < latest_; };
  return static_cast<double>(
      std::count_if(sendings_.begin() + static_cast<std::ptrdiff_t>(una_), sendings_.end(), is_lost));
}

double WindowModel::missing() const {
  const auto is_missing = [](const Sending& s) { return !s.arrived; };
  return static_cast<double>(
      std::count_if(sendings_.begin() + static_cast<std::ptrdiff_t>(una_), sendings_.end(), is_missing));
}

// RFC 6675, 4, IsLost(), of the first that is outstanding: more than two segments have arrived that were sent after it.
bool WindowModel::must_recover() const {
  if (!rules_.sack || recovering_ || una_ < recover_ || una_ == sendings_.size()) return false;
  const std::uint64_t first = sendings_[una_].order;
  const auto arrived = [first](const Sending& s) { return s.arrived && first < s.order; };
  return std::count_if(sendings_.begin() + static_cast<std::ptrdiff_t>(una_), sendings_.end(), arrived) > 2;
}

void WindowModel::ack(const Ack& ack, std::optional<double> recovery_begins) {
  const double flight_before = flight();
  const double lost_before = lost();
  lost_at_first_.reset();
  const auto acked = static_cast<double>(ack.una - una_);
  std::size_t delivered = take(una_, ack.una);
  una_ = ack.una;
  for (const Block& block : ack.blocks) delivered += take(block.first, block.second);

  if (acked > 0) {
    duplicates_ = 0;
    if (recovering_) {
      leave_or_deflate(acked);
    } else {
      grow(ack, acked, flight_before);
    }
  } else if (!rules_.sack) {
    duplicate();
  }
  if (!rules_.sack) return;
  const bool safe = recovering_ && acked > 0 && lost() <= lost_before;  // SafeACK
  if (recovery_begins) {
    begin_recovery();
    lost_at_first_ = missing() - *recovery_begins;
  }
  if (recovering_) reduce_proportionally(static_cast<double>(delivered), safe);
}

void WindowModel::reordering_timer(double pipe) {
  if (!recovering_) begin_recovery();
  lost_at_first_ = missing() - pipe;
  reduce_proportionally(0, false);
}

// RFC 5681, 3.1. Not more than the window that is used: all but two segments of it or, in slow start, half of it.
void WindowModel::grow(const Ack& ack, double segments, double flight) {
  const bool slow_start = cubic_.cwnd < cubic_.ssthresh;
  const bool used = flight + 2 >= cubic_.cwnd || (slow_start && 2 * flight >= cubic_.cwnd);
  if (!used) return cubic_.pause(ack.now);
  const double limit = una_ < recover_ ? 1 : 2;  // RFC 3465, 2.3: of what a time-out sends again
  if (slow_start || rules_.cubic) return cubic_.ack(ack.now, ack.srtt, segments, limit);
  reno_acked_ += segments;
  if (reno_acked_ < cubic_.cwnd) return;
  reno_acked_ -= cubic_.cwnd;
  cubic_.cwnd += 1;
}

void WindowModel::reduce(bool time_out, double flight) {
  reno_acked_ = 0;
  if (rules_.cubic) {
    cubic_.lose(time_out);
  } else {
    cubic_.ssthresh = std::max(flight / 2, 2.0);  // RFC 5681, (4)
  }
  // A window is a number of bytes, and less than one more or less decides when an ACK makes it grow.
  cubic_.ssthresh = std::floor(cubic_.ssthresh * rules_.smss + 1e-3) / rules_.smss;
}

// An ACK of something new during recovery. With SACK RFC 6937, 3 says: "cwnd = ssthresh" at the end; without, RFC 6582,
// 3.2, step 3.
void WindowModel::leave_or_deflate(double acked) {
  if (una_ >= recover_) {
    recovering_ = false;
    cubic_.cwnd = rules_.sack ? cubic_.ssthresh : std::min(cubic_.ssthresh, std::max(flight(), 1.0) + 1);
  } else if (!rules_.sack) {
    cubic_.cwnd = std::max(cubic_.cwnd - acked + 1, 1.0);
  }
}

// RFC 5681, 3.2, and RFC 6582, 3.2, step 2: "if the cumulative acknowledgment covers more than recover".
void WindowModel::duplicate() {
  ++duplicates_;
  if (recovering_) {
    cubic_.cwnd += 1;
  } else if (duplicates_ == 3 && una_ >= recover_) {
    begin_recovery();
    cubic_.cwnd = cubic_.ssthresh + 3;
  }
}

// RFC 5681, 3.2: what limited transmit has sent beyond cwnd does not count.
void WindowModel::begin_recovery() {
  recovering_ = true;
  lost_at_first_.reset();
  ++recoveries_;
  recover_ = sendings_.size();
  reduce(false, std::min(flight(), cwnd()));
  prr_delivered_ = prr_out_ = 0;
  recover_fs_ = flight();
}

// RFC 6937, 3; the bound by RFC 9937.
void WindowModel::reduce_proportionally(double delivered, bool safe) {
  const double pipe = missing() - lost();
  prr_delivered_ += delivered;
  double sndcnt = 0;
  if (pipe > cubic_.ssthresh) {
    sndcnt = prr_delivered_ * cubic_.ssthresh / recover_fs_ - prr_out_;
  } else {
    double limit = prr_delivered_ - prr_out_;
    if (safe) limit = std::max(limit, delivered) + 1;
    sndcnt = std::min(cubic_.ssthresh - pipe, limit);
  }
  cubic_.cwnd = std::max(pipe + std::max(sndcnt, 0.0), 1.0);
}

// RFC 5681, 3.1: ssthresh only once for what is outstanding; RFC 2018, 8: what was SACKed may have been given up.
void WindowModel::time_out() {
  if (recovering_ || una_ >= recover_) reduce(true, flight());
  cubic_.cwnd = 1;
  recovering_ = false;
  duplicates_ = 0;
  recover_ = sendings_.size();
  for (std::size_t n = una_; n < sendings_.size(); ++n) sendings_[n].arrived = false;
}

}  // namespace pollux::tcp::test
