#include "http_request.h"

#include <gtest/gtest.h>

#include <string>

#include "base/random.h"

namespace pollux::app {
namespace {

std::size_t feed(HttpRequest& request, std::string_view text) { return request.feed(std::as_bytes(std::span{text})); }

HttpRequest parsed(std::string_view text) {
  HttpRequest request;
  feed(request, text);
  return request;
}

const std::string kGet = "GET /bytes/12?x=1#y HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n";

TEST(HttpRequest, AGetIsTakenApart) {
  const HttpRequest request = parsed(kGet);
  ASSERT_TRUE(request.complete());
  EXPECT_EQ(request.error(), 0u);
  EXPECT_EQ(request.path(), "/bytes/12");
  EXPECT_FALSE(request.head());
  EXPECT_TRUE(request.keep_alive());
}

TEST(HttpRequest, SplitAtEveryByteItIsTheSame) {
  for (std::size_t at = 0; at <= kGet.size(); ++at) {
    HttpRequest request;
    EXPECT_EQ(feed(request, std::string_view{kGet}.substr(0, at)), at);
    EXPECT_EQ(request.complete(), at == kGet.size());
    if (at < kGet.size()) feed(request, std::string_view{kGet}.substr(at));
    ASSERT_TRUE(request.complete()) << at;
    EXPECT_EQ(request.path(), "/bytes/12");
  }
}

TEST(HttpRequest, ByteByByteAndCopiedInBetweenItIsTheSame) {
  HttpRequest request;
  for (const char c : kGet) {
    HttpRequest copy{request};
    EXPECT_EQ(feed(copy, {&c, 1}), 1u);
    request = copy;
  }
  ASSERT_TRUE(request.complete());
  EXPECT_EQ(request.path(), "/bytes/12");
}

TEST(HttpRequest, ItTakesNoMoreThanOneRequest) {
  HttpRequest request;
  EXPECT_EQ(feed(request, kGet + kGet), kGet.size());
  EXPECT_TRUE(request.complete());
}

TEST(HttpRequest, ABodyIsSkippedAndNotTakenForTheNextRequest) {
  const std::string with_length = "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /";
  const std::string chunked = "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nGET\r\n0\r\n\r\n";
  for (const std::string& text : {with_length, chunked}) {
    HttpRequest request;
    EXPECT_EQ(feed(request, text + kGet), text.size());
    EXPECT_TRUE(request.complete());
    EXPECT_EQ(request.error(), 0u);
  }
}

TEST(HttpRequest, TheConnectionIsKeptAsTheVersionAndTheFieldSay) {
  EXPECT_TRUE(parsed("GET / HTTP/1.1\r\nHost: a\r\n\r\n").keep_alive());
  EXPECT_FALSE(parsed("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").keep_alive());
  EXPECT_FALSE(parsed("GET / HTTP/1.0\r\n\r\n").keep_alive());
  EXPECT_TRUE(parsed("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").keep_alive());
}

TEST(HttpRequest, AnUpgradeIsNotFollowedAndEndsTheConnection) {
  const HttpRequest request = parsed("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n");
  EXPECT_TRUE(request.complete());
  EXPECT_FALSE(request.keep_alive());
}

TEST(HttpRequest, AnAbsoluteUrlHasItsPath) {
  EXPECT_EQ(parsed("GET http://a:80/x/y?z HTTP/1.1\r\nHost: a\r\n\r\n").path(), "/x/y");
  EXPECT_EQ(parsed("GET http://a HTTP/1.1\r\nHost: a\r\n\r\n").path(), "/");
}

TEST(HttpRequest, WhatIsWrongHasItsStatus) {
  EXPECT_EQ(parsed("NONSENSE\r\n\r\n").error(), 400u);
  EXPECT_EQ(parsed("GET  HTTP/1.1\r\n\r\n").error(), 400u);
  EXPECT_EQ(parsed("GET / HTTP/1.1\r\n\r\n").error(), 400u);                        // no Host
  EXPECT_EQ(parsed("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").error(), 400u);  // two of them
  EXPECT_EQ(parsed("GET / HTTP/1.1\r\nHost : a\r\n\r\n").error(), 400u);
  EXPECT_EQ(parsed("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n").error(), 400u);
  EXPECT_EQ(parsed("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n").error(), 400u);
  EXPECT_EQ(parsed("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n").error(),
            400u);
  EXPECT_EQ(parsed(std::string_view{"\0\1\2\3\r\n\r\n", 8}).error(), 400u);
  EXPECT_EQ(parsed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc").error(), 405u);
  EXPECT_EQ(parsed("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n").error(), 405u);
  EXPECT_EQ(parsed("GET / HTTP/2.0\r\nHost: a\r\n\r\n").error(), 505u);
  EXPECT_EQ(parsed("GET / HTTP/0.9\r\nHost: a\r\n\r\n").error(), 505u);
  EXPECT_EQ(parsed("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n").error(), 405u);
}

TEST(HttpRequest, AHeadOfEightKibibytesIsTakenAndALargerOneIsNot) {
  const auto request_of = [](std::size_t size) {
    std::string text = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    text.append(size - text.size() - 4, 'x');
    return text + "\r\n\r\n";
  };
  EXPECT_TRUE(parsed(request_of(HttpRequest::kMaxHead)).complete());
  EXPECT_EQ(parsed(request_of(HttpRequest::kMaxHead)).error(), 0u);
  EXPECT_EQ(parsed(request_of(HttpRequest::kMaxHead + 1)).error(), 431u);
  EXPECT_EQ(parsed(request_of(100'000)).error(), 431u);
}

TEST(HttpRequest, AUrlOf8000BytesIsTakenAndALongerOneIsNot) {
  const auto request_of = [](std::size_t size) {
    return "GET /" + std::string(size - 1, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n";
  };
  EXPECT_TRUE(parsed(request_of(HttpRequest::kMaxUrl)).complete());
  EXPECT_EQ(parsed(request_of(HttpRequest::kMaxUrl + 1)).error(), 414u);
}

TEST(HttpRequest, AHostOrLengthHiddenInAnotherFieldsNameDoesNotCount) {
  EXPECT_EQ(parsed("GET / HTTP/1.1\r\nHosts: a\r\n\r\n").error(), 400u);
  EXPECT_EQ(parsed("GET / HTTP/1.1\r\nX-Host: a\r\n\r\n").error(), 400u);
  EXPECT_EQ(parsed("GET / HTTP/1.1\r\nhOsT: a\r\n\r\n").error(), 0u);
  EXPECT_EQ(parsed("GET / HTTP/1.1\r\nHost:\r\n\r\n").error(), 0u);
}

TEST(HttpRequest, AnythingInAnyPiecesEndsWithinTheLimits) {
  Random random{1};
  for (int round = 0; round < 2000; ++round) {
    HttpRequest request;
    std::string text = round % 2 == 0 ? kGet : std::string{};
    while (text.size() < 300) text += static_cast<char>(random());
    if (round % 2 == 0) text[random.below(text.size())] = static_cast<char>(random());
    std::string_view rest = text;
    while (!rest.empty() && !request.complete() && request.error() == 0) {
      const std::size_t n = feed(request, rest.substr(0, 1 + random.below(40)));
      ASSERT_LE(n, rest.size());
      rest.remove_prefix(n);
    }
  }
}

}  // namespace
}  // namespace pollux::app
