#include "dpdk/toeplitz.h"

#include <gtest/gtest.h>

namespace pollux::dpdk {
namespace {

// Microsoft's "Verifying the RSS Hash Calculation": key, addresses, ports and results.
const std::vector<std::uint8_t> kKey{0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
                                     0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
                                     0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

FlowKey flow(const char* from, std::uint16_t from_port, const char* to, std::uint16_t to_port) {
  return {*IpAddress::parse(to), *IpAddress::parse(from), to_port, from_port};
}

TEST(RssMap, HashesIpv4AsPublished) {
  const RssMap map{kKey, {0}};
  EXPECT_EQ(map.hash(flow("66.9.149.187", 2794, "161.142.100.80", 1766)), 0x51ccc178u);
  EXPECT_EQ(map.hash(flow("199.92.111.2", 14230, "65.69.140.83", 4739)), 0xc626b0eau);
}

TEST(RssMap, HashesIpv6AsPublished) {
  const RssMap map{kKey, {0}};
  EXPECT_EQ(map.hash(flow("3ffe:2501:200:1fff::7", 2794, "3ffe:2501:200:3::1", 1766)), 0x40207d3du);
  EXPECT_EQ(map.hash(flow("3ffe:501:8::260:97ff:fe40:efab", 14230, "ff02::1", 4739)), 0xdde51bbfu);
}

TEST(RssMap, TheTablesLowBitsPickTheQueue) {
  const RssMap map{kKey, {7, 8, 9, 10}};
  EXPECT_EQ(map.queue(flow("66.9.149.187", 2794, "161.142.100.80", 1766)), 7);  // ...178
  EXPECT_EQ(map.queue(flow("199.92.111.2", 14230, "65.69.140.83", 4739)), 9);   // ...0ea
}

}  // namespace
}  // namespace pollux::dpdk
