// TIME-WAIT: what ends it and what does not, and that nothing old gets into what is new.

#include "base/random.h"
#include "scenes.h"
#include "seed_range.h"

namespace pollux::sim {
namespace {

using tcp::State;

constexpr Duration kMsl = 30s;

Plan one_way(std::uint64_t bytes) {
  Plan plan;
  plan.total = bytes;
  plan.finish = Finish::kShutdownWhenSent;
  return plan;
}

// The server sends and closes first, so that it is the server that waits.
Plan server_first(std::uint64_t bytes) { return one_way(bytes); }

TEST(TimeWait, AResetDoesNotEndIt) {  // RFC 1337
  Scene net;
  auto [client, server] = net.connected_pair();
  server.shutdown_on_eof();
  client.shutdown();
  net.run_until_idle();
  ASSERT_EQ(client.state(), State::kTimeWait);
  const auto entry = net.core(0).time_wait().find(client.key());
  ASSERT_TRUE(entry);

  net.forge(client, kFlagRst, entry->rcv_nxt.value(), 0);
  net.sleep(1s);

  EXPECT_EQ(client.state(), State::kTimeWait);
  net.expect_all_gone();
}

TEST(TimeWait, LastsTwiceMslAndNoLonger) {  // MUST-13
  Scene net;
  auto [client, server] = net.connected_pair();
  server.shutdown_on_eof();
  client.shutdown();
  ASSERT_TRUE(net.run_until([c = client] { return c.state() == State::kTimeWait; }, 10s));

  net.sleep(2 * kMsl - 10ms);
  EXPECT_EQ(client.state(), State::kTimeWait);
  net.sleep(20ms);
  EXPECT_EQ(client.state(), State::kClosed);
}

// Records know whole milliseconds, rounded up: what comes before the one is over must not seem to come weeks later.
TEST(TimeWait, AnOldTimestampIsOldInItsFirstMillisecondToo) {  // RFC 7323, 5.3
  Scene net;
  auto [client, server] = net.connected_pair();
  client.send_all(100);
  net.run_until_idle();
  const auto old_ack = net.sent(pure_ack().from(server)).back();
  net.sleep(1s + 100us);
  server.shutdown_on_eof();
  client.shutdown();
  const auto entry = [&, c = client] { return net.core(0).time_wait().find(c.key()); };
  ASSERT_TRUE(net.run_until([&] { return entry().has_value(); }, 10s));
  const TimeWaitEntry before = *entry();
  ASSERT_NE(net.now().time_since_epoch() % 1ms, Duration{0});

  std::vector<std::byte> frame = old_ack.frame;
  set_seq(frame, view_of(old_ack), before.rcv_nxt.value());
  set_ack(frame, view_of(old_ack), before.snd_nxt.value());
  mend_checksums(frame);
  net.impair(1, {});
  net.inject(0, frame);
  net.sleep(10us);

  EXPECT_EQ(entry()->ts_recent, before.ts_recent);
  net.expect_all_gone();
}

TEST(TimeWait, OldTextIsAcknowledgedWithTheWindowAsItWas) {
  Scene net;
  auto [client, server] = net.connected_pair();
  server.shutdown_on_eof();
  client.shutdown();
  net.run_until_idle();
  const WireView last = view_of(net.sent(pure_ack().from(client)).back());
  const auto fin_of_server = net.sent(fin().from(server)).back();

  net.inject(0, fin_of_server.frame);
  net.sleep(1s);

  const WireView again = view_of(net.sent(pure_ack().from(client)).back());
  EXPECT_EQ(net.count(pure_ack().from(client).also([&](const WireView& v) { return v.ack == last.ack; })), 2u);
  EXPECT_EQ(again.seq, last.seq);
  EXPECT_EQ(again.wnd, last.wnd);
}

// Both incarnations with the same ports; the server is in TIME-WAIT when the second begins.
TEST(TimeWait, ANewerSynOpensTheNextConnectionAboveTheOldOne) {  // RFC 6191
  Scene net{with_one_way(100us)};
  Flow& one = net.add_flow(0, true, Plan{}, server_first(3'000'000));  // faster than the ISN's clock
  ASSERT_TRUE(net.connect(one, 5000));
  net.run_until_idle();
  ASSERT_EQ(net.server(one).state(), State::kTimeWait);
  const auto old = net.core(1).time_wait().find(net.server(one).key());
  ASSERT_TRUE(old);
  net.sleep(10ms);

  Flow& two = net.add_flow(0, true, Plan{}, server_first(1000));
  ASSERT_TRUE(net.connect(two, 5000));
  net.run_until_idle();

  EXPECT_EQ(two.sides[0].received, 1000u);
  EXPECT_GT(SeqNum{view_of(net.sent(syn_ack()).back()).seq}, old->snd_nxt);
  net.expect_all_gone();
}

TEST(TimeWait, AnOldSynIsOnlyAcknowledged) {  // RFC 6191, 2; RFC 9293, 3.6.1
  for (const bool timestamps : {true, false}) {
    NetworkConfig config;
    config.tcp[0].timestamps = timestamps;
    Scene net{config};
    Flow& flow = net.add_flow(0, true, Plan{}, server_first(1000));
    ASSERT_TRUE(net.connect(flow));
    net.run_until_idle();
    ASSERT_EQ(net.server(flow).state(), State::kTimeWait);
    const auto old_syn = net.sent(syn()).front();
    const std::size_t before = net.frames().size();

    net.inject(1, old_syn.frame);
    net.sleep(5s);

    EXPECT_EQ(net.server(flow).state(), State::kTimeWait);
    EXPECT_EQ(net.count(syn_ack()), 1u);
    EXPECT_EQ(net.core(1).half_open().size(), 0u);
    EXPECT_LE(net.frames().size(), before + 2);  // an ACK, and the reset by who knows of nothing
  }
}

// Whatever an earlier connection sent arrives once more while the next one runs.
void replay_into_next(bool timestamps, bool v4) {
  NetworkConfig config;
  config.tcp[0].timestamps = timestamps;
  Scene net{config};
  Plan talk = one_way(50'000);
  talk.start = Start::kAtOpen;
  Flow& one = net.add_flow(0, v4, talk, talk);
  ASSERT_TRUE(net.connect(one, 5000));
  net.run_until_idle();
  net.sleep(2 * kMsl + 1s);
  const std::deque<Network::Kept> old = net.frames();

  Flow& two = net.add_flow(0, v4, talk, talk);
  for (Side& side : two.sides) {
    side.plan.pause = 1;
    side.plan.chunk = 500;
    side.plan.pause_length = 5ms;
  }
  ASSERT_TRUE(net.connect(two, 5000));
  Duration when{0};
  for (const Network::Kept& kept : old) {
    if (rst().matches(kept.from, kept.frame)) continue;
    net.at(net.now() + (when += 3ms), [&net, &kept] { net.inject(1 - kept.from, kept.frame); });
  }
  net.sleep(10s);

  EXPECT_EQ(two.sides[0].received, 50'000u);
  EXPECT_EQ(two.sides[1].received, 50'000u);
  net.expect_all_gone();
}

TEST(TimeWait, OldDuplicatesGiveNoByteToTheNextConnection) { replay_into_next(true, true); }
TEST(TimeWait, OldDuplicatesGiveNoByteToTheNextConnectionWithoutTimestamps) { replay_into_next(false, true); }
TEST(TimeWait, OldDuplicatesGiveNoByteToTheNextConnectionOverIpv6) { replay_into_next(true, false); }

// Two incarnations of one tuple whose sizes, closing sides and gap follow from a seed: the second begins as soon as
// TIME-WAIT lets it (RFC 6191), or after 2MSL. While it runs, segments of the first come again, some of them twice, in
// any order. Every byte that either side gets is of its own stream, or the network complains.
void two_incarnations(std::uint64_t seed) {
  Random random{seed};
  NetworkConfig config;
  config.seed = seed;
  config.one_way = std::chrono::microseconds{50 + random.below(10'000)};
  config.tcp[0].timestamps = random.chance(0.6);
  const bool v4 = random.chance(0.7);
  Scene net{config};
  const auto talk = [&](std::uint32_t chunk) {
    Plan plan = one_way(random.below(20'000));
    plan.start = Start::kAtOpen;
    plan.chunk = chunk;
    return plan;
  };
  Flow& one = net.add_flow(0, v4, talk(16'384), talk(16'384));
  ASSERT_TRUE(net.connect(one, 5000));
  net.run_until_idle();
  const std::deque<Network::Kept> old = net.frames();
  if (random.chance(0.5)) net.sleep(1s + std::chrono::milliseconds{random.below(20'000)});

  Flow& two = net.add_flow(0, v4, talk(500), talk(500));
  for (Side& side : two.sides) {
    side.plan.pause = 1;
    side.plan.pause_length = 5ms;
  }
  if (!net.connect(two, 5000)) {  // the client is in TIME-WAIT, and nothing tells new segments from old ones
    ASSERT_EQ(net.error(), ConnectError::kAddressInUse);
    net.sleep(2 * kMsl + 1s);
    ASSERT_TRUE(net.connect(two, 5000));
  }
  for (const Network::Kept& kept : old) {
    if (rst().matches(kept.from, kept.frame)) continue;
    for (std::uint64_t copies = random.below(3); copies > 0; --copies) {
      net.at(net.now() + std::chrono::microseconds{random.below(300'000)},
             [&net, &kept] { net.inject(1 - kept.from, kept.frame); });
    }
  }
  net.sleep(30s);

  EXPECT_EQ(two.sides[0].received, two.sides[1].plan.total);
  EXPECT_EQ(two.sides[1].received, two.sides[0].plan.total);
  net.expect_all_gone();
}

TEST(TimeWait, OldDuplicatesNeverDeliverAByteWhateverTheSeed) {
  const auto [first, count] = SeedRange::from_environment();
  const std::uint64_t worlds = count == 1 ? 1 : 5 * count;  // they are small ones
  for (std::uint64_t seed = first; seed < first + worlds && !HasFailure(); ++seed) {
    SCOPED_TRACE("TEST_SEED=" + std::to_string(seed));
    two_incarnations(seed);
  }
}

// An old SYN opens half a connection to a peer that is in TIME-WAIT: the two must not answer each other for ever.
TEST(TimeWait, AnOldSynToAListenerMakesNoStormWithAPeerInTimeWait) {
  Scene net;
  Flow& flow = net.add_flow(0, true, one_way(2000), Plan{});
  ASSERT_TRUE(net.connect(flow));
  net.run_until_idle();
  ASSERT_EQ(net.client(flow).state(), State::kTimeWait);
  ASSERT_EQ(net.server(flow).state(), State::kClosed);
  const std::size_t before = net.frames().size();

  net.inject(1, net.sent(syn()).front().frame);
  net.sleep(10s);

  EXPECT_LE(net.frames().size(), before + 20);
}

}  // namespace
}  // namespace pollux::sim
