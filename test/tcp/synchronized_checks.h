#pragma once

#include <array>

#include "test_connection.h"

// The checks of 3.10.7.4 that are the same in several states, as functions of a fixture. Each state's
// file calls those that concern it, with the numbers that hold there.

namespace pollux::tcp::test {

using Fixture = TestConnection (*)(const Conditions&);

// A state and the numbers that both sides have reached in it.
struct Place {
  Fixture make;
  State state;
  std::int64_t snd_una;
  std::int64_t snd_nxt;
  std::int64_t rcv_nxt;

  TestConnection connection(const Conditions& given = {}) const { return make(given); }
  SegmentSpec current_ack() const { return ack(rcv_nxt).seq(snd_nxt); }  // what we answer with
};

// First: the four cases of the acceptability table, at their edges. LEN 0 and 1; WND open and zero.
void unacceptable_segments_are_acknowledged_and_dropped(const Place& p);
// Second: RST exactly at RCV.NXT, elsewhere in the window, outside of it (RFC 5961, 3.2).
void rst_at_rcv_nxt_ends_the_connection(const Place& p);
void rst_elsewhere_in_the_window_is_challenged(const Place& p);
void rst_outside_the_window_is_dropped(const Place& p);
// Fourth: SYN, with and without ACK, anywhere (RFC 5961, 4.2).
void any_syn_is_challenged(const Place& p);
// Fifth: RFC 5961, 5.2.
void segments_without_ack_are_dropped(const Place& p);
void ack_of_unsent_is_challenged_and_dropped(const Place& p);
void very_old_ack_is_challenged_and_dropped(const Place& p);
// RFC 5961, 7.
void challenges_are_limited(const Place& p);
// 3.10.5: in ESTABLISHED, FIN-WAIT-1, FIN-WAIT-2 and CLOSE-WAIT; and where both have closed.
void abort_is_silent(const Place& p);
void abort_sends_a_reset(const Place& p);
void keep_alive_probes_of_the_peer_are_answered(const Place& p);

// A test for each of them.
#define POLLUX_SYNCHRONIZED_CHECKS(Suite, place)                                                               \
  TEST(Suite, FirstUnacceptableSegmentsAreAcknowledgedAndDropped) {                                            \
    unacceptable_segments_are_acknowledged_and_dropped(place);                                                 \
  }                                                                                                            \
  TEST(Suite, SecondRstAtRcvNxtEndsTheConnection) { rst_at_rcv_nxt_ends_the_connection(place); }               \
  TEST(Suite, SecondRstElsewhereInTheWindowIsChallenged) { rst_elsewhere_in_the_window_is_challenged(place); } \
  TEST(Suite, SecondRstOutsideTheWindowIsDropped) { rst_outside_the_window_is_dropped(place); }                \
  TEST(Suite, FourthAnySynIsChallenged) { any_syn_is_challenged(place); }                                      \
  TEST(Suite, FifthSegmentsWithoutAckAreDropped) { segments_without_ack_are_dropped(place); }                  \
  TEST(Suite, FifthAckOfUnsentIsChallengedAndDropped) { ack_of_unsent_is_challenged_and_dropped(place); }      \
  TEST(Suite, FifthVeryOldAckIsChallengedAndDropped) { very_old_ack_is_challenged_and_dropped(place); }        \
  TEST(Suite, ChallengesAreLimited) { challenges_are_limited(place); }                                         \
  TEST(Suite, KeepAliveProbesOfThePeerAreAnswered) { keep_alive_probes_of_the_peer_are_answered(place); }      \
  static_assert(true, "to be followed by a semicolon")

}  // namespace pollux::tcp::test
