// The reassembly queue against an array of bytes: the first to arrive wins, nothing is lost
// that was taken, and packets go back.

#include <deque>
#include <map>

#include "tape.h"
#include "tcp/receive_queue.h"

namespace {

using namespace pollux;

struct Heap final : PacketOwner {
  ~Heap() { CHECK(out == 0); }
  Packet lend(std::size_t text, std::size_t behind) {
    const std::size_t size = text + behind;
    auto* bytes = new std::byte[size];
    ++out;
    return Packet{{bytes, text}, static_cast<std::uint32_t>(size + 64), this, bytes, static_cast<std::uint32_t>(size)};
  }
  void take_back(void* handle) override {
    --out;
    delete[] static_cast<std::byte*>(handle);
  }
  int out = 0;
};

// Numbers are offsets from the first; RCV.NXT crosses 2^32 soon.
class Pair {
 public:
  explicit Pair(std::uint32_t max_ranges) : max_ranges_{max_ranges} {}
  ~Pair() {
    queue_.clear(store_);
    CHECK(store_.size() == 0 && queue_.true_size() == 0);
  }

  void arrives(std::int64_t ahead, std::uint32_t size, std::uint32_t behind, std::uint8_t fill) {
    std::int64_t first = nxt_ + ahead;
    if (first < 0) return;
    Packet packet = heap_.lend(size, behind);  // still ours if it was refused
    std::span<std::byte> text = packet.bytes();
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<std::byte>(fill + i);
    if (first < nxt_) {
      const auto old = static_cast<std::size_t>(std::min<std::int64_t>(nxt_ - first, size));
      text = text.subspan(old);
      first += static_cast<std::int64_t>(old);
    }
    if (text.empty()) return;
    if (first == nxt_) {
      in_order(text, std::move(packet));
    } else {
      out_of_order(first, text, std::move(packet));
    }
    packet.reset();
    check();
  }

  void consume(std::uint32_t n) {
    const auto front = queue_.front(store_);
    CHECK(front.empty() == unread_.empty());
    n = std::min<std::uint32_t>(n, static_cast<std::uint32_t>(front.size()));
    CHECK(std::equal(front.begin(), front.end(), unread_.begin()));
    queue_.consume(store_, n);
    unread_.erase(unread_.begin(), unread_.begin() + n);
    check();
  }

 private:
  SeqNum seq(std::int64_t offset) const { return SeqNum{0xffffff00} + static_cast<std::uint32_t>(offset); }

  void in_order(std::span<std::byte> text, Packet&& packet) {
    const std::vector<std::byte> copy(text.begin(), text.end());
    const SeqNum appended_to = seq(nxt_ + static_cast<std::int64_t>(text.size()));
    CHECK(queue_.append(store_, seq(nxt_), text, std::move(packet)));
    for (const std::byte b : copy) {
      const auto held = ahead_.find(nxt_);
      unread_.push_back(held == ahead_.end() ? b : held->second);
      if (held != ahead_.end()) ahead_.erase(held);
      ++nxt_;
    }
    for (auto held = ahead_.find(nxt_); held != ahead_.end(); held = ahead_.find(nxt_)) {
      unread_.push_back(held->second);
      ahead_.erase(held);
      ++nxt_;
    }
    CHECK(queue_.join(store_, appended_to) == seq(nxt_));
  }

  void out_of_order(std::int64_t first, std::span<std::byte> text, Packet&& packet) {
    const std::vector<std::byte> copy(text.begin(), text.end());
    const auto held = queue_.hold(store_, seq(first), text, std::move(packet), max_ranges_, 1u << 24);
    bool news = false;
    auto after = ahead_;
    for (std::size_t i = 0; i < copy.size(); ++i) {
      news |= after.emplace(first + static_cast<std::int64_t>(i), copy[i]).second;
    }
    CHECK((held == tcp::ReceiveQueue::Held::kDuplicate) == !news);
    if (held == tcp::ReceiveQueue::Held::kNew) {
      ahead_ = std::move(after);
    } else if (held == tcp::ReceiveQueue::Held::kNoRoom) {
      CHECK(runs(ahead_) >= max_ranges_ && runs(after) > runs(ahead_));
    }
  }

  static std::size_t runs(const std::map<std::int64_t, std::byte>& bytes) {
    std::size_t n = 0;
    std::int64_t expected = -1;
    for (const auto& [offset, b] : bytes) {
      if (offset != expected) ++n;
      expected = offset + 1;
    }
    return n;
  }

  void check() const {
    CHECK(queue_.readable() == unread_.size());
    CHECK(queue_.ranges() == runs(ahead_));
    CHECK(queue_.invariants_hold(store_, seq(nxt_)));
    CHECK(static_cast<std::uint32_t>(heap_.out) == store_.size());
  }

  std::uint32_t max_ranges_;
  Heap heap_;
  Slab<tcp::HeldText> store_{4096, Pages::kOrdinary};
  tcp::ReceiveQueue queue_;
  std::int64_t nxt_ = 0;
  std::deque<std::byte> unread_;
  std::map<std::int64_t, std::byte> ahead_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Tape tape{data, std::min<std::size_t>(size, 1500)};
  Pair pair{1 + tape.below(32)};
  while (!tape.over()) {
    const std::uint8_t what = tape.u8();
    if (what < 64) {
      pair.consume(tape.u8() * (1u + what % 8));
    } else {
      const std::int64_t ahead = what < 128 ? 0 : static_cast<std::int64_t>(tape.u8()) - 40;
      const std::uint32_t length = 1u + tape.u8() * (1u + what % 2);
      pair.arrives(ahead, length, tape.u8(), what);
    }
  }
  return 0;
}
