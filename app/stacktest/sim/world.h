#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "time/instant.h"
#include "trouble.h"

namespace pollux::sim {

// Who is at one end of all flows; at the other there is always a host of ours.
enum class Peer : std::uint8_t {
  kHonest,      // another of ours
  kOffPath,     // that, and a stranger who knows addresses and ports and guesses numbers
  kOptimistic,  // acknowledges what it has not received (Savage et al., 1999)
  kDividing,    // acknowledges each segment in many small steps
  kReneging,    // reports text in SACK blocks and then throws it away (RFC 2018, 8)
  kZeroWindow,  // closes its window and never opens it again
  kCrashing,    // loses all state, and starts again
};
inline constexpr std::size_t kPeers = 7;
std::string_view name_of(Peer peer);
std::optional<Peer> peer_named(std::string_view name);
// Whether text may be lost for good, so that not every flow comes to a good end.
constexpr bool loses_data(Peer peer) {
  return peer == Peer::kOptimistic || peer == Peer::kZeroWindow || peer == Peer::kCrashing;
}

// A world: what its seed makes of it, within what is asked of it here.
struct World {
  std::uint64_t seed = 1;
  Peer peer = Peer::kHonest;
  Troubles without{};                // what it does not have, whatever the seed says
  std::uint32_t flows = UINT32_MAX;  // at most
  std::uint64_t bytes = UINT64_MAX;  // each side of a flow sends at most
  std::optional<double> loss{};      // of both directions, instead of the seed's; so are the next four
  std::optional<double> reorder{};
  std::optional<double> duplicate{};
  std::optional<double> corrupt{};
  std::optional<Duration> delay{};  // one way
  std::string capture{};            // a pcap file of all that hosts send; empty: none
};

// "--seed 17 --peer crashing --flows 2": what makes the same world on the command line of `stacktest sim`.
std::string to_arguments(const World& world);

}  // namespace pollux::sim
