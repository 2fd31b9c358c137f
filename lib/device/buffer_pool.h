#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/assert.h"
#include "base/packet.h"

namespace pollux {

// The memory of devices that have none of their own: `count` buffers of `size`
// bytes, of which it knows at any moment which are out. Giving one back twice, or
// dying while one is out, ends the program: leaks must not pass a test.
class BufferPool final : public PacketOwner {
 public:
  BufferPool(std::size_t count, std::uint32_t size)
      : size_{size}, bytes_{std::make_unique_for_overwrite<std::byte[]>(count * size)}, out_(count, false) {
    free_.reserve(count);
    for (std::size_t i = count; i != 0; --i) free_.push_back(bytes_.get() + (i - 1) * size);
  }
  ~BufferPool() { CHECK(outstanding() == 0); }
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  // A buffer of size() bytes, or nullptr when all are out (counted).
  std::byte* take() {
    if (free_.empty()) {
      ++refused_;
      return nullptr;
    }
    std::byte* buffer = free_.back();
    free_.pop_back();
    out_[index(buffer)] = true;
    return buffer;
  }

  void give_back(std::byte* buffer) {
    const std::size_t i = index(buffer);
    CHECK(out_[i]);
    out_[i] = false;
    free_.push_back(buffer);
  }
  void take_back(void* handle) override { give_back(static_cast<std::byte*>(handle)); }

  TxFrame frame(std::uint32_t size) {
    if (size > size_) return {};
    std::byte* buffer = take();
    return buffer == nullptr ? TxFrame{} : TxFrame{buffer, size_, buffer};
  }

  // The first `size` bytes of a taken buffer as a packet, which gives it back when it dies.
  Packet packet(std::byte* buffer, std::uint32_t size) { return Packet{{buffer, size}, size_, this, buffer, size_}; }

  std::uint32_t size() const { return size_; }
  std::size_t outstanding() const { return out_.size() - free_.size(); }
  std::uint64_t refused() const { return refused_; }

 private:
  std::size_t index(const std::byte* buffer) const {
    const auto offset = static_cast<std::size_t>(buffer - bytes_.get());
    CHECK(offset % size_ == 0 && offset / size_ < out_.size());
    return offset / size_;
  }

  std::uint32_t size_;
  std::unique_ptr<std::byte[]> bytes_;
  std::vector<bool> out_;
  std::vector<std::byte*> free_;
  std::uint64_t refused_ = 0;
};

}  // namespace pollux
