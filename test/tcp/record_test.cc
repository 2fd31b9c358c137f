// HandshakeRecord and TimeWaitRecord: a TCB packed and unpacked behaves as the one that was packed.

#include "tcp/handshake_record.h"
#include "tcp/time_wait.h"
#include "test_connection.h"

namespace pollux::tcp::test {
namespace {

void through_handshake_record(TestConnection& c, std::uint8_t retransmissions = 0) {
  c.replace_tcb([&](const Tcb& from, Tcb& to, Env& env) {
    const HandshakeRecord record = HandshakeRecord::pack(from, retransmissions);
    record.unpack(from.key(), c.opening(), c.options(), to, env);
  });
}

void through_time_wait_record(TestConnection& c) {
  c.replace_tcb([&](const Tcb& from, Tcb& to, Env& env) {
    const TimeWaitRecord record = TimeWaitRecord::pack(from, env.now);
    record.unpack(from.key(), c.opening().timestamp_offset, to, env);
  });
}

// What the peer may offer: nothing, everything, and between.
std::vector<Conditions> offers() {
  return {{},
          {.peer = {.wscale = std::uint8_t{7}, .ts = 1000u}},
          {.peer = {.mss = std::uint16_t{500}, .ts = 1000u}},
          {.peer = {.mss = std::nullopt, .wscale = std::uint8_t{0}, .wnd = 100}}};
}

TEST(HandshakeRecords, KeepWhatTheSynAgreedOn) {
  for (const Conditions& given : offers()) {
    TestConnection plain = syn_received(given);
    TestConnection packed = syn_received(given);
    through_handshake_record(packed);
    EXPECT_EQ(packed.state(), State::kSynReceived);
    for (TestConnection* c : {&plain, &packed}) {
      c->sleep(100ms);
      c->peer_sends(ack(1));
      c->expect_nothing_sent();
      c->user_sends(pattern(4000));
    }
    const Tcb& a = plain.tcb();
    const Tcb& b = packed.tcb();
    EXPECT_EQ(b.state(), State::kEstablished);
    EXPECT_EQ(a.smss(), b.smss());
    EXPECT_EQ(a.snd().wnd, b.snd().wnd);
    EXPECT_EQ(a.snd_shift(), b.snd_shift());
    EXPECT_EQ(a.rcv_shift(), b.rcv_shift());
    EXPECT_EQ(a.timestamps(), b.timestamps());
    EXPECT_EQ(a.ts().recent, b.ts().recent);
    EXPECT_EQ(a.rcv_mss_offered(), b.rcv_mss_offered());
    EXPECT_EQ(a.congestion().cwnd, b.congestion().cwnd);
    EXPECT_EQ(plain.rto(), packed.rto()) << "the round trip of the SYN-ACK";
    const auto of_plain = plain.take_all_sent();
    const auto of_packed = packed.take_all_sent();
    ASSERT_EQ(of_plain.size(), of_packed.size());
    for (std::size_t i = 0; i < of_plain.size(); ++i) EXPECT_EQ(to_string(of_plain[i]), to_string(of_packed[i]));
  }
}

TEST(HandshakeRecords, AnswerAsTheTcbDid) {  // each kind of segment, the same verdict and the same reply
  const auto kinds = [] {
    return std::vector<SegmentSpec>{ack(1),
                                    ack(0),
                                    ack(2),
                                    data("hello").seq(1).ack(1),
                                    data("hello").fin().seq(1).ack(1),
                                    syn(),
                                    syn().seq(5),
                                    rst().seq(1),
                                    rst().seq(7),
                                    rst().seq(-7),
                                    data("old").seq(-10).ack(1),
                                    fin().seq(1),
                                    no_flags()};
  }();
  for (const SegmentSpec& kind : kinds) {
    TestConnection plain = syn_received();
    TestConnection packed = syn_received();
    through_handshake_record(packed);
    EXPECT_EQ(plain.peer_sends(kind), packed.peer_sends(kind));
    EXPECT_EQ(plain.state(), packed.state());
    EXPECT_EQ(plain.received(), packed.received());
    const auto a = plain.take_all_sent();
    const auto b = packed.take_all_sent();
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(to_string(a[i]), to_string(b[i]));
  }
}

TEST(HandshakeRecords, KeepTheOptionsOfTheListener) {
  const Conditions given{
      .options = {.nodelay = true, .keep_alive = {.on = true}, .user_timeout = 7s, .ttl = 9, .tos = 0x20}};
  TestConnection c = syn_received(given);
  through_handshake_record(c);
  EXPECT_TRUE(c.tcb().nodelay());
  EXPECT_TRUE(c.tcb().keep_alive_on());
  EXPECT_EQ(c.tcb().ttl(), 9);
  EXPECT_EQ(c.tcb().tos(), 0x20);
  EXPECT_TRUE(c.tcb().passive());
}

TEST(HandshakeRecords, ARetransmittedSynAckMeasuresNothing) {  // MUST-18
  TestConnection c = syn_received();
  through_handshake_record(c, 1);
  c.sleep(100ms);
  c.peer_sends(ack(1));
  EXPECT_FALSE(c.tcb().rtt().sampled());
}

TEST(TimeWaitRecords, KeepTheNumbers) {
  for (const Conditions& given : offers()) {
    TestConnection plain = time_wait(given);
    TestConnection packed = time_wait(given);
    through_time_wait_record(packed);
    EXPECT_EQ(packed.state(), State::kTimeWait);
    EXPECT_EQ(plain.snd_nxt(), packed.snd_nxt());
    EXPECT_EQ(plain.rcv_nxt(), packed.rcv_nxt());
    EXPECT_EQ(plain.tcb().ts().recent, packed.tcb().ts().recent);
    EXPECT_EQ(plain.tcb().timestamps(), packed.tcb().timestamps());
  }
}

TEST(TimeWaitRecords, AnswerAsTheTcbDid) {
  const std::vector<SegmentSpec> kinds{
      fin().seq(1).ack(2),      ack(2).seq(2),    ack(2).seq(1), ack(1).seq(2), ack(3).seq(2), data("x").seq(2).ack(2),
      data("x").seq(-5).ack(2), rst().seq(2),     rst().seq(1),  syn().seq(3),  syn().seq(2),  syn().seq(-100000),
      syn().seq(100).ack(2),    no_flags().seq(2)};
  for (const Conditions& given : offers()) {
    for (const SegmentSpec& kind : kinds) {
      TestConnection plain = time_wait(given);
      TestConnection packed = time_wait(given);
      through_time_wait_record(packed);
      plain.sleep(1s);
      packed.sleep(1s);
      EXPECT_EQ(plain.peer_sends(kind), packed.peer_sends(kind));
      EXPECT_EQ(plain.state(), packed.state());
      const auto a = plain.take_all_sent();
      const auto b = packed.take_all_sent();
      ASSERT_EQ(a.size(), b.size());
      for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(to_string(a[i]), to_string(b[i]));
    }
  }
}

TEST(TimeWaitRecords, EndWhenTheTcbWouldHave) {  // MUST-13
  TestConnection c = time_wait();
  through_time_wait_record(c);
  c.sleep(60s - 1ms);
  EXPECT_EQ(c.state(), State::kTimeWait);
  c.sleep(2ms);
  EXPECT_EQ(c.state(), State::kClosed);
}

TEST(TimeWaitRecords, FinAgainRestartsTwoMsl) {
  TestConnection c = time_wait();
  through_time_wait_record(c);
  c.sleep(50s);
  c.peer_sends(fin().seq(1).ack(2));
  c.sleep(50s);
  EXPECT_EQ(c.state(), State::kTimeWait);
}

}  // namespace
}  // namespace pollux::tcp::test
