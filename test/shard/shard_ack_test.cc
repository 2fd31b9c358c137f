// How many acknowledgments a burst costs, and what is offered when memory runs short: RFC 5681, 4.2; RFC 9293, 3.8.6.

#include <algorithm>

#include "test_shard.h"

namespace pollux::test {
namespace {

using ShardAck = ShardOf;
POLLUX_BOTH_FAMILIES(ShardAck);

constexpr std::uint32_t kSize = 1000;

// A peer that sends numbered segments of kSize bytes, so many in one burst.
class Sender {
 public:
  Sender(TestShard& world, bool sack) : world_{world}, peer_{world} {
    world.listen();
    TestTcp syn = peer_.segment(kSyn);
    if (sack) append(syn.options, bytes({1, 1, 4, 2}));
    world.receive(syn);
    const auto answer = world.take();
    EXPECT_TRUE(answer);
    peer_.ack = answer->segment().seq.value() + 1;
    ++peer_.seq;
    first_ = peer_.seq;
    peer_.sends(kAck);
    world.expect_silence();
  }

  // Segments with these numbers in one burst; how many ACKs came, each of which has no text.
  std::vector<Sent> burst(const std::vector<std::uint32_t>& numbers) {
    std::vector<Bytes> frames;
    for (const std::uint32_t n : numbers) {
      peer_.seq = first_ + n * kSize;
      frames.push_back(world_.frame(peer_.segment(kAck, std::string(kSize, static_cast<char>('a' + n % 26)))));
    }
    world_.receive(frames);
    const std::deque<Sent> all = world_.take_all();
    return {all.begin(), all.end()};
  }
  std::vector<Sent> burst(std::uint32_t from, std::uint32_t to) {
    std::vector<std::uint32_t> numbers;
    for (std::uint32_t n = from; n < to; ++n) numbers.push_back(n);
    return burst(numbers);
  }
  // How many segments it acknowledges.
  std::uint32_t acked(const Sent& sent) const { return (sent.segment().ack.value() - first_) / kSize; }
  std::vector<std::pair<std::uint32_t, std::uint32_t>> blocks(const Sent& sent) const {
    std::vector<std::pair<std::uint32_t, std::uint32_t>> out;
    for (const SackBlock& block : sent.segment().options.sack.all()) {
      out.emplace_back((block.left.value() - first_) / kSize, (block.right.value() - first_) / kSize);
    }
    return out;
  }
  std::uint32_t right_edge(const Sent& sent) const { return sent.segment().ack.value() + sent.segment().wnd - first_; }

