#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/random.h"
#include "device/buffer_pool.h"
#include "device/device.h"
#include "device/impairment.h"
#include "time/instant.h"

namespace pollux {

struct ImpairedDeviceConfig {
  Impairment received{};  // bits_per_second and queue_bytes are not looked at
  Impairment sent{};      // nor mark: the device may have to complete the checksums yet
  std::uint64_t seed = 1;
  MarkFrame mark{};
  std::size_t held = 256;  // frames held back at most, each way; beyond it they are not delayed
};

// A real device behind a bad wire: `pollux serve --loss 1%`. Seeded, so that the n-th
// frame meets the same fate in every run. Not for speed: packets go back one by one.
template <Device D>
class ImpairedDevice {
 public:
  ImpairedDevice(D& inner, const ImpairedDeviceConfig& config)
      : inner_{inner},
        config_{config},
        rx_random_{config.seed},
        tx_random_{~config.seed},
        copies_{config.held, inner.features().max_frame} {
    held_packets_.reserve(config.held);
    held_frames_.reserve(config.held);
  }
  ~ImpairedDevice() {
    for (HeldFrame& held : held_frames_) inner_.discard(held.frame);
  }
  ImpairedDevice(const ImpairedDevice&) = delete;
  ImpairedDevice& operator=(const ImpairedDevice&) = delete;

  // Time for the calls that follow; never goes back.
  void set_now(Instant now) {
    now_ = now;
    if constexpr (requires { inner_.set_now(now); }) inner_.set_now(now);
  }

  std::size_t receive(std::span<Packet> out) {
    const std::size_t n = take_due_packets(out);
    // A duplicate takes a place of its own, where there is one.
    const std::size_t got = inner_.receive(out.subspan(n, (out.size() - n + 1) / 2));
    return let_through(out, n, got);
  }

  // One by one: among them may be copies, which are not the inner device's.
  void recycle(std::span<Packet> packets) {
    for (Packet& packet : packets) packet.reset();
  }

  TxFrame allocate(std::uint32_t size) { return inner_.allocate(size); }
  void discard(TxFrame frame) { inner_.discard(frame); }

  void send(TxFrame frame, std::uint32_t size, const TxOffload& offload) {
    const Impairment& impairment = config_.sent;
    ++sent_.sent;
    const Fate fate = draw_fate(impairment, tx_random_);
    if (fate.lost) {
      ++sent_.lost;
      inner_.discard(frame);
      return;
    }
    if (fate.duplicated) send_copy(frame, size, offload);
    if (fate.corrupted) {
      ++sent_.corrupted;
      corrupt_frame({frame.data, size}, impairment, fate);
    }
    const Instant due = due_time(impairment, fate, sent_, last_sent_due_);
    if (due <= now_ || held_frames_.size() == config_.held) {
      inner_.send(frame, size, offload);
    } else {
      ++sent_.delayed;
      held_frames_.push_back({due, ++numbered_, frame, size, offload});
    }
  }

  void flush() {
    send_due_frames();
    inner_.flush();
  }

  // Each frame may become two, and those held back need a place when they are due.
  std::size_t tx_room() const {
    const std::size_t room = inner_.tx_room();
    return room > held_frames_.size() ? (room - held_frames_.size()) / 2 : 0;
  }
  const DeviceFeatures& features() const { return inner_.features(); }

  // When receive() or flush() has something to do that was held back.
  std::optional<Instant> next_due() const {
    std::optional<Instant> next;
    for (const HeldPacket& held : held_packets_) next = std::min(next.value_or(held.due), held.due);
    for (const HeldFrame& held : held_frames_) next = std::min(next.value_or(held.due), held.due);
    return next;
  }

  const ImpairmentCounters& received() const { return received_; }
  const ImpairmentCounters& sent() const { return sent_; }
  D& inner() { return inner_; }

 private:
  struct HeldPacket {
    Instant due;
    std::uint64_t number;
    Packet packet;
  };
  struct HeldFrame {
    Instant due;
    std::uint64_t number;
    TxFrame frame;
    std::uint32_t size;
    TxOffload offload;
  };

  // Never before the frame ahead of it, unless it was picked for reordering.
  Instant due_time(const Impairment& impairment, const Fate& fate, ImpairmentCounters& counters, Instant& last) {
    const Instant due = now_ + impairment.delay + fate.late;
    if (fate.reordered) {
      ++counters.reordered;
      return due + impairment.reorder_delay;
    }
    return last = std::max(last, due);
  }

