#pragma once

#include <boost/intrusive/avl_set.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "base/packet.h"
#include "base/slab.h"
#include "tcp/sack_report.h"
#include "wire/seq_num.h"

namespace pollux::tcp {

// Text that has arrived and the application has not taken: first what is in order
// and unread, then what lies beyond a hole (SHLD-31). It stays in the packets it came
// in; what is charged is the memory those packets pin, not the text in them.

// One piece of held text and the packet that it lies in.
//
// Pieces that follow each other without a hole form a range: a list through `next`.
// Of a range only the first piece stands in the out-of-order set, and only there
// `last` and `end` mean something.
struct HeldText {
  HeldText(SeqNum s, std::span<std::byte> t, Packet&& p) : seq{s}, text{t}, packet{std::move(p)} {}
  SeqNum seq;
  std::span<std::byte> text;
  Packet packet;
  std::uint32_t next = UINT32_MAX;
  std::uint32_t last = UINT32_MAX;
  SeqNum end;
  boost::intrusive::avl_set_member_hook<boost::intrusive::optimize_size<true>> hook;
};

class ReceiveQueue {
 public:
  enum class Held : std::uint8_t { kNew, kDuplicate, kNoRoom };

  // Texts below this size, in bytes, are copied behind their predecessor when its buffer has room;
  // larger ones only where most of what the packets take is not text (small segments in large buffers).
  static constexpr std::size_t kSmall = 256;

  // In order. The text follows all that is queued, so that RCV.NXT is `seq` + its size
  // afterwards; join() must follow when ranges() is not 0. A small text is copied behind
  // the last one when that packet has room, so that a stream of tiny segments does not
  // pin a buffer each. Bytes that are already held out of order win over those of `text`.
  // If the store is crowded (Slab::crowded), the range farthest away is given up for it (RFC 2018, 8,
  // allows that): what is out of order must never keep out what fills the hole.
  // False: nothing to give up either, but unread text to wait for; nothing was done.
  bool append(Slab<HeldText>& store, SeqNum seq, std::span<std::byte> text, Packet&& packet);

  // The first unread bytes that lie together; empty if there are none.
  std::span<const std::byte> front(const Slab<HeldText>& store) const;
  // Takes the first `n` unread bytes away; n <= readable(). Spans from front() into
  // what remains stay good.
  void consume(Slab<HeldText>& store, std::uint32_t n);
  std::uint32_t readable() const { return readable_; }  // unread bytes in order

  // Out of order: text wholly after RCV.NXT. Bytes that are already held stay as they
  // are (the first to arrive wins); kDuplicate if that is all of them. kNoRoom, and
  // nothing done, if there would be more than `max_ranges` ranges, true_size() would
  // grow beyond `max_true_size`, or the store is crowded. O(log n) amortised: a look at every
  // piece of a range is paid for by dropping it.
  Held hold(Slab<HeldText>& store, SeqNum seq, std::span<std::byte> text, Packet&& packet, std::uint32_t max_ranges,
            std::uint32_t max_true_size);

  // Moves what now follows `rcv_nxt` without a hole to the in-order queue, dropping what
  // lies before it; returns the new RCV.NXT.
  SeqNum join(Slab<HeldText>& store, SeqNum rcv_nxt);

  // Gives up the range farthest from RCV.NXT, for want of memory; there must be one.
  void drop_last_range(Slab<HeldText>& store);

  // Stretches of out-of-order text with a hole before each: what SACK blocks tell of.
  std::uint32_t ranges() const { return static_cast<std::uint32_t>(out_of_order_.size()); }
  // The range [left, right) that holds `seq`. O(log n).
  std::optional<std::pair<SeqNum, SeqNum>> range_around(SeqNum seq) const;
  // The first part of [left, right) that is held out of order. O(log n).
  std::optional<std::pair<SeqNum, SeqNum>> overlap(SeqNum left, SeqNum right) const;

  // What the peer, if it knows SACK, is still to be told.
  SackReport sack;

  // Where the peer's FIN stands, if it came before the text in front of it.
  std::optional<SeqNum> fin_seq;

  // Memory pinned by all held packets, in order and out of order, bytes.
  std::uint32_t true_size() const { return true_size_; }
  bool empty() const { return readable_ == 0 && out_of_order_.empty() && !fin_seq && !sack.duplicate_unsaid(); }

  // Gives everything back.
  void clear(Slab<HeldText>& store);

  // Ranges are sorted, disjoint, with holes between them, and all after `rcv_nxt`; sizes
  // add up. To be asked after join().
  bool invariants_hold(const Slab<HeldText>& store, SeqNum rcv_nxt) const;

 private:
  static constexpr std::uint32_t kNone = Slab<HeldText>::kNone;

  // All held numbers lie within 2^30 of each other, where SeqNum's order is one.
  struct BySeq {
    bool operator()(const HeldText& a, const HeldText& b) const { return a.seq < b.seq; }
    bool operator()(SeqNum a, const HeldText& b) const { return a < b.seq; }
    bool operator()(const HeldText& a, SeqNum b) const { return a.seq < b; }
  };
  using Ranges =
      boost::intrusive::avl_set<HeldText, boost::intrusive::compare<BySeq>,
                                boost::intrusive::member_hook<HeldText, decltype(HeldText::hook), &HeldText::hook>>;

  // Where a segment that is to be held falls among the ranges.
  struct Place {
    Ranges::iterator before;  // ends where the new text begins; end() if none does
    Ranges::iterator first;   // the ranges [first, behind) lie wholly in the new text
    Ranges::iterator behind;
    bool touches_behind;         // `behind` begins where the new text ends
    std::uint32_t dropped_size;  // true size of [first, behind)
  };

  // What a walk over pieces has seen, bytes.
  struct Tally {
    std::uint32_t text = 0;
    std::uint32_t true_size = 0;
  };

  bool worth_copying(std::span<const std::byte> text) const {
    return text.size() < kSmall || true_size_ / 2 > readable_;
  }
  Place trim_and_place(const Slab<HeldText>& store, SeqNum& seq, std::span<std::byte>& text);
  void keep_held_bytes(const Slab<HeldText>& store, SeqNum seq, std::span<std::byte> text) const;
  void link(Slab<HeldText>& store, const Place& place, std::uint32_t index);
  void absorb(Slab<HeldText>& store, HeldText& range, const Ranges::iterator& behind);
  void queue(Slab<HeldText>& store, std::uint32_t first, std::uint32_t last);
  std::uint32_t free_piece(Slab<HeldText>& store, std::uint32_t index);
  void drop_pieces(Slab<HeldText>& store, std::uint32_t index);
  static bool list_holds(const Slab<HeldText>& store, std::uint32_t first, std::uint32_t last, SeqNum end, Tally& all);

  std::uint32_t head_ = kNone;
  std::uint32_t tail_ = kNone;
  std::uint32_t readable_ = 0;
  std::uint32_t true_size_ = 0;
  Ranges out_of_order_;
};

}  // namespace pollux::tcp
