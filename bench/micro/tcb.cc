// One TCB alone, everything in the nearest cache.

#include "tcp/tcb.h"

#include <optional>
#include <vector>

#include "base/random.h"
#include "cycles.h"
#include "flows.h"
#include "wire/build.h"

namespace pollux::bench {
namespace {

using tcp::Tcb;

constexpr std::uint32_t kSegments = 64;
constexpr std::uint32_t kText = 1448;
constexpr int kBatches = 400;

// A connection in ESTABLISHED, and a peer that says only what it is told to.
class Connection {
 public:
  explicit Connection(std::uint16_t peer_mss = 1460, std::uint32_t in_flight = kSegments * kText)
      : text(in_flight),
        config{.send_buffer = std::max(in_flight, tcp::Config{}.send_buffer)},
        stores{Slab<tcp::Transmission>{4}, tcp::SliceStore{256, 256}, Slab<tcp::ReceiveQueue>{4},
               Slab<tcp::HeldText>{1024}, Slab<tcp::SackedRange>{1024}},
        env{Instant{1s}, config, stores, counters} {
    tcb.open_active(flow(0), {SeqNum{1000}, 0, 1460}, {}, env);
    static_cast<void>(tcb.poll_transmit(0, env));
    Segment syn_ack;
    syn_ack.seq = SeqNum{5000};
    syn_ack.ack = SeqNum{1001};
    syn_ack.wnd = 65535;
    syn_ack.flags.syn = true;
    syn_ack.flags.ack = true;
    syn_ack.options.mss = peer_mss;
    syn_ack.options.wind_shift = 7;
    syn_ack.options.sack_permitted = true;
    syn_ack.options.ts = Timestamps{1, static_cast<std::uint32_t>(env.now.time_since_epoch() / 1ms)};
    arrive(syn_ack);
    static_cast<void>(tcb.poll_events());
    drain();
  }
  ~Connection() { tcb.release(env); }

  tcp::Verdict arrive(const Segment& segment) {
    tcp::Arrival arrival{segment, packet, {}};
    return tcb.segment_arrives(arrival, env);
  }
  Segment from_peer() const {
    Segment s;
    s.seq = tcb.rcv().nxt;
    s.ack = tcb.snd().nxt;
    s.wnd = 65535;
    s.flags.ack = true;
    s.options.ts = Timestamps{1, static_cast<std::uint32_t>(env.now.time_since_epoch() / 1ms)};
    return s;
  }
  std::uint32_t drain() {
    std::uint32_t n = 0;
    while (tcb.poll_transmit(0, env)) ++n;
    return n;
  }
  // Until the congestion window lets all of `text` go at once.
  void open_window() {
    for (int i = 0; i < 20; ++i) {
      env.now += 1ms;
      static_cast<void>(tcb.send_reference(text, env));
      while (tcb.unsent(env) > 0 || tcb.flight_size() > 0) {
        drain();
        acknowledge_all();
      }
    }
  }
  // All that is in flight is acknowledged segment by segment; cycles spent on that.
  std::uint64_t acknowledge_all() {
    std::vector<Segment> acks;
    for (SeqNum at = tcb.snd().una; at != tcb.snd().nxt;) {
      at += std::min(tcb.smss(), distance(at, tcb.snd().nxt));
      acks.push_back(from_peer());
      acks.back().ack = at;
    }
    const std::uint64_t start = cycles();
    for (const Segment& ack : acks) arrive(ack);
    return cycles() - start;
  }

  std::vector<std::byte> text;
  Packet packet;
  tcp::Config config;
  tcp::Stores stores;
  tcp::Counters counters;
  tcp::Env env;
  Tcb tcb;
};

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

// SEGMENT ARRIVES for single bytes beyond holes, of which so many are held already (CVE-2018-5390).
void tcb_bytes_out_of_order(benchmark::State& state) {
  constexpr std::uint32_t kBatch = 16;
  const auto held = static_cast<std::uint32_t>(state.range(0));
  Connection c;
  const auto arrive = [&c](std::uint32_t offset, std::uint32_t size) {
    c.packet = Packet{c.text, 64, nullptr, nullptr};
    Segment s = c.from_peer();
    s.seq += offset;
    s.text = std::span{c.text}.first(size);
    benchmark::DoNotOptimize(c.arrive(s));
  };
  Batches batches{state};
  for (auto _ : state) {
    for (std::uint32_t i = 1; i <= held; ++i) arrive(2 * i, 1);
    batches.time(kBatch, [&] {
      for (std::uint32_t i = 1; i <= kBatch; ++i) arrive(2 * (held + i), 1);
    });
    arrive(0, 2 * (held + kBatch) + 1);  // everything is there
    while (!c.tcb.readable(c.env).empty()) {
      c.tcb.consume(static_cast<std::uint32_t>(c.tcb.readable(c.env).size()), c.env);
    }
    c.drain();
  }
}
BENCHMARK(tcb_bytes_out_of_order)->ArgName("ranges")->Arg(1)->Arg(256)->Iterations(kBatches);

// SEGMENT ARRIVES for ACKs of a hostile peer, a million of them: an MSS of 48, 1 MiB in flight, and in each three
// blocks of a few bytes anywhere (CVE-2019-11477, 11478 and 11479). What is sent again for it is not timed.
void tcb_crafted_sacks(benchmark::State& state) {
  constexpr std::uint32_t kInFlight = 29'128 * 36;  // whole segments: timestamps take 12 bytes of 48
  Connection c{48, kInFlight};
  c.open_window();
  static_cast<void>(c.tcb.send_reference(c.text, c.env));
  c.drain();
  if (c.tcb.flight_size() != kInFlight) return state.SkipWithError("not all was sent at once");
  Random random{1};
  std::vector<Segment> acks(kSegments);
  Batches batches{state};
  for (auto _ : state) {
    for (Segment& ack : acks) {
      ack = c.from_peer();
      ack.ack = c.tcb.snd().una;
      ack.options.sack.count = 3;
      for (SackBlock& block : std::span{ack.options.sack.blocks}.first(3)) {
        block.left = ack.ack + static_cast<std::uint32_t>(1 + random.below(kInFlight - 8));
        block.right = block.left + static_cast<std::uint32_t>(1 + random.below(4));
      }
    }
    batches.time(kSegments, [&] {
      for (const Segment& ack : acks) benchmark::DoNotOptimize(c.arrive(ack));
    });
    c.drain();
  }
}
BENCHMARK(tcb_crafted_sacks)->Iterations(1'000'000 / kSegments);

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
