// Real threads, real DPDK, no network, no huge pages. DPDK starts once in a process:
// meson.build runs each test in one of its own.

#include "runtime/engine.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "dpdk/thread.h"
#include "echo_apps.h"

namespace pollux::runtime {
namespace {

using Clients = Group<EchoClient>;
using Servers = Group<EchoServer>;

EngineOptions without_huge_pages() {
  EngineOptions options;
  options.hugepages = dpdk::HugePages::kOff;
  options.seed = 1;
  return options;
}

GroupOptions group(const std::string& port, unsigned workers, bool pipeline, const char* prefix) {
  GroupOptions options;
  options.port = port;
  options.workers = workers;
  options.pipeline = pipeline;
  options.shard = small_shard(prefix);
  return options;
}

// Clients at one end of a pair, servers at the other.
class EngineTest : public testing::Test {
 protected:
  void create(const std::string& pair, unsigned workers, bool pipeline, const char* client_prefix = "198.18.0.1/24",
              const char* server_prefix = "198.18.0.2/24") {
    auto engine = Engine::create(without_huge_pages());
    ASSERT_TRUE(engine) << engine.error();
    engine_ = std::move(*engine);
    client_options_ = group(pair + ":0", workers, pipeline, client_prefix);
    server_options_ = group(pair + ":1", workers, pipeline, server_prefix);
  }

  void start() {
    auto clients =
        engine_->add_group<EchoClient>(client_options_, [](unsigned) { return std::make_unique<EchoClient>(); });
    auto servers =
        engine_->add_group<EchoServer>(server_options_, [](unsigned) { return std::make_unique<EchoServer>(); });
    ASSERT_TRUE(clients) << clients.error();
    ASSERT_TRUE(servers) << servers.error();
    clients_ = *clients;
    servers_ = *servers;
    const auto started = engine_->start();
    ASSERT_TRUE(started) << started.error();
    servers_->call_all([](Shard<EchoServer>& shard, EchoServer&, Instant) {
      ListenSpec spec;
      spec.port = kEchoPort;
      EXPECT_TRUE(shard.listen(spec));
    });
  }

  // Has every client worker make `total` connections; false if that takes too long.
  bool run_clients(std::uint32_t total, std::uint32_t at_once) {
    const IpAddress server = server_options_.shard.addresses[0].prefix.address;
    clients_->call_all([&](Shard<EchoClient>&, EchoClient& app, Instant) {
      app.server = server;
      app.total = total;
      app.at_once = at_once;
    });
    const auto end = std::chrono::steady_clock::now() + 20s;
    for (unsigned w = 0; w < clients_->workers(); ++w) {
      while (!clients_->call(w, [](Shard<EchoClient>&, EchoClient& app, Instant) { return app.finished(); })) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::sleep_for(1ms);
      }
    }
    return true;
  }

  // What must hold after a run in which all ended well.
  void expect_all_echoed(std::uint32_t total) {
    std::uint64_t done = 0;
    clients_->call_all([&](Shard<EchoClient>&, EchoClient& app, Instant) {
      EXPECT_EQ(app.done, total);
      EXPECT_EQ(app.wrong, 0u);
      done += app.done;
    });
    std::uint64_t opened = 0;
    std::uint64_t shares = 0;
    servers_->call_all([&](Shard<EchoServer>&, EchoServer& app, Instant) {
      opened += app.opened;
      shares += app.opened != 0 ? 1 : 0;
    });
    EXPECT_EQ(opened, done);
    EXPECT_EQ(shares, servers_->workers()) << "each server worker got its part";
    const EngineSnapshot all = engine_->snapshot();
    EXPECT_EQ(all.total().shard.foreign, 0u);
    EXPECT_EQ(all.total().loop.resteer_lost, 0u);
    EXPECT_EQ(all.total().loop.rx_dropped, 0u);
    EXPECT_EQ(all.total(client_options_.port).tcp.active_opens, done);
  }

