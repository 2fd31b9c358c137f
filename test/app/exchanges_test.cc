// What passes over one connection, without one (load/exchange.h).

#include <gtest/gtest.h>

#include <string>

#include "fake_conn.h"
#include "load/http_exchange.h"
#include "load/stream_exchanges.h"

namespace pollux::app {
namespace {

Target target(std::string path = "/") {
  return {Scheme::kHttp, *IpAddress::parse("198.18.0.1"), 80, std::move(path), "198.18.0.1"};
}

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span{text}); }

// One exchange over a connection that takes everything.
template <class X>
struct Over {
  explicit Over(const ExchangeConfig& config) : exchange{config} {}
  std::string request(bool last = true, std::uint32_t salt = 1) {
    exchange.begin(state, 0, last, salt);
    return more();
  }
  std::string more() {
    FakeConn conn{connection};
    EXPECT_FALSE(exchange.send(conn, state).failed);
    return std::exchange(connection.sent, {});
  }
  Answer takes(std::string_view text) { return exchange.take(state, bytes(text)); }

  X exchange;
  typename X::State state;
  FakeConnection connection;
};

ExchangeConfig http(Method method = Method::kGet) { return {{target("/a?b")}, method, 5, true, true, {}}; }

TEST(HttpExchange, AsksWithHostAndSaysWhichRequestIsTheLast) {
  Over<HttpExchange> over{http()};
  EXPECT_EQ(over.request(false), "GET /a?b HTTP/1.1\r\nHost: 198.18.0.1\r\n\r\n");
  EXPECT_EQ(over.request(true), "GET /a?b HTTP/1.1\r\nHost: 198.18.0.1\r\nConnection: close\r\n\r\n");
}

TEST(HttpExchange, PostsABodyOfTheSizeAskedForAsFarAsThereIsRoom) {
  Over<HttpExchange> over{http(Method::kPost)};
  const std::string head = "POST /a?b HTTP/1.1\r\nHost: 198.18.0.1\r\nContent-Length: 5\r\nConnection: close\r\n\r\n";
  over.connection.room = static_cast<std::uint32_t>(head.size() + 2);
  EXPECT_EQ(over.request().substr(0, head.size()), head);
  EXPECT_EQ(over.state.unsent, 3u);
  over.connection.room = 100;
  EXPECT_EQ(over.more().size(), 3u);
}

TEST(HttpExchange, AnAnswerMayComeInPiecesOfAnySize) {
  const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
  for (std::size_t piece = 1; piece <= answer.size(); ++piece) {
    Over<HttpExchange> over{http()};
    for (int again = 0; again < 3; ++again) {  // the second of one piece is known already
      over.request(false);
      for (std::size_t at = 0; at < answer.size(); at += piece) {
        const bool whole = at + piece >= answer.size();
        ASSERT_EQ(over.takes(answer.substr(at, piece)), whole ? Answer::kComplete : Answer::kMore) << piece;
      }
      EXPECT_TRUE(over.exchange.may_continue(over.state));
    }
  }
}

TEST(HttpExchange, WhatIsNoAnswerIsGarbled) {
  for (const char* text : {"garbage\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "HTTP/x",
                           "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, longer than promised"}) {
    Over<HttpExchange> over{http()};
    over.request();
    EXPECT_EQ(over.takes(text), Answer::kGarbled) << text;
  }
}

TEST(HttpExchange, AnAnswerThatEndsTooSoonIsGarbled) {
  Over<HttpExchange> over{http()};
  over.request();
  EXPECT_EQ(over.exchange.finish(over.state), Answer::kGarbled);
  over.request();
  EXPECT_EQ(over.takes("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"), Answer::kMore);
  EXPECT_EQ(over.exchange.finish(over.state), Answer::kGarbled);
}

TEST(HttpExchange, ABodyWithoutALengthEndsWithTheConnection) {
  Over<HttpExchange> over{http()};
  over.request();
  EXPECT_EQ(over.takes("HTTP/1.1 200 OK\r\n\r\nall there is"), Answer::kMore);
  EXPECT_EQ(over.exchange.finish(over.state), Answer::kComplete);
  EXPECT_FALSE(over.exchange.may_continue(over.state));
}

TEST(HttpExchange, ABodyInChunksIsTakenApart) {
  Over<HttpExchange> over{http()};
  over.request(false);
  EXPECT_EQ(over.takes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), Answer::kMore);
  EXPECT_EQ(over.takes("0\r\n\r\n"), Answer::kComplete);
}

TEST(HttpExchange, TheAnswerToHeadHasNoBodyWhateverLengthItTells) {
  Over<HttpExchange> over{http(Method::kHead)};
  over.request(false);
  EXPECT_EQ(over.takes("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"), Answer::kComplete);
  EXPECT_TRUE(over.exchange.may_continue(over.state));
}

