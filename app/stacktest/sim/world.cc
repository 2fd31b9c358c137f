#include "world.h"

#include <fmt/format.h>

#include <array>

namespace pollux::sim {
namespace {

constexpr std::array<std::string_view, kPeers> kNames{"honest",   "off-path",    "optimistic", "dividing",
                                                      "reneging", "zero-window", "crashing"};

}  // namespace

std::string_view name_of(Peer peer) { return kNames[static_cast<std::size_t>(peer)]; }

std::optional<Peer> peer_named(std::string_view name) {
  for (std::size_t i = 0; i < kPeers; ++i) {
    if (kNames[i] == name) return static_cast<Peer>(i);
  }
  return std::nullopt;
}

std::string to_arguments(const World& world) {
  std::string line = fmt::format("--seed {}", world.seed);
  if (world.peer != Peer::kHonest) line += fmt::format(" --peer {}", name_of(world.peer));
  if (world.flows != UINT32_MAX) line += fmt::format(" --flows {}", world.flows);
  if (world.bytes != UINT64_MAX) line += fmt::format(" --bytes {}", world.bytes);
  if (world.loss) line += fmt::format(" --loss {}", *world.loss);
  if (world.reorder) line += fmt::format(" --reorder {}", *world.reorder);
  if (world.duplicate) line += fmt::format(" --duplicate {}", *world.duplicate);
  if (world.corrupt) line += fmt::format(" --corrupt {}", *world.corrupt);
  if (world.delay)
    line += fmt::format(" --delay {}us", std::chrono::duration_cast<std::chrono::microseconds>(*world.delay).count());
  if (!world.without.empty()) line += fmt::format(" --without {}", world.without.to_string(','));
  return line;
}

}  // namespace pollux::sim
