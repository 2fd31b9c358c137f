// Frames into a shard that listens and has connections in many states: frames of those
// connections with fields near what is expected, changed here and there, others with
// whatever the tape has in them; between them time passes and the application acts. What
// comes out must be well-formed, bounded, and every frame in accounted for; when all is over
// nothing may be left.

#include <array>
#include <set>
#include <utility>

#include "device/device.h"
#include "shard/shard.h"
#include "tape.h"

namespace {

using namespace pollux;

constexpr MacAddress kOurs{{2, 0, 0, 0, 0, 1}};
constexpr MacAddress kPeers{{2, 0, 0, 0, 0, 2}};

IpAddress v6(std::uint8_t last) {
  std::byte bytes[16]{std::byte{0x20}, std::byte{1}, std::byte{0}, std::byte{2}};
  bytes[15] = std::byte{last};
  return IpAddress::v6(bytes);
}
IpAddress ours(bool is_v6) { return is_v6 ? v6(2) : IpAddress::v4(0xc6120002); }
IpAddress peers(bool is_v6) { return is_v6 ? v6(1) : IpAddress::v4(0xc6120001); }

struct Heap final : PacketOwner {
  ~Heap() { CHECK(out.empty()); }
  Packet lend(std::span<const std::byte> from) {
    auto* bytes = new std::byte[from.size()];
    std::copy(from.begin(), from.end(), bytes);
    out.insert(bytes);
    return Packet{{bytes, from.size()}, static_cast<std::uint32_t>(from.size() + 128), this, bytes};
  }
  void take_back(void* handle) override {
    CHECK(out.erase(handle) == 1);
    delete[] static_cast<std::byte*>(handle);
  }
  std::set<void*> out;
};

// Checks what is sent: a good frame, which fits the link.
struct Device {
  const DeviceFeatures& features() const { return offered; }
  std::size_t tx_room() const { return room; }
  TxFrame allocate(std::uint32_t size) {
    if (size > bytes.size()) return {};
    return {bytes.data(), size, this};
  }
  void send(TxFrame frame, std::uint32_t size, const TxOffload&) {
    CHECK(size <= frame.capacity);
    const fuzz::Exact exact{std::span{frame.data, size}};
    ParsedFrame parsed;
    CHECK(parse_frame(exact.all(), {}, ChecksumWord::kUnknown, ChecksumWord::kUnknown, parsed) == WireDrop::kNone);
    CHECK(parsed.source == kOurs);
    CHECK(size <= 1514);
    ++sent;
    --room;
    if (parsed.kind == FrameKind::kTcp) {
      last = parsed.segment;
      last_key = {parsed.key.remote, parsed.key.local, parsed.key.remote_port, parsed.key.local_port};
    }
  }
  void discard(TxFrame) {}
  void flush() {}

