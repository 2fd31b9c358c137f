#pragma once

#include <utility>
#include <vector>

#include "dpdk/ring.h"
#include "runtime/mailbox.h"
#include "runtime/polled.h"
#include "runtime/steering.h"

namespace pollux::runtime {

// The core of a pipeline that has the port.
class PortPolled final : public Polled {
 public:
  PortPolled(dpdk::QueueWire wire, std::vector<dpdk::Lane> lanes, const SteeringMap& map)
      : core_{wire, std::move(lanes)}, place_{&map} {}

  bool turn(Instant) override {
    const std::size_t commands = mailbox_.drain();
    return core_.turn(place_) + commands != 0;
  }
  std::optional<Instant> next_due(Instant) const override { return std::nullopt; }
  void leave(Instant) override { mailbox_.close(); }

  CoreSnapshot snapshot() override {
    CoreSnapshot s;
    if (!mailbox_.call([&] { s = read(); })) s = read();
    return s;
  }
  void begin_drain() override {}
  void abort_all() override {}
  Remaining remaining() override {
    Remaining left;
    mailbox_.call([&] { left.frames = core_.waiting(); });
    return left;
  }

 private:
  CoreSnapshot read() const {
    CoreSnapshot s;
    s.role = CoreRole::kPort;
    s.loop = loop_;
    for (const dpdk::Lane& lane : core_.lanes()) {
      s.queue.rx_packets += lane.received + lane.rx_dropped;
      s.loop.rx_dropped += lane.rx_dropped;
    }
    s.queue.tx_packets = core_.tx_packets();
    s.queue.tx_full = core_.tx_full();
    s.queue.tx_dropped = core_.tx_dropped();
    return s;
  }

  dpdk::PortCore core_;
  PlaceFrame place_;
  Mailbox<> mailbox_;
};

}  // namespace pollux::runtime
