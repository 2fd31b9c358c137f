#include "shard/neighbour_table.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>
#include <tuple>
#include <vector>

#include "base/random.h"

namespace pollux {
namespace {

using enum NeighbourState;

constexpr Instant kStart{5s};
constexpr std::uint32_t kNoWaiter = NeighbourTable::kNoWaiter;
constexpr MacAddress kMac{{2, 0, 0, 0, 0, 1}};
constexpr MacAddress kOtherMac{{2, 0, 0, 0, 0, 2}};

IpAddress host(std::uint32_t n) { return IpAddress::v4(0xc6120000 + n); }

IpAddress v6_host(std::uint8_t n) {
  std::byte bytes[16]{std::byte{0x20}, std::byte{0x01}, std::byte{0}, std::byte{2}};
  bytes[15] = std::byte{n};
  return IpAddress::v6(bytes);
}

using Ids = std::vector<std::uint32_t>;

struct Asked {
  IpAddress address;
  bool directly;
  friend bool operator==(const Asked&, const Asked&) = default;
};

// A table, and what it calls back.
struct Neighbours {
  explicit Neighbours(std::uint32_t capacity = 1024) : table{{.capacity = capacity, .hash_key = {5, 6}}} {}

  NeighbourTable::Resolved resolve(const IpAddress& address, Instant now, std::uint32_t waiter = kNoWaiter) {
    return table.resolve(address, waiter, now);
  }
  // Who is woken.
  Ids heard(const IpAddress& address, const MacAddress& mac, Instant now, bool solicited = true) {
    Ids woken;
    table.heard(address, mac, solicited, now, [&](std::uint32_t id) { woken.push_back(id); });
    return woken;
  }
  std::vector<Asked> tick(Instant now, std::size_t budget = SIZE_MAX) {
    std::vector<Asked> asked;
    table.tick(
        now, budget,
        [&](const IpAddress& address, const MacAddress* mac) {
          asked.push_back({address, mac != nullptr});
        },
        [&](std::uint32_t id) { lost.push_back(id); });
    return asked;
  }