  std::unique_ptr<Engine> engine_;
  GroupOptions client_options_;
  GroupOptions server_options_;
  Clients* clients_ = nullptr;
  Servers* servers_ = nullptr;
};

// net_ring brings what queue 0 sends to queue 0: to a core that the hash has not chosen, for half of the flows.
TEST_F(EngineTest, RunToCompletionPassesFlowsToTheirOwners) {
  create("ring-pair", 2, false);
  start();
  ASSERT_TRUE(run_clients(2000, 32));
  expect_all_echoed(2000);
  EXPECT_GT(engine_->snapshot().total(server_options_.port).loop.resteered, 1000u);
  EXPECT_TRUE(engine_->stop(2s));
  EXPECT_EQ(engine_->snapshot().total().connections, 0u);
}

TEST_F(EngineTest, RunToCompletionOverMemifAndIpv6) {
  create("memif-pair", 2, false, "2001:2::1/64", "2001:2::2/64");
  start();
  ASSERT_TRUE(run_clients(500, 16));
  expect_all_echoed(500);
  EXPECT_TRUE(engine_->stop(2s));
}

TEST_F(EngineTest, PipelineFeedsEveryWorker) {
  create("memif-pair", 2, true);
  start();
  ASSERT_TRUE(run_clients(2000, 32));
  expect_all_echoed(2000);
  const EngineSnapshot all = engine_->snapshot();
  EXPECT_EQ(all.cores.size(), 6u);
  EXPECT_EQ(all.cores[0].role, CoreRole::kPort);
  EXPECT_GT(all.cores[0].queue.rx_packets, 0u);
  EXPECT_TRUE(engine_->stop(2s));
}

TEST_F(EngineTest, PipelineOverRings) {
  create("ring-pair", 2, true);
  start();
  ASSERT_TRUE(run_clients(1000, 32));
  expect_all_echoed(1000);
  EXPECT_TRUE(engine_->stop(2s));
}

TEST_F(EngineTest, OneWorkerEachWithCaptureAndLossBringsEverythingThrough) {
  const std::string file = (std::filesystem::temp_directory_path() / "pollux_engine_test.pcap").string();
  create("ring-pair", 1, false);
  client_options_.capture_file = file;
  server_options_.impair = ImpairedDeviceConfig{};
  server_options_.impair->received.loss = 0.02;
  server_options_.impair->sent.loss = 0.02;
  start();
  ASSERT_TRUE(run_clients(50, 10));
  expect_all_echoed(50);
  EXPECT_TRUE(engine_->stop(5s));
  const auto frames = engine_->snapshot().total(client_options_.port);
  EXPECT_GE(std::filesystem::file_size(file), 24 + (frames.queue.rx_packets + frames.queue.tx_packets) * (16 + 54));
  std::filesystem::remove(file);
}

// MUST-13: nothing leaves TIME-WAIT before 2MSL (here 60 s), and all of it does then; the clock is set ahead.
TEST_F(EngineTest, AClockThatIsSetAheadEndsTimeWaitForAllAtOnce) {
  create("ring-pair", 1, false);
  start();
  ASSERT_TRUE(run_clients(1000, 16));
  const auto waiting = [this] { return engine_->snapshot().total().time_wait; };
  engine_->advance_clock(50s);
  ASSERT_TRUE(run_clients(1100, 16));  // it runs on
  EXPECT_EQ(waiting(), 1100u);
  const Instant before = engine_->now();
  engine_->advance_clock(60s);
  EXPECT_GE(engine_->now() - before, 60s);
  const auto end = std::chrono::steady_clock::now() + 20s;
  // Each call is answered behind a turn of the loop, in which some more of them end.
  while (waiting() > 0 && std::chrono::steady_clock::now() < end)
    clients_->call(0, [](Shard<EchoClient>&, EchoClient&, Instant) {});
  EXPECT_EQ(waiting(), 0u);
  EXPECT_EQ(engine_->snapshot().total().time_wait_counters.expired, 1100u);
  EXPECT_LT(engine_->snapshot().total().loop.busy, 60s) << "the loops' own accounts are in real time";
}

TEST_F(EngineTest, StopGivesUpAtTheDeadlineAndResetsTheRest) {
  create("ring-pair", 1, false);
  start();
  clients_->call(0, [](Shard<EchoClient>& shard, EchoClient&, Instant now) {
    ConnectSpec spec;
    spec.remote = *IpAddress::parse("198.18.0.9");  // nobody: stays in SYN-SENT
    spec.remote_port = kEchoPort;
    EXPECT_TRUE(shard.connect(spec, now));
  });
  std::thread second{[&] {
    std::this_thread::sleep_for(100ms);
    engine_->hurry();
  }};
  const auto began = std::chrono::steady_clock::now();
  engine_->stop(10s);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 2s) << "hurry() cuts it short";
  second.join();
  // What is left of it can still be asked, on this thread.
  EXPECT_EQ(clients_->call(0, [](Shard<EchoClient>&, EchoClient& app, Instant) { return app.closed; }), 1u);
  EXPECT_EQ(servers_->call(0, [](Shard<EchoServer>&, EchoServer& app, Instant) { return app.opened; }), 0u);
}

