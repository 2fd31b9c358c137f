#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../wire/frames.h"
#include "base/packet.h"
#include "device/device.h"
#include "shard/shard.h"
#include "wire/segment.h"
#include "wire/tcp_options.h"

// A shard with real frames going in and out, in virtual time. Sequence numbers of the
// peer begin at 2^32 - 2, so that every test crosses the wrap.

namespace pollux::test {

inline constexpr unsigned kFin = 0x01, kSyn = 0x02, kRst = 0x04, kPsh = 0x08, kAck = 0x10, kUrg = 0x20;

// A frame that the shard sent, read back.
struct Sent {
  Bytes bytes{};
  TxOffload offload{};
  Instant at{};
  ParsedFrame frame{};  // views are into `bytes`; key.local is the peer's end

  const Segment& segment() const { return frame.segment; }
  std::string text() const { return as_string(frame.segment.text); }
};

// "SA", "R", "FA" ...: the notation of the table of what Linux answers. PSH is left out.
std::string letters(const TcpFlags& flags);
std::string letters(const std::deque<Sent>& frames);  // "A,A", or "silence"

// Takes frames; keeps them.
class TestDevice {
 public:
  explicit TestDevice(const DeviceFeatures& features) : features_{features} {}
  TestDevice(TestDevice&&) = default;
  ~TestDevice() { EXPECT_EQ(out_, 0) << "frames neither sent nor discarded"; }

  const DeviceFeatures& features() const { return features_; }
  std::size_t tx_room() const { return room; }
  TxFrame allocate(std::uint32_t size);
  void send(TxFrame frame, std::uint32_t size, const TxOffload& offload);
  void discard(TxFrame frame);
  void flush() {}

  std::deque<std::pair<Bytes, TxOffload>> sent;
  std::size_t room = SIZE_MAX;
  bool no_memory = false;
  std::uint32_t largest = UINT32_MAX;  // of larger frames it has none left
  std::uint32_t buffer_size = 0;       // 0: exactly what is asked for

 private:
  DeviceFeatures features_;
  int out_ = 0;
};

// Writes down what it is told; behaves as the hooks say.
class TestApp {
 public:
  struct Seen {
    FlowKey key{};
    std::string text{};
    int opened = 0;
    int eof = 0;
    int writable = 0;
    int urgent = 0;
    int closed = 0;
    int soft_errors = 0;
    tcp::Reason soft_error = tcp::Reason::kNone;
    tcp::Reason reason = tcp::Reason::kNone;
  };

  void on_open(Conn conn);
  std::size_t on_text(Conn conn, std::span<const std::byte> text);
  void on_eof(Conn conn);
  void on_writable(Conn conn);
  void on_urgent(Conn conn);
  void on_soft_error(Conn conn, tcp::Reason reason);
  void on_closed(Conn conn, tcp::Reason reason);

  Seen& seen(ConnId id) { return all_[{id.index, id.generation}]; }
  // That of the latest connection.
  Seen& last() { return seen(latest); }
  int opened() const { return opened_; }

  ConnId latest{};
  std::function<void(Conn)> when_open{};
  std::function<std::size_t(Conn, std::span<const std::byte>)> when_text{};
  std::function<void(Conn)> when_eof{};
  std::function<void(Conn)> when_urgent{};

 private:
  Seen& note(Conn conn);
  std::map<std::pair<std::uint32_t, std::uint32_t>, Seen> all_;
  int opened_ = 0;
};

// Small tables, so that each can be filled.
ShardConfig small_config();

class TestShard {
 public:
  struct Given {
    bool v6 = false;
    ShardConfig config = small_config();
    DeviceFeatures features{};
    bool neighbour_known = true;  // the peer's address need not be asked for
  };

  explicit TestShard(const Given& given);
  // Checks that no packet is kept that no connection holds, and that every frame was counted.
  ~TestShard();
  TestShard(const TestShard&) = delete;
  TestShard& operator=(const TestShard&) = delete;

  // --- Frames to the shard. Each call is a burst, and a turn: output follows. ---
  void receive(const Bytes& frame) { receive(std::vector<Bytes>{frame}); }
  void receive(const std::vector<Bytes>& frames);
  void receive(const TestTcp& segment) { receive(frame(segment)); }
  // Input alone, for output to be looked at later: turn().
  void only_receive(const std::vector<Bytes>& frames);
  void turn();

  Bytes frame(const TestTcp& segment) const;
  Bytes frame(const TestTcp& segment, const Ends& ends) const;
  Ends ends() const { return given_.v6 ? v6_ends() : Ends{}; }
  IpAddress own() const { return ends().destination; }
  IpAddress peer() const { return ends().source; }

  // Timers are served exactly when they are due.
  void sleep(Duration duration);

