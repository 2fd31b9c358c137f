#include "test_connection.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <iostream>

#include "base/mutant.h"
#include "wire/tcp_options.h"

namespace pollux::tcp {

void PrintTo(Verdict verdict, std::ostream* out) { *out << name(verdict); }
void PrintTo(State state, std::ostream* out) { *out << to_string(state); }
void PrintTo(Reason reason, std::ostream* out) {
  static constexpr std::array kNames = {"none", "finished", "reset", "refused", "timed out", "unreachable", "aborted"};
  *out << kNames.at(static_cast<std::size_t>(reason));
}

namespace test {
namespace {

constexpr std::size_t kMostTrace = 1'000'000;  // bytes; what is older is forgotten
constexpr std::size_t kHeaders = 54;           // Ethernet, IPv4, TCP: what lies before the text in a packet

std::string blocks_text(const std::vector<SegmentSpec::Block>& blocks) {
  std::string text = "   // blocks";
  for (const auto& [left, right] : blocks) text += " " + std::to_string(left) + ":" + std::to_string(right);
  return text;
}

std::string time_text(Duration since) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%11.6f", std::chrono::duration<double>(since).count());
  return text.data();
}

FlowKey key_of(bool ipv6) {
  const auto address = [](const char* text) { return IpAddress::parse(text).value(); };
  return ipv6 ? FlowKey{address("2001:2::2"), address("2001:2::1"), 80, 40112}
              : FlowKey{address("198.18.0.2"), address("198.18.0.1"), 80, 40112};
}

}  // namespace

// --- Segments ---

SegmentSpec& SegmentSpec::flags(std::string_view letters) {
  const auto has = [&](char c) { return letters.find(c) != std::string_view::npos; };
  flags_ = {.fin = has('F'),
            .syn = has('S'),
            .rst = has('R'),
            .psh = has('P'),
            .ack = has('.'),
            .urg = has('U'),
            .ece = has('E'),
            .cwr = has('W')};
  exact_psh_ = true;
  return *this;
}

SegmentSpec data(std::string_view text) { return SegmentSpec{}.text(text); }
SegmentSpec data(const char* text) { return data(std::string_view{text}); }
SegmentSpec data(std::string text) { return data(std::string_view{text}); }
SegmentSpec syn() {
  SegmentSpec spec;
  spec.flags_.syn = true;
  return spec.seq(0);
}
SegmentSpec fin() { return SegmentSpec{}.fin(); }
SegmentSpec rst() {
  SegmentSpec spec;
  spec.flags_.rst = true;
  return spec;
}
SegmentSpec ack(std::int64_t n) { return SegmentSpec{}.ack(n); }
SegmentSpec no_flags() { return {}; }

std::string to_string(const Sent& sent) {
  Segment segment;
  segment.seq = SeqNum{static_cast<std::uint32_t>(sent.seq)};
  segment.ack = SeqNum{static_cast<std::uint32_t>(sent.ack)};
  segment.wnd = sent.wnd;
  segment.up = sent.up;
  segment.flags = sent.flags;
  segment.options = sent.options;
  segment.text = std::as_bytes(std::span{sent.text});
  return pollux::to_string(segment);
}

std::ostream& operator<<(std::ostream& out, const Sent& sent) { return out << to_string(sent); }

std::string pattern(std::size_t size, std::size_t from) {
  std::string text(size, ' ');
  for (std::size_t i = 0; i < size; ++i) {
    const std::size_t n = from + i;
    text[i] = static_cast<char>('!' + (n * 7 + n / 89 + n / 8011) % 89);
  }
  return text;
}

#ifdef POLLUX_ASSERTIONS
// POLLUX_MUTANT=5 seeds that bug (base/mutant.h), to see which tests find it.
const int kMutant = [] {
  if (const char* number = std::getenv("POLLUX_MUTANT")) selected_mutant = std::atoi(number);
  return selected_mutant;
}();
#endif

bool ipv6_by_default() { return std::getenv("POLLUX_TEST_IPV6") != nullptr; }

// --- Packets from the heap ---

Packet TestConnection::Heap::lend(std::size_t size) {
  auto* bytes = new std::byte[size];
  out_.insert(bytes);
  return {std::span{bytes, size}, static_cast<std::uint32_t>(size), this, bytes};
}

void TestConnection::Heap::take_back(void* handle) {
  EXPECT_EQ(out_.erase(handle), 1u) << "a packet given back twice";
  delete[] static_cast<std::byte*>(handle);
}

// --- Life ---

TestConnection::World::World(const Config& c)
    : config{c},
      stores{.transmissions = Slab<Transmission>{4, Pages::kOrdinary},
             .slices = SliceStore{512, 512},
             .queues = Slab<ReceiveQueue>{4, Pages::kOrdinary},
             .held = Slab<HeldText>{1024, Pages::kOrdinary},
             .sacked = Slab<SackedRange>{1024, Pages::kOrdinary},
             .ledgers = Slab<Ledger>{4, Pages::kOrdinary}} {}

// The clock stands half a second before its milliseconds wrap.
TestConnection::TestConnection(const Conditions& given)
    : given_{given},
      world_{std::make_unique<World>(given.config)},
      now_{std::chrono::milliseconds{(std::int64_t{1} << 32) - 500}},
      start_{now_},
      reads_{given.application_reads} {}

TestConnection::~TestConnection() {
  if (!world_) return;
  Env e = env();
  world_->tcb->release(e);
  EXPECT_TRUE(holds_no_memory() && world_->stores.ledgers.size() == 0) << "memory leaked";
  if (::testing::Test::HasFailure()) std::cout << trace_;
}

bool TestConnection::holds_no_memory() const {
  const Stores& s = world_->stores;
  return s.transmissions.size() == 0 && s.slices.slices.size() == 0 && s.slices.blocks.size() == 0 &&
         s.queues.size() == 0 && s.held.size() == 0 && s.sacked.size() == 0 && world_->heap.outstanding() == 0;
}

void TestConnection::trace(const char* direction, const std::string& line) {
  trace_ += time_text(now_ - start_) + " " + direction + " " + line + "   // " + std::string{to_string(state())} + "\n";
  if (trace_.size() > kMostTrace) trace_.erase(0, trace_.find('\n', kMostTrace / 2) + 1);
}

// --- Opening ---

Opening TestConnection::opening() const {
  return {.iss = kIss, .timestamp_offset = given_.timestamp_offset, .mss = given_.mss};
}

void TestConnection::user_opens() {
  Env e = env();
  world_->tcb->open_active(key_of(given_.ipv6), opening(), given_.options, e);
  settle();
}

void TestConnection::peer_opens(const SegmentSpec& its_syn) {
  Packet packet = world_->heap.lend(kHeaders + its_syn.text_.size());
  const Segment segment = segment_of(its_syn, packet.bytes().subspan(kHeaders));
  note_peer_segment(segment);
  Env e = env();
  world_->tcb->open_passive(key_of(given_.ipv6), segment, opening(), given_.options, e);
  settle();
}

SegmentSpec TestConnection::peer_syn() const {
  SegmentSpec spec = syn();
  spec.wnd_ = given_.peer.wnd;
  spec.mss_ = given_.peer.mss;
  spec.wscale_ = given_.peer.wscale;
  spec.sack_permitted_ = given_.peer.sack_permitted;
  if (given_.peer.ts) spec.ts_ = Timestamps{peer_clock(), last_tsval()};
  return spec;
}

std::uint32_t TestConnection::peer_clock() const {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now_ - start_).count();
  return given_.peer.ts.value_or(0) + static_cast<std::uint32_t>(ms);
}

