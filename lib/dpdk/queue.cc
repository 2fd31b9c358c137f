#include "dpdk/queue.h"

#include "dpdk/port.h"

namespace pollux::dpdk {

QueueDevice::QueueDevice(const Port& port, std::uint16_t queue)
    : MbufDevice{QueueWire{port.id(), queue, queue}, port.pool(queue), port.large_pool(queue), port.features()} {}

}  // namespace pollux::dpdk
