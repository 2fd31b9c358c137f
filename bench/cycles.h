#pragma once

#include <benchmark/benchmark.h>
#include <x86intrin.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace pollux::bench {

// The time-stamp counter, read when all that stands before has been done.
inline std::uint64_t cycles() {
  _mm_lfence();
  return __rdtsc();
}

// Cycles per operation of a number of batches. A batch is short enough to run without an interruption, so the smallest
// is what the code costs and the median what it costs among neighbours.
class Batches {
 public:
  explicit Batches(benchmark::State& state) : state_{state} {
    samples_.reserve(static_cast<std::size_t>(state.max_iterations));
  }
  Batches(const Batches&) = delete;
  Batches& operator=(const Batches&) = delete;

  ~Batches() {
    if (samples_.empty()) return;
    std::sort(samples_.begin(), samples_.end());
    state_.counters["cycles_min"] = samples_.front();
    state_.counters["cycles_median"] = samples_[samples_.size() / 2];
  }

  // Runs and times `batch`, which does `operations` of them.
  template <class Batch>
  void time(std::size_t operations, Batch&& batch) {
    const std::uint64_t start = cycles();
    batch();
    add(cycles() - start, operations);
  }

  void add(std::uint64_t total, std::size_t operations) {
    samples_.push_back(static_cast<double>(total) / static_cast<double>(operations));
  }

 private:
  benchmark::State& state_;
  std::vector<double> samples_;
};

}  // namespace pollux::bench
