// No memory for packets: each allocation of mbufs fails in turn, and then all of them for a while. Nothing is lost for
// good, nothing leaks, and traffic goes on within a second. Virtual time.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_mempool.h>

#include <cerrno>
#include <memory>
#include <thread>

#include "../device/frames.h"
#include "../dpdk/eal_fixture.h"
#include "../effort.h"
#include "dpdk/queue.h"
#include "dpdk/ring.h"
#include "echo_apps.h"

namespace pollux::runtime {
namespace {

using dpdk::QueueDevice;
using testing::ElementsAre;
using testing::IsEmpty;

// --- A pool that fails when it is told to: DPDK's ring behind it ---

struct Failing {
  std::uint64_t calls = 0;  // to take mbufs out
  std::uint64_t from = UINT64_MAX;
  std::uint64_t to = UINT64_MAX;  // these fail, `to` not
} failing;

const rte_mempool_ops& ring() {
  static const rte_mempool_ops* const kRing = [] {
    const rte_mempool_ops* found = nullptr;
    for (unsigned i = 0; i < rte_mempool_ops_table.num_ops; ++i) {
      const rte_mempool_ops& ops = rte_mempool_ops_table.ops[i];
      if (std::string_view{ops.name} == "ring_mp_mc") found = &ops;
    }
    CHECK(found != nullptr);
    return found;
  }();
  return *kRing;
}

int take(rte_mempool* pool, void** mbufs, unsigned n) {
  const std::uint64_t call = failing.calls++;
  if (failing.from <= call && call < failing.to) return -ENOBUFS;
  return ring().dequeue(pool, mbufs, n);
}

void register_failing_pool() {
  rte_mempool_ops ops{};
  std::string_view{"failing"}.copy(ops.name, sizeof ops.name - 1);
  ops.alloc = [](rte_mempool* pool) { return ring().alloc(pool); };
  ops.free = [](rte_mempool* pool) { ring().free(pool); };
  ops.enqueue = [](rte_mempool* pool, void* const* mbufs, unsigned n) { return ring().enqueue(pool, mbufs, n); };
  ops.dequeue = take;
  ops.get_count = [](const rte_mempool* pool) { return ring().get_count(pool); };
  ASSERT_GE(rte_mempool_register_ops(&ops), 0);
  ASSERT_EQ(rte_mbuf_set_user_mempool_ops("failing"), 0);
}

class NoMemory : public testing::Test {
 protected:
  static void SetUpTestSuite() { register_failing_pool(); }
  void SetUp() override {
    failing = {};
    ports_ =
        dpdk::open_ports("ring-pair", {.rx_descriptors = 512, .tx_descriptors = 512, .mbufs = 1024, .large_mbufs = 8});
    ASSERT_EQ(ports_.size(), 2u);
  }
  void TearDown() override { expect_no_leak(); }
  void expect_no_leak() const {
    for (const auto& port : ports_) EXPECT_EQ(port->outstanding(), 0u);
  }

