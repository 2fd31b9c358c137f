#include "runtime/steering.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "dpdk/toeplitz.h"

namespace pollux::runtime {
namespace {

using Bytes = std::vector<std::byte>;

const HashKey kKey{0x0123456789abcdef, 0xfedcba9876543210};

// The verification key of Microsoft's RSS specification.
const std::vector<std::uint8_t> kRssKey{0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
                                        0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
                                        0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
                                        0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

std::vector<std::uint16_t> table_of(unsigned cores) {
  std::vector<std::uint16_t> table(128);
  for (std::size_t i = 0; i < table.size(); ++i) table[i] = static_cast<std::uint16_t>(i % cores);
  return table;
}

IpAddress address(const char* text) { return *IpAddress::parse(text); }

FlowKey random_flow(Random& random, bool v4) {
  FlowKey flow;
  if (v4) {
    flow.local = IpAddress::v4(0xc6120000u + static_cast<std::uint32_t>(random.below(4)));
    flow.remote = IpAddress::v4(0xc6130000u + static_cast<std::uint32_t>(random.below(1000)));
  } else {
    flow.local = address("2001:2::1").plus(random.below(4));
    flow.remote = address("2001:2:0:1::1").plus(random.below(1000));
  }
  flow.local_port = static_cast<std::uint16_t>(1 + random.below(65535));
  flow.remote_port = static_cast<std::uint16_t>(1 + random.below(65535));
  return flow;
}

void put(Bytes& to, const IpAddress& a) {
  std::array<std::byte, 16> bytes;
  a.store(bytes.data());
  to.insert(to.end(), bytes.begin(), bytes.begin() + (a.is_v4() ? 4 : 16));
}
void put16(Bytes& to, unsigned value) {
  to.push_back(static_cast<std::byte>(value >> 8));
  to.push_back(static_cast<std::byte>(value));
}

// An IP header in front of `payload`; checksums are none of steering's business.
Bytes ip(const IpAddress& source, const IpAddress& destination, unsigned protocol, const Bytes& payload,
         std::size_t option_words = 0) {
  Bytes packet;
  if (source.is_v4()) {
    packet = {static_cast<std::byte>(0x45 + option_words), std::byte{0}};
    put16(packet, static_cast<unsigned>(20 + 4 * option_words + payload.size()));
    packet.insert(packet.end(), {std::byte{0}, std::byte{0}, std::byte{0x40}, std::byte{0}, std::byte{64},
                                 static_cast<std::byte>(protocol), std::byte{0}, std::byte{0}});
  } else {
    packet = {std::byte{0x60}, std::byte{0}, std::byte{0}, std::byte{0}};
    put16(packet, static_cast<unsigned>(payload.size()));
    packet.insert(packet.end(), {static_cast<std::byte>(protocol), std::byte{64}});
  }
  put(packet, source);
  put(packet, destination);
  packet.insert(packet.end(), 4 * option_words, std::byte{1});
  packet.insert(packet.end(), payload.begin(), payload.end());
  return packet;
}

Bytes tcp(std::uint16_t from, std::uint16_t to) {
  Bytes header;
  put16(header, from);
  put16(header, to);
  header.resize(20);
  return header;
}

Bytes ethernet(unsigned type, const Bytes& packet, bool tagged = false) {
  Bytes frame(12);
  if (tagged) {
    put16(frame, 0x8100);
    put16(frame, 5);
  }
  put16(frame, type);
  frame.insert(frame.end(), packet.begin(), packet.end());
  return frame;
}
unsigned type_of(const IpAddress& a) { return a.is_v4() ? 0x0800 : 0x86dd; }

// A segment of that flow as it arrives here.
Bytes arriving(const FlowKey& flow, bool tagged = false, std::size_t option_words = 0) {
  return ethernet(type_of(flow.local),
                  ip(flow.remote, flow.local, 6, tcp(flow.remote_port, flow.local_port), option_words), tagged);
}

// An ICMP error about a segment of ours, from a router.
Bytes icmp_error(const FlowKey& flow) {
  const bool v4 = flow.local.is_v4();
  Bytes message(8);
  message[0] = std::byte{v4 ? std::uint8_t{3} : std::uint8_t{1}};
  const Bytes quoted = ip(flow.local, flow.remote, 6, tcp(flow.local_port, flow.remote_port));
  message.insert(message.end(), quoted.begin(), quoted.end());
  const IpAddress router = address(v4 ? "198.19.0.254" : "2001:2::fe");
  return ethernet(type_of(flow.local), ip(router, flow.local, v4 ? 1 : 58, message));
}

class Steering : public testing::TestWithParam<bool> {
 protected:
  // Two cores' own copies of a map must agree: made anew from the same key.
  SteeringMap map(unsigned cores) const {
    if (GetParam()) return SteeringMap{cores, kKey, dpdk::RssMap{kRssKey, table_of(cores)}};
    return SteeringMap{cores, kKey};
  }
};
INSTANTIATE_TEST_SUITE_P(KeyedAndRss, Steering, testing::Bool(),
                         [](const auto& param) { return param.param ? "Rss" : "Keyed"; });

TEST_P(Steering, EveryFlowHasOneOwnerWhicheverCoreAsksAndHoweverItsFramesLook) {
  Random random{1};
  for (const unsigned cores : {1u, 2u, 3u, 4u, 7u, 64u}) {
    const SteeringMap one = map(cores);
    const SteeringMap other = map(cores);
    for (int i = 0; i < 500; ++i) {
      const FlowKey flow = random_flow(random, i % 2 == 0);
      const unsigned owner = one.owner(flow);
      ASSERT_LT(owner, cores);
      EXPECT_EQ(other.owner(flow), owner);
      EXPECT_EQ(one.place(arriving(flow)), owner) << to_string(flow);
      EXPECT_EQ(one.place(arriving(flow, true)), owner) << "tagged " << to_string(flow);
      EXPECT_EQ(one.place(icmp_error(flow)), owner) << "quoted " << to_string(flow);
      if (flow.local.is_v4()) {
        EXPECT_EQ(one.place(arriving(flow, false, 3)), owner) << "IP options";
      }
      for (unsigned core = 0; core < cores; ++core) {
        EXPECT_EQ(other.ownership(core).mine(flow), core == owner);
      }
    }
  }
}

TEST_P(Steering, FlowsSpreadEvenly) {
  constexpr unsigned kCores = 4;
  constexpr int kFlows = 20000;
  const SteeringMap m = map(kCores);
  for (const bool v4 : {true, false}) {
    // As a load generator makes them: one address each, ports counting up.
    Random random{2};
    FlowKey flow = random_flow(random, v4);
    std::array<int, kCores> count{};
    for (int i = 0; i < kFlows; ++i) {
      flow.local_port = static_cast<std::uint16_t>(32768 + i);
      ++count[m.owner(flow)];
    }
    for (const int n : count) EXPECT_NEAR(n, kFlows / kCores, kFlows / 20);
  }
}

// An active open draws among the ports that Ownership calls its own (EphemeralPorts): the
// SYN-ACK to each of them must come to the core that sent the SYN.
TEST_P(Steering, RepliesToThePortsOfAnActiveOpenComeHome) {
  constexpr unsigned kCores = 3;
  const SteeringMap m = map(kCores);
  for (const bool v4 : {true, false}) {
    Random random{3};
    FlowKey flow = random_flow(random, v4);
    for (unsigned core = 0; core < kCores; ++core) {
      const Ownership ownership = m.ownership(core);
      int mine = 0;
      for (unsigned port = 32768; port < 61000; ++port) {
        flow.local_port = static_cast<std::uint16_t>(port);
        if (!ownership.mine(flow)) continue;
        ++mine;
        ASSERT_EQ(m.place(arriving(flow)), core);
      }
      EXPECT_GT(mine, 28000 / kCores / 2);
    }
  }
}

TEST(SteeringMap, AnotherKeyDealsFlowsOutAnew) {
  const SteeringMap a{2, {1, 2}};
  const SteeringMap b{2, {1, 3}};
  Random random{4};
  int same = 0;
  for (int i = 0; i < 1000; ++i) {
    const FlowKey flow = random_flow(random, true);
    same += a.owner(flow) == b.owner(flow) ? 1 : 0;
  }
  EXPECT_NEAR(same, 500, 100);
}

TEST(SteeringMap, AddressResolutionGoesToEveryCore) {
  const SteeringMap m{4, kKey};
  EXPECT_EQ(m.place(ethernet(0x0806, Bytes(28))), dpdk::kEveryCore);
  EXPECT_EQ(m.place(ethernet(0x0806, Bytes(28), true)), dpdk::kEveryCore);
  for (const int type : {135, 136}) {
    Bytes message(24);
    message[0] = static_cast<std::byte>(type);
    EXPECT_EQ(m.place(ethernet(0x86dd, ip(address("fe80::1"), address("ff02::1:ff00:1"), 58, message))),
              dpdk::kEveryCore);
  }
}

TEST(SteeringMap, WhatBelongsToNoFlowGoesToCoreZero) {
  const SteeringMap m{4, kKey};
  Bytes echo(8);
  echo[0] = std::byte{8};
  EXPECT_EQ(m.place(ethernet(0x0800, ip(address("198.18.0.1"), address("198.18.0.2"), 1, echo))), 0u);
  EXPECT_EQ(m.place(ethernet(0x0800, ip(address("198.18.0.1"), address("198.18.0.2"), 17, Bytes(8)))), 0u);
  EXPECT_EQ(m.place(ethernet(0x88cc, Bytes(60))), 0u);
}

TEST(SteeringMap, PassesOverIpv6ExtensionHeaders) {
  const SteeringMap m{64, kKey};
  Random random{5};
  const FlowKey flow = random_flow(random, false);
  Bytes options{std::byte{6}, std::byte{1}};
  options.resize(16);
  const Bytes segment = tcp(flow.remote_port, flow.local_port);
  options.insert(options.end(), segment.begin(), segment.end());
  EXPECT_EQ(m.place(ethernet(0x86dd, ip(flow.remote, flow.local, 60, options))), m.owner(flow));
}

TEST(SteeringMap, ReadsNothingOutsideAFrameAndNamesACoreForAll) {
  const SteeringMap m{4, kKey};
  Random random{6};
  for (int i = 0; i < 20000; ++i) {
    const FlowKey flow = random_flow(random, i % 2 == 0);
    const Bytes whole = i % 3 == 0 ? icmp_error(flow) : arriving(flow, i % 5 == 0, i % 7 == 0 ? 2 : 0);
    // A copy of its own size, so that AddressSanitizer sees the byte after it.
    Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(random.below(whole.size() + 1)));
    cut.shrink_to_fit();
    for (int flips = 0; flips < 2 && !cut.empty(); ++flips) {
      cut[random.below(cut.size())] = static_cast<std::byte>(random());
    }
    const unsigned core = m.place(cut);
    EXPECT_TRUE(core < 4 || core == dpdk::kEveryCore);
  }
}

// Against DPDK's own, which goes bit by bit.
TEST(ToeplitzTables, AgreeWithDpdk) {
  const dpdk::RssMap rss{kRssKey, table_of(4)};
  const SteeringMap m{4, kKey, rss};
  Random random{7};
  for (int i = 0; i < 2000; ++i) {
    const FlowKey flow = random_flow(random, i % 2 == 0);
    EXPECT_EQ(m.owner(flow), rss.queue(flow));
  }
}

// Microsoft, "Verifying the RSS hash calculation": 66.9.149.187:2794 to 161.142.100.80:1766.
TEST(ToeplitzTables, GiveThePublishedHash) {
  Bytes input;
  put(input, address("66.9.149.187"));
  put(input, address("161.142.100.80"));
  put16(input, 2794);
  put16(input, 1766);
  EXPECT_EQ(ToeplitzTables{kRssKey}.hash(input.data(), input.size()), 0x51ccc178u);
}

}  // namespace
}  // namespace pollux::runtime
