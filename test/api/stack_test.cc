// The embedding contract: packets, time, and what sockets tell.

#include "two_stacks.h"

namespace pollux::test {
namespace {

TEST(Stack, CarriesTextBothWaysAndEndsInTimeWait) {
  TwoStacks two;
  two.connect();
  ASSERT_EQ(*two.client.write(two.connected, bytes_of("question")), 8u);
  two.run(50ms);
  EXPECT_EQ(read_all(two.server, two.accepted), "question");
  ASSERT_EQ(*two.server.write(two.accepted, bytes_of("answer")), 6u);
  two.run(50ms);
  EXPECT_EQ(read_all(two.client, two.connected), "answer");
  EXPECT_TRUE(two.client.close(two.connected));
  two.run(50ms);
  EXPECT_TRUE(two.server.close(two.accepted));
  two.run(50ms);
  EXPECT_EQ(two.server.connections(), 0u);
  EXPECT_EQ(two.client.connections(), 1u) << "in TIME-WAIT";
  two.run(61s);
  EXPECT_EQ(two.client.connections(), 0u);
}

TEST(Stack, EqualSeedsAndInputGiveEqualOutput) {
  const auto play = [](std::uint64_t seed) {
    TwoStacks two{seed};
    two.connect();
    EXPECT_TRUE(two.client.write(two.connected, std::vector<std::byte>(30'000)));
    two.run(10s);
    std::pair result{two.log, two.client.local_name(two.connected)->port};
    return result;
  };
  EXPECT_EQ(play(7), play(7));
  EXPECT_NE(play(7).second, play(8).second) << "another seed draws another port";
}

TEST(Stack, TimeIsWhatItIsToldAndDeadlinesAreMet) {
  TwoStacks two;
  two.cut = true;
  const int fd = *two.client.open(AF_INET);
  EXPECT_EQ(error_of(two.client.connect(fd, TwoStacks::server_name())), EINPROGRESS);
  const Instant start = two.client.now();
  ASSERT_TRUE(two.client.next_packet());
  EXPECT_FALSE(two.client.next_packet());
  two.client.advance(start + 999ms);
  EXPECT_FALSE(two.client.next_packet());
  two.client.advance(start + 10s);  // past several deadlines at once: each packet has its own instant
  const auto second = two.client.next_packet();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->at, start + 1s);
  EXPECT_EQ(two.client.next_packet()->at, start + 3s);
  EXPECT_EQ(two.client.next_packet()->at, start + 7s);
  EXPECT_EQ(two.client.now(), start + 10s);
}

TEST(Stack, PollSaysWhatHolds) {
  TwoStacks two;
  const int fresh = *two.client.open(AF_INET);
  EXPECT_EQ(two.client.poll(fresh), POLLOUT | POLLHUP);
  EXPECT_EQ(error_of(two.client.connect(fresh, TwoStacks::server_name())), EINPROGRESS);
  EXPECT_EQ(two.client.poll(fresh), 0);
  two.run(100ms);  // refused
  EXPECT_EQ(two.client.poll(fresh), POLLIN | POLLRDHUP | POLLOUT | POLLERR | POLLHUP);

  two.connect();
  EXPECT_EQ(two.server.poll(two.listener), 0);
  EXPECT_EQ(two.client.poll(two.connected), POLLOUT);
  EXPECT_TRUE(two.server.write(two.accepted, bytes_of("x")));
  two.run(50ms);
  EXPECT_EQ(two.client.poll(two.connected), POLLIN | POLLOUT);
  EXPECT_TRUE(two.server.shutdown(two.accepted, SHUT_WR));
  two.run(50ms);
  EXPECT_EQ(two.client.poll(two.connected), POLLIN | POLLOUT | POLLRDHUP);
  EXPECT_TRUE(two.client.shutdown(two.connected, SHUT_WR));
  EXPECT_EQ(two.client.poll(two.connected), POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
}

TEST(Stack, InfoFollowsTheStates) {
  TwoStacks two;
  const int fd = *two.client.open(AF_INET);
  EXPECT_EQ(two.client.info(fd)->state, TCP_CLOSE);
  two.connect();
  EXPECT_EQ(two.server.info(two.listener)->state, TCP_LISTEN);
  EXPECT_EQ(two.client.info(two.connected)->state, TCP_ESTABLISHED);
  EXPECT_EQ(two.client.info(two.connected)->rtt, 20'000u);
  EXPECT_TRUE(two.client.shutdown(two.connected, SHUT_WR));
  EXPECT_EQ(two.client.info(two.connected)->state, TCP_FIN_WAIT1);
  two.run(100ms);
  EXPECT_EQ(two.client.info(two.connected)->state, TCP_FIN_WAIT2);
  EXPECT_EQ(two.server.info(two.accepted)->state, TCP_CLOSE_WAIT);
  EXPECT_TRUE(two.server.shutdown(two.accepted, SHUT_WR));
  EXPECT_EQ(two.server.info(two.accepted)->state, TCP_LAST_ACK);
  two.run(100ms);
  EXPECT_EQ(two.server.info(two.accepted)->state, TCP_CLOSE);
  EXPECT_EQ(two.client.info(two.connected)->state, TCP_CLOSE);
}

TEST(Stack, OptionsOfAListenerAreInherited) {
  TwoStacks two;
  const int listener = *two.server.open(AF_INET);
  EXPECT_TRUE(two.server.set_option(listener, IPPROTO_IP, IP_TTL, 9));
  EXPECT_TRUE(two.server.bind(listener, TwoStacks::server_name()));
  EXPECT_TRUE(two.server.listen(listener, 1));
  const int fd = *two.client.open(AF_INET);
  EXPECT_EQ(error_of(two.client.connect(fd, TwoStacks::server_name())), EINPROGRESS);
  two.run(100ms);
  const int accepted = *two.server.accept(listener);
  EXPECT_EQ(*two.server.get_option(accepted, IPPROTO_IP, IP_TTL), 9);
  EXPECT_TRUE(two.server.write(accepted, bytes_of("x")));
  EXPECT_EQ(std::to_integer<int>(two.server.next_packet()->bytes[8]), 9);
}

TEST(Stack, AListenerThatClosesResetsWhomNobodyAccepted) {
  TwoStacks two;
  const int listener = *two.server.open(AF_INET);
  EXPECT_TRUE(two.server.bind(listener, TwoStacks::server_name()));
  EXPECT_TRUE(two.server.listen(listener, 1));
  const int fd = *two.client.open(AF_INET);
  EXPECT_EQ(error_of(two.client.connect(fd, TwoStacks::server_name())), EINPROGRESS);
  two.run(100ms);
  EXPECT_EQ(two.server.poll(listener), POLLIN);
  EXPECT_TRUE(two.server.close(listener));
  two.run(100ms);
  std::byte one[1];
  EXPECT_EQ(error_of(two.client.read(fd, one)), ECONNRESET);
  EXPECT_EQ(two.server.connections(), 0u);
}

TEST(Stack, WhatIsNoPacketIsDropped) {
  TwoStacks two;
  two.server.receive({});
  two.server.receive(bytes_of("\x45"));
  two.server.receive(bytes_of("hello"));
  EXPECT_FALSE(two.server.next_packet());
  EXPECT_EQ(two.server.connections(), 0u);
}

}  // namespace
}  // namespace pollux::test
