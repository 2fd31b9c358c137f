#include "tcp/send_log.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"

// RFC 8985, 5.2, against a model that keeps everything for each number.

namespace pollux::tcp {
namespace {

constexpr SeqNum kFirst{0xffff'ff00};  // shortly before the wrap
constexpr SeqNum at(std::uint32_t offset) { return kFirst + offset; }
constexpr Duration kSrtt = 160ms;  // a grain is 10 ms
constexpr Instant kStart{1h};

struct Number {
  Instant sent{};
  bool again = false;
  bool lost = false;
  bool sacked = false;
};

// A log, its scoreboard, and what they should say number by number.
class Flight {
 public:
  // Not `exact`: where runs are joined the log may only be coarser.
  explicit Flight(std::uint32_t size, bool exact = true) : numbers_(size), exact_{exact} {}
  ~Flight() { board_.clear(store_); }

  void send(std::uint32_t n) {
    log_.sent(at(nxt_), at(una_), now_, kSrtt, board_);
    for (std::uint32_t i = nxt_; i < nxt_ + n; ++i) numbers_[i].sent = now_;
    nxt_ += n;
  }
  void send_again(std::uint32_t left, std::uint32_t right) {
    log_.sent_again(at(left), at(right), at(una_), at(nxt_), now_, kSrtt, board_);
    for (std::uint32_t i = left; i < right; ++i) {
      numbers_[i].sent = now_;
      numbers_[i].again = true;
      numbers_[i].lost = false;
    }
  }
  void sack(std::uint32_t left, std::uint32_t right) {
    const std::uint32_t lost = log_.lost_in(at(left), at(right), at(nxt_), board_);
    if (board_.add(store_, at(left), at(right), [](SeqNum, SeqNum) {}) > 0) log_.found(lost);
    for (std::uint32_t i = left; i < right; ++i) numbers_[i].sacked = true;
  }
  void acknowledge(std::uint32_t una) {
    log_.advance(at(una_), at(una), at(nxt_), board_);
    board_.advance(store_, at(una));
    una_ = una;
    for (std::uint32_t i = una; i < nxt_ && numbers_[i].sacked; ++i) numbers_[i].sacked = false;
  }
  Duration lose_sent_before(const SendLog::Sent& latest, Instant limit) {
    const Duration wait = log_.lose_sent_before(latest, limit, at(una_), at(nxt_), board_);
    Duration longest{};
    for (std::uint32_t i = una_; i < nxt_; ++i) {
      Number& n = numbers_[i];
      if (n.lost || !latest.after({n.sent, at(i)})) continue;
      if (n.sent <= limit) {
        n.lost = true;
      } else if (!n.sacked) {
        longest = std::max<Duration>(longest, n.sent - limit);
      }
    }
    EXPECT_TRUE(!exact_ || wait == longest) << wait.count() << " " << longest.count();
    return wait;
  }
  void lose_sent_by(Instant limit) {
    log_.lose_sent_by(limit, at(una_), at(nxt_), board_);
    for (std::uint32_t i = una_; i < nxt_; ++i) numbers_[i].lost |= numbers_[i].sent <= limit;
  }
  void sleep(Duration d) { now_ += d; }

  std::uint32_t una() const { return una_; }
  std::uint32_t nxt() const { return nxt_; }
  Instant now() const { return now_; }
  const SendLog& log() const { return log_; }
  const Scoreboard& board() const { return board_; }
  const Number& number(std::uint32_t n) const { return numbers_[n]; }
  std::pair<SeqNum, SeqNum> first_lost() const { return log_.first_lost(at(una_), at(nxt_), board_); }

  void expect_invariants() const { ASSERT_TRUE(log_.invariants_hold(at(una_), at(nxt_), board_)); }
  // What a run says of SACKed numbers does not matter.
  void expect_same() const {
    expect_invariants();
    std::uint32_t lost = 0;
    log_.each(at(una_), at(nxt_), at(nxt_), [&](SeqNum from, SeqNum to, const SendLog::Run& run) {
      for (std::uint32_t i = distance(kFirst, from); i < distance(kFirst, to); ++i) {
        if (numbers_[i].sacked) continue;
        EXPECT_EQ(run.lost, numbers_[i].lost) << i;
        EXPECT_EQ(run.again, numbers_[i].again) << i;
        EXPECT_EQ(run.at, numbers_[i].sent) << i;
        lost += numbers_[i].lost ? 1 : 0;
      }
    });
    EXPECT_EQ(log_.lost(), lost);
  }

 private:
  Slab<SackedRange> store_{1024};
  Scoreboard board_;
  SendLog log_;
  std::vector<Number> numbers_;
  bool exact_;
  std::uint32_t una_ = 0;
  std::uint32_t nxt_ = 0;
  Instant now_ = kStart;
};

TEST(SendLog, KnowsWhenWhatWasSent) {  // RFC 8985, 6.1
  Flight f{400};
  f.send(100);
  f.sleep(20ms);
  f.send(100);
  f.sleep(20ms);
  f.send_again(0, 50);
  f.send(100);
  f.expect_same();
}

TEST(SendLog, WhatGoesOutWithinAGrainCountsAsSentAtOnce) {
  Flight f{400};
  for (int i = 0; i < 3; ++i) {
    f.send(100);
    f.sleep(4ms);
  }
  std::vector<Instant> times;
  f.log().each(at(0), at(300), at(300), [&](SeqNum, SeqNum, const SendLog::Run& run) { times.push_back(run.at); });
  EXPECT_EQ(times, (std::vector{kStart}));
  f.send(100);  // 12 ms after the first
  f.log().each(at(300), at(400), at(400), [&](SeqNum, SeqNum, const SendLog::Run& run) { times.push_back(run.at); });
  EXPECT_EQ(times, (std::vector{kStart, kStart + 12ms}));
}

// Or what was sent after a retransmission would seem to have been sent before it.
TEST(SendLog, ARetransmissionEndsTheGrain) {
  Flight f{400};
  f.send(100);
  f.sleep(2ms);
  f.send_again(0, 50);
  f.sleep(2ms);
  f.send(100);
  f.sleep(2ms);
  f.send_again(50, 100);
  f.expect_same();
}

// RFC 8985, 6.2, RACK_sent_after(): at equal times the number decides.
TEST(SendLog, OfWhatWasSentAtOnceWhatIsBeforeTheDeliveredNumberIsLost) {
  Flight f{400};
  f.send(300);
  f.sack(100, 200);
  f.sleep(160ms);
  EXPECT_EQ(f.lose_sent_before({kStart, at(200)}, f.now() - 160ms), 0ms);
  f.expect_same();
  EXPECT_EQ(f.log().lost(), 100u);
  EXPECT_EQ(f.first_lost(), std::pair(at(0), at(100)));
}

TEST(SendLog, WhatMayStillComeIsWaitedFor) {
  Flight f{400};
  f.send(100);
  f.sleep(20ms);
  f.send(100);
  f.sleep(20ms);
  f.send(100);
  f.sack(200, 300);
  EXPECT_EQ(f.lose_sent_before({f.now(), at(300)}, kStart), 20ms);
  EXPECT_EQ(f.log().lost(), 100u);
  f.expect_same();
}

TEST(SendLog, ALostRetransmissionIsLostWithoutThoseSentAfterIt) {
  Flight f{400};
  f.send(300);
  f.sack(290, 300);
  f.sleep(100ms);
  f.lose_sent_before({kStart, at(300)}, f.now() - 100ms);
  f.send_again(0, 50);
  f.sleep(20ms);
  f.send_again(50, 100);
  f.sleep(20ms);
  f.send_again(100, 150);
  f.sack(50, 100);  // the second has come, the first has not
  f.lose_sent_before({kStart + 120ms, at(100)}, f.now());
  f.expect_same();
  EXPECT_EQ(f.first_lost(), std::pair(at(0), at(50)));
  EXPECT_TRUE(f.log().repeated(at(100), at(300)));
}

TEST(SendLog, WhatAPeerGivesUpIsAHoleAgain) {  // RFC 2018, 8
  Flight f{400};
  f.send(300);
  f.sack(100, 200);
  f.lose_sent_by(f.now());
  EXPECT_EQ(f.log().lost(), 200u);
  f.acknowledge(150);
  f.expect_same();
  EXPECT_EQ(f.log().lost(), 150u);
}

// Nobody asks when that was sent: of the holes nothing is forgotten.
TEST(SendLog, WhatIsSackedAsAWholeGivesItsPlaceFirst) {
  Flight f{6000};
  for (std::uint32_t n = 0; n < 60; ++n) {
    f.send(100);
    if (n % 5 != 0) f.sack(100 * n, 100 * n + 100);
    f.sleep(20ms);
  }
  f.expect_same();
}

// Random operations as a TCB makes them, in steps of more than a grain and few enough that no runs are joined.
void follow(std::uint64_t seed, int operations, std::uint32_t size, bool few) {
  Random random{seed};
  Flight f{size, few};
  const auto within = [&](std::uint32_t from, std::uint32_t to) {
    return static_cast<std::uint32_t>(from + random.below(to - from));
  };
  f.send(10);
  for (int i = 0; i < operations && f.una() + 20 < size; ++i) {
    f.sleep(11ms + Duration{random.below(50'000'000)});
    const bool open = f.nxt() - f.una() > 3;
    switch (random.below(few ? 12 : 5)) {
      case 0:
        f.send(std::min<std::uint32_t>(within(1, 30), size - f.nxt()) | 0u);
        break;
      case 1:
        if (f.log().lost() > 0) {
          const auto [left, right] = f.first_lost();
          f.send_again(distance(kFirst, left), std::min(distance(kFirst, left) + 10, distance(kFirst, right)));
        }
        break;
      case 2:
        if (open)
          f.lose_sent_before({f.number(within(f.una(), f.nxt())).sent, at(within(f.una(), f.nxt()))},
                             kStart + (f.now() - kStart) / 2);
        break;
      case 3:
        if (random.chance(0.1)) f.lose_sent_by(f.now() - 50ms);
        break;
      default:
        if (!open) break;
        if (random.chance(0.3)) {
          // What it holds a peer acknowledges with what is before it.
          f.acknowledge(distance(kFirst, f.board().skip(at(within(f.una() + 1, f.nxt())))));
        } else {
          const std::uint32_t left = within(f.una() + 1, f.nxt() - 1);
          f.sack(left, std::min(left + within(1, 20), f.nxt()));
        }
    }
    if (f.nxt() - f.una() < 60) f.send(std::min<std::uint32_t>(20, size - f.nxt()));
    ASSERT_NO_FATAL_FAILURE(few ? f.expect_same() : f.expect_invariants()) << "seed " << seed << " step " << i;
    if (testing::Test::HasFailure()) return;
  }
}

TEST(SendLog, IsWhatIsKeptForEachNumber) {
  for (std::uint64_t seed = 1; seed <= 300 && !testing::Test::HasFailure(); ++seed) follow(seed, 14, 700, true);
}

TEST(SendLog, StaysWithinItsPlaces) {
  for (std::uint64_t seed = 1; seed <= 30 && !testing::Test::HasFailure(); ++seed) follow(seed, 600, 100'000, false);
}

}  // namespace
}  // namespace pollux::tcp
