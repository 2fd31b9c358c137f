#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "runtime/worker.h"
#include "shard/shard.h"

namespace pollux::runtime {

inline constexpr std::uint16_t kEchoPort = 7;

// Sends back what it gets; closes when the peer has.
struct EchoServer {
  std::uint64_t opened = 0;
  std::uint64_t closed = 0;
  std::uint64_t echoed = 0;

  void on_open(Conn) { ++opened; }
  std::size_t on_text(Conn conn, std::span<const std::byte> text) {
    echoed += text.size();
    return conn.send(text).value_or(0);
  }
  void on_eof(Conn conn) { conn.close(); }
  void on_writable(Conn) {}
  void on_urgent(Conn) {}
  void on_closed(Conn, tcp::Reason) { ++closed; }
};

// Opens `total` connections, at most `at_once` at a time; each sends a text of its own
// and closes when that has come back.
struct EchoClient {
  static constexpr std::size_t kSize = 200;

  IpAddress server;
  std::uint32_t total = 0;
  std::uint32_t at_once = 1;

  std::uint32_t started = 0;
  std::uint32_t refused = 0;  // connect() said no
  std::uint32_t done = 0;     // the whole text came back
  std::uint32_t wrong = 0;    // another text
  std::uint32_t closed = 0;
  std::uint32_t turns = 0;

  std::uint32_t active() const { return started - closed; }
  bool finished() const { return started == total && closed == total; }

  std::optional<Instant> on_turn(Shard<EchoClient>& shard, Instant now) {
    ++turns;
    while (started < total && active() < at_once) {
      ConnectSpec spec;
      spec.remote = server;
      spec.remote_port = kEchoPort;
      if (!shard.connect(spec, now)) {
        ++refused;
        break;
      }
      ++started;
    }
    return std::nullopt;
  }

  static std::array<std::byte, kSize> text_of(const FlowKey& key) {
    std::array<std::byte, kSize> text;
    for (std::size_t i = 0; i < kSize; ++i) text[i] = static_cast<std::byte>(key.local_port * 31u + i);
    return text;
  }
  void on_open(Conn conn) { static_cast<void>(conn.send(text_of(conn.key()))); }
  std::size_t on_text(Conn conn, std::span<const std::byte> text) {
    const auto expected = text_of(conn.key());
    const std::size_t from = std::min<std::size_t>(conn.user(), kSize);
    const std::size_t n = std::min(text.size(), kSize - from);
    if (n != text.size() || !std::equal(text.begin(), text.end(), expected.begin() + static_cast<std::ptrdiff_t>(from)))
      ++wrong;
    conn.user() += text.size();
    if (conn.user() == kSize) {
      ++done;
      conn.close();
    }
    return text.size();
  }
  void on_eof(Conn conn) { conn.close(); }
  void on_writable(Conn) {}
  void on_urgent(Conn) {}
  void on_closed(Conn, tcp::Reason) { ++closed; }
};

inline ShardConfig small_shard(const char* prefix) {
  ShardConfig config;
  config.addresses = {{*IpPrefix::parse(prefix), 1}};
  config.max_connections = 1024;
  config.max_half_open = 1024;
  config.max_time_wait_v4 = 8192;
  config.max_time_wait_v6 = 1024;
  config.send_blocks = 1024;
  config.held_segments = 1024;
  config.max_destinations = 4;
  return config;
}

}  // namespace pollux::runtime
