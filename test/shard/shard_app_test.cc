// The application's side: what it is told, handles that outlive their connection, text that
// it leaves, what leaves together, and what the device does for us.

#include <algorithm>

#include "base/random.h"
#include "test_shard.h"

namespace pollux::test {
namespace {

using ShardApp = ShardOf;
POLLUX_BOTH_FAMILIES(ShardApp);

std::span<const std::byte> as_bytes(const std::string& text) { return std::as_bytes(std::span{text}); }

// Text in which no two places within a window look alike.
std::string pattern(std::size_t size) {
  std::string result(size, ' ');
  for (std::size_t i = 0; i < size; ++i) result[i] = static_cast<char>('!' + (i * 7 + i / 89 + i / 8011) % 89);
  return result;
}

// MUST-12: a FIN, and a RST.
TEST_P(ShardApp, EofAndResetAreTold) {
  TestShard world{given()};
  world.listen();
  Peer polite{world, 1000};
  ASSERT_TRUE(polite.opens());
  polite.closes_first();
  EXPECT_EQ(world.app.seen(polite.id).eof, 1);
  EXPECT_EQ(world.app.seen(polite.id).reason, tcp::Reason::kFinished);
  Peer rude{world, 1001};
  ASSERT_TRUE(rude.opens());
  rude.sends(kRst);
  EXPECT_EQ(world.app.seen(rude.id).eof, 0);
  EXPECT_EQ(world.app.seen(rude.id).reason, tcp::Reason::kReset);
}

// A handle of a connection that is gone is not taken for its successor in the same place.
TEST_P(ShardApp, StaleHandlesAreRefused) {
  TestShard world{given()};
  world.listen();
  Peer first{world, 1000};
  ASSERT_TRUE(first.opens());
  first.closes_first();
  Peer second{world, 1001};
  ASSERT_TRUE(second.opens());
  EXPECT_EQ(first.id.index, second.id.index);
  EXPECT_NE(first.id.generation, second.id.generation);
  EXPECT_FALSE(world.shard.with(first.id, world.now, [](Conn) { FAIL(); }));
  EXPECT_FALSE(world.shard.resume(first.id, world.now));
  EXPECT_TRUE(world.shard.with(second.id, world.now, [&](Conn conn) { EXPECT_EQ(conn.key(), second.key()); }));
  EXPECT_FALSE(world.shard.with(ConnId{}, world.now, [](Conn) { FAIL(); }));
  EXPECT_FALSE(world.shard.with(ConnId{1'000'000, 1}, world.now, [](Conn) { FAIL(); }));
}

TEST_P(ShardApp, ForEachVisitsEveryConnection) {
  TestShard world{given()};
  world.listen();
  for (unsigned i = 0; i < 5; ++i) {
    Peer peer{world, static_cast<std::uint16_t>(1000 + i)};
    ASSERT_TRUE(peer.opens());
  }
  Peer half_open{world, 2000};
  ASSERT_TRUE(half_open.sends_syn());
  int visits = 0;
  world.shard.for_each(world.now, [&](Conn conn) {
    ++visits;
    conn.abort();
  });
  EXPECT_EQ(visits, 5);
  world.turn();
  EXPECT_EQ(letters(world.take_all()), "RA,RA,RA,RA,RA");
  EXPECT_EQ(world.connections(), 0u);
}

// --- Text that is left behind ---

// 3.10.7.4, LAST-ACK: "enter the CLOSED state, delete the TCB"; a SYN then is the listener's (3.10.7.2).
TEST_P(ShardApp, PortsAreFreeForTheNextWhileTheApplicationStillReads) {
  TestShard world{given()};
  world.listen();
  world.app.when_text = [](Conn, std::span<const std::byte>) { return std::size_t{0}; };
  Peer first{world};
  ASSERT_TRUE(first.opens());
  first.sends(kAck | kPsh | kFin, "tail");
  world.shard.with(first.id, world.now, [](Conn conn) { conn.shutdown(); });
  world.turn();
  world.take_all();
  ++first.ack;
  first.sends(kAck);
  ASSERT_EQ(world.app.seen(first.id).closed, 0);
  Peer second{world};
  second.seq = first.seq + 1'000'000;
  ASSERT_TRUE(second.opens());
  EXPECT_NE(first.id, second.id);
  int visits = 0;
  world.shard.for_each(world.now, [&](Conn) { ++visits; });
  EXPECT_EQ(visits, 2);
  world.app.when_text = nullptr;
  EXPECT_TRUE(world.shard.resume(first.id, world.now));
  EXPECT_EQ(world.app.seen(first.id).text, "tail");
  EXPECT_EQ(world.app.seen(first.id).closed, 1);
  EXPECT_EQ(world.app.seen(first.id).reason, tcp::Reason::kFinished);
  second.sends(kAck | kPsh, "next");
  EXPECT_EQ(world.app.seen(second.id).text, "next");
  EXPECT_EQ(world.connections(), 1u);
}

// The same for an ephemeral port of ours.
TEST_P(ShardApp, EphemeralPortIsFreeWhileTheApplicationStillReads) {
  TestShard world{given()};
  world.app.when_text = [](Conn, std::span<const std::byte>) { return std::size_t{0}; };
  const ConnId id =
      world.shard.connect({.remote = world.peer(), .remote_port = 80, .local = {}, .options = {}}, world.now).value();
  world.turn();
  Peer peer{world, 80, world.shard.core().tcb(id.index).key().local_port};
  peer.accepts(world.expect("S"));
  peer.sends(kAck | kPsh | kFin, "tail");
  world.shard.with(id, world.now, [](Conn conn) { conn.shutdown(); });
  world.turn();
  world.take_all();
  EXPECT_EQ(world.shard.core().ports().total().in_use, 1u);
  ++peer.ack;
  peer.sends(kAck);
  ASSERT_EQ(world.connections(), 1u);
  EXPECT_EQ(world.shard.core().ports().total().in_use, 0u);
  world.app.when_text = nullptr;
  EXPECT_TRUE(world.shard.resume(id, world.now));
  EXPECT_EQ(world.app.seen(id).closed, 1);
  EXPECT_EQ(world.shard.core().ports().total().in_use, 0u);
}

TEST_P(ShardApp, TextLeftBehindClosesTheWindowAndComesAgain) {
  TestShard::Given small = given();
  small.config.tcp.receive_buffer = 8000;
  TestShard world{small};
  world.listen();
  world.app.when_text = [](Conn, std::span<const std::byte>) { return std::size_t{0}; };
  Peer peer{world};
  ASSERT_TRUE(peer.opens());
  const std::string text = pattern(8000);
  for (std::size_t at = 0; at < text.size(); at += 1000) peer.sends(kAck | kPsh, text.substr(at, 1000));
  world.sleep(1s);
  const auto acks = world.take_all();
  ASSERT_FALSE(acks.empty());
  EXPECT_EQ(acks.back().segment().ack.value(), peer.seq);
  EXPECT_EQ(acks.back().segment().wnd, 0);
  EXPECT_EQ(world.app.seen(peer.id).text, "");
  EXPECT_EQ(world.packets_held(), world.shard.core().stores().held.size());

  std::size_t room = 3500;
  world.app.when_text = [&](Conn, std::span<const std::byte> offered) {
    const std::size_t taken = std::min(offered.size(), room);
    room -= taken;
    return taken;
  };
  EXPECT_TRUE(world.shard.resume(peer.id, world.now));
  world.turn();
  EXPECT_EQ(world.app.seen(peer.id).text, text.substr(0, 3500));
  EXPECT_GT(world.expect("A").segment().wnd, 0);  // the peer is told of the room (MUST-39: worth a segment)
  room = SIZE_MAX;
  EXPECT_TRUE(world.shard.resume(peer.id, world.now));
  EXPECT_EQ(world.app.seen(peer.id).text, text);
  EXPECT_EQ(world.packets_held(), 0u);
}

// Not offered again until the application asks, though more text comes.
TEST_P(ShardApp, AnApplicationThatPausedIsLeftAlone) {
  TestShard world{given()};
  world.listen();
  int calls = 0;
  world.app.when_text = [&](Conn, std::span<const std::byte>) {
    ++calls;
    return std::size_t{0};
  };
  Peer peer{world};
  ASSERT_TRUE(peer.opens());
  for (int i = 0; i < 5; ++i) peer.sends(kAck | kPsh, "12345");
  EXPECT_EQ(calls, 1);
  world.app.when_text = nullptr;
  EXPECT_TRUE(world.shard.resume(peer.id, world.now));
  EXPECT_EQ(world.app.seen(peer.id).text, "1234512345123451234512345");
  peer.sends(kAck | kPsh, "more");
  EXPECT_EQ(world.app.seen(peer.id).text, "1234512345123451234512345more");
  world.take_all();
}

// EOF comes behind the text.
TEST_P(ShardApp, EofWaitsForTextLeftBehind) {
  TestShard world{given()};
  world.listen();
  world.app.when_text = [](Conn, std::span<const std::byte>) { return std::size_t{2}; };
  Peer peer{world};
  ASSERT_TRUE(peer.opens());
  peer.sends(kAck | kFin | kPsh, "12345");
  EXPECT_EQ(world.app.seen(peer.id).eof, 0);
  world.app.when_text = nullptr;
  EXPECT_TRUE(world.shard.resume(peer.id, world.now));
  EXPECT_EQ(world.app.seen(peer.id).text, "12345");
  EXPECT_EQ(world.app.seen(peer.id).eof, 1);
  world.take_all();
}

// A peer that contradicts itself: text beyond the place of its FIN. It is nobody's, and EOF comes.
TEST_P(ShardApp, TextBeyondTheFinDoesNotHoldBackEof) {
  TestShard world{given()};
  world.listen();
  Peer peer{world};
  ASSERT_TRUE(peer.opens());
  TestTcp beyond = peer.segment(kAck, "beyond");
  beyond.seq += 100;
  world.receive(beyond);
  peer.sends(kAck | kFin, "12345");
  EXPECT_EQ(world.app.seen(peer.id).text, "12345");
  EXPECT_EQ(world.app.seen(peer.id).eof, 1);
  EXPECT_EQ(world.packets_held(), 0u);
  world.take_all();
}

// Text out of order is held and delivered in order; the packets go back.
TEST_P(ShardApp, TextOutOfOrder) {
  TestShard world{given()};
  world.listen();
  Peer peer{world};
  ASSERT_TRUE(peer.opens());
  const std::string text = pattern(5000);
  for (const std::size_t at : {4000u, 2000u, 1000u, 3000u, 0u}) {
    TestTcp segment = peer.segment(kAck, text.substr(at, 1000));
    segment.seq += static_cast<std::uint32_t>(at);
    world.receive(segment);
    EXPECT_EQ(letters(world.take_all()), "A");
  }
  EXPECT_EQ(world.app.seen(peer.id).text, text);
  EXPECT_EQ(world.packets_held(), 0u);
}

// SHLD-3: what is unread when the application closes is answered with a RST.
TEST_P(ShardApp, CloseWithUnreadTextResets) {
  TestShard world{given()};
  world.listen();
  world.app.when_text = [](Conn, std::span<const std::byte>) { return std::size_t{0}; };
  Peer peer{world};
  ASSERT_TRUE(peer.opens());
  peer.sends(kAck | kPsh, "unread");
  world.shard.with(peer.id, world.now, [](Conn conn) { conn.close(); });
  world.turn();
  world.expect("RA");
  EXPECT_EQ(world.connections(), 0u);
  EXPECT_EQ(world.packets_held(), 0u);
}

// The application may end the connection in any callback.
TEST_P(ShardApp, AbortAndCloseInEveryCallback) {
  for (const bool abort : {false, true}) {
    const auto end = [abort](Conn conn) { abort ? conn.abort() : conn.close(); };
    for (int callback = 0; callback < 4; ++callback) {
      SCOPED_TRACE(std::to_string(callback) + (abort ? " abort" : " close"));
      TestShard world{given()};
      world.listen();
      if (callback == 0) world.app.when_open = end;
      if (callback == 1)
        world.app.when_text = [&](Conn conn, std::span<const std::byte> text) {
          end(conn);
          return text.size();
        };
      if (callback == 2) world.app.when_eof = end;
      if (callback == 3) world.app.when_urgent = end;
      Peer peer{world};
      ASSERT_TRUE(peer.sends_syn());
      TestTcp all = peer.segment(kAck | kPsh | kUrg | kFin, "text");
      all.up = 4;
      world.receive(all);
      world.sleep(10min);
      EXPECT_EQ(world.connections(), 0u);
      EXPECT_EQ(world.app.last().closed, 1);
    }
  }
}

// MUST-32, MUST-33.
TEST_P(ShardApp, UrgentDataIsAnnouncedBeforeItsText) {
  TestShard world{given()};
  world.listen();
  std::uint32_t ahead = 0;
  world.app.when_urgent = [&](Conn conn) {
    ahead = conn.urgent_ahead();
    EXPECT_EQ(world.app.seen(conn.id()).text, "");
  };
  Peer peer{world};
  ASSERT_TRUE(peer.opens());
  TestTcp segment = peer.segment(kAck | kUrg | kPsh, "12345678");
  segment.up = 3;
  world.receive(segment);
  EXPECT_EQ(world.app.seen(peer.id).urgent, 1);
  EXPECT_EQ(ahead, 3u);
  EXPECT_EQ(world.app.seen(peer.id).text, "12345678");
}

// --- What leaves together ---

// MUST-58: a burst is acknowledged once, after all of it.
TEST_P(ShardApp, ABurstIsAcknowledgedOnce) {
  TestShard world{given()};
  world.listen();
  Peer peer{world};
  ASSERT_TRUE(peer.opens());
  const std::string text = pattern(10 * 1000);
  std::vector<Bytes> burst;
  for (std::size_t at = 0; at < text.size(); at += 1000) {
    TestTcp segment = peer.segment(kAck, text.substr(at, 1000));
    segment.seq += static_cast<std::uint32_t>(at);
    burst.push_back(world.frame(segment));
  }
  world.receive(burst);
  EXPECT_EQ(world.expect("A").segment().ack.value(), peer.seq + 10000);
  world.expect_silence();
  EXPECT_EQ(world.app.seen(peer.id).text, text);
}

// MUST-59: of several acknowledgments owed the last alone is sent, with a segment if there is one.
TEST_P(ShardApp, AnAcknowledgmentRidesOnTheResponse) {
  TestShard world{given()};
  world.listen();
  world.app.when_text = [](Conn conn, std::span<const std::byte> text) {
    EXPECT_TRUE(conn.send(text));
    return text.size();
  };
  Peer peer{world};
  ASSERT_TRUE(peer.opens());
  peer.sends(kAck | kPsh, "ping");
  const Sent answer = world.expect("A");
  EXPECT_EQ(answer.text(), "ping");
  EXPECT_EQ(answer.segment().ack.value(), peer.seq);
  world.expect_silence();
}

// Six segments for a connection: SYN, SYN-ACK, ACK with the request, response with FIN,
// FIN with ACK, ACK.
TEST_P(ShardApp, ResponseAndFinShareASegment) {
  TestShard world{given()};
  world.listen();
  world.app.when_text = [](Conn conn, std::span<const std::byte> text) {
    EXPECT_TRUE(conn.send(std::as_bytes(std::span{"response", 8})));
    conn.shutdown();
    return text.size();
  };
  world.app.when_eof = [](Conn conn) { conn.close(); };
  Peer peer{world};
  ASSERT_TRUE(peer.sends_syn());
  peer.sends(kAck | kPsh, "request");
  const Sent answer = world.expect("FA");
  EXPECT_EQ(answer.text(), "response");
  EXPECT_EQ(answer.segment().ack.value(), peer.seq);
  world.expect_silence();
  peer.ack = (answer.segment().seq + answer.segment().len()).value();
  peer.sends(kFin | kAck);
  world.expect("A");
  world.expect_silence();
  EXPECT_EQ(world.in_state(tcp::State::kTimeWait), 1u);
}

// The four segments of a close are three when the application closes at EOF.
TEST_P(ShardApp, CloseAtEofAnswersFinWithFin) {
  TestShard world{given()};
  world.listen();
  world.app.when_eof = [](Conn conn) { conn.close(); };
  Peer peer{world};
  ASSERT_TRUE(peer.opens());
  peer.sends(kFin | kAck);
  const Sent fin = world.expect("FA");
  EXPECT_EQ(fin.segment().ack.value(), peer.seq);
  world.expect_silence();
  ++peer.ack;
  peer.sends(kAck);
  EXPECT_EQ(world.connections(), 0u);
}

// --- The device ---

// Acknowledges all that comes until nothing does; what the peer got.
std::string receive_all(TestShard& world, Peer& peer, std::size_t size) {
  std::string got;
  std::size_t largest = 0;
  for (int turn = 0; turn < 10'000 && got.size() < size; ++turn) {
    world.turn();
    for (const Sent& sent : world.take_all()) {
      EXPECT_EQ(sent.segment().seq.value(), peer.ack);
      got += sent.text();
      largest = std::max(largest, sent.text().size());
      EXPECT_EQ(sent.offload.segment_size != 0, sent.text().size() > peer.mss);
      peer.ack += static_cast<std::uint32_t>(sent.text().size());
    }
    peer.sends(kAck);
  }
  return got;
}

TEST_P(ShardApp, SegmentsKeepToThePeersMss) {
  TestShard world{given()};
  world.device.buffer_size = 2176;  // more than was asked for: no reason to fill it
  world.listen();
  Peer peer{world};
  peer.mss = 536;
  ASSERT_TRUE(peer.opens());
  const std::string text = pattern(20'000);
  world.shard.with(peer.id, world.now, [&](Conn conn) { EXPECT_EQ(conn.send(as_bytes(text)), 20'000u); });
  world.turn();
  for (const Sent& sent : world.take_all()) {
    EXPECT_LE(sent.text().size(), 536u);
    EXPECT_EQ(sent.text(), text.substr(sent.segment().seq.value() - peer.ack, sent.text().size()));
  }
}

TEST_P(ShardApp, ChecksumsAreLeftToADeviceThatOffers) {
  for (const bool offers : {false, true}) {
    TestShard::Given offloading = given();
    offloading.features.tx_ip_checksum = offloading.features.tx_tcp_checksum = offers;
    TestShard world{offloading};
    world.listen();
    Peer peer{world};
    ASSERT_TRUE(peer.opens());
    world.shard.with(peer.id, world.now, [&](Conn conn) { EXPECT_TRUE(conn.send(as_bytes("some text"))); });
    world.turn();
    const Sent sent = world.expect("A");
    EXPECT_EQ(sent.offload.tcp_checksum, offers);
    EXPECT_EQ(sent.offload.ip_checksum, offers && !world.v6());
    EXPECT_EQ(sent.offload.segment_size, 0);
    if (!offers) continue;  // TestShard verified it
    EXPECT_EQ(sent.offload.l2_size, 14);
    EXPECT_EQ(sent.offload.l3_size, world.v6() ? 40 : 20);
    EXPECT_EQ(sent.offload.l4_size, 20);
    EXPECT_EQ(sent.offload.ipv6, world.v6());
    // The field holds the pseudo-header's sum: what the device adds makes it right.
    const std::size_t tcp = 14u + sent.offload.l3_size;
    Bytes finished = sent.bytes;
    const std::uint16_t rest = naive_checksum(std::span{finished}.subspan(tcp));
    set16(finished, tcp + 16, rest);
    if (!world.v6()) set16(finished, 14 + 10, naive_checksum(std::span{finished}.subspan(14, 20)));
    EXPECT_EQ(drop_of(finished), WireDrop::kNone);
  }
}

// Frames of several segments for the device to cut: whole segments, of the connection's size.
TEST_P(ShardApp, SegmentationIsLeftToADeviceThatOffers) {
  TestShard::Given cutting = given();
  cutting.features.tx_ip_checksum = cutting.features.tx_tcp_checksum = true;
  cutting.features.tso = cutting.features.tso_ipv6 = true;
  cutting.features.max_frame = 9000;
  TestShard world{cutting};
  world.listen();
  Peer peer{world};
  peer.mss = 1000;
  ASSERT_TRUE(peer.opens());
  const std::string text = pattern(20'500);
  world.shard.with(peer.id, world.now, [&](Conn conn) { EXPECT_EQ(conn.send(as_bytes(text)), 20'500u); });
  world.turn();
  const auto frames = world.take_all();
  std::string got;
  std::size_t large = 0;
  for (const Sent& sent : frames) {
    EXPECT_LE(sent.bytes.size(), 9000u);
    got += sent.text();
    if (sent.text().size() <= 1000) {
      EXPECT_EQ(sent.offload.segment_size, 0);
      continue;
    }
    ++large;
    EXPECT_EQ(sent.offload.segment_size, 1000);
    EXPECT_TRUE(sent.offload.tcp_checksum);
    EXPECT_TRUE(sent.text().size() % 1000 == 0 || &sent == &frames.back());
  }
  EXPECT_GE(large, 2u);
  EXPECT_EQ(got, text.substr(0, got.size()));
  EXPECT_EQ(got.size(), 10'000u);  // the initial window (RFC 6928)
}

// For IPv4 alone, if that is all it offers.
TEST(ShardDevice, SegmentationOfOneFamily) {
  for (const bool v6 : {false, true}) {
    TestShard::Given cutting{.v6 = v6};
    cutting.features.tx_ip_checksum = cutting.features.tx_tcp_checksum = cutting.features.tso = true;
    cutting.features.max_frame = 9000;
    TestShard world{cutting};
    world.listen();
    Peer peer{world};
    ASSERT_TRUE(peer.opens());
    world.shard.with(peer.id, world.now, [&](Conn conn) { EXPECT_TRUE(conn.send(as_bytes(pattern(10'000)))); });
    world.turn();
    EXPECT_EQ(world.take()->offload.segment_size != 0, !v6);
    EXPECT_EQ(receive_all(world, peer, 0), "");
  }
}

// Threats D19, RB-04: a device that takes few frames, or has no memory, loses nothing.
TEST_P(ShardApp, AFullDeviceLosesNothing) {
  TestShard world{given()};
  world.listen();
  Peer peer{world};
  ASSERT_TRUE(peer.opens());
  const std::string text = pattern(100'000);
  world.shard.with(peer.id, world.now, [&](Conn conn) { EXPECT_EQ(conn.send(as_bytes(text)), 100'000u); });
  std::string got;
  pollux::Random random{1};
  for (int i = 0; i < 10'000 && got.size() < text.size(); ++i) {
    world.device.room = random.below(4);
    world.device.no_memory = random.chance(0.2);
    world.turn();
    for (const Sent& sent : world.take_all()) {
      if (sent.segment().seq.value() != peer.ack) continue;  // sent again
      got += sent.text();
      peer.ack += static_cast<std::uint32_t>(sent.text().size());
    }
    world.device.room = 1;
    peer.sends(kAck);
    for (const Sent& sent : world.take_all()) {
      if (sent.segment().seq.value() != peer.ack) continue;
      got += sent.text();
      peer.ack += static_cast<std::uint32_t>(sent.text().size());
    }
  }
  EXPECT_EQ(got, text);
  EXPECT_GT(world.counters().tx_no_memory, 0u);
  EXPECT_EQ(world.tcp_counters().retransmitted_segments, 0u);
}

// What was partly sent when the device filled up is still watched by a timer.
TEST_P(ShardApp, TextInFlightIsSentAgainThoughTheDeviceStaysFull) {
  TestShard world{given()};
  world.listen();
  Peer peer{world};
  ASSERT_TRUE(peer.opens());
  world.device.room = 1;
  world.shard.with(peer.id, world.now, [&](Conn conn) { EXPECT_TRUE(conn.send(as_bytes(pattern(10'000)))); });
  world.turn();
  EXPECT_EQ(letters(world.take_all()), "A");
  ASSERT_TRUE(world.shard.next_due(world.now));
  EXPECT_LE(*world.shard.next_due(world.now) - world.now, 3s);
}

// A turn is fair: none of many connections waits for another's last byte.
TEST_P(ShardApp, ConnectionsTakeTurns) {
  TestShard::Given wide = given();
  wide.config.tcp.initial_window_segments = 200;
  TestShard world{wide};
  world.listen();
  std::vector<Peer> peers;
  for (unsigned i = 0; i < 2; ++i) {
    peers.emplace_back(world, static_cast<std::uint16_t>(1000 + i));
    peers.back().mss = 100;  // 146 of them in the initial window
    ASSERT_TRUE(peers.back().opens());
  }
  for (const Peer& peer : peers) {
    world.shard.with(peer.id, world.now, [&](Conn conn) { EXPECT_EQ(conn.send(as_bytes(pattern(14'600))), 14'600u); });
  }
  world.turn();
  const auto frames = world.take_all();
  ASSERT_GT(frames.size(), 128u);
  EXPECT_NE(frames[0].frame.key.local_port, frames[64].frame.key.local_port);
}

// What an application reads for itself counts like what it asks for: text comes by itself again.
TEST_P(ShardApp, AnApplicationThatReadsForItselfIsOfferedWhatComesNext) {
  TestShard world{given()};
  world.listen();
  world.app.when_text = [](Conn, std::span<const std::byte>) { return std::size_t{0}; };
  Peer peer{world};
  ASSERT_TRUE(peer.opens());
  peer.sends(kAck | kPsh, "left");
  world.app.when_text = nullptr;
  EXPECT_TRUE(world.shard.with(peer.id, world.now, [](Conn conn) { conn.consume(4); }));
  TestTcp second = peer.segment(kAck | kPsh, "second");
  second.seq += 5;
  world.receive(second);  // waits behind a hole, and comes out of the queue when that is filled
  peer.sends(kAck | kPsh, "first");
  EXPECT_EQ(world.app.seen(peer.id).text, "firstsecond");
  peer.seq += 6;
  peer.sends(kAck | kFin);
  EXPECT_EQ(world.app.seen(peer.id).eof, 1);
  world.take_all();
}

// SHLD-3 is about text that nobody reads: what on_text is being called with is being read.
TEST_P(ShardApp, CloseWhileTextFromTheQueueIsOfferedSendsAFin) {
  for (const bool takes_all : {true, false}) {
    TestShard world{given()};
    world.listen();
    world.app.when_text = [&](Conn conn, std::span<const std::byte> text) {
      if (text.size() == 4) conn.close();  // "last"
      return takes_all || text.size() != 4 ? text.size() : 1;
    };
    Peer peer{world};
    ASSERT_TRUE(peer.opens());
    TestTcp last = peer.segment(kAck | kPsh, "last");
    last.seq += 5;
    world.receive(last);
    world.take_all();
    peer.sends(kAck | kPsh, "first");
    EXPECT_EQ(letters(world.take_all()), takes_all ? "FA" : "RA");
    EXPECT_EQ(world.app.seen(peer.id).text, takes_all ? "firstlast" : "firstl");
  }
}

// CL-13: both sides have finished, and only unread text is left.
TEST_P(ShardApp, AFinishedConnectionWithUnreadTextEndsWhenTheApplicationCloses) {
  for (const bool aborts : {false, true}) {
    TestShard world{given()};
    world.listen();
    world.app.when_text = [](Conn, std::span<const std::byte>) { return std::size_t{0}; };
    Peer peer{world};
    ASSERT_TRUE(peer.opens());
    peer.sends(kAck | kPsh | kFin, "unread");
    world.take_all();
    EXPECT_TRUE(world.shard.with(peer.id, world.now, [](Conn conn) { conn.shutdown(); }));
    world.turn();
    world.expect("FA");
    ++peer.ack;
    peer.sends(kAck);
    EXPECT_EQ(world.app.seen(peer.id).closed, 0);
    EXPECT_TRUE(world.shard.with(peer.id, world.now, [&](Conn conn) { aborts ? conn.abort() : conn.close(); }));
    EXPECT_EQ(world.app.seen(peer.id).closed, 1);
    EXPECT_EQ(world.app.seen(peer.id).reason, tcp::Reason::kFinished);
    EXPECT_EQ(world.connections(), 0u);
    EXPECT_EQ(world.packets_held(), 0u);
    world.expect_silence();
  }
}

// One slow reader must not keep text from the others: what its segments take is counted, not what text is in them.
TEST_P(ShardApp, ASlowReaderLeavesRoomForTheOthers) {
  TestShard::Given few = given();
  few.config.held_segments = 64;
  TestShard world{few};
  world.listen();
  Peer slow{world, 1000};
  Peer quick{world, 1001};
  ASSERT_TRUE(slow.opens());
  ASSERT_TRUE(quick.opens());
  world.app.when_text = [&](Conn conn, std::span<const std::byte> text) {
    return conn.key() == slow.key() ? 0 : text.size();
  };
  for (int i = 0; i < 200; ++i) slow.sends(kAck | kPsh, "x");
  EXPECT_GT(world.verdicts(tcp::Verdict::kNoMemory), 0u);
  quick.sends(kAck | kPsh, "at once");
  EXPECT_EQ(world.app.seen(quick.id).text, "at once");
  TestTcp ahead = quick.segment(kAck | kPsh, "behind");
  ahead.seq += 4;
  world.receive(ahead);
  quick.sends(kAck | kPsh, "hole");
  EXPECT_EQ(world.app.seen(quick.id).text, "at oncehole");  // what was behind it comes again
  world.take_all();
}

// All large frames are on their way: small ones must go, or nobody would send any more.
TEST_P(ShardApp, WithoutALargeFrameTextGoesInSegments) {
  TestShard::Given cutter = given();
  cutter.features.tx_ip_checksum = cutter.features.tx_tcp_checksum = true;
  cutter.features.tso = cutter.features.tso_ipv6 = true;
  cutter.features.max_frame = 16384;
  TestShard world{cutter};
  world.device.largest = 1514;
  world.listen();
  Peer peer{world};
  ASSERT_TRUE(peer.opens());
  const std::string text = pattern(4000);
  EXPECT_TRUE(world.shard.with(peer.id, world.now, [&](Conn conn) {
    conn.set_nodelay(true);
    EXPECT_EQ(conn.send(as_bytes(text)), 4000u);
  }));
  world.turn();
  std::string sent;
  for (const Sent& s : world.take_all()) {
    EXPECT_LE(s.bytes.size(), 1514u);
    sent += as_string(s.segment().text);
  }
  EXPECT_TRUE(sent == text) << sent.size();
}

}  // namespace
}  // namespace pollux::test
