#include "http_server.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "fake_conn.h"
#include "pattern.h"

namespace pollux::app {
namespace {

const std::string kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const std::string kGetAndClose = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

std::string get(std::string_view path) { return "GET " + std::string{path} + " HTTP/1.1\r\nHost: a\r\n\r\n"; }

std::string pattern(std::size_t size) {
  std::string text;
  for (std::size_t i = 0; i < size; ++i) text += static_cast<char>((i * 31 + 7) % 251);
  return text;
}

std::string body_of(const std::string& response) {
  const std::size_t end = response.find("\r\n\r\n");
  return end == std::string::npos ? "no head" : response.substr(end + 4);
}
std::string status_of(const std::string& response) { return response.substr(0, response.find("\r\n")); }

class HttpServer : public ::testing::Test {
 protected:
  HttpContent content_{10};
  HttpServerConfig config_{.max_connections = 8};
  HttpApp app_{content_, config_};
};

TEST_F(HttpServer, TheRootIsAnsweredWithLengthAndPattern) {
  Client client{app_};
  client.sends(kGet);
  const std::string response = client.received();
  EXPECT_EQ(status_of(response), "HTTP/1.1 200 OK");
  EXPECT_NE(response.find("Content-Length: 10\r\n"), std::string::npos);
  EXPECT_EQ(body_of(response), pattern(10));
  EXPECT_FALSE(client->shut);
}

TEST_F(HttpServer, TheShortWayAnswersTheSameAsTheLongWay) {
  for (const std::string& request : {kGet, kGetAndClose}) {
    Client first{app_};
    first.sends(request);
    const std::uint64_t before = app_.answered_at_once();
    Client second{app_};
    second.sends(request);
    EXPECT_EQ(app_.answered_at_once(), before + 1);
    EXPECT_EQ(first.received(), second.received());
    EXPECT_EQ(first->shut, second->shut);
  }
}

TEST_F(HttpServer, ConnectionCloseHalfClosesBehindTheAnswer) {
  Client client{app_};
  client.sends(kGetAndClose);
  EXPECT_NE(client.received().find("Connection: close\r\n"), std::string::npos);
  EXPECT_TRUE(client->shut);
  EXPECT_FALSE(client->closed);  // a client that still sends must not be reset
  client.sends("more that nobody wants");
  EXPECT_EQ(client->unread, "");
  client.sends_eof();
  EXPECT_TRUE(client->closed);
}

TEST_F(HttpServer, ARequestSplitAtEveryByteIsAnswered) {
  for (std::size_t at = 1; at < kGet.size(); ++at) {
    Client client{app_};
    client.sends(kGet.substr(0, at));
    EXPECT_EQ(client.received(), "");
    client.sends(kGet.substr(at));
    EXPECT_EQ(body_of(client.received()), pattern(10)) << at;
    client.is_gone(tcp::Reason::kFinished);
  }
}

TEST_F(HttpServer, PipelinedRequestsAreAnsweredInOrder) {
  Client client{app_};
  client.sends(get("/bytes/3") + get("/bytes/0") + get("/bytes/5") + get("/bytes/1").substr(0, 10));
  const std::string sent = client.received();
  std::string lengths;
  for (std::size_t at = sent.find("Length: "); at != std::string::npos; at = sent.find("Length: ", at + 1)) {
    lengths += sent.substr(at + 8, 1);
  }
  EXPECT_EQ(lengths, "305");
  client.sends(get("/bytes/1").substr(10));
  EXPECT_EQ(body_of(client.received()), pattern(1));
}

TEST_F(HttpServer, ALargeAnswerWaitsForRoomAndArrivesWhole) {
  constexpr std::size_t kSize = 3 * 1000 * 1000 + 17;
  Client client{app_};
  client->room = 50;  // not even the head
  client.sends(get("/bytes/" + std::to_string(kSize)));
  std::string all;
  for (int i = 0; i < 1000 && all.size() < kSize; ++i) {
    all += client.received();
    client.makes_room(70'001);
  }
  all += client.received();
  EXPECT_TRUE(body_of(all) == pattern(kSize));
}

TEST_F(HttpServer, WhileAnAnswerWaitsFurtherRequestsStayUnread) {
  Client client{app_};
  client->room = 1000;
  client.sends(get("/bytes/5000") + kGet + kGet);
  EXPECT_EQ(client->unread, kGet + kGet);
  client.sends(kGet);
  EXPECT_EQ(client->unread, kGet + kGet + kGet);
  std::string all = client.received();
  client.makes_room(100'000);
  all += client.received();
  EXPECT_EQ(client->unread, "");
  EXPECT_EQ(app_.counters().responses, 4u);
  EXPECT_TRUE(all.substr(all.find("\r\n\r\n") + 4, 5000) == pattern(5000));
}

TEST_F(HttpServer, AClientThatHasSentItsFinGetsTheWholeAnswer) {
  Client client{app_};
  client->room = 1000;
  client.sends(get("/bytes/5000"));
  client.sends_eof();
  EXPECT_FALSE(client->closed);
  client.makes_room(100'000);
  EXPECT_TRUE(body_of(client.received()) == pattern(5000));
  EXPECT_TRUE(client->closed);
}

TEST_F(HttpServer, HeadHasTheLengthAndNoBody) {
  Client client{app_};
  client.sends("HEAD /bytes/12345 HTTP/1.1\r\nHost: a\r\n\r\n");
  const std::string response = client.received();
  EXPECT_NE(response.find("Content-Length: 12345\r\n"), std::string::npos);
  EXPECT_EQ(body_of(response), "");
}

TEST_F(HttpServer, Http10IsKeptOnlyWhereItAsksAndIsTold) {
  Client one{app_};
  one.sends("GET / HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(one->shut);
  Client other{app_};
  other.sends("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_NE(other.received().find("Connection: keep-alive\r\n"), std::string::npos);
  EXPECT_FALSE(other->shut);
}

TEST_F(HttpServer, BadInputIsAnsweredWithItsStatusAndATextAndTheConnectionEnds) {
  const std::pair<std::string, std::string> cases[] = {
      {"NONSENSE\r\n\r\n", "HTTP/1.1 400 Bad Request"},
      {get("/bytes/notanumber"), "HTTP/1.1 400 Bad Request"},
      {get("/bytes/-1"), "HTTP/1.1 400 Bad Request"},
      {get("/bytes/99999999999999999999999"), "HTTP/1.1 400 Bad Request"},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", "HTTP/1.1 405 Method Not Allowed"},
      {get("/" + std::string(8000, 'x')), "HTTP/1.1 414 URI Too Long"},
      {"GET / HTTP/1.1\r\nX: " + std::string(9000, 'x'), "HTTP/1.1 431 Request Header Fields Too Large"},
      {"GET / HTTP/3.0\r\nHost: a\r\n\r\n", "HTTP/1.1 505 HTTP Version Not Supported"},
  };
  for (const auto& [request, status] : cases) {
    Client client{app_};
    client.sends(request);
    const std::string response = client.received();
    EXPECT_EQ(status_of(response), status);
    EXPECT_GT(body_of(response).size(), 10u);
    EXPECT_TRUE(client->shut) << status;
    EXPECT_EQ(client->unread, "");
    client.is_gone(tcp::Reason::kFinished);
  }
}

TEST_F(HttpServer, AnUnknownPathIs404AndTheConnectionGoesOn) {
  Client client{app_};
  client.sends(get("/nothing") + kGet);
  const std::string response = client.received();
  EXPECT_EQ(status_of(response), "HTTP/1.1 404 Not Found");
  EXPECT_NE(response.find("200 OK"), std::string::npos);
}

TEST_F(HttpServer, OverMaxConnectionsIsAborted) {
  std::vector<std::unique_ptr<Client<HttpApp>>> clients;
  for (int i = 0; i < 9; ++i) clients.push_back(std::make_unique<Client<HttpApp>>(app_));
  EXPECT_TRUE((*clients[8])->aborted);
  clients[8]->is_gone(tcp::Reason::kAborted);
  clients[0]->is_gone(tcp::Reason::kFinished);
  Client again{app_};
  EXPECT_FALSE(again->aborted);
}

// ---- time-outs ----

TEST_F(HttpServer, AConnectionThatSendsNothingIsClosedAfterTheHeaderTimeout) {
  Client client{app_};
  FakeShard shard{client.connection()};
  app_.on_turn(shard, Instant{9s});
  EXPECT_FALSE(client->closed);
  app_.on_turn(shard, Instant{11s});
  EXPECT_TRUE(client->closed);
}

TEST_F(HttpServer, ARequestThatDripsIsAnsweredWith408) {
  Client client{app_};
  FakeShard shard{client.connection()};
  client.sends("GET / HT");
  client->now = Instant{9s};
  client.sends("T");
  app_.on_turn(shard, Instant{11s});
  EXPECT_EQ(status_of(client.received()), "HTTP/1.1 408 Request Timeout");
  EXPECT_TRUE(client->shut);
}

TEST_F(HttpServer, AnIdleConnectionIsClosedAfterTheIdleTimeout) {
  Client client{app_};
  FakeShard shard{client.connection()};
  client.sends(kGet);
  app_.on_turn(shard, Instant{59s});
  EXPECT_FALSE(client->closed);
  app_.on_turn(shard, Instant{62s});
  EXPECT_TRUE(client->closed);
}

TEST_F(HttpServer, AnAnswerThatStandsStillForAMinuteGoesOn) {
  Client client{app_};
  FakeShard shard{client.connection()};
  client->room = 1000;
  client.sends(get("/bytes/5000"));
  app_.on_turn(shard, Instant{120s});
  EXPECT_FALSE(client->closed || client->aborted);
  client.makes_room(10'000);
  EXPECT_TRUE(body_of(client.received()) == pattern(5000));
}

TEST_F(HttpServer, AClientThatNeverSendsItsFinIsNotWaitedForForEver) {
  Client client{app_};
  FakeShard shard{client.connection()};
  client.sends(kGetAndClose);
  app_.on_turn(shard, Instant{4s});
  EXPECT_FALSE(client->closed);
  app_.on_turn(shard, Instant{6s});
  EXPECT_TRUE(client->closed);
}

// ---- the end ----

TEST_F(HttpServer, DrainingClosesWhatIsIdleAndFinishesWhatIsBeingAnswered) {
  Client idle{app_};
  FakeShard idle_shard{idle.connection()};
  app_.on_drain(idle_shard, Instant{1s});
  EXPECT_TRUE(idle->closed);

  HttpApp other{content_, config_};
  Client busy{other};
  busy->room = 1000;
  busy.sends(get("/bytes/5000"));
  FakeShard busy_shard{busy.connection()};
  other.on_drain(busy_shard, Instant{1s});
  EXPECT_FALSE(busy->closed || busy->shut);
  busy.makes_room(10'000);
  EXPECT_TRUE(body_of(busy.received()) == pattern(5000));
  EXPECT_TRUE(busy->shut);
}

// ---- files ----

class HttpFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    namespace fs = std::filesystem;
    base_ = fs::path{::testing::TempDir()} / ("pollux-http-" + std::to_string(::getpid()));
    fs::create_directories(base_ / "root/sub dir");
    std::ofstream{base_ / "root/index.html"} << "<p>index";
    std::ofstream{base_ / "root/sub dir/a.txt"} << "text a";
    std::ofstream{base_ / "root/empty"} << "";
    std::ofstream{base_ / "secret"} << "secret";
    fs::create_symlink(base_ / "secret", base_ / "root/link");
    const auto ok = content_.load((base_ / "root").string());
    ASSERT_TRUE(ok) << ok.error();
  }
  void TearDown() override { std::filesystem::remove_all(base_); }

  std::string fetch(std::string_view path) {
    Client client{app_};
    client.sends(get(path));
    std::string response = client.received();
    client.is_gone(tcp::Reason::kFinished);
    return response;
  }

  std::filesystem::path base_;
  HttpContent content_{10};
  HttpApp app_{content_, {.max_connections = 8}};
};

TEST_F(HttpFiles, FilesAreServedWithTheirTypes) {
  EXPECT_EQ(body_of(fetch("/")), "<p>index");
  EXPECT_EQ(body_of(fetch("/index.html?x")), "<p>index");
  EXPECT_NE(fetch("/").find("Content-Type: text/html"), std::string::npos);
  EXPECT_EQ(body_of(fetch("/sub%20dir/a.txt")), "text a");
  EXPECT_EQ(body_of(fetch("/empty")), "");
  EXPECT_EQ(body_of(fetch("/bytes/4")), pattern(4));
}

TEST_F(HttpFiles, NoPathLeadsOutOfTheDirectory) {
  for (const char* path : {"/../secret", "/%2e%2e/secret", "/sub%20dir/../../secret", "/link", "//secret",
                           "/..%2fsecret", "/sub%20dir/..%2f..%2fsecret", "/./index.html"}) {
    EXPECT_EQ(fetch(path).find("secret"), std::string::npos) << path;
    EXPECT_EQ(status_of(fetch(path)), "HTTP/1.1 404 Not Found") << path;
  }
  EXPECT_EQ(status_of(fetch("/%00")), "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(status_of(fetch("/%zz")), "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(status_of(fetch("/%4")), "HTTP/1.1 400 Bad Request");
}

TEST(HttpContent, ADirectoryThatIsNotThereIsAnErrorThatNamesIt) {
  HttpContent content{0};
  const auto ok = content.load("/nonexistent/pollux");
  ASSERT_FALSE(ok);
  EXPECT_NE(ok.error().find("/nonexistent/pollux"), std::string::npos);
}

}  // namespace
}  // namespace pollux::app
