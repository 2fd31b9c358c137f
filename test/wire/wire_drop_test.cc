#include "wire/wire_drop.h"

#include <gtest/gtest.h>

#include <set>

namespace pollux {
namespace {

TEST(WireDrop, EachHasANameOfItsOwnAndASentence) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kWireDropCount; ++i) {
    const auto drop = static_cast<WireDrop>(i);
    EXPECT_EQ(name(drop).find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_"), std::string_view::npos);
    EXPECT_GT(describe(drop).size(), 10u);
    names.insert(name(drop));
  }
  EXPECT_EQ(names.size(), kWireDropCount);
  EXPECT_EQ(names.count(""), 0u);
}

TEST(WireDrop, NamesStandBesideTheirEnumerators) {
  EXPECT_EQ(name(WireDrop::kNone), "none");
  EXPECT_EQ(name(WireDrop::kL2Vlan), "l2_vlan");
  EXPECT_EQ(name(WireDrop::kArpMalformed), "arp_malformed");
  EXPECT_EQ(name(WireDrop::kIpSourceRoute), "ip_source_route");
  EXPECT_EQ(name(WireDrop::kIpProtocol), "ip_protocol");
  EXPECT_EQ(name(WireDrop::kTcpDataOffset), "tcp_doff");
  EXPECT_EQ(name(WireDrop::kTcpPort), "tcp_port");
  EXPECT_EQ(name(WireDrop::kIcmpQuote), "icmp_quote");
  EXPECT_EQ(name(WireDrop::kNdMalformed), "nd_malformed");
}

}  // namespace
}  // namespace pollux
