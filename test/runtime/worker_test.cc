#include "runtime/worker.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "device/loopback_pair.h"
#include "echo_apps.h"

namespace pollux::runtime {
namespace {

using End = LoopbackPair::End;

// An application without the calls that only some have.
struct Quiet {
  std::vector<tcp::Reason> reasons;
  void on_open(Conn) {}
  std::size_t on_text(Conn, std::span<const std::byte> text) { return text.size(); }
  void on_eof(Conn) {}
  void on_writable(Conn) {}
  void on_urgent(Conn) {}
  void on_closed(Conn, tcp::Reason reason) { reasons.push_back(reason); }
};
static_assert(App<Quiet> && !TurnedApp<Quiet> && !DrainingApp<Quiet>);
static_assert(TurnedApp<EchoClient>);

ShardConfig station(const char* prefix, std::uint8_t number) {
  ShardConfig config = small_shard(prefix);
  config.mac = MacAddress{{2, 0, 0, 0, 0, number}};
  return config;
}

// A client and a server worker with a wire between them, in virtual time.
template <class Client, class Server>
class TwoWorkers {
 public:
  TwoWorkers(const char* client_address, const char* server_address)
      : client{wire.left(), {}, station(client_address, 1), own(client_app), now},
        server{wire.right(), {}, station(server_address, 2), own(server_app), now} {
    server.post([](Shard<Server>& shard, Server&, Instant) {
      ListenSpec spec;
      spec.port = kEchoPort;
      EXPECT_TRUE(shard.listen(spec));
    });
    server.turn(now);
  }

  void turns(int n) {
    for (int i = 0; i < n; ++i) {
      client.turn(now);
      server.turn(now);
      now += 50us;
    }
  }
  void leave() {
    client.leave(now);
    server.leave(now);
  }

  template <class A>
  static std::unique_ptr<A> own(A*& kept) {
    auto app = std::make_unique<A>();
    kept = app.get();
    return app;
  }

  Instant now{1s};
  LoopbackPair wire;
  Client* client_app = nullptr;
  Server* server_app = nullptr;
  Worker<End, Client> client;
  Worker<End, Server> server;
};

class WorkerTest : public testing::TestWithParam<std::pair<const char*, const char*>> {};
INSTANTIATE_TEST_SUITE_P(BothFamilies, WorkerTest,
                         testing::Values(std::pair{"198.18.0.1/24", "198.18.0.2/24"},
                                         std::pair{"2001:2::1/64", "2001:2::2/64"}));

TEST_P(WorkerTest, CarryConnectionsFromOpenToClose) {
  TwoWorkers<EchoClient, EchoServer> two{GetParam().first, GetParam().second};
  two.client_app->server = IpPrefix::parse(GetParam().second)->address;
  two.client_app->total = 100;
  two.client_app->at_once = 10;

  for (int i = 0; i < 200 && !two.client_app->finished(); ++i) two.turns(10);
  two.leave();

  EXPECT_EQ(two.client_app->done, 100u);
  EXPECT_EQ(two.client_app->wrong, 0u);
  EXPECT_EQ(two.server_app->opened, 100u);
  EXPECT_EQ(two.server_app->closed, 100u);
  EXPECT_EQ(two.server_app->echoed, 100 * EchoClient::kSize);
  const CoreSnapshot client = two.client.snapshot();
  EXPECT_EQ(client.connections, 0u);
  EXPECT_EQ(client.time_wait, 100u);
  EXPECT_EQ(client.tcp.active_opens, 100u);
  EXPECT_EQ(two.wire.outstanding(), 0u);
}

TEST(Worker, AsksTheApplicationOncePerTurnBeforeOutput) {
  TwoWorkers<EchoClient, EchoServer> two{"198.18.0.1/24", "198.18.0.2/24"};
  two.client_app->server = *IpAddress::parse("198.18.0.2");
  two.client_app->total = 1;

  two.client.turn(two.now);

  EXPECT_EQ(two.client_app->turns, 1u);
  EXPECT_EQ(two.client_app->started, 1u);
  two.client.turn(two.now);  // what the first found missing, the next hop's address, is asked for by now
  std::array<Packet, 4> sent;
  EXPECT_EQ(two.wire.right().receive(sent), 1u);
}

TEST(Worker, SaysWhetherATurnHadWorkAndWhenTheNextHas) {
  TwoWorkers<EchoClient, EchoServer> two{"198.18.0.1/24", "198.18.0.2/24"};
  two.client.turn(two.now);
  EXPECT_FALSE(two.client.turn(two.now));

  two.client.post([](Shard<EchoClient>&, EchoClient& app, Instant) {
    app.server = *IpAddress::parse("198.18.0.2");
    app.total = 1;
  });
  EXPECT_TRUE(two.client.turn(two.now));

  // Now it waits: for an answer, but no longer than a timer of its own.
  ASSERT_TRUE(two.client.next_due(two.now).has_value());
  EXPECT_LE(*two.client.next_due(two.now), two.now + 3s);
  two.leave();
}

TEST(Worker, DrainClosesListenersAndConnectionsBehindWhatIsQueued) {
  TwoWorkers<EchoClient, Quiet> two{"198.18.0.1/24", "198.18.0.2/24"};
  two.client_app->server = *IpAddress::parse("198.18.0.2");
  two.client_app->total = two.client_app->at_once = 5;
  two.turns(50);
  ASSERT_EQ(two.client_app->active(), 5u);

  // begin_drain is for another thread, which waits; here its commands are given by hand.
  two.server.post([](Shard<Quiet>& shard, Quiet&, Instant now) {
    shard.core().close_listeners();
    shard.for_each(now, [](Conn conn) { conn.close(); });
  });
  two.turns(50);
  EXPECT_EQ(two.client_app->closed, 5u);

  two.client_app->total = 6;  // nobody listens any more
  two.turns(50);
  EXPECT_EQ(two.client_app->closed, 6u);
  two.leave();
  EXPECT_EQ(two.server.snapshot().gauges.states[static_cast<std::size_t>(tcp::State::kListen)], 0u);
  EXPECT_EQ(two.server.snapshot().connections, 0u);
  EXPECT_EQ(two.server_app->reasons.size(), 5u);
}

TEST(Worker, AfterLeavingCallsRunOnTheCallersThread) {
  TwoWorkers<EchoClient, EchoServer> two{"198.18.0.1/24", "198.18.0.2/24"};
  two.leave();
  EXPECT_EQ(two.server.call([](Shard<EchoServer>& shard, EchoServer&, Instant) { return shard.core().connections(); }),
            0u);
  EXPECT_FALSE(two.server.post([](Shard<EchoServer>&, EchoServer&, Instant) {}));
}

}  // namespace
}  // namespace pollux::runtime
