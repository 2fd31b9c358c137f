#include "serve_setup.h"

#include <gtest/gtest.h>

namespace pollux::app {
namespace {

Options with(const std::vector<std::pair<const char*, std::uint32_t>>& addresses, const char* port = "") {
  Options options;
  options.port = port;
  for (const auto& [prefix, count] : addresses) options.shard.addresses.push_back({*IpPrefix::parse(prefix), count});
  return options;
}

std::string port_for(Options options) {
  fill_in_defaults(options, 80);
  return options.port;
}

TEST(FillInDefaults, WithNothingGivenItIsATapWithBothSidesAddressed) {
  Options options;
  fill_in_defaults(options, 80);
  EXPECT_EQ(options.port, "tap:name=plx0,kernel=198.18.0.1/24,kernel=2001:2::1/64");
  ASSERT_EQ(options.shard.addresses.size(), 2u);
  EXPECT_EQ(to_string(options.shard.addresses[0].prefix), "198.18.0.2/24");
  EXPECT_EQ(options.listen, 80);
  EXPECT_EQ(options.workers, 1u);
}

TEST(FillInDefaults, WhatWasGivenStays) {
  Options options = with({{"10.9.0.2/24", 1}}, "ring");
  options.listen = 8080;
  options.workers = 3;
  fill_in_defaults(options, 80);
  EXPECT_EQ(options.port, "ring");
  EXPECT_EQ(options.shard.addresses.size(), 1u);
  EXPECT_EQ(options.listen, 8080);
  EXPECT_EQ(options.workers, 3u);
}

TEST(FillInDefaults, TheKernelsSideOfTheTapIsOnOurNetworks) {
  EXPECT_EQ(port_for(with({{"10.9.0.2/24", 1}})), "tap:name=plx0,kernel=10.9.0.1/24");
  EXPECT_EQ(port_for(with({{"10.9.0.1/24", 1}})), "tap:name=plx0,kernel=10.9.0.2/24");
  EXPECT_EQ(port_for(with({{"10.9.7.77/16", 1}})), "tap:name=plx0,kernel=10.9.0.1/16");
  EXPECT_EQ(port_for(with({{"10.9.0.1/24", 100}, {"10.9.0.101/24", 1}})), "tap:name=plx0,kernel=10.9.0.102/24");
  EXPECT_EQ(port_for(with({{"10.9.0.2/24", 1}, {"10.9.0.3/24", 1}, {"fd00::5/64", 1}})),
            "tap:name=plx0,kernel=10.9.0.1/24,kernel=fd00::1/64");
  EXPECT_EQ(port_for(with({{"fd00::1/64", 1}})), "tap:name=plx0,kernel=fd00::2/64");
  EXPECT_EQ(port_for(with({{"10.9.0.1/31", 1}})), "tap:name=plx0,kernel=10.9.0.0/31");
}

TEST(FillInDefaults, AGatewayOnOurNetworkIsTheKernel) {
  Options options = with({{"10.9.0.2/24", 1}});
  options.shard.gateways = {*IpAddress::parse("10.9.0.254")};
  EXPECT_EQ(port_for(options), "tap:name=plx0,kernel=10.9.0.254/24");
}

TEST(FillInDefaults, ANetworkThatIsAllOursHasNoRoomForTheKernel) {
  EXPECT_EQ(port_for(with({{"10.9.0.2/32", 1}})), "tap:name=plx0");
  EXPECT_EQ(port_for(with({{"10.9.0.1/30", 2}})), "tap:name=plx0");
  EXPECT_EQ(port_for(with({{"fd00::1/128", 1}})), "tap:name=plx0");
}

TEST(KernelSideHint, IsForATapWithoutAnAddressOnly) {
  EXPECT_EQ(kernel_side_hint(with({{"10.9.0.2/24", 1}}, "tap:name=blue")),
            "kernel side: ip link set blue up && ip addr add 10.9.0.1/24 dev blue\n");
  EXPECT_EQ(kernel_side_hint(with({{"10.9.0.2/32", 1}}, "tap:name=blue")),
            "kernel side: ip link set blue up && ip route add 10.9.0.2 dev blue\n");
  EXPECT_EQ(kernel_side_hint(with({{"10.9.0.2/24", 1}}, "tap:name=blue,kernel=10.9.0.9/24")), "");
  EXPECT_EQ(kernel_side_hint(with({{"10.9.0.2/24", 1}}, "afpacket:eth1")), "");
  EXPECT_EQ(kernel_side_hint(with({{"10.9.0.2/24", 1}}, "ring")), "");
}

}  // namespace
}  // namespace pollux::app
