// RFC 9293, 3.10.7.2: what a listener does with a segment, and the connection that a SYN makes.

#include "test_connection.h"

namespace pollux::tcp::test {
namespace {

Verdict listener_gets(std::string_view flags, std::size_t text = 0) {
  static constexpr std::array<std::byte, 100> kText{};
  const auto has = [&](char c) { return flags.find(c) != std::string_view::npos; };
  Segment s;
  s.flags = {.fin = has('F'), .syn = has('S'), .rst = has('R'), .psh = has('P'), .ack = has('.'), .urg = has('U')};
  s.text = std::span{kText}.first(text);
  return arrives_in_listen(s);
}

TEST(Listen, FirstRstIsIgnored) {  // in all variants
  for (const std::string_view flags : {"R", "R.", "RS", "RF", "RS.", "RF."}) {
    EXPECT_EQ(listener_gets(flags), Verdict::kListenIgnored) << flags;
    EXPECT_EQ(listener_gets(flags, 10), Verdict::kListenIgnored) << flags;
  }
}

TEST(Listen, SecondAnyAckIsReset) {
  for (const std::string_view flags : {".", "S.", "F.", "P.", "SF.", "FPU."}) {
    EXPECT_EQ(listener_gets(flags), Verdict::kReset) << flags;
    EXPECT_EQ(listener_gets(flags, 10), Verdict::kReset) << flags;
  }
}

TEST(Listen, ThirdSynOpens) {
  EXPECT_EQ(listener_gets("S"), Verdict::kContinue);
  EXPECT_EQ(listener_gets("S", 100), Verdict::kContinue);
  EXPECT_EQ(listener_gets("SP"), Verdict::kContinue);
}

TEST(Listen, SynWithFinIsDroppedAsOnLinux) { EXPECT_EQ(listener_gets("SF"), Verdict::kSynWithFin); }

TEST(Listen, FourthAnythingElseIsIgnored) {
  for (const std::string_view flags : {"", "F", "P", "U", "FPU"}) {
    EXPECT_EQ(listener_gets(flags), Verdict::kListenIgnored) << flags;
    EXPECT_EQ(listener_gets(flags, 10), Verdict::kListenIgnored) << flags;
  }
}

TEST(Listen, SynMakesSynReceivedAndIsAnswered) {
  TestConnection c;
  c.peer_opens(c.peer_syn());
  const Sent answer = c.expect_sent(syn().ack(1));
  EXPECT_TRUE(answer.text.empty());
  EXPECT_EQ(c.state(), State::kSynReceived);
  EXPECT_EQ(c.rcv_nxt(), 1);
  EXPECT_EQ(c.snd_una(), 0);
  EXPECT_EQ(c.snd_nxt(), 1);
  EXPECT_TRUE(c.tcb().passive());
  EXPECT_FALSE(c.events().any()) << "the application learns of it when the handshake is done";
  c.expect_nothing_sent();
}

// Only what the peer offered comes back (RFC 7323, 2.2, SYN-ACK; RFC 7323, 3.2, SYN-ACK), MSS always (MUST-14, SHLD-5,
// MAY-3).
TEST(Listen, SynAckHasTheOptionsThatWereOffered) {
  for (const bool ts : {false, true}) {
    for (const bool scale : {false, true}) {
      Conditions given;
      if (ts) given.peer.ts = 7000;
      if (scale) given.peer.wscale = 5;
      given.peer.sack_permitted = ts != scale;
      TestConnection c{given};
      c.peer_opens(c.peer_syn());
      const Sent answer = c.expect_sent(syn().ack(1));
      EXPECT_TRUE(answer.options.mss.has_value());
      EXPECT_EQ(answer.options.ts.has_value(), ts);
      EXPECT_EQ(answer.options.wind_shift.has_value(), scale);
      EXPECT_EQ(answer.options.sack_permitted, ts != scale);  // RFC 2018, 2
      if (ts) {
        EXPECT_EQ(answer.options.ts->ecr, 7000u);
      }
      EXPECT_EQ(c.tcb().timestamps(), ts);
      EXPECT_EQ(c.tcb().window_scaled(), scale);
    }
  }
}

TEST(Listen, OptionsThatWeHaveSwitchedOffAreNotAnswered) {
  Conditions given{.config = {.timestamps = false, .window_scaling = false, .sack_permitted = false},
                   .peer = {.wscale = std::uint8_t{7}, .ts = 1u, .sack_permitted = true}};
  TestConnection c{given};
  c.peer_opens(c.peer_syn());
  const Sent answer = c.expect_sent(syn().ack(1));
  EXPECT_FALSE(answer.options.ts.has_value());
  EXPECT_FALSE(answer.options.wind_shift.has_value());
  EXPECT_FALSE(answer.options.sack_permitted);
}

TEST(Listen, TextOnASynIsNotAcknowledgedAndMayComeAgain) {  // 3.10.7.2, "should be queued" is for T/TCP's heirs
  TestConnection c;
  c.peer_opens(c.peer_syn().text("early"));
  c.expect_sent(syn().ack(1));
  EXPECT_EQ(c.received(), "");
  c.peer_sends(data("early").seq(1).ack(1));
  EXPECT_EQ(c.received(), "early");
  EXPECT_EQ(c.rcv_nxt(), 6);
}

TEST(Listen, WindowOfTheSynIsNotScaled) {  // RFC 7323, 2.2, field of a SYN
  Conditions given{.peer = {.wscale = std::uint8_t{10}, .wnd = 1000}};
  TestConnection c{given};
  c.peer_opens(c.peer_syn());
  EXPECT_EQ(c.tcb().snd().wnd, 1000u);
  const Sent answer = c.expect_sent(syn().ack(1));
  EXPECT_GT(answer.wnd, 0u);
  EXPECT_EQ(c.right_edge(), 1 + answer.wnd) << "RCV.WND is what the SYN-ACK could say";
}

TEST(Listen, OptionsOfTheListenerAreHandedDown) {  // MUST-48, MUST-49, MUST-17
  Conditions given{.options = {.nodelay = true, .keep_alive = {.on = true}, .ttl = 7, .tos = 0x28}};
  TestConnection c{given};
  c.peer_opens(c.peer_syn());
  EXPECT_EQ(c.tcb().ttl(), 7);
  EXPECT_EQ(c.tcb().tos(), 0x28);
  EXPECT_TRUE(c.tcb().nodelay());
  EXPECT_TRUE(c.tcb().keep_alive_on());
}

TEST(Listen, KeyNamesBothEnds) {
  TestConnection c;
  c.peer_opens(c.peer_syn());
  EXPECT_EQ(c.tcb().key().local_port, 80);
  EXPECT_EQ(c.tcb().key().remote_port, 40112);
}

}  // namespace
}  // namespace pollux::tcp::test