 private:
  TestShard& world_;
  Peer peer_;
  std::uint32_t first_ = 0;
};

std::vector<std::uint32_t> acked_by(const Sender& sender, const std::vector<Sent>& acks) {
  std::vector<std::uint32_t> out;
  out.reserve(acks.size());
  for (const Sent& ack : acks) out.push_back(sender.acked(ack));
  return out;
}

using Range = std::pair<std::uint32_t, std::uint32_t>;  // segments [first, second)
using Blocks = std::vector<std::vector<Range>>;

// The SACK blocks of each of them.
Blocks blocks_of(const Sender& sender, const std::vector<Sent>& acks) {
  Blocks out;
  out.reserve(acks.size());
  for (const Sent& ack : acks) out.push_back(sender.blocks(ack));
  return out;
}

// RFC 5681, 4.2: "A TCP receiver SHOULD send an immediate duplicate ACK when an out-of-order segment arrives."
TEST_P(ShardAck, WithoutSackEachSegmentBeyondAHoleHasItsOwn) {
  TestShard world{given()};
  Sender sender{world, false};
  sender.burst(0, 10);
  EXPECT_EQ(acked_by(sender, sender.burst(11, 31)), std::vector<std::uint32_t>(20, 10));
}

// The third makes the peer repair (RFC 6675, 5); what the others would have told, the blocks of the last one tell.
TEST_P(ShardAck, WithSackThreeSegmentsBeyondAHoleHaveTheirOwnAndTheRestOfABurstHasOne) {
  TestShard world{given()};
  Sender sender{world, true};
  sender.burst(0, 10);
  EXPECT_EQ(blocks_of(sender, sender.burst(11, 31)), (Blocks{{{11, 12}}, {{11, 13}}, {{11, 14}}, {{11, 31}}}));
  EXPECT_EQ(blocks_of(sender, sender.burst(31, 41)), (Blocks{{{11, 41}}})) << "the same hole";
  EXPECT_EQ(acked_by(sender, sender.burst({10})), std::vector{41u});
  const std::vector<Sent> next = sender.burst(42, 52);
  EXPECT_EQ(blocks_of(sender, next), (Blocks{{{42, 43}}, {{42, 44}}, {{42, 45}}, {{42, 52}}})) << "another one";
}

// RFC 2018, 4: the latest range first, and behind what is new what was told before, "thus increasing the robustness":
// where there are no timestamps each is told twice.
TEST_P(ShardAck, NewRangesBeyondAHoleGoTwoAtATimeWithOlderOnes) {
  TestShard world{given()};
  Sender sender{world, true};
  sender.burst(0, 10);
  sender.burst(11, 14);
  const Blocks blocks = blocks_of(sender, sender.burst({15, 17, 19, 21, 23, 25}));
  ASSERT_EQ(blocks.size(), 3u);  // four ranges fit where there are no timestamps
  EXPECT_EQ(blocks[0], (std::vector<Range>{{17, 18}, {15, 16}, {11, 14}}));
  EXPECT_EQ(blocks[1], (std::vector<Range>{{21, 22}, {19, 20}, {17, 18}, {15, 16}}));
  EXPECT_EQ(blocks[2], (std::vector<Range>{{25, 26}, {23, 24}, {21, 22}, {19, 20}}));
}

// RFC 2883, 4: "the second block" is the one that the duplicate lies in, whatever else there is to tell.
TEST_P(ShardAck, ADuplicateIsToldBesideTheRangeThatItLiesIn) {
  TestShard world{given()};
  Sender sender{world, true};
  sender.burst(0, 10);
  sender.burst(11, 14);
  const Blocks blocks = blocks_of(sender, sender.burst({15, 17, 19, 12}));
  ASSERT_EQ(blocks.size(), 2u);
  EXPECT_EQ(blocks[1], (std::vector<Range>{{12, 13}, {11, 14}, {19, 20}, {17, 18}}));
}

TEST_P(ShardAck, SoItIsWhereTheFirstTextOfAllIsMissing) {
  TestShard world{given()};
  Sender sender{world, true};
  EXPECT_EQ(blocks_of(sender, sender.burst(1, 21)), (Blocks{{{1, 2}}, {{1, 3}}, {{1, 4}}, {{1, 21}}}));
}

// What is to be told of a duplicate beyond a hole does not wait for the end of a burst, either (RFC 2883, 4).
TEST_P(ShardAck, EachSegmentThatIsHeldAlreadyHasItsOwn) {
  TestShard world{given()};
  Sender sender{world, true};
  sender.burst(0, 10);
  sender.burst(11, 21);
  EXPECT_EQ(blocks_of(sender, sender.burst({12, 16, 21})),
            (Blocks{{{12, 13}, {11, 21}}, {{16, 17}, {11, 21}}, {{11, 22}}}));
}

// RFC 5681, 4.2: "... an immediate ACK when the incoming segment fills in all or part of a gap in the sequence space."
TEST_P(ShardAck, EachSegmentThatFillsAHoleHasItsOwn) {
  TestShard world{given()};
  Sender sender{world, true};
  sender.burst(0, 10);
  sender.burst({11, 13, 15, 16});
  EXPECT_EQ(acked_by(sender, sender.burst({10, 12, 14})), (std::vector<std::uint32_t>{12, 14, 17}));
}

// RFC 5681, 4.2: "an ACK SHOULD be generated for at least every second full-sized segment": the peer repairs, and ACKs
// may be lost where segments are.
TEST_P(ShardAck, EverySecondSegmentHasOneForAWhileAfterAHole) {
  TestShard world{given()};
  Sender sender{world, true};
  sender.burst(0, 10);
  sender.burst({11});
  sender.burst({10});
  EXPECT_EQ(acked_by(sender, sender.burst(12, 20)), (std::vector<std::uint32_t>{14, 16, 18, 20}));
  for (std::uint32_t n = 20; n < 340; n += 32) sender.burst(n, n + 32);
  EXPECT_EQ(acked_by(sender, sender.burst(340, 372)), std::vector{372u}) << "one a burst again";
}

// RFC 2883, 4: each duplicate is told of.
TEST_P(ShardAck, EachSegmentThatCameBeforeHasItsOwn) {
  TestShard world{given()};
  Sender sender{world, true};
  sender.burst(0, 10);
  const std::vector<Sent> acks = sender.burst({3, 7});
  ASSERT_EQ(acks.size(), 2u);
  for (const Sent& ack : acks) {
    EXPECT_EQ(distance(ack.segment().options.sack.blocks[0].left, ack.segment().options.sack.blocks[0].right), kSize);
  }
}

// RFC 9293, 3.8.5: URG comes with the pointer that it announces, here to text that cwnd keeps back.
TEST_P(ShardAck, EachSaysWhereUrgentTextEnds) {
  TestShard world{given()};
  Sender sender{world, true};
  world.shard.with(world.app.latest, world.now, [](Conn conn) {
    EXPECT_TRUE(conn.send(test::text(std::string(20'000, 'a'))));
    EXPECT_TRUE(conn.send_urgent(test::text(std::string(10, 'u'))));
  });
  world.turn();
  const std::uint32_t end = world.take_all().front().segment().seq.value() + 20'010;
  const std::vector<Sent> acks = sender.burst(1, 11);
  ASSERT_EQ(acks.size(), 4u);
  for (const Sent& ack : acks) {
    EXPECT_TRUE(ack.segment().flags.urg);
    EXPECT_EQ(ack.segment().seq.value() + ack.segment().up, end);
  }
}

// RFC 9293, 3.8.6.2.1 (SHLD-14): what was offered may come, however little memory is left.
TEST_P(ShardAck, MemoryPressureLeavesTheRightEdgeWhereItIs) {
  TestShard::Given crowded = given();
  crowded.config.held_segments = 64;
  crowded.config.tcp.receive_buffer = 65535;
  TestShard world{crowded};
  Sender sender{world, true};
  world.app.when_text = [](Conn, std::span<const std::byte>) { return std::size_t{0}; };
  std::uint32_t edge = 0;
  std::uint32_t last = 0;
  for (std::uint32_t n = 0; n < 50; n += 2) {
    for (const Sent& ack : sender.burst(n, n + 2)) {
      EXPECT_GE(sender.right_edge(ack), edge);
      edge = sender.right_edge(ack);
      last = ack.segment().wnd;
    }
  }
  ASSERT_TRUE(world.shard.core().stores().held.under_pressure());
  EXPECT_EQ(edge, 65535u) << "as it was first offered";
  EXPECT_EQ(last, 65535u - 50 * kSize);
}

// No more than what keeps acknowledgments coming is offered to a new connection while others hold the memory.
TEST_P(ShardAck, UnderMemoryPressureAFewSegmentsAreOffered) {
  TestShard::Given crowded = given();
  crowded.config.held_segments = 64;
  TestShard world{crowded};
  Sender hoarder{world, true};
  world.app.when_text = [](Conn, std::span<const std::byte>) { return std::size_t{0}; };
  hoarder.burst(0, 50);
  ASSERT_TRUE(world.shard.core().stores().held.under_pressure());
  world.app.when_text = nullptr;
  Peer other{world, 40113};
  ASSERT_TRUE(other.opens());  // with 65535 bytes, which may come
  std::uint32_t edge = other.seq + 65535;
  for (int i = 0; i < 100; ++i) {
    other.sends(kAck | kPsh, std::string(1440, 'x'));
    for (const Sent& ack : world.take_all()) {
      const std::uint32_t now = ack.segment().ack.value() + ack.segment().wnd;
      EXPECT_GE(static_cast<std::int32_t>(now - edge), 0);
      edge = now;
      EXPECT_LE(static_cast<std::int32_t>(now - other.seq), std::max(65535 - i / 2 * 2880, 4 * 1460));
    }
  }
  EXPECT_EQ(edge - other.seq, world.v6() ? 4 * 1440u : 4 * 1460u);
}

}  // namespace
}  // namespace pollux::test
