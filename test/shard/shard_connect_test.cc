// Active opens: addresses, ports, neighbours, ICMP errors.

#include <set>

#include "test_shard.h"
#include "wire/icmp_types.h"

namespace pollux::test {
namespace {

using ShardConnect = ShardOf;
POLLUX_BOTH_FAMILIES(ShardConnect);

ConnectSpec to_peer(const TestShard& world, std::uint16_t port = 80) {
  return {.remote = world.peer(), .remote_port = port, .local = {}, .options = {}};
}

std::uint16_t our_port(const Sent& sent) { return sent.frame.key.remote_port; }

// Opens a connection, and gives back its peer.
Peer opened(TestShard& world, const ConnectSpec& spec, std::optional<std::uint32_t> tsval = std::nullopt) {
  EXPECT_TRUE(world.shard.connect(spec, world.now));
  world.turn();
  Peer peer{world};
  peer.tsval = tsval;
  peer.accepts(world.expect("S"));
  return peer;
}

TEST_P(ShardConnect, OpensAConnection) {
  TestShard world{given()};
  ConnectSpec spec = to_peer(world);
  spec.user = 99;
  const auto id = world.shard.connect(spec, world.now);
  ASSERT_TRUE(id);
  world.turn();
  const Sent syn = world.expect("S");
  EXPECT_EQ(syn.segment().options.mss, world.v6() ? 1440 : 1460);
  EXPECT_EQ(syn.frame.destination, kPeerMac);
  Peer peer{world};
  peer.accepts(syn);
  EXPECT_EQ(world.app.seen(*id).opened, 1);
  world.shard.with(*id, world.now, [&](Conn conn) {
    EXPECT_EQ(conn.user(), 99u);
    EXPECT_EQ(conn.send(std::as_bytes(std::span{"GET", 3})), 3u);
  });
  world.turn();
  EXPECT_EQ(world.expect("A").text(), "GET");
}

TEST_P(ShardConnect, RefusedByAReset) {
  TestShard world{given()};
  const auto id = world.shard.connect(to_peer(world), world.now);
  world.turn();
  const Sent syn = world.expect("S");
  world.receive(TestTcp{.source_port = 80,
                        .destination_port = our_port(syn),
                        .seq = 0,
                        .ack = (syn.segment().seq + 1).value(),
                        .flags = kRst | kAck});
  world.expect_silence();
  EXPECT_EQ(world.app.seen(*id).opened, 0);
  EXPECT_EQ(world.app.seen(*id).reason, tcp::Reason::kRefused);
  EXPECT_EQ(world.connections(), 0u);
  EXPECT_EQ(world.shard.core().ports().total().in_use, 0u);
}

// --- Addresses ---

// MUST-46.
TEST_P(ShardConnect, InvalidAddressesAreRefusedAndNothingIsSent) {
  TestShard world{given()};
  const char* invalid[] = {"0.0.0.0", "255.255.255.255", "224.0.0.1", "198.18.0.255", "127.0.0.1", "198.18.0.2",
                           "::",      "ff02::1",         "::1",       "2001:2::2"};
  for (const char* address : invalid) {
    const auto id =
        world.shard.connect({.remote = ip(address), .remote_port = 80, .local = {}, .options = {}}, world.now);
    ASSERT_FALSE(id) << address;
    EXPECT_EQ(id.error(), ConnectError::kInvalidAddress) << address;
  }
  EXPECT_EQ(world.shard.connect(to_peer(world, 0), world.now).error(), ConnectError::kInvalidAddress);
  ConnectSpec foreign = to_peer(world);
  foreign.local = world.peer();
  EXPECT_EQ(world.shard.connect(foreign, world.now).error(), ConnectError::kInvalidAddress);
  ConnectSpec other_family = to_peer(world);
  other_family.local = ip(world.v6() ? "198.18.0.2" : "2001:2::2");
  EXPECT_EQ(world.shard.connect(other_family, world.now).error(), ConnectError::kInvalidAddress);
  world.turn();
  world.expect_silence();
  EXPECT_EQ(world.connections(), 0u);
}

TEST_P(ShardConnect, WithoutAGatewayOnlyTheLinkIsReached) {
  TestShard world{given()};
  const char* far = world.v6() ? "2001:2:0:9::1" : "198.19.0.1";
  ConnectSpec spec = to_peer(world);
  spec.remote = ip(far);
  EXPECT_EQ(world.shard.connect(spec, world.now).error(), ConnectError::kNoRoute);
  EXPECT_EQ(world.counters().no_route, 1u);

  TestShard::Given routed = given();
  routed.config.gateways = {ip("198.18.0.1"), ip("2001:2::1")};
  TestShard with_gateway{routed};
  ASSERT_TRUE(with_gateway.shard.connect(spec, with_gateway.now));
  with_gateway.turn();
  EXPECT_EQ(with_gateway.expect("S").frame.destination, kPeerMac);
}

// MUST-43: the local address asked for; MUST-44: else that of the route; MUST-45: and it stays.
TEST_P(ShardConnect, LocalAddress) {
  TestShard::Given several = given();
  several.config.addresses = {{{ip("198.19.0.2"), 24}, 1},
                              {{ip("2001:2:0:9::2"), 64}, 1},
                              {{ip("198.18.0.2"), 24}, 4},
                              {{ip("2001:2::2"), 64}, 4}};
  TestShard world{several};
  ASSERT_TRUE(world.shard.connect(to_peer(world), world.now));
  world.turn();
  EXPECT_EQ(world.expect("S").frame.key.remote, world.own());

  ConnectSpec bound = to_peer(world);
  bound.local = world.own().plus(2);
  bound.local_port = 5555;
  ASSERT_TRUE(world.shard.connect(bound, world.now));
  world.turn();
  const Sent syn = world.expect("S");
  EXPECT_EQ(syn.frame.key.remote, world.own().plus(2));
  EXPECT_EQ(our_port(syn), 5555);
  TestTcp answer{.source_port = 80, .destination_port = 5555, .seq = 7, .flags = kSyn | kAck};
  answer.ack = (syn.segment().seq + 1).value();
  world.receive(world.frame(answer, {world.peer(), world.own().plus(2)}));
  EXPECT_EQ(world.expect("A").frame.key.remote, world.own().plus(2));
  EXPECT_EQ(world.shard.connect(bound, world.now).error(), ConnectError::kAddressInUse);
}

// --- Ports ---

TestShard::Given few_ports(TestShard::Given given, std::uint16_t count) {
  given.config.first_port = 40000;
  given.config.last_port = static_cast<std::uint16_t>(40000 + count - 1);
  return given;
}

// Threats D17: at once, and exactly.
// All of a range is ours, beyond an octet too, and nothing else.
TEST_P(ShardConnect, LocalAddressOutOfARange) {
  constexpr std::uint32_t kCount = 1000;
  TestShard::Given many = given();
  const IpAddress first = given().v6 ? ip("2001:2:0:9::1") : ip("198.19.0.1");
  many.config.addresses.push_back({{first, static_cast<std::uint8_t>(given().v6 ? 64 : 16)}, kCount});
  TestShard world{many};
  ConnectSpec spec = to_peer(world);
  for (const std::uint32_t n : {0u, 1u, 255u, 256u, 700u, kCount - 1}) {
    spec.local = first.plus(n);
    ASSERT_TRUE(world.shard.connect(spec, world.now)) << n;
    world.turn();
    EXPECT_EQ(world.expect("S").frame.key.remote, first.plus(n));
  }
  for (const std::uint64_t n : {std::uint64_t{kCount}, std::uint64_t{0x10000}, ~std::uint64_t{0}}) {
    spec.local = first.plus(n);
    EXPECT_EQ(world.shard.connect(spec, world.now).error(), ConnectError::kInvalidAddress) << n;
  }
}

TEST_P(ShardConnect, PortsRunOut) {
  TestShard world{few_ports(given(), 10)};
  std::set<std::uint16_t> ports;
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(world.shard.connect(to_peer(world), world.now));
    world.turn();
    ports.insert(our_port(world.expect("S")));
  }
  EXPECT_EQ(ports.size(), 10u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(world.shard.connect(to_peer(world), world.now).error(), ConnectError::kAddressNotAvailable);
  }
  EXPECT_EQ(world.counters().ports_exhausted, 3u);
  // To another port of the peer they are all free.
  EXPECT_TRUE(world.shard.connect(to_peer(world, 81), world.now));
}

// A listener's port is not given out.
TEST_P(ShardConnect, ListenersKeepTheirPorts) {
  TestShard world{few_ports(given(), 2)};
  const std::uint16_t listener = world.listen(40000);
  ASSERT_TRUE(world.shard.connect(to_peer(world), world.now));
  world.turn();
  EXPECT_EQ(our_port(world.expect("S")), 40001);
  EXPECT_EQ(world.shard.connect(to_peer(world), world.now).error(), ConnectError::kAddressNotAvailable);
  world.shard.close_listener(listener);
  EXPECT_TRUE(world.shard.connect(to_peer(world), world.now));
}

TEST_P(ShardConnect, APortIsFreeAgainWhenTheConnectionIsOver) {
  TestShard world{few_ports(given(), 1)};
  const auto id = world.shard.connect(to_peer(world), world.now);
  world.turn();
  world.expect("S");
  EXPECT_EQ(world.shard.connect(to_peer(world), world.now).error(), ConnectError::kAddressNotAvailable);
  world.shard.with(*id, world.now, [](Conn conn) { conn.abort(); });
  EXPECT_TRUE(world.shard.connect(to_peer(world), world.now));
}

// In TIME-WAIT a port is not free; 2MSL later it is.
TEST_P(ShardConnect, TimeWaitHoldsThePort) {
  TestShard world{few_ports(given(), 1)};
  Peer peer = opened(world, to_peer(world));
  peer.reaches_time_wait();
  world.sleep(10s);  // without timestamps nothing tells old segments from new ones
  EXPECT_EQ(world.shard.connect(to_peer(world), world.now).error(), ConnectError::kAddressNotAvailable);
  world.sleep(51s);
  EXPECT_EQ(world.in_state(tcp::State::kTimeWait), 0u);
  EXPECT_TRUE(world.shard.connect(to_peer(world), world.now));
}

// RFC 6191, TW-07: with timestamps, after a second; and the ISS is above.
TEST_P(ShardConnect, TimestampsLetTimeWaitBeReusedAfterASecond) {
  TestShard world{few_ports(given(), 1)};
  Peer peer = opened(world, to_peer(world), 5000);
  peer.reaches_time_wait();
  world.sleep(990ms);
  EXPECT_EQ(world.shard.connect(to_peer(world), world.now).error(), ConnectError::kAddressNotAvailable);
  world.sleep(20ms);
  ASSERT_TRUE(world.shard.connect(to_peer(world), world.now));
  world.turn();
  const Sent syn = world.expect("S");
  EXPECT_LT(SeqNum{peer.ack}, syn.segment().seq);
  EXPECT_GT(syn.segment().options.ts->val, peer.tsecr);
  EXPECT_EQ(world.in_state(tcp::State::kTimeWait), 0u);
  EXPECT_EQ(world.shard.core().time_wait().counters().reused, 1u);
}

TEST_P(ShardConnect, ReuseOfTimeWaitCanBeSwitchedOff) {
  TestShard::Given off = few_ports(given(), 1);
  off.config.reuse_time_wait = false;
  TestShard world{off};
  Peer peer = opened(world, to_peer(world), 5000);
  peer.reaches_time_wait();
  world.sleep(30s);
  EXPECT_EQ(world.shard.connect(to_peer(world), world.now).error(), ConnectError::kAddressNotAvailable);
}

// The same port bound explicitly, in use and in TIME-WAIT.
TEST_P(ShardConnect, BoundPortInTimeWait) {
  TestShard world{given()};
  ConnectSpec bound = to_peer(world);
  bound.local_port = 5555;
  Peer peer = opened(world, bound, 5000);
  EXPECT_EQ(world.shard.connect(bound, world.now).error(), ConnectError::kAddressInUse);
  peer.reaches_time_wait();
  EXPECT_EQ(world.shard.connect(bound, world.now).error(), ConnectError::kAddressInUse);
  world.sleep(1100ms);
  EXPECT_TRUE(world.shard.connect(bound, world.now));
}

// A port taken by a connection that came in is passed over.
TEST_P(ShardConnect, PassiveConnectionsKeepTheirTuple) {
  TestShard world{few_ports(given(), 2)};
  const std::uint16_t id = world.listen(40000);
  Peer caller{world, 80, 40000};  // from the peer's port 80
  ASSERT_TRUE(caller.opens());
  world.shard.close_listener(id);
  ASSERT_TRUE(world.shard.connect(to_peer(world), world.now));
  world.turn();
  EXPECT_EQ(our_port(world.expect("S")), 40001);
}

TEST_P(ShardConnect, TableFull) {
  TestShard::Given full = given();
  full.config.max_connections = 1;
  TestShard world{full};
  ASSERT_TRUE(world.shard.connect(to_peer(world), world.now));
  EXPECT_EQ(world.shard.connect(to_peer(world), world.now).error(), ConnectError::kInsufficientResources);
  EXPECT_EQ(world.counters().table_full, 1u);
  ++world.refused_connects;
}

// --- Neighbours ---

Bytes arp(unsigned operation, const MacAddress& sender_mac, const IpAddress& sender, const MacAddress& target_mac,
          const IpAddress& target, const MacAddress& link_to) {
  Bytes message = bytes({0, 1, 8, 0, 6, 4, 0, operation});
  put_mac(message, sender_mac);
  put_address(message, sender);
  put_mac(message, target_mac);
  put_address(message, target);
  return ethernet(0x0806, message, {.destination = link_to});
}

Bytes nd(unsigned type, unsigned flags, const IpAddress& source, const IpAddress& destination, const IpAddress& target,
         unsigned option, const MacAddress& link_to) {
  Bytes message = bytes({type, 0, 0, 0, flags, 0, 0, 0});
  put_address(message, target);
  if (option != 0) {
    append(message, bytes({option, 1}));
    put_mac(message, kPeerMac);
  }
  fill_checksum(message, 2, {source, destination}, 58);
  return ethernet(0x86dd, ipv6({.ends = {source, destination}, .protocol = 58, .ttl = 255}, message),
                  {.destination = link_to});
}

Bytes neighbour_answer(const TestShard& world) {
  return world.v6() ? nd(136, 0x60, world.peer(), world.own(), world.peer(), 2, kOurMac)
                    : arp(2, kPeerMac, world.peer(), kOurMac, world.own(), kOurMac);
}

TEST_P(ShardConnect, TheNeighbourIsAskedForFirst) {
  TestShard::Given unknown = given();
  unknown.neighbour_known = false;
  TestShard world{unknown};
  const auto id = world.shard.connect(to_peer(world), world.now);
  ASSERT_TRUE(id);
  world.turn();
  world.turn();
  const auto question = world.take_all();
  ASSERT_EQ(letters(question), "control");
  EXPECT_TRUE(question.front().frame.destination.is_group());
  EXPECT_EQ(question.front().frame.kind, world.v6() ? FrameKind::kNd : FrameKind::kArp);
  world.receive(neighbour_answer(world));
  const Sent syn = world.expect("S");
  EXPECT_EQ(syn.frame.destination, kPeerMac);
  world.expect_silence();
}

TEST_P(ShardConnect, TheQuestionIsAskedAgain) {
  TestShard::Given unknown = given();
  unknown.neighbour_known = false;
  TestShard world{unknown};
  ASSERT_TRUE(world.shard.connect(to_peer(world), world.now));
  world.sleep(1500ms);
  EXPECT_EQ(letters(world.take_all()), "control,control");
  world.receive(neighbour_answer(world));
  world.expect("S");
}

// Nobody answers: the connection fails by its time-out, and says why; a question a second at most.
TEST_P(ShardConnect, UnreachableNeighbour) {
  TestShard::Given unknown = given();
  unknown.neighbour_known = false;
  unknown.config.tcp.r2_syn = 10s;
  TestShard world{unknown};
  const auto id = world.shard.connect(to_peer(world), world.now);
  ASSERT_TRUE(id);
  world.sleep(20s);
  EXPECT_EQ(world.app.seen(*id).reason, tcp::Reason::kUnreachable);
  EXPECT_EQ(world.connections(), 0u);
  EXPECT_GT(world.counters().unreachable_neighbour, 0u);
  const std::size_t asked = world.take_all().size();
  EXPECT_GE(asked, 3u);
  EXPECT_LE(asked, 20u);
  EXPECT_EQ(world.shard.core().ports().total().in_use, 0u);
}

// The application gives up while the neighbour is asked for: the TCB goes all the same.
TEST_P(ShardConnect, AbortWhileWaitingForTheNeighbour) {
  TestShard::Given unknown = given();
  unknown.neighbour_known = false;
  TestShard world{unknown};
  const auto id = world.shard.connect(to_peer(world), world.now);
  world.turn();
  world.shard.with(*id, world.now, [](Conn conn) { conn.abort(); });
  EXPECT_EQ(world.app.seen(*id).closed, 1);
  world.sleep(5s);
  EXPECT_EQ(world.connections(), 0u);
}

// --- ICMP errors: RFC 5927, threats C17, IC-01 to IC-06 ---

struct Error {
  const char* name;
  unsigned v4_type, v4_code, v6_type, v6_code;
  bool hard;  // ends a connection that is being opened
};
constexpr Error kErrors[] = {
    {"port unreachable", 3, 3, 1, 4, true},     {"host unreachable", 3, 1, 1, 3, false},
    {"net unreachable", 3, 0, 1, 0, false},     {"traffic prohibited", 3, 13, 1, 1, true},
    {"host prohibited", 3, 10, 1, 5, true},     {"net prohibited", 3, 9, 1, 6, true},
    {"host unknown", 3, 7, 1, 2, false},        {"net unreachable for this service", 3, 11, 1, 0, false},
    {"source route failed", 3, 5, 1, 3, false}, {"time exceeded", 11, 0, 3, 0, false}};

// MUST-54, MUST-56: only the hard one ends it, and only in SYN-SENT; wrong numbers are nothing.
TEST_P(ShardConnect, IcmpErrorsWhileOpening) {
  for (const Error& error : kErrors) {
    for (const std::int64_t off : {std::int64_t{0}, std::int64_t{1}, std::int64_t{-1}, std::int64_t{100000}}) {
      SCOPED_TRACE(std::string{error.name} + " " + std::to_string(off));
      TestShard world{given()};
      const auto id = world.shard.connect(to_peer(world), world.now);
      world.turn();
      const Sent syn = world.expect("S");
      const auto seq = static_cast<std::uint32_t>(syn.segment().seq.value() + static_cast<std::uint64_t>(off));
      world.receive(icmp_error(world, world.v6() ? error.v6_type : error.v4_type,
                               world.v6() ? error.v6_code : error.v4_code, quoted(world, syn, seq)));
      const bool ends = error.hard && off == 0;
      EXPECT_EQ(world.app.seen(*id).reason, ends ? tcp::Reason::kRefused : tcp::Reason::kNone);
      EXPECT_EQ(world.connections(), ends ? 0u : 1u);
      EXPECT_EQ(world.counters().icmp_errors, off == 0 ? 1u : 0u);
      EXPECT_EQ(world.counters().icmp_ignored, off == 0 ? 0u : 1u);  // IC-06
    }
  }
}

TEST_P(ShardConnect, IcmpErrorsLeaveEstablishedConnectionsAlone) {
  for (const Error& error : kErrors) {
    SCOPED_TRACE(error.name);
    TestShard world{given()};
    world.listen();
    Peer peer{world};
    ASSERT_TRUE(peer.opens());
    world.shard.with(peer.id, world.now, [](Conn conn) { EXPECT_EQ(conn.send(std::as_bytes(std::span{"x", 1})), 1u); });
    world.turn();
    const Sent sent = world.expect("A");
    world.receive(icmp_error(world, world.v6() ? error.v6_type : error.v4_type,
                             world.v6() ? error.v6_code : error.v4_code,
                             quoted(world, sent, sent.segment().seq.value())));
    EXPECT_EQ(world.in_state(tcp::State::kEstablished), 1u);
    EXPECT_EQ(world.app.seen(peer.id).closed, 0);
  }
}

// What it quotes is no connection of ours; or it quotes too little; or it is a source quench (MUST-55).
TEST_P(ShardConnect, IcmpErrorsOfNoUse) {
  TestShard world{given()};
  world.listen();
  Peer peer{world};
  ASSERT_TRUE(peer.opens());
  world.shard.with(peer.id, world.now, [](Conn conn) { EXPECT_EQ(conn.send(std::as_bytes(std::span{"x", 1})), 1u); });
  world.turn();
  const Sent sent = world.expect("A");
  const unsigned type = world.v6() ? 1 : 3;
  Bytes stranger = quoted(world, sent, sent.segment().seq.value());
  stranger[stranger.size() - 6] ^= std::byte{1};  // its destination port
  world.receive(icmp_error(world, type, 1, stranger));
  EXPECT_EQ(world.counters().icmp_ignored, 1u);
  Bytes cut = quoted(world, sent, sent.segment().seq.value());
  cut.pop_back();
  world.receive(icmp_error(world, type, 1, cut));
  EXPECT_EQ(world.wire_drops(WireDrop::kIcmpQuote), 1u);
  if (!world.v6()) {
    world.receive(icmp_error(world, icmp::kSourceQuench, 0, quoted(world, sent, sent.segment().seq.value())));
    EXPECT_EQ(world.counters().icmp_ignored, 2u);
  }
  world.expect_silence();
  EXPECT_EQ(world.counters().icmp_errors, 0u);
  EXPECT_EQ(world.in_state(tcp::State::kEstablished), 1u);
}

// IC-04: the SYN-ACK cannot reach the peer; only what quotes our own number is believed.
TEST_P(ShardConnect, IcmpErrorsDropAHalfOpenConnection) {
  for (const std::uint32_t off : {1u, 0u}) {
    TestShard world{given()};
    world.listen();
    world.receive(Peer{world}.segment(kSyn));
    const Sent syn_ack = world.expect("SA");
    world.receive(icmp_error(world, world.v6() ? 1 : 3, world.v6() ? 3 : 1,
                             quoted(world, syn_ack, syn_ack.segment().seq.value() + off)));
    EXPECT_EQ(world.in_state(tcp::State::kSynReceived), off);
    EXPECT_EQ(world.counters().icmp_errors, 1 - off);
    EXPECT_EQ(world.counters().icmp_ignored, off);
  }
}

// MUST-47, SHLD-9: three retransmissions bring nothing. MUST-20: and the next hop is asked for again.
TEST_P(ShardConnect, RetransmissionsWithoutAnswerAreToldAndTheNextHopIsDoubted) {
  TestShard::Given unknown = given();
  unknown.neighbour_known = false;
  TestShard world{unknown};
  world.listen();
  Peer peer{world};
  ASSERT_TRUE(peer.opens());
  world.shard.with(peer.id, world.now, [](Conn conn) { EXPECT_EQ(conn.send(std::as_bytes(std::span{"x", 1})), 1u); });
  world.turn();
  world.take_all();
  world.sleep(1s);  // one and two time-outs: 200 ms, 600 ms
  EXPECT_EQ(world.app.seen(peer.id).soft_errors, 0);
  EXPECT_EQ(letters(world.take_all()), "A,A");
  world.sleep(1s);  // the third: 1400 ms
  EXPECT_EQ(world.app.seen(peer.id).soft_errors, 1);
  EXPECT_EQ(world.app.seen(peer.id).soft_error, tcp::Reason::kNone);
  EXPECT_EQ(world.app.seen(peer.id).closed, 0);
  world.sleep(3s);
  const std::deque<Sent> sent = world.take_all();
  EXPECT_TRUE(std::any_of(sent.begin(), sent.end(), [](const Sent& s) { return s.frame.kind != FrameKind::kTcp; }))
      << "no request for the neighbour's address";
}

}  // namespace
}  // namespace pollux::test