// --- Verbs ---

Segment TestConnection::segment_of(const SegmentSpec& spec, std::span<std::byte> text) const {
  std::memcpy(text.data(), spec.text_.data(), spec.text_.size());
  Segment segment;
  segment.seq = kIrs + static_cast<std::uint32_t>(spec.seq_);
  segment.flags = spec.flags_;
  if (spec.flags_.ack) segment.ack = kIss + static_cast<std::uint32_t>(spec.ack_);
  segment.wnd = spec.wnd_.value_or(given_.peer.wnd);
  segment.up = spec.urg_;
  segment.ecn = spec.ecn_;
  segment.options.mss = spec.mss_;
  segment.options.wind_shift = spec.wscale_;
  segment.options.sack_permitted = spec.sack_permitted_;
  segment.options.ts = spec.ts_;
  if (spec.sack_) {
    for (const auto& [left, right] : *spec.sack_) {
      segment.options.sack.blocks.at(segment.options.sack.count++) = {kIss + static_cast<std::uint32_t>(left),
                                                                      kIss + static_cast<std::uint32_t>(right)};
    }
  }
  if (!spec.ts_ && !spec.no_ts_ && tcb().timestamps()) segment.options.ts = Timestamps{peer_clock(), last_tsval()};
  segment.text = text;
  return segment;
}