  // --- What came out ---
  std::optional<Sent> take();
  Sent expect(std::string_view flags);  // the next frame: TCP with just these bits
  std::deque<Sent> take_all();
  void expect_silence() { EXPECT_EQ(letters(take_all()), "silence"); }

  std::uint16_t listen(std::uint16_t port = 80) {
    return listen(ListenSpec{.address = {}, .port = port, .options = {}});
  }
  std::uint16_t listen(const ListenSpec& spec) { return shard.listen(spec).value(); }
  std::uint32_t connections() const { return shard.core().connections(); }
  const ShardCounters& counters() const { return shard.core().counters(); }
  const tcp::Counters& tcp_counters() const { return shard.core().tcp_counters(); }
  std::uint64_t wire_drops(WireDrop drop) const { return counters().wire_drops[static_cast<std::size_t>(drop)]; }
  std::uint64_t verdicts(tcp::Verdict v) const { return tcp_counters().verdicts[static_cast<std::size_t>(v)]; }
  std::uint64_t in_state(tcp::State s) const { return shard.core().gauges().states[static_cast<std::size_t>(s)]; }
  std::size_t packets_held() const { return heap_.outstanding(); }
  bool v6() const { return given_.v6; }

  // Every frame that came in is accepted or stands in one reason to drop it, and every
  // segment that reached TCP in one verdict or one counter of refusals.
  void check_every_frame_counted() const;

 private:
  // Lends the bytes of arriving packets from the heap, in exactly their size.
  class Heap final : public PacketOwner {
   public:
    ~Heap() = default;
    Packet lend(const Bytes& bytes);
    void take_back(void* handle) override;
    std::size_t outstanding() const { return out_.size(); }

   private:
    std::set<void*> out_;
  };

  Given given_;
  Heap heap_;

 public:
  std::uint64_t refused_connects = 0;  // for want of room: the counter is that of refused segments too
  std::uint64_t counted_twice = 0;     // a verdict and a refusal: kReopen without room
  Instant now{1'000'000s};
  TestApp app;
  TestDevice device;
  Shard<TestApp> shard;

 private:
  bool is_good_control(const Bytes& bytes) const;

  std::uint64_t frames_in_ = 0;
  std::uint64_t control_in_ = 0;
  std::deque<Sent> sent_;
};

// The peer's end of one TCP connection.
class Peer {
 public:
  explicit Peer(TestShard& world, std::uint16_t port = 40112, std::uint16_t to = 80)
      : world_{&world}, port_{port}, to_{to} {}

  // An own segment, in order, with the window and options of the connection.
  TestTcp segment(unsigned flags, std::string_view text = {}) const;
  // Sends it; SEG.LEN is added to seq.
  void sends(unsigned flags, std::string_view text = {});

  // From LISTEN to ESTABLISHED. False: no SYN-ACK, or no connection.
  bool sends_syn();
  bool opens();
  // The shard's SYN is `syn`: to ESTABLISHED.
  void accepts(const Sent& syn);
  // From ESTABLISHED to our TIME-WAIT: the application closes first.
  void reaches_time_wait();
  // Its FIN first: both ends are done, and no TIME-WAIT stays.
  void closes_first();

  std::uint16_t port() const { return port_; }
  FlowKey key() const { return {world_->own(), world_->peer(), to_, port_}; }  // as the shard sees it

  std::uint32_t seq = 0xfffffffe;  // next to be sent
  std::uint32_t ack = 0;           // next expected
  std::uint32_t their_iss = 0;
  std::optional<std::uint32_t> tsval{};
  std::uint32_t tsecr = 0;
  std::uint16_t mss = 1460;
  unsigned wnd = 65535;
  ConnId id{};

 private:
  void note(const Sent& sent);
  TestShard* world_;
  std::uint16_t port_;
  std::uint16_t to_;
};

// Tests that run over both families.
class ShardOf : public testing::TestWithParam<bool> {
 protected:
  static TestShard::Given given() { return {.v6 = GetParam()}; }
};
#define POLLUX_BOTH_FAMILIES(suite)                            \
  INSTANTIATE_TEST_SUITE_P(V4, suite, testing::Values(false)); \
  INSTANTIATE_TEST_SUITE_P(V6, suite, testing::Values(true))

// What an ICMP error quotes of a segment, as if that had had this number.
Bytes quoted(const TestShard& world, const Sent& sent, std::uint32_t seq);
// From a router on the way.
Bytes icmp_error(const TestShard& world, unsigned type, unsigned code, const Bytes& quote, std::uint32_t word = 0);
Bytes mss_option(unsigned mss);
Bytes timestamps_option(std::uint32_t val, std::uint32_t ecr);

}  // namespace pollux::test
