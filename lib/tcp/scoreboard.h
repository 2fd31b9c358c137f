#pragma once

#include <boost/intrusive/avl_set.hpp>
#include <cstdint>
#include <iterator>

#include "base/assert.h"
#include "base/slab.h"
#include "wire/seq_num.h"

namespace pollux::tcp {

// Numbers [left, right) that the peer holds although something before them is missing.
struct SackedRange {
  SackedRange(SeqNum l, SeqNum r) : left{l}, right{r} {}
  SeqNum left;
  SeqNum right;
  boost::intrusive::avl_set_member_hook<boost::intrusive::optimize_size<true>> hook;
};

// The scoreboard of RFC 6675, 3: what selective acknowledgments (RFC 2018) have told of
// the numbers between SND.UNA and SND.NXT. When these were sent, and which are lost, a SendLog knows.
//
// Kept by ranges and not by segments, so that a small MSS costs nothing (CVE-2019-11479); no
// more than kMaxRanges of them: what is too much is forgotten, which SACK allows, as it only
// advises (RFC 2018, 8). Owned by one connection; the ranges live in the shard's slab.
class Scoreboard {
 public:
  static constexpr std::uint32_t kMaxRanges = 512;
  static constexpr std::uint32_t kDupThresh = 3;  // RFC 6675, 2

  // Update() for one block [left, right), which lies in (SND.UNA, SND.NXT]. Returns how many
  // of its numbers are news. 0 as well if there is no room for another range; the store's
  // last eighth is for those that hold nothing yet. O(log n) amortised.
  // Calls see(from, to) for each hole of it, in ascending order, for which there is a place in kMaxRanges at least;
  // `see` must not ask the scoreboard, which is being changed.
  template <class See>
  std::uint32_t add(Slab<SackedRange>& store, SeqNum left, SeqNum right, See&& see) {
    ASSERT(left < right);
    const auto first = touching_or_behind(left);
    if (first == ranges_.end() || right < first->left) {  // it touches none
      if (ranges() >= kMaxRanges) return 0;
      see(left, right);
      return insert(store, first, left, right);
    }
    if (first->left <= left && right <= first->right) return 0;
    const std::uint32_t before = sacked_;
    if (left < first->left) see(left, first->left);
    SeqNum known = first->right;  // up to there
    for (auto next = std::next(first); next != ranges_.end() && next->left <= right; next = forget(store, next)) {
      see(known, next->left);
      known = next->right;
    }
    if (known < right) see(known, right);
    resize(*first, min(left, first->left), max(known, right));
    return sacked_ - before;
  }

  // SND.UNA has moved to `una`. A range that it cut in two or touches is forgotten: who holds it would have
  // acknowledged it. O(log n) amortised.
  void advance(Slab<SackedRange>& store, SeqNum una);

  // Forgets everything: after a time-out the peer may have given up what it held (RFC 2018, 8).
  void clear(Slab<SackedRange>& store);

  bool empty() const { return ranges_.empty(); }
  std::uint32_t ranges() const { return static_cast<std::uint32_t>(ranges_.size()); }
  std::uint32_t sacked() const { return sacked_; }  // numbers in all ranges
  // How many numbers of [left, right) are not SACKed: O(log n + ranges in it).
  std::uint32_t holes(SeqNum left, SeqNum right) const;
  // Whether any is not. O(log n).
  bool has_hole(SeqNum left, SeqNum right) const { return skip(left) < right; }

  // Whether as much has arrived beyond a hole as three segments, by which RFC 6675, 4, IsLost() calls it lost: three
  // ranges, or more than two segments' worth. O(1).
  bool reaches_threshold(std::uint32_t smss) const;

  // The first number from `seq` on that is not SACKed.
  SeqNum skip(SeqNum seq) const;
  // Where the first range behind `seq` begins; `otherwise` if none does.
  SeqNum hole_end(SeqNum seq, SeqNum otherwise) const;
  // After the last SACKed number; there must be one.
  SeqNum highest() const { return ranges_.rbegin()->right; }

  // Ranges are sorted, with holes between them and before the first, all within (una, nxt]; sums are right.
  bool invariants_hold(SeqNum una, SeqNum nxt) const;

 private:
  // All numbers lie within 2^30 of each other, where SeqNum's order is one.
  struct ByLeft {
    bool operator()(const SackedRange& a, const SackedRange& b) const { return a.left < b.left; }
    bool operator()(SeqNum a, const SackedRange& b) const { return a < b.left; }
    bool operator()(const SackedRange& a, SeqNum b) const { return a.left < b; }
  };
  // As there are holes between them, the order of their ends is the same.
  struct ByRight {
    bool operator()(SeqNum a, const SackedRange& b) const { return a < b.right; }
    bool operator()(const SackedRange& a, SeqNum b) const { return a.right < b; }
  };
  using Ranges = boost::intrusive::avl_set<
      SackedRange, boost::intrusive::compare<ByLeft>,
      boost::intrusive::member_hook<SackedRange, decltype(SackedRange::hook), &SackedRange::hook>>;

  // For a range that touches none.
  bool has_room(const Slab<SackedRange>& store) const;
  // The range that holds `seq` or ends there or, if none does, the first behind it.
  Ranges::iterator touching_or_behind(SeqNum seq);
  // Returns how many numbers are news.
  std::uint32_t insert(Slab<SackedRange>& store, Ranges::iterator before, SeqNum left, SeqNum right);
  void resize(SackedRange& range, SeqNum left, SeqNum right);
  // The range that holds `seq` or, if none does, the first behind it.
  Ranges::const_iterator at_or_behind(SeqNum seq) const;
  Ranges::iterator forget(Slab<SackedRange>& store, Ranges::iterator range);

  Ranges ranges_;
  std::uint32_t sacked_ = 0;
};

}  // namespace pollux::tcp
