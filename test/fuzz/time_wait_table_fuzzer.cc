// The TIME-WAIT table against a list: who is in it, until when, and what its counters say.

#include <map>

#include "shard/time_wait_table.h"
#include "tape.h"

namespace {

using namespace pollux;

constexpr std::int64_t kTwoMslMs = 1000;

FlowKey key_of(std::uint8_t n) {
  if (n % 2 == 0) return {IpAddress::v4(0xc6120002), IpAddress::v4(0xc6120100u + n), 80, 1000};
  std::byte bytes[16]{std::byte{0x20}, std::byte{1}, std::byte{0}, std::byte{2}};
  const IpAddress ours = IpAddress::v6(bytes);
  bytes[15] = std::byte{n};
  return {ours, IpAddress::v6(bytes), 80, 1000};
}

class Pair {
 public:
  explicit Pair(const TimeWaitTable::Config& config) : config_{config}, table_{config} {}

  void enter(std::uint8_t n) {
    if (due_.count(n) != 0) return;
    TimeWaitEntry entry;
    entry.key = key_of(n);
    entry.snd_nxt = SeqNum{n};
    const Entered entered = table_.enter(entry, now(), [&](const TimeWaitEntry& gone) {
      const auto oldest = find(gone.key);
      for (const auto& [m, due] : due_) CHECK(m % 2 != n % 2 || due >= oldest->second);
      due_.erase(oldest);
    });
    if (entered != Entered::kRefused) due_[n] = now_ms_ + kTwoMslMs;
    CHECK(due_.size() == table_.size());
    CHECK(table_.size_v4() <= config_.capacity_v4 && table_.size_v6() <= config_.capacity_v6);
  }
  void remove(std::uint8_t n) { CHECK(table_.remove(key_of(n)) == (due_.erase(n) == 1)); }
  void restart(std::uint8_t n) {
    const std::uint64_t refused = table_.counters().restart_refused;
    CHECK(table_.restart(key_of(n), now()) == (due_.count(n) == 1));
    if (due_.count(n) == 1 && table_.counters().restart_refused == refused) due_[n] = now_ms_ + kTwoMslMs;
  }
  void update(std::uint8_t n) { CHECK(table_.update(key_of(n), SeqNum{n * 3u}, 7) == (due_.count(n) == 1)); }
  void expire(std::int64_t later, std::size_t budget) {
    now_ms_ += later;
    const std::size_t passed = table_.expire(now(), budget, [&](const TimeWaitEntry& entry) {
      const auto over = find(entry.key);
      CHECK(over->second <= now_ms_);
      due_.erase(over);
    });
    CHECK(passed <= budget);
    if (budget == SIZE_MAX) {
      for (const auto& [n, due] : due_) CHECK(due > now_ms_);
    }
  }
  void check() const {
    const TimeWaitTable::Counters& c = table_.counters();
    CHECK(c.entered == table_.size() + c.expired + c.reused + c.evicted);
    const auto next = table_.next_due();
    for (const auto& [n, due] : due_) {
      CHECK(next && *next <= Instant{due * Duration{1ms}});
      const auto entry = table_.find(key_of(n));
      CHECK(entry && entry->snd_nxt == SeqNum{n});
    }
  }

 private:
  Instant now() const { return Instant{now_ms_ * Duration{1ms}}; }
  std::map<std::uint8_t, std::int64_t>::iterator find(const FlowKey& key) {
    for (auto it = due_.begin(); it != due_.end(); ++it) {
      if (key_of(it->first) == key) return it;
    }
    CHECK(false);
    unreachable();
  }

  TimeWaitTable::Config config_;
  TimeWaitTable table_;
  std::int64_t now_ms_ = (std::int64_t{1} << 32) - 500;
  std::map<std::uint8_t, std::int64_t> due_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Tape tape{data, std::min<std::size_t>(size, 2000)};
  TimeWaitTable::Config config;
  config.capacity_v4 = tape.below(40);
  config.capacity_v6 = tape.below(40);
  config.two_msl = std::chrono::milliseconds{kTwoMslMs};
  config.full_policy = tape.coin() ? TimeWaitTable::FullPolicy::kRefuse : TimeWaitTable::FullPolicy::kEvictOldest;
  config.hash_key = {1, 2};
  config.pages = Pages::kOrdinary;
  Pair pair{config};
  while (!tape.over()) {
    switch (tape.u8() % 8) {
      case 0:
      case 1:
      case 2:
        pair.enter(tape.u8());
        break;
      case 3:
        pair.remove(tape.u8());
        break;
      case 4:
        pair.restart(tape.u8());
        break;
      case 5:
        pair.update(tape.u8());
        break;
      case 6:
        pair.expire(tape.u8(), SIZE_MAX);
        break;
      case 7:
        pair.expire(tape.u8() * 8, tape.below(8));
        break;
    }
    pair.check();
  }
  pair.expire(2 * kTwoMslMs, SIZE_MAX);
  pair.check();
  return 0;
}
