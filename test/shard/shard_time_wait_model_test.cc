// Many connections in TIME-WAIT at once, and whatever may still arrive for them: every answer, and every end, against a
// model that knows RFC 9293, 3.10.7.4, RFC 1337, 5961 and 6191 and nothing of records, rings or indices.

#include <vector>

#include "../effort.h"
#include "base/random.h"
#include "test_shard.h"

namespace pollux::test {
namespace {

using ShardTimeWaitModel = ShardOf;
POLLUX_BOTH_FAMILIES(ShardTimeWaitModel);

constexpr Duration kTwoMsl = 60s;
constexpr Duration kTick = 1ms;
constexpr std::uint16_t kFirstPort = 2000;
constexpr unsigned kTuples = 200;
constexpr int kActions = 4000;

class World {
 public:
  World(std::uint64_t seed, TestShard::Given given) : random_{seed}, shard_{roomy(std::move(given))} {
    shard_.listen();
    for (unsigned i = 0; i < kTuples; ++i) {
      ends_.push_back(End{.peer = Peer{shard_, static_cast<std::uint16_t>(kFirstPort + i)}});
    }
  }

  void run() {
    for (int i = 0; i < kActions && !testing::Test::HasFailure(); ++i) {
      SCOPED_TRACE("action " + std::to_string(i));
      if (random_.chance(0.2)) pass_time();
      act(ends_[random_.below(ends_.size())]);
      check_count();
    }
    shard_.sleep(kTwoMsl + kTick);
    EXPECT_EQ(shard_.shard.core().time_wait().size(), 0u) << "nothing is left";
    shard_.take_all();
  }

 private:
  struct End {
    Peer peer;
    bool waits = false;
    Instant since{};
    std::uint32_t ts_recent = 0;
    std::optional<std::uint8_t> challenged{};  // the second, modulo 31, of the last challenge ACK
  };

  static TestShard::Given roomy(TestShard::Given given) {
    given.config.max_time_wait_v4 = given.config.max_time_wait_v6 = 4096;
    return given;
  }

  // Sooner or later; now and then beyond 2MSL.
  void pass_time() {
    const double kind = random_.fraction();
    const Duration longest = kind < 0.6 ? Duration{1ms} : kind < 0.98 ? Duration{500ms} : Duration{20s};
    shard_.sleep(Duration{static_cast<Duration::rep>(random_.below(static_cast<std::uint64_t>(longest.count())))});
    shard_.expect_silence();
  }

  // No entry leaves early, none stays longer than one tick.
  void check_count() {
    std::size_t sure = 0;
    std::size_t maybe = 0;
    for (End& end : ends_) {
      if (!end.waits) continue;
      const Duration age = shard_.now - end.since;
      if (age >= kTwoMsl + kTick) {
        EXPECT_FALSE(shard_.shard.core().time_wait().find(end.peer.key())) << "stayed";
        end.waits = false;
      } else if (age >= kTwoMsl) {
        ++maybe;
        end.waits = shard_.shard.core().time_wait().find(end.peer.key()).has_value();
      } else {
        ++sure;
        EXPECT_TRUE(shard_.shard.core().time_wait().find(end.peer.key())) << "left early";
      }
    }
    EXPECT_GE(shard_.shard.core().time_wait().size(), sure);
    EXPECT_LE(shard_.shard.core().time_wait().size(), sure + maybe);
  }

  void act(End& end) {
    if (!end.waits) return live(end);
    if (shard_.now - end.since >= kTwoMsl) return;  // it may be there or not, for one tick
    switch (random_.below(8)) {
      case 0:
        return fin_again(end);
      case 1:
        return text(end);
      case 2:
        return reset(end);
      case 3:
        return old_ack(end);
      case 4:
        return old_syn(end);
      case 5:
        return fin_in_window(end);
      default:
        if (random_.chance(0.3)) return new_syn(end);
        return fin_again(end);
    }
  }

  // From SYN to TIME-WAIT, with or without timestamps.
  void live(End& end) {
    Peer next{shard_, end.peer.port()};
    next.seq = static_cast<std::uint32_t>(random_());
    if (random_.chance(0.5)) next.tsval = static_cast<std::uint32_t>(random_());
    ASSERT_TRUE(next.opens());
    closes(end, next);
  }
  void closes(End& end, const Peer& next) {
    end.peer = next;
    end.peer.reaches_time_wait();
    end.waits = true;
    end.since = shard_.now;
    end.ts_recent = next.tsval.value_or(0);
    end.challenged.reset();
  }

