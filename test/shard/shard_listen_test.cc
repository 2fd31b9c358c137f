// Listening: half-open connections and their limits, several listeners on one port, and
// what happens when a table is full.

#include <algorithm>

#include "test_shard.h"

namespace pollux::test {
namespace {

using ShardListen = ShardOf;
POLLUX_BOTH_FAMILIES(ShardListen);

ListenSpec spec(std::uint32_t backlog, BacklogPolicy policy) {
  return {.address = {}, .port = 80, .options = {}, .backlog = backlog, .on_full = policy};
}

TestShard::Given without_cookies(TestShard::Given given) {
  given.config.tcp.syn_cookies = false;
  return given;
}

TEST_P(ShardListen, HandshakeOpensAConnection) {
  TestShard world{given()};
  world.listen();
  Peer peer{world};
  ASSERT_TRUE(peer.sends_syn());
  EXPECT_EQ(world.in_state(tcp::State::kSynReceived), 1u);
  EXPECT_EQ(world.connections(), 0u);  // a record, no TCB
  EXPECT_EQ(world.app.opened(), 0);
  peer.sends(kAck);
  world.expect_silence();
  EXPECT_EQ(world.app.last().opened, 1);
  EXPECT_EQ(world.app.last().key, peer.key());
  EXPECT_EQ(world.in_state(tcp::State::kEstablished), 1u);
  EXPECT_EQ(world.in_state(tcp::State::kSynReceived), 0u);
  EXPECT_EQ(world.in_state(tcp::State::kListen), 1u);
  EXPECT_EQ(world.shard.core().half_open().size(), 0u);
}

// HS-15: the final ACK is lost, or carries text.
TEST_P(ShardListen, TextThatCompletesTheHandshakeIsDelivered) {
  TestShard world{given()};
  world.listen();
  Peer peer{world};
  ASSERT_TRUE(peer.sends_syn());
  peer.sends(kAck | kPsh, "GET /");
  EXPECT_EQ(world.app.last().text, "GET /");
}

// HS-14.
TEST_P(ShardListen, FinThatCompletesTheHandshakeIsEof) {
  TestShard world{given()};
  world.listen();
  Peer peer{world};
  ASSERT_TRUE(peer.sends_syn());
  peer.sends(kAck | kFin, "all");
  world.expect("A");
  EXPECT_EQ(world.app.last().text, "all");
  EXPECT_EQ(world.app.last().eof, 1);
  EXPECT_EQ(world.in_state(tcp::State::kCloseWait), 1u);
}

// A connection that is over has no say in what comes for the next one, though its core has not seen to it since.
TEST_P(ShardListen, ASynInOneBurstWithTheLastAckOpensTheNextConnection) {
  TestShard world{given()};
  world.listen();
  Peer peer{world};
  ASSERT_TRUE(peer.opens());
  peer.sends(kFin | kAck);
  world.expect("A");
  ASSERT_TRUE(world.shard.with(peer.id, world.now, [](Conn conn) {
    EXPECT_TRUE(conn.send(std::as_bytes(std::span{std::string_view{"text"}})));
    conn.close();
  }));
  world.turn();
  const Sent end = world.expect("FA");
  TestTcp some = peer.segment(kAck);
  some.ack = end.segment().seq.value() + 2;
  TestTcp all = peer.segment(kAck);
  all.ack = end.segment().seq.value() + end.segment().len();
  TestTcp next = peer.segment(kSyn);
  next.seq += 1'000'000;
  world.receive({world.frame(some), world.frame(all), world.frame(next)});
  EXPECT_EQ(world.expect("SA").segment().ack.value(), next.seq + 1);
  EXPECT_EQ(world.connections(), 0u);
}

// HS-09: with the same ISS, and no second connection.
TEST_P(ShardListen, SynAgainIsAnsweredWithTheSameSynAck) {
  TestShard world{given()};
  world.listen();
  Peer peer{world};
  ASSERT_TRUE(peer.sends_syn());
  Peer same{world};
  ASSERT_TRUE(same.sends_syn());
  EXPECT_EQ(same.their_iss, peer.their_iss);
  EXPECT_EQ(world.in_state(tcp::State::kSynReceived), 1u);
  EXPECT_EQ(world.verdicts(tcp::Verdict::kDuplicateSyn), 1u);
  peer.sends(kAck);
  EXPECT_EQ(world.app.opened(), 1);
}

// HS-10.
TEST_P(ShardListen, WrongAckInSynReceivedIsResetAndTheConnectionStays) {
  TestShard world{given()};
  world.listen();
  Peer peer{world};
  ASSERT_TRUE(peer.sends_syn());
  for (const std::uint32_t off : {1u, 0xffffffffu}) {
    TestTcp wrong = peer.segment(kAck);
    wrong.ack += off;
    world.receive(wrong);
    EXPECT_EQ(world.expect("R").segment().seq.value(), wrong.ack);
  }
  peer.sends(kAck);
  EXPECT_EQ(world.app.opened(), 1);
}

// HS-12; RFC 9293, 3.10.7.4, second: "return to LISTEN", and the application never knew.
TEST_P(ShardListen, RstInSynReceivedGivesThePlaceBack) {
  TestShard world{given()};
  world.listen(spec(1, BacklogPolicy::kDrop));
  Peer first{world, 1000};
  ASSERT_TRUE(first.sends_syn());
  first.sends(kRst);
  world.expect_silence();
  EXPECT_EQ(world.in_state(tcp::State::kSynReceived), 0u);
  Peer second{world, 1001};
  EXPECT_TRUE(second.opens());
  EXPECT_EQ(world.app.last().closed, 0);
}

// Only what the SYN offered comes back (HS-02), and MSS always (MUST-14).
TEST_P(ShardListen, SynAckOffersWhatTheSynDid) {
  TestShard world{given()};
  world.listen();
  world.receive(TestTcp{.flags = kSyn});
  const Sent plain = world.expect("SA");
  EXPECT_EQ(plain.segment().options.mss, world.v6() ? 1440 : 1460);  // SHLD-5: MTU less headers
  EXPECT_FALSE(plain.segment().options.ts);
  EXPECT_FALSE(plain.segment().options.wind_shift);

  Bytes options = bytes({2, 4, 5, 0xb4, 1, 3, 3, 7});
  append(options, timestamps_option(1000, 0));
  world.receive(TestTcp{.source_port = 1234, .flags = kSyn, .options = options});
  const Sent rich = world.expect("SA");
  EXPECT_TRUE(rich.segment().options.wind_shift);
  ASSERT_TRUE(rich.segment().options.ts);
  EXPECT_EQ(rich.segment().options.ts->ecr, 1000u);
}

// --- Retransmission and expiry ---

// RFC 6298, 5: 1 s, doubling. Five times; 63 s after the first it is over (HS-17).
TEST_P(ShardListen, SynAckIsSentAgainFiveTimesAndThenForgotten) {
  TestShard world{given()};
  world.listen();
  const Instant start = world.now;
  Peer peer{world};
  ASSERT_TRUE(peer.sends_syn());
  world.sleep(63s - 10ms);
  const auto again = world.take_all();
  ASSERT_EQ(letters(again), "SA,SA,SA,SA,SA");
  const Duration times[] = {1s, 3s, 7s, 15s, 31s};
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_GE(again[i].at - start, times[i]);
    EXPECT_LE(again[i].at - start, times[i] + 5ms);
    EXPECT_EQ(again[i].segment().seq.value(), peer.their_iss);
  }
  EXPECT_EQ(world.in_state(tcp::State::kSynReceived), 1u);
  world.sleep(20ms);
  EXPECT_EQ(world.counters().half_open_expired, 1u);
  EXPECT_EQ(world.in_state(tcp::State::kSynReceived), 0u);
  EXPECT_FALSE(world.shard.next_due(world.now));
  peer.sends(kAck);  // nobody knows it any more
  world.expect("R");
}

TEST_P(ShardListen, HandshakeAfterALostSynAckSucceeds) {
  TestShard world{given()};
  world.listen();
  Peer peer{world};
  ASSERT_TRUE(peer.sends_syn());
  world.sleep(4s);
  world.take_all();
  peer.sends(kAck);
  EXPECT_EQ(world.app.opened(), 1);
}

// --- Limits: LB-01, LB-02, threats D14, D15 ---

TEST_P(ShardListen, BacklogOverflowDropsAndCountsExactly) {
  TestShard world{without_cookies(given())};
  world.listen(spec(8, BacklogPolicy::kDrop));
  std::vector<Peer> peers;
  int answered = 0;
  for (unsigned i = 0; i < 20; ++i) {
    peers.emplace_back(world, static_cast<std::uint16_t>(1000 + i));
    if (peers.back().sends_syn()) ++answered;
  }
  EXPECT_EQ(answered, 8);
  EXPECT_EQ(world.counters().backlog_full, 12u);
  EXPECT_EQ(world.in_state(tcp::State::kSynReceived), 8u);
  // Those that got through make room for those that come again.
  for (unsigned i = 0; i < 8; ++i) peers[i].sends(kAck);
  EXPECT_EQ(world.app.opened(), 8);
  for (unsigned i = 8; i < 16; ++i) {
    Peer again{world, static_cast<std::uint16_t>(1000 + i)};
    EXPECT_TRUE(again.sends_syn());
  }
  EXPECT_EQ(world.counters().backlog_full, 12u);
}

TEST_P(ShardListen, BacklogOverflowMayReset) {
  TestShard world{without_cookies(given())};
  world.listen(spec(2, BacklogPolicy::kReset));
  for (unsigned i = 0; i < 2; ++i) {
    Peer peer{world, static_cast<std::uint16_t>(1000 + i)};
    EXPECT_TRUE(peer.sends_syn());
  }
  const TestTcp syn{.source_port = 1002, .flags = kSyn};
  world.receive(syn);
  EXPECT_EQ(world.expect("RA").segment().ack, SeqNum{syn.seq} + 1);
  EXPECT_EQ(world.counters().backlog_full, 1u);
}

// Backlog 0: nothing at all (LB-03).
TEST_P(ShardListen, BacklogOfZeroTakesNobody) {
  TestShard world{given()};
  world.listen(spec(0, BacklogPolicy::kDrop));
  world.receive(TestTcp{.flags = kSyn});
  world.expect_silence();
  EXPECT_EQ(world.counters().backlog_full, 1u);
}

// SHLD-14: an answer in SYN-RECEIVED offers no more than the record of it will know of.
TEST_P(ShardListen, RightEdgeStaysWhereAnAnswerInSynReceivedPutIt) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{7}, std::size_t{11}}) {
    TestShard world{given()};
    world.listen();
    Peer peer{world};
    TestTcp its_syn = peer.segment(kSyn);
    append(its_syn.options, Bytes{std::byte{1}, std::byte{3}, std::byte{3}, std::byte{0}});
    world.receive(its_syn);
    const Segment answer = world.expect("SA").segment();
    const unsigned shift = answer.options.wind_shift.value();
    const auto edge_of = [&](const Segment& s) { return s.ack + (std::uint32_t{s.wnd} << shift); };
    ++peer.seq;
    peer.ack = answer.seq.value() + 1;
    TestTcp stray = peer.segment(kAck);
    stray.seq = peer.seq - 100;
    world.receive(stray);
    const SeqNum offered = edge_of(world.expect("A").segment());
    EXPECT_LE(answer.ack + answer.wnd, offered);
    peer.sends(kAck | kFin, std::string(size, 'x'));
    EXPECT_LE(offered, edge_of(world.expect("A").segment()));
  }
}