  DeviceFeatures offered{};
  std::array<std::byte, 2048> bytes{};
  std::size_t room = 0;
  std::uint64_t sent = 0;
  Segment last{};  // without its text
  FlowKey last_key{};
};

// Does in each callback what the tape said at the start.
struct App {
  void act(Conn conn, std::uint8_t choice) {
    static const std::array<std::byte, 3000> text{};
    switch (choice % 8) {
      case 1:
        static_cast<void>(conn.send(std::span{text}.first(choice * 10u)));
        break;
      case 2:
        conn.shutdown();
        break;
      case 3:
        conn.close();
        break;
      case 4:
        if (choice > 200) conn.abort();
        break;
      case 5:
        static_cast<void>(conn.send_reference(text));
        break;
      case 6:
        static_cast<void>(conn.send_urgent(std::span{text}.first(10)));
        break;
      default:
        break;
    }
  }
  void on_open(Conn conn) { act(conn, choices[0]); }
  std::size_t on_text(Conn conn, std::span<const std::byte> text) {
    CHECK(!text.empty());
    act(conn, choices[1]);
    return choices[2] < 128 ? text.size() : choices[2] % (text.size() + 1);
  }
  void on_eof(Conn conn) { act(conn, choices[3]); }
  void on_writable(Conn conn) { act(conn, choices[4]); }
  void on_urgent(Conn conn) {
    static_cast<void>(conn.urgent_ahead());
    act(conn, choices[5]);
  }
  void on_closed(Conn, tcp::Reason reason) { CHECK(reason != tcp::Reason::kNone); }
  std::array<std::uint8_t, 6> choices{};
};

ShardConfig config_of(fuzz::Tape& tape) {
  const std::uint8_t choice = tape.u8();
  ShardConfig config;
  config.addresses = {{{ours(false), 24}, 2}, {{ours(true), 64}, 2}};
  config.mac = kOurs;
  config.keys = {{1, 2}, {3, 4}, {5, 6}, 7};
  config.checksums = ChecksumMode::kTrust;
  config.max_connections = (choice & 1) != 0 ? 16 : 8;
  config.max_half_open = (choice & 2) != 0 ? 8 : 2;
  config.max_time_wait_v4 = config.max_time_wait_v6 = (choice & 4) != 0 ? 16 : 2;
  config.time_wait_full =
      (choice & 8) != 0 ? TimeWaitTable::FullPolicy::kRefuse : TimeWaitTable::FullPolicy::kEvictOldest;
  config.tcp.rst_ends_time_wait = (choice & 16) != 0;
  config.send_blocks = 8;
  config.held_segments = (choice & 32) != 0 ? 64 : 3;
  config.sacked_ranges = (choice & 32) != 0 ? 64 : 2;
  config.first_port = 40000;
  config.last_port = 40007;
  config.max_destinations = 2;
  config.resets_per_second = (choice & 64) != 0 ? 0 : 5;
  config.pages = Pages::kOrdinary;
  return config;
}

class World {
 public:
  explicit World(fuzz::Tape& tape) : tape_{tape}, shard_{config_of(tape), app_, now_} {
    for (std::uint8_t& choice : app_.choices) choice = tape.u8();
    CHECK(shard_.listen(ListenSpec{.address = {}, .port = 80, .options = {}, .backlog = 4}));
    CHECK(shard_.listen(ListenSpec{.address = ours(true),
                                   .port = 80,
                                   .options = {.nodelay = true},
                                   .backlog = 4,
                                   .on_full = BacklogPolicy::kReset}));
    if (tape.coin()) {
      CHECK(shard_.core().neighbours().add_static(peers(false), kPeers));
      CHECK(shard_.core().neighbours().add_static(peers(true), kPeers));
    }
    for (unsigned i = 0; i < 4; ++i) passive(i);
    connect(false);
    connect(true);
  }

  void run() {
    for (int event = 0; event < 400 && !tape_.over(); ++event) {
      switch (tape_.u8() % 8) {
        case 0:
        case 1:
        case 2:
          segment();
          break;
        case 3:
          raw();
          break;
        case 4:
          now_ += std::chrono::milliseconds{tape_.u16()};
          break;
        case 5:
          call();
          break;
        case 6:
          connect(tape_.coin());
          break;
        case 7:
          control();
          break;
      }
      turn(tape_.u8() % 8 == 0 ? tape_.u8() % 4u : 100);
    }
    finish();
  }

 private:
  // A connection that the peer opens: to ESTABLISHED, and half of them further.
  void passive(unsigned i) {
    FlowKey key{ours(i % 2 == 1), peers(i % 2 == 1), 80, static_cast<std::uint16_t>(1000 + i)};
    keys_.push_back(key);
    receive(key, {.syn = true}, 100, 0, 0);
    turn(100);
    receive(key, {.ack = true}, 101, device_.last.seq.value() + 1, 0);
    if (i >= 2) receive(key, {.fin = true, .ack = true}, 101, device_.last.seq.value() + 1, 0);
    turn(100);
  }

  void connect(bool is_v6) {
    const auto id = shard_.connect({.remote = peers(is_v6), .remote_port = 443, .local = {}, .options = {}}, now_);
    if (!id) {
      refused_ += id.error() == ConnectError::kInsufficientResources ? 1 : 0;
      return;
    }
    keys_.push_back(shard_.core().tcb(id->index).key());
  }

  const FlowKey& some_key() {
    return keys_[tape_.below(static_cast<std::uint32_t>(std::min<std::size_t>(keys_.size(), 256)))];
  }

