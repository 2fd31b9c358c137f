// RFC 6528: initial sequence numbers; RFC 7323, 7.1: timestamp offsets.

#include "tcp/isn.h"

#include <gtest/gtest.h>

#include <set>

namespace pollux::tcp {
namespace {

FlowKey key(std::uint16_t local_port = 80, std::uint16_t remote_port = 40112) {
  return {IpAddress::v4(0xc6120002), IpAddress::v4(0xc6120001), local_port, remote_port};
}

Instant at(Duration t) { return Instant{t}; }

const Secrets kSecrets{HashKey{1, 2}, HashKey{3, 4}};

TEST(Isn, GrowsByTheClockForOneConnection) {  // MUST-8; RFC 6528, 3, M: one in four microseconds
  const SeqNum first = kSecrets.isn(key(), at(1000s));
  EXPECT_EQ(distance(first, kSecrets.isn(key(), at(1000s + 4us))), 1u);
  EXPECT_EQ(distance(first, kSecrets.isn(key(), at(1001s))), 250'000u);
  EXPECT_EQ(distance(first, kSecrets.isn(key(), at(1000s + 1h))), 900'000'000u);
}

TEST(Isn, ClockWrapsWithTheNumbers) {  // every 4.77 hours
  const Duration round = 4us * (std::int64_t{1} << 32);
  EXPECT_EQ(kSecrets.isn(key(), at(1000s)), kSecrets.isn(key(), at(1000s + round)));
}

TEST(Isn, EveryPartOfTheConnectionMatters) {  // SHLD-1; RFC 6528, 3, F()
  const SeqNum base = kSecrets.isn(key(), at(0s));
  FlowKey other = key();
  other.local = IpAddress::v4(0xc6120003);
  EXPECT_NE(kSecrets.isn(other, at(0s)), base);
  other = key();
  other.remote = IpAddress::v4(0xc6120009);
  EXPECT_NE(kSecrets.isn(other, at(0s)), base);
  EXPECT_NE(kSecrets.isn(key(81), at(0s)), base);
  EXPECT_NE(kSecrets.isn(key(80, 40113), at(0s)), base);
}

TEST(Isn, SecretMatters) {  // MUST-9; RFC 6528, 3, secretkey: whoever lacks it cannot compute it
  const Secrets other{HashKey{1, 3}, HashKey{3, 4}};
  const Secrets another{HashKey{2, 2}, HashKey{3, 4}};
  EXPECT_NE(kSecrets.isn(key(), at(0s)), other.isn(key(), at(0s)));
  EXPECT_NE(kSecrets.isn(key(), at(0s)), another.isn(key(), at(0s)));
}

TEST(Isn, NeighbouringPortsAreUnrelated) {  // MUST-9, SHLD-1; RFC 6528, 3, F(): no stride, no bit in common
  std::set<std::uint32_t> seen;
  std::set<std::uint32_t> strides;
  std::array<int, 32> ones{};
  constexpr int kPorts = 4096;
  for (int i = 0; i < kPorts; ++i) {
    const auto port = static_cast<std::uint16_t>(10000 + i);
    const std::uint32_t isn = kSecrets.isn(key(80, port), at(0s)).value();
    seen.insert(isn);
    const SeqNum next = kSecrets.isn(key(80, static_cast<std::uint16_t>(port + 1)), at(0s));
    strides.insert(next.value() - isn);
    for (std::size_t bit = 0; bit < 32; ++bit) ones[bit] += (isn >> bit & 1) != 0 ? 1 : 0;
  }
  EXPECT_GT(seen.size(), kPorts - 10u);
  EXPECT_GT(strides.size(), kPorts - 10u);
  for (const int n : ones) EXPECT_NEAR(n, kPorts / 2, 6 * 32);  // six standard deviations
}

TEST(Isn, NumbersAndTimestampsGoOnWhereOurClockStartsAnew) {  // RFC 6528, 3: a restart is no way back
  // Another machine's boot, 50 s after the first one's: the same moment is 90 s, then 40 s after it.
  const Secrets first{HashKey{1, 2}, HashKey{3, 4}, 1'000'000s};
  const Secrets second{HashKey{1, 2}, HashKey{3, 4}, 1'000'050s};
  EXPECT_EQ(first.isn(key(), at(90s)), second.isn(key(), at(40s)));
  EXPECT_EQ(distance(first.isn(key(), at(90s)), second.isn(key(), at(41s))), 250'000u);
  EXPECT_EQ(second.timestamp_offset(key()) - first.timestamp_offset(key()), 50'000u);
}

TEST(Isn, TimestampOffsetIsTheConnectionsOwnAndStays) {  // RFC 7323, 7.1; RFC 6191 compares across incarnations
  EXPECT_EQ(kSecrets.timestamp_offset(key()), kSecrets.timestamp_offset(key()));
  EXPECT_NE(kSecrets.timestamp_offset(key()), kSecrets.timestamp_offset(key(81)));
  EXPECT_NE(kSecrets.timestamp_offset(key()), kSecrets.isn(key(), at(0s)).value()) << "two keys, two secrets";
}

}  // namespace
}  // namespace pollux::tcp
