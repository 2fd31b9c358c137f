#include "runtime/slow_device.h"

#include <utility>

#include "base/assert.h"
#include "device/frame_log.h"
#include "device/impaired_device.h"
#include "runtime/seat.h"
#include "wire/congestion_mark.h"

namespace pollux::runtime {

namespace {

std::unique_ptr<SlowDevice> make_plain_device(const Seat& seat) {
  switch (seat.shape) {
    case Shape::kQueue:
      return std::make_unique<SlowDevice>(make_queue_device(seat));
    case Shape::kSteered:
      return std::make_unique<SlowDevice>(make_steered_device(seat));
    case Shape::kRing:
      return std::make_unique<SlowDevice>(make_ring_device(seat));
  }
  unreachable();
}

}  // namespace

// The capture is next to the port: it has what was on the wire, before the loss of what
// came and after the loss of what went.
std::unique_ptr<SlowDevice> make_slow_device(const Seat& seat) {
  std::unique_ptr<SlowDevice> device = make_plain_device(seat);
  if (seat.capture != nullptr) {
    auto tapped = std::make_unique<Tapped<SlowDevice, CaptureLog>>(*device, CaptureLog{seat.capture});
    device = std::make_unique<SlowDevice>(std::move(tapped), std::move(device));
  }
  if (seat.impair) {
    ImpairedDeviceConfig config = *seat.impair;
    config.mark = mark_congestion;
    auto impaired = std::make_unique<ImpairedDevice<SlowDevice>>(*device, config);
    device = std::make_unique<SlowDevice>(std::move(impaired), std::move(device));
  }
  return device;
}

}  // namespace pollux::runtime