  // The TCB of a flow, if it has one now.
  const tcp::Tcb* tcb_of(const FlowKey& key) {
    const tcp::Tcb* found = nullptr;
    shard_.core().for_each([&](std::uint32_t index) {
      if (shard_.core().tcb(index).key() == key) found = &shard_.core().tcb(index);
    });
    return found;
  }

  void segment() {
    const FlowKey key = some_key();
    const tcp::Tcb* tcb = tcb_of(key);
    std::uint32_t seq = tcb == nullptr ? 102 : tcb->rcv().nxt.value();
    std::uint32_t ack = tcb == nullptr ? device_.last.seq.value() + device_.last.len() : tcb->snd().nxt.value();
    const std::uint8_t off = tape_.u8();
    if ((off & 0x0f) == 1) seq += tape_.u16();
    if ((off & 0x0f) == 2) seq -= tape_.u8();
    if ((off & 0x0f) == 3) seq = tape_.u32();
    if ((off >> 4) == 1) ack += tape_.u8();
    if ((off >> 4) == 2) ack -= tape_.u16();
    if ((off >> 4) == 3) ack = tape_.u32();
    const TcpFlags flags = tape_.coin() ? TcpFlags{.psh = true, .ack = true} : TcpFlags::decode(tape_.u8());
    receive(key, flags, seq, ack, tape_.coin() ? 0 : tape_.u16() % 1400u, true);
  }

  void receive(const FlowKey& key, TcpFlags flags, std::uint32_t seq, std::uint32_t ack, std::size_t text,
               bool changed = false) {
    const FlowKey towards_us{key.remote, key.local, key.remote_port, key.local_port};
    TcpOptions options;
    if (flags.syn) options.mss = 1460;
    TcpFrameSpec spec;
    spec.source = kPeers;
    spec.destination = kOurs;
    spec.key = &towards_us;
    spec.seq = SeqNum{seq};
    spec.ack = SeqNum{ack};
    spec.wnd = changed ? tape_.u16() : 65535;
    spec.flags = flags;
    spec.options = &options;
    std::vector<std::byte> frame(kMaxTcpHeaders + text);
    TxOffload none;
    frame.resize(write_tcp_headers(frame.data(), spec, text, none) + text);
    if (changed) change(frame);
    receive(frame);
  }

  // A few bytes are others, or the end is missing. Checksums are not looked at.
  void change(std::vector<std::byte>& frame) {
    for (std::uint32_t n = tape_.u8() % 4; n > 0; --n) {
      const std::size_t at = tape_.below(static_cast<std::uint32_t>(std::min<std::size_t>(frame.size(), 120)));
      frame[at] = std::byte{tape_.u8()};
    }
    if (tape_.u8() % 16 == 0) frame.resize(tape_.u8() % (frame.size() + 1));
  }

  void raw() {
    const auto bytes = tape_.take(tape_.u8());
    receive({bytes.begin(), bytes.end()});
  }

  // ARP, neighbour discovery, echoes, and errors that quote the last segment sent.
  void control() {
    std::vector<std::byte> frame(kMaxControlFrame);
    const LinkSpec link{kPeers, kOurs, 0};
    const std::uint8_t choice = tape_.u8();
    switch (choice % 5) {
      case 0:
        frame.resize(write_arp_request(frame.data(), link, peers(false), ours(false)));
        break;
      case 1:
        frame.resize(write_arp(frame.data(), link, {ArpOperation::kReply, kPeers, peers(false), kOurs, ours(false)}));
        break;
      case 2:
        frame.resize(write_neighbour_solicitation(frame.data(), link, peers(true), ours(true)));
        break;
      case 3:
        frame.resize(write_unsolicited_advertisement(frame.data(), link, peers(true)));
        break;
      case 4:
        frame = icmp_error();
        break;
    }
    change(frame);
    receive(frame);
  }

