#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <ostream>
#include <set>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/packet.h"
#include "tcp/config.h"
#include "tcp/counters.h"
#include "tcp/tcb.h"
#include "tcp/verdict.h"
#include "time/instant.h"
#include "wire/segment.h"

// The language of the tests of one connection.
//
// Numbers are relative, as packetdrill prints them: ours count from ISS, the
// peer's from IRS. Both start at 2^32 - 2, and the clock shortly before its
// milliseconds wrap, so that every test crosses both.

namespace pollux::tcp::test {

// A segment to be sent by the peer, or one that is expected from us.
class SegmentSpec {
 public:
  SegmentSpec& seq(std::int64_t n) { return seq_ = n, *this; }
  SegmentSpec& ack(std::int64_t n) { return flags_.ack = true, ack_ = n, *this; }
  SegmentSpec& wnd(std::uint16_t n) { return wnd_ = n, *this; }
  SegmentSpec& urg(std::uint16_t n) { return flags_.urg = true, urg_ = n, *this; }
  SegmentSpec& ts(std::uint32_t val, std::uint32_t ecr) { return ts_ = Timestamps{val, ecr}, *this; }
  SegmentSpec& no_ts() { return no_ts_ = true, *this; }
  SegmentSpec& mss(std::uint16_t n) { return mss_ = n, *this; }
  SegmentSpec& wscale(std::uint8_t n) { return wscale_ = n, *this; }
  SegmentSpec& sack_permitted() { return sack_permitted_ = true, *this; }
  using Block = std::pair<std::int64_t, std::int64_t>;
  // Of an expected segment: exactly these; {} for none.
  SegmentSpec& sack(std::vector<Block> blocks) { return sack_ = std::move(blocks), *this; }
  SegmentSpec& text(std::string_view t) { return text_ = t, *this; }
  SegmentSpec& fin() { return flags_.fin = true, *this; }
  SegmentSpec& ece() { return flags_.ece = true, *this; }
  SegmentSpec& cwr() { return flags_.cwr = true, *this; }
  SegmentSpec& ce() { return ecn_ = Ecn::kCe, *this; }  // of what the peer sends: marked on its way
  SegmentSpec& psh() { return flags_.psh = true, exact_psh_ = true, *this; }
  // "FP." as packetdrill writes them; the PSH bit is then compared too.
  SegmentSpec& flags(std::string_view letters);

 private:
  friend class TestConnection;
  friend SegmentSpec syn();
  friend SegmentSpec rst();

  std::int64_t seq_ = 1;
  std::int64_t ack_ = 0;
  TcpFlags flags_;
  Ecn ecn_ = Ecn::kNotEct;
  bool exact_psh_ = false;
  std::string text_;
  std::optional<std::uint16_t> wnd_;
  std::uint16_t urg_ = 0;
  std::optional<Timestamps> ts_;
  bool no_ts_ = false;
  std::optional<std::uint16_t> mss_;
  std::optional<std::uint8_t> wscale_;
  bool sack_permitted_ = false;
  std::optional<std::vector<Block>> sack_;
};

// Text; say .ack(n) for an ordinary segment.
SegmentSpec data(std::string_view text);
SegmentSpec data(const char* text);  // without this and the next, std::data would be the better match
SegmentSpec data(std::string text);
SegmentSpec syn();  // seq 0
SegmentSpec fin();
SegmentSpec rst();
SegmentSpec ack(std::int64_t n);
SegmentSpec no_flags();

// A segment that we sent, in relative numbers.
struct Sent {
  std::int64_t seq = 0;
  std::int64_t ack = 0;
  std::uint16_t wnd = 0;
  std::uint16_t up = 0;
  TcpFlags flags;
  Ecn ecn = Ecn::kNotEct;
  TcpOptions options;
  std::string text;
  Instant at;
};
std::string to_string(const Sent& sent);

// What the peer offers in its SYN.
struct PeerSyn {
  std::optional<std::uint16_t> mss = std::uint16_t{1460};
  std::optional<std::uint8_t> wscale{};
  std::optional<std::uint32_t> ts{};  // the first TSval; then a tick is a millisecond
  bool sack_permitted = false;
  std::uint16_t wnd = 65535;
};

// True in the run of all these tests over IPv6 (environment POLLUX_TEST_IPV6).
bool ipv6_by_default();

struct Conditions {
  Config config{.congestion = CongestionControl::kNewReno};  // whose windows are easily told in advance
  Options options{};
  PeerSyn peer{};
  Duration rtt = 100ms;  // of the handshake: seeds the RTO with three times that
  bool active = false;   // we opened
  bool ipv6 = ipv6_by_default();
  bool application_reads = true;
  std::uint16_t mss = 1460;  // what we can receive; over IPv6 as well, so that the same numbers serve
  std::uint32_t timestamp_offset = 0x12345678;
};

class TestConnection {
 public:
  explicit TestConnection(const Conditions& given = {});
  TestConnection(TestConnection&&) = default;
  TestConnection& operator=(TestConnection&&) = delete;
  ~TestConnection();