TEST(HttpExchange, AStatusThatSaysNoIsTold) {
  for (const char* status : {"400 Bad Request", "404 Not Found", "503 Service Unavailable"}) {
    Over<HttpExchange> over{http()};
    over.request();
    EXPECT_EQ(over.takes(fmt::format("HTTP/1.1 {}\r\nContent-Length: 2\r\n\r\nno", status)), Answer::kBadStatus);
  }
  Over<HttpExchange> over{http()};
  over.request();
  EXPECT_EQ(over.takes("HTTP/1.1 304 Not Modified\r\n\r\n"), Answer::kComplete);
}

TEST(HttpExchange, AServerThatWantsToCloseIsAskedNothingMore) {
  Over<HttpExchange> over{http()};
  for (int again = 0; again < 2; ++again) {
    over.request(false);
    EXPECT_EQ(over.takes("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), Answer::kComplete);
    EXPECT_FALSE(over.exchange.may_continue(over.state));
  }
}

TEST(HttpExchange, WithVerifyEachBodyIsComparedWithThoseBefore) {
  Over<HttpExchange> over{http()};
  const auto answer = [](std::string_view body) {
    return fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", body.size(), body);
  };
  over.request();
  EXPECT_EQ(over.takes(answer("hello, world")), Answer::kComplete);
  over.request();
  EXPECT_EQ(over.takes(answer("hello, World")), Answer::kMismatch);
  over.request();
  EXPECT_EQ(over.takes(answer("hello, world")), Answer::kComplete);
  ExchangeConfig careless = http();
  careless.verify = false;
  Over<HttpExchange> other{careless};
  for (const char* body : {"one", "two"}) {
    other.request();
    EXPECT_EQ(other.takes(answer(body)), Answer::kComplete);
  }
}

TEST(HttpExchange, OurOwnServersBodiesAreThePatternAndOfItsSize) {
  ExchangeConfig ours = http();
  ours.pattern = 300;
  Over<HttpExchange> over{ours};
  const auto answer = [](std::size_t size) {
    const auto body = pattern_at(0, size);
    return fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", size,
                       std::string_view{reinterpret_cast<const char*>(body.data()), size});
  };
  for (int again = 0; again < 2; ++again) {
    over.request();
    EXPECT_EQ(over.takes(answer(300)), Answer::kComplete);
    over.request();
    EXPECT_EQ(over.takes(answer(299)), Answer::kMismatch);
    over.request();
    std::string wrong = answer(300);
    wrong.back() = '!';
    EXPECT_EQ(over.takes(wrong), Answer::kMismatch);
  }
}

TEST(EchoExchange, WhatComesBackIsCompared) {
  Over<EchoExchange> over{{{target()}, Method::kGet, 100, false, false, {}}};
  const std::string sent = over.request();
  EXPECT_EQ(sent.size(), 100u);
  EXPECT_EQ(over.takes(sent.substr(0, 60)), Answer::kMore);
  EXPECT_EQ(over.takes(sent.substr(60)), Answer::kComplete);
  EXPECT_NE(over.request(true, 2), sent);  // another connection sends something else
  EXPECT_EQ(over.takes(sent), Answer::kMismatch);
  over.request();
  EXPECT_EQ(over.takes(sent + "x"), Answer::kGarbled);
  over.request();
  EXPECT_EQ(over.exchange.finish(over.state), Answer::kGarbled);
}

TEST(DiscardExchange, SendsAllThenClosesItsSideAndTheAnswerIsThatThePeerDoes) {
  Over<DiscardExchange> over{{{target()}, Method::kGet, 100, false, false, {}}};
  over.connection.room = 60;
  EXPECT_EQ(over.request().size(), 60u);
  EXPECT_FALSE(over.connection.shut);
  EXPECT_EQ(over.exchange.finish(over.state), Answer::kGarbled);
  over.connection.room = 60;
  EXPECT_EQ(over.more().size(), 40u);
  EXPECT_TRUE(over.connection.shut);
  EXPECT_EQ(over.exchange.finish(over.state), Answer::kComplete);
  EXPECT_EQ(over.takes("x"), Answer::kGarbled);
}

TEST(ChargenExchange, TakesSoManyCharactersAndKnowsThem) {
  const auto* const line = reinterpret_cast<const char*>(chargen_region().data());
  Over<ChargenExchange> over{{{target()}, Method::kGet, 100, true, false, {}}};
  EXPECT_EQ(over.request(), "");
  EXPECT_EQ(over.takes({line, 74}), Answer::kMore);
  EXPECT_EQ(over.takes({line + 74, 74}), Answer::kComplete);
  over.request();
  EXPECT_EQ(over.takes({line + 1, 74}), Answer::kMismatch);
}

}  // namespace
}  // namespace pollux::app
