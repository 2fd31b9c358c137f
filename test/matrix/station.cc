#include "station.h"

#include <algorithm>
#include <span>
#include <utility>

#include "tcp/isn.h"

namespace pollux::matrix {
namespace {

using test::kAck;
using test::kFin;
using test::kRst;
using test::kSyn;
using test::Sent;

// The peer's window in every segment: small, so that SND.UNA-MAX.SND.WND still lies
// after ISS once two windows are acknowledged.
constexpr std::uint16_t kPeerWindow = 400;
constexpr std::uint32_t kSentBefore = 2 * kPeerWindow;  // bytes, acknowledged
constexpr std::uint32_t kOutstanding = 100;             // bytes, not acknowledged
constexpr std::uint32_t kReceivedBefore = 10;           // bytes

// Beyond the text of every segment.
constexpr unsigned kUrgentPointer = 2 * kMss;

// "may be hard-coded to a maximum permissible window value" (RFC 9293, 3.10.7.4, fifth):
// windows are below 2^30 (RFC 7323, 2.3). A record of TIME-WAIT keeps none.
constexpr std::uint32_t kLargestWindow = (1u << 30) - 1;

constexpr std::uint16_t kListenPort = 80;
constexpr std::uint16_t kClosedPort = 81;
constexpr std::uint16_t kActivePort = 20000;

static_assert(static_cast<int>(State::kTimeWait) == static_cast<int>(tcp::State::kTimeWait));

constexpr Duration kAnswerTime = 499ms;  // MUST-40: "less than 0.5 seconds"

ShardConfig config(bool rst_ends_time_wait) {
  ShardConfig c = test::small_config();
  c.tcp.rto_min = 1s;  // RFC 6298, 2.4: no retransmission falls into the time to answer
  c.tcp.rst_ends_time_wait = rst_ends_time_wait;
  c.resets_per_second = 0;
  return c;
}

bool sends_fin(State state) {
  return state == State::kFinWait1 || state == State::kFinWait2 || state == State::kClosing ||
         state == State::kLastAck || state == State::kTimeWait;
}
bool received_fin(State state) {
  return state == State::kCloseWait || state == State::kClosing || state == State::kLastAck ||
         state == State::kTimeWait;
}
bool all_acknowledged(State state) { return state == State::kFinWait2 || state == State::kTimeWait; }
bool opened(State state) { return state >= State::kEstablished; }

// What lies between ISS and SND.UNA, and between IRS and RCV.NXT, once the row's state is reached.
std::uint32_t sent_and_acknowledged(const Row& row) {
  if (!opened(row.state)) return 0;
  return 1 + kSentBefore + (all_acknowledged(row.state) ? kOutstanding + 1 : 0);
}
std::uint32_t received(const Row& row) {
  if (!opened(row.state)) return 1;
  return 1 + kReceivedBefore + (received_fin(row.state) ? 1 : 0);
}

}  // namespace

Station::Station(bool v6, bool rst_ends_time_wait) : v6_{v6}, rst_ends_time_wait_{rst_ends_time_wait} { renew(); }
Station::~Station() = default;

void Station::renew() {
  world_.reset();
  world_ = std::make_unique<test::TestShard>(test::TestShard::Given{.v6 = v6_, .config = config(rst_ends_time_wait_)});
  world_->listen(kListenPort);
}

Block Station::bring(const Row& row, const Numbers& numbers) {
  remove_connection();
  port_ = port_ == 0xffff ? 1024 : static_cast<std::uint16_t>(port_ + 1);
  our_port_ = row.active ? kActivePort : row.state == State::kClosed ? kClosedPort : kListenPort;
  id_ = {};
  block_ = {.state = row.state, .passive = !row.active, .listener = our_port_ == kListenPort};
  block_.irs = numbers.rcv_nxt - received(row);
  block_.rcv_nxt = block_.irs;
  block_.max_snd_wnd = kPeerWindow;
  peer_nxt_ = block_.irs;
  if (row.state == State::kClosed || row.state == State::kListen) {
    // Numbers that nobody keeps, so that the segments have the same variety.
    block_.snd_una = block_.snd_nxt = numbers.snd_una;
    block_.rcv_nxt = numbers.rcv_nxt;
    block_.rcv_wnd = 65535;
    return block_;
  }
  set_iss(numbers.snd_una - sent_and_acknowledged(row));
  if (row.active) {
    open_active();
  } else {
    peer_sends(kSyn);
  }
  if (row.state == State::kSynReceived && row.active) simultaneous_open();
  if (opened(row.state)) {
    open_passive();
    exchange();
    const bool peer_first = row.state == State::kCloseWait || row.state == State::kLastAck;
    if (peer_first) peer_sends(kFin | kAck);
    if (!row.idle) user_sends(kOutstanding, sends_fin(row.state));
    if (all_acknowledged(row.state)) {
      block_.snd_una = block_.snd_nxt;
      peer_sends(kAck);
    }
    if (received_fin(row.state) && !peer_first) peer_sends(kFin | kAck);
  }
  if (row.state == State::kSynSent) {
    // Nothing has come from the peer; these are what its numbers might be.
    block_.rcv_nxt = numbers.rcv_nxt;
    edge_ = block_.rcv_nxt + 65535;
  }
  if (row.state == State::kTimeWait) block_.max_snd_wnd = kLargestWindow;
  block_.rcv_wnd = distance(block_.rcv_nxt, edge_);
  EXPECT_EQ(name(state()), name(row.state)) << "the station did not bring the connection where it should be";
  EXPECT_EQ(block_.snd_una, numbers.snd_una) << to_string(block_);
  EXPECT_EQ(block_.rcv_nxt, numbers.rcv_nxt) << to_string(block_);
  return block_;
}

// RFC 6528: the clock part of an ISN counts 4 us. It is the clock that is moved.
void Station::set_iss(SeqNum iss) {
  const ShardKeys keys = test::small_config().keys;
  const SeqNum now = tcp::Secrets{keys.isn, keys.timestamp}.isn(key(), world_->now);
  world_->now += std::uint64_t{distance(now, iss)} * 4us;
  block_.iss = block_.snd_una = block_.snd_nxt = iss;
}

FlowKey Station::key() const { return {world_->own(), world_->peer(), our_port_, port_}; }

void Station::open_active() {
  const auto id = world_->shard.connect(
      {.remote = world_->peer(), .remote_port = port_, .local = {}, .local_port = our_port_, .options = {}},
      world_->now);
  ASSERT_TRUE(id) << describe(id.error());
  id_ = *id;
  world_->turn();
  collect();
}

void Station::simultaneous_open() {
  peer_sends(kSyn);  // answered with a SYN-ACK: SND.NXT stays
}

// The handshake's last step: ours comes out, or the peer's goes in.
void Station::open_passive() {
  block_.snd_una = block_.iss + 1;
  peer_sends(block_.passive ? kAck : kSyn | kAck);
  if (block_.passive) id_ = world_->app.latest;
}

// Text in both directions, all of it acknowledged.
void Station::exchange() {
  peer_sends(kAck, kReceivedBefore);
  for (std::uint32_t sent = 0; sent < kSentBefore; sent += kPeerWindow) {
    user_sends(kPeerWindow, false);
    block_.snd_una = block_.snd_nxt;
    peer_sends(kAck);
  }
}

void Station::user_sends(std::uint32_t size, bool and_closes) {
  const std::string text(size, 'u');
  const bool there = world_->shard.with(id_, world_->now, [&](Conn conn) {
    conn.set_nodelay(true);
    EXPECT_EQ(conn.send(std::as_bytes(std::span{text})), size);
    if (and_closes) conn.shutdown();
  });
  EXPECT_TRUE(there);
  world_->turn();
  collect();
}

void Station::peer_sends(unsigned flags, std::uint32_t text) {
  const SeqNum ack = (flags & kAck) != 0 ? (flags & kSyn) != 0 ? block_.iss + 1 : block_.snd_una : SeqNum{};
  test::TestTcp segment = peer_segment(flags, peer_nxt_, ack, text);
  if ((flags & kSyn) != 0) segment.options = test::mss_option(kMss);
  peer_nxt_ += text + ((flags & kSyn) != 0 ? 1u : 0u) + ((flags & kFin) != 0 ? 1u : 0u);
  world_->receive(segment);
  collect();
}

test::TestTcp Station::peer_segment(unsigned flags, SeqNum seq, SeqNum ack, std::uint32_t text) const {
  test::TestTcp segment{.source_port = port_, .destination_port = our_port_, .seq = seq.value(), .ack = ack.value()};
  segment.flags = flags;
  segment.wnd = kPeerWindow;
  if ((flags & test::kUrg) != 0) segment.up = kUrgentPointer;
  segment.text = test::text(stream(seq + ((flags & kSyn) != 0 ? 1u : 0u), text));
  return segment;
}

// What the peer's stream holds at `from`: no two places within a segment look alike.
std::string Station::stream(SeqNum from, std::size_t size) const {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) {
    const std::uint32_t place = distance(block_.irs, from) + static_cast<std::uint32_t>(i);
    text[i] = static_cast<char>((place * 2654435761u) >> 24);
  }
  return text;
}