  void expect_ack(const End& end) {
    const Sent sent = shard_.expect("A");
    EXPECT_EQ(sent.segment().seq.value(), end.peer.ack);
    EXPECT_EQ(sent.segment().ack.value(), end.peer.seq);
    EXPECT_EQ(sent.segment().options.ts.has_value(), end.peer.tsval.has_value());
    shard_.expect_silence();
  }
  // RFC 5961, 7: one in a second.
  void expect_challenge(End& end) {
    const auto second = static_cast<std::uint8_t>(shard_.now.time_since_epoch() / 1s % 31);
    if (end.challenged == second) return shard_.expect_silence();
    end.challenged = second;
    expect_ack(end);
  }

  // "Acknowledge it, and restart the 2 MSL timeout."
  void fin_again(End& end) {
    TestTcp fin = end.peer.segment(kFin | kAck);
    --fin.seq;
    shard_.receive(fin);
    expect_ack(end);
    end.since = shard_.now;
  }
  void fin_in_window(End& end) {
    shard_.receive(end.peer.segment(kFin | kAck));
    expect_ack(end);
    end.since = shard_.now;
  }
  void text(End& end) {
    TestTcp data = end.peer.segment(kAck, "old or new");
    data.seq += static_cast<std::uint32_t>(random_.below(200'000)) - 100'000;
    shard_.receive(data);
    expect_ack(end);
    EXPECT_EQ(shard_.app.seen(end.peer.id).text, "") << "not a byte is delivered";
  }
  // RFC 1337.
  void reset(End& end) {
    TestTcp rst = end.peer.segment(kRst);
    rst.seq += static_cast<std::uint32_t>(random_.below(5)) - 2;
    shard_.receive(rst);
    shard_.expect_silence();
  }
  void old_ack(End& end) {
    TestTcp ack = end.peer.segment(kAck);
    ack.seq -= 1 + static_cast<std::uint32_t>(random_.below(100'000));
    shard_.receive(ack);
    expect_challenge(end);
  }

  struct Syn {
    std::uint32_t ahead;  // of RCV.NXT
    std::optional<std::uint32_t> ts;
  };
  TestTcp syn_of(const End& end, const Syn& syn) {
    Peer next{shard_, end.peer.port()};
    next.seq = end.peer.seq + syn.ahead;
    next.tsval = syn.ts;
    return next.segment(kSyn);
  }
  // RFC 6191: an older timestamp; or the same, or none, and a sequence number that is not above the old one's.
  void old_syn(End& end) {
    const std::uint32_t back = 1 + static_cast<std::uint32_t>(random_.below(100'000));
    Syn syn{0u - back, std::nullopt};
    if (end.peer.tsval) {
      const std::uint64_t kind = random_.below(3);
      if (kind == 0) syn = {back, end.ts_recent - 1 - static_cast<std::uint32_t>(random_.below(1'000'000))};
      if (kind == 1) syn.ts = end.ts_recent;
    }
    shard_.receive(syn_of(end, syn));
    expect_challenge(end);
  }
  // A newer timestamp whatever the sequence number, or a higher sequence number: the next connection, whose ISS is
  // above all that the old one sent.
  void new_syn(End& end) {
    Peer next{shard_, end.peer.port()};
    const std::uint32_t ahead = 1 + static_cast<std::uint32_t>(random_.below(100'000));
    next.seq = end.peer.seq + ahead;
    if (end.peer.tsval && random_.chance(0.7)) {
      next.tsval = end.ts_recent + 1 + static_cast<std::uint32_t>(random_.below(1'000'000));
      if (random_.chance(0.5)) next.seq = end.peer.seq - ahead;
    }
    const std::uint32_t last = end.peer.ack;
    ASSERT_TRUE(next.opens());
    EXPECT_LT(SeqNum{last}, SeqNum{next.their_iss}) << "above the old one's last";
    EXPECT_FALSE(shard_.shard.core().time_wait().find(end.peer.key()));
    closes(end, next);
  }

  Random random_;
  TestShard shard_;
  std::vector<End> ends_;
};

TEST_P(ShardTimeWaitModel, EveryAnswerAndEveryEndIsTheModels) {
  for (std::uint64_t seed = 1; seed <= effort(20); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World{seed, given()}.run();
    if (HasFailure()) break;
  }
}

}  // namespace
}  // namespace pollux::test
