#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "device/impaired_device.h"
#include "dpdk/port.h"
#include "dpdk/queue.h"
#include "dpdk/ring.h"
#include "runtime/capture.h"
#include "runtime/slow_device.h"
#include "runtime/steering.h"
#include "runtime/worker.h"

namespace pollux::runtime {

// Frames between two cores: as many as a port has descriptors.
inline constexpr unsigned kRingSize = 1024;

// How a worker is joined to its port.
enum class Shape : std::uint8_t {
  kQueue,    // has the port to itself
  kSteered,  // has a queue of it, and passes on what belongs to other workers
  kRing,     // sits behind a port core
};

using SteeredDevice = dpdk::SteeringDevice<PlaceFrame>;

// All that a worker is made from. What it points to outlives the worker.
struct Seat {
  std::string group;
  unsigned worker = 0;
  unsigned cpu = 0;
  ShardConfig shard;
  Instant start;
  const dpdk::Port* port = nullptr;
  Shape shape = Shape::kQueue;
  std::uint16_t queue = 0;
  const SteeringMap* map = nullptr;      // kSteered
  std::vector<dpdk::MbufRing*> inboxes;  // kSteered
  dpdk::MbufRing* from_port = nullptr;   // kRing
  dpdk::MbufRing* to_port = nullptr;     // kRing
  Capture* capture = nullptr;
  std::optional<ImpairedDeviceConfig> impair;

  bool slow() const { return capture != nullptr || impair.has_value(); }
};

inline std::unique_ptr<dpdk::QueueDevice> make_queue_device(const Seat& seat) {
  return std::make_unique<dpdk::QueueDevice>(*seat.port, seat.queue);
}
inline std::unique_ptr<SteeredDevice> make_steered_device(const Seat& seat) {
  dpdk::SteeringWire<PlaceFrame> wire{dpdk::QueueWire{seat.port->id(), seat.queue, seat.queue}, PlaceFrame{seat.map},
                                      seat.worker, seat.inboxes};
  return std::make_unique<SteeredDevice>(std::move(wire), seat.port->pool(seat.queue),
                                         seat.port->large_pool(seat.queue), seat.port->features());
}
inline std::unique_ptr<dpdk::RingDevice> make_ring_device(const Seat& seat) {
  return std::make_unique<dpdk::RingDevice>(seat.from_port, seat.to_port, seat.port->pool(seat.queue),
                                            seat.port->large_pool(seat.queue), seat.port->features());
}

// With a capture, a bad wire or both around it.
std::unique_ptr<SlowDevice> make_slow_device(const Seat& seat);

template <App A, Device D>
std::unique_ptr<Host<A>> seat_at(std::unique_ptr<D> device, const Seat& seat, std::unique_ptr<A> app) {
  D& used = *device;
  return std::make_unique<Worker<D, A>>(used, std::shared_ptr<D>{std::move(device)}, seat.shard, std::move(app),
                                        seat.start);
}

template <App A>
std::unique_ptr<Host<A>> build_host(const Seat& seat, std::unique_ptr<A> app) {
  if (seat.slow()) return seat_at<A>(make_slow_device(seat), seat, std::move(app));
  switch (seat.shape) {
    case Shape::kQueue:
      return seat_at<A>(make_queue_device(seat), seat, std::move(app));
    case Shape::kSteered:
      return seat_at<A>(make_steered_device(seat), seat, std::move(app));
    case Shape::kRing:
      return seat_at<A>(make_ring_device(seat), seat, std::move(app));
  }
  unreachable();
}

}  // namespace pollux::runtime