  std::vector<std::byte> icmp_error() {
    const FlowKey& key = some_key();
    const bool is_v6 = !key.local.is_v4();
    TcpFrameSpec spec;
    spec.source = kPeers;
    spec.destination = kOurs;
    const tcp::Tcb* tcb = tcb_of(key);
    spec.seq = tcb == nullptr ? SeqNum{tape_.u32()} : tcb->snd().una + tape_.u8() % 4;
    spec.key = &key;
    TxOffload none;
    std::vector<std::byte> quoted(kMaxTcpHeaders);
    quoted.resize(write_tcp_headers(quoted.data(), spec, 0, none));
    // The outer packet: the same headers the other way round, up to IP, and ICMP's own.
    const FlowKey outer{key.remote, key.local, 1, 1};
    spec.key = &outer;
    std::vector<std::byte> frame(kMaxTcpHeaders);
    const std::size_t text = 8 + quoted.size() - 14 - 20;  // less the TCP header that is written and overwritten
    frame.resize(write_tcp_headers(frame.data(), spec, text, none) + text);
    const std::size_t ip = is_v6 ? 40 : 20;
    frame[14 + (is_v6 ? 6 : 9)] = std::byte{static_cast<std::uint8_t>(is_v6 ? 58 : 1)};
    std::fill_n(frame.begin() + static_cast<std::ptrdiff_t>(14 + ip), 8, std::byte{0});
    frame[14 + ip] = std::byte{static_cast<std::uint8_t>(is_v6 ? 1 : 3)};
    frame[14 + ip + 1] = std::byte{tape_.u8()};
    std::copy(quoted.begin() + 14, quoted.end(), frame.begin() + static_cast<std::ptrdiff_t>(14 + ip + 8));
    return frame;
  }

  void receive(const std::vector<std::byte>& frame) {
    Packet packet = heap_.lend(frame);
    shard_.receive({&packet, 1}, now_);
    ++received_;
  }

  void call() {
    const FlowKey key = some_key();
    ConnId id;
    shard_.core().for_each([&](std::uint32_t index) {
      const tcp::Tcb& tcb = shard_.core().tcb(index);
      if (tcb.key() == key) id = {index, tcb.generation};
    });
    const std::uint8_t choice = tape_.u8();
    if (choice < 64) {
      shard_.resume(id, now_);
    } else {
      shard_.with(id, now_, [&](Conn conn) { app_.act(conn, choice); });
    }
  }

  void turn(std::size_t room) {
    shard_.run_timers(now_, 32);
    device_.room = room;
    shard_.transmit(device_, now_);
    account();
  }

  void account() const {
    const ShardCounters& c = shard_.core().counters();
    const tcp::Counters& t = shard_.core().tcp_counters();
    CHECK(c.rx_frames == received_);
    std::uint64_t dropped = c.link_group + c.not_our_address + c.foreign + c.bad_source + c.table_full - refused_;
    for (const std::uint64_t n : c.wire_drops) dropped += n;
    CHECK(t.segments_received + dropped <= received_);
    CHECK(c.tx_frames == device_.sent);
  }

  // Everybody leaves, and nobody comes any more.
  void finish() {
    app_.choices = {};
    shard_.for_each(now_, [](Conn conn) { conn.abort(); });
    for (int i = 0; i < 2000; ++i) {
      turn(1000);
      if (!shard_.core().has_output()) {
        const auto due = shard_.next_due(now_);
        if (!due) break;
        now_ = std::max(now_ + 1us, *due);
      }
    }
    ShardCore& core = shard_.core();
    CHECK(core.connections() == 0);
    CHECK(core.half_open().size() == 0);
    CHECK(core.time_wait().size() == 0);
    CHECK(core.ports().total().in_use == 0 && core.ports().total().in_time_wait == 0);
    CHECK(core.stores().transmissions.size() == 0 && core.stores().queues.size() == 0);
    CHECK(core.stores().held.size() == 0);
    CHECK(core.stores().slices.slices.size() == 0 && core.stores().slices.blocks.size() == 0);
    for (const std::int64_t n : core.tcp_counters().states) CHECK(n == 0);
    CHECK(heap_.out.empty());
  }

  fuzz::Tape& tape_;
  Heap heap_;
  Instant now_{1'000'000s};
  App app_;
  Device device_;
  Shard<App> shard_;
  std::vector<FlowKey> keys_;
  std::uint64_t received_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Tape tape{data, size};
  World world{tape};
  world.run();
  return 0;
}
