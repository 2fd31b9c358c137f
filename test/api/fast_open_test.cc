// Fast Open (RFC 7413) by sockets: TCP_FASTOPEN of a listener, and sendto() with MSG_FASTOPEN.

#include "two_stacks.h"

namespace pollux::test {
namespace {

TwoStacks::Configure fast_open(bool on = true) {
  return [on](ShardConfig& config) {
    config.tcp.fast_open_client = on;
    config.tcp.fast_open_server = on;
  };
}

// A connection whose first text is `text`, and what sendto() said of it: how much went in the SYN.
struct FastOpen {
  FastOpen(TwoStacks& two, std::string_view text)
      : fd{*two.client.open(AF_INET)},
        sent{two.client.connect_and_write(fd, TwoStacks::server_name(), bytes_of(text))} {}
  int fd;
  api::Result<std::size_t> sent;
};

int listen(TwoStacks& two, int pending) {
  const int listener = *two.server.open(AF_INET);
  EXPECT_TRUE(two.server.set_option(listener, IPPROTO_TCP, TCP_FASTOPEN, pending));
  EXPECT_TRUE(two.server.bind(listener, TwoStacks::server_name()));
  EXPECT_TRUE(two.server.listen(listener, 8));
  return listener;
}

// A first connection, which gets the cookie.
void ask(TwoStacks& two, int listener) {
  const FastOpen first{two, "text"};
  EXPECT_EQ(error_of(first.sent), EINPROGRESS) << "there is no cookie, and nothing was taken";
  two.run(100ms);
  EXPECT_TRUE(two.client.connect(first.fd, TwoStacks::server_name()));
  const int accepted = *two.server.accept(listener);
  EXPECT_EQ(read_all(two.server, accepted), "");
  EXPECT_TRUE(two.client.close(first.fd));
  EXPECT_TRUE(two.server.close(accepted));
  two.run(100ms);
}

TEST(FastOpen, TextOfTheSecondConnectionIsReadAndAnsweredWithinOneRoundTrip) {
  TwoStacks two{1, fast_open()};
  const int listener = listen(two, 5);
  ask(two, listener);
  const FastOpen second{two, "question"};
  ASSERT_EQ(second.sent.value_or(0), 8u);
  two.run(TwoStacks::kWay);
  const int accepted = *two.server.accept(listener);
  EXPECT_EQ(read_all(two.server, accepted), "question");
  EXPECT_EQ(two.server.info(accepted)->state, TCP_SYN_RECV);
  EXPECT_EQ(two.server.poll(accepted), POLLOUT);
  ASSERT_EQ(two.server.write(accepted, bytes_of("answer")).value_or(0), 6u);
  EXPECT_EQ(two.client.poll(second.fd), 0);
  two.run(TwoStacks::kWay);
  EXPECT_TRUE(two.client.connect(second.fd, TwoStacks::server_name()));
  EXPECT_EQ(read_all(two.client, second.fd), "answer");
  two.run(TwoStacks::kWay);
  EXPECT_EQ(two.server.info(accepted)->state, TCP_ESTABLISHED);
}

TEST(FastOpen, WhatTheSynHasNoRoomForFollowsTheHandshake) {
  TwoStacks two{1, fast_open()};
  const int listener = listen(two, 5);
  ask(two, listener);
  const FastOpen second{two, std::string(5'000, 'x')};
  ASSERT_EQ(second.sent.value_or(0), 5'000u);
  two.run(TwoStacks::kWay);
  const int accepted = *two.server.accept(listener);
  const std::size_t first = read_all(two.server, accepted).size();
  EXPECT_GT(first, 1'000u);
  EXPECT_LT(first, 1'460u);
  two.run(100ms);
  EXPECT_EQ(first + read_all(two.server, accepted).size(), 5'000u);
}

TEST(FastOpen, IsNoCallOfASocketThatConnectsOrIsConnected) {
  TwoStacks two{1, fast_open()};
  const int listener = listen(two, 5);
  const FastOpen first{two, "text"};
  const auto again = [&](int fd) {
    return error_of(two.client.connect_and_write(fd, TwoStacks::server_name(), bytes_of("text")));
  };
  EXPECT_EQ(again(first.fd), EALREADY);
  two.run(100ms);
  EXPECT_EQ(again(first.fd), EISCONN);
  EXPECT_TRUE(two.client.connect(first.fd, TwoStacks::server_name()));
  EXPECT_EQ(again(first.fd), EISCONN);
  EXPECT_EQ(again(99), EBADF);
  EXPECT_EQ(error_of(two.server.connect_and_write(listener, {ip("198.18.0.1"), 80}, bytes_of("text"))), EISCONN);
}

TEST(FastOpen, WhereItIsOffMsgFastopenIsRefused) {
  TwoStacks two;
  const FastOpen first{two, "text"};
  EXPECT_EQ(error_of(first.sent), EOPNOTSUPP);
  EXPECT_EQ(two.client.info(first.fd)->state, TCP_CLOSE);
}

TEST(FastOpen, AListenerThatDoesNotAllowItGivesNoCookie) {
  TwoStacks two{1, fast_open()};
  const int listener = listen(two, 0);
  EXPECT_EQ(*two.server.get_option(listener, IPPROTO_TCP, TCP_FASTOPEN), 0);
  ask(two, listener);
  EXPECT_EQ(error_of(FastOpen{two, "text"}.sent), EINPROGRESS);
}

TEST(FastOpen, TheOptionIsKeptAndNeverNegative) {
  TwoStacks two;
  const int fd = *two.server.open(AF_INET);
  EXPECT_TRUE(two.server.set_option(fd, IPPROTO_TCP, TCP_FASTOPEN, 7));
  EXPECT_EQ(*two.server.get_option(fd, IPPROTO_TCP, TCP_FASTOPEN), 7);
  EXPECT_EQ(error_of(two.server.set_option(fd, IPPROTO_TCP, TCP_FASTOPEN, -1)), EINVAL);
}

}  // namespace
}  // namespace pollux::test
