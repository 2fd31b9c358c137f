// One TCB alone, everything in the nearest cache.

#include "tcp/tcb.h"

#include <vector>

#include "one_connection.h"
#include "wire/build.h"

namespace pollux::bench {
namespace {

constexpr int kBatches = 400;

// SEGMENT ARRIVES for segments in order, 64 of them before one acknowledgment is built.
void tcb_text_arrives(benchmark::State& state) {
  Connection c;
  c.packet = Packet{c.text, 2048, nullptr, nullptr};
  std::vector<Segment> segments(kSegments);
  Batches batches{state};
  for (auto _ : state) {
    c.env.now += 1ms;
    for (std::uint32_t i = 0; i < kSegments; ++i) {
      segments[i] = c.from_peer();
      segments[i].seq += i * kText;
      segments[i].text = std::span{c.text}.first(kText);
    }
    batches.time(kSegments, [&] {
      for (const Segment& s : segments) benchmark::DoNotOptimize(c.arrive(s));
    });
    c.drain();
  }
  if (c.counters.bytes_received != static_cast<std::uint64_t>(state.iterations()) * kSegments * kText)
    state.SkipWithError("text was not taken");
}
BENCHMARK(tcb_text_arrives)->Iterations(kBatches);

// poll_transmit for full segments, and SEGMENT ARRIVES for the ACK of each.
template <bool kAcks>
void tcb_bulk(benchmark::State& state) {
  Connection c;
  const auto send_all = [&] {
    c.env.now += 1ms;
    static_cast<void>(c.tcb.send_reference(c.text, c.env));
  };
  c.open_window();
  Batches batches{state};
  for (auto _ : state) {
    send_all();
    const std::uint64_t start = cycles();
    const std::uint32_t sent = c.drain();
    const std::uint64_t sending = cycles() - start;
    const std::uint64_t acknowledging = c.acknowledge_all();
    if (sent != kSegments) state.SkipWithError("not all was sent at once");
    batches.add(kAcks ? acknowledging : sending, kSegments);
  }
}
BENCHMARK(tcb_bulk<false>)->Name("tcb_poll_transmit")->Iterations(kBatches);
BENCHMARK(tcb_bulk<true>)->Name("tcb_ack_arrives")->Iterations(kBatches);

// A full segment from poll_transmit to the finished frame, checksum in software.
void tcb_build_frame(benchmark::State& state) {
  Connection c;
  std::vector<std::byte> frame(kMaxTcpHeaders + kText);
  Batches batches{state};
  for (auto _ : state) {
    c.env.now += 1ms;
    static_cast<void>(c.tcb.send_reference(std::span{c.text}.first(8 * kText), c.env));
    batches.time(8, [&] {
      while (const auto out = c.tcb.poll_transmit(0, c.env)) {
        TcpFrameSpec spec;
        spec.key = &c.tcb.key();
        spec.seq = out->seq;
        spec.ack = out->ack;
        spec.wnd = out->wnd;
        spec.flags = out->flags;
        spec.options = &out->options;
        TxOffload offload;
        const std::size_t headers = write_tcp_headers(frame.data(), spec, out->text_size, offload);
        c.tcb.copy_text(*out, {frame.data() + headers, out->text_size}, c.env);
        finish_tcp_checksum({frame.data(), headers + out->text_size}, offload);
      }
    });
    c.acknowledge_all();
  }
}
BENCHMARK(tcb_build_frame)->Iterations(kBatches);

}  // namespace
}  // namespace pollux::bench