// Reads our variables off what we sent.
void Station::collect() {
  for (const Sent& sent : world_->take_all()) {
    const Segment& seg = sent.segment();
    block_.snd_nxt = max(block_.snd_nxt, seg.seq + seg.len());
    if (!seg.flags.ack || seg.flags.rst) continue;
    if (block_.rcv_nxt == block_.irs) edge_ = seg.ack + seg.wnd;
    block_.rcv_nxt = seg.ack;
    edge_ = max(edge_, seg.ack + seg.wnd);
  }
}

Observed Station::meet(const Arrival& seg) {
  test::TestApp& app = world_->app;
  const int opened_before = app.opened();
  const test::TestApp::Seen before = app.seen(id_);
  test::TestTcp segment = peer_segment(seg.flags.encode(), seg.seq, seg.ack, seg.text);
  world_->receive(segment);

  Observed seen;
  seen.at_once = world_->take_all();
  if (app.opened() > opened_before) id_ = app.latest;
  seen.state = state();
  read_variables(seen);
  world_->sleep(kAnswerTime);
  seen.later = world_->take_all();

  const test::TestApp::Seen& after = app.seen(id_);
  seen.connected = app.opened() - opened_before;
  seen.end = after.eof - before.eof;
  seen.urgent = after.urgent - before.urgent;
  const int closed = after.closed - before.closed;
  if (after.reason == tcp::Reason::kReset) {
    seen.reset = closed;
  } else if (after.reason == tcp::Reason::kRefused) {
    seen.refused = closed;
  } else if (after.reason != tcp::Reason::kFinished) {
    seen.ended_otherwise = closed;
  }
  seen.text = after.text.substr(before.text.size());
  const SeqNum next = block_.state == State::kSynSent ? seg.seq + 1 : block_.rcv_nxt;
  if (seen.text != stream(next, seen.text.size())) seen.complaint = "the text is not what was sent; ";
  seen.complaint += complaint_about(seen.at_once) + complaint_about(seen.later);
  for (const Sent& sent : seen.at_once) {
    if (sent.segment().flags.ack && !sent.segment().flags.rst) block_.rcv_nxt = sent.segment().ack;
  }
  return seen;
}