TEST_P(ShardListen, HalfOpenTableFullDropsAndRecovers) {
  TestShard world{without_cookies(given())};
  world.listen();
  for (unsigned i = 0; i < 40; ++i) {
    Peer peer{world, static_cast<std::uint16_t>(1000 + i)};
    EXPECT_EQ(peer.sends_syn(), i < 32);  // small_config
  }
  EXPECT_EQ(world.counters().half_open_full, 8u);
  world.sleep(64s);
  world.take_all();
  EXPECT_EQ(world.counters().half_open_expired, 32u);
  Peer peer{world, 2000};
  EXPECT_TRUE(peer.opens());
}

// The final ACK finds no place for a connection: it is dropped, the record waits for the
// peer's next word, and SYN-ACKs go on (threats D14, D15).
TEST_P(ShardListen, ConnectionTableFullLosesNobody) {
  TestShard::Given full = given();
  full.config.max_connections = 2;
  TestShard world{full};
  world.listen();
  Peer first{world, 1000};
  Peer second{world, 1001};
  Peer third{world, 1002};
  ASSERT_TRUE(first.opens());
  ASSERT_TRUE(second.opens());
  ASSERT_TRUE(third.sends_syn());
  third.sends(kAck);
  world.expect_silence();
  EXPECT_EQ(world.counters().table_full, 1u);
  EXPECT_EQ(world.app.opened(), 2);
  EXPECT_EQ(world.in_state(tcp::State::kSynReceived), 1u);

  first.closes_first();
  EXPECT_EQ(world.connections(), 1u);
  third.sends(kAck | kPsh, "late");
  EXPECT_EQ(world.app.opened(), 3);
  EXPECT_EQ(world.app.last().text, "late");
}

