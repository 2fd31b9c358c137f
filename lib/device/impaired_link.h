#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/random.h"
#include "device/buffer_pool.h"
#include "device/device.h"
#include "device/fixed_queue.h"
#include "device/impairment.h"
#include "time/instant.h"

namespace pollux {

enum class LinkDirection : std::uint8_t { kLeftToRight, kRightToLeft };

// What a link did with a frame, for logs.
enum class LinkEventKind : std::uint8_t { kSent, kDelivered, kLost, kRuledOut, kOverflowed };

struct LinkEvent {
  Instant at;
  LinkDirection direction{};
  LinkEventKind kind{};
  std::span<const std::byte> frame;  // as it is at that point; corrupted or not
};

struct LinkConfig {
  Impairment left_to_right{};
  Impairment right_to_left{};
  std::uint64_t seed = 1;
  std::size_t buffers = 8192;
  MarkFrame mark{};           // for Impairment::mark and mark_above
  DeviceFeatures features{};  // without offloads: a link that corrupts cannot vouch for checksums
};

// Two devices and a bad wire between them, in virtual time. The same seed and the
// same calls give the same frames at the same instants.
//
//   link.deliver_until(t)   time is t; what is due lies in the receivers' rings
//   link.next_due()         when deliver_until has something to do next
class ImpairedLink {
  struct Frame {
    std::byte* data = nullptr;
    std::uint32_t size = 0;
    std::span<std::byte> bytes() const { return {data, size}; }
  };

 public:
  using Rule = std::function<bool(LinkDirection, std::span<const std::byte> frame)>;
  using Observer = std::function<void(const LinkEvent&)>;

  class End {
   public:
    End(ImpairedLink& link, LinkDirection outward) : link_{link}, outward_{outward}, pending_{kPending} {}
    End(const End&) = delete;
    End& operator=(const End&) = delete;
    ~End() {
      while (!pending_.empty()) link_.pool_.give_back(pending_.pop().data);
    }

    std::size_t receive(std::span<Packet> out) {
      FixedQueue<Frame>& inbox = link_.direction(inward()).arrived;
      std::size_t n = 0;
      while (n < out.size() && !inbox.empty()) {
        const Frame frame = inbox.pop();
        out[n++] = link_.pool_.packet(frame.data, frame.size);
      }
      return n;
    }
    void recycle(std::span<Packet> packets) {
      for (Packet& packet : packets) packet.reset();
    }
    TxFrame allocate(std::uint32_t size) { return link_.pool_.frame(size); }
    void discard(TxFrame frame) { link_.pool_.give_back(frame.data); }
    void send(TxFrame frame, std::uint32_t size, const TxOffload&) {
      ASSERT(size <= frame.capacity);
      if (pending_.room() == 0) {
        discard(frame);
        return;
      }
      pending_.push({frame.data, size});
    }
    void flush() {
      while (!pending_.empty()) link_.accept(outward_, pending_.pop());
    }
    std::size_t tx_room() const { return pending_.room(); }
    const DeviceFeatures& features() const { return link_.features_; }

   private:
    static constexpr std::size_t kPending = 512;
    LinkDirection inward() const {
      return outward_ == LinkDirection::kLeftToRight ? LinkDirection::kRightToLeft : LinkDirection::kLeftToRight;
    }

    ImpairedLink& link_;
    LinkDirection outward_;
    FixedQueue<Frame> pending_;
  };

  explicit ImpairedLink(const LinkConfig& config)
      : features_{config.features},
        mark_{config.mark},
        pool_{config.buffers, config.features.max_frame},
        directions_{Direction{config.left_to_right, config.buffers, config.seed},
                    Direction{config.right_to_left, config.buffers, ~config.seed}} {
    flying_.reserve(config.buffers);
  }
  ~ImpairedLink() {
    for (const Flying& f : flying_) pool_.give_back(f.frame.data);
    for (Direction& d : directions_) {
      while (!d.arrived.empty()) pool_.give_back(d.arrived.pop().data);
    }
  }
  ImpairedLink(const ImpairedLink&) = delete;
  ImpairedLink& operator=(const ImpairedLink&) = delete;

  End& left() { return left_; }
  End& right() { return right_; }

  // Time is `now`, which never goes back. Frames flushed after this start from it.
  void deliver_until(Instant now) {
    now_ = std::max(now_, now);
    while (!flying_.empty() && flying_.front().due <= now_) {
      std::pop_heap(flying_.begin(), flying_.end(), later);
      const Flying f = flying_.back();
      flying_.pop_back();
      Direction& d = direction(f.direction);
      ++d.counters.delivered;
      tell(f.due, f.direction, LinkEventKind::kDelivered, f.frame);
      d.arrived.push(f.frame);
    }
  }

  std::optional<Instant> next_due() const {
    if (flying_.empty()) return std::nullopt;
    return flying_.front().due;
  }
  // Whether frames wait to be received.
  bool arrived() const { return !directions_[0].arrived.empty() || !directions_[1].arrived.empty(); }
  Instant now() const { return now_; }

  // From the next frame on.
  void impair(LinkDirection d, const Impairment& impairment) { direction(d).impairment = impairment; }
  // Drops each frame for which a rule says true; every rule sees every frame.
  void drop_if(Rule rule) { rules_.push_back(std::move(rule)); }
  void clear_rules() { rules_.clear(); }
  void observe(Observer observer) { observers_.push_back(std::move(observer)); }