std::string Station::complaint_about(const std::deque<Sent>& frames) const {
  std::string all;
  if (block_.state == State::kSynSent) return all;  // a SYN offers no edge: it lies where the peer's SYN will
  for (const Sent& sent : frames) {
    const Segment& seg = sent.segment();
    if (!seg.flags.ack || seg.flags.rst || seg.flags.syn) continue;
    if (seg.ack + seg.wnd < edge_) all += "the right edge of our window moves left (SHLD-14); ";
  }
  return all;
}

// One connection at most is here: the state in which there is one. The oracle and the stack list them as RFC 9293 does.
State Station::state() const {
  for (const State s : {State::kSynSent, State::kSynReceived, State::kEstablished, State::kFinWait1, State::kFinWait2,
                        State::kCloseWait, State::kClosing, State::kLastAck, State::kTimeWait}) {
    if (world_->in_state(static_cast<tcp::State>(s)) > 0) return s;
  }
  return our_port_ == kListenPort ? State::kListen : State::kClosed;
}

void Station::read_variables(Observed& seen) const {
  const ShardCore& core = world_->shard.core();
  if (const std::uint32_t index = core.find(id_); index != ShardCore::kNone) {
    seen.snd_una = core.tcb(index).snd().una;
    seen.rcv_nxt = core.tcb(index).rcv().nxt;
  } else if (const auto entry = core.time_wait().find(key())) {
    seen.snd_una = entry->snd_nxt;
    seen.rcv_nxt = entry->rcv_nxt;
  }
}

bool Station::empty() const { return state() == (our_port_ == kListenPort ? State::kListen : State::kClosed); }

void Station::remove_connection() {
  if (our_port_ == 0 || empty()) return;
  world_->shard.with(id_, world_->now, [](Conn conn) { conn.abort(); });
  world_->turn();
  if (const auto entry = world_->shard.core().time_wait().find(key())) block_.rcv_nxt = entry->rcv_nxt;
  if (!empty()) world_->receive(peer_segment(kRst, block_.rcv_nxt, {}, 0));
  if (state() == State::kTimeWait) world_->sleep(2 * tcp::Config{}.msl + 1s);
  world_->take_all();
  EXPECT_TRUE(empty()) << "a connection in " << name(state()) << " could not be removed";
  if (!empty()) renew();
}

std::string to_string(const Row& row) {
  std::string words{name(row.state)};
  std::erase(words, '-');
  if (row.state == State::kSynReceived && row.active) words += "Active";
  if (row.idle) words += "Idle";
  return words;
}

void PrintTo(const Row& row, std::ostream* out) { *out << to_string(row); }

std::string to_string(const Observed& seen) {
  std::string words{name(seen.state)};
  words += "; answer: ";
  for (const Sent& sent : seen.at_once) words += to_string(sent.segment()) + " ";
  if (seen.at_once.empty()) words += "nothing";
  for (const Sent& sent : seen.later) words += "; within 0.5 s: " + to_string(sent.segment());
  words += "; application told:";
  if (seen.connected > 0) words += " connected";
  if (!seen.text.empty()) words += " " + std::to_string(seen.text.size()) + " bytes";
  if (seen.urgent > 0) words += " urgent data";
  if (seen.end > 0) words += " end of text";
  if (seen.reset > 0) words += " reset";
  if (seen.refused > 0) words += " refused";
  if (seen.ended_otherwise > 0) words += " aborted or timed out";
  if (words.back() == ':') words += " nothing";
  if (seen.snd_una) words += "; SND.UNA " + std::to_string(seen.snd_una->value());
  if (seen.rcv_nxt) words += ", RCV.NXT " + std::to_string(seen.rcv_nxt->value());
  return words;
}

}  // namespace pollux::matrix
