// LB-11, threats D1 and D2: a million SYNs a second from random addresses, in virtual time, while a thousand real
// clients a second connect; and as many acknowledgments that nobody was asked for.
//
// POLLUX_FLOOD_FRAMES=n: so many SYNs, and so many acknowledgments; ten million for all of it.

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/random.h"
#include "device/loopback_pair.h"
#include "shard/shard.h"

namespace pollux::test {
namespace {

constexpr MacAddress kServerMac{{2, 0, 0, 0, 0, 1}};
constexpr MacAddress kClientMac{{2, 0, 0, 0, 0, 2}};
constexpr std::uint32_t kBacklog = 4096;
constexpr std::uint16_t kPort = 80;
constexpr Duration kTurn = 50us;
constexpr std::uint32_t kForgedPerTurn = 50;   // a million a second
constexpr std::uint32_t kTurnsPerClient = 20;  // a thousand a second

std::uint64_t flood_frames() {
  const char* wanted = std::getenv("POLLUX_FLOOD_FRAMES");
  return wanted == nullptr ? 1'000'000 : std::strtoull(wanted, nullptr, 10);
}

IpAddress address(bool v6, std::uint64_t host) {
  const std::byte raw[16]{std::byte{0x20}, std::byte{1}, std::byte{0}, std::byte{2}};
  return v6 ? IpAddress::v6(raw).plus(host) : IpAddress::v4(0xc6120000u + static_cast<std::uint32_t>(host));
}

ShardConfig config(std::uint8_t host, const MacAddress& mac) {
  ShardConfig c;
  c.addresses = {{{address(false, host), 16}, 1}, {{address(true, host), 64}, 1}};
  c.mac = mac;
  c.keys = {{1, host}, {2, host}, {3, host}, host};
  c.max_connections = 4096;
  c.max_half_open = 4 * kBacklog;
  c.max_time_wait_v4 = c.max_time_wait_v6 = 16384;
  c.send_blocks = 4096;
  c.held_segments = 4096;
  c.pages = Pages::kOrdinary;
  return c;
}

// Says back what it is told. With what became of its connections, on either side.
struct EchoApp {
  void on_open(Conn conn) {
    ++opened;
    if (speaks_first) {
      EXPECT_TRUE(conn.send(std::as_bytes(std::span{"?", 1})));
    }
  }
  std::size_t on_text(Conn conn, std::span<const std::byte> text) {
    ++heard;
    if (speaks_first) {
      conn.close();
    } else {
      EXPECT_TRUE(conn.send(text));
    }
    return text.size();
  }
  void on_eof(Conn conn) { conn.close(); }
  void on_writable(Conn) {}
  void on_urgent(Conn) {}
  void on_closed(Conn, tcp::Reason reason) { finished += reason == tcp::Reason::kFinished ? 1 : 0; }

  bool speaks_first = false;
  std::uint64_t opened = 0;
  std::uint64_t heard = 0;
  std::uint64_t finished = 0;
};

// A server, and a wire on which it hears clients and anybody who forges frames.
class World {
 public:
  explicit World(bool v6) : v6_{v6} {
    client_app_.speaks_first = true;
    EXPECT_TRUE(server_.listen(ListenSpec{.address = {}, .port = kPort, .options = {}, .backlog = kBacklog}));
  }

  // `count` forged segments reach the server.
  void forge(TcpFlags flags, std::uint32_t count) {
    for (; count > 0; --count) {
      const std::uint64_t who = random_();
      const IpAddress remote =
          v6_ ? address(true, 1 + (who >> 16)) : IpAddress::v4(0x0b000000u + static_cast<std::uint32_t>(who >> 40));
      const FlowKey towards_server{remote, address(v6_, 1), static_cast<std::uint16_t>(who | 1), kPort};
      TcpOptions options;
      if (flags.syn) options.mss = 1460;
      if (flags.syn) options.wind_shift = 7;
      if (flags.syn || (who & 0x10000) != 0) options.ts = Timestamps{1, static_cast<std::uint32_t>(random_())};
      const std::uint64_t numbers = random_();
      TcpFrameSpec spec;
      spec.source = kClientMac;
      spec.destination = kServerMac;
      spec.key = &towards_server;
      spec.seq = SeqNum{static_cast<std::uint32_t>(numbers)};
      spec.ack = SeqNum{flags.ack ? static_cast<std::uint32_t>(numbers >> 32) : 0};
      spec.wnd = 65535;
      spec.flags = flags;
      spec.options = &options;
      TxOffload none;
      const TxFrame frame = wire_.left().allocate(1514);
      const std::size_t size = write_tcp_headers(frame.data, spec, 0, none);
      finish_tcp_checksum({frame.data, size}, none);
      wire_.left().send(frame, static_cast<std::uint32_t>(size), none);
    }
    wire_.left().flush();
  }

