#pragma once

#include <cstdint>
#include <vector>

#include "load/exchange.h"
#include "load/settings.h"
#include "tcp/config.h"
#include "wire/ip_address.h"

namespace pollux::app {

// What the clients of one core are to do.
struct LoadConfig {
  ExchangeConfig exchange;
  Schedule schedule;         // of this core; without arrivals in the closed loop
  std::uint32_t closed = 0;  // clients back to back on this core
  std::uint32_t held = 0;    // connections that are opened first, and stay open
  std::uint32_t requests = 1;
  std::uint32_t max_connections = 65536;
  Duration think{0};       // before the next request on a connection; in the closed loop before the next connection
  Duration warmup{0};      // what is measured in so long after the start is forgotten
  Duration timeout = 10s;  // of a request and its answer, of an opening; and of the peer's close after the last
  std::uint64_t read_rate = 0;  // bytes per second and connection; 0: as they come
  Closer close = Closer::kServer;
  OnExhaust on_exhaust = OnExhaust::kFail;
  std::vector<IpAddress> sources;  // of both families
  tcp::Options options;
};

}  // namespace pollux::app
