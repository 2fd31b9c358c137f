// SACK and D-SACK as a receiver sends them: RFC 2018, 4, and RFC 2883, 4.

#include "base/mutant.h"
#include "tcp/tcb.h"

namespace pollux::tcp {
namespace {

constexpr std::size_t kBlocks = 4;
constexpr std::size_t kBlocksBesideTimestamps = 3;            // RFC 2018, 3
constexpr std::uint32_t kMostKnown = std::uint32_t{1} << 30;  // in TIME-WAIT, where a record has no IRS

}  // namespace

// Whether this connection has used the number: not before IRS, and before RCV.NXT.
bool Tcb::came_before(SeqNum seq) const {
  const std::uint32_t most = state_ == State::kTimeWait ? kMostKnown : distance(rcv_.irs, rcv_.nxt);
  return seq < rcv_.nxt && distance(seq, rcv_.nxt) <= most;
}

// [left, right) came once more: an ACK says so at once, by which a sender sees that it sent again for nothing.
void Tcb::note_duplicate(SeqNum left, SeqNum right, Env& env) {
  if (!flag(kSackPermitted) || !synchronized(state_) || state_ == State::kTimeWait || !(left < right)) return;
  const bool was_text = came_before(left) && left != rcv_.irs;
  if (!was_text && !in_window(left, rcv_.nxt, rcv_wnd())) return;
  if (ReceiveQueue* q = begin_queue(env)) q->sack.arrived_again(left, right);
  eager_acks_ = kEagerAcks;
  owe_ack_at_once();
}

// Of [left, right), which comes now, something may lie beyond the hole already.
void Tcb::note_overlap(SeqNum left, SeqNum right, Env& env) {
  const ReceiveQueue* q = queue(env);
  if (q == nullptr || q->ranges() == 0) return;
  if (const auto known = q->overlap(left, right)) note_duplicate(known->first, known->second, env);
}

// RFC 5681, 4.2: one ACK for each segment beyond a hole, those of one burst too: it takes three duplicates for a fast
// retransmit. Where SACK is agreed on, the blocks count, and SackReport knows how many ACKs they need.
void Tcb::owe_duplicate_ack(ReceiveQueue* q) {
  const bool sack = flag(kSackPermitted);
  if (marks_.ack && marks_.repeats < kMostRepeats && !sack) ++marks_.repeats;
  if (sack && q != nullptr && !q->sack.presses(rcv_.nxt)) return owe_ack();
  owe_ack_at_once();
}

// On ACKs without text, as long as anything lies beyond a hole (RFC 2018, 4).
void Tcb::add_sack(Outgoing& out, Env& env) {
  ReceiveQueue* q = queue(env);
  if (q == nullptr || !flag(kSackPermitted)) return;
  out.options.sack = q->sack.next_blocks(flag(kTimestamps) ? kBlocksBesideTimestamps : kBlocks,
                                         [q](SeqNum seq) { return q->range_around(seq); });
  if (MUTANT(76, false, true)) out.options.sack.blocks[0].right += 1;
  end_queue_if_empty(env);
}

bool Tcb::sack_unsaid(const Env& env) const { return flag(kSackPermitted) && queue(env)->sack.unsaid(); }

}  // namespace pollux::tcp
