#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace pollux {

// Who lent the bytes of a packet, and takes them back. One per device queue;
// called on the core that owns that queue.
class PacketOwner {
 public:
  virtual void take_back(void* handle) = 0;

 protected:
  ~PacketOwner() = default;
};

// What the device says of a checksum it may have looked at.
enum class ChecksumWord : std::uint8_t { kUnknown, kGood, kBad };

// One received frame: contiguous bytes on loan, given back when the packet dies.
// Moving it moves the loan. `true_size` is the memory that holding it pins, which
// is more than its bytes (RFC 9293 knows nothing of it; SO_RCVBUF does).
class Packet {
 public:
  Packet() = default;
  // `capacity`: how many bytes may be written from the first of `bytes` on, if the
  // buffer goes on behind them.
  Packet(std::span<std::byte> bytes, std::uint32_t true_size, PacketOwner* owner, void* handle,
         std::uint32_t capacity = 0)
      : capacity_{std::max(capacity, static_cast<std::uint32_t>(bytes.size()))},
        data_{bytes.data()},
        size_{static_cast<std::uint32_t>(bytes.size())},
        true_size_{true_size},
        owner_{owner},
        handle_{handle} {}
  Packet(Packet&& other) noexcept { swap(other); }
  Packet& operator=(Packet&& other) noexcept {
    Packet gone{std::move(other)};
    swap(gone);
    return *this;
  }
  Packet(const Packet&) = delete;
  Packet& operator=(const Packet&) = delete;
  ~Packet() { reset(); }

  std::span<std::byte> bytes() const { return {data_, size_}; }
  // bytes(), and what lies behind them in the same buffer.
  std::span<std::byte> buffer() const { return {data_, capacity_}; }
  std::uint32_t true_size() const { return true_size_; }
  explicit operator bool() const { return data_ != nullptr; }

  // Gives the bytes back now.
  void reset() {
    if (owner_ != nullptr) owner_->take_back(handle_);
    forget();
  }

  // Ends the loan without giving back: the caller returns `handle` itself (a
  // device that frees a whole burst in one call).
  void* release() {
    forget();
    return handle_;
  }

  ChecksumWord ip_checksum = ChecksumWord::kUnknown;
  ChecksumWord tcp_checksum = ChecksumWord::kUnknown;

 private:
  void forget() {
    owner_ = nullptr;
    data_ = nullptr;
    size_ = 0;
    capacity_ = 0;
    true_size_ = 0;
  }
  void swap(Packet& other) noexcept {
    std::swap(capacity_, other.capacity_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(true_size_, other.true_size_);
    std::swap(owner_, other.owner_);
    std::swap(handle_, other.handle_);
    std::swap(ip_checksum, other.ip_checksum);
    std::swap(tcp_checksum, other.tcp_checksum);
  }

  std::uint32_t capacity_ = 0;  // beside the checksum words: the packet stays at 40 bytes
  std::byte* data_ = nullptr;
  std::uint32_t size_ = 0;
  std::uint32_t true_size_ = 0;
  PacketOwner* owner_ = nullptr;
  void* handle_ = nullptr;
};

// A frame being built for sending: bytes on loan from the device until it is
// handed to Device::send or Device::discard.
struct TxFrame {
  std::byte* data = nullptr;
  std::uint32_t capacity = 0;
  void* handle = nullptr;

  explicit operator bool() const { return data != nullptr; }
};

// Which checksums the device still has to fill in. The TCP checksum field then
// holds the pseudo-header sum.
struct TxOffload {
  bool ip_checksum = false;
  bool tcp_checksum = false;
  std::uint16_t segment_size = 0;  // not 0: TSO, cut the text into pieces of this size
  std::uint8_t l2_size = 0;        // header sizes, bytes
  std::uint8_t l3_size = 0;
  std::uint8_t l4_size = 0;
  bool ipv6 = false;
};

}  // namespace pollux
