#include "two_stacks.h"

#include <algorithm>
#include <cstring>

namespace pollux::test {

std::vector<std::byte> bytes_of(std::string_view text) {
  std::vector<std::byte> bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

std::string read_all(api::Stack& stack, int fd) {
  std::string text;
  std::byte buffer[4096];
  for (auto size = stack.read(fd, buffer); size && *size > 0; size = stack.read(fd, buffer)) {
    text.append(reinterpret_cast<const char*>(buffer), *size);
  }
  return text;
}

ShardConfig TwoStacks::config(std::string_view v4, std::string_view v6, std::uint64_t seed,
                              const Configure& configure) {
  ShardConfig config = api::small_config(seed);
  config.addresses = {{{ip(v4), 24}, 1}, {{ip(v6), 64}, 1}};
  if (configure) configure(config);
  return config;
}

TwoStacks::TwoStacks(std::uint64_t seed, const Configure& configure)
    : client{config("198.18.0.1", "2001:2::1", seed, configure), Instant{1000s}},
      server{config("198.18.0.2", "2001:2::2", seed + 1, configure), Instant{1000s}} {}

void TwoStacks::collect() {
  for (const bool from_client : {true, false}) {
    api::Stack& stack = from_client ? client : server;
    while (auto packet = stack.next_packet()) {
      log.push_back((from_client ? "client " : "server ") +
                    std::to_string((packet->at - Instant{1000s}).count() / 1'000'000) + " " +
                    std::to_string(packet->bytes.size()));
      if (!cut) wire_.push_back({packet->at + kWay, from_client, std::move(packet->bytes)});
    }
  }
}

void TwoStacks::run(Duration duration) {
  const Instant end = client.now() + duration;
  for (;;) {
    collect();
    Instant next = end;
    for (const auto& due : {client.next_deadline(), server.next_deadline()}) {
      if (due) next = std::min(next, std::max(*due, client.now() + 1us));
    }
    if (!wire_.empty()) next = std::min(next, wire_.front().arrives);
    client.advance(next);
    server.advance(next);
    while (!wire_.empty() && wire_.front().arrives <= next) {
      const OnTheWay packet = std::move(wire_.front());
      wire_.pop_front();
      (packet.to_server ? server : client).receive(packet.bytes);
    }
    collect();
    if (next >= end) return;
  }
}

void TwoStacks::connect() {
  listener = *server.open(AF_INET);
  ASSERT_TRUE(server.bind(listener, server_name()));
  ASSERT_TRUE(server.listen(listener, 8));
  connected = *client.open(AF_INET);
  ASSERT_EQ(error_of(client.connect(connected, server_name())), EINPROGRESS);
  run(100ms);
  ASSERT_TRUE(client.connect(connected, server_name()));
  accepted = *server.accept(listener);
}

}  // namespace pollux::test
