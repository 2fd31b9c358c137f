#include "tcp/state.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

namespace pollux::tcp {
namespace {

using enum State;

// In the order of RFC 9293, 3.3.2, CLOSED first.
const std::vector<std::pair<State, std::string>> kNames = {
    {kClosed, "CLOSED"},           {kListen, "LISTEN"},       {kSynSent, "SYN-SENT"},    {kSynReceived, "SYN-RECEIVED"},
    {kEstablished, "ESTABLISHED"}, {kFinWait1, "FIN-WAIT-1"}, {kFinWait2, "FIN-WAIT-2"}, {kCloseWait, "CLOSE-WAIT"},
    {kClosing, "CLOSING"},         {kLastAck, "LAST-ACK"},    {kTimeWait, "TIME-WAIT"},
};

// The arrows of figure 5.
const std::set<std::pair<State, State>> kFigure5 = {
    {kClosed, kListen},            // passive OPEN
    {kClosed, kSynSent},           // active OPEN, snd SYN
    {kListen, kClosed},            // CLOSE
    {kListen, kSynReceived},       // rcv SYN, snd SYN,ACK
    {kListen, kSynSent},           // SEND, snd SYN
    {kSynSent, kClosed},           // CLOSE
    {kSynSent, kSynReceived},      // rcv SYN, snd SYN,ACK: simultaneous open (MUST-10)
    {kSynSent, kEstablished},      // rcv SYN,ACK, snd ACK
    {kSynReceived, kEstablished},  // rcv ACK of SYN
    {kSynReceived, kFinWait1},     // CLOSE, snd FIN
    {kSynReceived, kListen},       // note 1: rcv RST after a passive OPEN (MUST-11)
    {kEstablished, kFinWait1},     // CLOSE, snd FIN
    {kEstablished, kCloseWait},    // rcv FIN, snd ACK
    {kFinWait1, kFinWait2},        // rcv ACK of FIN
    {kFinWait1, kClosing},         // rcv FIN, snd ACK
    {kFinWait1, kTimeWait},        // note 2: rcv FIN and ACK of FIN in one segment
    {kFinWait2, kTimeWait},        // rcv FIN, snd ACK
    {kCloseWait, kLastAck},        // CLOSE, snd FIN
    {kClosing, kTimeWait},         // rcv ACK of FIN
    {kLastAck, kClosed},           // rcv ACK of FIN
    {kTimeWait, kClosed},          // 2MSL
};

bool expected(State from, State to) {
  if (kFigure5.contains({from, to})) return true;
  // Note 1 of the figure, 3.10.5, 3.10.7.4, 3.10.8: reset, ABORT and time-outs end every connection.
  if (to == kClosed) return from != kClosed;
  // A listener stays in LISTEN; the connection it makes begins here.
  return from == kClosed && to == kSynReceived;
}

TEST(State, NamesAreTheRfcs) {
  ASSERT_EQ(kNames.size(), static_cast<std::size_t>(kStateCount));
  for (const auto& [state, state_name] : kNames) EXPECT_EQ(to_string(state), state_name);
}

TEST(State, TransitionsAreThoseOfFigure5) {
  for (const auto& [from, from_name] : kNames) {
    for (const auto& [to, to_name] : kNames) {
      EXPECT_EQ(legal(from, to), expected(from, to)) << from_name << " -> " << to_name;
    }
  }
}

TEST(State, NoStateFollowsItself) {
  for (const auto& [state, state_name] : kNames) EXPECT_FALSE(legal(state, state)) << state_name;
}

TEST(State, EveryStateIsReachedAndLeadsToClosed) {
  std::set<State> reached = {kClosed};
  for (std::size_t before = 0; before != reached.size();) {
    before = reached.size();
    for (const auto& [from, to] : kFigure5) {
      if (reached.contains(from) && legal(from, to)) reached.insert(to);
    }
  }
  EXPECT_EQ(reached.size(), kNames.size());
}

TEST(State, SynchronizedIsFromEstablishedOn) {  // RFC 9293, 3.5.2, group 3
  const std::set<State> synchronized_states = {kEstablished, kFinWait1, kFinWait2, kCloseWait,
                                               kClosing,     kLastAck,  kTimeWait};
  for (const auto& [state, state_name] : kNames) {
    EXPECT_EQ(synchronized(state), synchronized_states.contains(state)) << state_name;
  }
}

TEST(State, SendingIsClosedOnceOurFinWasAskedFor) {  // RFC 9293, 3.10.2: SEND says "connection closing"
  const std::set<State> closed = {kFinWait1, kFinWait2, kClosing, kLastAck, kTimeWait};
  for (const auto& [state, state_name] : kNames)
    EXPECT_EQ(sending_is_closed(state), closed.contains(state)) << state_name;
}

TEST(State, PeerHasClosedOnceItsFinWasTaken) {  // RFC 9293, 3.10.7.4, eighth
  const std::set<State> closed = {kCloseWait, kClosing, kLastAck, kTimeWait};
  for (const auto& [state, state_name] : kNames)
    EXPECT_EQ(peer_has_closed(state), closed.contains(state)) << state_name;
}

}  // namespace
}  // namespace pollux::tcp
