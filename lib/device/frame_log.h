#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "device/device.h"
#include "device/pcap_writer.h"
#include "time/instant.h"

namespace pollux {

enum class FrameWay : std::uint8_t { kReceived, kSent };

// Frames kept in memory, for tests.
class FrameLog {
 public:
  struct Entry {
    Instant at;
    FrameWay way;
    std::vector<std::byte> bytes;
    friend bool operator==(const Entry&, const Entry&) = default;
  };

  void record(Instant at, FrameWay way, std::span<const std::byte> frame) {
    entries_.push_back({at, way, {frame.begin(), frame.end()}});
  }
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  std::vector<Entry> entries_;
};

// Frames to a capture file, both ways.
struct PcapLog {
  PcapWriter* writer;
  void record(Instant at, FrameWay, std::span<const std::byte> frame) { writer->write(at, frame); }
};

template <class L>
concept FrameSink = requires(L log, Instant at, FrameWay way, std::span<const std::byte> frame) {
  log.record(at, way, frame);
};

// A device that shows all its frames to a log. A sent frame is shown when it is
// queued, before the device fills in checksums or cuts it up.
template <Device D, FrameSink L>
class Tapped {
 public:
  Tapped(D& inner, L log) : inner_{inner}, log_{std::move(log)} {}

  // The time that frames are recorded with from now on.
  void set_now(Instant now) {
    now_ = now;
    if constexpr (requires { inner_.set_now(now); }) inner_.set_now(now);
  }

  std::size_t receive(std::span<Packet> out) {
    const std::size_t n = inner_.receive(out);
    for (const Packet& packet : out.first(n)) log_.record(now_, FrameWay::kReceived, packet.bytes());
    return n;
  }
  void recycle(std::span<Packet> packets) { inner_.recycle(packets); }
  TxFrame allocate(std::uint32_t size) { return inner_.allocate(size); }
  void discard(TxFrame frame) { inner_.discard(frame); }
  void send(TxFrame frame, std::uint32_t size, const TxOffload& offload) {
    log_.record(now_, FrameWay::kSent, {frame.data, size});
    inner_.send(frame, size, offload);
  }
  void flush() { inner_.flush(); }
  std::size_t tx_room() const { return inner_.tx_room(); }
  const DeviceFeatures& features() const { return inner_.features(); }

  const L& log() const { return log_; }
  D& inner() { return inner_; }

 private:
  D& inner_;
  L log_;
  Instant now_{};
};

}  // namespace pollux
