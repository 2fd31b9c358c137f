// Each call of the embedding contract, and what it says when it cannot do what is asked: the errno of POSIX, Linux's
// where POSIX leaves a choice.

#include "two_stacks.h"

namespace pollux::test {
namespace {

using api::Endpoint;

std::byte one[1];

TEST(ErrnoOfOpen, FamiliesOtherThanIpAreNotSupported) {
  TwoStacks two;
  EXPECT_EQ(error_of(two.client.open(AF_UNIX)), EAFNOSUPPORT);
}

TEST(ErrnoOfOpen, TheLowestFreeDescriptorIsGivenAndThereIsAnEndToThem) {
  TwoStacks two;
  EXPECT_EQ(*two.client.open(AF_INET), 0);
  EXPECT_EQ(*two.client.open(AF_INET6), 1);
  EXPECT_TRUE(two.client.close(0));
  EXPECT_EQ(*two.client.open(AF_INET), 0);
  api::Result<int> last = 0;
  for (int i = 0; i < 100'000 && last; ++i) last = two.client.open(AF_INET);
  EXPECT_EQ(error_of(last), EMFILE);
}

TEST(ErrnoOfAll, ADescriptorThatIsNoneIsBad) {
  TwoStacks two;
  api::Stack& s = two.client;
  for (const int fd : {-1, 0, 7}) {
    EXPECT_EQ(error_of(s.bind(fd, {})), EBADF);
    EXPECT_EQ(error_of(s.listen(fd, 1)), EBADF);
    EXPECT_EQ(error_of(s.accept(fd)), EBADF);
    EXPECT_EQ(error_of(s.connect(fd, TwoStacks::server_name())), EBADF);
    EXPECT_EQ(error_of(s.read(fd, one)), EBADF);
    EXPECT_EQ(error_of(s.write(fd, one)), EBADF);
    EXPECT_EQ(error_of(s.shutdown(fd, SHUT_WR)), EBADF);
    EXPECT_EQ(error_of(s.close(fd)), EBADF);
    EXPECT_EQ(error_of(s.abort(fd)), EBADF);
    EXPECT_EQ(error_of(s.set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1)), EBADF);
    EXPECT_EQ(error_of(s.get_option(fd, IPPROTO_TCP, TCP_NODELAY)), EBADF);
    EXPECT_EQ(error_of(s.set_congestion(fd, "cubic")), EBADF);
    EXPECT_EQ(error_of(s.get_congestion(fd)), EBADF);
    EXPECT_EQ(error_of(s.set_linger(fd, {})), EBADF);
    EXPECT_EQ(error_of(s.get_linger(fd)), EBADF);
    EXPECT_EQ(error_of(s.local_name(fd)), EBADF);
    EXPECT_EQ(error_of(s.remote_name(fd)), EBADF);
    EXPECT_EQ(error_of(s.info(fd)), EBADF);
    EXPECT_EQ(error_of(s.unread(fd)), EBADF);
    EXPECT_EQ(error_of(s.unsent(fd)), EBADF);
    EXPECT_EQ(error_of(s.urgent_ahead(fd)), EBADF);
    EXPECT_EQ(s.poll(fd), POLLNVAL);
  }
}

TEST(ErrnoOfSetCongestion, ANameThatIsKnownBeforeThereIsAConnection) {
  TwoStacks two;
  two.connect();
  api::Stack& s = two.client;
  const int fd = *s.open(AF_INET);
  EXPECT_EQ(*s.get_congestion(fd), "cubic");
  EXPECT_EQ(error_of(s.set_congestion(fd, "newreno")), ENOENT) << "Linux says reno";
  EXPECT_TRUE(s.set_congestion(fd, "dctcp"));
  EXPECT_EQ(*s.get_congestion(fd), "dctcp");
  EXPECT_EQ(error_of(s.set_congestion(two.connected, "reno")), EISCONN);
}

TEST(ErrnoOfBind, OneNameForEachSocketAndOneSocketForEachName) {
  TwoStacks two;
  api::Stack& s = two.server;
  const int fd = *s.open(AF_INET);
  EXPECT_EQ(error_of(s.bind(fd, {ip("2001:2::2"), 80})), EAFNOSUPPORT);
  EXPECT_EQ(error_of(s.bind(fd, {ip("198.18.0.9"), 80})), EADDRNOTAVAIL);
  EXPECT_TRUE(s.bind(fd, {ip("198.18.0.2"), 80}));
  EXPECT_EQ(error_of(s.bind(fd, {ip("198.18.0.2"), 81})), EINVAL) << "bound already";
  const int other = *s.open(AF_INET);
  EXPECT_EQ(error_of(s.bind(other, {ip("198.18.0.2"), 80})), EADDRINUSE);
  EXPECT_EQ(error_of(s.bind(other, {{}, 80})), EADDRINUSE) << "any address is that one, too";
  const int v6 = *s.open(AF_INET6);
  EXPECT_TRUE(s.bind(v6, {ip("2001:2::2"), 80})) << "the other family has its own";
  EXPECT_TRUE(s.bind(other, {ip("198.18.0.2"), 0})) << "any free port";
  EXPECT_NE(s.local_name(other)->port, 0);
}

TEST(ErrnoOfBind, ReuseAddressAllowsASecondUnlessTheFirstListens) {
  TwoStacks two;
  api::Stack& s = two.server;
  const int first = *s.open(AF_INET);
  const int second = *s.open(AF_INET);
  const int third = *s.open(AF_INET);
  for (const int fd : {first, second, third}) EXPECT_TRUE(s.set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1));
  EXPECT_TRUE(s.bind(first, {{}, 80}));
  EXPECT_TRUE(s.bind(second, {{}, 80}));
  EXPECT_TRUE(s.listen(first, 1));
  EXPECT_EQ(error_of(s.listen(second, 1)), EADDRINUSE);
  EXPECT_EQ(error_of(s.bind(third, {{}, 80})), EADDRINUSE);
}

TEST(ErrnoOfListen, NotWhereThereIsAConnection) {
  TwoStacks two;
  two.connect();
  EXPECT_EQ(error_of(two.client.listen(two.connected, 1)), EINVAL);
  EXPECT_TRUE(two.server.listen(two.listener, 5)) << "again, with another backlog";
}

TEST(ErrnoOfAccept, NobodyHasComeOrNobodyListens) {
  TwoStacks two;
  two.connect();
  EXPECT_EQ(error_of(two.server.accept(two.listener)), EAGAIN);
  EXPECT_EQ(error_of(two.server.accept(two.accepted)), EINVAL);
  EXPECT_EQ(error_of(two.client.accept(*two.client.open(AF_INET))), EINVAL);
}

TEST(ErrnoOfConnect, AddressesThatCannotBe) {
  TwoStacks two;
  api::Stack& s = two.client;
  const int fd = *s.open(AF_INET);
  EXPECT_EQ(error_of(s.connect(fd, {ip("2001:2::2"), 80})), EAFNOSUPPORT);
  EXPECT_EQ(error_of(s.connect(fd, {ip("224.0.0.1"), 80})), ENETUNREACH);        // MUST-46
  EXPECT_EQ(error_of(s.connect(fd, {ip("255.255.255.255"), 80})), ENETUNREACH);  // MUST-46
  EXPECT_EQ(error_of(s.connect(fd, {ip("198.18.0.255"), 80})), ENETUNREACH);     // MUST-46
  EXPECT_EQ(error_of(s.connect(fd, {ip("203.0.113.1"), 80})), ENETUNREACH) << "there is no gateway";
  EXPECT_EQ(error_of(s.connect(fd, {ip("198.18.0.2"), 0})), EADDRNOTAVAIL);
  EXPECT_EQ(error_of(s.connect(fd, {IpAddress::v4(0u), 80})), EADDRNOTAVAIL);
  EXPECT_FALSE(s.next_packet());
}

TEST(ErrnoOfConnect, FromTheSynToTheConnection) {
  TwoStacks two;
  const int listener = *two.server.open(AF_INET);
  ASSERT_TRUE(two.server.bind(listener, TwoStacks::server_name()));
  ASSERT_TRUE(two.server.listen(listener, 1));
  const int fd = *two.client.open(AF_INET);
  EXPECT_EQ(error_of(two.client.connect(fd, TwoStacks::server_name())), EINPROGRESS);
  EXPECT_EQ(error_of(two.client.connect(fd, TwoStacks::server_name())), EALREADY);
  two.run(100ms);
  EXPECT_TRUE(two.client.connect(fd, TwoStacks::server_name()));
  EXPECT_EQ(error_of(two.client.connect(fd, TwoStacks::server_name())), EISCONN);
  EXPECT_EQ(error_of(two.server.connect(listener, {ip("198.18.0.1"), 80})), EISCONN) << "it listens";
}

TEST(ErrnoOfConnect, RefusedOnceAndThenAnotherAttemptMayBegin) {
  TwoStacks two;
  const int fd = *two.client.open(AF_INET);
  EXPECT_EQ(error_of(two.client.connect(fd, TwoStacks::server_name())), EINPROGRESS);
  two.run(100ms);
  EXPECT_EQ(error_of(two.client.connect(fd, TwoStacks::server_name())), ECONNREFUSED);
  EXPECT_EQ(error_of(two.client.connect(fd, TwoStacks::server_name())), EINPROGRESS);
  two.run(100ms);
  EXPECT_EQ(*two.client.get_option(fd, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
  EXPECT_EQ(*two.client.get_option(fd, SOL_SOCKET, SO_ERROR), 0);
  EXPECT_EQ(error_of(two.client.connect(fd, TwoStacks::server_name())), ECONNABORTED) << "why, was told already";
}

TEST(ErrnoOfConnect, NobodyAnswers) {
  TwoStacks two;
  two.cut = true;
  const int fd = *two.client.open(AF_INET);
  EXPECT_TRUE(two.client.set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000));
  EXPECT_EQ(error_of(two.client.connect(fd, TwoStacks::server_name())), EINPROGRESS);
  two.run(20s);
  EXPECT_EQ(error_of(two.client.connect(fd, TwoStacks::server_name())), ETIMEDOUT);
}

TEST(ErrnoOfConnect, ThePortItIsBoundToHasSuchAConnection) {
  TwoStacks two;
  two.connect();
  const Endpoint local = *two.client.local_name(two.connected);
  const int fd = *two.client.open(AF_INET);
  ASSERT_TRUE(two.client.bind(fd, local));
  EXPECT_EQ(error_of(two.client.connect(fd, TwoStacks::server_name())), EADDRNOTAVAIL);
}

// connect() with AF_UNSPEC.
TEST(ErrnoOfDisconnect, TheSocketBeginsAnewAndThePeerIsReset) {
  TwoStacks two;
  two.connect();
  EXPECT_TRUE(two.client.set_option(two.connected, IPPROTO_TCP, TCP_NODELAY, 1));
  EXPECT_TRUE(two.client.disconnect(two.connected));
  EXPECT_EQ(error_of(two.client.remote_name(two.connected)), ENOTCONN);
  EXPECT_EQ(error_of(two.client.read(two.connected, one)), ENOTCONN);
  two.run(100ms);
  EXPECT_EQ(error_of(two.server.read(two.accepted, one)), ECONNRESET);
  EXPECT_EQ(error_of(two.client.connect(two.connected, TwoStacks::server_name())), EINPROGRESS);
  two.run(100ms);
  EXPECT_TRUE(two.client.connect(two.connected, TwoStacks::server_name()));
  EXPECT_EQ(*two.client.get_option(two.connected, IPPROTO_TCP, TCP_NODELAY), 1);
}

TEST(ErrnoOfDisconnect, AListenerListensNoMoreAndKeepsItsName) {
  TwoStacks two;
  two.connect();
  EXPECT_TRUE(two.server.disconnect(two.listener));
  EXPECT_EQ(error_of(two.server.accept(two.listener)), EINVAL);
  EXPECT_EQ(two.server.local_name(two.listener)->port, TwoStacks::server_name().port);
  EXPECT_TRUE(two.server.listen(two.listener, 1));
  EXPECT_TRUE(two.server.disconnect(two.listener)) << "and what is fresh already stays so";
  EXPECT_TRUE(two.server.disconnect(two.listener));
  EXPECT_EQ(error_of(two.server.disconnect(999)), EBADF);
}

TEST(ErrnoOfRead, WhatIsThereThenNothingThenTheEnd) {
  TwoStacks two;
  EXPECT_EQ(error_of(two.client.read(*two.client.open(AF_INET), one)), ENOTCONN);
  two.connect();
  EXPECT_EQ(error_of(two.server.read(two.listener, one)), ENOTCONN);
  EXPECT_EQ(error_of(two.server.read(two.accepted, one)), EAGAIN);
  ASSERT_EQ(*two.client.write(two.connected, bytes_of("hello")), 5u);
  ASSERT_TRUE(two.client.shutdown(two.connected, SHUT_WR));
  two.run(100ms);
  EXPECT_EQ(*two.server.unread(two.accepted), 5u);
  EXPECT_EQ(read_all(two.server, two.accepted), "hello");
  EXPECT_EQ(*two.server.read(two.accepted, one), 0u);
  EXPECT_EQ(*two.server.read(two.accepted, one), 0u);
}

TEST(ErrnoOfRead, AResetIsToldOnce) {
  TwoStacks two;
  two.connect();
  ASSERT_TRUE(two.client.abort(two.connected));
  two.run(100ms);
  EXPECT_EQ(error_of(two.server.read(two.accepted, one)), ECONNRESET);
  EXPECT_EQ(*two.server.read(two.accepted, one), 0u);
  EXPECT_EQ(error_of(two.server.write(two.accepted, one)), EPIPE);
}

TEST(ErrnoOfRead, OurOwnDirectionShutReadsNothing) {
  TwoStacks two;
  two.connect();
  EXPECT_TRUE(two.server.shutdown(two.accepted, SHUT_RD));
  EXPECT_EQ(*two.server.read(two.accepted, one), 0u);
}

TEST(ErrnoOfWrite, NoRoomNoConnectionNoDirection) {
  TwoStacks two;
  EXPECT_EQ(error_of(two.client.write(*two.client.open(AF_INET), one)), EPIPE);
  two.connect();
  two.cut = true;
  const std::vector<std::byte> much(100'000);
  api::Result<std::size_t> taken = 0u;
  for (int i = 0; i < 1000 && taken; ++i) taken = two.client.write(two.connected, much);
  EXPECT_EQ(error_of(taken), EAGAIN);
  EXPECT_EQ(*two.client.unsent(two.connected), ShardConfig{}.tcp.send_buffer);
  EXPECT_TRUE(two.client.shutdown(two.connected, SHUT_WR));
  EXPECT_EQ(error_of(two.client.write(two.connected, one)), EPIPE);
}

TEST(ErrnoOfWrite, StillConnecting) {
  TwoStacks two;
  const int fd = *two.client.open(AF_INET);
  EXPECT_EQ(error_of(two.client.connect(fd, TwoStacks::server_name())), EINPROGRESS);
  EXPECT_EQ(error_of(two.client.write(fd, one)), EAGAIN);
  EXPECT_EQ(error_of(two.client.read(fd, one)), EAGAIN);
  two.run(100ms);
  EXPECT_EQ(error_of(two.client.write(fd, one)), ECONNREFUSED);
  EXPECT_EQ(error_of(two.client.write(fd, one)), EPIPE);
}

TEST(ErrnoOfShutdown, WithoutAConnectionOrDirection) {
  TwoStacks two;
  EXPECT_EQ(error_of(two.client.shutdown(*two.client.open(AF_INET), SHUT_WR)), ENOTCONN);
  two.connect();
  EXPECT_EQ(error_of(two.client.shutdown(two.connected, 3)), EINVAL);
  EXPECT_TRUE(two.client.shutdown(two.connected, SHUT_WR));
  EXPECT_TRUE(two.client.shutdown(two.connected, SHUT_WR)) << "twice does no harm";
}

TEST(ErrnoOfOptions, UnknownOnesAndThoseOutOfRange) {
  TwoStacks two;
  const int fd = *two.client.open(AF_INET);
  EXPECT_EQ(error_of(two.client.set_option(fd, IPPROTO_TCP, 9999, 1)), ENOPROTOOPT);
  EXPECT_EQ(error_of(two.client.get_option(fd, IPPROTO_TCP, 9999)), ENOPROTOOPT);
  EXPECT_EQ(error_of(two.client.set_option(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 9)), ENOPROTOOPT) << "it is IPv4";
  EXPECT_EQ(error_of(two.client.set_option(fd, IPPROTO_IP, IP_TTL, 0)), EINVAL);
  EXPECT_EQ(error_of(two.client.set_option(fd, IPPROTO_IP, IP_TTL, 256)), EINVAL);
  EXPECT_EQ(error_of(two.client.set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 128)), EINVAL);
  EXPECT_TRUE(two.client.set_option(fd, IPPROTO_IP, IP_TTL, 9));
  EXPECT_EQ(*two.client.get_option(fd, IPPROTO_IP, IP_TTL), 9);
}

TEST(ErrnoOfNames, ThePeerHasOneWhileThereIsAConnection) {
  TwoStacks two;
  EXPECT_EQ(error_of(two.client.remote_name(*two.client.open(AF_INET))), ENOTCONN);
  two.connect();
  EXPECT_EQ(*two.client.remote_name(two.connected), TwoStacks::server_name());
  EXPECT_EQ(*two.server.remote_name(two.accepted), *two.client.local_name(two.connected));
}

}  // namespace
}  // namespace pollux::test
