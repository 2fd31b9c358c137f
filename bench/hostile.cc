// What segments of a hostile peer cost, beside ordinary ones in turns: from the frame to the end of SEGMENT ARRIVES, by
// way of the flow table. Exits with 1 when a budget is exceeded, or when something else was measured than was meant.

#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>
#include <vector>

#include "base/random.h"
#include "one_connection.h"
#include "shard/flow_table.h"
#include "wire/build.h"
#include "wire/frame.h"

namespace pollux::bench {
namespace {

constexpr double kSackBudget = 4;    // of what an ACK in order costs
constexpr double kRangesBudget = 2;  // of what the same segment costs beside one range
constexpr std::uint32_t kFlows = 1000;
constexpr int kBatches = 400;
constexpr std::uint32_t kCraftedSacks = 1'000'000;
constexpr std::uint32_t kManyRanges = 256;

bool failed = false;

void fail(const char* why) {
  failed = true;
  std::fprintf(stderr, "hostile_segments: %s\n", why);
}

// A connection that gets its segments as frames.
class Victim : public Connection {
 public:
  using Connection::Connection;

  // The frames of `segments`, for arrive_all().
  void write(std::span<const Segment> segments) {
    frames_.clear();
    const FlowKey key{tcb.key().remote, tcb.key().local, tcb.key().remote_port, tcb.key().local_port};
    for (const Segment& segment : segments) {
      TcpFrameSpec spec;
      spec.source = mac(2);
      spec.destination = mac(1);
      spec.key = &key;
      spec.seq = segment.seq;
      spec.ack = segment.ack;
      spec.wnd = segment.wnd;
      spec.flags = segment.flags;
      spec.options = &segment.options;
      Frame frame;
      TxOffload offload;
      const std::size_t headers = write_tcp_headers(frame.bytes.data(), spec, segment.text.size(), offload);
      std::copy(segment.text.begin(), segment.text.end(), frame.bytes.begin() + static_cast<std::ptrdiff_t>(headers));
      frame.size = headers + segment.text.size();
      finish_tcp_checksum({frame.bytes.data(), frame.size}, offload);
      frames_.push_back(frame);
    }
  }
  // Ticks for each of the frames; all of them must reach the connection.
  double arrive_all() {
    const std::uint64_t start = cycles();
    for (Frame& frame : frames_) {
      if (parse_frame({frame.bytes.data(), frame.size}, policy_, ChecksumWord::kUnknown, ChecksumWord::kUnknown,
                      parsed_) != WireDrop::kNone) {
        fail("a frame was dropped");
        continue;
      }
      const std::uint32_t found =
          table_.find(table_.hash(parsed_.key), [&](std::uint32_t i) { return i == 0 && tcb.key() == parsed_.key; });
      if (found == 0) {
        benchmark::DoNotOptimize(arrive(parsed_.segment));
      } else {
        fail("a frame found no connection");
      }
    }
    return static_cast<double>(cycles() - start) / static_cast<double>(frames_.size());
  }

 private:
  struct Frame {
    std::array<std::byte, 128> bytes;
    std::size_t size = 0;
  };

  static FlowTable filled_table(const Victim& victim) {
    FlowTable table{kFlows, HashKey{3, 5}};
    table.insert(table.hash(victim.tcb.key()), 0);
    for (std::uint32_t i = 1; i < kFlows; ++i) table.insert(table.hash(flow(i)), i);
    return table;
  }

