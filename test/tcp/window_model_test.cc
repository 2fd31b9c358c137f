// CUBIC and NewReno, with SACK and without: cwnd after every ACK of a bulk transfer under losses, beside a model
// written from the RFCs alone (window_model.h).

#include "window_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <string>
#include <vector>

#include "base/random.h"
#include "test_connection.h"

namespace pollux::tcp::test {
namespace {

constexpr std::uint32_t kSmss = 1448;  // with timestamps
// Between the ACKs, as behind a bottleneck: of what was sent at one instant RACK does not know what was sent first.
constexpr Duration kSpacing = 1ms;
// cwnd is kept in whole bytes: every step may round, and the next ones go on from there.
constexpr double kRounding = 0.2;  // segments

// The far end: takes what arrives, and acknowledges each segment at once.
class Receiver {
 public:
  // Segment `n`, with its timestamp.
  WindowModel::Ack take(std::size_t n, std::uint32_t tsval) {
    if (n >= here_.size()) here_.resize(n + 1);
    here_[n] = true;
    if (n <= next_) ts_recent_ = tsval;  // RFC 7323, 4.3
    while (next_ < here_.size() && here_[next_]) ++next_;
    std::erase_if(recent_, [&](std::size_t r) { return r < next_ || block_around(r) == block_around(n); });
    if (n >= next_) recent_.push_front(n);
    WindowModel::Ack ack{.una = next_};
    for (std::size_t i = 0; i < std::min<std::size_t>(recent_.size(), 3); ++i)
      ack.blocks.push_back(block_around(recent_[i]));
    return ack;
  }
  std::uint32_t ts_recent() const { return ts_recent_; }

 private:
  WindowModel::Block block_around(std::size_t n) const {
    std::size_t left = n;
    while (left > next_ && here_[left - 1]) --left;
    while (n < here_.size() && here_[n]) ++n;
    return {left, n};
  }

  std::vector<bool> here_;
  std::size_t next_ = 0;
  std::uint32_t ts_recent_ = 0;
  std::deque<std::size_t> recent_;  // one of each block, the latest first
};

struct Case {
  WindowModel::Rules rules{};
  std::chrono::milliseconds rtt{50};
  std::uint64_t seed = 1;
  double loss = 0.01;        // of what is sent for the first time
  std::size_t blackout = 0;  // so many segments in a row are lost, from the thousandth on: a time-out
  std::size_t segments = 6000;
};

// A connection with text without end, a path that never reorders, and the model beside it.
class Transfer {
 public:
  explicit Transfer(const Case& given)
      : given_{given},
        connection_{established(conditions(given))},
        model_{given.rules, connection_.tcb().congestion().cwnd / double{kSmss}},
        random_{given.seed} {}

  // How far cwnd is from the model's at most, in segments; stops where that is more than `enough`. Infinite where they
  // do not begin the same recoveries.
  double run(double enough) {
    offer_text();
    while (acknowledged_ < given_.segments && worst_ <= enough) {
      serve_timers_until(acks_.empty() ? std::nullopt : std::optional{acks_.front().at});
      if (acks_.empty() && !connection_.next_deadline()) return INFINITY;   // it stands still
      if (acks_.empty() || connection_.now() < acks_.front().at) continue;  // what a timer sent takes its time, too
      const Due due = acks_.front();
      acks_.pop_front();
      acknowledge(due);
      offer_text();
    }
    if (worst_ <= enough && model_.recoveries() != connection_.counters().fast_retransmits) return INFINITY;
    return worst_;
  }
  const Counters& counters() const { return connection_.counters(); }

 private:
  struct Due {
    Instant at;
    WindowModel::Ack ack;
    std::uint32_t tsecr;
  };

  static Conditions conditions(const Case& given) {
    Conditions c;
    c.config.congestion = given.rules.cubic ? CongestionControl::kCubic : CongestionControl::kNewReno;
    c.config.send_buffer = 600'000;
    c.peer.wscale = 7;
    c.peer.ts = 1;
    c.peer.sack_permitted = given.rules.sack;
    c.config.rto_min = 1s;  // RFC 6298, 2.4; without SACK a repair takes long, and no time-out is to disturb it
    c.rtt = given.rtt;
    return c;
  }

  void offer_text() {
    while (connection_.unsent() < 40 * kSmss && connection_.send_room() > 20 * kSmss) {
      connection_.user_sends(pattern(20 * std::size_t{kSmss}, offered_));
      offered_ += 20 * std::size_t{kSmss};
      take_sent();
    }
  }

  // What the connection has sent goes on its way.
  void take_sent() {
    for (const Sent& sent : connection_.take_all_sent()) {
      if (sent.text.empty()) continue;
      ASSERT_EQ(sent.text.size(), kSmss);
      const auto n = static_cast<std::size_t>(sent.seq - 1) / kSmss;
      model_.sent(n);
      const bool again = n < highest_;
      highest_ = std::max(highest_, n + 1);
      if (!again && is_lost(n)) continue;
      last_ack_ = std::max(last_ack_ + kSpacing, connection_.now() + given_.rtt);
      WindowModel::Ack ack = receiver_.take(n, sent.options.ts->val);
      acks_.push_back({last_ack_, std::move(ack), receiver_.ts_recent()});
    }
  }
  // The nth segment, when it is sent for the first time. An early loss ends the first slow start before the queue that
  // it fills can.
  bool is_lost(std::size_t n) {
    if (n == 12) return true;
    if (given_.blackout == 0) return random_.chance(given_.loss);
    if (n < 1000 + given_.blackout) return n >= 1000;
    return n >= 2000 && random_.chance(given_.loss);
  }

