// How fast a transfer is whose receiver begins with a small buffer.

#include "scenes.h"

namespace pollux::sim {
namespace {

constexpr std::uint64_t kBytes = 60'000'000;
constexpr std::uint64_t kBitsPerSecond = 80'000'000;
constexpr Duration kRtt = 100ms;
constexpr std::uint64_t kProduct = 1'000'000;  // bytes: what the path carries in a round trip

// Until all of kBytes has come over a path of kProduct bytes, with as much room in its queue.
double seconds(std::uint32_t buffer, std::uint32_t buffer_max) {
  NetworkConfig config = with_one_way(kRtt / 2);
  Impairment way;
  way.delay = kRtt / 2;
  way.bits_per_second = kBitsPerSecond;
  way.queue_bytes = kProduct;
  config.wire = {way, way};
  config.tcp[0].send_buffer = 8 << 20;
  config.tcp[1].receive_buffer = buffer;
  config.tcp[1].receive_buffer_max = buffer_max;
  config.shard = [](ShardConfig& shard, int) {
    shard.send_blocks = 8192;
    shard.held_segments = 8192;
  };
  Network net{config};
  Plan plan = Network::manual();
  plan.total = kBytes;
  Flow& flow = net.add_flow(0, true, plan, Network::manual());
  EXPECT_TRUE(net.connect(flow));
  const Instant start = net.now();
  EXPECT_TRUE(net.run_until([&] { return flow.sides[1].received == kBytes; }, std::chrono::minutes{10}));
  for (const std::string& failure : net.failures()) ADD_FAILURE() << failure;
  return std::chrono::duration<double>(net.now() - start).count();
}

// RFC 7323, 1.1: a window as large as bandwidth times delay is what it takes to fill a path.
TEST(ReceiveWindow, OfSixtyFourKibibytesGrowsToWhatThePathCarries) {
  const double fixed_small = seconds(64 * 1024, 0);
  const double fixed_large = seconds(4 << 20, 0);
  const double grown = seconds(64 * 1024, 4 << 20);
  EXPECT_GT(fixed_small, 8 * fixed_large);
  EXPECT_LT(grown, 1.1 * fixed_large);
}

}  // namespace
}  // namespace pollux::sim
