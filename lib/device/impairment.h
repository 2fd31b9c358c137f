#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "base/random.h"
#include "time/instant.h"

namespace pollux {

// What may befall frames on one direction of a wire. Chances are per frame, 0..1.
struct Impairment {
  double loss = 0;
  double duplicate = 0;
  double reorder = 0;  // held back by `reorder_delay`, so that later frames overtake
  Duration reorder_delay = 1ms;
  double mark = 0;                         // by MarkFrame, if that can be
  double corrupt = 0;                      // one byte changes; no checksum is mended
  std::uint32_t corrupt_from = 14;         // bytes before it (the Ethernet header) are left alone
  Duration delay{0};                       // one way
  Duration jitter{0};                      // up to this much more, evenly spread; alone it does not reorder
  std::uint64_t bits_per_second = 0;       // 0: without limit
  std::uint64_t queue_bytes = 256 * 1024;  // waiting for the wire at most; counts with a bit rate only
  std::uint64_t mark_above = UINT64_MAX;   // with so many waiting, what comes is marked, not dropped
};

// Marks a frame as having met congestion; false: it cannot be.
using MarkFrame = std::function<bool(std::span<std::byte> frame)>;

// The fate of one frame.
struct Fate {
  bool lost = false;
  bool duplicated = false;
  bool reordered = false;
  bool corrupted = false;
  bool marked = false;
  Duration late{0};        // jitter
  std::uint64_t pick = 0;  // where and how it is corrupted
};

struct ImpairmentCounters {
  std::uint64_t sent = 0;
  std::uint64_t delivered = 0;
  std::uint64_t lost = 0;
  std::uint64_t ruled_out = 0;   // by a drop rule
  std::uint64_t overflowed = 0;  // the queue before the wire, or the receiver's ring, was full
  std::uint64_t marked = 0;
  std::uint64_t duplicated = 0;
  std::uint64_t reordered = 0;
  std::uint64_t corrupted = 0;
  std::uint64_t delayed = 0;  // came later than they would have, those reordered too
};

// The same number of draws for every frame, whatever its fate: changing one chance
// leaves the others' victims where they were.
inline Fate draw_fate(const Impairment& impairment, Random& random) {
  Fate fate;
  fate.lost = random.chance(impairment.loss);
  fate.duplicated = random.chance(impairment.duplicate);
  fate.reordered = random.chance(impairment.reorder);
  fate.corrupted = random.chance(impairment.corrupt);
  fate.pick = random();
  fate.marked = impairment.mark > 0 && Random{fate.pick}.chance(impairment.mark);
  fate.late = Duration{static_cast<Duration::rep>(random.fraction() * static_cast<double>(impairment.jitter.count()))};
  return fate;
}

// Changes one byte. The Internet checksum always notices a change within one byte;
// of two changes it may miss a pair that cancels out.
inline void corrupt_frame(std::span<std::byte> frame, const Impairment& impairment, const Fate& fate) {
  if (frame.size() <= impairment.corrupt_from) return;
  const std::size_t at = impairment.corrupt_from + fate.pick % (frame.size() - impairment.corrupt_from);
  frame[at] ^= static_cast<std::byte>(1 + (fate.pick >> 32) % 255);
}

}  // namespace pollux