  void serve_timers_until(std::optional<Instant> until) {
    for (;;) {
      const std::optional<Duration> wait = connection_.next_deadline();
      if (!wait || (until && connection_.now() + *wait > *until)) break;
      const std::uint64_t time_outs = connection_.counters().rto_fired;
      const std::uint64_t recoveries = connection_.counters().fast_retransmits;
      const double before = pipe();
      connection_.sleep(*wait);
      if (connection_.counters().rto_fired > time_outs) model_.time_out();
      const bool found_lost = model_.recovering() && pipe() < before;
      if (connection_.counters().fast_retransmits > recoveries || found_lost) model_.reordering_timer(pipe());
      compare();
      take_sent();
      if (!until && !acks_.empty()) return;
    }
    if (until) connection_.sleep(*until - connection_.now());
  }

  void acknowledge(const Due& due) {
    WindowModel::Ack ack = due.ack;
    const std::uint64_t recoveries = connection_.counters().fast_retransmits;
    SegmentSpec segment = test::ack(1 + static_cast<std::int64_t>(ack.una * kSmss));
    segment.ts(connection_.peer_clock(), due.tsecr);
    std::vector<SegmentSpec::Block> blocks;
    for (const auto& [from, to] : ack.blocks)
      blocks.emplace_back(1 + static_cast<std::int64_t>(from * kSmss), 1 + static_cast<std::int64_t>(to * kSmss));
    if (given_.rules.sack && !blocks.empty()) segment.sack(blocks);
    connection_.peer_sends(segment);
    ack.now = std::chrono::duration<double>(connection_.now().time_since_epoch()).count();
    ack.srtt = std::chrono::duration<double>(connection_.tcb().rtt().srtt()).count();
    const bool begins = given_.rules.sack && connection_.counters().fast_retransmits > recoveries;
    model_.ack(ack, begins ? std::optional{pipe()} : std::nullopt);
    acknowledged_ = ack.una;
    EXPECT_FALSE(model_.must_recover()) << "three segments beyond a hole, and no recovery";
    compare();
    take_sent();
  }

  // What the connection thought to be in the network before it sent what it has just sent.
  double pipe() const { return connection_.pipe() / double{kSmss} - static_cast<double>(connection_.sent_count()); }

  void compare() {
    const double cwnd = connection_.tcb().congestion().cwnd / double{kSmss};
    worst_ = std::max(worst_, std::abs(cwnd - model_.cwnd()));
  }

  Case given_;
  TestConnection connection_;
  WindowModel model_;
  Receiver receiver_;
  Random random_;
  std::deque<Due> acks_;
  Instant last_ack_{};
  std::size_t offered_ = 0;
  std::size_t highest_ = 0;
  std::size_t acknowledged_ = 0;
  double worst_ = 0;
};

void follow(const WindowModel::Rules& rules, const std::vector<std::chrono::milliseconds>& rtts, std::size_t blackout) {
  for (const auto rtt : rtts) {
    for (const double loss : {0.002, 0.01, 0.03}) {
      Transfer transfer{{.rules = rules, .rtt = rtt, .loss = loss, .blackout = blackout}};
      ASSERT_LE(transfer.run(kRounding), kRounding) << rtt.count() << " ms, loss " << loss;
      ASSERT_GT(transfer.counters().fast_retransmits, 2u);
      ASSERT_GE(transfer.counters().rto_fired, blackout > 0 ? 1u : 0u);
    }
  }
}

// RFC 9438, 4.2 to 4.10; RFC 6937, 3; RFC 6675, 5.
TEST(Windows, OfCubicWithSackAreThoseOfTheModel) { follow({.cubic = true, .sack = true}, {10ms, 50ms, 200ms}, 0); }
// RFC 9438; RFC 6582, 3.2.
TEST(Windows, OfCubicWithoutSackAreThoseOfTheModel) { follow({.cubic = true, .sack = false}, {10ms, 50ms, 200ms}, 0); }
// RFC 5681, 3.1; RFC 6937, 3.
TEST(Windows, OfNewRenoWithSackAreThoseOfTheModel) { follow({.cubic = false, .sack = true}, {10ms, 50ms, 200ms}, 0); }
// RFC 5681, 3.1 and 3.2; RFC 6582, 3.2.
TEST(Windows, OfNewRenoAreThoseOfTheModel) { follow({.cubic = false, .sack = false}, {10ms, 50ms, 200ms}, 0); }
// RFC 5681, 3.1, equation (4); RFC 9438, 4.8.
TEST(Windows, AfterATimeOutAreThoseOfTheModel) {
  for (const bool cubic : {false, true}) follow({.cubic = cubic, .sack = true}, {10ms, 50ms, 200ms}, 200);
}

// The model tells constants apart that differ by little.
TEST(Windows, OfOtherConstantsAreNot) {
  const auto worst = [](const CubicConstants& constants) {
    return Transfer{{.rules = {.constants = constants}, .rtt = 200ms, .loss = 0.002}}.run(1);
  };
  EXPECT_LE(worst({}), kRounding);
  EXPECT_GT(worst({.beta = 0.71}), kRounding);
  EXPECT_GT(worst({.c = 0.41}), kRounding);
}

}  // namespace
}  // namespace pollux::tcp::test
