#include "synchronized_checks.h"

namespace pollux::tcp::test {
namespace {

void expect_unchanged(const TestConnection& c, const Place& p) {
  EXPECT_EQ(c.state(), p.state);
  EXPECT_EQ(c.rcv_nxt(), p.rcv_nxt);
  EXPECT_EQ(c.snd_una(), p.snd_una);
  EXPECT_EQ(c.received(), "");
}

}  // namespace

void unacceptable_segments_are_acknowledged_and_dropped(const Place& p) {  // RFC 7323, 5.3, R2
  const std::int64_t window = p.connection().right_edge() - p.rcv_nxt;
  ASSERT_GT(window, 0);
  for (const std::int64_t seq :
       {p.rcv_nxt - 1, p.rcv_nxt - 70000, p.rcv_nxt + window, p.rcv_nxt + window + 1, p.rcv_nxt + 0x7fffffff}) {
    SCOPED_TRACE(seq);
    // In TIME-WAIT it is not known any more where the numbers began.
    const bool known = seq == p.rcv_nxt - 1 || (seq < p.rcv_nxt && p.connection().state() == State::kTimeWait);
    const Verdict verdict = known ? Verdict::kDuplicate : Verdict::kOutOfWindow;
    TestConnection without_text = p.connection();
    const bool fills_window = seq == without_text.right_edge() && !peer_has_closed(without_text.state());
    EXPECT_EQ(without_text.peer_sends(ack(p.snd_una).seq(seq)), fills_window ? Verdict::kAccepted : verdict);
    if (fills_window) {  // Window.AnAckAloneAtTheRightEdgeCounts
      without_text.expect_nothing_sent();
    } else {
      without_text.expect_sent(p.current_ack());
    }
    expect_unchanged(without_text, p);

    TestConnection with_text = p.connection();
    EXPECT_EQ(with_text.peer_sends(data("x").seq(seq).ack(p.snd_una)), verdict);
    with_text.expect_sent(p.current_ack());
    expect_unchanged(with_text, p);
  }
}

void rst_at_rcv_nxt_ends_the_connection(const Place& p) {  // RFC 5961, 3.2, (2)
  for (const SegmentSpec& spec :
       {rst().seq(p.rcv_nxt), rst().seq(p.rcv_nxt).ack(p.snd_una), rst().seq(p.rcv_nxt).ack(99999),
        data("why").flags("R").seq(p.rcv_nxt)}) {  // the last: SHLD-2
    TestConnection c = p.connection();
    EXPECT_EQ(c.peer_sends(spec), Verdict::kConnectionReset);
    EXPECT_EQ(c.state(), State::kClosed);
    EXPECT_TRUE(c.events().closed);
    EXPECT_EQ(c.next_deadline(), std::nullopt);
    c.expect_nothing_sent();
    EXPECT_EQ(c.received(), "") << "text of a RST is not the application's";
  }
}

void rst_elsewhere_in_the_window_is_challenged(const Place& p) {  // RFC 5961, 3.2, (3)
  const std::int64_t edge = p.connection().right_edge();
  for (const std::int64_t seq : {p.rcv_nxt + 1, p.rcv_nxt + 1000, edge - 1}) {
    for (const SegmentSpec& spec : {rst().seq(seq), rst().seq(seq).ack(p.snd_una)}) {
      TestConnection c = p.connection();
      EXPECT_EQ(c.peer_sends(spec), Verdict::kChallengedRst) << seq;
      c.expect_sent(p.current_ack());
      expect_unchanged(c, p);
    }
  }
}

void rst_outside_the_window_is_dropped(const Place& p) {  // RFC 5961, 3.2, (1)
  const std::int64_t edge = p.connection().right_edge();
  for (const std::int64_t seq : {p.rcv_nxt - 1, p.rcv_nxt - 1000, edge, edge + 1, p.rcv_nxt + 0x7fffffff}) {
    for (const SegmentSpec& spec : {rst().seq(seq), rst().seq(seq).ack(p.snd_una)}) {
      TestConnection c = p.connection();
      EXPECT_EQ(c.peer_sends(spec), Verdict::kRstOutOfWindow) << seq;
      c.expect_nothing_sent();
      expect_unchanged(c, p);
    }
  }
  // It is SEG.SEQ that counts, although the text reaches into the window and beyond RCV.NXT.
  TestConnection c = p.connection();
  EXPECT_EQ(c.peer_sends(rst().seq(p.rcv_nxt - 1).text("abc")), Verdict::kRstOutOfWindow);
  c.expect_nothing_sent();
  expect_unchanged(c, p);
}

void any_syn_is_challenged(const Place& p) {  // RFC 5961, 4.2
  const std::int64_t edge = p.connection().right_edge();
  for (const std::int64_t seq : {std::int64_t{0}, p.rcv_nxt - 1000, p.rcv_nxt - 1, p.rcv_nxt, p.rcv_nxt + 1, edge - 1,
                                 edge, p.rcv_nxt + 0x7fffffff}) {
    for (const SegmentSpec& spec : {syn().seq(seq), syn().seq(seq).ack(p.snd_una), syn().fin().seq(seq)}) {
      TestConnection c = p.connection();
      EXPECT_EQ(c.peer_sends(spec), Verdict::kChallengedSyn) << seq;
      c.expect_sent(p.current_ack());
      expect_unchanged(c, p);
    }
  }
}

void segments_without_ack_are_dropped(const Place& p) {
  for (const SegmentSpec& spec : {no_flags(), data("x"), fin(), data("x").fin()}) {
    TestConnection c = p.connection();
    EXPECT_EQ(c.peer_sends(SegmentSpec{spec}.seq(p.rcv_nxt)), Verdict::kNoAck);
    c.expect_nothing_sent();
    expect_unchanged(c, p);
  }
}

// RFC 5961, 5.2, SND.NXT: "send an ACK, drop the segment, and return"
void ack_of_unsent_is_challenged_and_dropped(const Place& p) {
  for (const std::int64_t n : {p.snd_nxt + 1, p.snd_nxt + 100000, p.snd_nxt + 0x7fffffff}) {
    TestConnection without_text = p.connection();
    EXPECT_EQ(without_text.peer_sends(ack(n).seq(p.rcv_nxt)), Verdict::kAckOfUnsent) << n;
    without_text.expect_sent(p.current_ack());
    expect_unchanged(without_text, p);

    TestConnection with_text = p.connection();
    EXPECT_EQ(with_text.peer_sends(data("x").seq(p.rcv_nxt).ack(n)), Verdict::kAckOfUnsent) << n;
    with_text.expect_sent(p.current_ack());
    expect_unchanged(with_text, p);

    TestConnection with_fin = p.connection();
    with_fin.peer_sends(fin().seq(p.rcv_nxt).ack(n));
    expect_unchanged(with_fin, p);
  }
}

// MAY-12; RFC 5961, 5.2, MAX.SND.WND: SEG.ACK < SND.UNA - MAX.SND.WND
void very_old_ack_is_challenged_and_dropped(const Place& p) {
  for (const std::int64_t n : {p.snd_una - 65536, p.snd_una - 100000, p.snd_una - 0x7fff0000}) {
    TestConnection c = p.connection();
    EXPECT_EQ(c.peer_sends(data("injected").seq(p.rcv_nxt).ack(n)), Verdict::kAckTooOld) << n;
    c.expect_sent(p.current_ack());
    expect_unchanged(c, p);
  }
}

void challenges_are_limited(const Place& p) {  // RFC 5961, 7: once in 500 ms, for each connection
  const auto provoke = [&](TestConnection& c, int i) {
    if (i % 3 == 0) {
      c.peer_sends(rst().seq(p.rcv_nxt + 1));
    } else if (i % 3 == 1) {
      c.peer_sends(syn().seq(p.rcv_nxt + 5));
    } else {
      c.peer_sends(ack(p.snd_una).seq(p.rcv_nxt - 1000));
    }
  };
  TestConnection c = p.connection();
  for (int i = 0; i < 200; ++i) provoke(c, i);
  EXPECT_EQ(c.sent_count(), 1u);
  EXPECT_EQ(c.counters().challenges_withheld, 199u);
  c.take_all_sent();

  TestConnection later = p.connection({.config = {.rto_min = 10s}});  // no retransmission in between
  later.sleep(10ms);
  provoke(later, 0);
  later.sleep(499ms);
  provoke(later, 1);
  EXPECT_EQ(later.sent_count(), 1u);
  later.sleep(1ms);
  provoke(later, 2);
  EXPECT_EQ(later.sent_count(), 2u);

  // Never at the cost of text: its sender waits for the ACK.
  TestConnection old_text = p.connection();
  for (int i = 0; i < 200; ++i) old_text.peer_sends(data("0123456789").seq(p.rcv_nxt - 1000).ack(p.snd_una));
  EXPECT_EQ(old_text.sent_count(), 200u);
  TestConnection wrong_ack = p.connection();
  for (int i = 0; i < 20; ++i) wrong_ack.peer_sends(data("x").seq(p.rcv_nxt).ack(p.snd_nxt + 1));
  EXPECT_EQ(wrong_ack.sent_count(), 20u);
}

void abort_sends_a_reset(const Place& p) {  // <SEQ=SND.NXT><CTL=RST>, and everything is forgotten
  TestConnection c = p.connection();
  c.user_aborts();
  c.expect_sent(rst().seq(p.snd_nxt).ack(p.rcv_nxt));
  c.expect_nothing_sent();
  EXPECT_EQ(c.state(), State::kClosed);
  EXPECT_EQ(c.reason(), Reason::kAborted);
  EXPECT_EQ(c.next_deadline(), std::nullopt);
}

void abort_is_silent(const Place& p) {
  TestConnection c = p.connection();
  c.user_aborts();
  c.expect_nothing_sent();
  EXPECT_EQ(c.state(), State::kClosed);
  EXPECT_EQ(c.next_deadline(), std::nullopt);
}

void keep_alive_probes_of_the_peer_are_answered(const Place& p) {  // 3.8.4: with and without a byte of garbage
  for (const SegmentSpec& spec : {ack(p.snd_una), data(std::string_view{"\0", 1}).ack(p.snd_una)}) {
    TestConnection c = p.connection();
    EXPECT_EQ(c.peer_sends(SegmentSpec{spec}.seq(p.rcv_nxt - 1)), Verdict::kDuplicate);
    c.expect_sent(p.current_ack());
    expect_unchanged(c, p);
  }
}

}  // namespace pollux::tcp::test