  // --- Opening ---
  void user_opens();                            // active
  void peer_opens(const SegmentSpec& its_syn);  // passive: a listener gets it
  SegmentSpec peer_syn() const;                 // a SYN with the options of Conditions::peer

  // --- Verbs ---
  Verdict peer_sends(const SegmentSpec& spec);
  // All of them before we may answer: one burst of the device.
  void peer_sends_burst(const std::vector<SegmentSpec>& specs);
  std::uint32_t user_sends(std::string_view text);  // how much was taken
  Expected<std::uint32_t, UserError> user_tries_to_send(std::string_view text);
  std::uint32_t user_sends_urgent(std::string_view text);
  std::uint32_t user_sends_reference(std::string_view text);  // `text` must outlive the connection
  void user_closes();
  Expected<void, UserError> user_shuts_down();
  void user_aborts();
  void user_sets_nodelay(bool on);
  void user_sets_keep_alive(const KeepAlive& keep_alive);
  void user_sets_timeout(Duration timeout);
  void icmp_error(IcmpError error, std::int64_t quoted_seq);
  // Whether it was believed, and news. `size`: of the quoted packet; 0: the router spoiled it.
  bool packet_too_big(std::int64_t quoted_seq, std::uint32_t mtu, std::uint32_t size = 0);
  std::string read(std::size_t n);  // what it took of what is unread
  TestConnection& application_reads(bool on);
  // Timers are served exactly when they are due.
  void sleep(Duration duration);
  // Until the RTO has fired once more; forgets what was sent before that, such as a loss probe.
  void sleep_until_time_out();

  // --- What came out ---
  // Numbers, bits and text; window and options only where `spec` names them.
  Sent expect_sent(const SegmentSpec& spec, std::source_location where = std::source_location::current());
  void expect_nothing_sent(std::source_location where = std::source_location::current());
  std::optional<Sent> take_sent();
  // The SACK blocks of a segment that we sent, in the peer's relative numbers.
  static std::vector<SegmentSpec::Block> blocks_of(const Sent& sent);
  std::deque<Sent> take_all_sent();
  std::size_t sent_count() const { return sent_.size(); }
  const std::string& received() const { return received_; }  // all that the application was given
  Events events();                                           // since the last call
  int urgent_events() const { return urgent_events_; }

  // --- STATUS ---
  State state() const { return tcb().state(); }
  Reason reason() const { return tcb().reason(); }
  const Tcb& tcb() const { return *world_->tcb; }
  const Counters& counters() const { return world_->counters; }
  std::int64_t snd_una() const { return relative(tcb().snd().una, kIss); }
  std::int64_t snd_nxt() const { return relative(tcb().snd().nxt, kIss); }
  std::int64_t rcv_nxt() const { return relative(tcb().rcv().nxt, kIrs); }
  std::int64_t right_edge() const { return relative(tcb().rcv().edge, kIrs); }
  std::uint32_t urgent_ahead() { return world_->tcb->urgent_ahead(0, env()); }
  std::uint32_t unread() { return world_->tcb->unread(env()); }
  std::uint32_t unsent() { return world_->tcb->unsent(env()); }
  std::uint32_t send_room() { return world_->tcb->send_room(env()); }
  std::uint32_t pipe() const { return tcb().pipe(env()); }
  Info info() const { return tcb().info(env()); }
  std::uint64_t delivery_rate() const { return tcb().delivery_rate(env()); }
  Duration rto() const { return tcb().rtt().rto(given_.config); }
  Instant now() const { return now_; }
  std::optional<Duration> next_deadline() const;
  std::uint32_t last_tsval() const { return last_tsval_.value_or(0); }
  std::uint32_t peer_clock() const;  // the peer's TSval now
  bool holds_no_memory() const;
  std::size_t sacked_ranges() const { return world_->stores.sacked.size(); }

