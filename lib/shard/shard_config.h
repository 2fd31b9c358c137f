#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/memory.h"
#include "base/siphash.h"
#include "shard/ephemeral_ports.h"
#include "shard/time_wait_table.h"
#include "tcp/config.h"
#include "tcp/fast_open.h"
#include "time/instant.h"
#include "wire/flow_key.h"
#include "wire/frame.h"
#include "wire/ip_address.h"
#include "wire/mac_address.h"

namespace pollux {

// Which shard a connection lives on, when the shards share what arrives. A function
// of the flow alone, so that every core gives the same answer.
struct Ownership {
  // nullptr: this shard owns all. `context` is passed through.
  std::uint16_t (*owner)(const void* context, const FlowKey& key) = nullptr;
  const void* context = nullptr;
  std::uint16_t self = 0;  // this shard's number

  bool mine(const FlowKey& key) const { return owner == nullptr || owner(context, key) == self; }
};

// Addresses that the shard answers for: `count` from prefix.address on. The prefix
// also says what is on the link.
struct LocalAddresses {
  IpPrefix prefix;
  std::uint32_t count = 1;
};

// The secrets of a shard. From the machine's random source; given in tests. Shards
// of one engine share flow, isn, timestamp and Fast Open keys, so that any of them agrees on a flow.
struct ShardKeys {
  HashKey flow;
  HashKey isn;
  HashKey timestamp;
  std::uint64_t random_seed = 0;  // for port choice
  Duration clock_origin{0};       // what a clock that goes on between runs reads when ours reads zero
  tcp::FastOpenKeys fast_open{};  // the same for all servers behind one address
};

// All sizes are limits: everything is taken at start, nothing afterwards.
struct ShardConfig {
  tcp::Config tcp;
  std::vector<LocalAddresses> addresses;
  std::vector<IpAddress> gateways;  // at most one of each family
  MacAddress mac;
  std::uint16_t mtu = 1500;  // the largest IP packet
  std::uint16_t vlan = 0;    // 0: untagged
  ChecksumMode checksums = ChecksumMode::kSoftware;
  Ownership ownership;
  ShardKeys keys;

  std::uint32_t max_connections = 65536;
  std::uint32_t max_half_open = 16384;  // per address family
  std::uint32_t max_time_wait_v4 = 262144;
  std::uint32_t max_time_wait_v6 = 65536;
  TimeWaitTable::FullPolicy time_wait_full = TimeWaitTable::FullPolicy::kEvictOldest;
  std::uint32_t send_blocks = 16384;    // of 2 KiB, for copied text
  std::uint32_t held_segments = 65536;  // received packets that wait, in order or not
  std::uint32_t sacked_ranges = 65536;  // of 32 B: what peers say they hold beyond what they acknowledge
  std::uint32_t ledgers = 0;            // so many connections at a time are counted for Tcb::info(), for 112 B each
  std::uint16_t first_port = 32768;     // ephemeral ports
  std::uint16_t last_port = 60999;
  std::uint32_t max_destinations = 64;       // with a port pool each
  std::uint32_t fast_open_servers = 1024;    // whose cookies are kept, where tcp.fast_open_client is on; 72 B each
  bool reuse_time_wait = true;               // active open over TIME-WAIT where timestamps prove it safe (RFC 6191)
  std::uint32_t resets_per_second = 10'000;  // in answer to segments of no connection; 0: no limit
  bool answers_arp = true;                   // one shard of an engine does, the others only learn
  Pages pages = Pages::kTransparent;
};

}  // namespace pollux
