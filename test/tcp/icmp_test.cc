// ICMP errors: RFC 9293, 3.9.2.2; RFC 1122, 4.2.3.9; RFC 5927.

#include "test_connection.h"

namespace pollux::tcp::test {
namespace {

constexpr std::array kAll = {IcmpError::kPortUnreachable, IcmpError::kProtocolUnreachable, IcmpError::kHostUnreachable,
                             IcmpError::kNetUnreachable, IcmpError::kOther};

TEST(Icmp, PortUnreachableRefusesAnOpeningConnection) {  // MUST-54, SHLD-26
  TestConnection c = syn_sent();
  c.icmp_error(IcmpError::kPortUnreachable, 0);
  EXPECT_EQ(c.state(), State::kClosed);
  EXPECT_EQ(c.reason(), Reason::kRefused);
  EXPECT_TRUE(c.events().closed);
  c.expect_nothing_sent();
}

TEST(Icmp, ProtocolUnreachableRefusesAnOpeningConnection) {  // SHLD-26
  TestConnection c = syn_sent();
  c.icmp_error(IcmpError::kProtocolUnreachable, 0);
  EXPECT_EQ(c.state(), State::kClosed);
}

TEST(Icmp, NumberThatIsNotOutstandingIsIgnored) {  // RFC 5927, 4.1
  for (const std::int64_t seq : {std::int64_t{1}, std::int64_t{-1}, std::int64_t{100000}, std::int64_t{0x7fffffff}}) {
    for (const IcmpError error : kAll) {
      TestConnection c = syn_sent();
      c.icmp_error(error, seq);
      EXPECT_EQ(c.state(), State::kSynSent);
      EXPECT_FALSE(c.events().any());
    }
  }
}

TEST(Icmp, UnreachableHostOrNetIsTriedOn) {  // MUST-56: not a reason to abort; SHLD-25: but to be told
  for (const IcmpError error : {IcmpError::kHostUnreachable, IcmpError::kNetUnreachable, IcmpError::kOther}) {
    TestConnection c = syn_sent();
    c.icmp_error(error, 0);
    EXPECT_EQ(c.state(), State::kSynSent);
    EXPECT_TRUE(c.events().soft_error);  // MUST-47
    c.sleep(1s);
    c.expect_sent(syn());
    c.peer_sends(c.peer_syn().ack(1));
    EXPECT_EQ(c.state(), State::kEstablished);
  }
}

TEST(Icmp, UnreachableHostIsTheReasonWhenTheSynTimesOut) {  // RFC 1122, 4.2.3.9
  TestConnection c = syn_sent();
  c.icmp_error(IcmpError::kHostUnreachable, 0);
  c.sleep(10min);
  EXPECT_EQ(c.state(), State::kClosed);
  EXPECT_EQ(c.reason(), Reason::kUnreachable);
}

TEST(Icmp, NoErrorEndsAnEstablishedConnection) {  // MUST-56; RFC 5927, 5.2
  for (const IcmpError error : kAll) {
    TestConnection c = established();
    c.user_sends("hello");
    c.take_all_sent();
    c.icmp_error(error, 1);
    EXPECT_EQ(c.state(), State::kEstablished);
    EXPECT_TRUE(c.events().soft_error);
    c.expect_nothing_sent();
    c.peer_sends(ack(6).seq(1));
    EXPECT_EQ(c.snd_una(), 6);
  }
}

TEST(Icmp, WithNothingOutstandingItIsIgnored) {  // RFC 5927, 4.1: nothing of ours can have caused it
  for (const IcmpError error : kAll) {
    TestConnection c = established();
    c.icmp_error(error, 1);
    c.icmp_error(error, 0);
    EXPECT_FALSE(c.events().any());
    EXPECT_EQ(c.state(), State::kEstablished);
  }
}

TEST(Icmp, ErrorOfYesterdayIsNotTheReasonOfToday) {  // progress since then proved it wrong
  TestConnection c = established();
  c.user_sends("hello");
  c.icmp_error(IcmpError::kHostUnreachable, 1);
  c.peer_sends(ack(6).seq(1));
  c.user_sends("world");
  c.sleep(10min);
  EXPECT_EQ(c.reason(), Reason::kTimedOut);
}

TEST(Icmp, HalfOpenConnectionIsDropped) {  // SYN-RECEIVED, the SYN-ACK quoted
  TestConnection c = syn_received();
  c.icmp_error(IcmpError::kPortUnreachable, 0);
  EXPECT_EQ(c.state(), State::kClosed);
  EXPECT_TRUE(c.holds_no_memory());
}

TEST(Icmp, TimeWaitIgnoresThem) {
  for (const IcmpError error : kAll) {
    TestConnection c = time_wait();
    c.events();
    c.icmp_error(error, 1);
    c.icmp_error(error, 2);
    EXPECT_EQ(c.state(), State::kTimeWait);
    EXPECT_FALSE(c.events().any());
  }
}

}  // namespace
}  // namespace pollux::tcp::test
