#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace pollux::tcp::test {

// One bit for each of some numbers, counted from the first that is still to come, and nothing clever.
class Bitmap {
 public:
  static constexpr std::uint32_t kSize = 1024;

  bool at(std::uint32_t n) const { return (words_[n / 64] >> (n % 64) & 1) != 0; }
  // Sets [from, to); returns how many were not.
  std::uint32_t set(std::uint32_t from, std::uint32_t to) {
    const std::uint32_t before = count(from, to);
    each_word(from, to, [this](std::size_t w, std::uint64_t mask) { words_[w] |= mask; });
    return to - from - before;
  }
  void unset(std::uint32_t from, std::uint32_t to) {
    each_word(from, to, [this](std::size_t w, std::uint64_t mask) { words_[w] &= ~mask; });
  }
  std::uint32_t count(std::uint32_t from, std::uint32_t to) const {
    int n = 0;
    each_word(from, to, [&](std::size_t w, std::uint64_t mask) { n += std::popcount(words_[w] & mask); });
    return static_cast<std::uint32_t>(n);
  }
  std::uint32_t count() const { return count(0, kSize); }
  // How many stretches of ones there are.
  std::uint32_t stretches() const {
    int n = 0;
    std::uint64_t last = 0;
    for (const std::uint64_t word : words_) {
      n += std::popcount(word & ~(word << 1 | last));
      last = word >> 63;
    }
    return static_cast<std::uint32_t>(n);
  }
  // The first number from `from` on that is `set`, or else `end`.
  std::uint32_t find(bool set, std::uint32_t from, std::uint32_t end) const {
    while (from < end && at(from) != set) ++from;
    return from;
  }
  // The first so many are over.
  void drop(std::uint32_t n) {
    const std::size_t words = n / 64;
    const unsigned bits = n % 64;
    for (std::size_t w = 0; w < words_.size(); ++w) {
      const std::uint64_t low = w + words < words_.size() ? words_[w + words] : 0;
      const std::uint64_t high = w + words + 1 < words_.size() ? words_[w + words + 1] : 0;
      words_[w] = bits == 0 ? low : low >> bits | high << (64 - bits);
    }
  }
  void clear() { words_ = {}; }

 private:
  template <class Each>
  static void each_word(std::uint32_t from, std::uint32_t to, Each&& each) {
    for (std::uint32_t n = from; n < to; n = (n / 64 + 1) * 64) {
      const std::uint32_t last = std::min(to, (n / 64 + 1) * 64) - 1;
      each(n / 64, (~std::uint64_t{0} << n % 64) & (~std::uint64_t{0} >> (63 - last % 64)));
    }
  }

  std::array<std::uint64_t, kSize / 64> words_{};
};

}  // namespace pollux::tcp::test
