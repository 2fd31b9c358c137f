// Closing: lost FINs and ACKs, half and simultaneous close, reset, and what the applications learn.

#include "scenes.h"

namespace pollux::sim {
namespace {

using tcp::Reason;
using tcp::State;

constexpr Duration kMsl = 30s;

TEST(Close, BothEndsReachClosedThoughTheFirstFinIsLost) {
  Scene net{with_one_way(20ms)};
  auto [client, server] = net.connected_pair();
  net.drop(first(fin().from(client)));

  server.shutdown_on_eof();
  client.shutdown();
  net.run_until_idle();

  EXPECT_EQ(server.state(), State::kClosed);
  EXPECT_EQ(client.state(), State::kTimeWait);
  net.sleep(2 * kMsl + 1ms);
  EXPECT_EQ(client.state(), State::kClosed);
  EXPECT_EQ(net.connections(), 0u);
  net.expect_all_gone();
}

TEST(Close, TheSecondFinIsSentAgainUntilItIsAcknowledged) {
  Scene net;
  auto [client, server] = net.connected_pair();
  net.drop(fin().from(server).numbered(1, 3));

  server.shutdown_on_eof();
  client.shutdown();
  net.run_until_idle();

  EXPECT_EQ(server.state(), State::kClosed);
  EXPECT_EQ(server.side().reason, Reason::kFinished);
  EXPECT_EQ(net.count(fin().from(server)), 4u);
  net.expect_all_gone();
}

TEST(Close, AFinThatComesAgainStartsTimeWaitAnew) {  // RFC 9293, 3.10.7.4, eighth
  Scene net;
  auto [client, server] = net.connected_pair();
  server.shutdown_on_eof();
  client.shutdown();
  ASSERT_TRUE(net.run_until([c = client] { return c.state() == State::kTimeWait; }, 10s));
  const Instant entered = net.now();
  net.run_until_idle();
  const auto fin_again = net.sent(fin().from(server)).back();
  net.sleep(20s);

  net.inject(0, fin_again.frame);
  net.sleep(entered + 2 * kMsl + 1s - net.now());
  EXPECT_EQ(client.state(), State::kTimeWait);
  net.sleep(20s);
  EXPECT_EQ(client.state(), State::kClosed);
  net.expect_all_gone();
}

TEST(Close, BothAtOnceGoThroughClosingToTimeWait) {
  Scene net;
  auto [client, server] = net.connected_pair();

  client.shutdown();
  server.shutdown();
  net.sleep(11ms);
  EXPECT_EQ(client.state(), State::kClosing);
  EXPECT_EQ(server.state(), State::kClosing);
  net.run_until_idle();

  EXPECT_EQ(client.state(), State::kTimeWait);
  EXPECT_EQ(server.state(), State::kTimeWait);
  net.expect_all_gone();
}

TEST(Close, TextFlowsOnAfterAHalfClose) {
  Scene net;
  Plan answer;
  answer.start = Start::kAtEof;
  answer.total = 200'000;
  answer.finish = Finish::kShutdownWhenSent;
  auto [client, server] = net.connected_pair(Network::manual(), answer);

  client.shutdown();
  net.run_until_idle();

  EXPECT_EQ(client.received(), 200'000u);
  EXPECT_TRUE(client.side().eof);
  EXPECT_EQ(client.state(), State::kTimeWait);
  net.expect_all_gone();
}

TEST(Close, AFinWaitsBehindTextThatAClosedWindowHolds) {
  Scene net;
  auto [client, server] = net.connected_pair();
  server.stop_reading();
  client.send_all(400'000);
  net.sleep(1s);
  ASSERT_EQ(client.side().sent, 400'000u);
  client.shutdown();
  net.sleep(60s);  // zero-window probes
  EXPECT_GT(net.core(0).tcp_counters().zero_window_probes, 3u);

  server.read_on();
  net.run_until_idle();

  EXPECT_EQ(server.received(), 400'000u);
  EXPECT_TRUE(server.side().eof);
  server.shutdown();
  net.expect_all_gone();
}

TEST(Close, AnAbortIsAResetToThePeer) {
  Scene net;
  auto [client, server] = net.connected_pair();

  client.abort();
  net.run_until_idle();

  EXPECT_EQ(client.side().reason, Reason::kAborted);
  EXPECT_EQ(server.side().reason, Reason::kReset);
  EXPECT_EQ(net.count(rst()), 1u);
  net.expect_all_gone();
}

TEST(Close, TextForAnApplicationThatHasClosedIsAnsweredWithAReset) {  // RFC 9293, 3.6.1
  Scene net;
  auto [client, server] = net.connected_pair();

  client.close();
  net.run_until_idle(1s);
  server.send_all(500);
  net.run_until_idle(1s);

  EXPECT_EQ(server.side().reason, Reason::kReset);
  EXPECT_EQ(net.count(rst()), 1u);
  net.expect_all_gone();
}

TEST(Close, AnOrphanLeavesFinWait2AfterItsTime) {
  Scene net;
  auto [client, server] = net.connected_pair();

  client.close();
  net.sleep(1s);
  EXPECT_EQ(client.state(), State::kFinWait2);
  net.sleep(60s);

  EXPECT_EQ(client.state(), State::kClosed);
  EXPECT_EQ(server.state(), State::kCloseWait);
}

TEST(Close, ASendThatCanNeverFitIsRefused) {
  NetworkConfig config;
  config.tcp[0].send_buffer = 1000;
  Scene net{config};
  auto [client, server] = net.connected_pair();
  const std::vector<std::byte> much(1001);

  net.with(client.side(),
           [&](Conn conn) { EXPECT_EQ(conn.send_reference(much).error(), tcp::UserError::kInsufficientResources); });
}

TEST(Close, ASendWithoutABlockLeftFailsAndTheNextOneWorks) {
  NetworkConfig config;
  config.shard = [](ShardConfig& shard, int) { shard.send_blocks = 1; };
  Scene net{config};
  auto [one, peer] = net.connected_pair();
  auto [two, other_peer] = net.connected_pair();
  net.partition(0, true);
  one.send_all(100);
  net.sleep(1ms);

  two.send_all(100);
  net.sleep(10ms);
  EXPECT_EQ(two.side().sent, 0u);
  net.partition(0, false);
  net.run_until_idle();

  EXPECT_EQ(peer.received(), 100u);
  EXPECT_EQ(other_peer.received(), 100u);
}

}  // namespace
}  // namespace pollux::sim
