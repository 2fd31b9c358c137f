// SYN cookies: above half of the backlog a listener keeps nothing of a SYN, and connects all the same (RFC 4987, 3.6).

#include <algorithm>

#include "test_shard.h"

namespace pollux::test {
namespace {

using ShardSynCookie = ShardOf;
POLLUX_BOTH_FAMILIES(ShardSynCookie);

constexpr std::uint32_t kBacklog = 4;  // three records; from then on cookies
constexpr std::uint32_t kRecords = kBacklog / 2 + 1;

ListenSpec spec() { return {.address = {}, .port = 80, .options = {}, .backlog = kBacklog}; }

// Peers that never answer take what the listener keeps records for.
void crowd(TestShard& world) {
  for (std::uint32_t i = 0; i < kRecords; ++i) {
    EXPECT_TRUE((Peer{world, static_cast<std::uint16_t>(1000 + i)}.sends_syn()));
  }
  EXPECT_EQ(world.in_state(tcp::State::kSynReceived), kRecords);
  EXPECT_EQ(world.tcp_counters().syn_cookies_sent, 0u);
}

// All who took the records go away again.
void disperse(TestShard& world) {
  for (std::uint32_t i = 0; i < kRecords; ++i) {
    TestTcp rst = Peer{world, static_cast<std::uint16_t>(1000 + i)}.segment(kRst);
    ++rst.seq;
    world.receive(rst);
  }
  EXPECT_EQ(world.in_state(tcp::State::kSynReceived), 0u);
  world.expect_silence();
}

Bytes wind_shift_option(unsigned shift) { return bytes({1, 3, 3, shift}); }
Bytes sack_permitted_option() { return bytes({1, 1, 4, 2}); }

struct Offer {
  std::optional<unsigned> mss{};
  std::optional<unsigned> shift{};
  bool sack = false;
  std::optional<std::uint32_t> tsval{};

  Bytes options() const {
    Bytes all;
    if (mss) append(all, mss_option(*mss));
    if (sack) append(all, sack_permitted_option());
    if (tsval) append(all, timestamps_option(*tsval, 0));
    if (shift) append(all, wind_shift_option(*shift));
    return all;
  }
};

// A peer that gets a cookie, and whatever it wants to say to that.
class CookiePeer {
 public:
  explicit CookiePeer(TestShard& world, const Offer& offer = {.mss = 1460}, unsigned port = 2000)
      : world_{world}, offer_{offer}, port_{port} {
    const std::uint64_t before = world.tcp_counters().syn_cookies_sent;
    syn = {.source_port = port_, .flags = kSyn, .options = offer.options()};
    world.receive(syn);
    answer = world.expect("SA");
    EXPECT_EQ(world.tcp_counters().syn_cookies_sent, before + 1);
  }

  TestTcp segment(unsigned flags, std::string_view payload = {}) const {
    TestTcp s{.source_port = port_, .seq = syn.seq + 1, .ack = answer.segment().seq.value() + 1, .flags = flags};
    if (offer_.tsval && answer.segment().options.ts)
      s.options = timestamps_option(*offer_.tsval + 1, answer.segment().options.ts->val);
    s.text = test::text(payload);
    return s;
  }
  void sends(unsigned flags, std::string_view payload = {}) const { world_.receive(segment(flags, payload)); }
  // Whether the connection is open now, for the application too.
  bool acknowledges() const {
    const int before = world_.app.opened();
    sends(kAck);
    world_.expect_silence();
    return world_.app.opened() == before + 1 && world_.app.last().opened == 1;
  }

  TestTcp syn{};
  Sent answer{};

