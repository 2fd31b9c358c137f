#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/random.h"
#include "time/instant.h"

namespace pollux::app {

enum class Arrivals : std::uint8_t {
  kConstant,  // equal distances
  kPoisson,   // each independent of those before: exponential distances
};

// A part of a run in which the rate goes in a straight line from one value to another.
struct Stage {
  double from = 0;  // arrivals per second
  double to = 0;
  Duration length{0};
  Arrivals arrivals = Arrivals::kConstant;
};

// When connections are to be opened: instants fixed before the run, whatever the target does meanwhile. The same stages
// and seed give the same instants.
//
// The workers share one schedule. Of equal distances worker w has every workers-th arrival from the w-th on; of a
// Poisson process each has one of its own of a workers-th of the rate, and together they are one of the whole rate.
//
// An arrival costs a square root and a division, with Poisson a logarithm besides.
class Schedule {
 public:
  Schedule() = default;
  Schedule(const std::vector<Stage>& stages, std::uint64_t seed, unsigned worker = 0, unsigned workers = 1);

  // The next arrival, since the start; nullopt: there are no more.
  std::optional<Duration> next() const { return next_; }
  void pop() {
    ++popped_;
    advance();
  }
  std::uint64_t popped() const { return popped_; }

  // How many arrivals from next() on are due by then: of equal distances exactly, of a Poisson process on average.
  std::uint64_t due(Duration by) const;
  // Arrivals of all workers up to then, on average, and how many come in a second at that time.
  double expected(Duration by) const;
  double rate(Duration at) const;
  Duration length() const { return stages_.empty() ? Duration{0} : stages_.back().end; }

 private:
  // Arrivals are points of a process of rate 1, carried through the inverse of the count that is expected by a time.
  struct Piece {
    double from = 0;    // per nanosecond
    double slope = 0;   // per nanosecond, each nanosecond
    double before = 0;  // arrivals expected before it
    double count = 0;   // ... and in it
    Duration begin{0};
    Duration end{0};
    Arrivals arrivals = Arrivals::kConstant;
  };
  static double count_in(const Piece& piece, Duration by);
  void advance();
  double step(Arrivals arrivals);

  std::vector<Piece> stages_;
  std::size_t stage_ = 0;
  double at_ = 0;  // the next arrival, as a count
  double stride_ = 1;
  std::uint64_t popped_ = 0;
  Random random_{0};
  std::optional<Duration> next_;
};

}  // namespace pollux::app
