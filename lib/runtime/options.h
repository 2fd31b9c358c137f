#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/siphash.h"
#include "device/impaired_device.h"
#include "dpdk/eal.h"
#include "shard/shard_config.h"
#include "wire/frame.h"

namespace pollux::runtime {

// What a core does when there is nothing to do.
enum class IdlePolicy : std::uint8_t {
  kAuto,   // kSleep where the kernel or another worker needs the CPU (virtual devices, shared CPUs), else kSpin
  kSpin,   // polls on
  kPause,  // polls on, with pauses that leave the other hyper-thread its share
  kSleep,  // after some empty turns sleeps for up to half a millisecond, never past the next timer
};

struct EngineOptions {
  dpdk::HugePages hugepages = dpdk::HugePages::kAuto;
  std::vector<unsigned> cores;             // CPUs to poll on, one poller each; empty: those this process may use
  std::vector<std::string> eal_arguments;  // the user's own, passed on last
  std::size_t memory_mb = 0;               // for EAL; 0: computed from the groups
  std::optional<std::uint64_t> seed;  // all keys follow from it: for runs that can be repeated, not for the open net
  // What sequence numbers and timestamps are made with, where it is kept from run to run: then they go on where those
  // of the run before ended, by the wall clock. Empty: new ones.
  std::optional<HashKey> secret;
  IdlePolicy idle = IdlePolicy::kAuto;
  bool verbose = false;
};

// One port, its workers, and what they all are: address, sizes, protocol settings.
struct GroupOptions {
  std::string port;          // as on the command line; "ring-pair:0" and "ring-pair:1" are the two ends of one pair
  unsigned workers = 1;      // stack cores, each with a shard and an application of its own
  bool pipeline = false;     // one more core polls the port and feeds the workers over rings
  ShardConfig shard;         // of each worker. The engine sets mac, mtu, checksums, ownership, keys, answers_arp
  std::uint16_t mtu = 1500;  // asked for; the port may allow less
  std::optional<ChecksumMode> checksums;       // empty: what suits the port
  std::optional<std::string> capture_file;     // all frames, as pcap with nanoseconds
  std::optional<ImpairedDeviceConfig> impair;  // a bad wire before the port
  // Received packets (and their buffers) that the group keeps in order and out of order at most: shard.held_segments
  // each. The port's memory is computed from it.
};

}  // namespace pollux::runtime
