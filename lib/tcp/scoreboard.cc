#include "tcp/scoreboard.h"

#include <algorithm>

namespace pollux::tcp {
namespace {

std::uint32_t size_of(const SackedRange& range) { return distance(range.left, range.right); }

}  // namespace

Scoreboard::Ranges::iterator Scoreboard::touching_or_behind(SeqNum seq) { return ranges_.lower_bound(seq, ByRight{}); }

// NOLINTNEXTLINE(performance-unnecessary-value-param): an iterator, which is a pointer
std::uint32_t Scoreboard::insert(Slab<SackedRange>& store, Ranges::iterator before, SeqNum left, SeqNum right) {
  if (!has_room(store)) return 0;
  const std::uint32_t index = store.alloc(left, right);
  if (index == Slab<SackedRange>::kNone) return 0;
  ranges_.insert_before(before, store[index]);
  sacked_ += distance(left, right);
  return distance(left, right);
}

void Scoreboard::resize(SackedRange& range, SeqNum left, SeqNum right) {
  sacked_ -= size_of(range);
  range.left = left;
  range.right = right;
  sacked_ += size_of(range);
}

bool Scoreboard::has_room(const Slab<SackedRange>& store) const {
  return ranges() < kMaxRanges && (empty() || !store.crowded());
}

void Scoreboard::advance(Slab<SackedRange>& store, SeqNum una) {
  while (!ranges_.empty() && ranges_.begin()->left <= una) forget(store, ranges_.begin());
}

void Scoreboard::clear(Slab<SackedRange>& store) {
  while (!ranges_.empty()) forget(store, ranges_.begin());
}

// NOLINTNEXTLINE(performance-unnecessary-value-param): an iterator, which is a pointer
Scoreboard::Ranges::iterator Scoreboard::forget(Slab<SackedRange>& store, Ranges::iterator range) {
  sacked_ -= size_of(*range);
  const std::uint32_t index = store.index_of(*range);
  const auto next = ranges_.erase(range);
  store.free(index);
  return next;
}

std::uint32_t Scoreboard::holes(SeqNum left, SeqNum right) const {
  std::uint32_t count = distance(left, right);
  for (auto range = at_or_behind(left); range != ranges_.end() && range->left < right; ++range) {
    count -= distance(max(range->left, left), min(range->right, right));
  }
  return count;
}

bool Scoreboard::reaches_threshold(std::uint32_t smss) const {
  std::uint32_t count = 0;
  std::uint32_t bytes = 0;
  for (auto range = ranges_.rbegin(); range != ranges_.rend(); ++range) {
    ++count;
    bytes += size_of(*range);
    if (count >= kDupThresh || bytes > (kDupThresh - 1) * smss) return true;
  }
  return false;
}

Scoreboard::Ranges::const_iterator Scoreboard::at_or_behind(SeqNum seq) const {
  return ranges_.upper_bound(seq, ByRight{});
}

SeqNum Scoreboard::skip(SeqNum seq) const {
  const auto range = at_or_behind(seq);
  return range != ranges_.end() && range->left <= seq ? range->right : seq;
}

SeqNum Scoreboard::hole_end(SeqNum seq, SeqNum otherwise) const {
  const auto range = ranges_.upper_bound(seq, ByLeft{});
  return range != ranges_.end() ? range->left : otherwise;
}

bool Scoreboard::invariants_hold(SeqNum una, SeqNum nxt) const {
  std::uint32_t sacked = 0;
  SeqNum left = una;
  for (const SackedRange& range : ranges_) {
    if (range.left <= left || range.right <= range.left) return false;
    left = range.right;
    sacked += size_of(range);
  }
  if (!(left <= nxt) || ranges() > kMaxRanges) return false;
  return sacked == sacked_;
}

}  // namespace pollux::tcp