// --- Several listeners ---

// MUST-42: an address of its own before the wildcard; and a wildcard serves both families.
TEST_P(ShardListen, SpecificListenerComesBeforeTheWildcard) {
  TestShard world{given()};
  const std::uint16_t everywhere = world.listen();
  const std::uint16_t here = world.listen(ListenSpec{.address = world.own(), .port = 80, .options = {}});
  EXPECT_NE(everywhere, here);
  EXPECT_EQ(world.shard.listen(ListenSpec{.address = world.own(), .port = 80, .options = {}}).error(),
            ListenError::kAddressInUse);
  Peer first{world, 1000};
  ASSERT_TRUE(first.opens());
  EXPECT_EQ(world.shard.core().tcb(first.id.index).listener, here);
  world.shard.close_listener(here);
  Peer second{world, 1001};
  ASSERT_TRUE(second.opens());
  EXPECT_EQ(world.shard.core().tcb(second.id.index).listener, everywhere);
  world.shard.close_listener(everywhere);
  world.receive(TestTcp{.source_port = 1002, .flags = kSyn});
  world.expect("RA");
}

TEST_P(ShardListen, ListenerOfOneFamilyDoesNotServeTheOther) {
  TestShard world{given()};
  world.listen(ListenSpec{.address = ip(world.v6() ? "0.0.0.0" : "::"), .port = 80, .options = {}});
  world.receive(TestTcp{.flags = kSyn});
  // "::" unspecified is the wildcard of both families; "0.0.0.0" serves IPv4 alone.
  world.expect(world.v6() ? "RA" : "SA");
}

