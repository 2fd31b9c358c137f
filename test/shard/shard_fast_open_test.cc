// TCP Fast Open (RFC 7413): text in a SYN, with a cookie that shows whose address it comes from.

#include <algorithm>
#include <array>
#include <cstring>

#include "base/siphash.h"
#include "test_shard.h"

namespace pollux::test {
namespace {

using ShardFastOpen = ShardOf;
POLLUX_BOTH_FAMILIES(ShardFastOpen);

constexpr HashKey kKey{0x0706050403020100, 0x0f0e0d0c0b0a0908};
constexpr HashKey kOldKey{1, 2};
constexpr std::uint32_t kPending = 2;

TestShard::Given with_fast_open(TestShard::Given given) {
  given.config.tcp.fast_open_client = true;
  given.config.tcp.fast_open_server = true;
  given.config.keys.fast_open = {kKey, {}};
  return given;
}

ListenSpec spec() { return {.address = {}, .port = 80, .options = {.nodelay = true}, .fast_open = kPending}; }

Bytes fast_open_option(const Bytes& cookie) {
  Bytes option = bytes({34, static_cast<unsigned>(2 + cookie.size())});
  append(option, cookie);
  while (option.size() % 4 != 0) option.push_back(std::byte{1});
  return option;
}

Bytes as_bytes(const FastOpenCookie& cookie) { return {cookie.all().begin(), cookie.all().end()}; }

// The SipHash of the client's and the server's address, as they stand in the IP header: what Linux makes of a key.
Bytes cookie_of(const IpAddress& client, const IpAddress& server, const HashKey& key = kKey) {
  Bytes both;
  for (const IpAddress& address : {client, server}) {
    std::array<std::byte, 16> raw{};
    std::memcpy(raw.data(), address.words().data(), raw.size());
    both.insert(both.end(), raw.begin() + (address.is_v4() ? 12 : 0), raw.end());
  }
  const std::uint64_t hash = siphash24(key, both);
  Bytes cookie(8);
  std::memcpy(cookie.data(), &hash, 8);
  return cookie;
}

TestTcp syn_with(const Bytes& cookie, std::string_view payload = {}, unsigned port = 40112) {
  TestTcp s{.source_port = port, .seq = 0xfffffffe, .flags = kSyn};
  s.options = mss_option(1460);
  append(s.options, fast_open_option(cookie));
  s.text = test::text(payload);
  return s;
}
constexpr std::uint32_t kFirst = 0xffffffff;  // the number of the first byte of such a SYN's text

TestTcp answer_to(const Sent& syn_ack, unsigned flags, std::uint32_t seq, unsigned port = 40112) {
  return {.source_port = port, .seq = seq, .ack = syn_ack.segment().seq.value() + 1, .flags = flags};
}

// "Communication administratively prohibited", by a firewall on the way.
Bytes prohibited(const TestShard& world, const Sent& sent) {
  return icmp_error(world, world.v6() ? 1 : 3, world.v6() ? 1 : 13, quoted(world, sent, sent.segment().seq.value()));
}

// --- The server (4.2) ---

// RFC 7413, 4.1.2, 4.2.1: an empty option is answered with a cookie.
TEST_P(ShardFastOpen, ACookieRequestIsGrantedACookieOfBothAddresses) {
  TestShard world{with_fast_open(given())};
  world.listen(spec());
  world.receive(syn_with({}));
  const Sent answer = world.expect("SA");
  ASSERT_TRUE(answer.segment().options.fast_open);
  EXPECT_EQ(as_bytes(*answer.segment().options.fast_open), cookie_of(world.peer(), world.own()));
  EXPECT_EQ(answer.segment().ack.value(), kFirst);
  EXPECT_EQ(world.tcp_counters().fast_open_cookie_reqd, 1u);
  EXPECT_EQ(world.app.opened(), 0);
  world.receive(answer_to(answer, kAck, kFirst));
  EXPECT_EQ(world.app.opened(), 1);
}

// RFC 7413, 4.2.1: text beside a request is as without Fast Open.
TEST_P(ShardFastOpen, TextBesideACookieRequestIsNotTaken) {
  TestShard world{with_fast_open(given())};
  world.listen(spec());
  world.receive(syn_with({}, "request"));
  EXPECT_EQ(world.expect("SA").segment().ack.value(), kFirst);
  EXPECT_EQ(world.app.opened(), 0);
}

// RFC 7413, 4.2.2, server: a valid cookie.
TEST_P(ShardFastOpen, TextOfASynWithAGoodCookieIsDeliveredBeforeTheHandshakeEnds) {
  TestShard world{with_fast_open(given())};
  world.listen(spec());
  world.receive(syn_with(cookie_of(world.peer(), world.own()), "request"));
  EXPECT_EQ(world.app.opened(), 1);
  EXPECT_EQ(world.app.last().text, "request");
  const Sent answer = world.expect("SA");
  EXPECT_EQ(answer.segment().ack.value(), kFirst + 7) << "the text is acknowledged";
  EXPECT_FALSE(answer.segment().options.fast_open) << "it has a cookie, and keeps it";
  EXPECT_EQ(world.in_state(tcp::State::kSynReceived), 1u);
  EXPECT_EQ(world.tcp_counters().fast_open_passive, 1u);
  world.receive(answer_to(answer, kAck, kFirst + 7));
  EXPECT_EQ(world.app.last().opened, 1) << "told once";
  EXPECT_EQ(world.in_state(tcp::State::kEstablished), 1u);
  world.expect_silence();
  TestTcp more = answer_to(answer, kAck, kFirst + 7);
  more.text = test::text(" and more");
  world.receive(more);
  EXPECT_EQ(world.app.last().text, "request and more");
}

// RFC 7413, 4.2.2, server: "may send data before the handshake completes".
TEST_P(ShardFastOpen, TheAnswerGoesOutBeforeTheHandshakeEnds) {
  TestShard world{with_fast_open(given())};
  ListenSpec nagle = spec();
  nagle.options.nodelay = false;  // a SYN that is not acknowledged is no text for Nagle to wait for
  world.listen(nagle);
  world.app.when_text = [](Conn conn, std::span<const std::byte> t) {
    EXPECT_EQ(conn.send(test::text("answer")), 6u);
    conn.close();
    return t.size();
  };
  world.receive(syn_with(cookie_of(world.peer(), world.own()), "request"));
  const Sent syn_ack = world.expect("SA");
  const Sent answer = world.expect("A");
  EXPECT_EQ(answer.text(), "answer");
  EXPECT_EQ(answer.segment().seq, syn_ack.segment().seq + 1);
  world.expect_silence();  // the FIN waits for ESTABLISHED (RFC 9293, 3.10.4)
  TestTcp ack = answer_to(syn_ack, kAck, kFirst + 7);
  ack.ack += 6;
  world.receive(ack);
  EXPECT_EQ(world.expect("FA").segment().seq, syn_ack.segment().seq + 7);
}

TEST_P(ShardFastOpen, OnlyTheSynAcknowledgedTheAnswerIsSentAgain) {
  TestShard world{with_fast_open(given())};
  world.listen(spec());
  world.app.when_text = [](Conn conn, std::span<const std::byte> t) {
    EXPECT_EQ(conn.send(test::text("answer")), 6u);
    return t.size();
  };
  world.receive(syn_with(cookie_of(world.peer(), world.own()), "request"));
  const Sent syn_ack = world.expect("SA");
  EXPECT_EQ(world.expect("A").text(), "answer");
  world.receive(answer_to(syn_ack, kAck, kFirst + 7));
  world.sleep(4s);
  const Sent again = world.expect("A");
  EXPECT_EQ(again.text(), "answer");
  EXPECT_EQ(again.segment().seq, syn_ack.segment().seq + 1);
}

// The SYN-ACK is lost: it goes again, and acknowledges the text again; so it does when the SYN comes again. The text is
// delivered once (4.2.2).
TEST_P(ShardFastOpen, ASynAgainIsAnsweredAgainAndItsTextNotDeliveredTwice) {
  TestShard world{with_fast_open(given())};
  world.listen(spec());
  const TestTcp syn = syn_with(cookie_of(world.peer(), world.own()), "request");
  world.receive(syn);
  world.expect("SA");
  world.sleep(1100ms);
  EXPECT_EQ(world.expect("SA").segment().ack.value(), kFirst + 7);
  world.receive(syn);
  const Sent answer = world.expect("SA");
  EXPECT_EQ(answer.segment().ack.value(), kFirst + 7);
  EXPECT_EQ(world.app.last().text, "request");
  EXPECT_EQ(world.app.opened(), 1);
  world.receive(answer_to(answer, kAck, kFirst + 7));
  EXPECT_EQ(world.in_state(tcp::State::kEstablished), 1u);
}

TEST_P(ShardFastOpen, WhoNeverFinishesTheHandshakeIsGivenUp) {
  TestShard world{with_fast_open(given())};
  world.listen(spec());
  world.receive(syn_with(cookie_of(world.peer(), world.own()), "request"));
  world.sleep(64s);
  EXPECT_EQ(letters(world.take_all()), "SA,SA,SA,SA,SA,SA") << "as many as of any other listener's child";
  EXPECT_EQ(world.app.last().closed, 1);
  EXPECT_EQ(world.app.last().reason, tcp::Reason::kTimedOut);
  EXPECT_EQ(world.connections(), 0u);
}

// RFC 7413, 4.2.2, server: an invalid cookie. One for another client is one.
TEST_P(ShardFastOpen, ABadCookieIsAnsweredWithAFreshOneAndItsTextIgnored) {
  TestShard world{with_fast_open(given())};
  world.listen(spec());
  Bytes forged = cookie_of(world.peer(), world.own());
  forged[7] ^= std::byte{1};
  Bytes shorter = cookie_of(world.peer(), world.own());
  shorter.resize(6);
  unsigned port = 2000;
  for (const Bytes& cookie : {forged, shorter, cookie_of(world.own(), world.own()),
                              cookie_of(world.own(), world.peer()), cookie_of(world.peer(), world.own(), kOldKey)}) {
    world.receive(syn_with(cookie, "request", ++port));
    const Sent answer = world.expect("SA");
    EXPECT_EQ(answer.segment().ack.value(), kFirst);
    ASSERT_TRUE(answer.segment().options.fast_open);
    EXPECT_EQ(as_bytes(*answer.segment().options.fast_open), cookie_of(world.peer(), world.own()));
    EXPECT_EQ(world.app.opened(), 0);
  }
  EXPECT_EQ(world.tcp_counters().fast_open_passive_fail, 5u);
}

// RFC 7413, 4.1.2: the server changes its secret; who has a cookie of the one before loses nothing.
TEST_P(ShardFastOpen, ACookieOfThePreviousKeyIsGoodAndReplaced) {
  TestShard::Given changed = with_fast_open(given());
  changed.config.keys.fast_open.previous = kOldKey;
  TestShard world{changed};
  world.listen(spec());
  world.receive(syn_with(cookie_of(world.peer(), world.own(), kOldKey), "request"));
  EXPECT_EQ(world.app.last().text, "request");
  const Sent answer = world.expect("SA");
  EXPECT_EQ(answer.segment().ack.value(), kFirst + 7);
  ASSERT_TRUE(answer.segment().options.fast_open);
  EXPECT_EQ(as_bytes(*answer.segment().options.fast_open), cookie_of(world.peer(), world.own()));
}

// RFC 7413, 4.2, PendingFastOpenRequests
TEST_P(ShardFastOpen, AboveTheLimitOfPendingOnesThereIsTheUsualHandshake) {
  TestShard world{with_fast_open(given())};
  world.listen(spec());
  const Bytes cookie = cookie_of(world.peer(), world.own());
  world.receive(syn_with(cookie, "one", 2001));
  const Sent first = world.expect("SA");
  world.receive(syn_with(cookie, "two", 2002));
  world.expect("SA");
  EXPECT_EQ(world.app.opened(), 2);
  world.receive(syn_with(cookie, "three", 2003));
  const Sent third = world.expect("SA");
  EXPECT_EQ(third.segment().ack.value(), kFirst);
  EXPECT_FALSE(third.segment().options.fast_open) << "its cookie is good";
  EXPECT_EQ(world.app.opened(), 2);
  EXPECT_EQ(world.tcp_counters().fast_open_listen_overflow, 1u);

  world.receive(answer_to(first, kAck, kFirst + 3, 2001));  // one is pending no more
  world.receive(syn_with(cookie, "four", 2004));
  EXPECT_EQ(world.expect("SA").segment().ack.value(), kFirst + 4);
  EXPECT_EQ(world.app.opened(), 3);
}

// RFC 7413, 5.1: "continuing to account for those connection requests that have just been reset".
TEST_P(ShardFastOpen, OneThatIsResetCountsOnForAMinute) {
  TestShard world{with_fast_open(given())};
  world.listen(spec());
  const Bytes cookie = cookie_of(world.peer(), world.own());
  for (unsigned port = 2001; port <= 2002; ++port) {
    world.receive(syn_with(cookie, "text", port));
    const Sent answer = world.expect("SA");
    world.receive(answer_to(answer, kRst, kFirst + 4, port));
    EXPECT_EQ(world.app.last().reason, tcp::Reason::kReset);
  }
  EXPECT_EQ(world.connections(), 0u);
  world.receive(syn_with(cookie, "text", 2003));
  EXPECT_EQ(world.expect("SA").segment().ack.value(), kFirst) << "the usual handshake";
  world.sleep(61s);
  world.take_all();
  world.receive(syn_with(cookie, "text", 2004));
  EXPECT_EQ(world.expect("SA").segment().ack.value(), kFirst + 4);
}

// RFC 7413, 5.1: who forges an address has it answered by a firewall as well as by a reset.
TEST_P(ShardFastOpen, SoDoesOneThatIcmpRefuses) {
  TestShard world{with_fast_open(given())};
  world.listen(spec());
  const Bytes cookie = cookie_of(world.peer(), world.own());
  for (unsigned port = 2001; port <= 2002; ++port) {
    world.receive(syn_with(cookie, "text", port));
    world.receive(prohibited(world, world.expect("SA")));
    EXPECT_EQ(world.app.last().reason, tcp::Reason::kRefused);
  }
  world.receive(syn_with(cookie, "text", 2003));
  EXPECT_EQ(world.expect("SA").segment().ack.value(), kFirst) << "the usual handshake";
}

TEST_P(ShardFastOpen, WhatTheApplicationAbortsMakesRoomAtOnce) {
  TestShard world{with_fast_open(given())};
  world.listen(spec());
  world.app.when_open = [](Conn conn) { conn.abort(); };
  const Bytes cookie = cookie_of(world.peer(), world.own());
  for (unsigned port = 2001; port <= 2004; ++port) {
    world.receive(syn_with(cookie, "text", port));
    const std::deque<Sent> answers = world.take_all();
    EXPECT_EQ(letters(answers.back().segment().flags), "RA");
  }
  EXPECT_EQ(world.tcp_counters().fast_open_passive, 4u);
}

// RFC 7413, 5.1: SYN cookies take over in a flood.
TEST_P(ShardFastOpen, AListenerThatSendsSynCookiesDoesWithout) {
  TestShard world{with_fast_open(given())};
  ListenSpec small = spec();
  small.backlog = 2;
  world.listen(small);
  for (std::uint16_t port = 1000; port < 1002; ++port) EXPECT_TRUE((Peer{world, port}.sends_syn()));
  world.receive(syn_with(cookie_of(world.peer(), world.own()), "request"));
  const Sent answer = world.expect("SA");
  EXPECT_EQ(answer.segment().ack.value(), kFirst);
  EXPECT_FALSE(answer.segment().options.fast_open);
  EXPECT_EQ(world.tcp_counters().syn_cookies_sent, 1u);
  EXPECT_EQ(world.app.opened(), 0);
}

// A SYN in the window, once the application has the connection, is answered as RFC 5961, 4 says, and ends nothing.
TEST_P(ShardFastOpen, AnotherSynInTheWindowDoesNotEndTheConnection) {
  TestShard world{with_fast_open(given())};
  world.listen(spec());
  TestTcp syn = syn_with(cookie_of(world.peer(), world.own()), "request");
  world.receive(syn);
  world.expect("SA");
  syn.seq += 100;
  world.receive(syn);
  EXPECT_EQ(world.expect("A").segment().ack.value(), kFirst + 7);
  EXPECT_EQ(world.app.last().closed, 0);
}

// Off by default: at the listener, and in the stack.
TEST_P(ShardFastOpen, OffTheOptionIsIgnored) {
  for (const bool in_stack : {false, true}) {
    TestShard::Given off = with_fast_open(given());
    if (in_stack) off.config.tcp.fast_open_server = tcp::Config{}.fast_open_server;
    TestShard world{off};
    ListenSpec listens = spec();
    if (!in_stack) listens.fast_open = ListenSpec{}.fast_open;
    world.listen(listens);
    unsigned port = 2000;
    for (const Bytes& cookie : {Bytes{}, cookie_of(world.peer(), world.own())}) {
      world.receive(syn_with(cookie, "request", ++port));
      const Sent answer = world.expect("SA");
      EXPECT_EQ(answer.segment().ack.value(), kFirst);
      EXPECT_FALSE(answer.segment().options.fast_open);
    }
    EXPECT_EQ(world.app.opened(), 0);
    EXPECT_EQ(world.tcp_counters().fast_open_cookie_reqd, 0u);
  }
}

// --- The client (4.1.3, 4.2) ---

const Bytes kCookie = bytes({1, 2, 3, 4, 5, 6, 7, 8});

class Client {
 public:
  explicit Client(TestShard& shard) : world{shard} {}

