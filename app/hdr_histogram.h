#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "time/instant.h"

namespace pollux::app {

// Counts durations in buckets whose width grows with their value, so that any of
// them is kept to three significant digits. Recording takes constant time and
// touches one counter. Histograms of several cores add up.
class HdrHistogram {
 public:
  // Values below 2^kExactBits have a bucket each; every power of two above has kHalf of them. These are the buckets of
  // an HdrHistogram of three digits from 1 to kLargest.
  static constexpr unsigned kExactBits = 11;
  static constexpr std::uint64_t kHalf = std::uint64_t{1} << (kExactBits - 1);
  static constexpr std::uint64_t kLargest = (std::uint64_t{1} << 42) - 1;
  static constexpr std::size_t kBuckets = (42 - kExactBits + 2) * kHalf;

  HdrHistogram() : counts_(kBuckets) {}

  // One whose buckets hold so many values each, which count as the largest of their bucket; at most kBuckets of them.
  static HdrHistogram of_counts(std::span<const std::uint64_t> counts) {
    HdrHistogram h;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      if (counts[i] == 0) continue;
      h.counts_[i] = counts[i];
      h.count_ += counts[i];
      h.sum_ += static_cast<double>(counts[i]) * static_cast<double>(last_of(i));
      h.min_ = std::min(h.min_, last_of(i));
      h.max_ = last_of(i);
    }
    return h;
  }

  // Negative durations count as 0; those beyond 73 minutes lie in the last bucket.
  void record(Duration d) {
    const auto value = static_cast<std::uint64_t>(std::max<Duration::rep>(d.count(), 0));
    ++counts_[bucket_of(std::min(value, kLargest))];
    ++count_;
    sum_ += static_cast<double>(value);
    min_ = std::min(min_, value);
    max_ = std::max(max_, value);
  }

  void merge(const HdrHistogram& other) {
    for (std::size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
    count_ += other.count_;
    sum_ += other.sum_;
    min_ = std::min(min_, other.min_);
    max_ = std::max(max_, other.max_);
  }

  void clear() { *this = HdrHistogram{}; }

  std::uint64_t count() const { return count_; }
  std::span<const std::uint64_t> counts() const { return counts_; }  // of each bucket
  Duration min() const { return duration(count_ == 0 ? 0 : min_); }
  Duration max() const { return duration(max_); }
  Duration mean() const {
    return duration(count_ == 0 ? 0 : static_cast<std::uint64_t>(sum_ / static_cast<double>(count_)));
  }

  // The least value such that at least this share of all is no greater (0 < share <= 1),
  // rounded up to the end of its bucket. 0 when nothing was recorded.
  Duration quantile(double share) const {
    if (count_ == 0) return Duration{0};
    const auto wanted =
        std::max<std::uint64_t>(static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_))), 1);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < kBuckets; ++i) {
      seen += counts_[i];
      if (seen >= wanted) return duration(std::clamp(last_of(i), min_, max_));
    }
    return max();
  }

 private:
  static constexpr std::size_t bucket_of(std::uint64_t value) {
    if (value < 2 * kHalf) return value;
    const auto shift = static_cast<unsigned>(std::bit_width(value)) - kExactBits;
    return shift * kHalf + (value >> shift);
  }
  static constexpr std::uint64_t last_of(std::size_t bucket) {
    if (bucket < 2 * kHalf) return bucket;
    const std::size_t shift = bucket / kHalf - 1;
    return ((bucket % kHalf + kHalf + 1) << shift) - 1;
  }
  static Duration duration(std::uint64_t ns) { return Duration{static_cast<Duration::rep>(ns)}; }

  std::vector<std::uint64_t> counts_;
  std::uint64_t count_ = 0;
  double sum_ = 0;
  std::uint64_t min_ = UINT64_MAX;
  std::uint64_t max_ = 0;
};

}  // namespace pollux::app
