#include "dpdk/port.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dpdk/kernel_side.h"
#include "eal_fixture.h"

namespace pollux::dpdk {
namespace {

using testing::HasSubstr;

std::string error_of(const char* text, const PortConfig& config = {}) {
  const auto spec = PortSpec::parse(text);
  if (!spec) return spec.error();
  const auto ports = Port::open(*spec, config);
  return ports ? "" : ports.error();
}

TEST(Port, ANullPortIsDescribed) {
  const auto ports = open_ports("net_null0");
  ASSERT_EQ(ports.size(), 1u);
  EXPECT_THAT(ports[0]->describe(), HasSubstr("net_null net_null0: csum rx/tx sw/sw  tso no  rss "));
  EXPECT_THAT(ports[0]->describe(), HasSubstr("queues 1  mtu 1500"));
}

TEST(Port, AClosedPortsNameAndMemoryAreFreeAgain) {
  for (int i = 0; i < 5; ++i) {
    const auto ports = open_ports("net_null1", {.mbufs = 16384});
    ASSERT_EQ(ports.size(), 1u);
    EXPECT_EQ(ports[0]->outstanding(), 0u);
  }
}

TEST(Port, TwoQueuesOfARingPair) {
  const auto ports = open_ports("ring-pair:queues=2", {.mbufs = 1024, .large_mbufs = 0});
  ASSERT_EQ(ports.size(), 2u);
  EXPECT_EQ(ports[0]->queues(), 2);
  EXPECT_NE(ports[0]->pool(0), ports[0]->pool(1));
  EXPECT_NE(ports[0]->features().mac, ports[1]->features().mac);
  EXPECT_FALSE(ports[0]->rss().has_value());
}

TEST(Port, ATakenNameIsAnError) {
  const auto ports = open_ports("net_null2");
  EXPECT_THAT(error_of("net_null2"), HasSubstr("net_null2 exists already"));
}

TEST(Port, AnUnknownDriverIsAnErrorThatQuotesDpdk) {
  const std::string error = error_of("net_nosuch0");
  EXPECT_THAT(error, HasSubstr("DPDK could not make the port net_nosuch0"));
  EXPECT_THAT(error, HasSubstr("DPDK said"));
}

// With -a, EAL takes a device that does not exist without a word.
TEST(Port, AMissingPciDeviceIsAnError) {
  const std::string error = error_of("0000:99:1f.7");
  EXPECT_THAT(error, HasSubstr("no PCI device 0000:99:1f.7"));
  EXPECT_THAT(error, HasSubstr("dpdk-devbind.py --status-dev net"));
}

TEST(Port, AMissingInterfaceIsAnErrorThatNamesThoseThere) {
  const std::string error = error_of("afpacket:nosuch0");
  EXPECT_THAT(error, HasSubstr("no network interface 'nosuch0'"));
  EXPECT_THAT(error, HasSubstr("lo"));
}

TEST(Port, AMissingCaptureIsAnError) {
  EXPECT_THAT(error_of("pcap:/nowhere/in.pcap"), HasSubstr("cannot read '/nowhere/in.pcap': No such file"));
}

TEST(Port, TooLittleMemoryIsAnErrorThatSaysHowMuchItTakes) {
  const std::string error = error_of("net_null4", {.mbufs = 1'000'000});
  EXPECT_THAT(error, HasSubstr("no memory for the packets of port net_null4"));
  EXPECT_THAT(error, HasSubstr("MB"));
  EXPECT_EQ(error_of("net_null4"), "");
}

TEST(Port, MemoryIsEstimatedFromAbove) {
  EXPECT_GT(port_memory({.queues = 1, .mbufs = 8192}, true), std::size_t{8192} * 2304);
  EXPECT_GT(port_memory({.queues = 1, .mbufs = 8192}, false), std::size_t{8192} * 4096);
  EXPECT_EQ(port_memory({.queues = 4}, true), 4 * port_memory({.queues = 1}, true));
}

// The test's EAL is without huge pages: a page of 4 KB holds one mbuf of 2 KB and its headers.
TEST(Port, ItsPoolsTakeWhatTheirPagesTake) {
  const auto small = open_ports("net_null5", {.mbufs = 4096, .large_mbufs = 0});
  ASSERT_EQ(small.size(), 1u);
  EXPECT_GE(small[0]->pool_bytes(), std::size_t{4096} * 4096);
  EXPECT_LE(small[0]->pool_bytes(), std::size_t{4096} * 4096 * 11 / 10);
  EXPECT_LE(small[0]->pool_bytes(), port_memory({.mbufs = 4096, .large_mbufs = 0}, false));
  const auto with_large = open_ports("net_null6", {.mbufs = 4096, .large_mbufs = 16});
  ASSERT_EQ(with_large.size(), 1u);
  EXPECT_GE(with_large[0]->pool_bytes(), small[0]->pool_bytes() + std::size_t{16} * 65536);
}

// The interface stays the kernel's, whose MTU other programs count on.
TEST(Port, AnInterfaceOfTheKernelKeepsItsMtu) {
  const auto mtu = interface_mtu("lo");
  ASSERT_TRUE(mtu);
  ASSERT_GT(*mtu, 1500);
  EXPECT_EQ(error_of("afpacket:lo"), "");  // CAP_NET_RAW is there: the suite runs in a namespace of its own
  EXPECT_EQ(interface_mtu("lo"), mtu);
  EXPECT_EQ(interface_mtu("nosuch0"), std::nullopt);
}

TEST(KernelOwns, KnowsLoopback) {
  EXPECT_EQ(kernel_owns(*IpAddress::parse("127.0.0.1")), "lo");
  EXPECT_EQ(kernel_owns(*IpAddress::parse("198.18.255.77")), std::nullopt);
}

}  // namespace
}  // namespace pollux::dpdk
