#include "test_shard.h"

#include <algorithm>

#include "wire/icmp.h"

namespace pollux::test {

std::string letters(const TcpFlags& flags) {
  std::string result;
  if (flags.syn) result += 'S';
  if (flags.fin) result += 'F';
  if (flags.rst) result += 'R';
  if (flags.ack) result += 'A';
  if (flags.urg) result += 'U';
  return result.empty() ? "none" : result;
}

std::string letters(const std::deque<Sent>& frames) {
  std::string result;
  for (const Sent& sent : frames) {
    if (!result.empty()) result += ',';
    result += sent.frame.kind == FrameKind::kTcp ? letters(sent.segment().flags) : "control";
  }
  return result.empty() ? "silence" : result;
}

// --- The device ---

TxFrame TestDevice::allocate(std::uint32_t size) {
  if (no_memory || size > largest) return {};
  const std::uint32_t capacity = std::max(size, buffer_size);
  auto* bytes = new std::byte[capacity];
  ++out_;
  return {bytes, capacity, bytes};
}

void TestDevice::send(TxFrame frame, std::uint32_t size, const TxOffload& offload) {
  ASSERT_GT(room, 0u) << "sent into a full device";
  if (room != SIZE_MAX) --room;
  ASSERT_LE(size, frame.capacity);
  sent.emplace_back(Bytes(frame.data, frame.data + size), offload);
  discard(frame);
}

void TestDevice::discard(TxFrame frame) {
  --out_;
  delete[] static_cast<std::byte*>(frame.handle);
}

// --- The application ---

TestApp::Seen& TestApp::note(Conn conn) {
  latest = conn.id();
  Seen& seen = all_[{latest.index, latest.generation}];
  seen.key = conn.key();
  EXPECT_EQ(seen.closed, 0) << "on_closed is the last call";
  return seen;
}

void TestApp::on_open(Conn conn) {
  Seen& seen = note(conn);
  EXPECT_EQ(++seen.opened, 1);
  ++opened_;
  if (when_open) when_open(conn);
}

std::size_t TestApp::on_text(Conn conn, std::span<const std::byte> text) {
  Seen& seen = note(conn);
  EXPECT_EQ(seen.opened, 1);
  EXPECT_EQ(seen.eof, 0);
  EXPECT_FALSE(text.empty());
  const std::size_t taken = when_text ? when_text(conn, text) : text.size();
  seen.text += as_string(text.first(taken));
  return taken;
}

void TestApp::on_eof(Conn conn) {
  EXPECT_EQ(++note(conn).eof, 1);
  if (when_eof) when_eof(conn);
}

void TestApp::on_writable(Conn conn) { ++note(conn).writable; }

void TestApp::on_urgent(Conn conn) {
  ++note(conn).urgent;
  if (when_urgent) when_urgent(conn);
}

void TestApp::on_soft_error(Conn conn, tcp::Reason reason) {
  Seen& seen = note(conn);
  ++seen.soft_errors;
  seen.soft_error = reason;
}

void TestApp::on_closed(Conn conn, tcp::Reason reason) {
  Seen& seen = note(conn);
  ++seen.closed;
  seen.reason = reason;
}

// --- The shard ---

ShardConfig small_config() {
  ShardConfig config;
  config.addresses = {{{ip("198.18.0.2"), 24}, 1}, {{ip("2001:2::2"), 64}, 1}};
  config.mac = kOurMac;
  config.keys = {{1, 2}, {3, 4}, {5, 6}, 7};
  config.max_connections = 64;
  config.max_half_open = 32;
  config.max_time_wait_v4 = 64;
  config.max_time_wait_v6 = 64;
  config.send_blocks = 512;
  config.held_segments = 512;
  config.sacked_ranges = 512;
  config.max_destinations = 8;
  config.pages = Pages::kOrdinary;
  return config;
}

TestShard::TestShard(const Given& given) : given_{given}, device{given.features}, shard{given.config, app, now} {
  if (!given.neighbour_known) return;
  EXPECT_TRUE(shard.core().neighbours().add_static(peer(), kPeerMac));
}

TestShard::~TestShard() {
  check_every_frame_counted();
  EXPECT_LE(heap_.outstanding(), shard.core().stores().held.size()) << "packets that nobody holds";
  EXPECT_EQ(shard.core().gauges().states[0], 0u);  // CLOSED is no state to be counted
}

Packet TestShard::Heap::lend(const Bytes& bytes) {
  auto* copy = new std::byte[bytes.size()];
  std::copy(bytes.begin(), bytes.end(), copy);
  out_.insert(copy);
  return {std::span{copy, bytes.size()}, static_cast<std::uint32_t>(bytes.size()), this, copy};
}

void TestShard::Heap::take_back(void* handle) {
  EXPECT_EQ(out_.erase(handle), 1u) << "a packet given back twice";
  delete[] static_cast<std::byte*>(handle);
}

void TestShard::only_receive(const std::vector<Bytes>& frames) {
  std::vector<Packet> burst;
  for (const Bytes& bytes : frames) {
    burst.push_back(heap_.lend(bytes));
    ++frames_in_;
    if (is_good_control(bytes)) ++control_in_;
  }
  for (std::size_t done = 0; done < burst.size(); done += ShardCore::kMaxBurst) {
    const std::size_t n = std::min(ShardCore::kMaxBurst, burst.size() - done);
    shard.receive(std::span{burst}.subspan(done, n), now);
  }
}

// ARP, ICMP or neighbour discovery, of which TCP hears nothing and that is not dropped.
bool TestShard::is_good_control(const Bytes& bytes) const {
  ParsePolicy policy;
  policy.mac = given_.config.mac;
  policy.vlan = given_.config.vlan;
  ParsedFrame parsed;
  if (parse_frame(bytes, policy, ChecksumWord::kUnknown, ChecksumWord::kUnknown, parsed) != WireDrop::kNone)
    return false;
  switch (parsed.kind) {
    case FrameKind::kTcp:
      return false;
    case FrameKind::kArp:
      return parse_arp(parsed.payload).has_value();
    case FrameKind::kNd:
      return parse_nd(parsed).has_value();
    case FrameKind::kIcmp:
    case FrameKind::kIcmp6:
      return parse_icmp(parsed).has_value();
  }
  return false;
}

void TestShard::receive(const std::vector<Bytes>& frames) {
  only_receive(frames);
  turn();
}

void TestShard::turn() {
  shard.run_timers(now);
  shard.transmit(device, now);
  for (auto& [bytes, offload] : device.sent) {
    Sent sent{.bytes = std::move(bytes), .offload = offload, .at = now};
    ParsePolicy policy;  // MUST-2: the checksum of every frame that leaves is verified
    if (offload.tcp_checksum || offload.ip_checksum) policy.checksums = ChecksumMode::kTrust;
    policy.vlan = given_.config.vlan;
    EXPECT_EQ(parse_frame(sent.bytes, policy, ChecksumWord::kUnknown, ChecksumWord::kUnknown, sent.frame),
              WireDrop::kNone);
    EXPECT_EQ(sent.frame.source, kOurMac);
    sent_.push_back(std::move(sent));
  }
  device.sent.clear();
}

Bytes TestShard::frame(const TestTcp& segment) const { return frame(segment, ends()); }

Bytes TestShard::frame(const TestTcp& segment, const Ends& between) const {
  return given_.v6 ? tcp6_frame(segment, {.ends = between}) : tcp4_frame(segment, {.ends = between});
}

void TestShard::sleep(Duration duration) {
  const Instant end = now + duration;
  turn();
  turn();  // what a connection's turn found it has to ask for
  for (;;) {
    const std::optional<Instant> due = shard.next_due(now);
    if (!due || *due > end) break;
    now = std::max(*due, now + 1us);
    if (now > end) break;
    turn();
    turn();
  }
  now = end;
  turn();
}

std::optional<Sent> TestShard::take() {
  if (sent_.empty()) return std::nullopt;
  Sent first = std::move(sent_.front());
  sent_.pop_front();
  return first;
}

Sent TestShard::expect(std::string_view flags) {
  std::optional<Sent> first = take();
  EXPECT_TRUE(first) << "nothing was sent, but " << flags << " was expected";
  if (!first) return {};
  EXPECT_EQ(first->frame.kind, FrameKind::kTcp);
  EXPECT_EQ(letters(first->segment().flags), flags);
  return std::move(*first);
}

std::deque<Sent> TestShard::take_all() { return std::exchange(sent_, {}); }

void TestShard::check_every_frame_counted() const {
  const ShardCounters& c = counters();
  const tcp::Counters& t = tcp_counters();
  std::uint64_t dropped = c.link_group + c.not_our_address + c.foreign + c.bad_source + c.table_full - refused_connects;
  for (const std::uint64_t n : c.wire_drops) dropped += n;
  EXPECT_EQ(c.rx_frames, frames_in_);
  EXPECT_EQ(c.rx_frames - t.segments_received - dropped, control_in_) << "frames without a reason";
  std::uint64_t verdicts = c.no_listener + c.backlog_full + c.half_open_full;
  for (const std::uint64_t n : t.verdicts) verdicts += n;
  EXPECT_EQ(t.segments_received, verdicts - counted_twice) << "segments without a verdict";
}

// --- The peer ---

Bytes quoted(const TestShard& world, const Sent& sent, std::uint32_t seq) {
  Bytes packet(sent.bytes.begin() + 14, sent.bytes.begin() + 14 + (world.v6() ? 40 : 20) + 8);
  Bytes number;
  put32(number, seq);
  std::copy(number.begin(), number.end(), packet.end() - 4);
  return packet;
}

Bytes icmp_error(const TestShard& world, unsigned type, unsigned code, const Bytes& quote, std::uint32_t word) {
  Bytes message = bytes({type, code, 0, 0});
  put32(message, word);
  append(message, quote);
  const Ends way{ip(world.v6() ? "2001:2::99" : "198.18.0.99"), world.own()};
  if (world.v6()) {
    fill_checksum(message, 2, way, 58);
    return ethernet(0x86dd, ipv6({.ends = way, .protocol = 58}, message));
  }
  set16(message, 2, naive_checksum(message));
  return ethernet(0x0800, ipv4({.ends = way, .protocol = 1}, message));
}

Bytes mss_option(unsigned mss) { return bytes({2, 4, mss >> 8, mss & 0xff}); }

Bytes timestamps_option(std::uint32_t val, std::uint32_t ecr) {
  Bytes option = bytes({1, 1, 8, 10});
  put32(option, val);
  put32(option, ecr);
  return option;
}

TestTcp Peer::segment(unsigned flags, std::string_view payload) const {
  TestTcp s{.source_port = port_, .destination_port = to_, .seq = seq, .flags = flags, .wnd = wnd};
  if ((flags & kAck) != 0) s.ack = ack;
  if ((flags & kSyn) != 0) s.options = mss_option(mss);
  if (tsval) append(s.options, timestamps_option(*tsval, tsecr));
  s.text = test::text(payload);
  return s;
}

void Peer::sends(unsigned flags, std::string_view payload) {
  world_->receive(segment(flags, payload));
  seq += static_cast<std::uint32_t>(payload.size()) + ((flags & kSyn) != 0 ? 1 : 0) + ((flags & kFin) != 0 ? 1 : 0);
}

void Peer::note(const Sent& sent) {
  ack = (sent.segment().seq + sent.segment().len()).value();
  if (sent.segment().options.ts) tsecr = sent.segment().options.ts->val;
}

bool Peer::sends_syn() {
  sends(kSyn);
  const std::deque<Sent> answers = world_->take_all();
  if (letters(answers) != "SA") return false;
  note(answers.front());
  their_iss = answers.front().segment().seq.value();
  EXPECT_EQ(answers.front().segment().ack.value(), seq);
  return true;
}

bool Peer::opens() {
  if (!sends_syn()) return false;
  const int before = world_->app.opened();
  sends(kAck);
  world_->expect_silence();
  id = world_->app.latest;
  return world_->app.opened() == before + 1;
}

void Peer::accepts(const Sent& syn) {
  EXPECT_EQ(letters(syn.segment().flags), "S");
  port_ = syn.frame.key.local_port;
  to_ = syn.frame.key.remote_port;
  their_iss = syn.segment().seq.value();
  note(syn);
  sends(kSyn | kAck);
  note(world_->expect("A"));
  id = world_->app.latest;
}

void Peer::reaches_time_wait() {
  EXPECT_TRUE(world_->shard.with(id, world_->now, [](Conn conn) { conn.close(); }));
  world_->turn();
  note(world_->expect("FA"));
  sends(kAck);
  sends(kFin | kAck);
  note(world_->expect("A"));
  world_->expect_silence();
}

void Peer::closes_first() {
  sends(kFin | kAck);
  note(world_->expect("A"));
  EXPECT_TRUE(world_->shard.with(id, world_->now, [](Conn conn) { conn.close(); }));
  world_->turn();
  note(world_->expect("FA"));
  sends(kAck);
  world_->expect_silence();
}

}  // namespace pollux::test
