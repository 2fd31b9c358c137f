#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "tcp/tcb.h"
#include "time/instant.h"

namespace pollux::app {

// Whether targets answer: each is asked again and again until it has, one connection at a time.
class Probes {
 public:
  static constexpr Duration kEvery = 100ms;

  explicit Probes(std::size_t targets) : targets_(targets) {}

  void begin() { on_ = true; }
  void end() { on_ = false; }

  // Calls `open(target)` for each whose turn it is; true: a connection is under way to it.
  template <class Open>
  void send(Instant now, Open&& open) {
    if (!on_) return;
    for (std::size_t t = 0; t < targets_.size(); ++t) {
      Target& target = targets_[t];
      if (target.answered || target.under_way || now < target.retry_at) continue;
      target.retry_at = now + kEvery;
      target.under_way = open(static_cast<std::uint16_t>(t));
      under_way_ += target.under_way ? 1 : 0;
    }
  }
  void opened(std::uint16_t target) { targets_[target].answered = true; }
  void closed(std::uint16_t target, tcp::Reason reason, Instant now) {
    Target& t = targets_[target];
    --under_way_;
    t.under_way = false;
    t.retry_at = now + kEvery;
    if (!t.answered) t.failure = reason;
  }

  std::optional<Instant> next_due(Instant now) const { return on_ ? std::optional{now + kEvery} : std::nullopt; }
  std::uint32_t under_way() const { return under_way_; }
  std::uint32_t unanswered() const {
    std::uint32_t count = 0;
    for (const Target& target : targets_) count += target.answered ? 0 : 1;
    return count;
  }
  bool answered(std::uint16_t target) const { return targets_[target].answered; }
  // Why the last to that target failed; kNone: none did.
  tcp::Reason failure(std::uint16_t target) const { return targets_[target].failure; }

 private:
  struct Target {
    bool answered = false;
    bool under_way = false;
    Instant retry_at{};
    tcp::Reason failure = tcp::Reason::kNone;
  };
  std::vector<Target> targets_;
  std::uint32_t under_way_ = 0;
  bool on_ = false;
};

}  // namespace pollux::app
