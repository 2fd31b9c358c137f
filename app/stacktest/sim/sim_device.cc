#include "sim_device.h"

#include <cstring>
#include <string>
#include <vector>

#include "base/assert.h"
#include "base/endian.h"
#include "wire/ethernet.h"
#include "wire_view.h"

namespace pollux::sim {
namespace {

constexpr std::uint8_t kFinAndPush = 0x09;

bool is_ip(std::span<const std::byte> frame) {
  const auto type = load_be<std::uint16_t>(frame.data() + 12);
  return type == 0x0800 || type == 0x86dd;
}

bool is_tcp(std::span<const std::byte> frame) {
  WireView view;
  std::string complaint;
  return is_ip(frame) && look(frame, view, complaint) == Sight::kTcp;
}

}  // namespace

SimDevice::SimDevice(ImpairedLink::End& end, const DeviceFaults& faults, std::uint16_t mtu, Random random)
    : end_{end}, features_{end.features()}, random_{random} {
  features_.mtu = mtu;
  set_faults(faults);
}

void SimDevice::set_faults(const DeviceFaults& faults) {
  faults_ = faults;
  features_.tx_ip_checksum = features_.tx_tcp_checksum = faults.tx_checksums;
  features_.tso = features_.tso_ipv6 = faults.tso && faults.tx_checksums;
  features_.max_frame = features_.tso ? std::max<std::uint32_t>(kTsoFrame, features_.mtu + 18u) : features_.mtu + 18u;
}

std::size_t SimDevice::receive(std::span<Packet> out) {
  const std::size_t n = end_.receive(out);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const bool damaged = random_.chance(faults_.corrupt) && is_tcp(out[i].bytes()) && damage(out[i].bytes());
    if (damaged || lost_(out[i].bytes())) {
      out[i].reset();
      continue;
    }
    on_delivered_(out[i].bytes());
    if (kept != i) out[kept] = std::move(out[i]);
    ++kept;
  }
  received_ += kept;
  return kept;
}

// Changes some bits behind the Ethernet header, whose own checksum we do not have. True: no
// checksum can tell, and the frame must not be used.
bool SimDevice::damage(std::span<std::byte> frame) {
  ++damaged_;
  const std::size_t at = EthernetHeader::kMinSize + random_.below(frame.size() - EthernetHeader::kMinSize);
  switch (random_.below(3)) {
    case 0:  // one bit
      frame[at] ^= std::byte{1} << random_.below(8);
      break;
    case 1:  // a burst
      for (std::size_t i = at; i < std::min(frame.size(), at + 1 + random_.below(8)); ++i)
        frame[i] = std::byte(random_());
      break;
    default: {  // two bytes change places
      std::swap(frame[at], frame[EthernetHeader::kMinSize + random_.below(frame.size() - EthernetHeader::kMinSize)]);
      break;
    }
  }
  if (!checksums_hold(frame)) return false;
  ++undetectable_;
  return true;
}

TxFrame SimDevice::allocate(std::uint32_t size) {
  ++asked_for_;
  const bool refused = faults_.no_frames_from != 0 && asked_for_ >= faults_.no_frames_from &&
                       asked_for_ - faults_.no_frames_from < faults_.no_frames;
  if (random_.chance(faults_.no_frame) || refused) return {};
  return end_.allocate(size);
}

void SimDevice::send(TxFrame frame, std::uint32_t size, const TxOffload& offload) {
  CHECK(room_ > 0);
  --room_;
  if (offload.segment_size != 0) return cut_up(frame, size, offload);
  if (offload.ip_checksum || offload.tcp_checksum) mend_checksums({frame.data, size});
  pass_on(frame, size);
}

void SimDevice::pass_on(TxFrame frame, std::uint32_t size) {
  on_sent_({frame.data, size});
  if (!speaker_) return end_.send(frame, size, {});
  for (const std::vector<std::byte>& other : speaker_({frame.data, size})) {
    const auto length = static_cast<std::uint32_t>(other.size());
    const TxFrame out = end_.allocate(length);
    if (!out) continue;
    std::copy(other.begin(), other.end(), out.data);
    end_.send(out, length, {});
  }
  end_.discard(frame);
}

// What a NIC does with TSO.
void SimDevice::cut_up(TxFrame frame, std::uint32_t size, const TxOffload& offload) {
  const std::size_t headers = std::size_t{offload.l2_size} + offload.l3_size + offload.l4_size;
  const std::size_t tcp = std::size_t{offload.l2_size} + offload.l3_size;
  CHECK(offload.tcp_checksum && headers <= size);
  const auto first_seq = load_be<std::uint32_t>(frame.data + tcp + 4);
  for (std::size_t at = headers; at < size;) {
    const std::size_t n = std::min<std::size_t>(offload.segment_size, size - at);
    const TxFrame piece = end_.allocate(static_cast<std::uint32_t>(headers + n));
    if (!piece) break;  // lost
    std::memcpy(piece.data, frame.data, headers);
    std::memcpy(piece.data + headers, frame.data + at, n);
    store_be(piece.data + tcp + 4, static_cast<std::uint32_t>(first_seq + (at - headers)));
    if (at + n < size) piece.data[tcp + 13] &= ~std::byte{kFinAndPush};
    const std::size_t ip_size = headers + n - offload.l2_size;
    if (offload.ipv6) {
      store_be(piece.data + offload.l2_size + 4, static_cast<std::uint16_t>(ip_size - 40));
    } else {
      store_be(piece.data + offload.l2_size + 2, static_cast<std::uint16_t>(ip_size));
    }
    mend_checksums({piece.data, headers + n});
    pass_on(piece, static_cast<std::uint32_t>(headers + n));
    at += n;
  }
  end_.discard(frame);
}

}  // namespace pollux::sim
