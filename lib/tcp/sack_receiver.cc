// SACK and D-SACK as a receiver sends them: RFC 2018, 4, and RFC 2883, 4.

#include "base/mutant.h"
#include "tcp/tcb.h"

namespace pollux::tcp {
namespace {

constexpr std::size_t kBlocks = 4;
constexpr std::size_t kBlocksBesideTimestamps = 3;  // RFC 2018, 3

}  // namespace

// [left, right) came once more: an ACK says so at once, by which a sender sees that it sent again for nothing.
void Tcb::note_duplicate(SeqNum left, SeqNum right, Env& env) {
  if (!flag(kSackPermitted) || !synchronized(state_) || peer_has_closed(state_) || !(left < right)) return;
  const bool of_this_connection = rcv_.nxt <= left || distance(left, rcv_.nxt) < distance(rcv_.irs, rcv_.nxt);
  if (!of_this_connection) return;
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
