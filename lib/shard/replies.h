#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "wire/flow_key.h"
#include "wire/mac_address.h"
#include "wire/segment.h"

namespace pollux {

// A segment that belongs to no TCB: a reset, a SYN-ACK, an ACK from TIME-WAIT; or an ACK that its TCB did not keep
// back.
struct TcpReply {
  FlowKey key;
  MacAddress destination;
  SeqNum seq;
  SeqNum ack;
  std::uint16_t wnd = 0;
  std::uint16_t up = 0;
  TcpFlags flags;
  TcpOptions options;
  std::uint8_t ttl = 64;
  std::uint8_t tos = 0;
};

// A whole frame: ARP, neighbour discovery, an ICMP echo.
struct RawReply {
  static constexpr std::size_t kCapacity = 1600;
  std::array<std::byte, kCapacity> bytes;
  std::uint32_t size = 0;
};

// A queue of fixed capacity: nothing is allocated after start, what does not fit is
// refused, so that a flood cannot make us owe more than this.
template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t capacity) : items_(capacity) {}

  // The place of a new last item, to be filled in; null: full.
  T* push() {
    if (size_ == items_.size()) return nullptr;
    return &items_[(head_ + size_++) % items_.size()];
  }
  // Takes the last item back.
  void unpush() { --size_; }
  T& front() { return items_[head_]; }
  void pop() {
    head_ = (head_ + 1) % items_.size();
    --size_;
  }
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }

 private:
  std::vector<T> items_;
  std::size_t head_ = 0;
  std::size_t size_ = 0;
};

}  // namespace pollux
