// The timer wheel against a sorted map, and the hash index under hashes that an attacker
// chose against a map.

#include <array>
#include <map>
#include <set>
#include <vector>

#include "shard/hash_index.h"
#include "tape.h"
#include "time/timer_wheel.h"

namespace {

using namespace pollux;

constexpr std::uint32_t kOwners = 64;

class Wheels {
 public:
  void arm(std::uint32_t id, std::int64_t delta) {
    due_[id] = std::max(now_ + delta, now_);
    wheel_.arm(id, Instant{due_[id] * Duration{1ms}});
    // Beyond the horizon, as seen from where the wheel stands, it comes up early.
    if (due_[id] - served_ >= TimerWheel::kHorizonTicks) due_[id] = kEarly;
  }
  void disarm(std::uint32_t id) {
    due_.erase(id);
    wheel_.disarm(id);
  }
  void advance(std::int64_t ticks, std::size_t budget) {
    now_ += ticks;
    const Instant now{now_ * Duration{1ms}};
    const std::size_t passed = wheel_.advance(now, budget, [&](std::uint32_t id) {
      const auto entry = due_.find(id);
      CHECK(entry != due_.end() && entry->second <= now_);
      due_.erase(entry);
    });
    CHECK(passed <= budget);
    if (budget == SIZE_MAX) {
      served_ = now_;
      for (const auto& [id, due] : due_) CHECK(due > now_ || due == kEarly);
    }
    CHECK(wheel_.size() == due_.size());
    const auto next = wheel_.next_due();
    CHECK(next.has_value() == !due_.empty());
    for (const auto& [id, due] : due_) CHECK(due == kEarly || *next <= std::max(Instant{due * Duration{1ms}}, now));
  }

 private:
  static constexpr std::int64_t kEarly = 0;
  std::int64_t now_ = 1'000'000;
  std::int64_t served_ = now_;  // all that was due by then has come up
  std::array<TimerNode, kOwners> nodes_{};
  TimerWheel wheel_{Instant{1'000'000ms}, nodes_.data(), sizeof(TimerNode)};
  std::map<std::uint32_t, std::int64_t> due_;
};

class Indices {
 public:
  // Few different hashes, alike in the bits that choose the bucket or in those that make the tag.
  static std::uint64_t hash(std::uint8_t seed) {
    return (std::uint64_t{seed} & 0x0f) << 60 | (std::uint64_t{seed} >> 4) * 0x0101010101u;
  }
  void insert(std::uint8_t seed) {
    const std::uint32_t value = next_++;
    if (index_.size() >= index_.max_entries()) return;
    if (index_.insert(hash(seed), value)) held_[value] = seed;
    CHECK(index_.size() == held_.size());
  }
  void erase(std::uint32_t nth) {
    if (held_.empty()) return;
    auto entry = std::next(held_.begin(), nth % static_cast<std::uint32_t>(held_.size()));
    CHECK(index_.erase(hash(entry->second), entry->first));
    CHECK(!index_.erase(hash(entry->second), entry->first));
    held_.erase(entry);
  }
  void replace(std::uint32_t nth) {
    if (held_.empty()) return;
    auto entry = std::next(held_.begin(), nth % static_cast<std::uint32_t>(held_.size()));
    const std::uint32_t value = next_++;
    CHECK(index_.replace(hash(entry->second), entry->first, value));
    held_[value] = entry->second;
    held_.erase(entry);
  }
  void check() const {
    CHECK(index_.size() == held_.size());
    for (const auto& [value, seed] : held_) {
      const std::uint32_t wanted = value;
      CHECK(index_.find(hash(seed), [&](std::uint32_t v) { return v == wanted; }) == wanted);
    }
    std::set<std::uint32_t> visited;
    index_.for_each([&](std::uint32_t value) { CHECK(visited.insert(value).second && held_.count(value) == 1); });
    CHECK(visited.size() == held_.size());
  }

 private:
  HashIndex index_{100, Pages::kOrdinary};
  std::map<std::uint32_t, std::uint8_t> held_;
  std::uint32_t next_ = 0;
};

// Spans of every size up to the horizon.
std::int64_t span(fuzz::Tape& tape) {
  const std::uint32_t bits = tape.u8() % 33;
  const std::uint64_t random = tape.u32();
  return std::min<std::int64_t>(static_cast<std::int64_t>(random & ((std::uint64_t{1} << bits) - 1)),
                                TimerWheel::kHorizonTicks - 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Tape tape{data, std::min<std::size_t>(size, 2000)};
  if (tape.coin()) {
    Wheels wheels;
    while (!tape.over()) {
      switch (tape.u8() % 4) {
        case 0:
        case 1:
          wheels.arm(tape.below(kOwners), span(tape) - 2);
          break;
        case 2:
          wheels.disarm(tape.below(kOwners));
          break;
        case 3:
          wheels.advance(span(tape), tape.coin() ? SIZE_MAX : tape.below(8));
          break;
      }
    }
    for (int i = 0; i < 3; ++i) wheels.advance(TimerWheel::kHorizonTicks, SIZE_MAX);
    return 0;
  }
  Indices indices;
  while (!tape.over()) {
    switch (tape.u8() % 4) {
      case 0:
      case 1:
        indices.insert(tape.u8());
        break;
      case 2:
        indices.erase(tape.u8());
        break;
      case 3:
        indices.replace(tape.u8());
        break;
    }
  }
  indices.check();
  return 0;
}
