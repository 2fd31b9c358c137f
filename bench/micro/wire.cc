// Frames: reading one, writing one, and what both are made of.

#include <array>
#include <vector>

#include "base/random.h"
#include "base/siphash.h"
#include "cycles.h"
#include "flows.h"
#include "shard/flow_table.h"
#include "wire/build.h"
#include "wire/checksum.h"
#include "wire/frame.h"

namespace pollux::bench {
namespace {

constexpr std::size_t kFrames = 64;
constexpr std::size_t kFrameSize = 2048;
constexpr int kBatches = 400;

FlowKey flow_v6(std::uint64_t n) {
  std::array<std::byte, 16> server{std::byte{0x20}, std::byte{0x01}, std::byte{0}, std::byte{2}};
  std::array<std::byte, 16> client = server;
  server[15] = std::byte{1};
  client[14] = static_cast<std::byte>(n >> 8);
  client[15] = static_cast<std::byte>(n | 2);
  return {IpAddress::v6(server.data()), IpAddress::v6(client.data()), kServerPort, 40000};
}

// One frame for each of kFrames flows, with timestamps, as a client sends them.
class Frames {
 public:
  Frames(std::size_t text, bool v6) : bytes_(kFrames * kFrameSize) {
    for (std::size_t i = 0; i < kFrames; ++i) {
      const FlowKey own = v6 ? flow_v6(i) : flow(i);
      keys_.push_back({own.remote, own.local, own.remote_port, own.local_port});
      size_ = write(i, text, false);
    }
  }

  std::size_t write(std::size_t i, std::size_t text, bool device_checksums) {
    TcpOptions options;
    options.ts = Timestamps{1, 2};
    TcpFrameSpec spec;
    spec.source = mac(2);
    spec.destination = mac(1);
    spec.key = &keys_[i];
    spec.flags.ack = true;
    spec.options = &options;
    TxOffload offload;
    offload.ip_checksum = device_checksums;
    offload.tcp_checksum = device_checksums;
    std::byte* to = bytes_.data() + i * kFrameSize;
    const std::size_t headers = write_tcp_headers(to, spec, text, offload);
    finish_tcp_checksum({to, headers + text}, offload);
    return headers + text;
  }

  std::span<std::byte> operator[](std::size_t i) { return {bytes_.data() + i * kFrameSize, size_}; }

 private:
  std::vector<std::byte> bytes_;
  std::vector<FlowKey> keys_;
  std::size_t size_ = 0;
};

// Arguments: bytes of text, IPv6, checksums in software.
void parse(benchmark::State& state) {
  Frames frames{static_cast<std::size_t>(state.range(0)), state.range(1) != 0};
  ParsePolicy policy;
  policy.checksums = state.range(2) != 0 ? ChecksumMode::kSoftware : ChecksumMode::kTrust;
  policy.mac = mac(1);
  std::array<ParsedFrame, kFrames> parsed;
  Batches batches{state};
  for (auto _ : state) {
    batches.time(kFrames, [&] {
      for (std::size_t i = 0; i < kFrames; ++i) {
        const WireDrop drop = parse_frame(frames[i], policy, ChecksumWord::kUnknown, ChecksumWord::kUnknown, parsed[i]);
        if (drop != WireDrop::kNone) state.SkipWithError("a good frame was dropped");
      }
    });
    benchmark::DoNotOptimize(parsed);
  }
}
BENCHMARK(parse)->ArgNames({"text", "v6", "sum"})->ArgsProduct({{0, 1448}, {0, 1}, {0, 1}})->Iterations(kBatches);

// Headers and checksums of a segment whose text is in place.
void write_headers(benchmark::State& state) {
  const auto text = static_cast<std::size_t>(state.range(0));
  Frames frames{text, state.range(1) != 0};
  Batches batches{state};
  for (auto _ : state) {
    batches.time(kFrames, [&] {
      for (std::size_t i = 0; i < kFrames; ++i) benchmark::DoNotOptimize(frames.write(i, text, state.range(2) == 0));
    });
  }
}
BENCHMARK(write_headers)
    ->ArgNames({"text", "v6", "sum"})
    ->ArgsProduct({{0, 1448}, {0, 1}, {0, 1}})
    ->Iterations(kBatches);

// 1460 bytes from a send buffer to a frame; both in the nearer caches.
template <bool kSum>
void copy_text(benchmark::State& state) {
  std::vector<std::byte> from(kFrames * kFrameSize);
  std::vector<std::byte> to(kFrames * kFrameSize);
  Batches batches{state};
  for (auto _ : state) {
    batches.time(kFrames, [&] {
      for (std::size_t i = 0; i < kFrames; ++i) {
        std::byte* const out = to.data() + i * kFrameSize + 66;
        if constexpr (kSum) {
          benchmark::DoNotOptimize(copy_and_sum(out, from.data() + i * kFrameSize, 1460));
        } else {
          std::memcpy(out, from.data() + i * kFrameSize, 1460);
        }
      }
      benchmark::ClobberMemory();
    });
  }
}
BENCHMARK(copy_text<false>)->Name("copy_1460")->Iterations(kBatches);
BENCHMARK(copy_text<true>)->Name("copy_and_sum_1460")->Iterations(kBatches);

// The hash of a flow: for tables (1-3), and for ISNs (2-4).
template <bool kStrong>
void siphash(benchmark::State& state) {
  const HashKey key{1, 2};
  std::vector<FlowKey> flows;
  for (std::size_t i = 0; i < 1024; ++i) flows.push_back(flow(i));
  Batches batches{state};
  for (auto _ : state) {
    batches.time(flows.size(), [&] {
      for (const FlowKey& f : flows) benchmark::DoNotOptimize(kStrong ? siphash24_of(key, f) : flow_hash(key, f));
    });
  }
}
BENCHMARK(siphash<false>)->Name("siphash_1_3_of_flow")->Iterations(kBatches);
BENCHMARK(siphash<true>)->Name("siphash_2_4_of_flow")->Iterations(kBatches);

}  // namespace
}  // namespace pollux::bench
