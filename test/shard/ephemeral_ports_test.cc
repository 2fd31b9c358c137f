#include "shard/ephemeral_ports.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <tuple>
#include <vector>

#include "base/random.h"

namespace pollux {
namespace {

Destination destination(std::uint32_t n) { return {IpAddress::v4(0xc6120002), IpAddress::v4(0xc6120001), 80 + n}; }

EphemeralPorts::Config config(std::uint16_t first, std::uint16_t last, std::uint32_t destinations = 4) {
  return {.first = first, .last = last, .max_destinations = destinations, .hash_key = {3, 4}};
}

constexpr auto kAll = [](std::uint16_t) { return true; };

TEST(EphemeralPorts, GivesEachPortOnceAndThenSaysSo) {  // behaviour of EADDRNOTAVAIL: at once, exactly at the end
  EphemeralPorts ports{config(32768, 60999)};
  Random random{1};
  std::set<std::uint16_t> given;
  for (int i = 0; i < 28232; ++i) {
    const auto port = ports.take(destination(0), random(), kAll);
    ASSERT_TRUE(port);
    ASSERT_TRUE(given.insert(*port).second);
  }
  EXPECT_EQ(*given.begin(), 32768);
  EXPECT_EQ(*given.rbegin(), 60999);
  for (int i = 0; i < 2000; ++i) {
    EXPECT_EQ(ports.take(destination(0), random(), kAll).error(), PortError::kAddressNotAvailable);
  }
  EXPECT_TRUE(ports.take(destination(1), random(), kAll));  // another destination has all of them
}

TEST(EphemeralPorts, AReleasedPortIsGivenAgain) {
  EphemeralPorts ports{config(1000, 1002)};
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(ports.take(destination(0), 0, kAll));
  ports.release(destination(0), 1001);
  EXPECT_EQ(ports.take(destination(0), 12345, kAll), 1001);
  EXPECT_FALSE(ports.take(destination(0), 12345, kAll));
}

// A peer in TIME-WAIT would refuse a SYN that comes within the millisecond (RFC 6191, 2).
TEST(EphemeralPorts, AReleasedPortRestsUntilAQuarterOfTheOthersWasGiven) {
  constexpr std::uint32_t kPorts = 4000;
  EphemeralPorts ports{config(10000, 10000 + kPorts - 1)};
  Random random{5};
  std::map<std::uint16_t, std::uint32_t> released;
  std::uint32_t soonest = kPorts;
  for (std::uint32_t n = 0; n < 20 * kPorts; ++n) {
    const std::uint16_t port = *ports.take(destination(0), random(), kAll);
    if (const auto before = released.find(port); before != released.end()) {
      soonest = std::min(soonest, n - before->second);
    }
    ports.release(destination(0), port);
    released[port] = n;
  }
  EXPECT_GE(soonest, kPorts / 4);
  EXPECT_LE(soonest, kPorts / 4 + kPorts / 50) << "what rests is no use to make ports hard to guess";
  EXPECT_EQ(released.size(), kPorts);  // none rests for ever
}

TEST(EphemeralPorts, TheWholeSpaceButZeroMayBeTheRange) {
  EphemeralPorts ports{config(1, 65535, 1)};
  Random random{2};
  std::set<std::uint16_t> given;
  while (const auto port = ports.take(destination(0), random(), kAll)) given.insert(*port);
  EXPECT_EQ(given.size(), 65535u);
}

// Pearson's chi square over equally likely outcomes.
double chi_square(const std::map<std::uint16_t, int>& counts, double expected) {
  double sum = 0;
  for (const auto& [port, count] : counts) sum += (count - expected) * (count - expected) / expected;
  return sum;
}

TEST(EphemeralPorts, InTheLongRunEveryFreePortIsEquallyLikely) {  // RFC 6056, 3.3.1
  EphemeralPorts ports{config(40000, 40199)};
  Random random{3};
  std::set<std::uint16_t> held;
  while (held.size() < 100) held.insert(*ports.take(destination(0), random(), kAll));

  constexpr int kDraws = 100'000;
  std::map<std::uint16_t, int> counts;
  for (int i = 0; i < kDraws; ++i) {
    const std::uint16_t port = *ports.take(destination(0), random(), kAll);
    ++counts[port];
    ports.release(destination(0), port);
  }
  EXPECT_EQ(counts.size(), 100u);
  EXPECT_LT(chi_square(counts, kDraws / 100.0), 161);  // 99 degrees of freedom: p = 0.0001
}

TEST(EphemeralPorts, ThePortAfterAPortIsNoEasierToGuess) {
  EphemeralPorts ports{config(32768, 60999)};
  Random random{4};
  std::map<std::uint16_t, int> steps;  // in sixteen equal parts
  constexpr int kDraws = 16'000;
  std::uint16_t before = *ports.take(destination(0), random(), kAll);
  for (int i = 0; i < kDraws; ++i) {
    const std::uint16_t port = *ports.take(destination(0), random(), kAll);
    ++steps[static_cast<std::uint16_t>((port - before + 28232) % 28232 / 1765)];
    before = port;
  }
  EXPECT_LT(chi_square(steps, kDraws / 16.0), 45);  // 15 degrees of freedom: p = 0.0001
}

TEST(EphemeralPorts, PortsWhoseRepliesGoElsewhereAreNotGiven) {
  EphemeralPorts ports{config(1000, 1099)};
  int asked = 0;
  const auto odd = [&](std::uint16_t port) {
    ++asked;
    return port % 2 == 1;
  };
  Random random{5};
  std::set<std::uint16_t> given;
  while (const auto port = ports.take(destination(0), random(), odd)) given.insert(*port);
  EXPECT_EQ(given.size(), 50u);
  EXPECT_TRUE(std::all_of(given.begin(), given.end(), [](std::uint16_t port) { return port % 2 == 1; }));
  EXPECT_EQ(asked, 100);  // once per port, when the pool is made
  EXPECT_EQ(ports.take_specific(destination(0), 1000, odd).error(), PortError::kNotMine);
}

TEST(EphemeralPorts, OneInParticular) {
  EphemeralPorts ports{config(1000, 1009)};
  EXPECT_EQ(ports.take_specific(destination(0), 1004, kAll), 1004);
  EXPECT_EQ(ports.take_specific(destination(0), 1004, kAll).error(), PortError::kInUse);
  EXPECT_EQ(ports.take_specific(destination(1), 1004, kAll), 1004);
  EXPECT_EQ(ports.take_specific(destination(0), 999, kAll).error(), PortError::kOutsideRange);
  EXPECT_EQ(ports.take_specific(destination(0), 1010, kAll).error(), PortError::kOutsideRange);
  ports.enter_time_wait(destination(0), 1004);
  EXPECT_EQ(ports.take_specific(destination(0), 1004, kAll).error(), PortError::kInTimeWait);
}

TEST(EphemeralPorts, APortInTimeWaitIsNotGivenUntilItLeaves) {
  EphemeralPorts ports{config(1000, 1001)};
  ASSERT_TRUE(ports.take(destination(0), 0, kAll));
  ASSERT_TRUE(ports.take(destination(0), 0, kAll));
  ports.enter_time_wait(destination(0), 1001);
  EXPECT_EQ(ports.take(destination(0), 0, kAll).error(), PortError::kAddressNotAvailable);
  ports.leave_time_wait(destination(0), 1001);
  EXPECT_EQ(ports.take(destination(0), 0, kAll), 1001);
}

TEST(EphemeralPorts, OffersTheOldestInTimeWaitWhoeverLeavesBefore) {
  EphemeralPorts ports{config(1000, 1009)};
  EXPECT_EQ(ports.oldest_in_time_wait(destination(0)), std::nullopt);
  for (std::uint16_t port = 1000; port < 1005; ++port) ASSERT_TRUE(ports.take_specific(destination(0), port, kAll));
  EXPECT_EQ(ports.oldest_in_time_wait(destination(0)), std::nullopt);
  for (const int port : {1003, 1000, 1004, 1001}) {
    ports.enter_time_wait(destination(0), static_cast<std::uint16_t>(port));
  }

  EXPECT_EQ(ports.oldest_in_time_wait(destination(0)), 1003);
  ports.leave_time_wait(destination(0), 1000);  // from the middle
  ports.leave_time_wait(destination(0), 1003);  // the first
  EXPECT_EQ(ports.oldest_in_time_wait(destination(0)), 1004);
  ports.leave_time_wait(destination(0), 1001);  // the last
  ports.enter_time_wait(destination(0), 1002);
  ports.leave_time_wait(destination(0), 1004);
  EXPECT_EQ(ports.oldest_in_time_wait(destination(0)), 1002);
  EXPECT_EQ(ports.usage(destination(0)).in_time_wait, 1u);

  // Reuse: leaves and is taken at once.
  ports.leave_time_wait(destination(0), 1002);
  EXPECT_EQ(ports.take_specific(destination(0), 1002, kAll), 1002);
}

TEST(EphemeralPorts, AListenersPortIsNotGivenToAnyDestination) {
  EphemeralPorts ports{config(1000, 1003)};
  ASSERT_TRUE(ports.take_specific(destination(0), 1000, kAll));
  ports.exclude(1001);  // free for destination 0; before destination 1 is known
  ports.exclude(1001);  // on another address
  ports.exclude(1000);  // in use for destination 0
  ports.exclude(80);    // out of range: no effect

  const auto given = [&](std::uint32_t n) {
    std::set<std::uint16_t> all;
    while (const auto port = ports.take(destination(n), 0, kAll)) all.insert(*port);
    for (const std::uint16_t port : all) ports.release(destination(n), port);
    return all;
  };
  EXPECT_EQ(given(0), (std::set<std::uint16_t>{1002, 1003}));
  EXPECT_EQ(given(1), (std::set<std::uint16_t>{1002, 1003}));
  ports.release(destination(0), 1000);
  EXPECT_EQ(given(0), (std::set<std::uint16_t>{1002, 1003}));

  ports.include(1001);
  EXPECT_EQ(given(0), (std::set<std::uint16_t>{1002, 1003}));
  ports.include(1001);
  ports.include(1000);
  ports.include(80);
  EXPECT_EQ(given(0), (std::set<std::uint16_t>{1000, 1001, 1002, 1003}));
  EXPECT_EQ(given(1), (std::set<std::uint16_t>{1000, 1001, 1002, 1003}));
}

TEST(EphemeralPorts, WhoeverIsBoundToAnExcludedPortMayConnectFromIt) {
  EphemeralPorts ports{config(1000, 1003)};
  ports.exclude(1002);
  EXPECT_EQ(ports.take_specific(destination(0), 1002, kAll), 1002);
  ports.release(destination(0), 1002);
  EXPECT_EQ(ports.usage(destination(0)).free, 3u);
}

TEST(EphemeralPorts, AnIdleDestinationMakesWayForANewOne) {
  EphemeralPorts ports{config(1000, 1009, 2)};
  ASSERT_TRUE(ports.take_specific(destination(0), 1000, kAll));
  ASSERT_TRUE(ports.take_specific(destination(1), 1001, kAll));
  EXPECT_EQ(ports.take(destination(2), 0, kAll).error(), PortError::kTooManyDestinations);

  ports.enter_time_wait(destination(0), 1000);
  EXPECT_EQ(ports.take(destination(2), 0, kAll).error(), PortError::kTooManyDestinations);
  ports.leave_time_wait(destination(0), 1000);
  EXPECT_EQ(ports.take_specific(destination(2), 1005, kAll), 1005);
  EXPECT_EQ(ports.destinations(), 2u);
  EXPECT_EQ(ports.usage(destination(0)).free, 0u);
  EXPECT_EQ(ports.usage(destination(1)).in_use, 1u);
  EXPECT_EQ(ports.usage(destination(2)).free, 9u);
  EXPECT_EQ(ports.total().free, 18u);
  EXPECT_EQ(ports.take_specific(destination(0), 1000, kAll).error(), PortError::kTooManyDestinations);
}

TEST(EphemeralPorts, TheDestinationIdleForLongestMakesWay) {
  EphemeralPorts ports{config(1000, 1009, 3)};
  for (const std::uint32_t n : {0u, 1u, 2u}) ASSERT_TRUE(ports.take_specific(destination(n), 1000, kAll));
  for (const std::uint32_t n : {1u, 0u, 2u}) ports.release(destination(n), 1000);
  ASSERT_TRUE(ports.take_specific(destination(1), 1000, kAll));  // no longer idle

  ASSERT_TRUE(ports.take_specific(destination(7), 1000, kAll));
  EXPECT_EQ(ports.usage(destination(0)).free, 0u);
  EXPECT_EQ(ports.usage(destination(2)).free, 10u);
}

TEST(EphemeralPorts, NoDestinationsNoPorts) {
  EphemeralPorts ports{config(1000, 1009, 0)};
  EXPECT_EQ(ports.take(destination(0), 0, kAll).error(), PortError::kTooManyDestinations);
}

// Sets and a queue per destination.
struct Model {
  std::set<std::uint16_t> in_use;
  std::deque<std::uint16_t> in_time_wait;
};

TEST(EphemeralPorts, BehavesAsSetsAndQueues) {
  EXPECT_TRUE(rc::check([](const std::vector<std::tuple<std::uint8_t, std::uint8_t, std::uint64_t>>& operations) {
    constexpr std::uint16_t kFirst = 65000;
    constexpr std::size_t kPorts = 12;
    EphemeralPorts ports{config(kFirst, kFirst + kPorts - 1, 3)};
    std::map<std::uint32_t, Model> model;
    std::multiset<std::uint16_t> excluded;
    for (const auto& [kind, name, random] : operations) {
      const Destination to = destination(name % 3);
      Model& m = model[name % 3];
      const auto busy = [&](std::uint16_t port) {
        return m.in_use.contains(port) || std::count(m.in_time_wait.begin(), m.in_time_wait.end(), port) != 0;
      };
      const auto port = static_cast<std::uint16_t>(kFirst + random % kPorts);
      switch (kind % 8) {
        case 0:
        case 1:
        case 2: {
          std::size_t free = 0;
          for (std::uint16_t p = kFirst; p < kFirst + kPorts; ++p) free += !busy(p) && !excluded.contains(p) ? 1 : 0;
          const auto got = ports.take(to, random * 0x9e3779b97f4a7c15u, kAll);
          RC_ASSERT(got.has_value() == (free > 0));
          if (!got) break;
          RC_ASSERT(!busy(*got));
          RC_ASSERT(!excluded.contains(*got));
          m.in_use.insert(*got);
          break;
        }
        case 3: {
          const auto got = ports.take_specific(to, port, kAll);
          RC_ASSERT(got.has_value() == !busy(port));
          if (got) m.in_use.insert(*got);
          break;
        }
        case 4:
        case 5: {
          if (m.in_use.empty()) break;
          const std::uint16_t victim = *std::next(m.in_use.begin(), static_cast<long>(random % m.in_use.size()));
          m.in_use.erase(victim);
          if (kind % 8 == 4) {
            ports.release(to, victim);
          } else {
            ports.enter_time_wait(to, victim);
            m.in_time_wait.push_back(victim);
          }
          break;
        }
        case 6: {
          if (m.in_time_wait.empty()) break;
          const auto victim = m.in_time_wait.begin() + static_cast<long>(random % m.in_time_wait.size());
          ports.leave_time_wait(to, *victim);
          m.in_time_wait.erase(victim);
          break;
        }
        default:
          if (random % 2 == 0) {
            ports.exclude(port);
            excluded.insert(port);
          } else if (excluded.contains(port)) {
            ports.include(port);
            excluded.erase(excluded.find(port));
          }
      }
      EphemeralPorts::Usage total;
      for (auto& [n, expected] : model) {
        const EphemeralPorts::Usage usage = ports.usage(destination(n));
        RC_ASSERT(usage.in_use == expected.in_use.size());
        RC_ASSERT(usage.in_time_wait == expected.in_time_wait.size());
        const auto oldest = ports.oldest_in_time_wait(destination(n));
        RC_ASSERT(oldest.has_value() == !expected.in_time_wait.empty());
        if (oldest) RC_ASSERT(*oldest == expected.in_time_wait.front());
        total.free += usage.free;
        total.in_use += usage.in_use;
        total.in_time_wait += usage.in_time_wait;
      }
      RC_ASSERT(ports.total().free == total.free);
      RC_ASSERT(ports.total().in_use == total.in_use);
      RC_ASSERT(ports.total().in_time_wait == total.in_time_wait);
    }
  }));
}

}  // namespace
}  // namespace pollux