void TestConnection::note_peer_segment(const Segment& segment) {
  Sent as_seen;
  as_seen.seq = relative(segment.seq, kIrs);
  if (segment.flags.ack) as_seen.ack = relative(segment.ack, kIss);
  as_seen.wnd = segment.wnd;
  as_seen.up = segment.up;
  as_seen.flags = segment.flags;
  as_seen.options = segment.options;
  as_seen.text.assign(segment.text.size(), ' ');
  trace("<", to_string(as_seen));
  const std::uint32_t wnd = segment.flags.syn ? segment.wnd : std::uint32_t{segment.wnd} << tcb().snd_shift();
  if (!segment.flags.rst) peer_edge_ = std::max(peer_edge_, std::max<std::int64_t>(1, as_seen.ack) + wnd);
}

Verdict TestConnection::arrives(const SegmentSpec& spec) {
  Packet packet = world_->heap.lend(kHeaders + spec.text_.size());
  const Segment segment = segment_of(spec, packet.bytes().subspan(kHeaders));
  note_peer_segment(segment);
  Arrival arrival{.segment = segment, .packet = packet, .fresh = {}};
  Env e = env();
  const Verdict verdict = world_->tcb->segment_arrives(arrival, e);
  EXPECT_NE(verdict, Verdict::kContinue);
  if (!arrival.fresh.empty()) give_to_application(arrival.fresh, std::move(packet));
  if (verdict == Verdict::kReset) {
    const ResetReply reply = reset_for(segment);
    Sent sent;
    sent.seq = relative(reply.seq, reply.with_ack ? SeqNum{} : kIss);
    if (reply.with_ack) sent.ack = relative(reply.ack, kIrs);
    sent.flags.rst = true;
    sent.flags.ack = reply.with_ack;
    sent.at = now_;
    trace(">", to_string(sent));
    sent_.push_back(sent);
    if (segment.flags.rst) ADD_FAILURE() << "a RST answered with a RST";
  }
  return verdict;
}

void TestConnection::give_to_application(std::span<std::byte> fresh, Packet&& packet) {
  if (reads_) {
    received_.append(reinterpret_cast<const char*>(fresh.data()), fresh.size());
    return;
  }
  Env e = env();
  world_->tcb->keep(fresh, std::move(packet), e);
}

Verdict TestConnection::peer_sends(const SegmentSpec& spec) {
  answering_rst_ = spec.flags_.rst;
  const Verdict verdict = arrives(spec);
  settle();
  answering_rst_ = false;
  return verdict;
}

void TestConnection::peer_sends_burst(const std::vector<SegmentSpec>& specs) {
  for (const SegmentSpec& spec : specs) arrives(spec);
  settle();
}

Expected<std::uint32_t, UserError> TestConnection::user_tries_to_send(std::string_view text) {
  Env e = env();
  const auto taken = world_->tcb->send(std::as_bytes(std::span{text}), e);
  if (taken) stream_ += text.substr(0, *taken);
  settle();
  return taken;
}

std::uint32_t TestConnection::user_sends(std::string_view text) {
  const auto taken = user_tries_to_send(text);
  EXPECT_TRUE(taken.has_value()) << "SEND refused";
  return taken.value_or(0);
}

std::uint32_t TestConnection::user_sends_urgent(std::string_view text) {
  Env e = env();
  const auto taken = world_->tcb->send_urgent(std::as_bytes(std::span{text}), e);
  EXPECT_TRUE(taken.has_value()) << "SEND refused";
  if (taken) stream_ += text.substr(0, *taken);
  settle();
  return taken.value_or(0);
}

