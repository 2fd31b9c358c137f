#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>

#include "device/buffer_pool.h"
#include "device/device.h"
#include "device/fixed_queue.h"

namespace pollux {

struct LoopbackConfig {
  std::size_t buffers = 4096;  // of both ends together
  std::size_t ring = 1024;     // frames one end takes before the other must receive
  DeviceFeatures features{};   // with TX checksums: the other end hears kGood, nothing is filled in
};

// Two devices and a wire between them without time or loss: what one flushes the
// other receives, in order. Packets must be gone before the pair is.
class LoopbackPair {
  struct Frame {
    std::byte* data = nullptr;
    std::uint32_t size = 0;
    bool ip_good = false;
    bool tcp_good = false;
  };

 public:
  class End {
   public:
    End(LoopbackPair& pair, std::size_t side) : pair_{pair}, side_{side}, pending_{kPending} {}
    End(const End&) = delete;
    End& operator=(const End&) = delete;
    ~End() {
      while (!pending_.empty()) pair_.pool_.give_back(pending_.pop().data);
    }

    std::size_t receive(std::span<Packet> out) {
      FixedQueue<Frame>& inbox = pair_.wire_[side_];
      std::size_t n = 0;
      while (n < out.size() && !inbox.empty()) {
        const Frame frame = inbox.pop();
        Packet packet = pair_.pool_.packet(frame.data, frame.size);
        if (frame.ip_good) packet.ip_checksum = ChecksumWord::kGood;
        if (frame.tcp_good) packet.tcp_checksum = ChecksumWord::kGood;
        out[n++] = std::move(packet);
      }
      return n;
    }
    void recycle(std::span<Packet> packets) {
      for (Packet& packet : packets) packet.reset();
    }

    TxFrame allocate(std::uint32_t size) { return pair_.pool_.frame(size); }
    void discard(TxFrame frame) { pair_.pool_.give_back(frame.data); }
    void send(TxFrame frame, std::uint32_t size, const TxOffload& offload) {
      ASSERT(size <= frame.capacity);
      if (tx_room() == 0) {
        ++tx_dropped_;
        discard(frame);
        return;
      }
      pending_.push({frame.data, size, offload.ip_checksum, offload.tcp_checksum});
    }
    void flush() {
      FixedQueue<Frame>& outbox = pair_.wire_[1 - side_];
      while (!pending_.empty() && outbox.room() != 0) outbox.push(pending_.pop());
    }
    std::size_t tx_room() const { return pending_.room(); }
    const DeviceFeatures& features() const { return pair_.features_; }
    std::uint64_t tx_dropped() const { return tx_dropped_; }

   private:
    static constexpr std::size_t kPending = 512;

    LoopbackPair& pair_;
    std::size_t side_;
    FixedQueue<Frame> pending_;
    std::uint64_t tx_dropped_ = 0;
  };

  explicit LoopbackPair(const LoopbackConfig& config = {})
      : features_{config.features},
        pool_{config.buffers, config.features.max_frame},
        wire_{FixedQueue<Frame>{config.ring}, FixedQueue<Frame>{config.ring}} {}
  ~LoopbackPair() {
    for (auto& inbox : wire_) {
      while (!inbox.empty()) pool_.give_back(inbox.pop().data);
    }
  }
  LoopbackPair(const LoopbackPair&) = delete;
  LoopbackPair& operator=(const LoopbackPair&) = delete;

  End& left() { return left_; }
  End& right() { return right_; }
  // Buffers held by frames, packets and the wire.
  std::size_t outstanding() const { return pool_.outstanding(); }

 private:
  DeviceFeatures features_;
  BufferPool pool_;
  std::array<FixedQueue<Frame>, 2> wire_;  // by who receives
  End left_{*this, 0};
  End right_{*this, 1};
};
static_assert(Device<LoopbackPair::End>);

}  // namespace pollux
