#include "tcp/send_log.h"

#include "base/assert.h"

namespace pollux::tcp {
namespace {

constexpr int kGrains = 16;  // in a round trip

bool alike(const SendLog::Run& a, const SendLog::Run& b) { return a.again == b.again && a.lost == b.lost; }

}  // namespace

void SendLog::begin_run(SeqNum seq, SeqNum una, Instant now, Duration rtt, const Scoreboard& board) {
  grain_end_ = now + rtt / kGrains;
  again_grain_end_ = Instant::min();
  trim(una);
  if (count_ > 0 && runs_[count_ - 1].left == seq) --count_;  // all of it is acknowledged
  if (count_ > 0) {
    const Run& last = runs_[count_ - 1];
    if (last.at == now && !last.again && !last.lost) return;
  }
  runs_[count_++] = {.left = seq, .again = false, .lost = false, .joined = false, .at = now};
  fit(seq, board);
}

void SendLog::sent_again(SeqNum left, SeqNum right, SeqNum una, SeqNum nxt, Instant now, Duration rtt,
                         const Scoreboard& board) {
  ASSERT(una <= left && left < right && right <= nxt);
  trim(una);
  std::size_t first = split(left, nxt);
  const std::size_t end = split(right, nxt);
  lost_ -= lost_in(left, right, nxt, board);
  runs_[first] = {.left = left, .again = true, .lost = false, .joined = false, .at = now};
  erase(first + 1, end);
  // What lies before it in the same run is SACKed, and what was lost there has been sent again.
  if (first > 0 && runs_[first - 1].lost && !board.has_hole(runs_[first - 1].left, left)) {
    runs_[first].left = runs_[first - 1].left;
    erase(first - 1, first);
    --first;
  }
  const bool at_once = first > 0 && (runs_[first - 1].at == now ||
                                     (now < again_grain_end_ && now < runs_[first - 1].at + rtt / kGrains));
  if (at_once && alike(runs_[first - 1], runs_[first])) {
    erase(first, first + 1);
  } else {
    again_grain_end_ = now + rtt / kGrains;
  }
  grain_end_ = Instant::min();
  fit(nxt, board);
}

Duration SendLog::lose_sent_before(const Sent& latest, Instant limit, SeqNum una, SeqNum nxt, const Scoreboard& board) {
  trim(una);
  Duration wait{};
  for (std::size_t i = 0; i < count_; ++i) {
    const Run& run = runs_[i];
    if (run.lost || latest.at < run.at) continue;
    const SeqNum end = run.at == latest.at ? min(end_of(i, nxt), latest.end_seq) : end_of(i, nxt);
    if (!(run.left < end) || !board.has_hole(run.left, end)) continue;
    if (limit < run.at) {
      wait = std::max<Duration>(wait, run.at - limit);
      continue;
    }
    split(end, nxt);  // no more than one run has latest.end_seq in it
    lose_run(i, nxt, board);
    if (i > 0 && alike(runs_[i - 1], runs_[i]) && runs_[i - 1].at == runs_[i].at) {
      erase(i, i + 1);
      --i;
    }
  }
  fit(nxt, board);
  return wait;
}

void SendLog::lose_sent_by(Instant limit, SeqNum una, SeqNum nxt, const Scoreboard& board) {
  trim(una);
  for (std::size_t i = 0; i < count_; ++i) {
    if (!runs_[i].lost && runs_[i].at <= limit) lose_run(i, nxt, board);
  }
}

void SendLog::lose(SeqNum left, SeqNum right, SeqNum una, SeqNum nxt, const Scoreboard& board) {
  ASSERT(una <= left && left < right && right <= nxt);
  trim(una);
  const std::size_t first = split(left, nxt);
  const std::size_t end = split(right, nxt);
  for (std::size_t i = first; i < end; ++i) {
    if (!runs_[i].lost) lose_run(i, nxt, board);
  }
  fit(nxt, board);
}

void SendLog::lose_nothing() {
  for (std::size_t i = 0; i < count_; ++i) runs_[i].lost = false;
  lost_ = 0;
}

std::uint32_t SendLog::lost_in(SeqNum left, SeqNum right, SeqNum nxt, const Scoreboard& board) const {
  std::uint32_t lost = 0;
  each(left, right, nxt, [&](SeqNum from, SeqNum to, const Run& run) {
    if (run.lost) lost += board.holes(from, to);
  });
  return lost;
}

// The scoreboard forgets a range that `to` lies in or touches, so that what is left of it are holes.
void SendLog::advance(SeqNum una, SeqNum to, SeqNum nxt, const Scoreboard& board) {
  const SeqNum forgotten = board.skip(to);
  each(una, forgotten, nxt, [&](SeqNum left, SeqNum right, const Run& run) {
    if (!run.lost) return;
    lost_ -= board.holes(left, right);
    if (to < right) lost_ += distance(max(left, to), right);
  });
}

std::pair<SeqNum, SeqNum> SendLog::first_lost(SeqNum una, SeqNum nxt, const Scoreboard& board) const {
  for (std::size_t i = 0; i < count_; ++i) {
    if (!runs_[i].lost) continue;
    const SeqNum left = board.skip(max(runs_[i].left, una));
    const SeqNum end = end_of(i, nxt);
    if (left < end) return {left, min(end, board.hole_end(left, nxt))};
  }
  unreachable();
}

const SendLog::Run* SendLog::run_of(SeqNum seq) const {
  for (std::size_t i = count_; i > 0; --i) {
    if (runs_[i - 1].left <= seq) return &runs_[i - 1];
  }
  return nullptr;
}

bool SendLog::repeated(SeqNum una, SeqNum nxt) const {
  for (std::size_t i = 0; i < count_; ++i) {
    if ((runs_[i].again || runs_[i].lost) && una < end_of(i, nxt)) return true;
  }
  return false;
}

Instant SendLog::sent_by(SeqNum seq, SeqNum nxt, Duration rtt) const {
  Instant at = Instant::min();
  each(seq, seq + 1, nxt, [&](SeqNum, SeqNum, const Run& run) { at = run.at; });
  return at + rtt / kGrains;
}

bool SendLog::invariants_hold(SeqNum una, SeqNum nxt, const Scoreboard& board) const {
  if (count_ > kMost || (una != nxt && (count_ == 0 || una < runs_[0].left))) return false;
  for (std::size_t i = 1; i < count_; ++i) {
    if (!(runs_[i - 1].left < runs_[i].left)) return false;
  }
  if (count_ > 0 && nxt < runs_[count_ - 1].left) return false;
  return lost_in(una, nxt, nxt, board) == lost_;
}

// Forgets what lies before `una`.
void SendLog::trim(SeqNum una) {
  std::size_t gone = 0;
  while (gone + 1 < count_ && runs_[gone + 1].left <= una) ++gone;
  if (gone > 0) erase(0, gone);
  if (count_ > 0) runs_[0].left = max(runs_[0].left, una);
}

// Lets a run begin at `seq`; returns its index, or how many there are if that is SND.NXT.
std::size_t SendLog::split(SeqNum seq, SeqNum nxt) {
  if (seq == nxt) return count_;
  std::size_t i = count_;
  while (seq < runs_[i - 1].left) --i;
  if (runs_[i - 1].left == seq) return i - 1;
  ASSERT(count_ < runs_.size());
  std::move_backward(runs_.begin() + i, runs_.begin() + count_, runs_.begin() + count_ + 1);
  runs_[i] = runs_[i - 1];
  runs_[i].left = seq;
  ++count_;
  return i;
}

void SendLog::lose_run(std::size_t run, SeqNum nxt, const Scoreboard& board) {
  grain_end_ = Instant::min();
  runs_[run].lost = true;
  if (runs_[run].again && !runs_[run].joined) lost_again_ = std::max(lost_again_, runs_[run].at);
  lost_ += board.holes(runs_[run].left, end_of(run, nxt));
}

void SendLog::erase(std::size_t from, std::size_t to) {
  std::move(runs_.begin() + to, runs_.begin() + count_, runs_.begin() + from);
  count_ -= static_cast<std::uint32_t>(to - from);
}

// Where there are too many, one that is SACKed as a whole goes first: of that nobody will ask when it was sent, unless
// a time-out forgets what was SACKed. Then those become one that were sent one shortly after the other and have fared
// alike. If none have, what was lost counts as sent again: it will be found lost once more.
void SendLog::fit(SeqNum nxt, const Scoreboard& board) {
  while (count_ > kMost) {
    if (drop_sacked(board)) continue;
    const auto cost = [this](std::size_t i) {
      const Duration gap =
          runs_[i].at < runs_[i + 1].at ? runs_[i + 1].at - runs_[i].at : runs_[i].at - runs_[i + 1].at;
      return std::pair{!alike(runs_[i], runs_[i + 1]), gap};
    };
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < count_; ++i) {
      if (cost(i) < cost(best)) best = i;
    }
    Run& one = runs_[best];
    const Run& other = runs_[best + 1];
    if (!alike(one, other)) {
      if (one.lost) lost_ -= board.holes(one.left, other.left);
      if (other.lost) lost_ -= board.holes(other.left, end_of(best + 1, nxt));
      one.again = true;
      one.lost = false;
      one.joined = true;
    }
    one.joined = one.joined || other.joined;
    one.at = std::max(one.at, other.at);
    erase(best + 1, best + 2);
  }
}

// Lets a neighbour have the numbers of a run in which there are no holes; false: there is none. The last one may be
// about to begin.
bool SendLog::drop_sacked(const Scoreboard& board) {
  for (std::size_t i = 0; i + 1 < count_; ++i) {
    if (board.has_hole(runs_[i].left, runs_[i + 1].left)) continue;
    runs_[i + 1].left = runs_[i].left;
    erase(i, i + 1);
    return true;
  }
  return false;
}

}  // namespace pollux::tcp
