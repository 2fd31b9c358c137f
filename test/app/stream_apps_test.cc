#include "stream_apps.h"

#include <gtest/gtest.h>

#include "fake_conn.h"

namespace pollux::app {
namespace {

TEST(Echo, WhatComesInGoesOut) {
  EchoApp app;
  Client client{app};
  client.sends("hello");
  EXPECT_EQ(client.received(), "hello");
  client.sends_eof();
  EXPECT_TRUE(client->closed);
}

TEST(Echo, WhatDoesNotFitIsLeftUnreadAndFollowsWhenThereIsRoom) {
  EchoApp app;
  Client client{app};
  client->room = 3;
  client.sends("hello");
  EXPECT_EQ(client->unread, "lo");
  client.sends(" world");
  EXPECT_EQ(client.received(), "hel");
  client.makes_room(4);
  EXPECT_EQ(client.received(), "lo w");
  client.makes_room(100);
  EXPECT_EQ(client.received(), "orld");
  EXPECT_EQ(client->unread, "");
  EXPECT_EQ(app.counters().bytes_received, 11u);
}

TEST(Echo, AnUrgentByteGoesBackAsUrgentAndInItsPlace) {
  EchoApp app;
  Client client{app};
  client.announces_urgent(3);
  client.sends("ab!cd");
  EXPECT_EQ(client.received(), "ab!cd");
  EXPECT_EQ(client->urgent, "!");
}

TEST(Echo, AnUrgentByteThatComesLaterIsFoundThen) {
  EchoApp app;
  Client client{app};
  client.announces_urgent(5);
  client.sends("ab");
  EXPECT_EQ(client->urgent, "");
  client.sends("cd!ef");
  EXPECT_EQ(client.received(), "abcd!ef");
  EXPECT_EQ(client->urgent, "!");
}

TEST(Echo, AnUrgentByteThatDoesNotFitGoesOutAsUrgentWhenThereIsRoom) {
  for (std::uint32_t room = 0; room < 6; ++room) {
    EchoApp app;
    Client client{app};
    client->room = room;
    client.announces_urgent(3);
    client.sends("ab!cd");
    client.makes_room(100);
    EXPECT_EQ(client.received(), "ab!cd");
    EXPECT_EQ(client->urgent, "!") << room;
  }
}

TEST(Discard, BytesAreCountedForEachConnectionAndInTotal) {
  DiscardApp app;
  Client one{app};
  Client other{app};
  one.sends("12345");
  other.sends("123");
  one.sends("6");
  EXPECT_EQ(one.received(), "");
  EXPECT_EQ(app.counters().bytes_received, 9u);
  EXPECT_EQ(one->user, 6u);
  one.sends_eof();
  EXPECT_TRUE(one->closed);
  one.is_gone(tcp::Reason::kFinished);
  EXPECT_EQ(app.largest(), 6u);
  EXPECT_EQ(app.counters().completed, 1u);
}

TEST(Chargen, ThePatternGoesOnWithoutABreakAndStopsWhenThePeerCloses) {
  ChargenApp app;
  Client client{app};
  std::string all = client.received();
  EXPECT_EQ(all.size(), 256u * 1024);
  for (int i = 0; i < 200; ++i) {
    client.makes_room(10'001);
    all += client.received();
  }
  // RFC 864: 72 characters to a line, each line begins one character on; 95 printable characters.
  for (std::size_t line = 0; (line + 1) * 74 <= all.size(); ++line) {
    for (std::size_t column = 0; column < 72; ++column) {
      ASSERT_EQ(all[line * 74 + column], static_cast<char>(' ' + (line + column) % 95));
    }
    ASSERT_EQ(all.substr(line * 74 + 72, 2), "\r\n");
  }
  EXPECT_GT(all.size(), 2'000'000u);
  client.sends_eof();
  EXPECT_TRUE(client->closed);
}

TEST(Counters, EachReasonIsCountedOnce) {
  ServiceCounters counters;
  for (const auto reason : {tcp::Reason::kFinished, tcp::Reason::kReset, tcp::Reason::kRefused, tcp::Reason::kTimedOut,
                            tcp::Reason::kUnreachable, tcp::Reason::kAborted}) {
    counters.count_closed(reason);
  }
  EXPECT_EQ(counters.completed, 1u);
  EXPECT_EQ(counters.failed(), 5u);
  EXPECT_EQ(counters.reset, 1u);
  EXPECT_EQ(counters.refused, 1u);
}

}  // namespace
}  // namespace pollux::app