// MUST-41: LISTEN and its end leave what is open alone.
TEST_P(ShardListen, ListenAgainAndCloseLeaveConnectionsAlone) {
  TestShard world{given()};
  const std::uint16_t id = world.listen();
  Peer open{world, 1000};
  Peer half_open{world, 1001};
  ASSERT_TRUE(open.opens());
  ASSERT_TRUE(half_open.sends_syn());
  world.shard.close_listener(id);
  EXPECT_NE(world.listen(81), id);  // somebody is half open there still
  open.sends(kAck | kPsh, "still here");
  EXPECT_EQ(world.app.seen(open.id).text, "still here");
  half_open.sends(kAck);  // RFC 9293, 3.10.4; HS-25
  world.expect("R");
  EXPECT_EQ(world.app.opened(), 1);
  EXPECT_EQ(world.in_state(tcp::State::kSynReceived), 0u);
  EXPECT_EQ(world.listen(), id);  // the place is free now
}

// MUST-42: LISTEN on a port from which a connection is being opened.
TEST_P(ShardListen, ListenOnThePortOfAnActiveOpen) {
  TestShard world{given()};
  const auto id = world.shard.connect(
      {.remote = world.peer(), .remote_port = 443, .local = {}, .local_port = 80, .options = {}}, world.now);
  ASSERT_TRUE(id);
  world.turn();
  const Sent syn = world.expect("S");
  world.listen(80);
  Peer caller{world, 1000};
  EXPECT_TRUE(caller.opens());
  Peer server{world};
  server.accepts(syn);
  EXPECT_EQ(world.app.seen(*id).opened, 1);
  EXPECT_EQ(world.connections(), 2u);
}

TEST_P(ShardListen, ListenErrors) {
  TestShard world{given()};
  EXPECT_EQ(world.shard.listen(ListenSpec{.address = {}, .port = 0, .options = {}}).error(),
            ListenError::kInvalidAddress);
  EXPECT_EQ(world.shard.listen(ListenSpec{.address = world.peer(), .port = 80, .options = {}}).error(),
            ListenError::kInvalidAddress);
  for (unsigned i = 0; i < Listeners::kMax; ++i) world.listen(static_cast<std::uint16_t>(1000 + i));
  EXPECT_EQ(world.shard.listen(ListenSpec{.address = {}, .port = 80, .options = {}}).error(),
            ListenError::kInsufficientResources);
}

