#include "runtime/mailbox.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace pollux::runtime {
namespace {

TEST(Command, TakesSmallAndLargeAndMoveOnlyCallables) {
  std::array<char, 4 * Command<int&>::kInline> large{};
  large.back() = 2;
  auto unique = std::make_unique<int>(40);
  std::vector<Command<int&>> commands;
  commands.emplace_back([large](int& sum) { sum += large.back(); });
  commands.emplace_back([held = std::move(unique)](int& sum) { sum += *held; });

  int sum = 0;
  for (auto& command : commands) command(sum);

  EXPECT_EQ(sum, 42);
}

TEST(Command, EndsItsCallableOnceWhereverItWasMoved) {
  const auto counted = std::make_shared<int>(0);
  {
    std::vector<Command<>> commands;
    for (int i = 0; i < 10; ++i) commands.emplace_back([counted] { ++*counted; });
    EXPECT_EQ(counted.use_count(), 11);
    for (auto& command : commands) command();
  }
  EXPECT_EQ(counted.use_count(), 1);
  EXPECT_EQ(*counted, 10);
}

TEST(Mailbox, RunsCommandsInTheOrderTheyCameAndNotBeforeDrain) {
  Mailbox<std::vector<int>&> mailbox;
  std::vector<int> seen;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(mailbox.post([i](std::vector<int>& v) { v.push_back(i); }));
  EXPECT_TRUE(seen.empty());

  EXPECT_EQ(mailbox.drain(seen), 3u);

  EXPECT_EQ(seen, (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(mailbox.drain(seen), 0u);
}

TEST(Mailbox, RefusesWhatIsBeyondItsCapacityUntilDrained) {
  Mailbox<> mailbox{2};
  EXPECT_TRUE(mailbox.post([] {}));
  EXPECT_TRUE(mailbox.post([] {}));
  EXPECT_FALSE(mailbox.post([] {}));
  mailbox.drain();
  EXPECT_TRUE(mailbox.post([] {}));
}

TEST(Mailbox, ACommandMayPostAnother) {
  Mailbox<> mailbox;
  int runs = 0;
  mailbox.post([&] { mailbox.post([&] { ++runs; }); });
  EXPECT_EQ(mailbox.drain(), 1u);
  EXPECT_EQ(runs, 0);
  EXPECT_EQ(mailbox.drain(), 1u);
  EXPECT_EQ(runs, 1);
}

TEST(Mailbox, CallReturnsWhatTheOwnerAnswered) {
  Mailbox<int> mailbox;
  std::atomic<bool> stop{false};
  std::thread owner{[&] {
    while (!stop.load()) mailbox.drain(20);
  }};
  EXPECT_EQ(mailbox.call([](int have) { return have + 22; }), 42);
  bool ran = false;
  EXPECT_TRUE(mailbox.call([&](int) { ran = true; }));
  EXPECT_TRUE(ran);
  stop = true;
  owner.join();
}

TEST(Mailbox, CloseRunsWhatCameAndRefusesTheRest) {
  Mailbox<int> mailbox;
  int sum = 0;
  mailbox.post([&](int n) { sum += n; });

  mailbox.close(1);

  EXPECT_EQ(sum, 1);
  EXPECT_FALSE(mailbox.post([&](int n) { sum += n; }));
  EXPECT_EQ(mailbox.call([](int n) { return n; }), std::nullopt);
  EXPECT_FALSE(mailbox.call([&](int n) { sum += n; }));
  EXPECT_EQ(sum, 1);
}

// For ThreadSanitizer too: what the owner keeps is written without a lock.
TEST(Mailbox, ManySendersLoseAndReorderNothing) {
  constexpr int kSenders = 4;
  constexpr int kEach = 5000;
  struct State {
    std::array<int, kSenders> next{};
    int out_of_order = 0;
    int calls = 0;
  };
  Mailbox<State&> mailbox{64};
  State state;
  std::atomic<bool> stop{false};
  std::thread owner{[&] {
    while (!stop.load()) {
      if (mailbox.drain(state) == 0) std::this_thread::yield();
    }
    mailbox.close(state);
  }};
  std::vector<std::thread> senders;
  for (std::size_t s = 0; s < kSenders; ++s) {
    senders.emplace_back([&mailbox, s] {
      for (int i = 0; i < kEach; ++i) {
        const auto in_order = [s, i](State& st) {
          if (st.next[s]++ != i) ++st.out_of_order;
        };
        if (i % 16 == 0) {
          mailbox.call([&](State& st) { in_order(st), ++st.calls; });
        } else {
          while (!mailbox.post(in_order)) std::this_thread::yield();
        }
      }
    });
  }
  for (std::thread& sender : senders) sender.join();
  stop = true;
  owner.join();

  for (const int next : state.next) EXPECT_EQ(next, kEach);
  EXPECT_EQ(state.out_of_order, 0);
  EXPECT_EQ(state.calls, kSenders * ((kEach + 15) / 16));
}

}  // namespace
}  // namespace pollux::runtime
