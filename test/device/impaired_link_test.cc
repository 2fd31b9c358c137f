#include "device/impaired_link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <string>
#include <vector>

#include "frames.h"

namespace pollux {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr LinkDirection kThere = LinkDirection::kLeftToRight;

Impairment bad_wire() {
  return {.loss = 0.1,
          .duplicate = 0.1,
          .reorder = 0.1,
          .reorder_delay = 3ms,
          .corrupt = 0.1,
          .delay = 5ms,
          .jitter = 2ms,
          .bits_per_second = 10'000'000};
}

// Everything an observer of a link with this seed gets to see of 300 frames.
std::string log_of(std::uint64_t seed) {
  ImpairedLink link{{.left_to_right = bad_wire(), .right_to_left = bad_wire(), .seed = seed}};
  std::string log;
  link.observe([&](const LinkEvent& event) {
    log += std::to_string(event.at.time_since_epoch().count()) + ' ' + std::to_string(static_cast<int>(event.kind)) +
           std::string{reinterpret_cast<const char*>(event.frame.data()), event.frame.size()} + '\n';
  });
  for (int i = 0; i < 300; ++i) {
    link.deliver_until(Instant{i * 100us});
    send_text(link.left(), "there and a long way to go " + std::to_string(i));
    send_text(link.right(), "back from far away and then " + std::to_string(i));
    link.left().flush();
    link.right().flush();
    receive_texts(link.left());
    receive_texts(link.right());
  }
  while (const auto due = link.next_due()) link.deliver_until(*due);
  return log;
}

std::vector<std::string> numbers(int from, int to) {
  std::vector<std::string> texts;
  for (int i = from; i < to; ++i) texts.push_back(std::to_string(i));
  return texts;
}

// Sends 0, 1, 2 ... at once and delivers all of it.
std::vector<std::string> after(ImpairedLink& link, int count) {
  for (const std::string& text : numbers(0, count)) {
    send_text(link.left(), text);
    link.left().flush();
  }
  std::vector<std::string> texts;
  while (const auto due = link.next_due()) {
    link.deliver_until(*due);
    for (std::string& text : receive_texts(link.right())) texts.push_back(std::move(text));
  }
  return texts;
}

TEST(ImpairedLink, TheSameSeedGivesTheSameLog) {
  const std::string log = log_of(42);
  EXPECT_EQ(log, log_of(42));
  EXPECT_NE(log, log_of(43));
}

TEST(ImpairedLink, DeliversAfterTheDelayAndNotBefore) {
  ImpairedLink link{{.left_to_right = {.delay = 20ms}}};
  link.deliver_until(Instant{1s});
  send_text(link.left(), "hello");
  link.left().flush();
  EXPECT_EQ(link.next_due(), Instant{1s + 20ms});
  link.deliver_until(Instant{1s + 20ms - 1ns});
  EXPECT_THAT(receive_texts(link.right()), IsEmpty());
  link.deliver_until(Instant{1s + 20ms});
  EXPECT_TRUE(link.arrived());
  EXPECT_THAT(receive_texts(link.right()), ElementsAre("hello"));
  EXPECT_EQ(link.next_due(), std::nullopt);
  EXPECT_EQ(link.outstanding(), 0u);
}

TEST(ImpairedLink, JitterAloneKeepsTheOrder) {
  ImpairedLink link{{.left_to_right = {.delay = 1ms, .jitter = 10ms}}};
  EXPECT_EQ(after(link, 200), numbers(0, 200));
}

TEST(ImpairedLink, ReorderingLosesNothing) {
  ImpairedLink link{{.left_to_right = {.reorder = 0.2, .reorder_delay = 1ms}}};
  std::vector<std::string> texts = after(link, 200);
  EXPECT_NE(texts, numbers(0, 200));
  EXPECT_THAT(texts, testing::UnorderedElementsAreArray(numbers(0, 200)));
  EXPECT_NEAR(static_cast<double>(link.counters(kThere).reordered), 40, 25);
  EXPECT_EQ(link.counters(kThere).delayed, link.counters(kThere).reordered);
}

TEST(ImpairedLink, LosesItsShareInTheAskedDirectionOnly) {
  ImpairedLink link{{.left_to_right = {.loss = 0.5}}};
  const std::size_t arrived = after(link, 1000).size();
  EXPECT_NEAR(static_cast<double>(arrived), 500, 80);
  EXPECT_EQ(link.counters(kThere).lost + arrived, 1000u);

  for (int i = 0; i < 100; ++i) send_text(link.right(), "back");
  link.right().flush();
  link.deliver_until(link.now());
  EXPECT_EQ(receive_texts(link.left()).size(), 100u);
}

TEST(ImpairedLink, ADuplicateIsAWholeSecondFrame) {
  ImpairedLink link{{.left_to_right = {.duplicate = 1}}};
  EXPECT_THAT(after(link, 2), ElementsAre("0", "0", "1", "1"));
  EXPECT_EQ(link.outstanding(), 0u);
}

TEST(ImpairedLink, CorruptionChangesOneByteBehindTheEthernetHeader) {
  ImpairedLink link{{.left_to_right = {.corrupt = 1}}};
  const std::string sent(60, 'x');
  for (int i = 0; i < 100; ++i) {
    send_text(link.left(), sent);
    link.left().flush();
    link.deliver_until(link.now());
    const std::vector<std::string> got = receive_texts(link.right());
    ASSERT_EQ(got.size(), 1u);
    const auto [a, b] = std::mismatch(sent.begin(), sent.end(), got[0].begin());
    ASSERT_NE(a, sent.end());
    EXPECT_GE(a - sent.begin(), 14);
    EXPECT_TRUE(std::equal(a + 1, sent.end(), b + 1));
  }
}

TEST(ImpairedLink, ABitRateSpacesFramesOut) {
  ImpairedLink link{{.left_to_right = {.bits_per_second = 8'000'000}}};
  for (int i = 0; i < 2; ++i) send_text(link.left(), std::string(1000, 'x'));
  link.left().flush();
  EXPECT_EQ(link.next_due(), Instant{1ms});
  link.deliver_until(Instant{1ms});
  EXPECT_EQ(link.next_due(), Instant{2ms});
}

TEST(ImpairedLink, AFullQueueDropsTheNewest) {
  ImpairedLink link{{.left_to_right = {.bits_per_second = 8'000'000, .queue_bytes = 2500}}};
  for (const char c : {'a', 'b', 'c'}) send_text(link.left(), std::string(1000, c));
  link.left().flush();
  link.deliver_until(Instant{10ms});
  EXPECT_THAT(receive_texts(link.right()), ElementsAre(std::string(1000, 'a'), std::string(1000, 'b')));
  EXPECT_EQ(link.counters(kThere).overflowed, 1u);
}

TEST(ImpairedLink, ARuleDropsWhatItNames) {
  ImpairedLink link{{}};
  int seen = 0;
  link.drop_if([&](LinkDirection, std::span<const std::byte>) { return ++seen == 2; });
  EXPECT_THAT(after(link, 3), ElementsAre("0", "2"));
  EXPECT_EQ(link.counters(kThere).ruled_out, 1u);
}

// A chance that rises leaves the other chances' victims where they were.
TEST(ImpairedLink, TheVictimsOfLossDoNotDependOnDuplication) {
  const auto survivors = [](double duplicate) {
    ImpairedLink link{{.left_to_right = {.loss = 0.2, .duplicate = duplicate}, .seed = 5}};
    std::vector<std::string> texts = after(link, 300);
    texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
    return texts;
  };
  EXPECT_EQ(survivors(0), survivors(0.5));
}

}  // namespace
}  // namespace pollux