  std::vector<std::unique_ptr<dpdk::Port>> ports_;
};

// A thread that DPDK does not know has no cache before the pool: each allocation is asked of the pool itself.
template <class F>
void without_cache(F&& body) {
  std::thread{std::forward<F>(body)}.join();
}

// --- Connections ---

constexpr std::uint64_t kTries = 4;                          // of one allocation: 64 mbufs, or 16, or 4, or 1
const std::uint64_t kStep = test::effort(10) == 10 ? 1 : 7;  // from one call that fails to the next
constexpr std::uint32_t kConnections = 1000;
constexpr Duration kTurn = 50us;

ShardConfig station(const char* prefix, std::uint8_t number) {
  ShardConfig config = small_shard(prefix);
  config.mac = MacAddress{{2, 0, 0, 0, 0, number}};
  return config;
}

struct Outcome {
  Duration took{};  // of virtual time, from the first failure on
  std::uint64_t calls = 0;
  std::uint64_t no_mbuf = 0;   // of both devices
  std::uint64_t no_frame = 0;  // of both shards
};

// Connections are opened, used and closed; calls `first` to `first` + `most` fail, or those of a time `outage`.
Outcome traffic(const std::vector<std::unique_ptr<dpdk::Port>>& ports, std::uint64_t first, std::uint64_t most,
                Duration outage) {
  failing = {.calls = 0, .from = first, .to = outage > Duration{} ? UINT64_MAX : first + most};
  QueueDevice left{*ports[0], 0};
  QueueDevice right{*ports[1], 0};
  auto client_app = std::make_unique<EchoClient>();
  auto server_app = std::make_unique<EchoServer>();
  EchoClient& apps = *client_app;
  apps.server = *IpAddress::parse("198.18.0.2");
  apps.total = kConnections;
  apps.at_once = 40;
  Instant now{1s};
  Worker<QueueDevice, EchoClient> client{left, {}, station("198.18.0.1/24", 1), std::move(client_app), now};
  Worker<QueueDevice, EchoServer> server{right, {}, station("198.18.0.2/24", 2), std::move(server_app), now};
  server.post([](Shard<EchoServer>& shard, EchoServer&, Instant) {
    ListenSpec spec;
    spec.port = kEchoPort;
    EXPECT_TRUE(shard.listen(spec));
  });
  server.turn(now);
  std::optional<Instant> failed;
  for (; !apps.finished() && now < Instant{1s} + 30s; now += kTurn) {
    client.turn(now);
    server.turn(now);
    if (!failed && failing.calls > first) failed = now;
    if (failed && outage > Duration{} && now - *failed >= outage) failing.from = UINT64_MAX;
  }
  EXPECT_TRUE(apps.finished()) << apps.done << " of " << kConnections;
  EXPECT_EQ(apps.done, kConnections);
  EXPECT_EQ(apps.wrong, 0u);
  client.leave(now);
  server.leave(now);
  return {.took = now - failed.value_or(Instant{1s}),
          .calls = failing.calls,
          .no_mbuf = left.counters().no_mbuf + right.counters().no_mbuf,
          .no_frame = client.snapshot().shard.tx_no_memory + server.snapshot().shard.tx_no_memory};
}

TEST_F(NoMemory, EachAllocationMayFail) {
  without_cache([&] {
    const Outcome usual = traffic(ports_, UINT64_MAX, 0, {});
    EXPECT_EQ(usual.no_mbuf, 0u);
    ASSERT_GT(usual.calls, 50u);
    for (std::uint64_t n = 0; n < usual.calls; n += kStep) {
      const Outcome outcome = traffic(ports_, n, kTries, {});
      EXPECT_GE(outcome.no_mbuf, 1u) << n;
      EXPECT_LE(outcome.took, usual.took + 1s) << n;
      expect_no_leak();
    }
  });
}

TEST_F(NoMemory, AllMayFailForAWhile) {
  without_cache([&] {
    const Outcome usual = traffic(ports_, UINT64_MAX, 0, {});
    for (const Duration outage : {1ms, 10ms, 300ms}) {
      for (std::uint64_t n = 0; n < usual.calls; n += 7 * kStep) {
        const Outcome outcome = traffic(ports_, n, 0, outage);
        EXPECT_GE(outcome.no_mbuf, 1u) << n;
        EXPECT_GE(outcome.no_frame, 1u) << n;
        EXPECT_LE(outcome.took, usual.took + outage + 1s) << n;
        expect_no_leak();
      }
    }
  });
}

// --- The other places where an mbuf is taken ---

TEST_F(NoMemory, ALargeFrameIsRefusedAndCounted) {
  without_cache([&] {
    DeviceFeatures features = ports_[0]->features();
    features.max_frame = 60'000;
    dpdk::MbufDevice<dpdk::QueueWire> device{
        {ports_[0]->id(), 0, 0}, ports_[0]->pool(0), ports_[0]->large_pool(0), features};
    const std::uint32_t size = features.max_frame;
    const TxFrame frame = device.allocate(size);
    ASSERT_TRUE(frame);
    device.discard(frame);
    failing = {.calls = 0, .from = 0};
    EXPECT_FALSE(device.allocate(size));
    EXPECT_EQ(device.counters().no_mbuf, 1u);
  });
}

TEST_F(NoMemory, APacketThatCannotBePutTogetherIsDroppedAndCounted) {
  without_cache([&] {
    QueueDevice device{*ports_[1], 0};
    const std::string part(2000, 'x');
    rte_mbuf* chain[2];
    ASSERT_EQ(rte_pktmbuf_alloc_bulk(ports_[0]->pool(0), chain, 2), 0);
    for (rte_mbuf* mbuf : chain) part.copy(rte_pktmbuf_append(mbuf, 2000), 2000);
    ASSERT_EQ(rte_pktmbuf_chain(chain[0], chain[1]), 0);
    ASSERT_EQ(rte_eth_tx_burst(ports_[0]->id(), 0, chain, 1), 1);
    failing = {.calls = 0, .from = 0};
    EXPECT_THAT(receive_texts(device), IsEmpty());
    EXPECT_EQ(device.counters().rx_unjoined, 1u);
  });
}

unsigned everyone(std::span<const std::byte>) { return dpdk::kEveryCore; }

TEST_F(NoMemory, ACopyForAnotherCoreIsLostAndCounted) {
  without_cache([&] {
    const auto inbox = [](const char* name) { return *dpdk::make_ring(name, 64, dpdk::Producers::kMany, 0); };
    const dpdk::RingHandle rings[] = {inbox("inbox0"), inbox("inbox1")};
    QueueDevice sender{*ports_[0], 0};
    dpdk::SteeringDevice<decltype(&everyone)> device{{.queue = {ports_[1]->id(), 0, 0},
                                                      .owner_of = everyone,
                                                      .self = 0,
                                                      .inboxes = {rings[0].get(), rings[1].get()}},
                                                     ports_[1]->pool(0),
                                                     ports_[1]->large_pool(0),
                                                     ports_[1]->features()};
    send_text(sender, "*all");
    sender.flush();
    failing = {.calls = 0, .from = 0};
    EXPECT_THAT(receive_texts(device), ElementsAre("*all"));
    EXPECT_EQ(device.wire().lost, 1u);
  });
}

TEST_F(NoMemory, ACopyForAnotherLaneIsLostAndCounted) {
  without_cache([&] {
    const auto lane_ring = [](const char* name) { return *dpdk::make_ring(name, 64, dpdk::Producers::kOne, 0); };
    const dpdk::RingHandle rings[] = {lane_ring("to0"), lane_ring("from0"), lane_ring("to1"), lane_ring("from1")};
    QueueDevice sender{*ports_[0], 0};
    dpdk::PortCore core{{ports_[1]->id(), 0, 0},
                        {{.to_stack = rings[0].get(), .from_stack = rings[1].get()},
                         {.to_stack = rings[2].get(), .from_stack = rings[3].get()}}};
    send_text(sender, "*all");
    sender.flush();
    failing = {.calls = 0, .from = 0};
    EXPECT_EQ(core.turn(everyone), 1u);
    EXPECT_EQ(core.lanes()[0].received, 1u);
    EXPECT_EQ(core.lanes()[1].received, 0u);
    EXPECT_EQ(core.lanes()[1].rx_dropped, 1u);
  });
}

}  // namespace
}  // namespace pollux::runtime