  // Moves elements due by now out of `held`, the earliest first, while `give` takes them.
  template <class Held, class Give>
  void release_due(std::vector<Held>& held, Give&& give) {
    std::sort(held.begin(), held.end(),
              [](const Held& a, const Held& b) { return a.due != b.due ? a.due < b.due : a.number < b.number; });
    auto end = held.begin();
    while (end != held.end() && end->due <= now_ && give(*end)) ++end;
    held.erase(held.begin(), end);
  }

  std::size_t take_due_packets(std::span<Packet> out) {
    std::size_t n = 0;
    if (held_packets_.empty()) return n;
    release_due(held_packets_, [&](HeldPacket& held) {
      if (n == out.size()) return false;
      out[n++] = std::move(held.packet);
      ++received_.delivered;
      return true;
    });
    return n;
  }

  void send_due_frames() {
    if (held_frames_.empty()) return;
    release_due(held_frames_, [&](HeldFrame& held) {
      if (inner_.tx_room() == 0) return false;
      inner_.send(held.frame, held.size, held.offload);
      return true;
    });
  }

  // out[n..n+got) are fresh packets; what of them arrives now is moved down to out[n..), copies
  // go behind the fresh ones first. Returns the new end.
  std::size_t let_through(std::span<Packet> out, std::size_t n, std::size_t got) {
    std::size_t copies_from = n + got;
    std::size_t copies_end = copies_from;
    std::size_t end = n;
    for (std::size_t i = n; i < n + got; ++i) {
      Packet packet = std::move(out[i]);
      ++received_.sent;
      const Fate fate = draw_fate(config_.received, rx_random_);
      if (fate.lost) {
        ++received_.lost;
        continue;
      }
      if (fate.marked && config_.mark && config_.mark(packet.bytes())) ++received_.marked;
      if (fate.duplicated) {
        if (Packet copy = copies_end < out.size() ? copy_of(packet) : Packet{}) out[copies_end++] = std::move(copy);
      }
      if (fate.corrupted) {
        ++received_.corrupted;
        corrupt_frame(packet.bytes(), config_.received, fate);
        packet.ip_checksum = packet.tcp_checksum = ChecksumWord::kUnknown;  // it was said of other bytes
      }
      const Instant due = due_time(config_.received, fate, received_, last_received_due_);
      if (due > now_ && held_packets_.size() < config_.held) {
        ++received_.delayed;
        held_packets_.push_back({due, ++numbered_, std::move(packet)});
      } else {
        ++received_.delivered;
        out[end++] = std::move(packet);
      }
    }
    for (; copies_from < copies_end; ++copies_from) {
      ++received_.delivered;
      Packet copy = std::move(out[copies_from]);
      out[end++] = std::move(copy);
    }
    return end;
  }

  Packet copy_of(const Packet& packet) {
    const std::span<const std::byte> bytes = packet.bytes();
    std::byte* buffer = bytes.size() > copies_.size() ? nullptr : copies_.take();
    if (buffer == nullptr) return {};
    ++received_.duplicated;
    std::memcpy(buffer, bytes.data(), bytes.size());
    Packet copy = copies_.packet(buffer, static_cast<std::uint32_t>(bytes.size()));
    copy.ip_checksum = packet.ip_checksum;
    copy.tcp_checksum = packet.tcp_checksum;
    return copy;
  }

  void send_copy(const TxFrame& frame, std::uint32_t size, const TxOffload& offload) {
    const TxFrame copy = inner_.tx_room() < 2 ? TxFrame{} : inner_.allocate(size);
    if (!copy) return;
    ++sent_.duplicated;
    std::memcpy(copy.data, frame.data, size);
    inner_.send(copy, size, offload);
  }

  D& inner_;
  ImpairedDeviceConfig config_;
  Random rx_random_;
  Random tx_random_;
  BufferPool copies_;
  std::vector<HeldPacket> held_packets_;
  std::vector<HeldFrame> held_frames_;
  std::uint64_t numbered_ = 0;
  Instant now_{};
  Instant last_received_due_{};
  Instant last_sent_due_{};
  ImpairmentCounters received_;
  ImpairmentCounters sent_;
};

}  // namespace pollux
