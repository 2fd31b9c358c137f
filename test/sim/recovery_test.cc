// Repair of what was lost, and what a stranger in the middle of it may not do.

#include "scenes.h"

namespace pollux::sim {
namespace {

using tcp::State;

// Text that fills several flights, sent in one go.
Plan bulk(std::uint64_t bytes) {
  Plan plan = Network::manual();
  plan.total = bytes;
  plan.chunk = static_cast<std::uint32_t>(bytes);
  return plan;
}

NetworkConfig with_sack(bool sack, Duration one_way) {
  NetworkConfig config = with_one_way(one_way);
  config.tcp[0].sack_permitted = sack;
  return config;
}

void lose_one(bool sack) {
  Scene net{with_sack(sack, 50ms)};
  auto [client, server] = net.connected_pair();
  net.drop(nth(12, text().from(client)));

  client.send_all(100'000);
  net.run_until_idle();

  EXPECT_EQ(server.received(), 100'000u);
  EXPECT_EQ(net.core(0).tcp_counters().fast_retransmits, 1u);
  EXPECT_EQ(net.core(0).tcp_counters().rto_fired, 0u);
}

TEST(Recovery, ALostSegmentComesAgainWithTheThirdDuplicate) { lose_one(false); }      // RFC 5681, 3.2
TEST(Recovery, ALostSegmentComesAgainWhenThreeBehindItAreSacked) { lose_one(true); }  // RFC 6675, 5

void lose_two_of_a_flight(bool sack) {
  NetworkConfig config = with_sack(sack, 20ms);
  config.tcp[0].rto_min = 2s;
  Scene net{config};
  auto [client, server] = net.connected_pair();
  net.drop(nth(30, text().from(client)));
  net.drop(nth(34, text().from(client)));

  client.send_all(200'000);
  net.run_until_idle();

  EXPECT_EQ(server.received(), 200'000u);
  EXPECT_EQ(net.core(0).tcp_counters().fast_retransmits, 1u);
  EXPECT_EQ(net.core(0).tcp_counters().rto_fired, 0u);
}

TEST(Recovery, TwoHolesInOneFlightAreRepairedWithoutATimeOut) { lose_two_of_a_flight(false); }  // RFC 6582, 3.2
TEST(Recovery, TwoHolesInOneFlightAreRepairedBySack) { lose_two_of_a_flight(true); }            // RFC 6675, 4

TEST(Recovery, OnlyWhatWasLostIsSentAgain) {  // RFC 6675, 4: NextSeg()
  NetworkConfig config = with_one_way(20ms);
  config.tcp[0].rto_min = 2s;
  Scene net{config};
  auto [client, server] = net.connected_pair();
  for (const std::uint64_t n : {1u, 3u, 5u}) net.drop(nth(n, text().from(client)));

  client.send_all(200'000);
  net.run_until_idle();

  EXPECT_EQ(server.received(), 200'000u);
  EXPECT_EQ(net.core(0).tcp_counters().retransmitted_segments, 3u);
  EXPECT_EQ(net.core(0).tcp_counters().fast_retransmits, 1u);
  EXPECT_EQ(net.core(0).tcp_counters().rto_fired, 0u);
}

// RFC 8985, 3.4: what is lost at the end costs a loss probe, not a time-out.
void lose_the_end(std::uint64_t segments, std::uint64_t lost) {
  Scene net{with_one_way(50ms)};
  auto [client, server] = net.connected_pair();
  net.drop(text().from(client).numbered(segments - lost + 1, segments));

  client.send_all(segments * 1448);
  net.run_until_idle();

  EXPECT_EQ(server.received(), segments * 1448);
  EXPECT_EQ(net.core(0).tcp_counters().tail_loss_probes, 1u);
  EXPECT_EQ(net.core(0).tcp_counters().rto_fired, 0u);
  EXPECT_EQ(net.core(0).tcp_counters().retransmitted_segments, lost);
}

TEST(Recovery, ALostLastSegmentCostsALossProbe) { lose_the_end(20, 1); }
TEST(Recovery, FiveLostAtTheEndCostALossProbeAndARecovery) { lose_the_end(20, 5); }
TEST(Recovery, ALostLoneSegmentCostsALossProbe) { lose_the_end(1, 1); }

// RFC 8985, 6.2, step 4: frames are overtaken by those that follow within `late`, three to twenty of them. The
// reordering window is a quarter of a round trip of 40 ms at first; D-SACKs widen it.
void reorder(Duration late, std::uint64_t retransmitted_at_first) {
  Scene net{with_one_way(20ms)};
  auto [client, server] = net.connected_pair();
  Impairment uneven;
  uneven.delay = 20ms;
  uneven.bits_per_second = 20'000'000;  // 0.6 ms for a segment
  uneven.queue_bytes = 1'000'000;       // nothing is lost
  uneven.reorder = 0.02;
  uneven.reorder_delay = late;
  net.impair(0, uneven);

  client.send_all(3'000'000);
  net.run_until_idle();
  const std::uint64_t at_first = net.core(0).tcp_counters().retransmitted_segments;
  client.send_all(10'000'000);
  net.run_until_idle();

  EXPECT_EQ(server.received(), 13'000'000u);
  EXPECT_LE(at_first, retransmitted_at_first);
  EXPECT_EQ(net.core(0).tcp_counters().retransmitted_segments, at_first);
  EXPECT_EQ(net.core(0).tcp_counters().rto_fired, 0u);
  EXPECT_GT(net.core(1).tcp_counters().out_of_order, 50u);
}

TEST(Recovery, AReorderingOfThreeSegmentsCostsNothingAfterTheFirstRoundTrips) { reorder(2ms, 30); }
TEST(Recovery, AReorderingOfTwentySegmentsCostsNothingAfterTheFirstRoundTrips) { reorder(12ms, 60); }

TEST(Recovery, TooFewBehindAHoleForDupThreshAreEnough) {  // RFC 8985, 3.2: the reordering timer
  Scene net{with_one_way(50ms)};
  auto [client, server] = net.connected_pair();
  net.drop(nth(1, text().from(client)));

  client.send_all(3 * 1448);
  net.run_until_idle();

  EXPECT_EQ(server.received(), 3u * 1448);
  EXPECT_EQ(net.core(0).tcp_counters().fast_retransmits, 1u);
  EXPECT_EQ(net.core(0).tcp_counters().rto_fired, 0u);
}

TEST(Recovery, ALostRetransmissionComesAgainWithoutATimeOut) {  // RFC 8985, 3.3
  Scene net{with_one_way(20ms)};
  auto [client, server] = net.connected_pair();
  net.drop(nth(30, text().from(client)));
  client.send_all(400'000);
  while (net.core(0).tcp_counters().fast_retransmits == 0) net.sleep(1ms);
  net.drop(nth(1, text().from(client)));
  net.run_until_idle();

  EXPECT_EQ(server.received(), 400'000u);
  EXPECT_EQ(net.core(0).tcp_counters().rto_fired, 0u);
}

// RFC 3522 and 4015: everything stands still for a second, in the midst of a transfer.
TEST(Recovery, ADelaySpikeCostsATimeOutThatIsUndone) {
  Scene net{with_one_way(20ms)};
  auto [client, server] = net.connected_pair();
  client.send_all(200'000);
  net.run_until_idle();
  Impairment usual;
  usual.delay = 20ms;
  Impairment slow;
  slow.delay = 1s;
  net.impair(0, slow);
  client.send_all(100'000);
  net.sleep(1ms);
  net.impair(0, usual);
  net.run_until_idle();

  EXPECT_EQ(server.received(), 300'000u);
  EXPECT_GE(net.core(0).tcp_counters().rto_fired, 1u);
  EXPECT_EQ(net.core(0).tcp_counters().spurious_time_outs, 1u);
  EXPECT_EQ(client.tcb().congestion().ssthresh, UINT32_MAX);
}

// RFC 5682: without timestamps. From one moment on everything takes a third of a second longer than before.
void grow_slow(bool sack) {
  NetworkConfig config = with_sack(sack, 20ms);
  config.tcp[0].timestamps = false;
  Scene net{config};
  auto [client, server] = net.connected_pair();
  client.send_all(60'000);
  net.run_until_idle();
  Impairment slow;
  slow.delay = 320ms;
  slow.bits_per_second = 20'000'000;  // so that more than one ACK comes
  slow.queue_bytes = 1'000'000;
  net.impair(0, slow);
  client.send_all(400'000);
  net.run_until_idle();

  EXPECT_EQ(server.received(), 460'000u);
  EXPECT_GE(net.core(0).tcp_counters().rto_fired, 1u);
  EXPECT_EQ(net.core(0).tcp_counters().spurious_time_outs, 1u);
  EXPECT_EQ(client.tcb().congestion().ssthresh, UINT32_MAX);
}

TEST(Recovery, ATimeOutForNothingIsUndoneWithoutTimestamps) { grow_slow(false); }
TEST(Recovery, ATimeOutForNothingIsUndoneWithSackAlone) { grow_slow(true); }

// Karn: the round trip of what was sent twice is not known.
void lose_one_and_measure(bool timestamps) {
  NetworkConfig config = with_one_way(50ms);
  config.tcp[0].timestamps = timestamps;
  Scene net{config};
  auto [client, server] = net.connected_pair();
  for (int i = 0; i < 20; ++i) {
    client.send_all(100);
    net.run_until_idle();
  }
  const Duration before = client.tcb().rtt().srtt();
  EXPECT_GE(before, 100ms);
  net.drop(text().from(client).numbered(1, 3));

  client.send_all(100);
  net.run_until_idle();

  EXPECT_EQ(net.core(0).tcp_counters().tail_loss_probes, 1u);
  EXPECT_EQ(net.core(0).tcp_counters().rto_fired, 2u);
  EXPECT_EQ(net.core(0).tcp_counters().spurious_time_outs, 0u);
  EXPECT_GE(client.tcb().rtt().srtt(), 100ms);
  EXPECT_LE(client.tcb().rtt().srtt(), before + 10ms);
}

TEST(Recovery, WhatWasSentTwiceMeasuresNothing) { lose_one_and_measure(false); }            // MUST-18
TEST(Recovery, TimestampsMeasureTheSegmentThatWasAnswered) { lose_one_and_measure(true); }  // RFC 7323, 4.1

// The ACK of the first copy comes late, after the second was sent: its timestamp must not count.
TEST(Recovery, AnEchoOlderThanTheRetransmissionMeasuresNothing) {
  NetworkConfig config = with_one_way(50ms);
  Scene net{config};
  auto [client, server] = net.connected_pair();
  for (int i = 0; i < 20; ++i) {
    client.send_all(100);
    net.run_until_idle();
  }
  const Duration before = client.tcb().rtt().srtt();
  Impairment slow;
  slow.delay = 600ms;
  net.impair(1, slow);

  client.send_all(100);
  net.run_until_idle();

  EXPECT_GE(net.core(0).tcp_counters().rto_fired, 1u);
  EXPECT_LE(client.tcb().rtt().srtt(), before + 10ms);
  // RFC 3522 and 4015: and what the time-out reduced is taken back.
  EXPECT_EQ(net.core(0).tcp_counters().spurious_time_outs, 1u);
  EXPECT_EQ(client.tcb().congestion().ssthresh, UINT32_MAX);
}

TEST(Recovery, TheTimeOutDoublesUntilSomethingIsHeard) {  // RFC 6298, 5.5
  Scene net;
  auto [client, server] = net.connected_pair();
  net.drop(text().from(client).numbered(1, 7));
  client.send_all(100);
  net.run_until_idle();

  const auto copies = net.sent(text().from(client));
  ASSERT_GE(copies.size(), 6u);
  for (std::size_t i = 3; i < copies.size(); ++i) {  // the second is a loss probe
    const double ratio = std::chrono::duration<double>(copies[i].at - copies[i - 1].at) /
                         std::chrono::duration<double>(copies[i - 1].at - copies[i - 2].at);
    EXPECT_NEAR(ratio, 2.0, 0.05);
  }
  EXPECT_EQ(server.received(), 100u);
}

TEST(Recovery, ALostWindowUpdateIsFoundOutByProbes) {  // MUST-36
  Scene net;
  auto [client, server] = net.connected_pair();
  server.stop_reading();
  client.send_all(1'000'000);
  net.sleep(10s);
  ASSERT_EQ(client.tcb().snd().wnd, 0u);
  net.partition(1, true);
  server.read_on();
  net.sleep(1s);
  net.partition(1, false);

  net.run_until_idle();

  EXPECT_EQ(server.received(), 1'000'000u);
}

TEST(Recovery, AnOldSegmentDoesNotChangeTheWindow) {  // RFC 9293, 3.10.7.4, fifth: SND.WL1
  Scene net;
  auto [client, server] = net.connected_pair(bulk(1000), Network::manual());
  const auto old_ack = net.sent(pure_ack().from(server)).back();
  server.send_all(5000);  // SEG.SEQ moves on, SEG.ACK does not
  net.run_until_idle();
  const std::uint32_t window = client.tcb().snd().wnd;
  WireView view = view_of(old_ack);
  std::vector<std::byte> shrunk = old_ack.frame;
  shrunk[view.tcp_offset + 14] = shrunk[view.tcp_offset + 15] = std::byte{0};
  // Acceptable, so that only WL1 keeps it out: one byte of text that is known, at the edge of what is expected.
  mend_checksums(shrunk);
  const auto text_of_server = net.sent(text().from(server)).back();
  std::vector<std::byte> known = text_of_server.frame;
  view = view_of(text_of_server);
  known[view.tcp_offset + 14] = known[view.tcp_offset + 15] = std::byte{0};
  mend_checksums(known);

  // The last text again, with more behind it, as if it had been sent before that: SEG.SEQ < WL1, yet it is taken.
  server.send_all(10);
  net.run_until_idle();
  net.inject(0, shrunk);
  net.inject(0, known);
  net.run_until_idle();

  EXPECT_EQ(client.tcb().snd().wnd, window);
}

TEST(Recovery, OldTextOutOfOrderDoesNotChangeTheWindow) {
  Scene net;
  auto [client, server] = net.connected_pair(bulk(1000), Network::manual());
  // Three segments; the first two are lost, so that what is expected stays behind WL1.
  net.drop(text().from(server).numbered(1, 2));
  server.send_all(1448 * 3);
  net.sleep(15ms);
  const auto texts = net.sent(text().from(server));
  ASSERT_EQ(texts.size(), 3u);
  const std::uint32_t window = client.tcb().snd().wnd;
  ASSERT_GT(window, 0u);
  WireView view = view_of(texts[1]);
  std::vector<std::byte> old = texts[1].frame;
  old[view.tcp_offset + 14] = old[view.tcp_offset + 15] = std::byte{0};
  mend_checksums(old);

  net.inject(0, old);
  net.sleep(11ms);

  EXPECT_EQ(client.tcb().snd().wnd, window);
}

TEST(Recovery, AResetInTheWindowIsChallengedAndOneOutsideIsNot) {  // RFC 5961, 3.2
  Scene net;
  auto [client, server] = net.connected_pair(bulk(1000), Network::manual());
  net.sleep(1s);
  const auto edges = *net.oracle().edges(server.key());
  const std::size_t before = net.frames().size();

  net.forge(server, kFlagRst, edges.rcv_edge, 0);
  net.forge(server, kFlagRst, edges.rcv_nxt - 1, 0);
  net.sleep(1s);
  EXPECT_EQ(net.frames().size(), before);

  for (const std::uint32_t seq : {edges.rcv_nxt + 1, edges.rcv_edge - 1}) {
    net.forge(server, kFlagRst, seq, 0);
    net.sleep(1s);
  }
  EXPECT_EQ(net.frames().size(), before + 2);
  EXPECT_EQ(server.state(), State::kEstablished);

  net.forge(server, kFlagRst, edges.rcv_nxt, 0);
  server.side().flow->may_fail = true;
  net.sleep(1s);
  EXPECT_EQ(server.state(), State::kClosed);
}

TEST(Recovery, TheWindowEndsWhereItsEdgeWasOffered) {  // RFC 9293, 3.10.7.4, first and second; RFC 5961, 3.2
  Scene net;
  auto [client, server] = net.connected_pair(bulk(1000), Network::manual());
  net.sleep(1s);
  const auto edges = *net.oracle().edges(server.key());
  const std::size_t before = net.frames().size();

  net.forge(server, kFlagAck, edges.rcv_edge - 1, edges.snd_nxt);
  net.forge(server, kFlagAck, edges.rcv_edge, edges.snd_nxt);  // of one who has filled the window
  net.sleep(1s);
  EXPECT_EQ(net.frames().size(), before);

  net.forge(server, kFlagAck, edges.rcv_edge + 1, edges.snd_nxt);
  net.sleep(1s);
  EXPECT_EQ(net.frames().size(), before + 1);

  net.forge(server, kFlagFin | kFlagAck, edges.rcv_edge, edges.snd_nxt);
  net.sleep(1s);
  EXPECT_EQ(net.frames().size(), before + 2);

  net.forge(server, kFlagRst, edges.rcv_edge, edges.snd_nxt);
  net.sleep(1s);
  EXPECT_EQ(net.frames().size(), before + 2);

  net.forge(server, kFlagRst, edges.rcv_edge - 1, edges.snd_nxt);
  net.sleep(1s);
  EXPECT_EQ(net.frames().size(), before + 3);
}

TEST(Recovery, AnUrgentPointerToWhatHasBeenReadAnnouncesNothing) {  // RFC 9293, 3.10.7.4, sixth; CVE-2019-12255
  Scene net;
  auto [client, server] = net.connected_pair(bulk(1000), Network::manual());
  net.sleep(1s);
  const auto edges = *net.oracle().edges(server.key());

  net.forge(server, kFlagUrg | kFlagAck, edges.rcv_nxt, edges.snd_nxt);
  net.sleep(1s);

  EXPECT_EQ(server.side().urgent_events, 0u);
}

TEST(Recovery, OldTextIsAnsweredEveryTimeAndOldAcksOnceInAWhile) {  // RFC 5961, 7
  Scene net;
  auto [client, server] = net.connected_pair(bulk(1000), Network::manual());
  net.sleep(1s);
  const auto old_text = net.sent(text().from(client)).front();
  const auto edges = *net.oracle().edges(server.key());
  std::size_t before = net.frames().size();

  for (int i = 0; i < 20; ++i) {
    net.inject(1, old_text.frame);
    net.sleep(1ms);
  }
  net.sleep(20ms);
  EXPECT_EQ(net.frames().size(), before + 20);

  before = net.frames().size();
  for (int i = 0; i < 20; ++i) {
    net.forge(server, kFlagAck, edges.rcv_nxt - 1000, edges.snd_nxt);
    net.sleep(1ms);
  }
  net.sleep(20ms);
  EXPECT_EQ(net.frames().size(), before + 1);
}

}  // namespace
}  // namespace pollux::sim