  void connect() {
    EXPECT_TRUE(client_.connect({.remote = address(v6_, 1), .remote_port = kPort, .local = {}, .options = {}}, now_));
  }

  void turn() {
    now_ += kTurn;
    half_turn(server_, wire_.right());
    half_turn(client_, wire_.left());
    most_half_open_ = std::max(most_half_open_, server_.core().half_open().size());
    most_connections_ = std::max(most_connections_, server_.core().connections());
  }

  const ShardCore& server() const { return server_.core(); }
  const EchoApp& client_app() const { return client_app_; }
  const EchoApp& server_app() const { return server_app_; }
  std::uint32_t most_half_open() const { return most_half_open_; }
  std::uint32_t most_connections() const { return most_connections_; }

 private:
  void half_turn(Shard<EchoApp>& shard, LoopbackPair::End& device) {
    while (const std::size_t n = device.receive(burst_)) {
      const std::span<Packet> received = std::span{burst_}.first(n);
      shard.receive(received, now_);
      device.recycle(received);
    }
    shard.run_timers(now_);
    shard.transmit(device, now_);
  }

  bool v6_;
  Random random_{4987};
  Instant now_{1'000'000s};
  LoopbackPair wire_;
  std::array<Packet, 64> burst_;
  EchoApp server_app_;
  EchoApp client_app_;
  Shard<EchoApp> server_{config(1, kServerMac), server_app_, now_};
  Shard<EchoApp> client_{config(2, kClientMac), client_app_, now_};
  std::uint32_t most_half_open_ = 0;
  std::uint32_t most_connections_ = 0;
};

class SynFlood : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(V4, SynFlood, testing::Values(false));
INSTANTIATE_TEST_SUITE_P(V6, SynFlood, testing::Values(true));

TEST_P(SynFlood, AMillionASecondKeepNobodyOutAndTakeNoMoreThanTheBacklog) {
  World world{GetParam()};
  const std::uint64_t syns = flood_frames();
  const std::uint64_t turns = syns / kForgedPerTurn;
  const std::uint64_t clients = turns / kTurnsPerClient;
  for (std::uint64_t turn = 0; turn < turns; ++turn) {
    if (turn % kTurnsPerClient == 0) world.connect();
    world.forge({.syn = true}, kForgedPerTurn);
    world.turn();
  }
  for (int rest = 0; rest < 100; ++rest) world.turn();

  EXPECT_GE(1000 * world.client_app().finished, 999 * clients) << "of " << clients;
  EXPECT_EQ(world.client_app().heard, world.client_app().finished);
  EXPECT_EQ(world.server_app().opened, world.client_app().opened) << "nobody else was let in";
  EXPECT_LE(world.most_half_open(), kBacklog / 2 + 1) << "where cookies begin";
  EXPECT_LE(world.most_connections(), 16u) << "those of the clients of a few turns";
  const tcp::Counters& c = world.server().tcp_counters();
  EXPECT_GE(c.syn_cookies_sent, syns - kBacklog - c.rto_fired);
  EXPECT_EQ(c.syn_cookies_failed, 0u);
  std::printf("%lu of %lu clients were served; %lu cookies sent, %lu accepted; at most %u half open, %u connections\n",
              world.client_app().finished, clients, c.syn_cookies_sent, c.syn_cookies_accepted, world.most_half_open(),
              world.most_connections());
}

TEST_P(SynFlood, ForgedCookiesAreNotBelieved) {
  World world{GetParam()};
  while (world.server().tcp_counters().syn_cookies_sent < 1000) {
    world.forge({.syn = true}, kForgedPerTurn);
    world.turn();
  }
  const std::uint64_t forged = flood_frames();
  for (std::uint64_t sent = 0; sent < forged; sent += kForgedPerTurn) {
    world.forge({.ack = true}, kForgedPerTurn);
    world.turn();
  }
  const tcp::Counters& c = world.server().tcp_counters();
  EXPECT_LE(c.syn_cookies_accepted, 1u);  // 0.04 are to be expected of ten million
  EXPECT_EQ(c.syn_cookies_accepted + c.syn_cookies_failed, forged);
  EXPECT_EQ(world.server_app().opened, c.syn_cookies_accepted);
}

TEST_P(SynFlood, WithoutCookiesAcknowledgmentsAreNotEvenLookedAt) {
  World world{GetParam()};
  for (int turn = 0; turn < 1000; ++turn) {
    world.forge({.ack = true}, kForgedPerTurn);
    world.turn();
  }
  EXPECT_EQ(world.server().tcp_counters().syn_cookies_failed, 0u);
  EXPECT_EQ(world.server_app().opened, 0u);
}

}  // namespace
}  // namespace pollux::test