// MUST-45: what answers a SYN keeps the address that the SYN was sent to.
TEST_P(ShardListen, EveryAddressOfTheRangeAnswersAsItself) {
  TestShard::Given several = given();
  several.config.addresses = {{{ip("198.18.0.2"), 24}, 3}, {{ip("2001:2::2"), 64}, 3}};
  TestShard world{several};
  world.listen();
  for (const std::uint64_t n : {0u, 1u, 2u, 3u}) {
    const IpAddress address = world.own().plus(n);
    const TestTcp syn{.flags = kSyn};
    world.receive(world.frame(syn, {world.peer(), address}));
    if (n == 3) {
      world.expect_silence();
      continue;
    }
    const Sent answer = world.expect("SA");
    EXPECT_EQ(answer.frame.key.remote, address);
    TestTcp ack = syn;
    ack.flags = kAck | kPsh;
    ++ack.seq;
    ack.ack = answer.segment().seq.value() + 1;
    ack.text = text("x");
    world.receive(world.frame(ack, {world.peer(), address}));
    world.sleep(100ms);
    EXPECT_EQ(world.expect("A").frame.key.remote, address);
  }
  EXPECT_EQ(world.counters().not_our_address, 1u);
}

// Nobody would accept the connection: its SYN-ACK is not sent again.
TEST_P(ShardListen, AClosedListenerSendsNoSynAckAgain) {
  TestShard world{given()};
  const std::uint16_t listener = world.listen();
  world.receive(Peer{world}.segment(kSyn));
  world.expect("SA");
  world.shard.core().close_listener(listener);
  world.sleep(60s);
  world.expect_silence();
  EXPECT_EQ(world.in_state(tcp::State::kSynReceived), 0u);
}

// Karn (MUST-18): the peer's SYN comes again, and so does the SYN-ACK. Which of the two the ACK answers is not known.
TEST_P(ShardListen, ASynAckSentTwiceMeasuresNothing) {
  TestShard world{given()};
  world.listen();
  Peer peer{world};
  const TestTcp syn = peer.segment(kSyn);
  ASSERT_TRUE(peer.sends_syn());
  world.sleep(900ms);
  world.receive(syn);
  world.expect("SA");
  world.sleep(10ms);
  peer.sends(kAck);
  ASSERT_TRUE(
      world.shard.with(world.app.latest, world.now, [](Conn conn) { EXPECT_FALSE(conn.tcb().rtt().sampled()); }));
}

// A flood of SYNs that nobody follows up must not hold the places for a minute: more than half full, those that have
// had their second SYN-ACK give way.
TEST_P(ShardListen, ACrowdedBacklogWaitsForOneMoreSynAckOnly) {
  TestShard::Given large = without_cookies(given());
  large.config.max_half_open = 512;
  TestShard world{large};
  world.listen(ListenSpec{.address = {}, .port = 80, .options = {}, .backlog = 300});
  for (std::uint16_t port = 1000; port < 1200; ++port) world.receive(Peer{world, port}.segment(kSyn));
  EXPECT_EQ(world.take_all().size(), 200u);
  world.sleep(2900ms);
  EXPECT_EQ(world.take_all().size(), 200u);
  EXPECT_EQ(world.in_state(tcp::State::kSynReceived), 200u);
  world.sleep(200ms);
  EXPECT_EQ(world.in_state(tcp::State::kSynReceived), 150u);  // those that are left may go on
  EXPECT_EQ(world.counters().half_open_expired, 50u);
  EXPECT_EQ(world.take_all().size(), 150u);
}

// The same where half of the backlog is all that is taken, and the rest are given cookies.
TEST_P(ShardListen, ACrowdedBacklogWaitsForOneMoreSynAckOnlyBesideCookiesToo) {
  TestShard::Given large = given();
  large.config.max_half_open = 512;
  TestShard world{large};
  world.listen(ListenSpec{.address = {}, .port = 80, .options = {}, .backlog = 300});
  for (std::uint16_t port = 1000; port < 1200; ++port) world.receive(Peer{world, port}.segment(kSyn));
  EXPECT_EQ(world.in_state(tcp::State::kSynReceived), 151u);
  world.sleep(3100ms);
  EXPECT_EQ(world.in_state(tcp::State::kSynReceived), 128u);  // so many are few
  EXPECT_EQ(world.counters().half_open_expired, 23u);
}

}  // namespace
}  // namespace pollux::test
