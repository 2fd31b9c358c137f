#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/packet.h"

namespace pollux::tcp::test {

// Lends packets and knows which are out.
class PacketPool final : public PacketOwner {
 public:
  struct Loan {
    Packet packet;
    std::span<std::byte> text;
  };

  // A packet with `header` bytes before the text, `behind` bytes after it (padding, trimmed
  // text), and `room` more in the buffer.
  Loan lend(const std::string& text, std::uint32_t true_size = 2048, std::size_t room = 0, std::size_t header = 54,
            std::size_t behind = 0) {
    auto buffer = std::make_unique<Buffer>();
    const std::size_t size = header + text.size() + behind;
    buffer->bytes.resize(size + room, std::byte{'#'});
    buffer->true_size = true_size;
    const std::span<std::byte> bytes{buffer->bytes.data(), size};
    std::memcpy(bytes.data() + header, text.data(), text.size());
    Buffer* handle = buffer.get();
    out_.emplace(handle, std::move(buffer));
    return {Packet{bytes, true_size, this, handle, static_cast<std::uint32_t>(size + room)},
            bytes.subspan(header, text.size())};
  }
  void take_back(void* handle) override {
    ASSERT_EQ(out_.erase(static_cast<Buffer*>(handle)), 1u) << "given back twice";
  }

  std::size_t out() const { return out_.size(); }
  std::uint32_t true_size() const {
    return std::accumulate(out_.begin(), out_.end(), 0u, [](auto sum, auto& b) { return sum + b.first->true_size; });
  }

 private:
  struct Buffer {
    std::vector<std::byte> bytes;
    std::uint32_t true_size = 0;
  };
  std::map<Buffer*, std::unique_ptr<Buffer>> out_;
};

}  // namespace pollux::tcp::test
