#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "tcp/scoreboard.h"
#include "time/instant.h"
#include "wire/seq_num.h"

namespace pollux::tcp {

// When the numbers between SND.UNA and SND.NXT were last sent, whether that was for the first time, and
// which of them are lost: what RFC 8985, 5.2 keeps of each segment. Kept by runs of numbers, as neither
// a small MSS nor a large window may cost memory:
//
//    SND.UNA                                                              SND.NXT
//       | again, at 52 ms | sent at 10 ms, lost | sent at 10 ms | sent at 16 ms |
//
// What goes out within a sixteenth of a round trip, and nothing else in between, counts as sent at once:
// what has come of it is told by its numbers, as RACK_sent_after() does for equal times. (The reordering window is
// a quarter of the shortest round trip, which is meant here as well.) No more than kMost
// runs: where there would be more, one is dropped of which all is SACKed, or those two neighbours become one that are
// most alike.
//
// Which numbers are SACKed the Scoreboard knows. A number that is not is a hole; only holes can be lost.
class SendLog {
 public:
  static constexpr std::size_t kMost = 24;

  struct Run {
    SeqNum left;  // up to where the next begins, the last up to SND.NXT
    bool again;   // sent more than once
    bool lost;    // and not sent again since
    bool joined;  // two became one, of which perhaps only one was sent again
    Instant at;
  };

  // A time and a number: which of two segments was sent after the other (RFC 8985, 6.2, RACK_sent_after).
  struct Sent {
    Instant at;
    SeqNum end_seq;
    bool after(const Sent& other) const { return other.at < at || (other.at == at && other.end_seq < end_seq); }
  };

  // Not defaulted: the runs must not be filled with zeros first.
  SendLog() {}  // NOLINT(modernize-use-equals-default)

  // What is new goes out from SND.NXT = `seq` on.
  void sent(SeqNum seq, SeqNum una, Instant now, Duration rtt, const Scoreboard& board) {
    if (grain_end_ <= now) begin_run(seq, una, now, rtt, board);
  }
  // [left, right) was sent again; it is not lost any more.
  void sent_again(SeqNum left, SeqNum right, SeqNum una, SeqNum nxt, Instant now, Duration rtt,
                  const Scoreboard& board);

  // Of what was sent before `latest`, the holes that were sent by `limit` are lost. Returns how long after `limit` the
  // last of the others was sent; 0: there are none.
  Duration lose_sent_before(const Sent& latest, Instant limit, SeqNum una, SeqNum nxt, const Scoreboard& board);
  // All holes are that were sent by `limit`.
  void lose_sent_by(Instant limit, SeqNum una, SeqNum nxt, const Scoreboard& board);
  // The hole [left, right) is.
  void lose(SeqNum left, SeqNum right, SeqNum una, SeqNum nxt, const Scoreboard& board);
  // Nothing is, after all.
  void lose_nothing();

  // How many numbers of [left, right) are lost.
  std::uint32_t lost_in(SeqNum left, SeqNum right, SeqNum nxt, const Scoreboard& board) const;
  // So many of them have just been SACKed.
  void found(std::uint32_t n) { lost_ -= n; }
  // SND.UNA is about to move from `una` to `to`: `board` does not know yet.
  void advance(SeqNum una, SeqNum to, SeqNum nxt, const Scoreboard& board);

  // How many numbers are lost.
  std::uint32_t lost() const { return lost_; }
  // When what was sent again, and then found lost once more, was sent for the last time; of several, the latest.
  Instant lost_again() const { return lost_again_; }
  // The first hole that is, or the part of it that is; lost() > 0.
  std::pair<SeqNum, SeqNum> first_lost(SeqNum una, SeqNum nxt, const Scoreboard& board) const;
  // That in which `seq` was sent; null: not known any more.
  const Run* run_of(SeqNum seq) const;
  // Whether anything from `una` on was sent more than once or is lost.
  bool repeated(SeqNum una, SeqNum nxt) const;

  // When `seq`, which is outstanding, was sent for the last time, or a little later; `rtt` as for sent().
  Instant sent_by(SeqNum seq, SeqNum nxt, Duration rtt) const;

  // Calls see(from, to, run) for each piece of [left, right) that lies in one run, in ascending order.
  template <class See>
  void each(SeqNum left, SeqNum right, SeqNum nxt, See&& see) const {
    std::size_t i = 0;
    while (i + 1 < count_ && runs_[i + 1].left <= left) ++i;
    for (; i < count_ && runs_[i].left < right; ++i) {
      const SeqNum from = max(runs_[i].left, left);
      const SeqNum to = min(end_of(i, nxt), right);
      if (from < to) see(from, to, runs_[i]);
    }
  }

  // Runs are sorted, cover [una, nxt), and lost() is right.
  bool invariants_hold(SeqNum una, SeqNum nxt, const Scoreboard& board) const;

 private:
  SeqNum end_of(std::size_t run, SeqNum nxt) const { return run + 1 < count_ ? runs_[run + 1].left : nxt; }
  void begin_run(SeqNum seq, SeqNum una, Instant now, Duration rtt, const Scoreboard& board);
  void trim(SeqNum una);
  std::size_t split(SeqNum seq, SeqNum nxt);
  void lose_run(std::size_t run, SeqNum nxt, const Scoreboard& board);
  void erase(std::size_t from, std::size_t to);
  void fit(SeqNum nxt, const Scoreboard& board);
  bool drop_sacked(const Scoreboard& board);

  std::uint32_t lost_ = 0;
  std::uint32_t count_ = 0;
  Instant lost_again_ = Instant::min();
  Instant grain_end_ = Instant::min();        // until then what is new joins the last run
  Instant again_grain_end_ = Instant::min();  // until then what is sent again joins the run before it
  std::array<Run, kMost + 2> runs_;           // two more while something changes
};

}  // namespace pollux::tcp