  // An active open that has this to say.
  Sent connects(std::string_view payload = "request", std::uint16_t port = 80) {
    ConnectSpec to;
    to.remote = world.peer();
    to.remote_port = port;
    to.options.fast_open = asks;
    id = world.shard.connect(to, world.now).value();
    world.shard.with(id, world.now, [&](Conn conn) { EXPECT_EQ(conn.send(test::text(payload)), payload.size()); });
    world.turn();
    syn = world.expect("S");
    return syn;
  }
  // The answer to its SYN, which acknowledges so much of its text.
  void answers(std::size_t text, const Bytes& options = {}) {
    TestTcp s{
        .source_port = 80, .destination_port = syn.frame.key.remote_port, .seq = 0xfffffffe, .flags = kSyn | kAck};
    s.ack = syn.segment().seq.value() + 1 + static_cast<std::uint32_t>(text);
    s.options = options.empty() ? mss_option(1460) : options;
    world.receive(s);
  }
  void aborts() {
    world.shard.with(id, world.now, [](Conn conn) { conn.abort(); });
    world.turn();
    world.take_all();
  }

  TestShard& world;
  bool asks = true;
  ConnId id{};
  Sent syn{};
};

Bytes granting(const Bytes& cookie, unsigned mss = 1460) {
  Bytes options = mss_option(mss);
  append(options, fast_open_option(cookie));
  return options;
}

// A connection that comes back with a cookie, and is over.
void learns(TestShard& world, unsigned mss = 1460) {
  Client client{world};
  client.connects();
  client.answers(0, granting(kCookie, mss));
  client.aborts();
}

// RFC 7413, 4.1.3, 4.2.1: the client asks, and the text waits for the handshake.
TEST_P(ShardFastOpen, WithoutACookieTheClientAsksForOne) {
  TestShard world{with_fast_open(given())};
  Client client{world};
  const Sent syn = client.connects();
  ASSERT_TRUE(syn.segment().options.fast_open);
  EXPECT_EQ(syn.segment().options.fast_open->size, 0u);
  EXPECT_EQ(syn.text(), "");
  client.answers(0, granting(kCookie));
  EXPECT_EQ(world.expect("A").text(), "request");
  EXPECT_EQ(world.tcp_counters().fast_open_active, 0u);
}

// RFC 7413, 4.2.2, client: all of it is acknowledged with the SYN, and does not go again.
TEST_P(ShardFastOpen, WithACookieTheTextGoesInTheSyn) {
  TestShard world{with_fast_open(given())};
  learns(world);
  Client client{world};
  const Sent syn = client.connects();
  ASSERT_TRUE(syn.segment().options.fast_open);
  EXPECT_EQ(as_bytes(*syn.segment().options.fast_open), kCookie);
  EXPECT_EQ(syn.text(), "request");
  client.answers(7);
  EXPECT_EQ(world.app.last().opened, 1);
  const Sent ack = world.expect("A");
  EXPECT_EQ(ack.text(), "");
  EXPECT_EQ(ack.segment().seq, syn.segment().seq + 8);
  world.sleep(10s);
  world.expect_silence();
  EXPECT_EQ(world.tcp_counters().fast_open_active, 1u);
  EXPECT_EQ(world.tcp_counters().bytes_sent, 14u) << "with that of the connection before";
}

// RFC 7413, 4.1.3: cookies are the server's, and its port's.
TEST_P(ShardFastOpen, AnotherPortHasNoCookie) {
  TestShard world{with_fast_open(given())};
  learns(world);
  Client client{world};
  const Sent syn = client.connects("request", 81);
  EXPECT_EQ(syn.segment().options.fast_open->size, 0u);
  EXPECT_EQ(syn.text(), "");
}

// RFC 7413, 4.1.3: no more than the MSS that the server told with the cookie, options deducted.
TEST_P(ShardFastOpen, TheSynHasAsMuchTextAsTheServersMssAllows) {
  TestShard world{with_fast_open(given())};
  learns(world, 600);
  Client client{world};
  const std::string request(1000, 'x');
  const Sent syn = client.connects(request);
  EXPECT_EQ(syn.text().size(), 600 - options_size(syn.segment().options));
  client.answers(syn.text().size(), mss_option(600));
  std::string rest;
  for (const Sent& sent : world.take_all()) rest += sent.text();
  EXPECT_EQ(rest.size(), 1000 - syn.text().size());
}

// RFC 7413, 4.2.2, client: "only the SYN": the text goes at once. The cookie was refused, and a fresh one is kept.
TEST_P(ShardFastOpen, OnlyTheSynAcknowledgedTheTextGoesAgainAtOnce) {
  TestShard world{with_fast_open(given())};
  learns(world);
  Client client{world};
  const Sent syn = client.connects();
  const Bytes fresh = bytes({8, 7, 6, 5, 4, 3, 2, 1, 0, 9});
  client.answers(0, granting(fresh));
  const Sent again = world.expect("A");
  EXPECT_EQ(again.text(), "request");
  EXPECT_EQ(again.segment().seq, syn.segment().seq + 1);
  EXPECT_EQ(world.tcp_counters().fast_open_active_fail, 1u);
  EXPECT_EQ(world.tcp_counters().bytes_sent, 14u);
  world.expect_silence();
  client.aborts();
  EXPECT_EQ(as_bytes(*client.connects().segment().options.fast_open), fresh);
}

TEST_P(ShardFastOpen, APartAcknowledgedTheRestGoesAtOnce) {
  TestShard world{with_fast_open(given())};
  learns(world);
  Client client{world};
  const Sent syn = client.connects();
  client.answers(3);
  const Sent rest = world.expect("A");
  EXPECT_EQ(rest.text(), "uest");
  EXPECT_EQ(rest.segment().seq, syn.segment().seq + 4);
}

TEST_P(ShardFastOpen, MoreAcknowledgedThanWasSentIsReset) {
  TestShard world{with_fast_open(given())};
  learns(world);
  Client client{world};
  client.connects();
  client.answers(8);
  world.expect("R");
  EXPECT_EQ(world.in_state(tcp::State::kSynSent), 1u);
}

// RFC 7413, 4.2.2, client: a SYN that is sent again has neither text nor option. What the first brought may still be
// acknowledged.
TEST_P(ShardFastOpen, ASynSentAgainHasNeitherTextNorOption) {
  for (const std::size_t taken : {0u, 7u}) {
    TestShard world{with_fast_open(given())};
    learns(world);
    Client client{world};
    const Sent syn = client.connects();
    world.sleep(1100ms);
    const Sent again = world.expect("S");
    EXPECT_EQ(again.text(), "");
    EXPECT_FALSE(again.segment().options.fast_open);
    EXPECT_EQ(again.segment().seq, syn.segment().seq);
    client.answers(taken);
    const Sent ack = world.expect("A");
    EXPECT_EQ(ack.text(), taken == 0 ? "request" : "");
    world.expect_silence();
    EXPECT_EQ(world.tcp_counters().fast_open_active_fail, 1u);
    EXPECT_EQ(world.tcp_counters().bytes_sent, 14u);
  }
}

// RFC 7413, 4.1.3.1: what is lost again and again is not tried for a while.
TEST_P(ShardFastOpen, WhereItIsLostTwiceInARowItIsNotTriedForFourMinutes) {
  TestShard world{with_fast_open(given())};
  learns(world);
  for (int i = 0; i < 2; ++i) {
    Client client{world};
    EXPECT_TRUE(client.connects().segment().options.fast_open);
    world.sleep(1100ms);
    client.aborts();
  }
  Client client{world};
  const Sent usual = client.connects();
  EXPECT_FALSE(usual.segment().options.fast_open);
  EXPECT_EQ(usual.text(), "");
  client.answers(0);
  EXPECT_EQ(world.expect("A").text(), "request");
  client.aborts();
  world.sleep(4min);
  EXPECT_EQ(client.connects().text(), "request");
}

// RFC 7413, 4.1.3.1: "Negative responses include ... ICMP error messages".
TEST_P(ShardFastOpen, TextIsNotTriedAgainWhereIcmpRefusesIt) {
  TestShard world{with_fast_open(given())};
  learns(world);
  for (int i = 0; i < 2; ++i) {
    Client client{world};
    world.receive(prohibited(world, client.connects()));
    EXPECT_EQ(world.app.seen(client.id).reason, tcp::Reason::kRefused);
  }
  EXPECT_FALSE(Client{world}.connects().segment().options.fast_open);
}

TEST_P(ShardFastOpen, TwoFailuresWithASuccessBetweenThemAreNotTwoInARow) {
  for (const std::size_t text : {std::string_view{"request"}.size(), std::size_t{0}}) {
    TestShard world{with_fast_open(given())};
    learns(world);
    for (int i = 0; i < 2; ++i) {
      Client lost{world};
      EXPECT_TRUE(lost.connects().segment().options.fast_open);
      world.sleep(1100ms);
      lost.aborts();
      Client client{world};
      EXPECT_TRUE(client.connects(text > 0 ? "request" : "").segment().options.fast_open) << i;
      client.answers(text);
      client.aborts();
    }
  }
}

TEST_P(ShardFastOpen, WhereTextIsNeverTakenItIsNotTriedForAWhile) {
  TestShard world{with_fast_open(given())};
  learns(world);
  for (int i = 0; i < 2; ++i) {
    Client client{world};
    EXPECT_EQ(client.connects().text(), "request");
    client.answers(0);
    client.aborts();
  }
  EXPECT_FALSE(Client{world}.connects().segment().options.fast_open);
}

// RFC 9293, 3.5, and 7413: both send a SYN with text; neither takes any before the handshake is done.
TEST_P(ShardFastOpen, ASimultaneousOpenSendsTheTextBehindIt) {
  TestShard world{with_fast_open(given())};
  learns(world);
  Client client{world};
  const Sent syn = client.connects();
  TestTcp theirs{.source_port = 80, .destination_port = syn.frame.key.remote_port, .seq = 0xfffffffe, .flags = kSyn};
  theirs.options = mss_option(1460);
  theirs.text = test::text("theirs");
  world.receive(theirs);
  const Sent syn_ack = world.expect("SA");
  EXPECT_EQ(syn_ack.text(), "");
  EXPECT_EQ(syn_ack.segment().seq, syn.segment().seq);
  EXPECT_EQ(syn_ack.segment().ack.value(), kFirst);
  client.answers(0);
  EXPECT_EQ(world.app.last().opened, 1);
  std::string text;
  for (const Sent& sent : world.take_all()) text += sent.text();
  EXPECT_EQ(text, "request");
}

TEST_P(ShardFastOpen, WhoDoesNotAskForItSendsAnOrdinarySyn) {
  for (const bool in_stack : {false, true}) {
    TestShard::Given off = with_fast_open(given());
    if (in_stack) off.config.tcp.fast_open_client = tcp::Config{}.fast_open_client;
    TestShard world{off};
    Client client{world};
    client.asks = in_stack;
    const Sent syn = client.connects();
    EXPECT_FALSE(syn.segment().options.fast_open);
    EXPECT_EQ(syn.text(), "");
  }
}

// 4.1.3: bounded. With one place for four servers, those that were used lately are known.
TEST(FastOpenCache, WhatWasUsedLeastLatelyGivesWay) {
  FastOpenCache cache{4, kKey};
  const auto key = [](std::uint16_t port) {
    return FlowKey{IpAddress::v4(0xc6120002), IpAddress::v4(0xc6120001), 40000, port};
  };
  const FastOpenCookie cookie{.bytes = {}, .size = 8};
  Instant now{1s};
  for (std::uint16_t port = 1; port <= 4; ++port) cache.learn(key(port), cookie, 1460, now += 1s);
  EXPECT_EQ(cache.find(key(1), now += 1s)->cookie, cookie);
  cache.learn(key(5), cookie, 1460, now += 1s);
  EXPECT_EQ(cache.find(key(2), now)->cookie.size, 0u);
  for (const std::uint16_t port : std::array<std::uint16_t, 4>{1, 3, 4, 5})
    EXPECT_EQ(cache.find(key(port), now)->cookie, cookie) << port;
}

TEST(FastOpenCache, WithoutRoomNothingIsAsked) {
  FastOpenCache cache{0, kKey};
  const FlowKey key{IpAddress::v4(0xc6120002), IpAddress::v4(0xc6120001), 40000, 80};
  cache.learn(key, {}, 1460, Instant{1s});
  cache.fail(key, Instant{1s});
  EXPECT_FALSE(cache.find(key, Instant{1s}));
}

}  // namespace
}  // namespace pollux::test
