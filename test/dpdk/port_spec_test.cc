#include "dpdk/port_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pollux::dpdk {
namespace {

using testing::HasSubstr;

struct Good {
  const char* text;
  PortKind kind;
  const char* driver;
  const char* device;
  const char* arguments;
};

void PrintTo(const Good& good, std::ostream* out) { *out << good.text; }

class GoodSpec : public testing::TestWithParam<Good> {};

TEST_P(GoodSpec, IsUnderstood) {
  const Good& expected = GetParam();
  const auto spec = PortSpec::parse(expected.text);
  ASSERT_TRUE(spec.has_value()) << spec.error();
  EXPECT_EQ(spec->text, expected.text);
  EXPECT_EQ(spec->kind, expected.kind);
  EXPECT_EQ(spec->driver, expected.driver);
  EXPECT_EQ(spec->device, expected.device);
  EXPECT_EQ(spec->arguments, expected.arguments);
}

INSTANTIATE_TEST_SUITE_P(
    PortSpec, GoodSpec,
    testing::Values(Good{"tap", PortKind::kTap, "net_tap", "", "iface=plx0"},
                    Good{"tap:name=blue", PortKind::kTap, "net_tap", "", "iface=blue"},
                    Good{"tap,name=blue", PortKind::kTap, "net_tap", "", "iface=blue"},
                    Good{"tap:mac=02:00:00:00:00:0a,queues=4", PortKind::kTap, "net_tap", "",
                         "mac=02:00:00:00:00:0a,iface=plx0"},
                    Good{"tap:mac=fixed,persist", PortKind::kTap, "net_tap", "", "mac=fixed,persist,iface=plx0"},
                    Good{"memif:server,/run/a.sock", PortKind::kMemif, "net_memif", "",
                         "role=server,socket=/run/a.sock,socket-abstract=no,rsize=12"},
                    Good{"memif:client,@name,rsize=10,bsize=4096", PortKind::kMemif, "net_memif", "",
                         "role=client,socket=name,socket-abstract=yes,rsize=10,bsize=4096"},
                    Good{"ring", PortKind::kRing, "net_ring", "", ""},
                    Good{"ring-pair", PortKind::kRingPair, "net_ring", "", ""},
                    Good{"memif-pair", PortKind::kMemifPair, "net_memif", "", ""},
                    Good{"pcap:in.pcap,out.pcap", PortKind::kPcap, "net_pcap", "", "rx_pcap=in.pcap,tx_pcap=out.pcap"},
                    Good{"pcap:in.pcap", PortKind::kPcap, "net_pcap", "", "rx_pcap=in.pcap"},
                    Good{"pcap:,out.pcap", PortKind::kPcap, "net_pcap", "", "tx_pcap=out.pcap"},
                    Good{"afpacket:eth1", PortKind::kAfPacket, "net_af_packet", "", "iface=eth1"},
                    Good{"afpacket:eth1,qpairs=2,blocksz=8192", PortKind::kAfPacket, "net_af_packet", "",
                         "iface=eth1,qpairs=2,blocksz=8192"},
                    Good{"0000:81:00.0", PortKind::kPci, "", "0000:81:00.0", ""},
                    Good{"81:00.1", PortKind::kPci, "", "0000:81:00.1", ""},
                    Good{"net_null3", PortKind::kVdev, "net_null", "net_null3", ""},
                    Good{"net_virtio_user0,path=/tmp/v,queues=2", PortKind::kVdev, "net_virtio_user",
                         "net_virtio_user0", "path=/tmp/v,queues=2"}));

struct Bad {
  const char* text;
  const char* part;  // what the error must name
  const char* advice;
};

void PrintTo(const Bad& bad, std::ostream* out) { *out << bad.text; }

class BadSpec : public testing::TestWithParam<Bad> {};

TEST_P(BadSpec, SaysWhatIsWrongAndWhatMayBeMeant) {
  const auto spec = PortSpec::parse(GetParam().text);
  ASSERT_FALSE(spec.has_value());
  EXPECT_THAT(spec.error(), HasSubstr(std::string{"--port "} + GetParam().text));
  EXPECT_THAT(spec.error(), HasSubstr(GetParam().part));
  EXPECT_THAT(spec.error(), HasSubstr(GetParam().advice));
}

INSTANTIATE_TEST_SUITE_P(
    PortSpec, BadSpec,
    testing::Values(Bad{"tab", "'tab'", "did you mean 'tap'"}, Bad{"memiff:server,/x", "'memiff'", "'memif'"},
                    Bad{"whatever", "'whatever'", "tap:name=plx0"},
                    Bad{"tap:kernal=198.18.0.1/24", "'kernal'", "did you mean 'kernel'"},
                    Bad{"tap:kernel=198.18.0.1/99", "kernel=198.18.0.1/99", "198.18.0.1/24"},
                    Bad{"tap:name=", "empty", "name"}, Bad{"tap:name=a-name-too-long-for-it", "a-name-too-long", "15"},
                    Bad{"tap:mac=12:34", "mac=12:34", "02:00:00:00:00:01"}, Bad{"tap:queues=0", "queues=0", "1 to 16"},
                    Bad{"tap:queues=two", "queues=two", "1 to 16"}, Bad{"tap:queues=17", "queues=17", "1 to 16"},
                    Bad{"memif", "''", "memif:server,PATH"}, Bad{"memif:sever,/x", "'sever'", "'server'"},
                    Bad{"memif:server", "path is missing", "memif:server,/run"},
                    Bad{"memif:server,relative", "'relative'", "must begin with '/'"},
                    Bad{"memif:server,/x,rsize", "'rsize'", "KEY=VALUE"}, Bad{"pcap", "pcap:IN,OUT", "read"},
                    Bad{"pcap:a,b,c", "pcap:IN,OUT", "write"}, Bad{"afpacket", "interface is missing", "eth1"},
                    Bad{"ring:size=4", "'size=4'", "queues=N"}, Bad{"net_null", "number", "'net_null0'"}));

TEST(PortSpec, AnEmptyOneListsAllForms) {
  const auto spec = PortSpec::parse("");
  ASSERT_FALSE(spec.has_value());
  EXPECT_THAT(spec.error(), HasSubstr("--port is empty"));
  EXPECT_THAT(spec.error(), HasSubstr("0000:81:00.0"));
}

TEST(PortSpec, ATapHasAddressesForTheKernel) {
  const auto spec = PortSpec::parse("tap:name=plx7,kernel=198.18.0.1/24,kernel=2001:2::1/64,queues=2");
  ASSERT_TRUE(spec.has_value()) << spec.error();
  EXPECT_EQ(spec->interface, "plx7");
  ASSERT_EQ(spec->kernel.size(), 2u);
  EXPECT_EQ(spec->kernel[0], *IpPrefix::parse("198.18.0.1/24"));
  EXPECT_EQ(spec->kernel[1], *IpPrefix::parse("2001:2::1/64"));
  EXPECT_EQ(spec->queues, 2);
}

TEST(PortSpec, PairsAreKnown) {
  EXPECT_TRUE(PortSpec::parse("ring-pair")->is_pair());
  EXPECT_TRUE(PortSpec::parse("memif-pair:queues=2")->is_pair());
  EXPECT_FALSE(PortSpec::parse("ring")->is_pair());
}

}  // namespace
}  // namespace pollux::dpdk
