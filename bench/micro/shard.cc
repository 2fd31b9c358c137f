// Two shards back to back: what a connection, a request and a segment cost with everything that belongs to them, except
// the device.

#include <memory>
#include <vector>

#include "base/random.h"
#include "cycles.h"
#include "syns.h"
#include "two_shards.h"

namespace pollux::bench {
namespace {

constexpr int kBatches = 400;
constexpr int kTurns = 20;              // in a batch
constexpr std::uint32_t kPerTurn = 10;  // connections opened in a turn: about 32 segments a turn each way

// SYN to TIME-WAIT, with a request and a response: cycles per connection and end.
//
//   closes 1: the server, behind its response (6 segments); 2: the client (7)
//   time_wait: how many connections are in TIME-WAIT meanwhile
void connection(benchmark::State& state) {
  const auto closes = static_cast<Closes>(state.range(0));
  const auto waiting = static_cast<std::uint32_t>(state.range(1));
  TwoShards::Sizes sizes;
  sizes.v6 = state.range(2) != 0;
  sizes.time_wait = 2 * waiting;
  sizes.server_ports = waiting > 20'000 ? 128 : 1;
  const Duration step = 10us;
  sizes.two_msl = step * static_cast<int>(waiting / kPerTurn);
  TwoShards t{sizes, closes};
  std::uint64_t refused = 0;
  const auto open = [&] {
    for (std::uint32_t i = 0; i < kPerTurn; ++i) refused += t.connect() ? 0 : 1;
  };
  for (std::uint32_t i = 0; i < waiting + waiting / 8 + 1000; i += kPerTurn) t.turn(step, open);

  Batches batches{state};
  double client = 1e9;
  double server = 1e9;
  for (auto _ : state) {
    t.forget_cycles();
    for (int i = 0; i < kTurns; ++i) t.turn(step, open);
    batches.add(t.client_cycles + t.server_cycles, 2 * kTurns * kPerTurn);
    client = std::min(client, static_cast<double>(t.client_cycles) / (kTurns * kPerTurn));
    server = std::min(server, static_cast<double>(t.server_cycles) / (kTurns * kPerTurn));
  }
  state.counters["client_min"] = client;
  state.counters["server_min"] = server;
  state.counters["time_wait"] = t.client.core().time_wait().size() + t.server.core().time_wait().size();
  const std::uint64_t sent = t.client.core().counters().tx_frames + t.server.core().counters().tx_frames;
  state.counters["segments"] = static_cast<double>(sent) / static_cast<double>(t.client_app.opened);
  if (refused > 0 || t.client_app.failed > 0) state.SkipWithError("connections failed");
}
BENCHMARK(connection)
    ->ArgNames({"closes", "time_wait", "v6"})
    ->Args({1, 10'000, 0})
    ->Args({2, 10'000, 0})
    ->Args({1, 10'000, 1})
    ->Args({1, 1'000'000, 0})
    ->Iterations(kBatches);

// A request of 71 bytes and a response of 93 on connections that stay open, 32 at a time on random ones: cycles per
// request and end. With software checksums; each side sees one segment per request, and its answer carries the ACK.
void keep_alive(benchmark::State& state) {
  const auto count = static_cast<std::uint32_t>(state.range(0));
  TwoShards::Sizes sizes;
  sizes.connections = count;
  sizes.server_ports = 16;
  TwoShards t{sizes, Closes::kNobody};
  std::vector<ConnId> connections;
  connections.reserve(count);
  t.client_app.connections = &connections;
  while (connections.size() < count) {
    t.turn(10us, [&] {
      for (std::uint32_t i = 0; i < 32 && t.client.core().connections() < count; ++i) t.connect();
    });
  }
  t.settle();

  Random random{5};
  std::vector<ConnId> chosen(TwoShards::kBurst);
  Batches batches{state};
  double client = 1e9;
  double server = 1e9;
  for (auto _ : state) {
    t.forget_cycles();
    for (int turn = 0; turn < kTurns; ++turn) {
      for (ConnId& id : chosen) id = connections[random.below(count)];
      t.turn(10us, [&] {
        for (const ConnId id : chosen) {
          t.client.with(id, t.now, [](Conn conn) { static_cast<void>(conn.send_reference(bytes_of(kRequest))); });
        }
      });
    }
    const double requests = kTurns * static_cast<double>(TwoShards::kBurst);
    batches.add(t.client_cycles + t.server_cycles, 2 * kTurns * TwoShards::kBurst);
    client = std::min(client, static_cast<double>(t.client_cycles) / requests);
    server = std::min(server, static_cast<double>(t.server_cycles) / requests);
  }
  state.counters["client_min"] = client;
  state.counters["server_min"] = server;
  if (t.client_app.failed > 0 || t.server_app.answered == 0) state.SkipWithError("connections failed");
}
BENCHMARK(keep_alive)->ArgName("connections")->Arg(256)->Arg(10'000)->Arg(400'000)->Iterations(kBatches);

// A SYN and its SYN-ACK, 32 at a time, each from somebody else: cycles per SYN. cookie 0: with a record of each; 1:
// with cookies, as in a flood.
void syn(benchmark::State& state) {
  const bool cookie = state.range(0) != 0;
  constexpr std::uint32_t kSyns = kTurns * TwoShards::kBurst;
  TwoShards::Sizes sizes;
  sizes.connections = 16;
  sizes.v6 = state.range(1) != 0;
  ShardConfig config = TwoShards::config(sizes, 1);
  config.max_half_open = kBatches * kSyns + 1;
  config.pages = Pages::kTouched;
  Server app;
  const Instant now{1s};
  Shard<Server> server{config, app, now};
  ListenSpec listen;
  listen.port = kServerPort;
  listen.backlog = cookie ? 1 : 2 * config.max_half_open;
  static_cast<void>(server.listen(listen));
  Syns syns{sizes.v6};
  std::uint64_t n = 0;
  syns.send(server, n++, now);  // the one that a backlog of one has a record for
  Batches batches{state};
  for (auto _ : state) {
    std::uint64_t spent = 0;
    for (int turn = 0; turn < kTurns; ++turn) {
      for (std::size_t i = 0; i < TwoShards::kBurst; ++i) syns.queue(n++);
      const std::uint64_t start = cycles();
      syns.answer(server, now);
      spent += cycles() - start;
    }
    batches.add(spent, kSyns);
  }
  if (server.core().half_open().size() != (cookie ? 1 : n)) state.SkipWithError("not what was to be measured");
}
BENCHMARK(syn)
    ->ArgNames({"cookie", "v6"})
    ->Args({0, 0})
    ->Args({1, 0})
    ->Args({0, 1})
    ->Args({1, 1})
    ->Iterations(kBatches);

// What DirectLink itself costs for a frame: allocate, send, receive and recycle. Part of all the figures above.
void device(benchmark::State& state) {
  DirectLink link;
  std::array<Packet, TwoShards::kBurst> burst;
  Batches batches{state};
  for (auto _ : state) {
    batches.time(TwoShards::kBurst * kTurns, [&] {
      for (int turn = 0; turn < kTurns; ++turn) {
        for (std::size_t i = 0; i < burst.size(); ++i) link.left().send(link.left().allocate(1514), 100, {});
        link.right().recycle(std::span{burst}.first(link.right().receive(burst)));
      }
    });
  }
}
BENCHMARK(device)->Iterations(kBatches);

}  // namespace
}  // namespace pollux::bench
