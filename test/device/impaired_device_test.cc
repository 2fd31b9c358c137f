#include "device/impaired_device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "device/loopback_pair.h"
#include "frames.h"

namespace pollux {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Impaired = ImpairedDevice<LoopbackPair::End>;
static_assert(Device<Impaired>);

std::vector<std::string> echo(const ImpairedDeviceConfig& config, int count) {
  LoopbackPair pair;
  Impaired device{pair.left(), config};
  std::vector<std::string> texts;
  for (int i = 0; i < count; ++i) {
    device.set_now(Instant{i * 1ms});
    send_text(device, "frame number " + std::to_string(i));
    device.flush();
    for (const std::string& text : receive_texts(pair.right())) send_text(pair.right(), text);
    pair.right().flush();
    for (std::string& text : receive_texts(device)) texts.push_back(std::move(text));
  }
  return texts;
}

TEST(ImpairedDevice, WithoutImpairmentItIsTheInnerDevice) {
  EXPECT_THAT(echo({}, 2), ElementsAre("frame number 0", "frame number 1"));
}

TEST(ImpairedDevice, TheSameSeedGivesTheSameFates) {
  const Impairment bad{.loss = 0.2, .duplicate = 0.2, .reorder = 0.2, .reorder_delay = 5ms, .corrupt = 0.1};
  const ImpairedDeviceConfig config{.received = bad, .sent = bad, .seed = 9};
  const std::vector<std::string> texts = echo(config, 200);
  EXPECT_EQ(texts, echo(config, 200));
  ImpairedDeviceConfig other = config;
  other.seed = 10;
  EXPECT_NE(texts, echo(other, 200));
}

TEST(ImpairedDevice, LosesBothWays) {
  LoopbackPair pair;
  {
    Impaired device{pair.left(), {.received = {.loss = 1}, .sent = {.loss = 1}}};
    send_text(device, "lost");
    device.flush();
    EXPECT_THAT(receive_texts(pair.right()), IsEmpty());
    send_text(pair.right(), "lost too");
    pair.right().flush();
    EXPECT_THAT(receive_texts(device), IsEmpty());
    EXPECT_EQ(device.sent().lost, 1u);
    EXPECT_EQ(device.received().lost, 1u);
  }
  EXPECT_EQ(pair.outstanding(), 0u);
}

TEST(ImpairedDevice, DuplicatesBothWays) {
  LoopbackPair pair;
  {
    Impaired device{pair.left(), {.received = {.duplicate = 1}, .sent = {.duplicate = 1}}};
    send_text(device, "out");
    device.flush();
    EXPECT_THAT(receive_texts(pair.right()), ElementsAre("out", "out"));
    send_text(pair.right(), "in");
    pair.right().flush();
    EXPECT_THAT(receive_texts(device), ElementsAre("in", "in"));
  }
  EXPECT_EQ(pair.outstanding(), 0u);
}

TEST(ImpairedDevice, ReceivesThroughASpanOfOne) {
  LoopbackPair pair;
  Impaired device{pair.left(), {.received = {.duplicate = 1}}};
  send_text(pair.right(), "in");
  pair.right().flush();
  EXPECT_THAT(receive_texts(device, 1), ElementsAre("in"));
}

TEST(ImpairedDevice, HoldsFramesBackUntilTheyAreDue) {
  LoopbackPair pair;
  Impaired device{pair.left(), {.received = {.delay = 3ms}, .sent = {.delay = 5ms}}};
  send_text(device, "out");
  send_text(pair.right(), "in");
  pair.right().flush();
  device.flush();
  EXPECT_THAT(receive_texts(device), IsEmpty());
  EXPECT_EQ(device.next_due(), Instant{3ms});
  device.set_now(Instant{3ms});
  device.flush();
  EXPECT_THAT(receive_texts(device), ElementsAre("in"));
  EXPECT_THAT(receive_texts(pair.right()), IsEmpty());
  device.set_now(Instant{5ms});
  device.flush();
  EXPECT_THAT(receive_texts(pair.right()), ElementsAre("out"));
  EXPECT_EQ(device.received().delayed, 1u);
  EXPECT_EQ(device.sent().delayed, 1u);
}

TEST(ImpairedDevice, JitterAloneKeepsTheOrder) {
  LoopbackPair pair;
  Impaired device{pair.left(), {.sent = {.jitter = 5ms}}};
  std::vector<std::string> sent;
  std::vector<std::string> got;
  for (int i = 0; i < 100; ++i) {
    device.set_now(Instant{i * 200us});
    sent.push_back(std::to_string(i));
    send_text(device, sent.back());
    device.flush();
    for (std::string& text : receive_texts(pair.right())) got.push_back(std::move(text));
  }
  device.set_now(Instant{1s});
  device.flush();
  for (std::string& text : receive_texts(pair.right())) got.push_back(std::move(text));
  EXPECT_EQ(got, sent);
}

TEST(ImpairedDevice, MarksWhatCanBeMarked) {
  const auto mark_capital = [](std::span<std::byte> frame) {
    const bool can_be = frame.back() == std::byte{'A'};
    if (can_be) frame.back() = std::byte{'*'};
    return can_be;
  };
  const auto marked_of_1000 = [&](double chance) {
    LoopbackPair pair;
    Impaired device{pair.left(), {.received = {.duplicate = 0.5, .mark = chance}, .mark = mark_capital}};
    std::uint64_t stars = 0;
    std::uint64_t bare = 0;
    for (int i = 0; i < 1000; ++i) {
      for (const char* text : {"frame A", "frame b"}) send_text(pair.right(), text);
      pair.right().flush();
      for (const std::string& text : receive_texts(device)) {
        stars += text == "frame *" ? 1u : 0u;
        bare += text == "frame A" ? 1u : 0u;
      }
    }
    EXPECT_EQ(bare == 0, chance == 1) << "a copy of what is marked is marked";
    EXPECT_EQ(stars > device.received().marked, chance > 0) << "there are copies";
    return device.received().marked;
  };
  EXPECT_EQ(marked_of_1000(0), 0u);
  EXPECT_EQ(marked_of_1000(1), 1000u);
  const std::uint64_t some = marked_of_1000(0.25);
  EXPECT_GT(some, 200u);
  EXPECT_LT(some, 300u);
}

TEST(ImpairedDevice, MarkingChangesNothingElse) {
  Impairment bad{.loss = 0.2, .duplicate = 0.2, .reorder = 0.2, .reorder_delay = 5ms, .corrupt = 0.1};
  const std::vector<std::string> texts = echo({.received = bad, .seed = 9}, 200);
  bad.mark = 0.5;
  EXPECT_EQ(texts, echo({.received = bad, .seed = 9, .mark = [](std::span<std::byte>) { return true; }}, 200));
}

TEST(ImpairedDevice, GivesBackWhatItHolds) {
  LoopbackPair pair;
  {
    Impaired device{pair.left(), {.received = {.delay = 1s}, .sent = {.delay = 1s}}};
    send_text(device, "out");
    device.flush();
    send_text(pair.right(), "in");
    pair.right().flush();
    receive_texts(device);
    EXPECT_EQ(pair.outstanding(), 2u);
  }
  EXPECT_EQ(pair.outstanding(), 0u);
}

}  // namespace
}  // namespace pollux
