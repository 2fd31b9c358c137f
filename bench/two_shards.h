#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "cycles.h"
#include "direct_link.h"
#include "flows.h"
#include "shard/shard.h"

namespace pollux::bench {

inline constexpr std::string_view kRequest =
    "GET /1k HTTP/1.1\r\nHost: 198.18.0.1\r\nUser-Agent: pollux\r\nAccept: */*\r\n\r\n";
inline constexpr std::string_view kResponse =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\nx";

inline std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span{text}); }

// Who closes first, and so ends in TIME-WAIT.
enum class Closes { kNobody, kServer, kClient };

struct Server {
  Closes closes = Closes::kNobody;
  std::uint64_t answered = 0;

  void on_open(Conn) {}
  std::size_t on_text(Conn conn, std::span<const std::byte> text) {
    ++answered;
    static_cast<void>(conn.send_reference(bytes_of(kResponse)));
    if (closes == Closes::kServer) conn.close();
    return text.size();
  }
  void on_eof(Conn conn) { conn.close(); }
  void on_writable(Conn) {}
  void on_urgent(Conn) {}
  void on_closed(Conn, tcp::Reason) {}
};

struct Client {
  Closes closes = Closes::kNobody;
  std::uint64_t opened = 0;
  std::uint64_t answers = 0;
  std::uint64_t closed = 0;
  std::uint64_t failed = 0;
  std::vector<ConnId>* connections = nullptr;  // where to note them, or nowhere

  void on_open(Conn conn) {
    ++opened;
    if (connections != nullptr) connections->push_back(conn.id());
    static_cast<void>(conn.send_reference(bytes_of(kRequest)));
  }
  std::size_t on_text(Conn conn, std::span<const std::byte> text) {
    ++answers;
    if (closes == Closes::kClient) conn.close();
    return text.size();
  }
  void on_eof(Conn conn) { conn.close(); }
  void on_writable(Conn) {}
  void on_urgent(Conn) {}
  void on_closed(Conn, tcp::Reason reason) {
    ++closed;
    if (reason != tcp::Reason::kFinished) ++failed;
  }
};

// A client and a server, a core's world each, with a DirectLink between them; run in turns in one thread, in virtual
// time. The cycles of either side are counted apart, calls of the application included.
class TwoShards {
 public:
  static constexpr std::size_t kBurst = 32;

  struct Sizes {
    std::uint32_t connections = 4096;
    std::uint32_t time_wait = 65536;
    std::uint16_t server_ports = 1;
    Duration two_msl = 60s;
    bool v6 = false;
    Pages pages = Pages::kTransparent;
  };

  TwoShards(const Sizes& sizes, Closes closes)
      : server_app{closes},
        client_app{closes},
        sizes_{sizes},
        client{config(sizes, 2), client_app, now},
        server{config(sizes, 1), server_app, now} {
    for (std::uint16_t i = 0; i < sizes.server_ports; ++i) {
      ListenSpec listen;
      listen.port = static_cast<std::uint16_t>(kServerPort + i);
      listen.backlog = sizes.connections;
      static_cast<void>(server.listen(listen));
    }
  }

  bool connect() {
    ConnectSpec spec;
    spec.remote = address(sizes_.v6, 1);
    spec.remote_port = static_cast<std::uint16_t>(kServerPort + next_port_++ % sizes_.server_ports);
    return client.connect(spec, now).has_value();
  }

  // `act` is the client's own doing, in its time.
  template <class Act>
  void turn(Duration step, Act&& act) {
    now += step;
    const std::uint64_t start = cycles();
    half_turn(client, link.left(), act);
    const std::uint64_t between = cycles();
    half_turn(server, link.right(), [] {});
    client_cycles += between - start;
    server_cycles += cycles() - between;
  }
  void turn(Duration step) {
    turn(step, [] {});
  }
  // Until nothing is on the way.
  void settle() {
    do {
      turn(10us);
    } while (link.left().waiting() + link.right().waiting() > 0 || client.has_output() || server.has_output());
  }

  void forget_cycles() { client_cycles = server_cycles = 0; }

  static IpAddress address(bool v6, std::uint8_t last) {
    if (!v6) return IpAddress::v4(0xc6120000u + last);
    std::array<std::byte, 16> bytes{std::byte{0x20}, std::byte{0x01}, std::byte{0}, std::byte{2}};
    bytes[15] = std::byte{last};
    return IpAddress::v6(bytes.data());
  }

  static ShardConfig config(const Sizes& sizes, std::uint8_t last) {
    ShardConfig c;
    c.addresses = {{{address(sizes.v6, last), static_cast<std::uint8_t>(sizes.v6 ? 64 : 24)}, 1}};
    c.mac = mac(last);
    c.keys = {{1, last}, {2, last}, {3, last}, last};
    c.max_connections = sizes.connections;
    c.max_half_open = 4096;
    c.max_time_wait_v4 = sizes.v6 ? 0 : sizes.time_wait;
    c.max_time_wait_v6 = sizes.v6 ? sizes.time_wait : 0;
    c.tcp.msl = sizes.two_msl / 2;
    c.max_destinations = sizes.server_ports;
    c.pages = sizes.pages;
    return c;
  }

 private:
  template <class App, class Act>
  void half_turn(Shard<App>& shard, DirectLink::End& device, Act&& act) {
    while (const std::size_t n = device.receive(burst_)) {
      const std::span<Packet> received = std::span{burst_}.first(n);
      shard.receive(received, now);
      device.recycle(received);
      if (n < kBurst) break;
    }
    act();
    shard.run_timers(now);
    shard.transmit(device, now);
  }

 public:
  Instant now{1s};
  std::uint64_t client_cycles = 0;
  std::uint64_t server_cycles = 0;
  DirectLink link;
  Server server_app;
  Client client_app;

 private:
  Sizes sizes_;
  std::uint32_t next_port_ = 0;
  std::array<Packet, kBurst> burst_;

 public:
  Shard<Client> client;
  Shard<Server> server;
};

}  // namespace pollux::bench