 private:
  TestShard& world_;
  Offer offer_;
  unsigned port_;
};

// LB-06: not used without need.
TEST_P(ShardSynCookie, UpToHalfOfTheBacklogThereAreRecords) {
  TestShard world{given()};
  world.listen(spec());
  crowd(world);
  EXPECT_EQ(world.shard.core().half_open().size(), kRecords);
}

TEST_P(ShardSynCookie, AboveHalfOfTheBacklogNothingIsKept) {
  TestShard world{given()};
  world.listen(spec());
  crowd(world);
  for (unsigned port = 2000; port < 2100; ++port) CookiePeer{world, {.mss = 1460}, port};
  EXPECT_EQ(world.shard.core().half_open().size(), kRecords);
  EXPECT_EQ(world.in_state(tcp::State::kSynReceived), kRecords);
  EXPECT_EQ(world.shard.core().stores().transmissions.size(), 0u);
  EXPECT_EQ(world.connections(), 0u);
  EXPECT_EQ(world.tcp_counters().passive_opens, kRecords);
  EXPECT_EQ(world.counters().backlog_full, 0u);
}

TEST_P(ShardSynCookie, TheWholeTableFullThereAreCookiesToo) {
  TestShard world{given()};
  world.listen();  // a backlog of 4,096, and a table of 32
  for (std::uint16_t port = 1000; port < 1032; ++port) world.receive(Peer{world, port}.segment(kSyn));
  EXPECT_EQ(world.take_all().size(), 32u);
  EXPECT_TRUE(CookiePeer{world}.acknowledges());
  EXPECT_EQ(world.counters().half_open_full, 0u);
}

// LB-04.
TEST_P(ShardSynCookie, ItsAcknowledgmentOpensAConnection) {
  TestShard world{given()};
  world.listen(spec());
  crowd(world);
  const CookiePeer peer{world};
  EXPECT_TRUE(peer.acknowledges());
  EXPECT_EQ(world.app.last().key, (FlowKey{world.own(), world.peer(), 80, 2000}));
  EXPECT_EQ(world.in_state(tcp::State::kEstablished), 1u);
  EXPECT_EQ(world.tcp_counters().syn_cookies_accepted, 1u);
  EXPECT_EQ(world.tcp_counters().syn_cookies_failed, 0u);
  EXPECT_EQ(world.tcp_counters().opened, 1u);
  EXPECT_EQ(world.tcp_counters().passive_opens, kRecords + 1);
}

TEST_P(ShardSynCookie, SoDoesTextAndSoDoesAFin) {  // LB-04
  for (const unsigned fin : {0u, kFin}) {
    TestShard world{given()};
    world.listen(spec());
    crowd(world);
    const CookiePeer peer{world};
    peer.sends(kAck | kPsh | fin, "GET /");
    EXPECT_EQ(world.app.last().text, "GET /");
    EXPECT_EQ(world.app.last().eof, fin != 0 ? 1 : 0);
    EXPECT_EQ(world.in_state(fin != 0 ? tcp::State::kCloseWait : tcp::State::kEstablished), 1u);
    world.take_all();
  }
}

TEST_P(ShardSynCookie, TextGoesBothWaysAndTheConnectionCloses) {
  TestShard world{given()};
  world.listen(spec());
  world.app.when_text = [](Conn conn, std::span<const std::byte> text) {
    EXPECT_TRUE(conn.send(text));
    conn.close();
    return text.size();
  };
  crowd(world);
  const CookiePeer peer{world};
  peer.sends(kAck | kPsh, "echo");
  const Sent answer = world.expect("FA");
  EXPECT_EQ(answer.text(), "echo");
  EXPECT_EQ(answer.segment().seq.value(), peer.answer.segment().seq.value() + 1);
  TestTcp last = peer.segment(kFin | kAck);
  last.seq += 4;
  last.ack += 5;
  world.receive(last);
  world.expect("A");
  EXPECT_EQ(world.app.last().closed, 1);
  EXPECT_EQ(world.app.last().reason, tcp::Reason::kFinished);
}

// LB-04: nothing of it is kept, and so it cannot be sent again.
TEST_P(ShardSynCookie, ItIsNotSentAgain) {
  TestShard world{given()};
  world.listen(spec());
  crowd(world);
  const CookiePeer peer{world};
  world.sleep(70s);
  const std::deque<Sent> all = world.take_all();
  EXPECT_FALSE(all.empty());  // of the records
  EXPECT_TRUE(std::none_of(all.begin(), all.end(), [](const Sent& sent) { return sent.frame.key.local_port == 2000; }));
}

// The SYN comes again, and the same is said again: of two SYN-ACKs the peer takes one.
TEST_P(ShardSynCookie, TheSameSynGetsTheSameCookie) {
  TestShard world{given()};
  world.listen(spec());
  crowd(world);
  const CookiePeer first{world};
  const CookiePeer second{world};
  EXPECT_EQ(first.answer.segment().seq, second.answer.segment().seq);
  EXPECT_TRUE(first.acknowledges());
}

// LB-06. A SYN that comes again when there is room makes a record, under the number that the peer may have already.
TEST_P(ShardSynCookie, IsStillTakenWhenThereIsRoomAgain) {
  for (const auto& [syn_again, tsval] : {std::pair<bool, std::optional<std::uint32_t>>{false, 1000},
                                         {true, 1000},
                                         {false, std::nullopt},
                                         {true, std::nullopt}}) {
    TestShard world{given()};
    world.listen(spec());
    crowd(world);
    const CookiePeer peer{world, {.mss = 1460, .shift = 7, .sack = true, .tsval = tsval}};
    disperse(world);
    if (syn_again) {
      world.receive(peer.syn);
      EXPECT_EQ(world.expect("SA").segment().seq, peer.answer.segment().seq);
      EXPECT_EQ(world.in_state(tcp::State::kSynReceived), 1u);
    }
    world.sleep(50ms);
    EXPECT_TRUE(peer.acknowledges());
    EXPECT_EQ(world.tcp_counters().syn_cookies_accepted, syn_again ? 0u : 1u);
    ASSERT_TRUE(world.shard.with(world.app.latest, world.now, [&peer](Conn conn) {
      // Which SYN-ACK that answers is not known (MUST-18).
      EXPECT_FALSE(conn.tcb().rtt().sampled());
      EXPECT_EQ(conn.tcb().window_scaled(), peer.answer.segment().options.wind_shift.has_value());
      EXPECT_EQ(conn.tcb().sack_permitted(), peer.answer.segment().options.sack_permitted);
    }));
  }
}

// --- What is not one ---

// LB-04: ACK with SYN or RST is none; a wrong one is answered as any ACK to a listener (3.10.7.2).
TEST_P(ShardSynCookie, WhatIsWrongIsReset) {
  TestShard world{given()};
  world.listen(spec());
  crowd(world);
  const CookiePeer peer{world};
  const auto reset = [&](const TestTcp& segment) {
    world.receive(segment);
    EXPECT_EQ(world.expect("R").segment().seq.value(), segment.ack);
    world.expect_silence();
  };
  for (const std::uint32_t off : {1u, 0xffffffffu, 0x80000000u, 16u}) {
    TestTcp wrong_ack = peer.segment(kAck);
    wrong_ack.ack += off;
    reset(wrong_ack);
    TestTcp wrong_seq = peer.segment(kAck);
    wrong_seq.seq += off;
    reset(wrong_seq);
  }
  TestTcp other_port = peer.segment(kAck);
  other_port.source_port = 2001;
  reset(other_port);
  EXPECT_EQ(world.tcp_counters().syn_cookies_failed, 9u);
  reset(peer.segment(kSyn | kAck));
  world.receive(peer.segment(kRst | kAck));
  world.expect_silence();
  peer.sends(0);
  world.expect_silence();
  EXPECT_EQ(world.tcp_counters().syn_cookies_failed, 9u);
  EXPECT_EQ(world.app.opened(), 0);
  EXPECT_TRUE(peer.acknowledges());
}

TEST_P(ShardSynCookie, AnExpiredOneIsReset) {  // LB-04
  TestShard world{given()};
  world.listen(spec());
  crowd(world);
  const CookiePeer late{world};
  const CookiePeer too_late{world, {.mss = 1460}, 2001};
  world.sleep(64s);
  world.take_all();
  EXPECT_TRUE(late.acknowledges());
  world.sleep(64s);
  world.take_all();
  too_late.sends(kAck);
  world.expect("R");
  EXPECT_EQ(world.app.opened(), 1);
}

// Threats D2: none is believed but while there were cookies lately. One made elsewhere under the same keys shows that.
TEST_P(ShardSynCookie, WhoSentNoneBelievesNone) {
  TestShard crowded{given()};
  crowded.listen(spec());
  crowd(crowded);
  const CookiePeer peer{crowded};
  TestShard world{given()};
  world.listen(spec());
  world.receive(peer.segment(kAck));
  world.expect("R");
  EXPECT_EQ(world.app.opened(), 0);
  EXPECT_EQ(world.tcp_counters().syn_cookies_failed, 0u) << "it was not even looked at";
  EXPECT_TRUE(peer.acknowledges());
}

// Another listener's flood opens no door to this one.
TEST_P(ShardSynCookie, EachListenerBelievesItsOwn) {
  TestShard world{given()};
  world.listen(spec());
  world.listen(81);
  crowd(world);
  const CookiePeer peer{world};
  TestTcp elsewhere = peer.segment(kAck);
  elsewhere.destination_port = 81;
  world.receive(elsewhere);
  world.expect("R");
  EXPECT_EQ(world.tcp_counters().syn_cookies_failed, 0u);
}

TEST_P(ShardSynCookie, AClosedListenerBelievesNone) {
  TestShard world{given()};
  const std::uint16_t listener = world.listen(spec());
  crowd(world);
  const CookiePeer peer{world};
  world.shard.close_listener(listener);
  peer.sends(kAck);
  world.expect("R");
  EXPECT_EQ(world.app.opened(), 0);
}

TEST_P(ShardSynCookie, SwitchedOffTheBacklogIsAllThereIs) {  // LB-07
  TestShard::Given off = given();
  off.config.tcp.syn_cookies = false;
  TestShard world{off};
  world.listen(spec());
  crowd(world);
  EXPECT_TRUE((Peer{world, 1100}.sends_syn()));
  world.receive(Peer{world, 1101}.segment(kSyn));
  world.expect_silence();
  EXPECT_EQ(world.counters().backlog_full, 1u);
  world.receive(TestTcp{.source_port = 1102, .ack = 12345});
  world.expect("R");
}

// The successor of a connection in TIME-WAIT is numbered above it (RFC 6191), which no cookie can be: it gets one of
// the places that are left.
TEST_P(ShardSynCookie, NobodyComesOutOfTimeWaitOnACookie) {
  TestShard world{given()};
  world.listen(spec());
  Peer old{world, 3000};
  ASSERT_TRUE(old.opens());
  old.reaches_time_wait();
  crowd(world);
  Peer next{world, 3000};
  next.seq = old.seq + 1;
  EXPECT_TRUE(next.opens());
  EXPECT_LT(SeqNum{old.ack}, SeqNum{next.their_iss});
  EXPECT_EQ(world.tcp_counters().syn_cookies_sent, 0u);
}

// Where it is the table that a flood fills, and no backlog, some of it is kept for them.
TEST_P(ShardSynCookie, ACrowdedTableLeavesPlacesForThoseOutOfTimeWait) {
  TestShard world{given()};
  world.listen();  // a backlog of 4,096, and a table of 32
  Peer old{world, 3000};
  ASSERT_TRUE(old.opens());
  old.reaches_time_wait();
  for (std::uint16_t port = 1000; port < 1064; ++port) world.receive(Peer{world, port}.segment(kSyn));
  EXPECT_EQ(world.take_all().size(), 64u);
  EXPECT_EQ(world.shard.core().half_open().size(), 28u);
  EXPECT_EQ(world.tcp_counters().syn_cookies_sent, 36u);
  Peer next{world, 3000};
  next.seq = old.seq + 1;
  EXPECT_TRUE(next.opens());
  EXPECT_LT(SeqNum{old.ack}, SeqNum{next.their_iss});
  EXPECT_EQ(world.in_state(tcp::State::kTimeWait), 0u);
}

// --- What was agreed on ---

// LB-05.
TEST_P(ShardSynCookie, OptionsComeBack) {
  struct Case {
    Offer offer;
    std::uint32_t mss;
  };
  const unsigned most = given().v6 ? 1440 : 1460;  // what the link takes
  const unsigned none = given().v6 ? 1220 : 536;   // MUST-15
  const std::vector<Case> cases = {{{}, none},
                                   {{.mss = 9000}, most},
                                   {{.mss = 1460}, most},
                                   {{.mss = 1452}, 1440},
                                   {{.mss = 600}, 536},
                                   {{.mss = 1460, .tsval = 1000}, most},
                                   {{.mss = 1460, .shift = 0, .tsval = 1000}, most},
                                   {{.mss = 1400, .shift = 7, .sack = true, .tsval = 1000}, 1360},
                                   {{.mss = 1460, .shift = 14, .sack = true, .tsval = 0xffffffff}, most},
                                   {{.mss = 1460, .shift = 7, .sack = true}, most}};
  for (const Case& c : cases) {
    TestShard::Given with_sack = given();
    with_sack.config.tcp.sack_permitted = true;
    TestShard world{with_sack};
    world.listen(spec());
    crowd(world);
    const CookiePeer peer{world, c.offer};
    const TcpOptions& said = peer.answer.segment().options;
    const bool ts = c.offer.tsval.has_value();
    EXPECT_EQ(said.ts.has_value(), ts);
    EXPECT_EQ(said.wind_shift.has_value(), ts && c.offer.shift);
    EXPECT_EQ(said.sack_permitted, ts && c.offer.sack);
    EXPECT_EQ(said.mss.has_value(), c.offer.mss.has_value());
    world.sleep(20ms);
    TestTcp ack = peer.segment(kAck);
    ack.wnd = 1000;
    world.receive(ack);
    world.expect_silence();
    ASSERT_EQ(world.app.opened(), 1);
    ASSERT_TRUE(world.shard.with(world.app.latest, world.now, [&](Conn conn) {
      const tcp::Tcb& tcb = conn.tcb();
      EXPECT_EQ(tcb.smss(), c.mss - (ts ? 12u : 0u));
      EXPECT_EQ(tcb.timestamps(), ts);
      EXPECT_EQ(tcb.window_scaled(), ts && c.offer.shift);
      EXPECT_EQ(tcb.snd_shift(), ts ? c.offer.shift.value_or(0) : 0u);
      EXPECT_EQ(tcb.rcv_shift(), said.wind_shift.value_or(0));
      EXPECT_EQ(tcb.sack_permitted(), ts && c.offer.sack);
      EXPECT_EQ(tcb.snd().wnd, 1000u << tcb.snd_shift());
      EXPECT_EQ(tcb.congestion().cwnd, 10 * tcb.smss()) << "RFC 6928: no SYN was lost";
      EXPECT_EQ(tcb.ts().recent, ts ? *c.offer.tsval + 1 : 0);
      EXPECT_TRUE(conn.send(test::text("x")));
    }));
    world.turn();
    const Sent first = world.expect("A");
    EXPECT_EQ(first.text(), "x");
    EXPECT_EQ(first.segment().options.ts.has_value(), ts);
    if (ts) {
      EXPECT_LT(first.segment().options.ts->val - said.ts->val, 100u) << "PAWS at the peer";
    }
  }
}

// Threats C14: what was agreed on stands in the timestamp. Without it nothing can be believed.
TEST_P(ShardSynCookie, AnAckThatLostItsTimestampIsReset) {
  TestShard world{given()};
  world.listen(spec());
  crowd(world);
  const CookiePeer peer{world, {.mss = 1460, .shift = 7, .sack = false, .tsval = 1000}};
  TestTcp ack = peer.segment(kAck);
  ack.options.clear();
  world.receive(ack);
  world.expect("R");
  EXPECT_EQ(world.app.opened(), 0);
}

// Threats C19: a flood from forged addresses is not made larger on its way to those.
TEST_P(ShardSynCookie, ASynAckIsNeverLargerThanItsSyn) {
  TestShard::Given with_sack = given();
  with_sack.config.tcp.sack_permitted = true;
  TestShard world{with_sack};
  world.listen(spec());
  crowd(world);
  // As tightly as anybody can write them.
  const std::vector<Bytes> kinds = {bytes({2, 4, 5, 0xb4}), bytes({3, 3, 7}), bytes({4, 2}),
                                    bytes({8, 10, 0, 0, 0, 9, 0, 0, 0, 0})};
  for (unsigned which = 0; which < 16; ++which) {
    TestTcp syn{.source_port = 3000 + which, .flags = kSyn};
    for (std::size_t kind = 0; kind < kinds.size(); ++kind) {
      if ((which >> kind & 1) != 0) append(syn.options, kinds[kind]);
    }
    while (syn.options.size() % 4 != 0) put8(syn.options, 0);
    const Bytes frame = world.frame(syn);
    world.receive(frame);
    EXPECT_LE(world.expect("SA").bytes.size(), frame.size()) << which;
  }
  EXPECT_EQ(world.tcp_counters().syn_cookies_sent, 16u);
}

TEST_P(ShardSynCookie, TheListenersOptionsHold) {
  TestShard world{given()};
  ListenSpec with_options = spec();
  with_options.options.ttl = 9;
  with_options.options.tos = 0x20;
  with_options.options.mss = 1000;
  with_options.options.nodelay = true;
  world.listen(with_options);
  crowd(world);
  const CookiePeer peer{world};
  EXPECT_EQ(peer.answer.segment().options.mss, 1000);
  ASSERT_TRUE(peer.acknowledges());
  ASSERT_TRUE(world.shard.with(world.app.latest, world.now, [](Conn conn) {
    EXPECT_EQ(conn.tcb().ttl(), 9);
    EXPECT_EQ(conn.tcb().tos(), 0x20);
    EXPECT_EQ(conn.tcb().smss(), 1000u);
    EXPECT_TRUE(conn.tcb().nodelay());
  }));
}

// Threats D14: without a place for a connection the ACK is dropped; what the peer says next opens it.
TEST_P(ShardSynCookie, WithoutAPlaceForItTheConnectionOpensLater) {
  TestShard::Given full = given();
  full.config.max_connections = 1;
  TestShard world{full};
  world.listen(spec());
  Peer first{world, 900};
  ASSERT_TRUE(first.opens());
  crowd(world);
  const CookiePeer peer{world};
  peer.sends(kAck);
  world.expect_silence();
  EXPECT_EQ(world.counters().table_full, 1u);
  EXPECT_EQ(world.tcp_counters().syn_cookies_accepted, 0u);
  first.closes_first();
  peer.sends(kAck | kPsh, "late");
  EXPECT_EQ(world.app.last().text, "late");
}

}  // namespace
}  // namespace pollux::test
