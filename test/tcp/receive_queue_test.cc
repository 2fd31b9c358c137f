#include "tcp/receive_queue.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstring>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "../effort.h"
#include "base/random.h"
#include "packet_pool.h"

// SHLD-31: out-of-order segments are queued. MUST-59 and the like are the TCB's.

namespace pollux::tcp {
namespace {

using Held = ReceiveQueue::Held;

// Text begins just below the wrap, so that nearly every test crosses it.
constexpr SeqNum kFirst{0xffff'fffe};
constexpr SeqNum at(std::uint32_t offset) { return kFirst + offset; }

std::string as_string(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A queue with what it lives on. Offsets count from the first byte of the stream.
class ReceiveQueueTest : public testing::Test {
 protected:
  ~ReceiveQueueTest() override {
    queue.clear(store);
    EXPECT_EQ(pool.out(), 0u);
    EXPECT_EQ(store.size(), 0u);
    EXPECT_EQ(queue.true_size(), 0u);
    EXPECT_TRUE(queue.empty());
  }

  bool append(const std::string& text, std::uint32_t true_size = 2048, std::size_t room = 0) {
    auto [packet, bytes] = pool.lend(text, true_size, room);
    const bool done = queue.append(store, rcv_nxt, bytes, std::move(packet));
    if (done) rcv_nxt = queue.join(store, rcv_nxt + static_cast<std::uint32_t>(text.size()));
    return done;
  }
  Held hold(std::uint32_t offset, const std::string& text, std::uint32_t true_size = 2048, std::size_t room = 0) {
    auto [packet, bytes] = pool.lend(text, true_size, room);
    return queue.hold(store, at(offset), bytes, std::move(packet), max_ranges, max_true_size);
  }
  std::string read_all() {
    std::string text;
    while (queue.readable() > 0) {
      const auto front = queue.front(store);
      text += as_string(front);
      queue.consume(store, static_cast<std::uint32_t>(front.size()));
    }
    return text;
  }
  void check() {
    EXPECT_TRUE(queue.invariants_hold(store, rcv_nxt));
    EXPECT_EQ(queue.true_size(), pool.true_size());
    EXPECT_EQ(store.size(), pool.out());
  }
  using Range = std::pair<SeqNum, SeqNum>;
  static Range range(std::uint32_t left, std::uint32_t right) { return {at(left), at(right)}; }

  test::PacketPool pool;
  Slab<HeldText> store{2000};
  ReceiveQueue queue;
  SeqNum rcv_nxt = kFirst;
  std::uint32_t max_ranges = 512;
  std::uint32_t max_true_size = UINT32_MAX;
};

TEST_F(ReceiveQueueTest, StartsEmpty) {
  EXPECT_TRUE(queue.empty());
  EXPECT_TRUE(queue.front(store).empty());
  EXPECT_EQ(queue.range_around(kFirst), std::nullopt);
  EXPECT_EQ(queue.join(store, kFirst), kFirst);
  queue.fin_seq = at(5);
  EXPECT_FALSE(queue.empty());
}

TEST_F(ReceiveQueueTest, GivesTextInOrder) {
  ASSERT_TRUE(append("hello "));
  ASSERT_TRUE(append("world"));
  EXPECT_EQ(queue.readable(), 11u);
  EXPECT_EQ(as_string(queue.front(store)), "hello ");
  queue.consume(store, 2);
  EXPECT_EQ(as_string(queue.front(store)), "llo ");
  check();
  queue.consume(store, 5);  // into the next packet
  EXPECT_EQ(as_string(queue.front(store)), "orld");
  EXPECT_EQ(pool.out(), 1u);
  queue.consume(store, 4);
  EXPECT_EQ(pool.out(), 0u);
  EXPECT_EQ(queue.readable(), 0u);
}

TEST_F(ReceiveQueueTest, EmptyTextTakesNothing) {
  EXPECT_TRUE(append(""));
  EXPECT_EQ(hold(5, ""), Held::kDuplicate);
  EXPECT_EQ(store.size(), 0u);
}

TEST_F(ReceiveQueueTest, TextBeyondAHoleWaitsForIt) {
  EXPECT_EQ(hold(3, "def"), Held::kNew);
  EXPECT_EQ(queue.readable(), 0u);
  EXPECT_EQ(queue.ranges(), 1u);
  ASSERT_TRUE(append("abc"));
  EXPECT_EQ(rcv_nxt, at(6));
  EXPECT_EQ(queue.ranges(), 0u);
  EXPECT_EQ(read_all(), "abcdef");
}

TEST_F(ReceiveQueueTest, AllThatFollowsJoinsAtOnce) {
  hold(8, "ij");
  hold(4, "ef");
  hold(2, "cd");
  ASSERT_TRUE(append("ab"));
  EXPECT_EQ(rcv_nxt, at(6));
  EXPECT_EQ(queue.ranges(), 1u);
  check();
  ASSERT_TRUE(append("gh"));
  EXPECT_EQ(rcv_nxt, at(10));
  EXPECT_EQ(read_all(), "abcdefghij");
}

TEST_F(ReceiveQueueTest, FirstAcceptedByteWins) {
  EXPECT_EQ(hold(10, "KLMNO"), Held::kNew);
  EXPECT_EQ(hold(10, "xxxxx"), Held::kDuplicate);
  EXPECT_EQ(hold(11, "xx"), Held::kDuplicate);
  EXPECT_EQ(hold(8, "ijxx"), Held::kNew);            // over its left edge
  EXPECT_EQ(hold(13, "xxpq"), Held::kNew);           // over its right edge
  EXPECT_EQ(hold(5, "fghxxxxxxxxxrs"), Held::kNew);  // over all of it
  check();
  EXPECT_EQ(queue.range_around(at(12)), range(5, 19));
  ASSERT_TRUE(append("abcde"));
  EXPECT_EQ(read_all(), "abcdefghijKLMNOpqrs");
}

TEST_F(ReceiveQueueTest, TextInOrderDoesNotOverwriteWhatIsHeld) {
  hold(2, "C");
  hold(4, "EFG");
  ASSERT_TRUE(append("abxdx"));
  EXPECT_EQ(rcv_nxt, at(7));
  check();
  EXPECT_EQ(read_all(), "abCdEFG");
}

// However many pieces one segment covers, it becomes one piece and they are dropped.
TEST_F(ReceiveQueueTest, SegmentTakesThePlaceOfThePiecesItCovers) {
  for (std::uint32_t i = 0; i < 100; ++i) ASSERT_EQ(hold(11 + 2 * i, "A"), Held::kNew);
  EXPECT_EQ(queue.ranges(), 100u);
  EXPECT_EQ(pool.out(), 100u);
  EXPECT_EQ(hold(10, std::string(201, 'b')), Held::kNew);
  EXPECT_EQ(queue.ranges(), 1u);
  EXPECT_EQ(pool.out(), 1u);
  EXPECT_EQ(queue.true_size(), 2048u);
  check();
  ASSERT_TRUE(append("0123456789"));
  std::string text = "0123456789";
  for (int i = 0; i < 100; ++i) text += "bA";
  EXPECT_EQ(read_all(), text + "b");
}

TEST_F(ReceiveQueueTest, SegmentThatEndsWithAHeldRangeTakesItsPlaceToo) {
  hold(11, "A");
  EXPECT_EQ(hold(10, "bx"), Held::kNew);
  EXPECT_EQ(pool.out(), 1u);
  check();
  ASSERT_TRUE(append("0123456789"));
  EXPECT_EQ(read_all(), "0123456789bA");
}

TEST_F(ReceiveQueueTest, AdjacentTextsAreOneRange) {
  hold(10, "aa");
  hold(14, "cc");
  EXPECT_EQ(queue.range_around(at(10)), range(10, 12));
  EXPECT_EQ(queue.range_around(at(11)), range(10, 12));
  EXPECT_EQ(queue.range_around(at(12)), std::nullopt);
  EXPECT_EQ(queue.range_around(at(9)), std::nullopt);
  EXPECT_EQ(queue.range_around(at(15)), range(14, 16));
  hold(12, "bb");
  EXPECT_EQ(queue.ranges(), 1u);
  for (std::uint32_t i = 10; i < 16; ++i) EXPECT_EQ(queue.range_around(at(i)), range(10, 16));
  check();
}

TEST_F(ReceiveQueueTest, HoldsHundredsOfRangesInAnyOrder) {
  std::vector<std::uint32_t> order(512);
  std::iota(order.begin(), order.end(), 0u);
  Random random{1};
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  for (const std::uint32_t i : order) ASSERT_EQ(hold(1 + 3 * i, "XY"), Held::kNew);
  EXPECT_EQ(queue.ranges(), 512u);
  EXPECT_GE(queue.ranges(), 256u);
  check();
  for (std::uint32_t i = 0; i < 512; ++i) EXPECT_EQ(queue.range_around(at(2 + 3 * i)), range(1 + 3 * i, 3 + 3 * i));
  for (std::uint32_t i = 0; i < 512; ++i) ASSERT_TRUE(append("."));
  std::string text;
  for (int i = 0; i < 512; ++i) text += ".XY";
  EXPECT_EQ(read_all(), text);
}

TEST_F(ReceiveQueueTest, RangesAreLimitedButHolesCanStillBeFilled) {
  max_ranges = 3;
  for (const std::uint32_t offset : {10u, 20u, 30u}) ASSERT_EQ(hold(offset, "aa"), Held::kNew);
  EXPECT_EQ(hold(40, "aa"), Held::kNoRoom);
  EXPECT_EQ(pool.out(), 3u) << "the refused packet went back";
  EXPECT_EQ(hold(12, "b"), Held::kNew) << "no new range";
  EXPECT_EQ(hold(19, "b"), Held::kNew);
  EXPECT_EQ(hold(29, "bbbb"), Held::kNew);
  EXPECT_EQ(hold(20, "xx"), Held::kDuplicate);
  EXPECT_EQ(hold(13, "cccccc"), Held::kNew) << "two ranges become one";
  EXPECT_EQ(queue.ranges(), 2u);
  EXPECT_EQ(hold(40, "aa"), Held::kNew);
  check();
}

// D5 of the threats: text of one bulk flow behind one loss is one range, not hundreds.
TEST_F(ReceiveQueueTest, OneLossDoesNotUseUpTheRanges) {
  max_ranges = 1;
  for (std::uint32_t i = 1; i <= 1000; ++i) ASSERT_EQ(hold(1460 * i, std::string(1460, 'x')), Held::kNew);
  EXPECT_EQ(queue.range_around(at(5000)), range(1460, 1460 * 1001));
  ASSERT_TRUE(append(std::string(1460, 'x')));
  EXPECT_EQ(queue.readable(), 1460u * 1001);
  check();
}

TEST_F(ReceiveQueueTest, MemoryIsLimitedByWhatPacketsPin) {
  max_true_size = 3 * 2048;
  ASSERT_TRUE(append("abc"));
  EXPECT_EQ(hold(10, "a"), Held::kNew);
  EXPECT_EQ(hold(20, "a"), Held::kNew);
  EXPECT_EQ(queue.true_size(), max_true_size);
  EXPECT_EQ(hold(30, "a"), Held::kNoRoom);
  EXPECT_EQ(hold(10, "x"), Held::kDuplicate) << "refused for want of news, not of room";
  EXPECT_EQ(hold(9, "xxx", 2049), Held::kNoRoom);
  EXPECT_EQ(hold(9, "bxb"), Held::kNew) << "takes the place of what it covers";
  EXPECT_EQ(queue.true_size(), max_true_size);
  EXPECT_EQ(read_all(), "abc");
  EXPECT_EQ(hold(30, "a"), Held::kNew);
  check();
}

TEST_F(ReceiveQueueTest, SmallTextsShareABuffer) {
  constexpr int kTexts = 1000;
  std::string text;
  for (int i = 0; i < kTexts; ++i) {
    ASSERT_TRUE(append(std::string(1, static_cast<char>('a' + i % 26)), 2304, 2000));
    text += static_cast<char>('a' + i % 26);
  }
  EXPECT_EQ(pool.out(), 1u);
  EXPECT_EQ(queue.true_size(), 2304u);
  check();
  EXPECT_EQ(read_all(), text);
}

TEST_F(ReceiveQueueTest, SmallTextsOutOfOrderShareABufferToo) {
  for (std::uint32_t i = 0; i < 100; ++i) ASSERT_EQ(hold(5 + i, "x", 2304, 2000), Held::kNew);
  EXPECT_EQ(pool.out(), 1u);
  check();
  ASSERT_TRUE(append("01234", 2304, 50));  // too little room for the hundred
  EXPECT_EQ(read_all(), "01234" + std::string(100, 'x'));
}

TEST_F(ReceiveQueueTest, SwappedTinySegmentsShareABuffer) {  // D12 of the threats
  for (std::uint32_t i = 0; i < 1000; i += 2) {
    ASSERT_EQ(hold(i + 1, "b", 2304, 2000), Held::kNew);
    ASSERT_TRUE(append("a", 2304, 2000));
  }
  EXPECT_EQ(pool.out(), 1u);
  EXPECT_EQ(queue.readable(), 1000u);
  check();
}

TEST_F(ReceiveQueueTest, TextIsCopiedOnlyWhenSmallAndWhenThereIsRoom) {
  const std::string large(ReceiveQueue::kSmall, 'b');
  const std::uint32_t true_size = 2 * ReceiveQueue::kSmall;  // half of what it takes is text: not much is wasted
  ASSERT_TRUE(append(large, true_size, ReceiveQueue::kSmall));
  ASSERT_TRUE(append(large, true_size, 3));
  EXPECT_EQ(pool.out(), 2u) << "not small";
  ASSERT_TRUE(append("cccc"));
  EXPECT_EQ(pool.out(), 3u) << "no room for four";
  ASSERT_TRUE(append("d", true_size, 10));
  EXPECT_EQ(pool.out(), 4u) << "a packet has no room unless it says so";
  check();
  EXPECT_EQ(read_all(), large + large + "ccccd");
}

TEST_F(ReceiveQueueTest, TextInLargeBuffersIsCopiedWhereMostOfThemIsWasted) {
  const std::string segment(1460, 'x');
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(append(segment, 9216, 9216 - 1514));
  EXPECT_LE(queue.true_size(), 3 * queue.readable());
  check();
}
TEST_F(ReceiveQueueTest, SpansStayGoodWhileTextArrives) {
  ASSERT_TRUE(append("first", 2304, 2000));
  const auto front = queue.front(store);
  ASSERT_TRUE(append("second"));
  hold(20, "out of order");
  ASSERT_TRUE(append(std::string(9, '.')));
  EXPECT_EQ(as_string(front), "first");
  EXPECT_EQ(queue.front(store).data(), front.data());
}

TEST_F(ReceiveQueueTest, PaddingBehindTheTextMayBeOverwritten) {
  auto [packet, text] = pool.lend("ab", 64, 0, 54, 4);
  ASSERT_TRUE(queue.append(store, kFirst, text, std::move(packet)));
  rcv_nxt += 2;
  ASSERT_TRUE(append("cdef"));
  EXPECT_EQ(pool.out(), 1u);
  EXPECT_EQ(as_string(queue.front(store)), "abcdef");
}

TEST_F(ReceiveQueueTest, TakesNothingWhenTheStoreIsFull) {
  Slab<HeldText> tiny{2};
  ReceiveQueue q;
  const auto lend = [&](const std::string& text) { return pool.lend(text); };
  auto [p1, t1] = lend("ab");
  ASSERT_TRUE(q.append(tiny, kFirst, t1, std::move(p1)));
  auto [p2, t2] = lend("cd");
  ASSERT_TRUE(q.append(tiny, kFirst + 2, t2, std::move(p2)));
  auto [p3, t3] = lend("ef");
  EXPECT_FALSE(q.append(tiny, kFirst + 4, t3, std::move(p3)));
  EXPECT_TRUE(p3) << "the packet is still the caller's";
  EXPECT_EQ(q.hold(tiny, kFirst + 9, t3, std::move(p3), 10, UINT32_MAX), Held::kNoRoom);
  EXPECT_TRUE(p3);
  EXPECT_EQ(q.readable(), 4u);
  q.clear(tiny);
  EXPECT_EQ(tiny.size(), 0u);
}

// Text out of order must never keep out the text that fills the hole: four bulk flows
// that pinned all buffers so stopped F-Stack's receiver for ever.
TEST_F(ReceiveQueueTest, FillingTheHoleIsWorthTheFarthestRange) {
  Slab<HeldText> tiny{2};
  ReceiveQueue q;
  const auto hold_in_tiny = [&](std::uint32_t offset, const std::string& text) {
    auto [packet, bytes] = pool.lend(text);
    return q.hold(tiny, at(offset), bytes, std::move(packet), 10, UINT32_MAX);
  };
  ASSERT_EQ(hold_in_tiny(2, "C"), Held::kNew);
  ASSERT_EQ(hold_in_tiny(9, "J"), Held::kNew);
  EXPECT_EQ(hold_in_tiny(5, "F"), Held::kNoRoom);
  EXPECT_EQ(hold_in_tiny(8, "ixk"), Held::kNew) << "what it covers makes room";
  auto [packet, text] = pool.lend("abx");
  ASSERT_TRUE(q.append(tiny, kFirst, text, std::move(packet)));
  EXPECT_EQ(q.join(tiny, at(3)), at(3));
  EXPECT_EQ(q.ranges(), 0u);
  EXPECT_EQ(as_string(q.front(tiny)), "abC");
  EXPECT_TRUE(q.invariants_hold(tiny, at(3)));
  q.clear(tiny);
}

TEST_F(ReceiveQueueTest, FinMayStandBetweenTheTextAndRcvNxt) {
  ASSERT_TRUE(append("bye"));
  EXPECT_TRUE(queue.invariants_hold(store, rcv_nxt));
  EXPECT_TRUE(queue.invariants_hold(store, rcv_nxt + 1));
  EXPECT_FALSE(queue.invariants_hold(store, rcv_nxt + 2));
}

TEST_F(ReceiveQueueTest, ClearGivesEverythingBack) {
  ASSERT_TRUE(append("abc"));
  hold(10, "x");
  hold(20, "y");
  hold(21, "z");
  queue.fin_seq = at(22);
  queue.clear(store);
  EXPECT_EQ(pool.out(), 0u);
  EXPECT_EQ(store.size(), 0u);
  EXPECT_EQ(queue.true_size(), 0u);
  EXPECT_TRUE(queue.empty());
  EXPECT_FALSE(queue.fin_seq);
}

// What a receiver knows of each byte of a stream: nothing, or the value that came first.
class Model {
 public:
  explicit Model(std::uint32_t max_ranges, std::uint32_t max_true_size, std::uint32_t places)
      : store_{places}, max_ranges_{max_ranges}, max_true_size_{max_true_size} {}
  ~Model() { queue_.clear(store_); }

  // A segment arrives `ahead` of RCV.NXT (or behind it), as a TCB would see it.
  bool arrives(std::int64_t ahead, const std::string& segment, std::uint32_t true_size, std::size_t room,
               std::size_t behind) {
    const std::int64_t first = nxt_ + ahead;
    if (first < 0) return true;
    auto [packet, text] = pool_.lend(segment, true_size, room, 54, behind);
    if (first <= nxt_) {
      const auto old = std::min<std::size_t>(static_cast<std::size_t>(nxt_ - first), text.size());
      return in_order(text.subspan(old), std::move(packet));
    }
    return out_of_order(first, text, std::move(packet));
  }

  bool consume(std::uint32_t n) {
    n = std::min(n, queue_.readable());
    std::string got;
    while (got.size() < n) {
      const auto front = queue_.front(store_);
      const auto take = std::min<std::size_t>(front.size(), n - got.size());
      got += as_string(front.first(take));
      queue_.consume(store_, static_cast<std::uint32_t>(take));
    }
    const bool same = got == known(read_, got.size());
    read_ += n;
    return same;
  }

  bool agrees(std::uint32_t probe) {
    if (queue_.readable() != nxt_ - read_ || queue_.ranges() != runs(bytes_)) return false;
    const auto front = queue_.front(store_);
    if (as_string(front) != known(read_, front.size()) || front.empty() != (nxt_ == read_)) return false;
    if (queue_.true_size() != pool_.true_size() || store_.size() != pool_.out()) return false;
    const std::int64_t around = nxt_ + probe;
    if (queue_.range_around(seq(around)) != run_around(around)) return false;
    return queue_.invariants_hold(store_, seq(nxt_));
  }

  std::uint32_t unread() const { return queue_.readable(); }

 private:
  static constexpr int kUnknown = -1;
  using Bytes = std::vector<int>;

  static SeqNum seq(std::int64_t offset) { return at(static_cast<std::uint32_t>(offset)); }
  static int get(const Bytes& bytes, std::int64_t i) {
    return i < static_cast<std::int64_t>(bytes.size()) ? bytes[static_cast<std::size_t>(i)] : kUnknown;
  }
  std::string known(std::int64_t from, std::size_t size) const {
    std::string text;
    for (std::size_t i = 0; i < size; ++i) text += static_cast<char>(get(bytes_, from + static_cast<std::int64_t>(i)));
    return text;
  }
  // Runs of known bytes that begin after RCV.NXT.
  std::size_t runs(const Bytes& bytes) const {
    std::size_t n = 0;
    for (auto i = nxt_ + 1; i < static_cast<std::int64_t>(bytes.size()); ++i) {
      n += get(bytes, i) != kUnknown && get(bytes, i - 1) == kUnknown;
    }
    return n;
  }
  std::optional<std::pair<SeqNum, SeqNum>> run_around(std::int64_t i) const {
    if (i < nxt_ || get(bytes_, i) == kUnknown) return std::nullopt;
    std::int64_t left = i;
    while (get(bytes_, left - 1) != kUnknown) --left;
    while (get(bytes_, i) != kUnknown) ++i;
    return std::pair{seq(left), seq(i)};
  }
  // Learns what is unknown yet; returns how many bytes that was.
  static std::size_t learn(Bytes& bytes, std::int64_t first, const std::string& text) {
    std::size_t learned = 0;
    bytes.resize(std::max(bytes.size(), static_cast<std::size_t>(first) + text.size()), kUnknown);
    for (std::size_t i = 0; i < text.size(); ++i) {
      int& byte = bytes[static_cast<std::size_t>(first) + i];
      if (byte != kUnknown) continue;
      byte = text[i];
      ++learned;
    }
    return learned;
  }

  bool in_order(std::span<std::byte> text, Packet&& packet) {
    const std::string copy = as_string(text);
    const auto front = queue_.front(store_);
    const std::string before = as_string(front);
    if (!queue_.append(store_, seq(nxt_), text, std::move(packet))) return store_.full() && queue_.ranges() == 0;
    learn(bytes_, nxt_, copy);
    const std::int64_t end = nxt_ + static_cast<std::int64_t>(copy.size());
    while (get(bytes_, nxt_) != kUnknown) ++nxt_;
    const SeqNum joined = queue_.join(store_, seq(end));
    return joined == seq(nxt_) && as_string(front) == before;
  }

  bool out_of_order(std::int64_t first, std::span<std::byte> text, Packet&& packet) {
    Bytes after = bytes_;
    const std::size_t learned = learn(after, first, as_string(text));
    const std::uint32_t true_size = packet.true_size();
    const std::uint32_t most = std::max(max_true_size_, queue_.true_size());
    switch (queue_.hold(store_, seq(first), text, std::move(packet), max_ranges_, max_true_size_)) {
      case Held::kDuplicate:
        return learned == 0 && packet;
      case Held::kNoRoom:
        return learned > 0 && packet &&
               (runs(after) > max_ranges_ || queue_.true_size() + true_size > max_true_size_ || store_.full());
      case Held::kNew:
        bytes_ = after;
        return learned > 0 && !packet && runs(after) <= max_ranges_ && queue_.true_size() <= most;
    }
    return false;
  }

  test::PacketPool pool_;
  Slab<HeldText> store_;
  ReceiveQueue queue_;
  Bytes bytes_;            // of the whole stream, from its first byte on
  std::int64_t nxt_ = 0;   // RCV.NXT
  std::int64_t read_ = 0;  // the application's place
  std::uint32_t max_ranges_;
  std::uint32_t max_true_size_;
};

struct Op {
  int consume;         // not 0: the application takes this many bytes first
  int ahead;           // of the segment's first byte before RCV.NXT
  std::uint32_t size;  // of its text
  int letter;          // its text begins with this
  std::uint32_t true_size;
  std::size_t room;
  std::size_t behind;
};

std::ostream& operator<<(std::ostream& out, const Op& op) {
  return out << "{" << op.consume << ", " << op.ahead << ", " << op.size << ", " << op.letter << ", " << op.true_size
             << ", " << op.room << ", " << op.behind << "}";
}

std::string text_of(const Op& op) {
  std::string text(op.size, ' ');
  for (std::size_t i = 0; i < text.size(); ++i) {
    text[i] = static_cast<char>('!' + (static_cast<std::size_t>(op.letter) * 7 + i) % 90);
  }
  return text;
}

bool apply(Model& model, const Op& op) {
  if (op.consume != 0 && !model.consume(static_cast<std::uint32_t>(op.consume))) return false;
  return model.arrives(op.ahead, text_of(op), op.true_size, op.room, op.behind) &&
         model.agrees(static_cast<std::uint32_t>(std::abs(op.ahead)) + op.size / 2);
}

// Segments of up to `size` bytes around RCV.NXT and up to `ahead` before it.
rc::Gen<std::vector<Op>> any_ops(int ahead, std::uint32_t size) {
  return rc::gen::resize(
      200, rc::gen::container<std::vector<Op>>(rc::gen::construct<Op>(
               rc::gen::weightedOneOf<int>({{3, rc::gen::just(0)}, {1, rc::gen::inRange(0, ahead)}}),
               rc::gen::weightedOneOf<int>({{1, rc::gen::inRange(-10, 1)}, {6, rc::gen::inRange(1, ahead)}}),
               rc::gen::inRange<std::uint32_t>(0, size), rc::gen::inRange(0, 90),
               rc::gen::element<std::uint32_t>(256, 2048, 9216), rc::gen::element<std::size_t>(0, 5, 100),
               rc::gen::element<std::size_t>(0, 0, 6))));
}

RC_GTEST_PROP(ReceiveQueueModel, KnowsWhatAByteMapKnows, ()) {
  Model model{512, UINT32_MAX, 1000};
  for (const Op& op : *any_ops(60, 24)) RC_ASSERT(apply(model, op));
}

RC_GTEST_PROP(ReceiveQueueModel, KnowsWhatAByteMapKnowsOfLargeSegments, ()) {
  Model model{512, UINT32_MAX, 1000};
  for (const Op& op : *any_ops(4000, 1000)) RC_ASSERT(apply(model, op));
}

RC_GTEST_PROP(ReceiveQueueModel, KeepsItsLimits, ()) {
  // Enough places for what the limits let in, so that no range is given up for text in order.
  Model model{*rc::gen::inRange<std::uint32_t>(0, 6), *rc::gen::inRange<std::uint32_t>(0, 30'000), 1000};
  for (const Op& op : *any_ops(80, 20)) RC_ASSERT(apply(model, op));
}

// C20 of the threats: overlaps with differing bytes, delivered is what came first.
TEST(ReceiveQueueModel, FirstByteWinsInAHundredThousandOverlaps) {
  Random random{20};
  const auto below = [&](std::uint64_t n) { return static_cast<int>(random.below(n)); };
  std::uint64_t overlaps = 0;
  while (overlaps < pollux::test::effort(100'000)) {
    Model model{512, UINT32_MAX, 1000};
    for (int i = 0; i < 500; ++i, ++overlaps) {
      const Op op{.consume = below(10) == 0 ? below(200) : 0,
                  .ahead = below(12) == 0 ? -below(5) : 1 + below(200),
                  .size = static_cast<std::uint32_t>(below(below(20) == 0 ? 300 : 12)),
                  .letter = below(90),
                  .true_size = 2048,
                  .room = below(2) == 0 ? 0u : 64u,
                  .behind = 0};
      ASSERT_TRUE(apply(model, op)) << "overlap " << overlaps << ": " << op;
    }
    ASSERT_TRUE(model.consume(model.unread()));
  }
}

}  // namespace
}  // namespace pollux::tcp
