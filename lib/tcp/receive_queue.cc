#include "tcp/receive_queue.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "base/assert.h"
#include "base/mutant.h"

namespace pollux::tcp {

namespace {

std::uint32_t size_of(std::span<const std::byte> text) { return static_cast<std::uint32_t>(text.size()); }

SeqNum end_of(const HeldText& piece) { return piece.seq + size_of(piece.text); }

// Whether there is room for `text` in the buffer behind the text of `piece`. What stands
// there was trimmed away or was never text.
bool fits_behind(const HeldText& piece, std::span<const std::byte> text) {
  const std::span<std::byte> buffer = piece.packet.buffer();
  const auto room = (buffer.data() + buffer.size()) - (piece.text.data() + piece.text.size());
  return std::cmp_less_equal(text.size(), room);
}

void copy_behind(HeldText& piece, std::span<const std::byte> text) {
  std::memcpy(piece.text.data() + piece.text.size(), text.data(), text.size());
  piece.text = {piece.text.data(), piece.text.size() + text.size()};
}

void trim_front(HeldText& piece, std::uint32_t n) {
  piece.seq += n;
  piece.text = piece.text.subspan(n);
}

}  // namespace

bool ReceiveQueue::append(Slab<HeldText>& store, SeqNum seq, std::span<std::byte> text, Packet&& packet) {
  if (text.empty()) return true;
  ASSERT(tail_ == kNone || end_of(store[tail_]) == seq);
  keep_held_bytes(store, seq, text);
  if (tail_ != kNone && worth_copying(text) && fits_behind(store[tail_], text)) {
    copy_behind(store[tail_], text);
    packet.reset();
  } else {
    if (store.crowded()) {
      if (!out_of_order_.empty()) {
        drop_last_range(store);
      } else if (readable_ > 0) {
        return false;
      }
    }
    const std::uint32_t index = store.alloc(seq, text, std::move(packet));
    if (index == kNone) return false;
    true_size_ += store[index].packet.true_size();
    queue(store, index, index);
  }
  readable_ += size_of(text);
  return true;
}

std::span<const std::byte> ReceiveQueue::front(const Slab<HeldText>& store) const {
  if (head_ == kNone) return {};
  return store[head_].text;
}

void ReceiveQueue::consume(Slab<HeldText>& store, std::uint32_t n) {
  ASSERT(n <= readable_);
  readable_ -= n;
  while (n > 0) {
    HeldText& piece = store[head_];
    const std::uint32_t size = size_of(piece.text);
    if (n < size) return trim_front(piece, n);
    n -= size;
    const std::uint32_t next = piece.next;
    free_piece(store, head_);
    head_ = next;
  }
  if (head_ == kNone) tail_ = kNone;
}

ReceiveQueue::Held ReceiveQueue::hold(Slab<HeldText>& store, SeqNum seq, std::span<std::byte> text, Packet&& packet,
                                      std::uint32_t max_ranges, std::uint32_t max_true_size) {
  const Place place = trim_and_place(store, seq, text);
  if (text.empty()) return Held::kDuplicate;

  const bool touches_before = place.before != out_of_order_.end();
  const bool replaces = place.first != place.behind;
  const bool copied = touches_before && text.size() < kSmall && fits_behind(store[place.before->last], text);
  if (!touches_before && !place.touches_behind && !replaces && MUTANT(59, ranges() >= max_ranges, false))
    return Held::kNoRoom;
  if (!copied) {
    const std::uint64_t size = std::uint64_t{true_size_} - place.dropped_size + packet.true_size();
    if (size > std::max(max_true_size, true_size_) || (store.crowded() && !replaces)) return Held::kNoRoom;
  }

  keep_held_bytes(store, seq, text);
  for (auto range = place.first; range != place.behind;) {
    const std::uint32_t index = store.index_of(*range);
    range = out_of_order_.erase(range);
    drop_pieces(store, index);
  }
  if (copied) {
    copy_behind(store[place.before->last], text);
    place.before->end += size_of(text);
    packet.reset();
    if (place.touches_behind) absorb(store, *place.before, place.behind);
  } else {
    const std::uint32_t index = store.alloc(seq, text, std::move(packet));
    true_size_ += store[index].packet.true_size();
    link(store, place, index);
  }
  return Held::kNew;
}

// Cuts off what the range before and the range behind hold already. What is left of
// `text` begins with a byte that is new, unless nothing is left.
ReceiveQueue::Place ReceiveQueue::trim_and_place(const Slab<HeldText>& store, SeqNum& seq, std::span<std::byte>& text) {
  const auto none = out_of_order_.end();
  const auto after = out_of_order_.upper_bound(seq, BySeq{});
  Place place{.before = none, .first = after, .behind = after, .touches_behind = false, .dropped_size = 0};
  if (after != out_of_order_.begin() && std::prev(after)->end >= seq) {
    place.before = std::prev(after);
    const std::uint32_t held = std::min(distance(seq, place.before->end), size_of(text));
    seq += held;
    text = text.subspan(held);
    if (text.empty()) return place;
  }
  const SeqNum end = seq + size_of(text);
  for (; place.behind != none && place.behind->end <= end; ++place.behind) {
    for (std::uint32_t i = store.index_of(*place.behind); i != kNone; i = store[i].next) {
      place.dropped_size += store[i].packet.true_size();
    }
  }
  if (place.behind != none && place.behind->seq <= end) {
    place.touches_behind = true;
    text = text.first(distance(seq, place.behind->seq));
  }
  return place;
}

// The first accepted byte wins: writes into `text` the out-of-order bytes that are held
// of it. No range begins before `seq` and ends after it.
void ReceiveQueue::keep_held_bytes(const Slab<HeldText>& store, SeqNum seq, std::span<std::byte> text) const {
  if (out_of_order_.empty()) return;
  const SeqNum end = seq + size_of(text);
  for (auto range = out_of_order_.lower_bound(seq, BySeq{}); range != out_of_order_.end() && range->seq < end;
       ++range) {
    for (std::uint32_t i = store.index_of(*range); i != kNone && store[i].seq < end; i = store[i].next) {
      const HeldText& piece = store[i];
      const std::uint32_t at = distance(seq, piece.seq);
      std::memcpy(text.data() + at, piece.text.data(), std::min(piece.text.size(), text.size() - at));
    }
  }
}

// Makes a new piece part of the range it touches, or a range of its own.
void ReceiveQueue::link(Slab<HeldText>& store, const Place& place, std::uint32_t index) {
  HeldText& piece = store[index];
  auto range = place.before;
  if (range == out_of_order_.end()) {
    range = out_of_order_.insert_before(place.behind, piece);
  } else {
    store[range->last].next = index;
  }
  range->last = index;
  range->end = end_of(piece);
  if (place.touches_behind) absorb(store, *range, place.behind);
}

// `range` has grown up to `behind`: the two become one.
void ReceiveQueue::absorb(Slab<HeldText>& store, HeldText& range, const Ranges::iterator& behind) {
  store[range.last].next = store.index_of(*behind);
  range.last = behind->last;
  range.end = behind->end;
  out_of_order_.erase(behind);
}

SeqNum ReceiveQueue::join(Slab<HeldText>& store, SeqNum rcv_nxt) {
  while (!out_of_order_.empty() && out_of_order_.begin()->seq <= rcv_nxt) {
    const HeldText& range = *out_of_order_.begin();
    std::uint32_t first = store.index_of(range);
    const std::uint32_t last = range.last;
    const SeqNum end = range.end;
    out_of_order_.erase(out_of_order_.begin());
    while (first != kNone && end_of(store[first]) <= rcv_nxt) first = free_piece(store, first);
    if (first == kNone) continue;

    trim_front(store[first], distance(store[first].seq, rcv_nxt));
    readable_ += distance(rcv_nxt, end);
    rcv_nxt = end;
    while (first != kNone && tail_ != kNone && worth_copying(store[first].text) &&
           fits_behind(store[tail_], store[first].text)) {
      copy_behind(store[tail_], store[first].text);
      first = free_piece(store, first);
    }
    if (first != kNone) queue(store, first, last);
  }
  return rcv_nxt;
}

void ReceiveQueue::drop_last_range(Slab<HeldText>& store) {
  const auto range = std::prev(out_of_order_.end());
  const std::uint32_t index = store.index_of(*range);
  out_of_order_.erase(range);
  drop_pieces(store, index);
}

std::optional<std::pair<SeqNum, SeqNum>> ReceiveQueue::range_around(SeqNum seq) const {
  const auto after = out_of_order_.upper_bound(seq, BySeq{});
  if (after == out_of_order_.begin()) return std::nullopt;
  const HeldText& range = *std::prev(after);
  if (range.end <= seq) return std::nullopt;
  return std::pair{range.seq, range.end};
}

std::optional<std::pair<SeqNum, SeqNum>> ReceiveQueue::overlap(SeqNum left, SeqNum right) const {
  auto range = out_of_order_.upper_bound(left, BySeq{});
  if (range != out_of_order_.begin() && left < std::prev(range)->end) --range;
  if (range == out_of_order_.end() || right <= range->seq) return std::nullopt;
  return std::pair{max(left, range->seq), min(right, range->end)};
}

void ReceiveQueue::clear(Slab<HeldText>& store) {
  while (!out_of_order_.empty()) drop_last_range(store);
  drop_pieces(store, head_);
  head_ = tail_ = kNone;
  readable_ = 0;
  fin_seq.reset();
  ASSERT(true_size_ == 0);
}

// Hangs a list of pieces behind the in-order queue.
void ReceiveQueue::queue(Slab<HeldText>& store, std::uint32_t first, std::uint32_t last) {
  (tail_ == kNone ? head_ : store[tail_].next) = first;
  tail_ = last;
}

// Returns what followed it.
std::uint32_t ReceiveQueue::free_piece(Slab<HeldText>& store, std::uint32_t index) {
  const std::uint32_t next = store[index].next;
  true_size_ -= store[index].packet.true_size();
  store.free(index);
  return next;
}

// The piece and all that follow it.
void ReceiveQueue::drop_pieces(Slab<HeldText>& store, std::uint32_t index) {
  while (index != kNone) index = free_piece(store, index);
}

bool ReceiveQueue::invariants_hold(const Slab<HeldText>& store, SeqNum rcv_nxt) const {
  Tally all;
  if (head_ != kNone) {
    // The FIN, once taken, stands between the text and RCV.NXT.
    const SeqNum end = rcv_nxt - (distance(store[head_].seq + readable_, rcv_nxt) == 1 ? 1 : 0);
    if (!list_holds(store, head_, tail_, end, all)) return false;
  }
  if (all.text != readable_ || (head_ == kNone) != (tail_ == kNone)) return false;
  SeqNum left = rcv_nxt;
  for (const HeldText& range : out_of_order_) {
    if (range.seq <= left || !list_holds(store, store.index_of(range), range.last, range.end, all)) return false;
    left = range.end;
  }
  return all.true_size == true_size_;
}

// Whether the pieces from `first` on follow each other, end at `end` with piece `last`,
// and lie within their packets.
bool ReceiveQueue::list_holds(const Slab<HeldText>& store, std::uint32_t first, std::uint32_t last, SeqNum end,
                              Tally& all) {
  SeqNum at = store[first].seq;
  std::uint32_t final = kNone;
  for (std::uint32_t i = first; i != kNone; i = store[i].next) {
    const HeldText& piece = store[i];
    const std::span<std::byte> buffer = piece.packet.buffer();
    if (piece.seq != at || piece.text.empty()) return false;
    if (piece.text.data() < buffer.data() || piece.text.data() + piece.text.size() > buffer.data() + buffer.size()) {
      return false;
    }
    at += size_of(piece.text);
    all.text += size_of(piece.text);
    all.true_size += piece.packet.true_size();
    final = i;
  }
  return at == end && final == last;
}

}  // namespace pollux::tcp
