// What Linux 6.18 answers to single segments, frame by frame, and what we answer: 24 cells for LISTEN (RFC 9293,
// 3.10.7.2), 5 for CLOSED (3.10.7.1), 30 for ESTABLISHED, 5 rates, 7 for FIN-WAIT and TIME-WAIT, 8 for SYN-SENT (its
// three ICMP errors: shard_connect_test.cc), 1 of what is sent and 1 of a flood: all 84 with those three. Where we
// differ, the table says why.

#include <algorithm>

#include "test_shard.h"

namespace pollux::test {
namespace {

enum class Family { kBoth, kV4 };

// --- LISTEN and CLOSED: one frame to a host that knows nothing of its sender ---

struct Cell {
  const char* name;
  const char* linux_answer;
  TestTcp segment{.flags = kSyn};
  TestIp ip{};
  Family family = Family::kBoth;
  std::function<void(Bytes&)> damage = nullptr;  // the frame at last
};

constexpr std::size_t kIp = 14;

void damage_tcp_checksum(Bytes& frame) { frame.back() ^= std::byte{1}; }
void damage_ip_checksum(Bytes& frame) { frame[kIp + 10] ^= std::byte{1}; }
void pad(Bytes& frame) { frame.resize(frame.size() + 30); }

TestIp with_length(unsigned length) {
  TestIp header;
  header.length = length;
  return header;
}
TestIp with_options(const Bytes& options) {
  TestIp header;
  header.options = options;
  return header;
}

const Bytes kRecordRoute = bytes({7, 7, 4, 0, 0, 0, 0, 0});
const Bytes kLooseSourceRoute = bytes({131, 7, 4, 198, 18, 0, 9, 0});

const Cell kListen[] = {
    {"SYN", "SA"},
    {"SYN, unknown opt len0", "SA", {.flags = kSyn, .options = bytes({200, 0, 1, 1})}},
    {"SYN, MSS opt len0", "SA", {.flags = kSyn, .options = bytes({2, 0, 5, 0xb4})}},
    {"SYN, opt overruns hdr", "SA", {.flags = kSyn, .options = bytes({1, 1, 2, 4})}},
    {"SYN, MSS=0", "SA", {.flags = kSyn, .options = bytes({2, 4, 0, 0})}},
    {"SYN doff=4", "silence", {.data_offset = 4, .flags = kSyn}},
    {"SYN doff=15 (beyond segment)", "silence", {.data_offset = 15, .flags = kSyn}},
    {"SYN bad tcp checksum", "silence", {.flags = kSyn}, {}, Family::kBoth, damage_tcp_checksum},
    {"SYN|FIN", "silence", {.flags = kSyn | kFin}},
    {"SYN|RST", "silence", {.flags = kSyn | kRst}},
    {"null flags", "silence", {.flags = 0}},
    {"xmas FIN|PSH|URG", "silence", {.flags = kFin | kPsh | kUrg}},
    {"ACK", "R", {.ack = 77, .flags = kAck}},
    {"FIN", "silence", {.flags = kFin}},
    {"RST", "silence", {.flags = kRst}},
    {"SYN|ACK", "R", {.ack = 77, .flags = kSyn | kAck}},
    {"SYN + 100B data", "SA", {.flags = kSyn, .text = Bytes(100, std::byte{'x'})}},
    {"SYN bad IP checksum", "silence", {.flags = kSyn}, {}, Family::kV4, damage_ip_checksum},
    {"SYN IP total length > frame", "silence", {.flags = kSyn}, with_length(41), Family::kV4},
    {"SYN IP total length < tcp hdr", "silence", {.flags = kSyn}, with_length(39), Family::kV4},
    {"SYN + 30B ethernet padding", "SA", {.flags = kSyn}, {}, Family::kBoth, pad},
    {"SYN with IP record-route option", "SA", {.flags = kSyn}, with_options(kRecordRoute), Family::kV4},
    {"SYN with IP LSRR option", "silence", {.flags = kSyn}, with_options(kLooseSourceRoute), Family::kV4},
};

// RFC 9293, 3.10.7.1: the port is closed. HS-22.
const Cell kClosed[] = {
    {"SYN", "RA"},
    {"ACK", "R", {.ack = 77, .flags = kAck}},
    {"RST", "silence", {.flags = kRst}},
    {"null", "RA", {.flags = 0}},
    {"SYN|FIN", "RA", {.flags = kSyn | kFin}},
};

using ShardAgainstLinux = ShardOf;
POLLUX_BOTH_FAMILIES(ShardAgainstLinux);

Bytes frame_of(const Cell& cell, const TestShard& world) {
  TestIp header = cell.ip;
  header.ends = world.ends();
  Bytes result = world.v6() ? tcp6_frame(cell.segment, header) : tcp4_frame(cell.segment, header);
  if (cell.damage) cell.damage(result);
  return result;
}

// RFC 9293, 3.5.2: "<SEQ=SEG.ACK><CTL=RST>", or "<SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>".
void check_reset_numbers(const TestTcp& segment, const Segment& reset) {
  const bool has_ack = (segment.flags & kAck) != 0;
  const std::uint32_t len = static_cast<std::uint32_t>(segment.text.size()) + ((segment.flags & kSyn) != 0 ? 1 : 0) +
                            ((segment.flags & kFin) != 0 ? 1 : 0);
  EXPECT_EQ(reset.seq.value(), has_ack ? segment.ack : 0);
  EXPECT_EQ(reset.ack.value(), has_ack ? 0 : segment.seq + len);
  EXPECT_TRUE(reset.text.empty());
}

TEST_P(ShardAgainstLinux, Listen) {
  for (const Cell& cell : kListen) {
    if (cell.family == Family::kV4 && GetParam()) continue;
    SCOPED_TRACE(cell.name);
    TestShard world{given()};
    world.listen();
    world.receive(frame_of(cell, world));
    const std::deque<Sent> answers = world.take_all();
    EXPECT_EQ(letters(answers), cell.linux_answer);
    if (letters(answers) == "R") check_reset_numbers(cell.segment, answers.front().segment());
    if (letters(answers) == "SA") {
      EXPECT_EQ(answers.front().segment().ack, SeqNum{cell.segment.seq} + 1);  // the SYN alone (HS-08)
      EXPECT_EQ(world.in_state(tcp::State::kSynReceived), 1u);
    } else {
      EXPECT_EQ(world.in_state(tcp::State::kSynReceived), 0u);
    }
    EXPECT_EQ(world.connections(), 0u);
  }
}

// LAND: from our own address and port (threats B4).
TEST_P(ShardAgainstLinux, ListenLand) {
  TestShard world{given()};
  world.listen();
  const TestTcp syn{.source_port = 80, .destination_port = 80, .flags = kSyn};
  world.receive(world.frame(syn, {world.own(), world.own()}));
  world.expect_silence();
  EXPECT_EQ(world.wire_drops(WireDrop::kIpLand), 1u);
}

TEST_P(ShardAgainstLinux, Closed) {
  for (const Cell& cell : kClosed) {
    SCOPED_TRACE(cell.name);
    TestShard world{given()};
    world.receive(frame_of(cell, world));
    const std::deque<Sent> answers = world.take_all();
    EXPECT_EQ(letters(answers), cell.linux_answer);
    if (!answers.empty()) check_reset_numbers(cell.segment, answers.front().segment());
    EXPECT_EQ(world.counters().no_listener, 1u);
  }
}

// --- ESTABLISHED ---

enum class Fate { kAlive, kDead, kRead };  // kRead: alive, and the application got all the text

struct EstablishedCell {
  const char* name;
  const char* linux_answer;
  Fate linux_fate;
  std::int64_t seq = 0;  // relative to RCV.NXT
  std::int64_t ack = 0;  // relative to SND.NXT
  unsigned flags = kAck;
  const char* text = "";
  unsigned up = 0;
  Bytes options{};
  std::optional<unsigned> data_offset{};
  bool damaged = false;
  // Ours, where it differs from Linux; and why.
  std::optional<Fate> our_fate{};
  const char* why_different = nullptr;
};

constexpr std::int64_t kHalf = std::int64_t{1} << 31;

const EstablishedCell kEstablished[] = {
    {"RST exact", "silence", Fate::kDead, 0, 0, kRst},
    {"RST in-window +1", "A", Fate::kAlive, 1, 0, kRst},
    {"RST in-window +1000", "A", Fate::kAlive, 1000, 0, kRst},
    {"RST at right edge-1", "A", Fate::kAlive, 65534, 0, kRst},
    {"RST out-of-window -1", "silence", Fate::kAlive, -1, 0, kRst},
    {"RST out-of-window +2^31", "silence", Fate::kAlive, kHalf, 0, kRst},
    {"SYN exact", "A", Fate::kAlive, 0, 0, kSyn},
    {"SYN in-window", "A", Fate::kAlive, 1000, 0, kSyn},
    {"SYN old (-1000)", "A", Fate::kAlive, -1000, 0, kSyn},
    {"SYN|ACK in-window", "A", Fate::kAlive, 1000, 0, kSyn | kAck},
    {"null flags seg in-window data", "silence", Fate::kAlive, 0, 0, 0, "x"},
    {"FIN without ACK", "silence", Fate::kAlive, 0, 0, kFin},
    {"SYN|FIN in-window", "A", Fate::kAlive, 1000, 0, kSyn | kFin},
    {"ACK of unsent +1", "A", Fate::kAlive, 0, 1},
    {"ACK of unsent +100000", "A", Fate::kAlive, 0, 100000},
    {"ACK of unsent +1 with data", "A", Fate::kAlive, 0, 1, kAck, "x"},
    {"old ACK -1", "A", Fate::kAlive, 0, -1},
    {"old ACK -1 with data", "A", Fate::kAlive, 0, -1, kAck, "x"},
    {"ACK -70000 (below MAX.SND.WND) data", "A", Fate::kAlive, 0, -70000, kAck, "x"},
    {"ACK -2^31 data", "A", Fate::kAlive, 0, -kHalf, kAck, "x"},
    {"data entirely old (-10,len5)", "A", Fate::kAlive, -10, 0, kAck, "xxxxx"},
    {"data beyond window", "A", Fate::kAlive, 70000, 0, kAck, "x"},
    {"URG ptr beyond data", "A", Fate::kRead, 0, 0, kAck | kUrg, "x", 1000},
    {"URG ptr 0",
     "A",
     Fate::kAlive,
     0,
     0,
     kAck | kUrg,
     "x",
     0,
     {},
     {},
     false,
     Fate::kRead,
     "urgent data stays in line (RFC 6093, 3.1; MUST-31); Linux takes a byte out, even for pointer 0"},
    {"bad checksum data", "silence", Fate::kAlive, 0, 0, kAck, "x", 0, {}, {}, true},
    {"doff=4 data", "silence", Fate::kAlive, 0, 0, kAck, "x", 0, {}, 4},
    {"opt len0 on data", "A", Fate::kRead, 0, 0, kAck, "x", 0, bytes({200, 0, 1, 1})},
};

TEST_P(ShardAgainstLinux, Established) {
  for (const EstablishedCell& cell : kEstablished) {
    SCOPED_TRACE(cell.name);
    EXPECT_EQ(cell.our_fate.has_value(), cell.why_different != nullptr);
    TestShard world{given()};
    world.listen();
    Peer peer{world};
    ASSERT_TRUE(peer.opens());
    TestTcp segment = peer.segment(cell.flags, cell.text);
    segment.seq = static_cast<std::uint32_t>(peer.seq + static_cast<std::uint64_t>(cell.seq));
    segment.ack = static_cast<std::uint32_t>(peer.ack + static_cast<std::uint64_t>(cell.ack));
    segment.up = cell.up;
    segment.options = cell.options;
    segment.data_offset = cell.data_offset;
    Bytes frame = world.frame(segment);
    if (cell.damaged) frame.back() ^= std::byte{1};
    world.receive(frame);
    world.sleep(100ms);  // an acknowledgment may be delayed
    EXPECT_EQ(letters(world.take_all()), cell.linux_answer);
    const Fate fate = cell.our_fate.value_or(cell.linux_fate);
    EXPECT_EQ(world.app.seen(peer.id).text, fate == Fate::kRead ? cell.text : "");
    EXPECT_EQ(world.app.seen(peer.id).closed, fate == Fate::kDead ? 1 : 0);
    EXPECT_EQ(world.app.seen(peer.id).reason, fate == Fate::kDead ? tcp::Reason::kReset : tcp::Reason::kNone);
    EXPECT_EQ(world.connections(), fate == Fate::kDead ? 0u : 1u);
  }
}

// With 14,000 bytes in flight: what is a little off is still within reason.
TEST_P(ShardAgainstLinux, EstablishedWithTextInFlight) {
  struct InFlight {
    const char* name;
    const char* linux_answer;
    std::int64_t ack;  // relative to the number named
    bool of_nxt;       // SND.NXT; else SND.UNA
  };
  const InFlight cells[] = {{"ack 1 beyond SND.NXT with 14000 in flight", "A", 1, true},
                            {"old pure ACK (1 below SND.UNA, 14000 sent)", "silence", -1, false},
                            {"old pure ACK (14000 below SND.UNA)", "silence", -14000, false}};
  for (const InFlight& cell : cells) {
    SCOPED_TRACE(cell.name);
    TestShard world{given()};
    world.listen();
    Peer peer{world};
    ASSERT_TRUE(peer.opens());
    const std::string text(14000, 't');
    const auto send = [&] {
      world.shard.with(peer.id, world.now, [&](Conn conn) {
        conn.set_nodelay(true);
        EXPECT_EQ(conn.send(std::as_bytes(std::span{text})), 14000u);
      });
      world.turn();
      world.take_all();
    };
    send();
    if (!cell.of_nxt) {  // the first 14,000 are acknowledged
      peer.ack += 14000;
      peer.sends(kAck);
    } else {
      peer.ack += 14000;  // SND.NXT; only the first of them is acknowledged
    }
    TestTcp segment = peer.segment(kAck);
    segment.ack = static_cast<std::uint32_t>(peer.ack + static_cast<std::uint64_t>(cell.ack));
    world.receive(segment);
    EXPECT_EQ(letters(world.take_all()), cell.linux_answer);
  }
}

// RFC 5961, 7, and threats C6: what a blind attacker may send is answered once, what has
// text always.
TEST_P(ShardAgainstLinux, RatesOfAnswers) {
  struct Rate {
    const char* name;
    unsigned flags;
    std::int64_t seq;
    const char* text;
    std::size_t linux_answers;
  };
  const Rate rates[] = {{"200 x in-window RST in <0.1s", kRst, 1000, "", 1},
                        {"200 x in-window SYN", kSyn, 1000, "", 1},
                        {"200 x pure old ACK (seq-1000)", kAck, -1000, "", 1},
                        {"200 x old DATA segs (seq-1000,len 10)", kAck, -1000, "0123456789", 200},
                        {"200 x ooo DATA (seq+100)", kAck, 100, "0123456789", 200}};
  for (const Rate& rate : rates) {
    SCOPED_TRACE(rate.name);
    TestShard world{given()};
    world.listen();
    Peer peer{world};
    ASSERT_TRUE(peer.opens());
    TestTcp segment = peer.segment(rate.flags, rate.text);
    segment.seq = static_cast<std::uint32_t>(peer.seq + static_cast<std::uint64_t>(rate.seq));
    for (int i = 0; i < 200; ++i) {
      world.receive(segment);
      world.sleep(100us);
    }
    const auto answers = world.take_all();
    EXPECT_EQ(answers.size(), rate.linux_answers);
    EXPECT_TRUE(std::all_of(answers.begin(), answers.end(),
                            [](const Sent& sent) { return letters(sent.segment().flags) == "A"; }));
  }
}

// --- SYN-SENT ---

TEST_P(ShardAgainstLinux, SynSent) {
  struct SynSentCell {
    const char* name;
    const char* linux_answer;
    unsigned flags;
    std::int64_t ack;  // relative to ISS
    bool refused = false;
  };
  const SynSentCell cells[] = {{"SYN|ACK ack=ISS (bad)", "R,S", kSyn | kAck, 0},
                               {"SYN|ACK ack=ISS+2 (bad)", "R,S", kSyn | kAck, 2},
                               {"SYN|ACK good", "A", kSyn | kAck, 1},
                               {"SYN (simultaneous open)", "SA", kSyn, 0},
                               {"RST|ACK good", "silence", kRst | kAck, 1, true},  // the trace's FA is the next probe's
                               {"RST|ACK bad ack", "S", kRst | kAck, 2},
                               {"RST no ACK", "S", kRst, 0},  // Linux was not watched for the second that takes
                               {"SYN|ACK|FIN", "A", kSyn | kAck | kFin, 1}};
  for (const SynSentCell& cell : cells) {
    SCOPED_TRACE(cell.name);
    TestShard world{given()};
    const auto id =
        world.shard.connect({.remote = world.peer(), .remote_port = 80, .local = {}, .options = {}}, world.now);
    ASSERT_TRUE(id);
    world.turn();
    const Sent syn = world.expect("S");
    TestTcp segment{
        .source_port = syn.frame.key.local_port, .destination_port = syn.frame.key.remote_port, .flags = cell.flags};
    segment.ack = static_cast<std::uint32_t>(syn.segment().seq.value() + static_cast<std::uint64_t>(cell.ack));
    world.sleep(10ms);
    world.receive(segment);
    const std::string_view expected = cell.linux_answer;
    if (expected.ends_with('S')) world.sleep(1s);  // the SYN again, at its time
    EXPECT_EQ(letters(world.take_all()), expected);
    EXPECT_EQ(world.app.seen(*id).reason, cell.refused ? tcp::Reason::kRefused : tcp::Reason::kNone);
  }
}

// --- FIN-WAIT and TIME-WAIT ---

TEST_P(ShardAgainstLinux, FinWaitOurFinAcknowledgedByTheirs) {
  TestShard world{given()};
  world.listen();
  Peer peer{world};
  ASSERT_TRUE(peer.opens());
  world.shard.with(peer.id, world.now, [](Conn conn) { conn.shutdown(); });
  world.turn();
  peer.ack = (world.expect("FA").segment().seq + 1).value();
  peer.sends(kFin | kAck);
  EXPECT_EQ(letters(world.take_all()), "A");
  EXPECT_EQ(world.in_state(tcp::State::kTimeWait), 1u);
}

TEST_P(ShardAgainstLinux, TimeWait) {
  struct TimeWaitCell {
    const char* name;
    const char* linux_answer;
    std::int64_t seq;  // relative to RCV.NXT
    unsigned flags;
    const char* text = "";
    bool rst_before = false;
    bool rst_ends_time_wait = false;
    // Ours, where it differs from Linux; and why.
    const char* our_answer = nullptr;
    const char* why_different = nullptr;
  };
  const TimeWaitCell cells[] = {
      {"RST exact (rfc1337=0)", "silence", 0, kRst},
      {"duplicate FIN after RST", "R", -1, kFin | kAck, "", true, false, "A",
       "RFC 1337: a RST must not end TIME-WAIT; Linux does so with tcp_rfc1337 = 1"},
      {"duplicate FIN after RST, with rst_ends_time_wait", "R", -1, kFin | kAck, "", true, true},
      {"duplicate FIN", "A", -1, kFin | kAck},
      {"old duplicate SYN (seq lower, no TS)", "A", -1000, kSyn},
      {"new SYN (seq higher, no TS)", "SA", 100000, kSyn},
      {"in-window data", "A", 0, kAck, "abc"}};
  for (const TimeWaitCell& cell : cells) {
    SCOPED_TRACE(cell.name);
    EXPECT_EQ(cell.our_answer != nullptr, cell.why_different != nullptr);
    TestShard::Given world_given = given();
    world_given.config.tcp.rst_ends_time_wait = cell.rst_ends_time_wait;
    TestShard world{world_given};
    world.listen();
    Peer peer{world};
    ASSERT_TRUE(peer.opens());
    peer.reaches_time_wait();
    if (cell.rst_before) peer.sends(kRst);
    world.expect_silence();
    TestTcp segment = peer.segment(cell.flags, cell.text);
    segment.seq = static_cast<std::uint32_t>(peer.seq + static_cast<std::uint64_t>(cell.seq));
    world.receive(segment);
    EXPECT_EQ(letters(world.take_all()), cell.our_answer != nullptr ? cell.our_answer : cell.linux_answer);
  }
}

// --- What is sent, and a flood ---

// TAPTX, "kernel-sent TCP frames ok/bad checksum, max frame: 14/0, 1514B". The world verifies every checksum.
TEST_P(ShardAgainstLinux, FramesSentAreWholeAndNoLargerThanTheLinkTakes) {
  TestShard world{given()};
  world.listen();
  Peer peer{world};
  ASSERT_TRUE(peer.opens());
  const std::string text(14 * 1400, 't');
  world.shard.with(peer.id, world.now, [&](Conn conn) { EXPECT_TRUE(conn.send(std::as_bytes(std::span{text}))); });
  world.turn();
  std::size_t largest = 0;
  for (const Sent& sent : world.take_all()) largest = std::max(largest, sent.bytes.size());
  EXPECT_EQ(largest, 1514u);
}

// FLOOD, "20000 SYN in 0.18s; TcpExtListenDrops 0, TCPReqQFullDoCookies 19906". Seven eighths of the places that there
// are are taken, the rest is answered with SYN cookies; nothing else suffers, and who asks meanwhile is served (LB-11).
TEST_P(ShardAgainstLinux, AFloodOfSynsTakesThePlacesThereAreAndNoMore) {
  TestShard world{given()};
  world.listen();
  const std::uint64_t places = small_config().max_half_open * 7 / 8;
  for (unsigned i = 0; i < 20'000; ++i)
    world.receive(TestTcp{.source_port = 1024 + i, .seq = i, .flags = kSyn, .options = {}, .text = {}});
  EXPECT_EQ(world.take_all().size(), 20'000u);
  EXPECT_EQ(world.in_state(tcp::State::kSynReceived), places);
  EXPECT_EQ(world.tcp_counters().syn_cookies_sent, 20'000 - places);
  EXPECT_EQ(world.counters().half_open_full, 0u);
  EXPECT_TRUE((Peer{world, 1000}.opens()));
  EXPECT_EQ(world.tcp_counters().syn_cookies_accepted, 1u);
}

}  // namespace
}  // namespace pollux::test
