#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "device/impairment.h"
#include "shard/shard.h"
#include "sim_device.h"
#include "tcp/config.h"
#include "time/instant.h"

namespace pollux::sim {

// What a simulated world is made of.
struct NetworkConfig {
  std::uint64_t seed = 1;
  Duration one_way = 10ms;
  double loss = 0;
  double reorder = 0;
  double duplicate = 0;
  std::array<tcp::Config, 2> tcp{};
  // The rest, where a test wants it otherwise. `shard` comes last and may change what was chosen before.
  std::optional<std::array<Impairment, 2>> wire;  // by sender; instead of the four above
  std::array<DeviceFaults, 2> device{};
  std::array<std::size_t, 2> burst = {64, 64};
  Instant start{std::chrono::hours{24 * 49} + std::chrono::hours{17}};  // the milliseconds wrap a quarter hour later
  std::function<void(ShardConfig&, int host)> shard;
  std::uint32_t backlog = 1024;
  std::string capture;  // a pcap file of what is sent; empty: none
};

}  // namespace pollux::sim