  // For record_test.cc: the TCB is replaced by what `make(key, tcb, env)` makes of a new one.
  template <class Make>
  void replace_tcb(Make&& make) {
    auto fresh = std::make_unique<Tcb>();
    Env e = env();
    make(*world_->tcb, *fresh, e);
    world_->tcb.swap(fresh);
    fresh->release(e);
    settle();
  }
  Opening opening() const;
  const Options& options() const { return given_.options; }

  static constexpr SeqNum kIss{0xfffffffe};
  static constexpr SeqNum kIrs{0xfffffffe};

 private:
  // Lends the bytes of arriving packets from the heap and counts what is out.
  class Heap final : public PacketOwner {
   public:
    ~Heap() = default;
    Packet lend(std::size_t size);
    void take_back(void* handle) override;
    std::size_t outstanding() const { return out_.size(); }

   private:
    std::set<void*> out_;
  };

  struct World {
    explicit World(const Config& c);
    Config config;
    Stores stores;
    Counters counters{};
    Heap heap;
    std::unique_ptr<Tcb> tcb = std::make_unique<Tcb>();
  };

  Env env() const {
    return {.now = now_, .config = world_->config, .stores = world_->stores, .counters = world_->counters};
  }
  static std::int64_t relative(SeqNum n, SeqNum base) { return static_cast<std::int32_t>(n.value() - base.value()); }

  Segment segment_of(const SegmentSpec& spec, std::span<std::byte> text) const;
  Verdict arrives(const SegmentSpec& spec);
  void give_to_application(std::span<std::byte> fresh, Packet&& packet);
  void note_peer_segment(const Segment& segment);
  void settle();
  void read_all();
  void transmit_all();
  void note_events();
  void check_sent(const Sent& sent);
  void check_ecn(const Sent& sent);
  void check_text(const Sent& sent);
  void check_options(const Sent& sent);
  void check_reset(const Sent& sent);
  void trace(const char* direction, const std::string& line);

  Conditions given_;
  std::unique_ptr<World> world_;
  Instant now_;
  Instant start_;
  bool reads_ = true;
  bool answering_rst_ = false;  // what is sent now would answer a RST

  std::deque<Sent> sent_;
  std::string stream_;  // all text that the user gave us
  std::string received_;
  Events events_;
  int urgent_events_ = 0;
  int eof_events_ = 0;
  int closed_events_ = 0;

  // For what must hold of every segment we send.
  std::int64_t peer_edge_ = 1;  // right edge of the peer's window, never taken back
  std::optional<std::int64_t> highest_ack_;
  std::uint8_t our_shift_ = 0;  // a TIME-WAIT record has forgotten it
  std::optional<std::int64_t> our_edge_;
  std::optional<std::int64_t> fin_at_;
  std::int64_t text_end_ = 1;  // what was sent so far
  std::optional<std::uint32_t> last_tsval_;
  std::string trace_;  // packetdrill lines, printed when a test fails
};

std::ostream& operator<<(std::ostream& out, const Sent& sent);

// --- Every state, driven from the one before. What the drive sends is checked and taken. ---

TestConnection closed(const Conditions& given = {});
TestConnection syn_sent(Conditions given = {});
TestConnection syn_received(const Conditions& given = {});  // from LISTEN
TestConnection syn_received_active(Conditions given = {});  // by a simultaneous open
TestConnection established(const Conditions& given = {});
TestConnection fin_wait_1(const Conditions& given = {});  // shutdown: the application goes on reading
TestConnection fin_wait_2(const Conditions& given = {});
TestConnection close_wait(const Conditions& given = {});
TestConnection closing(const Conditions& given = {});
TestConnection last_ack(const Conditions& given = {});
TestConnection time_wait(const Conditions& given = {});

// Text in which no two places within a window look alike.
std::string pattern(std::size_t size, std::size_t from = 0);

}  // namespace pollux::tcp::test

namespace pollux::tcp {
void PrintTo(Verdict verdict, std::ostream* out);
void PrintTo(State state, std::ostream* out);
void PrintTo(Reason reason, std::ostream* out);
}  // namespace pollux::tcp