// --- Mistakes: nothing of DPDK is started for these ---

std::string add_error(Engine& engine, const GroupOptions& options) {
  auto added = engine.add_group<EchoServer>(options, [](unsigned) { return std::make_unique<EchoServer>(); });
  return added ? std::string{} : added.error();
}

TEST(EngineMistakes, SayWhatIsWrongAndWhatMendsIt) {
  EngineOptions options = without_huge_pages();
  options.cores = {4095};
  const auto refused = Engine::create(options);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().find("4095"), std::string::npos);

  auto engine = *Engine::create(without_huge_pages());
  EXPECT_FALSE(engine->start());
  EXPECT_NE(add_error(*engine, group("ring-pair:2", 1, false, "198.18.0.1/24")).find("ring-pair:1"), std::string::npos);
  EXPECT_NE(add_error(*engine, group("ring", 0, false, "198.18.0.1/24")).find("workers"), std::string::npos);
  GroupOptions none = group("ring", 1, false, "198.18.0.1/24");
  none.shard.addresses.clear();
  EXPECT_NE(add_error(*engine, none).find("--ip"), std::string::npos);
  EXPECT_EQ(add_error(*engine, group("ring-pair:0", 1, false, "198.18.0.1/24")), "");
  EXPECT_NE(add_error(*engine, group("ring-pair:0", 1, false, "198.18.0.1/24")).find("twice"), std::string::npos);
  EXPECT_EQ(add_error(*engine, group("ring-pair:1", 1, false, "198.18.0.2/24")), "");
}

// A queue that no core polls swallows what comes to it; a worker without one is never fed.
TEST(EngineMistakes, APortHasAsManyQueuesAsArePolled) {
  const auto error_of = [](const std::string& port, unsigned workers, bool pipeline) {
    auto engine = *Engine::create(without_huge_pages());
    return add_error(*engine, group(port, workers, pipeline, "198.18.0.2/24"));
  };
  EXPECT_EQ(error_of("tap:queues=2", 2, false), "");
  EXPECT_EQ(error_of("tap:queues=1", 2, true), "");
  EXPECT_EQ(error_of("tap", 4, false), "");
  for (const char* port : {"tap:queues=2", "memif:server,@x,queues=2", "afpacket:eth0,qpairs=2"}) {
    EXPECT_NE(error_of(port, 1, false).find("2 queues for one worker"), std::string::npos) << error_of(port, 1, false);
    EXPECT_NE(error_of(port, 1, false).find("--workers 2"), std::string::npos) << error_of(port, 1, false);
    EXPECT_NE(error_of(port, 3, false).find("2 queues for 3 workers"), std::string::npos) << port;
    EXPECT_NE(error_of(port, 2, true).find("2 queues for a pipeline"), std::string::npos) << port;
  }
}

TEST(EngineMistakes, TheEndsOfAPairAreOnAsManyQueues) {
  auto engine = *Engine::create(without_huge_pages());
  EXPECT_EQ(add_error(*engine, group("ring-pair:0", 2, false, "198.18.0.1/24")), "");
  EXPECT_NE(add_error(*engine, group("ring-pair:1", 1, false, "198.18.0.2/24")).find("on 2 and 1 queues"),
            std::string::npos);
  EXPECT_EQ(add_error(*engine, group("ring-pair:1", 2, false, "198.18.0.2/24")), "");
}

}  // namespace
}  // namespace pollux::runtime
