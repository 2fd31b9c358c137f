#include "base/siphash.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "wire/flow_key.h"

namespace pollux {
namespace {

// Key 00 01 .. 0f, data 00 01 .. n-1, as in appendix A of the SipHash paper (its
// own example is the one of 15 bytes); the rest computed with OpenSSL 3.0's SIPHASH.
constexpr HashKey kPaperKey{0x0706050403020100, 0x0f0e0d0c0b0a0908};

struct Vector {
  std::size_t size;
  std::uint64_t hash24;
  std::uint64_t hash13;
};
constexpr Vector kVectors[] = {
    {0, 0x726fdb47dd0e0e31, 0xabac0158050fc4dc},  {1, 0x74f839c593dc67fd, 0xc9f49bf37d57ca93},
    {2, 0x0d6c8009d9a94f5a, 0x82cb9b024dc7d44d},  {3, 0x85676696d7fb7e2d, 0x8bf80ab8e7ddf7fb},
    {7, 0xab0200f58b01d137, 0xd3927d989bb11140},  {8, 0x93f5f5799a932462, 0x369095118d299a8e},
    {9, 0x9e0082df0ba9e4b0, 0x25a48eb36c063de4},  {15, 0xa129ca6149be45e5, 0xd320d86d2a519956},
    {16, 0x3f2acc7f57c29bdb, 0xcc4fdd1a7d908b66}, {31, 0x32d892fad841c342, 0x2370dd1f8c21d1bc},
    {36, 0x314dffbe0815a3b4, 0x2cf508d3ada26206}, {63, 0x958a324ceb064572, 0x9d199062b7bbb3a8},
};

std::vector<std::byte> counting(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i);
  return bytes;
}

TEST(SipHash, AgreesWithTheReferenceVectors) {
  for (const Vector& v : kVectors) {
    EXPECT_EQ(siphash24(kPaperKey, counting(v.size)), v.hash24) << v.size;
    EXPECT_EQ(siphash13(kPaperKey, counting(v.size)), v.hash13) << v.size;
  }
}

TEST(SipHash, OfAValueIsThatOfItsBytes) {
  std::array<std::byte, 36> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i);
  EXPECT_EQ(siphash24_of(kPaperKey, bytes), 0x314dffbe0815a3b4);
  EXPECT_EQ(siphash13_of(kPaperKey, bytes), 0x2cf508d3ada26206);
}

TEST(SipHash, EveryPartOfAFlowAndOfTheKeyCounts) {
  const FlowKey flow{IpAddress::v4(0xc6120002), IpAddress::v4(0xc6120001), 80, 40112};
  const std::uint64_t hash = siphash13_of(kPaperKey, flow);

  FlowKey other = flow;
  other.local = IpAddress::v4(0xc6120003);
  EXPECT_NE(siphash13_of(kPaperKey, other), hash);
  other = flow;
  other.remote = IpAddress::v4(0xc6120003);
  EXPECT_NE(siphash13_of(kPaperKey, other), hash);
  other = flow;
  other.local_port = 81;
  EXPECT_NE(siphash13_of(kPaperKey, other), hash);
  other = flow;
  other.remote_port = 40113;
  EXPECT_NE(siphash13_of(kPaperKey, other), hash);

  EXPECT_NE(siphash13_of({kPaperKey.k0 ^ 1, kPaperKey.k1}, flow), hash);
  EXPECT_NE(siphash13_of({kPaperKey.k0, kPaperKey.k1 ^ 1}, flow), hash);
}

}  // namespace
}  // namespace pollux