  const ImpairmentCounters& counters(LinkDirection d) const {
    return directions_[static_cast<std::size_t>(d)].counters;
  }
  std::size_t outstanding() const { return pool_.outstanding(); }

 private:
  struct Flying {
    Instant due;
    std::uint64_t number;  // orders those due at the same instant
    LinkDirection direction;
    Frame frame;
  };
  struct Direction {
    Direction(const Impairment& i, std::size_t capacity, std::uint64_t seed)
        : impairment{i}, random{seed}, arrived{capacity} {}
    Impairment impairment;
    Random random;
    FixedQueue<Frame> arrived;
    Instant wire_free{};  // when the last frame will have left
    Instant last_due{};   // jitter alone does not overtake it
    ImpairmentCounters counters;
  };

  static bool later(const Flying& a, const Flying& b) { return a.due != b.due ? a.due > b.due : a.number > b.number; }
  Direction& direction(LinkDirection d) { return directions_[static_cast<std::size_t>(d)]; }

  void accept(LinkDirection way, Frame frame) {
    Direction& d = direction(way);
    ++d.counters.sent;
    tell(now_, way, LinkEventKind::kSent, frame);
    const Fate fate = draw_fate(d.impairment, d.random);
    if (ruled_out(way, frame)) return drop(way, frame, LinkEventKind::kRuledOut, d.counters.ruled_out);
    if (fate.lost) return drop(way, frame, LinkEventKind::kLost, d.counters.lost);
    const bool congested = fate.marked || waiting(d) >= static_cast<double>(d.impairment.mark_above);
    if (congested && mark_ && mark_(frame.bytes())) ++d.counters.marked;
    const std::optional<Instant> departure = pass_queue(d, frame.size);
    if (!departure) return drop(way, frame, LinkEventKind::kOverflowed, d.counters.overflowed);
    if (fate.duplicated) duplicate(way, frame, *departure);
    if (fate.corrupted) {
      ++d.counters.corrupted;
      corrupt_frame(frame.bytes(), d.impairment, fate);
    }
    const Instant due = arrival(d, *departure, fate);
    d.counters.delayed += due > *departure ? 1 : 0;
    fly(way, frame, due);
  }

  // Bytes in the queue before the wire.
  double waiting(const Direction& d) const {
    const Duration wait = std::max(now_, d.wire_free) - now_;
    return std::chrono::duration<double>(wait).count() * static_cast<double>(d.impairment.bits_per_second) / 8;
  }

  // When the frame will have left; nullopt: the queue before the wire is full.
  std::optional<Instant> pass_queue(Direction& d, std::uint32_t size) {
    const std::uint64_t rate = d.impairment.bits_per_second;
    if (rate == 0) return now_;
    const Instant start = std::max(now_, d.wire_free);
    if (waiting(d) + size > static_cast<double>(d.impairment.queue_bytes)) return std::nullopt;
    d.wire_free = start + Duration{static_cast<Duration::rep>(std::uint64_t{size} * 8 * 1'000'000'000 / rate)};
    return d.wire_free;
  }

  Instant arrival(Direction& d, Instant departure, const Fate& fate) {
    const Instant due = departure + d.impairment.delay + fate.late;
    if (fate.reordered) {
      ++d.counters.reordered;
      return due + d.impairment.reorder_delay;
    }
    d.last_due = std::max(d.last_due, due);
    return d.last_due;
  }

  void duplicate(LinkDirection way, const Frame& frame, Instant departure) {
    Direction& d = direction(way);
    std::byte* copy = pool_.take();
    if (copy == nullptr) return;
    ++d.counters.duplicated;
    std::memcpy(copy, frame.data, frame.size);
    fly(way, {copy, frame.size}, departure + d.impairment.delay);
  }

  void fly(LinkDirection way, const Frame& frame, Instant due) {
    flying_.push_back({due, ++numbered_, way, frame});
    std::push_heap(flying_.begin(), flying_.end(), later);
  }

  bool ruled_out(LinkDirection way, const Frame& frame) {
    bool drop_it = false;
    for (const Rule& rule : rules_) drop_it |= rule(way, frame.bytes());
    return drop_it;
  }

  void drop(LinkDirection way, const Frame& frame, LinkEventKind why, std::uint64_t& counter) {
    ++counter;
    tell(now_, way, why, frame);
    pool_.give_back(frame.data);
  }

  void tell(Instant at, LinkDirection way, LinkEventKind kind, const Frame& frame) {
    for (const Observer& observer : observers_) observer({at, way, kind, frame.bytes()});
  }

  DeviceFeatures features_;
  MarkFrame mark_;
  BufferPool pool_;
  std::array<Direction, 2> directions_;
  std::vector<Flying> flying_;  // a heap, the next due in front
  std::uint64_t numbered_ = 0;
  Instant now_{};
  std::vector<Rule> rules_;
  std::vector<Observer> observers_;
  End left_{*this, LinkDirection::kLeftToRight};
  End right_{*this, LinkDirection::kRightToLeft};
};
static_assert(Device<ImpairedLink::End>);

}  // namespace pollux
