// TIME-WAIT: what its record of 32 bytes answers (RFC 9293, 3.10.7.4; RFC 1337, 6191), how
// long, and what happens when the table is full.

#include "test_shard.h"

namespace pollux::test {
namespace {

using ShardTimeWait = ShardOf;
POLLUX_BOTH_FAMILIES(ShardTimeWait);

constexpr Duration kTwoMsl = 60s;

// A connection that the peer opened and we closed.
struct InTimeWait {
  explicit InTimeWait(TestShard& world, std::uint16_t port = 40112, bool timestamps = false) : peer{world, port} {
    if (timestamps) peer.tsval = 5000;
    EXPECT_TRUE(peer.opens());
    peer.reaches_time_wait();
  }
  Peer peer;
};

TEST_P(ShardTimeWait, TcbGivesWayToARecord) {
  TestShard world{given()};
  world.listen();
  const InTimeWait c{world};
  EXPECT_EQ(world.connections(), 0u);
  EXPECT_EQ(world.shard.core().time_wait().size(), 1u);
  EXPECT_EQ(world.in_state(tcp::State::kTimeWait), 1u);
  EXPECT_EQ(world.app.seen(c.peer.id).closed, 1);
  EXPECT_EQ(world.app.seen(c.peer.id).reason, tcp::Reason::kFinished);
}

// MUST-13, TW-01: the whole of 2MSL, and a RST afterwards.
TEST_P(ShardTimeWait, LastsTwoMsl) {
  TestShard world{given()};
  world.listen();
  const InTimeWait c{world};
  world.sleep(kTwoMsl - 10ms);
  EXPECT_EQ(world.in_state(tcp::State::kTimeWait), 1u);
  world.sleep(20ms);
  EXPECT_EQ(world.in_state(tcp::State::kTimeWait), 0u);
  EXPECT_EQ(world.shard.core().time_wait().counters().expired, 1u);
  world.expect_silence();
  world.receive(c.peer.segment(kAck));
  EXPECT_EQ(world.expect("R").segment().seq.value(), c.peer.ack);
  EXPECT_FALSE(world.shard.next_due(world.now));
}

// TW-02: "acknowledge the retransmission of the remote FIN, and restart the 2 MSL timeout".
TEST_P(ShardTimeWait, FinAgainIsAcknowledgedAndBeginsTwoMslAnew) {
  TestShard world{given()};
  world.listen();
  const InTimeWait c{world};
  world.sleep(40s);
  TestTcp fin = c.peer.segment(kFin | kAck);
  --fin.seq;
  world.receive(fin);
  const Sent ack = world.expect("A");
  EXPECT_EQ(ack.segment().seq.value(), c.peer.ack);
  EXPECT_EQ(ack.segment().ack.value(), c.peer.seq);
  world.expect_silence();
  EXPECT_EQ(world.shard.core().time_wait().counters().restarted, 1u);
  world.sleep(kTwoMsl - 10ms);
  EXPECT_EQ(world.in_state(tcp::State::kTimeWait), 1u);
  world.sleep(20ms);
  EXPECT_EQ(world.in_state(tcp::State::kTimeWait), 0u);
}

// TW-03, TW-08: acknowledged, not delivered; 2MSL goes on.
TEST_P(ShardTimeWait, TextIsAcknowledgedAndDropped) {
  TestShard world{given()};
  world.listen();
  const InTimeWait c{world};
  for (const std::int64_t offset : {-100, 0, 50, 70000}) {
    TestTcp data = c.peer.segment(kAck, "0123456789");
    data.seq = static_cast<std::uint32_t>(data.seq + static_cast<std::uint64_t>(offset));
    world.receive(data);
    const Sent ack = world.expect("A");
    EXPECT_EQ(ack.segment().ack.value(), c.peer.seq);
    EXPECT_EQ(ack.segment().seq.value(), c.peer.ack);
  }
  EXPECT_EQ(world.app.seen(c.peer.id).text, "");
  EXPECT_EQ(world.shard.core().time_wait().counters().restarted, 0u);
}

// RFC 1337: a RST does not end TIME-WAIT. Linux believes one unless told not to; that is a
// reviewed difference, as is what follows from it: a FIN again finds the record and gets an ACK.
TEST_P(ShardTimeWait, RstIsIgnored) {
  TestShard world{given()};
  world.listen();
  const InTimeWait c{world};
  for (const std::uint32_t offset : {0u, 1u, 0xffffffffu, 70000u}) {
    TestTcp rst = c.peer.segment(kRst);
    rst.seq += offset;
    world.receive(rst);
    world.expect_silence();
  }
  EXPECT_EQ(world.in_state(tcp::State::kTimeWait), 1u);
  TestTcp fin = c.peer.segment(kFin | kAck);
  --fin.seq;
  world.receive(fin);
  world.expect("A");
}

// ... unless RFC 793's way was asked for: then the exact one ends it, and its port is free.
TEST_P(ShardTimeWait, RstEndsItWhereConfigured) {
  TestShard::Given old = given();
  old.config.tcp.rst_ends_time_wait = true;
  TestShard world{old};
  world.listen();
  const InTimeWait c{world};
  TestTcp rst = c.peer.segment(kRst);
  rst.seq += 70000;
  world.receive(rst);
  EXPECT_EQ(world.in_state(tcp::State::kTimeWait), 1u);
  world.receive(c.peer.segment(kRst));
  EXPECT_EQ(world.in_state(tcp::State::kTimeWait), 0u);
  EXPECT_EQ(world.shard.core().time_wait().size(), 0u);
}

// MAY-2, TW-05: a SYN above RCV.NXT opens a new connection, with an ISS above the old one's last.
TEST_P(ShardTimeWait, NewerSynOpensANewConnection) {
  TestShard world{given()};
  world.listen();
  const InTimeWait c{world};
  Peer next{world};
  next.seq = c.peer.seq + 1;
  ASSERT_TRUE(next.opens());
  EXPECT_LT(SeqNum{c.peer.ack}, SeqNum{next.their_iss});
  EXPECT_EQ(world.in_state(tcp::State::kTimeWait), 0u);
  EXPECT_EQ(world.shard.core().time_wait().counters().reused, 1u);
  next.sends(kAck | kPsh, "second life");
  EXPECT_EQ(world.app.seen(next.id).text, "second life");
}

// Also when the clock says nothing yet: at the same instant, over a record with a high ISS.
TEST_P(ShardTimeWait, IssOfASuccessorIsAboveHoweverMuchWasSent) {
  TestShard world{given()};
  world.listen();
  Peer first{world};
  ASSERT_TRUE(first.opens());
  const std::string much(100'000, 'm');
  world.shard.with(first.id, world.now,
                   [&](Conn conn) { EXPECT_EQ(conn.send(std::as_bytes(std::span{much})), 100'000u); });
  for (int i = 0; i < 200 && first.ack != first.their_iss + 100'001; ++i) {
    world.turn();
    for (const Sent& sent : world.take_all()) first.ack = (sent.segment().seq + sent.segment().len()).value();
    first.sends(kAck);
  }
  world.take_all();
  first.reaches_time_wait();
  Peer next{world};
  next.seq = first.seq + 1;
  ASSERT_TRUE(next.opens());
  EXPECT_LT(SeqNum{first.ack}, SeqNum{next.their_iss});
}

// Where the listener has no room the SYN is dropped as any other, and the old connection's
// record goes on protecting its port.
TEST_P(ShardTimeWait, NewerSynWithoutRoomLeavesTheRecord) {
  TestShard world{given()};
  world.listen(ListenSpec{.address = {}, .port = 80, .options = {}, .backlog = 1});
  const InTimeWait c{world, 1000};
  Peer other{world, 1001};
  ASSERT_TRUE(other.sends_syn());
  TestTcp syn = c.peer.segment(kSyn);
  ++syn.seq;
  world.receive(syn);
  world.expect_silence();
  EXPECT_EQ(world.counters().backlog_full, 1u);
  EXPECT_EQ(world.in_state(tcp::State::kTimeWait), 1u);
  ++world.counted_twice;
}

// TW-06, threats C16.
TEST_P(ShardTimeWait, OldSynIsAnsweredWithAnAck) {
  TestShard world{given()};
  world.listen();
  const InTimeWait c{world};
  for (const std::uint32_t back : {1u, 1000u}) {
    TestTcp syn = c.peer.segment(kSyn);
    syn.seq -= back;
    world.receive(syn);
    const Sent ack = world.expect("A");
    EXPECT_EQ(ack.segment().ack.value(), c.peer.seq);
    world.sleep(1s);  // challenge ACKs have a rate
  }
  EXPECT_EQ(world.in_state(tcp::State::kTimeWait), 1u);
}

// RFC 6191: with timestamps a newer one opens, whatever the sequence number.
TEST_P(ShardTimeWait, NewerTimestampOpensOlderDoesNot) {
  TestShard world{given()};
  world.listen();
  const InTimeWait c{world, 40112, true};
  TestTcp old = c.peer.segment(kSyn);
  old.seq += 1000;
  old.options = mss_option(1460);
  append(old.options, timestamps_option(4000, 0));
  world.receive(old);
  world.expect("A");
  Peer next{world};
  next.seq = c.peer.seq - 1000;
  next.tsval = 6000;
  EXPECT_TRUE(next.opens());
}

// Nobody listens any more: a new SYN is an old duplicate as far as we can tell.
TEST_P(ShardTimeWait, NewerSynWithoutAListenerGetsAnAck) {
  TestShard world{given()};
  const std::uint16_t id = world.listen();
  const InTimeWait c{world};
  world.shard.close_listener(id);
  TestTcp syn = c.peer.segment(kSyn);
  syn.seq += 1000;
  world.receive(syn);
  world.expect("A");
  EXPECT_EQ(world.in_state(tcp::State::kTimeWait), 1u);
}

// TW-10.
TEST_P(ShardTimeWait, TimestampsOfItsAcksGoOn) {
  TestShard world{given()};
  world.listen();
  const InTimeWait c{world, 40112, true};
  world.sleep(10s);
  TestTcp fin = c.peer.segment(kFin | kAck);
  --fin.seq;
  fin.options = timestamps_option(15000, c.peer.tsecr);
  world.receive(fin);
  const Sent ack = world.expect("A");
  ASSERT_TRUE(ack.segment().options.ts);
  EXPECT_EQ(ack.segment().options.ts->val - c.peer.tsecr, 10'000u);  // a tick is a millisecond
}

// --- Limits (TW-09) ---

TEST_P(ShardTimeWait, FullTableEvictsTheOldest) {
  TestShard::Given small = given();
  small.config.max_time_wait_v4 = small.config.max_time_wait_v6 = 4;
  TestShard world{small};
  world.listen();
  std::vector<Peer> peers;
  for (unsigned i = 0; i < 6; ++i) {
    peers.push_back(InTimeWait{world, static_cast<std::uint16_t>(1000 + i)}.peer);
    world.sleep(10ms);
  }
  EXPECT_EQ(world.shard.core().time_wait().size(), 4u);
  EXPECT_EQ(world.shard.core().time_wait().counters().evicted, 2u);
  EXPECT_EQ(world.in_state(tcp::State::kTimeWait), 4u);
  for (unsigned i = 0; i < 6; ++i) {
    world.receive(peers[i].segment(kAck, "x"));
    world.expect(i < 2 ? "R" : "A");
  }
}

TEST_P(ShardTimeWait, FullTableMayRefuseTheNewest) {
  TestShard::Given small = given();
  small.config.max_time_wait_v4 = small.config.max_time_wait_v6 = 4;
  small.config.time_wait_full = TimeWaitTable::FullPolicy::kRefuse;
  TestShard world{small};
  world.listen();
  std::vector<Peer> peers;
  for (unsigned i = 0; i < 6; ++i) peers.push_back(InTimeWait{world, static_cast<std::uint16_t>(1000 + i)}.peer);
  EXPECT_EQ(world.shard.core().time_wait().counters().refused, 2u);
  EXPECT_EQ(world.in_state(tcp::State::kTimeWait), 4u);
  EXPECT_EQ(world.connections(), 0u);
  for (unsigned i = 0; i < 6; ++i) {
    world.receive(peers[i].segment(kAck, "x"));
    world.expect(i < 4 ? "A" : "R");
  }
}

// A TIME-WAIT ACK that finds the transmit queue full goes later; the TCB stays as long.
TEST_P(ShardTimeWait, LastAckIsNotLostWhenTheDeviceIsFull) {
  TestShard world{given()};
  world.listen();
  Peer peer{world};
  ASSERT_TRUE(peer.opens());
  world.shard.with(peer.id, world.now, [](Conn conn) { conn.close(); });
  world.turn();
  peer.ack = (world.expect("FA").segment().seq + 1).value();
  peer.sends(kAck);
  world.device.room = 0;
  peer.sends(kFin | kAck);
  world.expect_silence();
  EXPECT_EQ(world.in_state(tcp::State::kTimeWait), 1u);
  EXPECT_EQ(world.connections(), 1u);
  world.device.room = SIZE_MAX;
  world.turn();
  world.expect("A");
  EXPECT_EQ(world.connections(), 0u);
  EXPECT_EQ(world.in_state(tcp::State::kTimeWait), 1u);
}

// Simultaneous close: CLOSING ends in TIME-WAIT too.
TEST_P(ShardTimeWait, SimultaneousCloseEndsHereToo) {
  TestShard world{given()};
  world.listen();
  Peer peer{world};
  ASSERT_TRUE(peer.opens());
  world.shard.with(peer.id, world.now, [](Conn conn) { conn.close(); });
  world.turn();
  const Sent fin = world.expect("FA");
  peer.sends(kFin | kAck);
  world.expect("A");
  EXPECT_EQ(world.in_state(tcp::State::kClosing), 1u);
  peer.ack = (fin.segment().seq + 1).value();
  peer.sends(kAck);
  EXPECT_EQ(world.in_state(tcp::State::kTimeWait), 1u);
  EXPECT_EQ(world.connections(), 0u);
}

// CA-06, RFC 5961, 7: not one ACK for each of a flood; text, which its sender waits for, is answered always.
TEST_P(ShardTimeWait, ChallengesAreLimitedForEachConnection) {
  TestShard world{given()};
  world.listen();
  const InTimeWait one{world, 1000};
  const InTimeWait other{world, 1001};
  TestTcp old = one.peer.segment(kAck);
  old.seq -= 1000;
  TestTcp of_other = other.peer.segment(kAck);
  of_other.seq -= 1000;
  std::size_t answers = 0;
  for (int i = 0; i < 100; ++i) {
    world.receive(old);
    answers += world.take_all().size();
  }
  EXPECT_EQ(answers, 1u);
  world.receive(of_other);
  world.expect("A");
  TestTcp text = one.peer.segment(kAck, "again");
  text.seq -= 5;
  world.receive(text);
  world.expect("A");
  world.sleep(1s);
  world.receive(old);
  world.expect("A");
}

// RFC 9293, 3.10.7.4, eighth, TIME-WAIT: "Restart the 2 MSL time-wait timeout."
TEST_P(ShardTimeWait, AFinInTheWindowIsAcknowledgedAndBeginsTwoMslAnew) {
  TestShard world{given()};
  world.listen();
  const InTimeWait c{world};
  world.sleep(40s);
  world.receive(c.peer.segment(kFin | kAck));
  EXPECT_EQ(world.expect("A").segment().ack.value(), c.peer.seq);
  EXPECT_EQ(world.shard.core().time_wait().counters().restarted, 1u);
  world.sleep(kTwoMsl - 10ms);
  EXPECT_EQ(world.in_state(tcp::State::kTimeWait), 1u);
}

// RFC 6191, 2: the old connection had no timestamps, the new one will have them, which keep its old segments out.
TEST_P(ShardTimeWait, TimestampsThatAreNewOpenWhateverTheSequenceNumber) {
  TestShard world{given()};
  world.listen();
  const InTimeWait c{world};
  Peer next{world, c.peer.port()};
  next.seq = c.peer.seq - 100'000;
  next.tsval = 1;
  EXPECT_TRUE(next.opens());
}

// Its last text is unread, so it is a TCB still: a SYN for a successor is acknowledged, and not lost without a word.
TEST_P(ShardTimeWait, ANewSynForOneThatIsStillRead) {
  TestShard world{given()};
  world.listen();
  world.app.when_text = [](Conn, std::span<const std::byte>) { return std::size_t{0}; };
  Peer peer{world};
  ASSERT_TRUE(peer.opens());
  EXPECT_TRUE(world.shard.with(peer.id, world.now, [](Conn conn) { conn.shutdown(); }));
  world.turn();
  world.expect("FA");
  ++peer.ack;
  peer.sends(kAck | kPsh | kFin, "unread");
  world.expect("A");
  EXPECT_EQ(world.in_state(tcp::State::kTimeWait), 1u);
  EXPECT_EQ(world.connections(), 1u);
  Peer next{world, peer.port()};
  next.seq = peer.seq + 100'000;
  next.sends(kSyn);
  EXPECT_EQ(world.expect("A").segment().ack.value(), peer.seq);
}

}  // namespace
}  // namespace pollux::test
