#include "wire/ip_address.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>

#include "frames.h"
#include "wire/flow_key.h"
#include "wire/mac_address.h"

namespace pollux {
namespace {

using test::ip;

TEST(IpAddress, PrintsWhatItParsed) {
  for (const char* text : {"0.0.0.0", "198.18.0.2", "255.255.255.255", "::", "::1", "2001:2::2", "fe80::1",
                           "ff02::1:ff00:2", "2001:db8:1:2:3:4:5:6"}) {
    EXPECT_EQ(to_string(ip(text)), text);
  }
}

TEST(IpAddress, PrintsTheShortestForm) {  // RFC 5952, 4
  EXPECT_EQ(to_string(ip("2001:0002:0:0:0:0:0:0002")), "2001:2::2");
  EXPECT_EQ(to_string(ip("2001:DB8::A")), "2001:db8::a");
  EXPECT_EQ(to_string(ip("2001:db8:0:1:1:1:1:1")), "2001:db8:0:1:1:1:1:1");
}

TEST(IpAddress, MappedIsTheSameAsIpv4) {
  EXPECT_EQ(ip("::ffff:198.18.0.2"), ip("198.18.0.2"));
  EXPECT_TRUE(ip("198.18.0.2").is_v4());
  EXPECT_EQ(ip("198.18.0.2").v4_host_order(), 0xc6120002u);
  EXPECT_FALSE(ip("2001:2::2").is_v4());
  EXPECT_FALSE(ip("::").is_v4());
}

TEST(IpAddress, SaysWhatItCannotParse) {
  for (const char* text :
       {"", "198.18.0", "198.18.0.256", "198.18.0.2 ", " 198.18.0.2", "1.2.3.4.5", "2001:2:::2", "g::1", "2001:2::2/64",
        "localhost", "1234567890123456789012345678901234567890123456789012345678901234567890"}) {
    const auto parsed = IpAddress::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_NE(parsed.error().find(text), std::string::npos);
  }
  EXPECT_FALSE(IpAddress::parse(std::string_view{"1.2.3.4\0", 8}));
}

RC_GTEST_PROP(IpAddress, SurvivesPrintingAndStoring, (std::vector<std::uint8_t> random)) {
  random.resize(16);
  const IpAddress a = IpAddress::v6(reinterpret_cast<const std::byte*>(random.data()));
  RC_ASSERT(ip(to_string(a)) == a);
  const IpAddress b = IpAddress::v4(reinterpret_cast<const std::byte*>(random.data()));
  RC_ASSERT(ip(to_string(b)) == b);
  std::array<std::byte, 16> stored{};
  b.store(stored.data());
  RC_ASSERT(IpAddress::v4(stored.data()) == b);
  RC_ASSERT(std::all_of(stored.begin() + 4, stored.end(), [](std::byte value) { return value == std::byte{}; }));
  a.store(stored.data());
  RC_ASSERT(a.is_v4() || IpAddress::v6(stored.data()) == a);
}

TEST(IpAddress, KnowsItsClass) {
  EXPECT_TRUE(ip("0.0.0.0").is_unspecified());
  EXPECT_TRUE(ip("::").is_unspecified());
  EXPECT_FALSE(ip("0.0.0.1").is_unspecified());

  EXPECT_TRUE(ip("127.255.0.1").is_loopback());
  EXPECT_TRUE(ip("::1").is_loopback());
  EXPECT_FALSE(ip("128.0.0.1").is_loopback());
  EXPECT_FALSE(ip("::").is_loopback());

  EXPECT_TRUE(ip("224.0.0.0").is_multicast());
  EXPECT_TRUE(ip("239.255.255.255").is_multicast());
  EXPECT_TRUE(ip("ff02::1").is_multicast());
  EXPECT_FALSE(ip("223.255.255.255").is_multicast());
  EXPECT_FALSE(ip("240.0.0.0").is_multicast());
  EXPECT_FALSE(ip("fe80::1").is_multicast());

  EXPECT_TRUE(ip("169.254.1.1").is_link_local());
  EXPECT_TRUE(ip("fe80::1").is_link_local());
  EXPECT_TRUE(ip("febf::1").is_link_local());
  EXPECT_FALSE(ip("fec0::1").is_link_local());
  EXPECT_FALSE(ip("169.253.1.1").is_link_local());

  EXPECT_TRUE(ip("255.255.255.255").is_broadcast());
  EXPECT_FALSE(ip("255.255.255.254").is_broadcast());
  EXPECT_FALSE(ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff").is_broadcast());
}

TEST(IpAddress, PlusCarriesThroughTheHostPart) {
  EXPECT_EQ(ip("198.18.0.255").plus(1), ip("198.18.1.0"));
  EXPECT_EQ(ip("198.18.255.255").plus(2), ip("198.19.0.1"));
  EXPECT_EQ(ip("255.255.255.255").plus(1), ip("0.0.0.0"));
  EXPECT_EQ(ip("198.18.0.2").plus(0), ip("198.18.0.2"));
  EXPECT_EQ(ip("2001:2::ffff").plus(1), ip("2001:2::1:0"));
  EXPECT_EQ(ip("2001:2::ffff:ffff").plus(1), ip("2001:2::1:0:0"));
  EXPECT_EQ(ip("2001:2::ffff:ffff:ffff:ffff").plus(1), ip("2001:2::"));
  EXPECT_EQ(ip("2001:2::").plus(0x1'0000'0002), ip("2001:2::1:0:2"));
}

TEST(IpPrefix, ParsesAndPrints) {
  for (const char* text : {"198.18.0.2/24", "0.0.0.0/0", "198.18.0.2/32", "2001:2::2/48", "::/0", "2001:2::2/128"}) {
    const auto prefix = IpPrefix::parse(text);
    ASSERT_TRUE(prefix) << text;
    EXPECT_EQ(to_string(*prefix), text);
  }
  for (const char* text : {"198.18.0.2", "198.18.0.2/", "198.18.0.2/33", "198.18.0.2/-1", "198.18.0.2/2x",
                           "2001:2::2/129", "x/24", "198.18.0.2/256", "198.18.0.2/ 24", "/24"}) {
    EXPECT_FALSE(IpPrefix::parse(text)) << text;
  }
}

TEST(IpAddress, TheOrderIsThatOfNumbersInEveryByte) {
  const char* const sorted[] = {"::",          "1.2.3.4",     "198.17.255.255", "198.18.0.2",   "198.18.1.1",
                                "198.18.1.4",  "198.18.2.0",  "199.0.0.0",      "2001:1::ffff", "2001:2::1",
                                "2001:2::100", "2001:2::1:0", "2001:3::"};
  for (std::size_t i = 0; i < std::size(sorted); ++i) {
    for (std::size_t j = 0; j < std::size(sorted); ++j) {
      EXPECT_EQ(*IpAddress::parse(sorted[i]) < *IpAddress::parse(sorted[j]), i < j) << sorted[i] << ' ' << sorted[j];
    }
  }
}

TEST(IpPrefix, ContainsItsOwnAndNoOther) {
  const auto contains = [](const char* prefix, const char* address) {
    return IpPrefix::parse(prefix)->contains(ip(address));
  };
  EXPECT_TRUE(contains("198.18.0.2/24", "198.18.0.255"));
  EXPECT_FALSE(contains("198.18.0.2/24", "198.18.1.0"));
  EXPECT_TRUE(contains("198.18.0.2/32", "198.18.0.2"));
  EXPECT_FALSE(contains("198.18.0.2/32", "198.18.0.3"));
  EXPECT_TRUE(contains("0.0.0.0/0", "255.1.2.3"));
  EXPECT_FALSE(contains("0.0.0.0/0", "2001:2::1"));
  EXPECT_FALSE(contains("::/0", "198.18.0.1"));
  EXPECT_TRUE(contains("2001:2::/48", "2001:2:0:ffff::1"));
  EXPECT_FALSE(contains("2001:2::/48", "2001:2:1::1"));
  EXPECT_TRUE(contains("2001:2::/64", "2001:2::ffff:0:0:1"));
  EXPECT_TRUE(contains("2001:2::8/125", "2001:2::f"));
  EXPECT_FALSE(contains("2001:2::8/125", "2001:2::10"));
  EXPECT_TRUE(contains("2001:2::8/128", "2001:2::8"));
  EXPECT_FALSE(contains("2001:2::8/128", "2001:2::9"));
}

TEST(IpPrefix, KnowsItsBroadcastAddress) {
  const auto is_broadcast = [](const char* prefix, const char* address) {
    return IpPrefix::parse(prefix)->is_subnet_broadcast(ip(address));
  };
  EXPECT_TRUE(is_broadcast("198.18.0.2/24", "198.18.0.255"));
  EXPECT_FALSE(is_broadcast("198.18.0.2/24", "198.18.1.255"));
  EXPECT_FALSE(is_broadcast("198.18.0.2/24", "198.18.0.254"));
  EXPECT_TRUE(is_broadcast("198.18.0.2/30", "198.18.0.3"));
  EXPECT_FALSE(is_broadcast("198.18.0.2/31", "198.18.0.3"));
  EXPECT_FALSE(is_broadcast("198.18.0.2/32", "198.18.0.2"));
  EXPECT_FALSE(is_broadcast("2001:2::2/64", "2001:2::ffff:ffff:ffff:ffff"));
}

TEST(FlowKey, PrintsBothEnds) {
  EXPECT_EQ(to_string(FlowKey{ip("198.18.0.2"), ip("198.18.0.1"), 80, 40112}), "198.18.0.2:80 198.18.0.1:40112");
  EXPECT_EQ(to_string(FlowKey{ip("2001:2::2"), ip("2001:2::1"), 80, 40112}), "[2001:2::2]:80 [2001:2::1]:40112");
}

TEST(MacAddress, ParsesAndPrints) {
  EXPECT_EQ(to_string(MacAddress::parse("02:00:5e:10:fF:01").value()), "02:00:5e:10:ff:01");
  for (const char* text : {"", "02:00:00:00:00", "02:00:00:00:00:0", "02:00:00:00:00:0g", "02-00-00-00-00-01",
                           "02:00:00:00:00:01:", "+2:00:00:00:00:01", "0x:00:00:00:00:01"}) {
    EXPECT_FALSE(MacAddress::parse(text)) << text;
  }
}

TEST(MacAddress, KnowsItsClass) {
  EXPECT_TRUE(MacAddress::broadcast().is_broadcast());
  EXPECT_TRUE(MacAddress::broadcast().is_group());
  EXPECT_TRUE(MacAddress::parse("01:00:5e:00:00:01")->is_group());
  EXPECT_FALSE(test::kOurMac.is_group());
  EXPECT_TRUE(MacAddress{}.is_zero());
}

}  // namespace
}  // namespace pollux
