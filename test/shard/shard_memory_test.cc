// Nothing is allocated per packet or per connection after start.

#include <cstdlib>
#include <new>

#include "test_shard.h"

namespace {

std::uint64_t allocations = 0;

// Not inlined: g++ 12 at -O2 would take what std::vector<bool> sets bit by bit for uninitialised.
[[gnu::noinline]] void* counted(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc{};
}

}  // namespace

void* operator new(std::size_t size) { return counted(size); }
void* operator new[](std::size_t size) { return counted(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace pollux::test {
namespace {

// Echoes; keeps what it cannot send at once.
struct EchoApp {
  void on_open(Conn) { ++opened; }
  std::size_t on_text(Conn conn, std::span<const std::byte> text) { return conn.send(text).value_or(0); }
  void on_eof(Conn conn) { conn.close(); }
  void on_writable(Conn) {}
  void on_urgent(Conn) {}
  void on_closed(Conn, tcp::Reason) { ++closed; }
  int opened = 0;
  int closed = 0;
};

struct NoOwner final : PacketOwner {
  ~NoOwner() = default;
  void take_back(void*) override {}
};

// One frame at a time goes from one buffer to another.
struct Buffers {
  std::array<std::byte, 2048> rx{};
  std::array<std::byte, 2048> tx{};
  std::size_t tx_size = 0;
  NoOwner owner{};
};

struct BufferDevice {
  Buffers* buffers;
  DeviceFeatures offered{};
  const DeviceFeatures& features() const { return offered; }
  std::size_t tx_room() const { return buffers->tx_size == 0 ? 1 : 0; }
  TxFrame allocate(std::uint32_t size) { return {buffers->tx.data(), std::max<std::uint32_t>(size, 2048), &buffers}; }
  void send(TxFrame, std::uint32_t size, const TxOffload&) { buffers->tx_size = size; }
  void discard(TxFrame) {}
  void flush() {}
};

struct Line {
  explicit Line(const ShardConfig& config) : shard{config, app, now} {}

  // A frame in; the segment that answers it, if one does.
  std::optional<Segment> exchange(const FlowKey& key, TcpFlags flags, std::uint32_t seq, std::uint32_t ack,
                                  std::size_t text) {
    TcpOptions options;
    if (flags.syn) options.mss = 1460;
    TcpFrameSpec spec;
    spec.source = kPeerMac;
    spec.destination = kOurMac;
    spec.key = &key;
    spec.seq = SeqNum{seq};
    spec.ack = SeqNum{ack};
    spec.wnd = 65535;
    spec.flags = flags;
    spec.options = &options;
    TxOffload none;
    const std::size_t size = write_tcp_headers(buffers.rx.data(), spec, text, none) + text;
    finish_tcp_checksum(std::span{buffers.rx}.first(size), none);
    Packet packet{std::span{buffers.rx}.first(size), 2048, &buffers.owner, &buffers};
    shard.receive({&packet, 1}, now);
    return transmit();
  }

  std::optional<Segment> transmit() {
    buffers.tx_size = 0;
    shard.transmit(device, now);
    if (buffers.tx_size == 0) return std::nullopt;
    if (parse_frame(std::span{buffers.tx}.first(buffers.tx_size), {}, ChecksumWord::kUnknown, ChecksumWord::kUnknown,
                    parsed) != WireDrop::kNone) {
      return std::nullopt;
    }
    return parsed.segment;
  }

  void sleep(Duration duration) {
    now += duration;
    shard.run_timers(now);
    do transmit();
    while (buffers.tx_size != 0);
  }

  Instant now{1'000'000s};
  EchoApp app;
  Buffers buffers;
  BufferDevice device{&buffers};
  ParsedFrame parsed;
  Shard<EchoApp> shard;
};

constexpr TcpFlags kSynFlag{.syn = true};
constexpr TcpFlags kAckFlag{.ack = true};
constexpr TcpFlags kFinFlag{.fin = true, .ack = true};

// Open, echo, close; every frame of it. The reply to the request; nullopt when something was not as it should be.
bool whole_life(Line& line, const FlowKey& from) {
  const auto syn_ack = line.exchange(from, kSynFlag, 100, 0, 0);
  if (!syn_ack || !syn_ack->flags.syn) return false;
  const std::uint32_t iss = syn_ack->seq.value();
  line.exchange(from, kAckFlag, 101, iss + 1, 0);
  const auto early = line.exchange(from, kAckFlag, 201, iss + 1, 100);  // beyond a hole
  if (!early || early->ack.value() != 101) return false;
  const auto echo = line.exchange(from, kAckFlag, 101, iss + 1, 100);
  if (!echo || echo->text.size() < 100) return false;
  std::uint32_t ack = (echo->seq + echo->len()).value();
  if (const auto rest = line.exchange(from, kAckFlag, 301, ack, 0)) ack = (rest->seq + rest->len()).value();
  const auto fin = line.exchange(from, kFinFlag, 301, ack, 0);
  if (!fin || !fin->flags.fin) return false;
  line.exchange(from, kAckFlag, 302, (fin->seq + fin->len()).value(), 0);
  return true;
}

using ShardMemory = ShardOf;
POLLUX_BOTH_FAMILIES(ShardMemory);

TEST_P(ShardMemory, NothingIsAllocatedPerPacketOrConnection) {
  ShardConfig config = small_config();
  Line line{config};
  ASSERT_TRUE(line.shard.listen(ListenSpec{.address = {}, .port = 80, .options = {}}));
  const Ends ends = GetParam() ? v6_ends() : Ends{};
  ASSERT_TRUE(line.shard.core().neighbours().add_static(ends.source, kPeerMac));
  // An active open takes a port from a pool, which the first to a destination makes in memory taken at start.
  const std::uint64_t before = allocations;
  for (unsigned i = 0; i < 1000; ++i) {
    const FlowKey from{ends.source, ends.destination, static_cast<std::uint16_t>(1000 + i), 80};
    ASSERT_TRUE(whole_life(line, from)) << i;
    line.exchange(from, kSynFlag, 500, 0, 0);  // half open, and expires
    line.exchange(from, kAckFlag, 1, 1, 0);    // of no use
    ASSERT_TRUE(line.shard.connect({.remote = ends.source, .remote_port = 443, .local = {}, .options = {}}, line.now));
    line.sleep(30s);
  }
  for (unsigned i = 0; i < 300; ++i) line.sleep(1s);
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(line.app.opened, 1000);
  EXPECT_EQ(line.app.closed, 2000);  // the active opens timed out
  EXPECT_EQ(line.shard.core().connections(), 0u);
}

}  // namespace
}  // namespace pollux::test
