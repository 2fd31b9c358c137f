// Memory for a frame is refused at every place where one is asked for, in turn: nothing leaks, nothing stands still.

#include <algorithm>
#include <array>

#include "scenes.h"

namespace pollux::sim {
namespace {

constexpr std::uint64_t kBytes = 30'000;  // each way

Plan plan() {
  Plan p;
  p.total = kBytes;
  p.finish = Finish::kShutdownWhenSent;
  return p;
}

struct Exchange {
  Duration took{0};
  std::array<std::uint64_t, 2> asked_for{};  // frames, by host
};

// Opens, sends both ways and closes; `refusing`: the host that has no memory for `count` frames from the `from`th on.
Exchange exchange(int refusing, std::uint64_t from, std::uint64_t count) {
  NetworkConfig config = with_one_way(5ms);
  config.device[static_cast<std::size_t>(refusing)].no_frames_from = from;
  config.device[static_cast<std::size_t>(refusing)].no_frames = count;
  Scene net{config};
  Flow& flow = net.add_flow(0, true, plan(), plan());
  const Instant begin = net.now();
  net.connect(flow);
  // One of the two waits in TIME-WAIT; it has the other's FIN then, and the other everything.
  const bool done = net.run_until(
      [&] { return std::all_of(flow.sides.begin(), flow.sides.end(), [](const Side& s) { return s.eof && s.shut; }); },
      10s);
  EXPECT_TRUE(done) << "frame " << from << " of host " << refusing;
  Exchange e{net.now() - begin, {net.device(0).asked_for(), net.device(1).asked_for()}};
  EXPECT_EQ(flow.sides[0].received, kBytes);
  EXPECT_EQ(flow.sides[1].received, kBytes);
  net.expect_all_gone();
  return e;
}

// As if the frame were lost, or later: a second is what the first time-out takes (RFC 6298, 2.1).
void refuse_each(std::uint64_t at_once) {
  const Exchange smooth = exchange(0, 0, 0);
  for (const int host : {0, 1}) {
    const std::uint64_t frames = smooth.asked_for[static_cast<std::size_t>(host)];
    EXPECT_GT(frames, 20u);
    for (std::uint64_t n = 1; n <= frames; ++n) {
      EXPECT_LE(exchange(host, n, at_once).took, smooth.took + 1s) << "frame " << n << " of host " << host;
    }
  }
}

TEST(Allocation, OneFrameThatIsRefusedCostsAtMostASecond) { refuse_each(1); }
TEST(Allocation, SoDoTwentyInARow) { refuse_each(20); }

}  // namespace
}  // namespace pollux::sim
