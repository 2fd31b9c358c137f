#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "time/instant.h"

namespace pollux::tcp {

// A point in time in four bytes: milliseconds, modulo 2^32 (49.7 days). Two of
// them can be compared when they lie less than 24 days apart.
class Millis {
 public:
  constexpr Millis() = default;
  constexpr explicit Millis(std::uint32_t value) : value_{value} {}
  // Rounds up, so that a deadline is never early.
  static Millis at(Instant t) {
    return Millis{static_cast<std::uint32_t>((t.time_since_epoch().count() + 999'999) / 1'000'000)};
  }
  // Rounds down: the millisecond that has begun.
  static Millis floor(Instant t) {
    return Millis{static_cast<std::uint32_t>(t.time_since_epoch().count() / 1'000'000)};
  }

  constexpr std::uint32_t value() const { return value_; }
  // Milliseconds from `earlier` to this one; negative if it is later.
  // For a moment that surely lies in the past, elapsed_since() is right for 49 days.
  constexpr std::int32_t since(Millis earlier) const { return static_cast<std::int32_t>(value_ - earlier.value_); }
  constexpr std::uint32_t elapsed_since(Millis earlier) const { return value_ - earlier.value_; }

  friend constexpr bool operator==(Millis, Millis) = default;

  // The instant this names, given that it lies within 24 days of `now`.
  Instant instant(Instant now) const {
    const Millis base = floor(now);
    return Instant{std::chrono::milliseconds{now.time_since_epoch().count() / 1'000'000 + since(base)}};
  }

 private:
  std::uint32_t value_ = 0;
};

// What a TCB knows of time, all of it. Timers that never run together share a place.
enum class Timer : std::uint8_t {
  kRetransmission,  // RFC 6298
  kPersist,         // RFC 9293, 3.8.6.1; never together with kRetransmission
  kDelayedAck,      // RFC 9293, 3.8.6.3
  kKeepAlive,       // RFC 9293, 3.8.4
  kTimeWait,        // 2MSL; in FIN-WAIT-2 the limit of an orphan. Never together with kKeepAlive
  kReordering,      // RFC 8985, 6.2, step 5; when it is over, kRetransmission follows
  kLossProbe,       // RFC 8985, 7.2; as well
  kPacing,          // the next segment's time of release
};
inline constexpr std::size_t kTimerCount = 8;  // keep beside the last one

class Deadlines {
 public:
  void set(Timer timer, Instant when) {
    clear_place(place(timer));
    at_[place(timer)] = Millis::at(when);
    armed_ = static_cast<std::uint8_t>(armed_ | bit(timer));
  }
  void clear(Timer timer) { armed_ = static_cast<std::uint8_t>(armed_ & ~bit(timer)); }
  // `timer`, and those that share its place.
  void clear_place(Timer timer) { clear_place(place(timer)); }
  void clear_all() { armed_ = 0; }
  bool armed(Timer timer) const { return (armed_ & bit(timer)) != 0; }
  // Neither it runs nor one that shares its place.
  bool place_is_free(Timer timer) const { return (armed_ & kSharing[place(timer)]) == 0; }
  bool none() const { return armed_ == 0; }
  bool due(Timer timer, Instant now) const { return armed(timer) && Millis::floor(now).since(at_[place(timer)]) >= 0; }
  // The time the timer was set to; it must be armed.
  Instant when(Timer timer, Instant now) const { return at_[place(timer)].instant(now); }

  std::optional<Instant> next(Instant now) const {
    if (armed_ == 0) return std::nullopt;
    const Millis base = Millis::floor(now);
    std::int32_t soonest = INT32_MAX;
    for (std::size_t p = 0; p < at_.size(); ++p) {
      if ((armed_ & kSharing[p]) != 0) soonest = std::min(soonest, at_[p].since(base));
    }
    return Millis{base.value() + static_cast<std::uint32_t>(soonest)}.instant(now);
  }

 private:
  static constexpr std::array<std::uint8_t, kTimerCount> kPlace = {0, 0, 1, 2, 2, 0, 0, 3};
  static constexpr std::size_t place(Timer timer) { return kPlace[static_cast<std::size_t>(timer)]; }
  static constexpr std::uint8_t bit(Timer timer) {
    return static_cast<std::uint8_t>(1u << static_cast<unsigned>(timer));
  }
  void clear_place(std::size_t p) { armed_ = static_cast<std::uint8_t>(armed_ & ~kSharing[p]); }

  static constexpr std::size_t kPlaces = 4;
  // For each place, the bits of the timers that share it.
  static constexpr std::array<std::uint8_t, kPlaces> kSharing = [] {
    std::array<std::uint8_t, kPlaces> bits{};
    for (std::size_t t = 0; t < kTimerCount; ++t)
      bits[kPlace[t]] = static_cast<std::uint8_t>(bits[kPlace[t]] | 1u << t);
    return bits;
  }();

  std::array<Millis, kPlaces> at_{};
  std::uint8_t armed_ = 0;
};

}  // namespace pollux::tcp
