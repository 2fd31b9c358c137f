#include "load/schedule.h"

#include <algorithm>
#include <cmath>

namespace pollux::app {
namespace {

double nanoseconds(Duration d) { return static_cast<double>(d.count()); }

}  // namespace

Schedule::Schedule(const std::vector<Stage>& stages, std::uint64_t seed, unsigned worker, unsigned workers)
    : stride_{static_cast<double>(workers)}, random_{seed} {
  for (unsigned w = 0; w < worker; ++w) random_ = random_.fork();
  Duration begin{0};
  double before = 0;
  for (const Stage& stage : stages) {
    Piece piece;
    piece.from = stage.from * 1e-9;
    piece.slope = (stage.to - stage.from) * 1e-9 / std::max(nanoseconds(stage.length), 1.0);
    piece.before = before;
    piece.count = (stage.from + stage.to) / 2 * (nanoseconds(stage.length) / 1e9);
    piece.begin = begin;
    piece.end = begin + stage.length;
    piece.arrivals = stage.arrivals;
    begin = piece.end;
    before += piece.count;
    stages_.push_back(piece);
  }
  // Half a distance after the start, so that none falls on the line between two stages.
  const bool poisson = !stages_.empty() && stages_.front().arrivals == Arrivals::kPoisson;
  at_ = poisson ? 0 : worker + 0.5 - stride_;
  advance();
}

double Schedule::step(Arrivals arrivals) {
  if (arrivals == Arrivals::kConstant) return stride_;
  return -stride_ * std::log1p(-random_.fraction());
}

void Schedule::advance() {
  next_.reset();
  if (stage_ == stages_.size()) return;
  at_ += step(stages_[stage_].arrivals);
  while (at_ >= stages_[stage_].before + stages_[stage_].count) {
    if (++stage_ == stages_.size()) return;
  }
  const Piece& piece = stages_[stage_];
  const double n = at_ - piece.before;
  // from t + slope t^2 / 2 = n, solved so that nothing cancels out where the slope is small.
  const double root = std::sqrt(std::max(piece.from * piece.from + 2 * piece.slope * n, 0.0));
  const double t = n == 0 ? 0 : 2 * n / (piece.from + root);
  next_ = std::min(piece.begin + Duration{static_cast<Duration::rep>(t)}, piece.end);
}

double Schedule::count_in(const Piece& piece, Duration by) {
  if (by >= piece.end) return piece.count;
  const double t = nanoseconds(std::max(by, piece.begin) - piece.begin);
  return piece.from * t + piece.slope * t * t / 2;
}

double Schedule::expected(Duration by) const {
  double count = 0;
  for (const Piece& piece : stages_) count += count_in(piece, by);
  return count;
}

double Schedule::rate(Duration at) const {
  for (const Piece& piece : stages_) {
    if (at < piece.end) return (piece.from + piece.slope * nanoseconds(at - piece.begin)) * 1e9;
  }
  return 0;
}

std::uint64_t Schedule::due(Duration by) const {
  if (!next_ || *next_ > by) return 0;
  return static_cast<std::uint64_t>(std::max(expected(by) - at_, 0.0) / stride_) + 1;
}

}  // namespace pollux::app
