// Both ends of SACK beside a bitmap: what the sender knows of the numbers in flight (RFC 6675, 3), and what the
// receiver holds and tells (RFC 2018, 4). Random operations around the wrap of sequence numbers; how many,
// POLLUX_SACK_OPERATIONS says.

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "../effort.h"
#include "base/random.h"
#include "bitmap.h"
#include "packet_pool.h"
#include "tcp/receive_queue.h"
#include "tcp/scoreboard.h"

namespace pollux::tcp {
namespace {

using test::Bitmap;

constexpr std::uint32_t kSmss = 100;
constexpr std::uint32_t kAround = 4000;  // how far from the wrap SND.UNA and RCV.NXT go

std::uint64_t operations() {
  const char* const text = std::getenv("POLLUX_SACK_OPERATIONS");
  return text != nullptr ? std::strtoull(text, nullptr, 0) : pollux::test::effort(200'000);
}

// --- The sender ---

class Sender {
 public:
  explicit Sender(std::uint64_t seed) : random_{seed} {}
  ~Sender() {
    board_.clear(store_);
    EXPECT_EQ(store_.size(), 0u);
  }

  bool passed_the_wrap() const { return kAround <= una_.value() && una_.value() < 1u << 31; }
  std::uint32_t longest = 200;

  // As SEGMENT ARRIVES makes them. False: they differ.
  bool step() {
    const std::uint64_t kind = random_.below(20);
    if (kind == 0) {
      const std::uint32_t most = random_.chance(0.1) ? Bitmap::kSize / 2 : 8;
      advance(1 + static_cast<std::uint32_t>(random_.below(most)));
    } else if (kind == 1 && random_.chance(0.1)) {
      board_.clear(store_);
      bitmap_.clear();
    } else {
      const auto left = 1 + static_cast<std::uint32_t>(random_.below(Bitmap::kSize - 1));
      const auto size = 1 + static_cast<std::uint32_t>(random_.below(longest));
      const std::uint32_t right = std::min(left + size, Bitmap::kSize);
      std::uint32_t seen = 0;
      bool holes = true;
      const auto see = [&](SeqNum from, SeqNum to) {
        holes &= bitmap_.find(true, distance(una_, from), distance(una_, to)) == distance(una_, to);
        seen += distance(from, to);
      };
      const std::uint32_t added = board_.add(store_, una_ + left, una_ + right, see);
      if (added != bitmap_.set(left, right) || seen != added || !holes) return false;
    }
    return same() && same_answers(static_cast<std::uint32_t>(random_.below(Bitmap::kSize)));
  }

 private:
  void advance(std::uint32_t n) {
    una_ += n;
    board_.advance(store_, una_);
    bitmap_.drop(n);
    bitmap_.unset(0, bitmap_.find(false, 0, Bitmap::kSize));  // who holds SND.UNA would have acknowledged it
  }
  bool same() const {
    const std::uint32_t sacked = bitmap_.count();
    return board_.invariants_hold(una_, una_ + Bitmap::kSize) && board_.sacked() == sacked &&
           board_.ranges() == bitmap_.stretches() &&
           board_.reaches_threshold(kSmss) == (bitmap_.stretches() >= 3 || sacked > 2 * kSmss);
  }
  bool same_answers(std::uint32_t n) const {
    const SeqNum end = una_ + Bitmap::kSize;
    const std::uint32_t open = bitmap_.find(false, n, Bitmap::kSize);
    const std::uint32_t next = bitmap_.find(true, bitmap_.at(n) ? open : n + 1, Bitmap::kSize);
    return board_.holes(una_ + n, end) == Bitmap::kSize - n - bitmap_.count(n, Bitmap::kSize) &&
           board_.holes(una_, una_ + n) == n - bitmap_.count(0, n) && board_.skip(una_ + n) == una_ + open &&
           board_.hole_end(una_ + n, end) == una_ + next;
  }

  Random random_;
  Slab<SackedRange> store_{Scoreboard::kMaxRanges * 8 / 7 + 8};
  Scoreboard board_;
  Bitmap bitmap_;
  SeqNum una_{0u - kAround};
};

TEST(SackBitmap, KnowsWhatTheScoreboardKnows) {  // RFC 6675, 3
  std::uint64_t done = 0;
  for (std::uint64_t seed = 1; done < operations(); ++seed) {
    Sender sender{seed};
    sender.longest = seed % 3 == 0 ? 3 : seed % 3 == 1 ? 20 : 200;
    for (; !sender.passed_the_wrap() && done < operations(); ++done) ASSERT_TRUE(sender.step()) << "seed " << seed;
  }
}

// --- The receiver ---

class Receiver {
 public:
  explicit Receiver(std::uint64_t seed) : random_{seed} {}
  ~Receiver() {
    queue_.clear(store_);
    EXPECT_EQ(pool_.out(), 0u);
  }

  bool passed_the_wrap() const { return kAround <= nxt_.value() && nxt_.value() < 1u << 31; }
  std::uint32_t longest = 200;

  bool step() {
    const std::uint64_t kind = random_.below(20);
    if (kind == 0 ? !consume() : !arrives(kind < 4 ? 0 : 1 + static_cast<std::uint32_t>(random_.below(kReach))))
      return false;
    return same() && same_answers(static_cast<std::uint32_t>(random_.below(kReach)));
  }

 private:
  static constexpr std::uint32_t kReach = Bitmap::kSize - 200;  // leaves room for the longest

  // Each byte is told by its number, so that one that is in the wrong place shows.
  static char byte_of(SeqNum seq) { return static_cast<char>(seq.value() * 0x9e3779b1u >> 24); }
  std::string text(SeqNum from, std::uint32_t size) const {
    std::string out(size, ' ');
    for (std::uint32_t i = 0; i < size; ++i) out[i] = byte_of(from + i);
    return out;
  }

  bool arrives(std::uint32_t ahead) {
    const auto size = 1 + static_cast<std::uint32_t>(random_.below(longest));
    auto [packet, bytes] = pool_.lend(text(nxt_ + ahead, size), 2048, random_.chance(0.3) ? 2000 : 0);
    if (ahead > 0) {
      const ReceiveQueue::Held held = queue_.hold(store_, nxt_ + ahead, bytes, std::move(packet), 2000, UINT32_MAX);
      return held == (bitmap_.set(ahead, ahead + size) > 0 ? ReceiveQueue::Held::kNew : ReceiveQueue::Held::kDuplicate);
    }
    if (!queue_.append(store_, nxt_, bytes, std::move(packet))) return false;
    bitmap_.set(0, size);
    const std::uint32_t joined = bitmap_.find(false, 0, Bitmap::kSize);
    bitmap_.drop(joined);
    readable_ += joined;
    const SeqNum expected = nxt_ + joined;
    nxt_ = queue_.join(store_, nxt_ + size);
    return nxt_ == expected;
  }
  bool consume() {
    while (queue_.readable() > 0) {
      const auto front = queue_.front(store_);
      const SeqNum first = nxt_ - readable_;
      for (std::uint32_t i = 0; i < front.size(); ++i) {
        if (static_cast<char>(front[i]) != byte_of(first + i)) return false;
      }
      queue_.consume(store_, static_cast<std::uint32_t>(front.size()));
      readable_ -= static_cast<std::uint32_t>(front.size());
    }
    return readable_ == 0;
  }

  bool same() const {
    return queue_.readable() == readable_ && queue_.ranges() == bitmap_.stretches() &&
           queue_.invariants_hold(store_, nxt_) && store_.size() == pool_.out();
  }
  // What SACK blocks tell (RFC 2018, 4) and D-SACK blocks (RFC 2883, 4).
  bool same_answers(std::uint32_t n) const {
    const auto around = queue_.range_around(nxt_ + n);
    if (around.has_value() != bitmap_.at(n)) return false;
    if (around) {
      std::uint32_t left = n;
      while (left > 0 && bitmap_.at(left - 1)) --left;
      if (*around != std::pair{nxt_ + left, nxt_ + bitmap_.find(false, n, Bitmap::kSize)}) return false;
    }
    const std::uint32_t end = n + 20;
    const std::uint32_t from = bitmap_.find(true, n, end);
    const auto overlap = queue_.overlap(nxt_ + n, nxt_ + end);
    if (overlap.has_value() != (from < end)) return false;
    return !overlap || *overlap == std::pair{nxt_ + from, nxt_ + bitmap_.find(false, from, end)};
  }

  Random random_;
  test::PacketPool pool_;
  Slab<HeldText> store_{4096};
  ReceiveQueue queue_;
  Bitmap bitmap_;  // of what is held, from RCV.NXT on
  SeqNum nxt_{0u - kAround};
  std::uint32_t readable_ = 0;
};

TEST(SackBitmap, KnowsWhatTheReceiveQueueHolds) {  // SHLD-31; RFC 2018, 4
  std::uint64_t done = 0;
  for (std::uint64_t seed = 1; done < operations(); ++seed) {
    Receiver receiver{seed};
    receiver.longest = seed % 3 == 0 ? 3 : seed % 3 == 1 ? 20 : 200;
    for (; !receiver.passed_the_wrap() && done < operations(); ++done) ASSERT_TRUE(receiver.step()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace pollux::tcp
