#include "tcp/scoreboard.h"

#include <algorithm>
#include <iterator>

#include "base/assert.h"

namespace pollux::tcp {
namespace {

std::uint32_t size_of(const SackedRange& range) { return distance(range.left, range.right); }

// How many of the numbers [left, right) come before `seq`.
std::uint32_t count_before(SeqNum left, SeqNum right, SeqNum seq) {
  return left < seq ? distance(left, min(right, seq)) : 0;
}
std::uint32_t count_before(const SackedRange& range, SeqNum seq) { return count_before(range.left, range.right, seq); }

}  // namespace

std::uint32_t Scoreboard::add(Slab<SackedRange>& store, SeqNum left, SeqNum right) {
  ASSERT(left < right);
  auto first = ranges_.upper_bound(left, ByLeft{});
  if (first != ranges_.begin() && std::prev(first)->right >= left) --first;
  if (first == ranges_.end() || right < first->left) {  // it touches none
    if (ranges() >= kMaxRanges || (store.crowded() && !empty())) return 0;
    const std::uint32_t index = store.alloc(left, right);
    if (index == Slab<SackedRange>::kNone) return 0;
    ranges_.insert_before(first, store[index]);
    sacked_ += distance(left, right);
    passed_ += count_before(left, right, rtx_next_);
    return distance(left, right);
  }
  const std::uint32_t before = sacked_;
  sacked_ -= size_of(*first);
  passed_ -= count_before(*first, rtx_next_);
  first->left = min(first->left, left);
  first->right = max(first->right, right);
  for (auto next = std::next(first); next != ranges_.end() && next->left <= first->right;) {
    first->right = max(first->right, next->right);
    next = forget(store, next);
  }
  sacked_ += size_of(*first);
  passed_ += count_before(*first, rtx_next_);
  return sacked_ - before;
}

void Scoreboard::forget_before(Slab<SackedRange>& store, SeqNum una) {
  while (!ranges_.empty() && ranges_.begin()->left <= una) forget(store, ranges_.begin());
}

void Scoreboard::clear(Slab<SackedRange>& store) {
  while (!ranges_.empty()) forget(store, ranges_.begin());
}

Scoreboard::Ranges::iterator Scoreboard::forget(Slab<SackedRange>& store, Ranges::iterator range) {
  sacked_ -= size_of(*range);
  passed_ -= count_before(*range, rtx_next_);
  const std::uint32_t index = store.index_of(*range);
  const auto next = ranges_.erase(range);
  store.free(index);
  return next;
}

std::uint32_t Scoreboard::sacked_from(SeqNum seq) const {
  std::uint32_t sum = 0;
  for (auto range = ranges_.rbegin(); range != ranges_.rend() && seq < range->right; ++range) {
    sum += distance(max(range->left, seq), range->right);
  }
  return sum;
}

SeqNum Scoreboard::lost_edge(SeqNum una, std::uint32_t smss) const {
  std::uint32_t count = 0;
  std::uint32_t bytes = 0;
  for (auto range = ranges_.rbegin(); range != ranges_.rend(); ++range) {
    ++count;
    bytes += size_of(*range);
    if (count >= kDupThresh || bytes > (kDupThresh - 1) * smss) return range->left;
  }
  return una;
}

Scoreboard::Ranges::const_iterator Scoreboard::at_or_behind(SeqNum seq) const {
  const auto behind = ranges_.upper_bound(seq, ByLeft{});
  if (behind != ranges_.begin() && seq < std::prev(behind)->right) return std::prev(behind);
  return behind;
}

SeqNum Scoreboard::skip(SeqNum seq) const {
  const auto range = at_or_behind(seq);
  return range != ranges_.end() && range->left <= seq ? range->right : seq;
}

SeqNum Scoreboard::hole_end(SeqNum seq, SeqNum otherwise) const {
  const auto range = ranges_.upper_bound(seq, ByLeft{});
  return range != ranges_.end() ? range->left : otherwise;
}

std::pair<SeqNum, SeqNum> Scoreboard::last_hole(SeqNum una, SeqNum nxt) const {
  if (empty()) return {una, nxt};
  if (highest() != nxt) return {highest(), nxt};
  const auto below = std::next(ranges_.rbegin());
  return {below == ranges_.rend() ? una : below->right, ranges_.rbegin()->left};
}

void Scoreboard::sent_again_to(SeqNum seq) {
  ASSERT(rtx_next_ <= seq);
  for (auto range = at_or_behind(rtx_next_); range != ranges_.end() && range->left < seq; ++range) {
    passed_ += count_before(*range, seq) - count_before(*range, rtx_next_);
  }
  rtx_next_ = seq;
}

void Scoreboard::begin_again(SeqNum una) {
  rtx_next_ = una;
  passed_ = 0;  // no range reaches down to SND.UNA
}

bool Scoreboard::invariants_hold(SeqNum una, SeqNum nxt) const {
  std::uint32_t sacked = 0;
  std::uint32_t passed = 0;
  SeqNum left = una;
  for (const SackedRange& range : ranges_) {
    if (range.left <= left || range.right <= range.left) return false;
    left = range.right;
    sacked += size_of(range);
    passed += count_before(range, rtx_next_);
  }
  if (!(left <= nxt) || ranges() > kMaxRanges) return false;
  return sacked == sacked_ && passed == passed_ && una <= rtx_next_ && rtx_next_ <= nxt;
}

}  // namespace pollux::tcp