  NeighbourTable table;
  Ids lost;
};

using Requests = std::vector<Asked>;

TEST(NeighbourTable, TheFirstWishToSendAsksAtOnce) {
  Neighbours n;
  const auto unknown = n.resolve(host(1), kStart);
  EXPECT_TRUE(unknown.hop);
  EXPECT_EQ(unknown.mac, nullptr);
  EXPECT_EQ(unknown.state, kIncomplete);
  EXPECT_TRUE(unknown.send_request);
  EXPECT_EQ(n.table.mac(unknown.hop), nullptr);
  EXPECT_FALSE(n.table.idle());

  EXPECT_EQ(n.heard(host(1), kMac, kStart + 1ms), Ids{});
  ASSERT_NE(n.table.mac(unknown.hop), nullptr);
  EXPECT_EQ(*n.table.mac(unknown.hop), kMac);
  const auto known = n.resolve(host(1), kStart + 2ms);
  EXPECT_EQ(known.hop, unknown.hop);
  EXPECT_EQ(*known.mac, kMac);
  EXPECT_EQ(known.state, kReachable);
  EXPECT_FALSE(known.send_request);
  EXPECT_TRUE(n.table.idle());
}

TEST(NeighbourTable, BothFamiliesLiveInIt) {
  Neighbours n;
  n.resolve(v6_host(1), kStart);
  n.resolve(host(1), kStart);
  n.heard(v6_host(1), kMac, kStart);
  n.heard(host(1), kOtherMac, kStart);
  EXPECT_EQ(*n.resolve(v6_host(1), kStart).mac, kMac);
  EXPECT_EQ(*n.resolve(host(1), kStart).mac, kOtherMac);
  EXPECT_EQ(n.table.size(), 2u);
}

TEST(NeighbourTable, AnHourWithoutAnswerIsARequestASecondAtMost) {  // RFC 1122, 2.3.2.1
  Neighbours n;
  int requests = 0;
  Instant last = kStart - 1s;
  const auto note = [&](Instant now) {
    EXPECT_GE(now - last, 1s);
    last = now;
    ++requests;
  };
  for (Instant now = kStart; now < kStart + 1h; now += 50ms) {
    if (n.resolve(host(1), now, 7).send_request) note(now);
    for (const Asked& asked : n.tick(now)) {
      EXPECT_EQ(asked, (Asked{host(1), false}));
      note(now);
    }
  }
  EXPECT_GT(requests, 2000);
  EXPECT_LE(requests, 3600);
  EXPECT_EQ(n.table.counters().requests, static_cast<std::uint64_t>(requests));
}

TEST(NeighbourTable, ThreeRequestsThenUnreachable) {  // RFC 4861, 10: MAX_MULTICAST_SOLICIT
  Neighbours n;
  n.resolve(host(1), kStart, 70);
  n.resolve(host(1), kStart, 71);
  EXPECT_EQ(n.tick(kStart + 999ms), Requests{});
  EXPECT_EQ(n.tick(kStart + 1s).size(), 1u);
  EXPECT_EQ(n.tick(kStart + 2s).size(), 1u);
  EXPECT_EQ(n.lost, Ids{});
  EXPECT_EQ(n.tick(kStart + 3s).size(), 0u);
  EXPECT_EQ(n.lost, (Ids{70, 71}));
  EXPECT_EQ(n.table.state(host(1)), kUnreachable);
  EXPECT_TRUE(n.table.idle());
  EXPECT_EQ(n.tick(kStart + 100s), Requests{});

  EXPECT_TRUE(n.resolve(host(1), kStart + 100s).send_request);  // wanted again
  EXPECT_EQ(n.table.state(host(1)), kIncomplete);
}

TEST(NeighbourTable, UnreachableIsToldToWhoeverWantsItWithinTheNextSecond) {
  Neighbours n;
  n.resolve(host(1), kStart);
  for (int i = 1; i <= 3; ++i) n.tick(kStart + i * 1s);
  const auto soon = n.resolve(host(1), kStart + 3999ms, 7);
  EXPECT_TRUE(soon.hop);
  EXPECT_EQ(soon.state, kUnreachable);
  EXPECT_FALSE(soon.send_request);
  EXPECT_EQ(soon.mac, nullptr);
  const auto later = n.resolve(host(1), kStart + 4s, 8);
  EXPECT_EQ(later.state, kIncomplete);
  EXPECT_TRUE(later.send_request);
  EXPECT_EQ(n.heard(host(1), kMac, kStart + 4s), Ids{8});
}

TEST(NeighbourTable, ThreeAreWokenMoreAreNotRemembered) {
  Neighbours n;
  for (const std::uint32_t waiter : {10u, 11u, 11u, kNoWaiter, 12u, 13u}) n.resolve(host(1), kStart, waiter);
  EXPECT_EQ(n.table.counters().waiters_dropped, 1u);
  EXPECT_EQ(n.heard(host(1), kMac, kStart), (Ids{10, 11, 12}));
  EXPECT_EQ(n.heard(host(1), kMac, kStart), Ids{});  // once
}

TEST(NeighbourTable, WhatNobodyAskedAboutMakesNoEntry) {
  Neighbours n;
  Random random{1};
  for (int i = 0; i < 100'000; ++i) {
    n.heard(host(static_cast<std::uint32_t>(random.below(70'000))), kMac, kStart, i % 2 == 0);
  }
  EXPECT_EQ(n.table.size(), 0u);
  EXPECT_EQ(n.table.counters().ignored, 100'000u);
}

TEST(NeighbourTable, AnAddressThatNoStationHasIsNotBelieved) {
  Neighbours n;
  n.resolve(host(1), kStart);
  n.heard(host(1), MacAddress::broadcast(), kStart);
  n.heard(host(1), MacAddress{{0x33, 0x33, 0, 0, 0, 1}}, kStart);
  n.heard(host(1), MacAddress{}, kStart);
  EXPECT_EQ(n.table.state(host(1)), kIncomplete);
  EXPECT_EQ(n.table.counters().ignored, 3u);
}

TEST(NeighbourTable, AnEntryMovesAtMostOnceASecond) {  // threat C21
  Neighbours n;
  n.resolve(host(1), kStart);
  n.heard(host(1), kMac, kStart);
  n.heard(host(1), kOtherMac, kStart + 999ms, false);
  EXPECT_EQ(*n.resolve(host(1), kStart + 999ms).mac, kMac);
  EXPECT_EQ(n.table.counters().change_refused, 1u);

  n.heard(host(1), kOtherMac, kStart + 1s, false);
  EXPECT_EQ(*n.resolve(host(1), kStart + 1s).mac, kOtherMac);
  EXPECT_EQ(n.table.counters().changed, 1u);
  n.heard(host(1), kMac, kStart + 1500ms);
  EXPECT_EQ(*n.resolve(host(1), kStart + 1500ms).mac, kOtherMac);
}

TEST(NeighbourTable, AnUnsolicitedChangeIsNoProofOfReachability) {  // RFC 4861, 7.2.5
  Neighbours n;
  n.resolve(host(1), kStart);
  n.heard(host(1), kMac, kStart);
  n.heard(host(1), kOtherMac, kStart + 2s, false);
  EXPECT_EQ(n.table.state(host(1)), kStale);
  n.heard(host(1), kOtherMac, kStart + 2s, true);
  EXPECT_EQ(n.table.state(host(1)), kReachable);
}

TEST(NeighbourTable, AStrangerWhoRepeatsWhatIsKnownChangesNothing) {
  Neighbours n;
  n.resolve(host(1), kStart);
  n.heard(host(1), kMac, kStart);
  n.heard(host(1), kMac, kStart + 20s, false);
  EXPECT_EQ(n.table.state(host(1)), kReachable);
  EXPECT_EQ(n.resolve(host(1), kStart + 31s).state, kProbing);  // not confirmed by it either
}

TEST(NeighbourTable, ARemovedEntryLeavesItsPlace) {
  Neighbours n{2};
  for (int i = 0; i < 10; ++i) {
    for (std::uint32_t h = 0; h < 2; ++h) ASSERT_TRUE(n.table.add_static(host(h), kMac));
    for (std::uint32_t h = 0; h < 2; ++h) ASSERT_TRUE(n.table.remove(host(h)));
  }
  EXPECT_EQ(n.table.size(), 0u);
}

TEST(NeighbourTable, AStaticEntryNeitherMovesNorExpiresNorGoes) {
  Neighbours n{3};
  ASSERT_TRUE(n.table.add_static(host(1), kMac));
  n.heard(host(1), kOtherMac, kStart + 10s);
  const auto gateway = n.resolve(host(1), kStart + 20h);
  EXPECT_EQ(*gateway.mac, kMac);
  EXPECT_EQ(gateway.state, kReachable);
  EXPECT_EQ(n.table.counters().change_refused, 1u);
  for (std::uint32_t i = 10; i < 100; ++i) n.resolve(host(i), kStart + 20h);
  for (int i = 0; i < 10; ++i) n.tick(kStart + 21h);
  ASSERT_NE(n.table.mac(gateway.hop), nullptr);
  EXPECT_EQ(*n.table.mac(gateway.hop), kMac);

  EXPECT_TRUE(n.table.remove(host(1)));
  EXPECT_FALSE(n.table.remove(host(1)));
  EXPECT_EQ(n.table.mac(gateway.hop), nullptr);
}

TEST(NeighbourTable, AKnownEntryCanBeMadeStatic) {
  Neighbours n{2};
  n.resolve(host(1), kStart);
  ASSERT_TRUE(n.table.add_static(host(1), kMac));
  EXPECT_TRUE(n.table.idle());
  ASSERT_TRUE(n.table.add_static(host(1), kOtherMac));
  EXPECT_EQ(*n.resolve(host(1), kStart).mac, kOtherMac);
  ASSERT_TRUE(n.table.add_static(host(2), kMac));
  EXPECT_FALSE(n.table.add_static(host(3), kMac));
  EXPECT_FALSE(n.resolve(host(3), kStart).hop);
  EXPECT_EQ(n.table.counters().full, 2u);
}

TEST(NeighbourTable, UsedAfterHalfAMinuteItIsAskedForAgainAndKeptMeanwhile) {  // RFC 4861, 7.3.3
  Neighbours n;
  const NextHop hop = n.resolve(host(1), kStart).hop;
  n.heard(host(1), kMac, kStart);
  EXPECT_EQ(n.tick(kStart + 29s), Requests{});
  EXPECT_EQ(n.tick(kStart + 31s), Requests{});
  EXPECT_EQ(n.table.state(host(1)), kStale);  // and not used
  EXPECT_TRUE(n.table.idle());

  ASSERT_NE(n.table.mac(hop), nullptr);
  EXPECT_EQ(n.tick(kStart + 40s), (Requests{{host(1), true}}));  // asked directly
  EXPECT_EQ(n.table.state(host(1)), kProbing);
  EXPECT_EQ(n.tick(kStart + 40500ms), Requests{});
  ASSERT_NE(n.table.mac(hop), nullptr);
  n.heard(host(1), kMac, kStart + 40600ms);
  EXPECT_EQ(n.table.state(host(1)), kReachable);
  EXPECT_EQ(n.tick(kStart + 42s), Requests{});
}

TEST(NeighbourTable, AProbeWithoutAnswerEndsInUnreachable) {
  Neighbours n;
  const NextHop hop = n.resolve(host(1), kStart).hop;
  n.heard(host(1), kMac, kStart);
  EXPECT_EQ(n.resolve(host(1), kStart + 31s).state, kProbing);
  for (int i = 1; i <= 2; ++i) EXPECT_EQ(n.tick(kStart + 31s + i * 1s).size(), 1u);
  ASSERT_NE(n.table.mac(hop), nullptr);
  n.tick(kStart + 34s);
  EXPECT_EQ(n.table.state(host(1)), kUnreachable);
  EXPECT_EQ(n.table.mac(hop), nullptr);
}

TEST(NeighbourTable, WhatThePeerAcknowledgesKeepsItReachable) {  // RFC 4861, 7.3.1
  Neighbours n;
  const NextHop hop = n.resolve(host(1), kStart).hop;
  n.table.confirm(hop, kStart);  // nothing to confirm yet
  EXPECT_EQ(n.table.state(host(1)), kIncomplete);
  n.heard(host(1), kMac, kStart);
  for (Instant now = kStart; now < kStart + 10min; now += 20s) {
    n.table.mac(hop);
    n.table.confirm(hop, now);
    EXPECT_EQ(n.tick(now + 100ms), Requests{});
  }
  EXPECT_EQ(n.table.counters().requests, 1u);
}

TEST(NeighbourTable, AFullTableGivesUpTheLeastUsed) {
  Neighbours n{4};
  for (std::uint32_t i = 0; i < 4; ++i) n.resolve(host(i), kStart);
  n.resolve(host(0), kStart);
  n.resolve(host(4), kStart);
  EXPECT_EQ(n.table.state(host(1)), std::nullopt);
  n.resolve(host(5), kStart);
  EXPECT_EQ(n.table.state(host(2)), std::nullopt);
  EXPECT_NE(n.table.state(host(0)), std::nullopt);
  EXPECT_EQ(n.table.size(), 4u);
  EXPECT_EQ(n.table.counters().evicted, 2u);
}

TEST(NeighbourTable, SendingCountsAsUse) {
  Neighbours n{4};
  const NextHop first = n.resolve(host(0), kStart).hop;
  n.heard(host(0), kMac, kStart);
  for (std::uint32_t i = 1; i < 100; ++i) {
    n.resolve(host(i), kStart);
    ASSERT_NE(n.table.mac(first), nullptr) << i;
    if (i % 7 == 0) n.tick(kStart);
  }
  EXPECT_EQ(n.table.size(), 4u);
}

TEST(NeighbourTable, APlaceThatChangedHandsIsNotTakenForTheOld) {
  Neighbours n{1};
  const NextHop old = n.resolve(host(0), kStart).hop;
  n.heard(host(0), kMac, kStart);
  const NextHop now = n.resolve(host(1), kStart).hop;
  n.heard(host(1), kOtherMac, kStart);
  EXPECT_EQ(now.index, old.index);
  EXPECT_EQ(n.table.mac(old), nullptr);
  EXPECT_EQ(*n.table.mac(now), kOtherMac);
  n.table.confirm(old, kStart + 29s);
  EXPECT_EQ(n.resolve(host(1), kStart + 31s).state, kProbing);  // the old one confirmed nothing
  EXPECT_EQ(n.table.mac(NextHop{}), nullptr);
  EXPECT_EQ(n.table.mac(NextHop{0, 0}), nullptr);
}

TEST(NeighbourTable, TickGoesRoundWithinItsBudget) {
  Neighbours n;
  for (std::uint32_t i = 0; i < 100; ++i) n.resolve(host(i), kStart);
  std::map<std::uint32_t, int> asked;
  for (int call = 0; call < 10; ++call) {
    const Requests requests = n.tick(kStart + 1s, 10);
    EXPECT_EQ(requests.size(), 10u);
    for (const Asked& request : requests) ++asked[request.address.v4_host_order()];
  }
  EXPECT_EQ(asked.size(), 100u);
  EXPECT_EQ(n.tick(kStart + 1s), Requests{});
}

TEST(NeighbourTable, KeepsItsPromisesWhateverHappens) {
  EXPECT_TRUE(rc::check([](const std::vector<std::tuple<std::uint8_t, std::uint8_t, std::uint16_t>>& operations) {
    constexpr std::uint32_t kCapacity = 6;
    constexpr std::uint32_t kHosts = 10;
    Neighbours n{kCapacity};
    std::map<std::uint32_t, Instant> asked;    // when last; forgotten with its entry
    std::map<std::uint32_t, Instant> changed;  // the same for its MAC
    std::map<std::uint32_t, NextHop> hops;
    Instant now = kStart;
    const auto mac_of = [&](std::uint32_t i) -> std::optional<MacAddress> {
      const MacAddress* mac = n.table.mac(hops[i]);
      return mac == nullptr ? std::nullopt : std::optional{*mac};
    };
    for (const auto& [kind, name, number] : operations) {
      const std::uint32_t i = name % kHosts;
      const std::uint32_t before = n.table.size();
      const auto old_mac = mac_of(i);
      switch (kind % 8) {
        case 0:
        case 1:
        case 2: {
          const auto resolved = n.resolve(host(i), now, number % 50);
          RC_ASSERT(bool{resolved.hop});
          if (resolved.hop != hops[i]) asked.erase(i), changed.erase(i);
          hops[i] = resolved.hop;
          if (!resolved.send_request) break;
          RC_ASSERT(!asked.contains(i) || now - asked[i] >= 1s);
          asked[i] = now;
          break;
        }
        case 3:
        case 4: {
          const bool waiting = n.table.state(host(i)) == kIncomplete;
          const bool known = n.table.state(host(i)).has_value();
          const Ids woken = n.heard(host(i), number % 2 == 0 ? kMac : kOtherMac, now, number % 3 == 0);
          RC_ASSERT(woken.size() <= NeighbourTable::kWaiters);
          RC_ASSERT(waiting || woken.empty());
          RC_ASSERT(n.table.size() == before);
          if (!known) break;
          RC_ASSERT(mac_of(i).has_value());
          if (old_mac && *old_mac != *mac_of(i)) RC_ASSERT(now - changed[i] >= 1s);
          if (old_mac != mac_of(i)) changed[i] = now;
          break;
        }
        case 5:
          n.table.confirm(hops[i], now);
          break;
        case 6: {
          const bool removed = n.table.remove(host(i));
          RC_ASSERT(removed == (n.table.size() < before));
          RC_ASSERT(!mac_of(i));
          break;
        }
        default:
          now += number * 100us;
          for (const Asked& request : n.tick(now, number % 12)) {
            const std::uint32_t h = request.address.v4_host_order() - 0xc6120000;
            RC_ASSERT(now - asked[h] >= 1s);
            asked[h] = now;
          }
      }
      RC_ASSERT(n.table.size() <= kCapacity);
      std::uint32_t unsettled = 0;
      std::uint32_t size = 0;
      for (std::uint32_t h = 0; h < kHosts; ++h) {
        const auto state = n.table.state(host(h));
        size += state ? 1 : 0;
        unsettled += state == kIncomplete || state == kProbing ? 1 : 0;
      }
      RC_ASSERT(size == n.table.size());
      RC_ASSERT(n.table.idle() == (unsettled == 0));
    }
  }));
}

}  // namespace
}  // namespace pollux
