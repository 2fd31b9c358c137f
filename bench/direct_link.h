#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/packet.h"
#include "device/device.h"

namespace pollux::bench {

// Two devices back to back in memory that cost next to nothing: what one sends, the other receives without a copy. No
// checks and no offloads, so that what is measured with it is the stack.
class DirectLink {
  struct Frame {
    std::byte* data;
    std::uint32_t size;
  };

 public:
  static constexpr std::uint32_t kRing = 1024;
  static constexpr std::uint32_t kBuffer = 2048;

  class End {
   public:
    End(DirectLink& link, std::size_t side) : link_{link}, side_{side} {}

    std::size_t receive(std::span<Packet> out) {
      Ring& ring = link_.rings_[side_];
      std::size_t n = 0;
      for (; n < out.size() && ring.head != ring.tail; ++n) {
        const Frame& frame = ring.frames[ring.head++ % kRing];
        out[n] = Packet{{frame.data, frame.size}, kBuffer, &link_.pool_, frame.data};
      }
      return n;
    }
    void recycle(std::span<Packet> packets) {
      for (Packet& packet : packets) {
        if (packet) link_.pool_.free.push_back(static_cast<std::byte*>(packet.release()));
      }
    }
    TxFrame allocate(std::uint32_t) {
      if (link_.pool_.free.empty()) return {};
      std::byte* const buffer = link_.pool_.free.back();
      link_.pool_.free.pop_back();
      return {buffer, kBuffer, buffer};
    }
    void discard(TxFrame frame) { link_.pool_.free.push_back(frame.data); }
    void send(TxFrame frame, std::uint32_t size, const TxOffload&) {
      Ring& ring = link_.rings_[1 - side_];
      ring.frames[ring.tail++ % kRing] = {frame.data, size};
    }
    void flush() {}
    std::size_t tx_room() const {
      const Ring& ring = link_.rings_[1 - side_];
      return kRing - (ring.tail - ring.head);
    }
    const DeviceFeatures& features() const { return link_.features_; }
    // Frames that wait for receive().
    std::uint32_t waiting() const { return link_.rings_[side_].tail - link_.rings_[side_].head; }

   private:
    DirectLink& link_;
    std::size_t side_;
  };

  DirectLink() {
    pool_.memory.reset(new std::byte[kBuffers * kBuffer]);
    pool_.free.reserve(kBuffers);
    for (std::size_t i = 0; i < kBuffers; ++i) pool_.free.push_back(pool_.memory.get() + i * kBuffer);
  }
  DirectLink(const DirectLink&) = delete;
  DirectLink& operator=(const DirectLink&) = delete;

  End& left() { return left_; }
  End& right() { return right_; }

 private:
  static constexpr std::size_t kBuffers = 3 * kRing;

  struct Pool final : PacketOwner {
    void take_back(void* handle) override { free.push_back(static_cast<std::byte*>(handle)); }
    std::unique_ptr<std::byte[]> memory;
    std::vector<std::byte*> free;
  };
  struct Ring {
    std::array<Frame, kRing> frames;
    std::uint32_t head = 0;
    std::uint32_t tail = 0;
  };

  DeviceFeatures features_;
  Pool pool_;
  std::array<Ring, 2> rings_;  // by who receives
  End left_{*this, 0};
  End right_{*this, 1};
};
static_assert(Device<DirectLink::End>);

}  // namespace pollux::bench
