// What is told of a connection in Linux's words (TCP_INFO). AP-09; SS-05.

#include "numbered_segments.h"

namespace pollux::tcp::test {
namespace {

TEST(Info, CountsTextAndSegmentsInBothDirections) {
  TestConnection c = established();
  c.user_sends(pattern(3 * kMss));
  c.peer_sends(data("hello").seq(1).ack(at(2)));
  c.take_all_sent();
  const Info info = c.info();
  EXPECT_EQ(info.bytes_acked, 2u * kMss);
  EXPECT_EQ(info.bytes_sent, 3u * kMss);
  EXPECT_EQ(info.bytes_retrans, 0u);
  EXPECT_EQ(info.bytes_received, 5u);
  EXPECT_EQ(info.data_segs_out, 3u);
  EXPECT_EQ(info.data_segs_in, 1u);
  EXPECT_EQ(info.segs_in, 2u) << "and the one that opened it";
  EXPECT_EQ(info.unacked, 1u);
  EXPECT_EQ(info.rcv_mss, 5u);
}

TEST(Info, ForgetsNothingWhileNothingIsOutstanding) {
  TestConnection c = established();
  for (int i = 0; i < 10; ++i) {
    c.user_sends("hello");
    c.sleep(50ms);
    c.peer_sends(ack(c.snd_nxt()).seq(1));
    c.sleep(1s);
  }
  c.take_all_sent();
  EXPECT_TRUE(c.holds_no_memory());
  EXPECT_EQ(c.info().bytes_acked, 50u);
  EXPECT_EQ(c.info().busy_time, 500'000u);
  EXPECT_EQ(c.info().rwnd_limited, 0u);
  EXPECT_EQ(c.info().sndbuf_limited, 0u);
}

TEST(Info, TellsTheRoundTripAndTheWindows) {
  TestConnection c = established({.peer = {.wscale = std::uint8_t{7}}});
  const Info info = c.info();
  EXPECT_EQ(info.rtt, 100'000u);
  EXPECT_EQ(info.rttvar, 50'000u);
  EXPECT_EQ(info.min_rtt, 100'000u);
  EXPECT_EQ(info.rto, 300'000u);
  EXPECT_EQ(info.snd_mss, 1460u);
  EXPECT_EQ(info.advmss, 1460u);
  EXPECT_EQ(info.snd_cwnd, 10u);
  EXPECT_EQ(info.snd_ssthresh, 0x7fff'ffffu);
  EXPECT_EQ(info.snd_wscale, 7u);
  EXPECT_EQ(info.snd_wnd, c.tcb().snd().wnd);
  EXPECT_EQ(info.rcv_wnd, c.tcb().rcv_wnd());
  EXPECT_EQ(info.reordering, 3u);
  EXPECT_EQ(info.ca_state, 0u) << "TCP_CA_Open";
}

TEST(Info, TellsOfARecovery) {
  TestConnection c = ten_in_flight();
  c.sleep(100ms);
  sacks(c, 0, {{1, 2}});
  EXPECT_EQ(c.info().ca_state, 1u) << "TCP_CA_Disorder";
  EXPECT_EQ(c.info().sacked, 1u);
  sacks(c, 0, {{5, 9}, {3, 4}, {1, 2}});
  const Segments again = sent(c);
  ASSERT_EQ(again, (Segments{10, 0, 2, 4}));
  const Info info = c.info();
  EXPECT_EQ(info.ca_state, 3u) << "TCP_CA_Recovery";
  EXPECT_EQ(info.sacked, 6u);
  EXPECT_EQ(info.snd_ssthresh, 5u);
  EXPECT_EQ(info.retrans, 3u) << "0, 2 and 4";
  EXPECT_EQ(info.lost, 0u);
  EXPECT_EQ(info.retrans, info.total_retrans);
  EXPECT_EQ(info.bytes_retrans, info.total_retrans * std::uint64_t{kMss});
  EXPECT_EQ(info.bytes_sent, 10 * kMss + again.size() * kMss);
}

TEST(Info, TellsOfAMark) {
  TestConnection c{{.config = {.congestion = CongestionControl::kNewReno, .ecn = true}}};
  c.peer_opens(c.peer_syn().ece().cwr());
  c.take_all_sent();
  c.peer_sends(ack(1));
  c.user_sends(pattern(30 * kMss));
  c.take_all_sent();
  c.peer_sends(ack(at(1)).ece());
  EXPECT_EQ(c.info().ca_state, 2u) << "TCP_CA_CWR";
  c.peer_sends(ack(at(10)));
  EXPECT_EQ(c.info().ca_state, 0u) << "TCP_CA_Open";
  c.take_all_sent();
}

TEST(Info, CountsAProbeOfThePathAsOneSegment) {
  TestConnection c = ten_in_flight(0);
  c.packet_too_big(at(0), c.tcb().path_mtu() - 160);
  c.take_all_sent();
  c.peer_sends(ack(at(10)).seq(1));
  c.take_all_sent();
  c.sleep(11min);
  const std::uint32_t before = c.info().data_segs_out;
  c.user_sends(pattern(40'000, static_cast<std::size_t>(c.snd_nxt() - 1)));
  ASSERT_EQ(c.counters().mtu_probes, 1u);
  EXPECT_EQ(c.info().data_segs_out - before, c.take_all_sent().size());
}

TEST(Info, TellsOfTimeOuts) {
  TestConnection c = established();
  c.user_sends(pattern(3 * kMss));
  c.sleep_until_time_out();
  c.sleep_until_time_out();
  const Info info = c.info();
  EXPECT_EQ(info.ca_state, 4u) << "TCP_CA_Loss";
  EXPECT_EQ(info.retransmits, 2u);
  EXPECT_EQ(info.backoff, 2u);
  EXPECT_EQ(info.rto, 1'200'000u);
  EXPECT_EQ(info.total_retrans, 2u);
  EXPECT_EQ(info.snd_cwnd, 1u);
  EXPECT_EQ(info.retrans, 1u);
  EXPECT_EQ(info.lost, 2u);
  c.take_all_sent();
}

TEST(Info, CountsASynThatGoesAgain) {
  TestConnection c = syn_sent();
  c.sleep(1s);
  EXPECT_EQ(c.info().total_retrans, 1u);
  c.take_all_sent();
}

TEST(Info, TellsHowFarSomethingCameBehind) {
  TestConnection c = ten_in_flight();
  c.sleep(20ms);
  sacks(c, 0, {{6, 7}});
  sacks(c, 0, {{6, 7}, {1, 2}});
  EXPECT_GE(c.info().reord_seen, 1u);
  EXPECT_EQ(c.info().reordering, 6u);
  c.take_all_sent();
}

TEST(Info, CountsDSacks) {
  TestConnection c = ten_in_flight();
  sacks(c, 3, {});
  sacks(c, 3, {{1, 2}});
  EXPECT_EQ(c.info().dsack_dups, 1u);
  c.take_all_sent();
}

TEST(Info, CountsWhatCameOutOfOrder) {
  TestConnection c = established();
  c.peer_sends(data("world").seq(6).ack(1));
  EXPECT_EQ(c.info().rcv_ooopack, 1u);
  EXPECT_EQ(c.info().bytes_received, 0u);
  c.peer_sends(data("hello").seq(1).ack(1));
  EXPECT_EQ(c.info().bytes_received, 10u);
  c.take_all_sent();
}

TEST(Info, TellsForHowLongThePeersWindowWasTheLimit) {
  TestConnection c = established();
  c.peer_sends(ack(1).seq(1).wnd(2 * kMss));
  c.user_sends(pattern(4 * kMss));
  c.sleep(30ms);
  EXPECT_EQ(c.info().rwnd_limited, 30'000u);
  c.peer_sends(ack(at(2)).seq(1).wnd(65535));
  c.sleep(20ms);
  EXPECT_EQ(c.info().rwnd_limited, 30'000u);
  EXPECT_EQ(c.info().busy_time, 50'000u);
  c.take_all_sent();
}

TEST(Info, TellsForHowLongTheSendBufferWasTheLimit) {
  TestConnection c = established({.config = {.send_buffer = 2 * kMss}});
  c.user_sends(pattern(4 * kMss));
  c.sleep(30ms);
  EXPECT_EQ(c.info().sndbuf_limited, 30'000u);
  c.peer_sends(ack(at(2)).seq(1));
  c.sleep(1s);
  EXPECT_EQ(c.info().sndbuf_limited, 30'000u);
  EXPECT_EQ(c.info().busy_time, 30'000u);
  c.take_all_sent();
}

}  // namespace
}  // namespace pollux::tcp::test
