#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "device/device.h"

namespace pollux {

// Sends `text` as a whole frame. False when the device has no frame to give.
template <Device D>
bool send_text(D& device, std::string_view text, const TxOffload& offload = {}) {
  const TxFrame frame = device.allocate(static_cast<std::uint32_t>(text.size()));
  if (!frame) return false;
  std::memcpy(frame.data, text.data(), text.size());
  device.send(frame, static_cast<std::uint32_t>(text.size()), offload);
  return true;
}

inline std::string text_of(const Packet& packet) {
  return {reinterpret_cast<const char*>(packet.bytes().data()), packet.bytes().size()};
}

// All that a device has to hand over now; the packets go back.
template <Device D>
std::vector<std::string> receive_texts(D& device, std::size_t burst = 32) {
  std::vector<std::string> texts;
  std::vector<Packet> packets(burst);
  while (const std::size_t n = device.receive(packets)) {
    for (std::size_t i = 0; i < n; ++i) texts.push_back(text_of(packets[i]));
    device.recycle(std::span{packets}.first(n));
  }
  return texts;
}

}  // namespace pollux