std::uint32_t TestConnection::user_sends_reference(std::string_view text) {
  Env e = env();
  const auto taken = world_->tcb->send_reference(std::as_bytes(std::span{text}), e);
  EXPECT_TRUE(taken.has_value()) << "SEND refused";
  if (taken) stream_ += text.substr(0, *taken);
  settle();
  return taken.value_or(0);
}

void TestConnection::user_closes() {
  Env e = env();
  world_->tcb->close(0, e);
  settle();
}

Expected<void, UserError> TestConnection::user_shuts_down() {
  Env e = env();
  const auto done = world_->tcb->shutdown(e);
  settle();
  return done;
}

void TestConnection::user_aborts() {
  Env e = env();
  world_->tcb->abort(e);
  settle();
}

void TestConnection::user_sets_nodelay(bool on) {
  world_->tcb->set_nodelay(on);
  settle();
}

void TestConnection::user_sets_keep_alive(const KeepAlive& keep_alive) {
  Env e = env();
  world_->tcb->set_keep_alive(keep_alive, e);
  settle();
}

void TestConnection::user_sets_timeout(Duration timeout) {
  world_->tcb->set_user_timeout(timeout);
  settle();
}

void TestConnection::icmp_error(IcmpError error, std::int64_t quoted_seq) {
  Env e = env();
  world_->tcb->icmp_error(error, kIss + static_cast<std::uint32_t>(quoted_seq), e);
  settle();
}

bool TestConnection::packet_too_big(std::int64_t quoted_seq, std::uint32_t mtu, std::uint32_t size) {
  Env e = env();
  const bool believed = world_->tcb->packet_too_big(kIss + static_cast<std::uint32_t>(quoted_seq), mtu, size, e);
  settle();
  return believed;
}

std::string TestConnection::read(std::size_t n) {
  std::string text;
  Env e = env();
  while (text.size() < n) {
    const std::span<const std::byte> lies_there = world_->tcb->readable(e);
    if (lies_there.empty()) break;
    const std::size_t size = std::min(lies_there.size(), n - text.size());
    text.append(reinterpret_cast<const char*>(lies_there.data()), size);
    world_->tcb->consume(static_cast<std::uint32_t>(size), e);
  }
  received_ += text;
  settle();
  return text;
}

TestConnection& TestConnection::application_reads(bool on) {
  reads_ = on;
  if (on) settle();
  return *this;
}

std::optional<Duration> TestConnection::next_deadline() const {
  const std::optional<Instant> next = tcb().next_deadline(now_);
  if (!next) return std::nullopt;
  return *next - now_;
}

void TestConnection::sleep_until_time_out() {
  const std::uint64_t before = counters().rto_fired;
  for (Duration waited{}; counters().rto_fired == before; waited += 1ms) {
    ASSERT_LT(waited, 1h) << "no time-out";
    sent_.clear();
    sleep(1ms);
  }
}

void TestConnection::sleep(Duration duration) {
  const Instant until = now_ + duration;
  int at_one_instant = 0;
  while (const std::optional<Instant> next = tcb().next_deadline(now_)) {
    if (*next > until) break;
    at_one_instant = *next > now_ ? 0 : at_one_instant + 1;
    ASSERT_LT(at_one_instant, 100) << "a timer that is due again and again\n" << trace_;
    now_ = std::max(now_, *next);
    Env e = env();
    world_->tcb->timers_due(e);
    settle();
  }
  now_ = until;
}

// --- After each verb ---

void TestConnection::settle() {
  if (reads_) read_all();
  note_events();
  transmit_all();
  note_events();
  EXPECT_TRUE(tcb().invariants_hold(env())) << trace_;
}

void TestConnection::read_all() {
  Env e = env();
  for (std::span<const std::byte> text = world_->tcb->readable(e); !text.empty(); text = world_->tcb->readable(e)) {
    received_.append(reinterpret_cast<const char*>(text.data()), text.size());
    world_->tcb->consume(static_cast<std::uint32_t>(text.size()), e);
  }
}

