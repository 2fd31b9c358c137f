#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/assert.h"

// One entry point for libFuzzer and for the replay of the corpus (replay.cc).
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace pollux::fuzz {

// The input read as a list of decisions. Behind its end everything is 0.
class Tape {
 public:
  Tape(const std::uint8_t* data, std::size_t size) : left_{data, size} {}

  bool over() const { return left_.empty(); }
  std::size_t size() const { return left_.size(); }
  std::uint8_t u8() {
    if (left_.empty()) return 0;
    const std::uint8_t value = left_.front();
    left_ = left_.subspan(1);
    return value;
  }
  std::uint16_t u16() {
    const std::uint16_t high = u8();
    return static_cast<std::uint16_t>(high << 8 | u8());
  }
  std::uint32_t u32() {
    const std::uint32_t high = u16();
    return high << 16 | u16();
  }
  // 0..n-1; n is at most 2^16.
  std::uint32_t below(std::uint32_t n) { return n <= 256 ? u8() % n : u16() % n; }
  bool coin() { return (u8() & 1) != 0; }
  // As many of the next bytes as there are, `n` at most.
  std::span<const std::byte> take(std::size_t n) {
    const auto taken = left_.first(std::min(n, left_.size()));
    left_ = left_.subspan(taken.size());
    return std::as_bytes(taken);
  }

 private:
  std::span<const std::uint8_t> left_;
};

// Bytes on the heap in exactly their size, so that reading past them is seen.
class Exact {
 public:
  explicit Exact(std::span<const std::byte> bytes)
      : bytes_{std::make_unique_for_overwrite<std::byte[]>(bytes.size())}, size_{bytes.size()} {
    std::copy(bytes.begin(), bytes.end(), bytes_.get());
  }
  std::span<std::byte> all() const { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  std::size_t size_;
};

// Whether `part` lies in `whole`, or is empty.
inline bool lies_in(std::span<const std::byte> part, std::span<const std::byte> whole) {
  return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

}  // namespace pollux::fuzz