  ParsePolicy policy_{.mac = mac(1)};
  FlowTable table_ = filled_table(*this);
  std::vector<Frame> frames_;
  ParsedFrame parsed_;
};

double median(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void judge(benchmark::State& state, std::vector<double>& ordinary, std::vector<double>& hostile, double budget) {
  const double base = median(ordinary);
  const double cost = median(hostile);
  state.counters["ordinary_median"] = base;
  state.counters["hostile_median"] = cost;
  state.counters["ratio"] = cost / base;
  if (cost <= budget * base) return;
  failed = true;
  std::fprintf(stderr, "%.0f ticks, %.1f times the %.0f of an ordinary one; %.0f times are allowed\n", cost,
               cost / base, base, budget);
}

// CVE-2019-11477, 11478 and 11479: an MSS of 48, 1 MiB in flight, and many ACKs with three blocks that `next` makes, of
// offsets from SND.UNA. What is sent again for it is not timed.
constexpr std::uint32_t kInFlight = 29'128 * 36;  // whole segments: timestamps take 12 bytes of 48
void crafted_sacks(benchmark::State& state, const std::function<SackBlock(SeqNum)>& next) {
  Victim honest{48, kInFlight};
  Victim victim{48, kInFlight};
  for (Victim* v : {&honest, &victim}) {
    v->open_window();
    static_cast<void>(v->tcb.send_reference(v->text, v->env));
    v->drain();
    if (v->tcb.flight_size() == kInFlight) continue;
    fail("not all was sent at once");
    return state.SkipWithError("not all was sent at once");
  }
  std::vector<Segment> segments(kSegments);
  std::vector<double> ordinary;
  std::vector<double> hostile;
  for (auto _ : state) {
    for (std::uint32_t i = 0; i < kSegments; ++i) {
      segments[i] = honest.from_peer();
      segments[i].ack = honest.tcb.snd().una + (i + 1) * 36;
    }
    honest.write(segments);
    ordinary.push_back(honest.arrive_all());
    static_cast<void>(honest.tcb.send_reference(std::span{honest.text}.first(kSegments * 36), honest.env));
    honest.drain();
    for (Segment& ack : segments) {
      ack = victim.from_peer();
      ack.ack = victim.tcb.snd().una;
      ack.options.sack.count = 3;
      for (SackBlock& block : std::span{ack.options.sack.blocks}.first(3)) block = next(ack.ack);
    }
    victim.write(segments);
    hostile.push_back(victim.arrive_all());
    victim.drain();
    if (victim.stores.sacked.size() > tcp::Scoreboard::kMaxRanges) fail("memory grows");
  }
  state.counters["ranges"] = victim.stores.sacked.size();
  judge(state, ordinary, hostile, kSackBudget);
}

// A few bytes anywhere.
void scattered_sacks(benchmark::State& state) {
  Random random{1};
  crafted_sacks(state, [&random](SeqNum una) {
    const SeqNum left = una + static_cast<std::uint32_t>(1 + random.below(kInFlight - 8));
    return SackBlock{left, left + static_cast<std::uint32_t>(1 + random.below(4))};
  });
}
BENCHMARK(scattered_sacks)->Iterations(kCraftedSacks / kSegments);

// Each is news: one of many ranges has grown by a byte.
void growing_sacks(benchmark::State& state) {
  constexpr std::uint32_t kApart = kInFlight / tcp::Scoreboard::kMaxRanges;
  Random random{1};
  std::vector<std::uint32_t> size(tcp::Scoreboard::kMaxRanges - 1, 0);
  crafted_sacks(state, [&](SeqNum una) {
    const std::uint64_t i = random.below(size.size());
    size[i] = std::min(size[i] + 1, kApart - 2);
    const SeqNum left = una + static_cast<std::uint32_t>(i * kApart + 1);
    return SackBlock{left, left + size[i]};
  });
}
BENCHMARK(growing_sacks)->Iterations(kCraftedSacks / 4 / kSegments);

// CVE-2018-5390: single bytes beyond holes, beside one range that is held already and beside many.
void bytes_out_of_order(benchmark::State& state) {
  constexpr std::uint32_t kBatch = 16;
  Victim victim;
  const auto byte_at = [&victim](std::uint32_t offset) {
    Segment s = victim.from_peer();
    s.seq += offset;
    s.text = std::span{victim.text}.first(1);
    return s;
  };
  const auto measure = [&](std::uint32_t held) {
    const auto hold = [&](std::uint32_t from, std::uint32_t to) {
      std::vector<Segment> segments;
      for (std::uint32_t i = from; i <= to; ++i) segments.push_back(byte_at(2 * i));
      victim.write(segments);
      return victim.arrive_all();
    };
    hold(1, held);
    const double cost = hold(held + 1, held + kBatch);
    Segment rest = victim.from_peer();  // everything is there
    rest.text = std::span{victim.text}.first(2 * (held + kBatch) + 1);
    victim.arrive(rest);
    while (!victim.tcb.readable(victim.env).empty()) {
      victim.tcb.consume(static_cast<std::uint32_t>(victim.tcb.readable(victim.env).size()), victim.env);
    }
    victim.drain();
    return cost;
  };
  std::vector<double> beside_one;
  std::vector<double> beside_many;
  for (auto _ : state) {
    beside_one.push_back(measure(1));
    beside_many.push_back(measure(kManyRanges));
  }
  judge(state, beside_one, beside_many, kRangesBudget);
}
BENCHMARK(bytes_out_of_order)->Iterations(kBatches);

}  // namespace
}  // namespace pollux::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return pollux::bench::failed ? 1 : 0;
}