void TestConnection::note_events() {
  if (!world_->tcb->has_events()) return;
  const Events e = world_->tcb->poll_events();
  events_.opened |= e.opened;
  events_.eof |= e.eof;
  events_.writable |= e.writable;
  events_.urgent |= e.urgent;
  events_.soft_error |= e.soft_error;
  events_.closed |= e.closed;
  urgent_events_ += e.urgent ? 1 : 0;
  eof_events_ += e.eof ? 1 : 0;
  closed_events_ += e.closed ? 1 : 0;
  EXPECT_LE(eof_events_, 1);
  EXPECT_LE(closed_events_, 1);
}

void TestConnection::transmit_all() {
  if (!tcb().wants_to_transmit()) return;  // as the shard does: what is not marked is not asked
  Env e = env();
  for (int turns = 0; const std::optional<Outgoing> out = world_->tcb->poll_transmit(0, e); ++turns) {
    ASSERT_LT(turns, 10'000) << "output without end\n" << trace_;
    Sent sent;
    sent.seq = relative(out->seq, kIss);
    if (out->flags.ack) sent.ack = relative(out->ack, kIrs);
    sent.wnd = out->wnd;
    sent.up = out->up;
    sent.flags = out->flags;
    sent.ecn = out->ecn;
    sent.options = out->options;
    sent.text.resize(out->text_size);
    sent.at = now_;
    if (out->text_size > 0) world_->tcb->copy_text(*out, std::as_writable_bytes(std::span{sent.text}), e);
    trace(">", to_string(sent));
    check_sent(sent);
    sent_.push_back(std::move(sent));
  }
}

// --- What must hold of every segment that we send ---

void TestConnection::check_sent(const Sent& sent) {
  SCOPED_TRACE(to_string(sent));
  check_ecn(sent);
  check_options(sent);
  if (sent.flags.rst) {
    EXPECT_FALSE(answering_rst_) << "a RST answered with a RST";
    EXPECT_TRUE(sent.text.empty());
    return;
  }
  check_text(sent);
  if (!sent.flags.ack) {
    EXPECT_TRUE(sent.flags.syn) << "only the first SYN and a RST have no ACK";
    return;
  }
  EXPECT_GE(sent.ack, highest_ack_.value_or(sent.ack)) << "the ACK number decreased";
  highest_ack_ = sent.ack;
  if (state() != State::kTimeWait) our_shift_ = tcb().rcv_shift();
  const std::int64_t edge = sent.ack + (std::int64_t{sent.wnd} << (sent.flags.syn ? 0 : our_shift_));
  EXPECT_GE(edge, our_edge_.value_or(edge)) << "the window's right edge moved left (SHLD-14)";
  our_edge_ = edge;
}

// RFC 3168, 6.1.1 and 6.1.4 to 6.1.6.
void TestConnection::check_ecn(const Sent& sent) {
  if (!sent.flags.syn && !tcb().ecn()) {
    EXPECT_FALSE(sent.flags.cwr) << "ECN was not negotiated";
    // Where only we have said no, and not the first time, marks are echoed all the same (6.1.1).
    EXPECT_TRUE(!sent.flags.ece || counters().ce_marks_received > 0) << "ECN was not negotiated";
  }
  const bool new_text = !sent.text.empty() && sent.seq >= text_end_;
  EXPECT_EQ(sent.ecn, tcb().ecn() && new_text ? Ecn::kEct0 : Ecn::kNotEct);
  EXPECT_TRUE(new_text || sent.flags.syn || !sent.flags.cwr) << "CWR without new text";
  text_end_ = std::max(text_end_, sent.seq + static_cast<std::int64_t>(sent.text.size()));
}

void TestConnection::check_text(const Sent& sent) {
  const auto size = static_cast<std::int64_t>(sent.text.size());
  if (size != 0) {
    const bool in_stream = sent.seq >= 1 && sent.seq - 1 + size <= static_cast<std::int64_t>(stream_.size());
    EXPECT_TRUE(in_stream) << "text that the user never gave us";
    if (in_stream) {
      EXPECT_TRUE(stream_.compare(static_cast<std::size_t>(sent.seq - 1), sent.text.size(), sent.text) == 0)
          << "other bytes than the user gave us";
    }
    EXPECT_TRUE(size == 1 || sent.seq + size <= peer_edge_) << "beyond the peer's window, which ends at " << peer_edge_;
  }
  if (sent.flags.fin) {
    EXPECT_EQ(sent.seq + size, static_cast<std::int64_t>(stream_.size()) + 1) << "FIN not behind the last byte";
    fin_at_ = sent.seq + size;
  }
  const bool pure_ack = size == 0 && !sent.flags.fin && !sent.flags.syn;
  if (pure_ack) {  // SND.NXT; one before it in a probe without text
    EXPECT_TRUE(sent.seq == snd_nxt() || sent.seq == snd_nxt() - 1) << "SND.NXT is " << snd_nxt();
  }
  const std::uint16_t peer_mss = std::max<std::uint16_t>(given_.peer.mss.value_or(given_.ipv6 ? 1220 : 536), 48);
  if (!sent.flags.syn) {
    EXPECT_LE(sent.text.size() + options_size(sent.options), peer_mss) << "MUST-16";
  }
}

// MUST-65, MUST-68, MUST-69; RFC 7323, 3.2 and 4.3.
void TestConnection::check_options(const Sent& sent) {
  const TcpOptions& options = sent.options;
  if (!sent.flags.syn) {
    EXPECT_FALSE(options.mss || options.wind_shift || options.sack_permitted) << "belongs in a SYN";
    if (!sent.flags.rst) {
      EXPECT_EQ(options.ts.has_value(), tcb().timestamps()) << "timestamps in all segments or in none";
    }
  }
  if (options.ts) {
    if (last_tsval_) {
      EXPECT_GE(static_cast<std::int32_t>(options.ts->val - *last_tsval_), 0) << "TSval went back";
    }
    last_tsval_ = options.ts->val;
  }
  std::array<std::byte, kMaxTcpOptions> bytes{};
  const std::size_t size = options_size(options);
  ASSERT_LE(size, kMaxTcpOptions);
  EXPECT_EQ(encode_options(bytes.data(), options), size);
  EXPECT_EQ(size % 4, 0u);
  EXPECT_EQ(sack_blocks_sent(options), options.sack.count) << "blocks that do not fit beside the other options";
  EXPECT_TRUE(options.sack.count == 0 || (tcb().sack_permitted() && !sent.flags.syn)) << "SACK without agreement";
  TcpOptions read_back;
  EXPECT_TRUE(decode_options(std::span{bytes}.first(size), sent.flags.syn, read_back));
}

// --- Expectations ---

std::vector<SegmentSpec::Block> TestConnection::blocks_of(const Sent& sent) {
  std::vector<SegmentSpec::Block> blocks;
  for (const SackBlock& block : sent.options.sack.all()) {
    blocks.emplace_back(relative(block.left, kIrs), relative(block.right, kIrs));
  }
  return blocks;
}

std::optional<Sent> TestConnection::take_sent() {
  if (sent_.empty()) return std::nullopt;
  Sent first = std::move(sent_.front());
  sent_.pop_front();
  return first;
}

std::deque<Sent> TestConnection::take_all_sent() { return std::exchange(sent_, {}); }

Sent TestConnection::expect_sent(const SegmentSpec& spec, std::source_location where) {
  const ::testing::ScopedTrace from(where.file_name(), static_cast<int>(where.line()), "expect_sent");
  Sent wanted;
  wanted.seq = spec.seq_;
  wanted.ack = spec.ack_;
  wanted.flags = spec.flags_;
  wanted.text = spec.text_;
  const std::optional<Sent> sent = take_sent();
  if (!sent) {
    ADD_FAILURE() << "nothing was sent; expected\n  " << to_string(wanted);
    return wanted;
  }
  TcpFlags flags = sent->flags;
  if (!spec.exact_psh_) flags.psh = wanted.flags.psh;
  const bool same =
      sent->seq == wanted.seq && sent->ack == wanted.ack && flags == wanted.flags && sent->text == wanted.text &&
      (!spec.wnd_ || *spec.wnd_ == sent->wnd) && (!wanted.flags.urg || spec.urg_ == sent->up) &&
      (!spec.ts_ || spec.ts_ == sent->options.ts) && (!spec.no_ts_ || !sent->options.ts) &&
      (!spec.mss_ || spec.mss_ == sent->options.mss) && (!spec.wscale_ || spec.wscale_ == sent->options.wind_shift) &&
      (!spec.sack_permitted_ || sent->options.sack_permitted) && (!spec.sack_ || *spec.sack_ == blocks_of(*sent));
  if (!same) {
    wanted.wnd = spec.wnd_.value_or(sent->wnd);
    wanted.up = spec.urg_;
    wanted.options = {.mss = spec.mss_,
                      .wind_shift = spec.wscale_,
                      .sack_permitted = spec.sack_permitted_,
                      .ts = spec.ts_,
                      .sack = {}};
    ADD_FAILURE() << "expected\n  " << to_string(wanted) << (spec.sack_ ? blocks_text(*spec.sack_) : "") << "\nsent\n  "
                  << to_string(*sent) << blocks_text(blocks_of(*sent));
  }
  return *sent;
}

void TestConnection::expect_nothing_sent(std::source_location where) {
  const ::testing::ScopedTrace from(where.file_name(), static_cast<int>(where.line()), "expect_nothing_sent");
  for (const Sent& sent : take_all_sent()) ADD_FAILURE() << "sent\n  " << to_string(sent);
}

Events TestConnection::events() { return std::exchange(events_, {}); }

// --- States ---

TestConnection closed(const Conditions& given) { return TestConnection{given}; }

TestConnection syn_sent(Conditions given) {
  given.active = true;
  TestConnection c{given};
  c.user_opens();
  c.expect_sent(syn());
  EXPECT_EQ(c.state(), State::kSynSent);
  return c;
}

TestConnection syn_received(const Conditions& given) {
  TestConnection c{given};
  c.peer_opens(c.peer_syn());
  c.expect_sent(syn().ack(1));
  EXPECT_EQ(c.state(), State::kSynReceived);
  return c;
}

TestConnection syn_received_active(Conditions given) {
  TestConnection c = syn_sent(std::move(given));
  c.peer_sends(c.peer_syn());
  c.expect_sent(syn().ack(1));
  EXPECT_EQ(c.state(), State::kSynReceived);
  return c;
}

TestConnection established(const Conditions& given) {
  TestConnection c = given.active ? syn_sent(given) : syn_received(given);
  c.sleep(given.rtt);
  if (given.active) {
    c.peer_sends(c.peer_syn().ack(1));
    c.expect_sent(ack(1).seq(1));
  } else {
    c.peer_sends(ack(1));
  }
  c.expect_nothing_sent();
  EXPECT_EQ(c.state(), State::kEstablished);
  EXPECT_TRUE(c.events().opened);
  return c;
}

TestConnection fin_wait_1(const Conditions& given) {
  TestConnection c = established(given);
  EXPECT_TRUE(c.user_shuts_down().has_value());
  c.expect_sent(fin().seq(1).ack(1));
  EXPECT_EQ(c.state(), State::kFinWait1);
  return c;
}

TestConnection fin_wait_2(const Conditions& given) {
  TestConnection c = fin_wait_1(given);
  c.peer_sends(ack(2));
  c.expect_nothing_sent();
  EXPECT_EQ(c.state(), State::kFinWait2);
  return c;
}

TestConnection close_wait(const Conditions& given) {
  TestConnection c = established(given);
  c.peer_sends(fin().seq(1).ack(1));
  c.expect_sent(ack(2).seq(1));
  EXPECT_EQ(c.state(), State::kCloseWait);
  return c;
}

TestConnection closing(const Conditions& given) {
  TestConnection c = fin_wait_1(given);
  c.peer_sends(fin().seq(1).ack(1));
  c.expect_sent(ack(2).seq(2));
  EXPECT_EQ(c.state(), State::kClosing);
  return c;
}

TestConnection last_ack(const Conditions& given) {
  TestConnection c = close_wait(given);
  EXPECT_TRUE(c.user_shuts_down().has_value());
  c.expect_sent(fin().seq(1).ack(2));
  EXPECT_EQ(c.state(), State::kLastAck);
  return c;
}

TestConnection time_wait(const Conditions& given) {
  TestConnection c = fin_wait_2(given);
  c.peer_sends(fin().seq(1).ack(2));
  c.expect_sent(ack(2).seq(2));
  EXPECT_EQ(c.state(), State::kTimeWait);
  return c;
}

}  // namespace test
}  // namespace pollux::tcp
