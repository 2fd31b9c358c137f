#include "shard/hash_index.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>
#include <set>
#include <vector>

#include "base/random.h"

namespace pollux {
namespace {

constexpr std::uint32_t kNone = HashIndex::kNone;

auto is(std::uint32_t value) {
  return [value](std::uint32_t v) { return v == value; };
}

TEST(HashIndex, FindsWhatWasInsertedUntilItIsErased) {
  HashIndex index{100};
  EXPECT_EQ(index.find(0x1234567812345678, is(7)), kNone);
  ASSERT_TRUE(index.insert(0x1234567812345678, 7));
  EXPECT_EQ(index.find(0x1234567812345678, is(7)), 7u);
  EXPECT_EQ(index.candidate(0x1234567812345678), 7u);
  EXPECT_EQ(index.size(), 1u);

  EXPECT_TRUE(index.erase(0x1234567812345678, 7));
  EXPECT_FALSE(index.erase(0x1234567812345678, 7));
  EXPECT_EQ(index.find(0x1234567812345678, is(7)), kNone);
  EXPECT_EQ(index.candidate(0x1234567812345678), kNone);
  EXPECT_EQ(index.size(), 0u);
}

TEST(HashIndex, AsksTheCallerWhichOfEqualHashesIsMeant) {
  HashIndex index{100};
  for (std::uint32_t value = 0; value < 10; ++value) ASSERT_TRUE(index.insert(42, value));

  std::vector<std::uint32_t> asked;
  EXPECT_EQ(index.find(42,
                       [&](std::uint32_t value) {
                         asked.push_back(value);
                         return value == 6;
                       }),
            6u);
  EXPECT_LE(asked.size(), 10u);
  EXPECT_TRUE(index.erase(42, 6));
  EXPECT_EQ(index.find(42, is(6)), kNone);
  EXPECT_EQ(index.find(42, is(5)), 5u);
}

TEST(HashIndex, ReplaceChangesTheValueInItsPlace) {
  HashIndex index{10};
  ASSERT_TRUE(index.insert(1, 5));
  EXPECT_TRUE(index.replace(1, 5, 9));
  EXPECT_EQ(index.find(1, is(9)), 9u);
  EXPECT_EQ(index.find(1, is(5)), kNone);
  EXPECT_FALSE(index.replace(1, 5, 10));
  EXPECT_EQ(index.size(), 1u);
}

TEST(HashIndex, EqualHashesFillTwoBucketsAndThenAreRefused) {
  HashIndex index{1000};
  std::uint32_t count = 0;
  while (count < 1000 && index.insert(0x9876543212345678, count)) ++count;

  EXPECT_EQ(count, 2 * HashIndex::kSlots);
  for (std::uint32_t value = 0; value < count; ++value) EXPECT_EQ(index.find(0x9876543212345678, is(value)), value);
  for (std::uint32_t value = 0; value < count; ++value) EXPECT_TRUE(index.erase(0x9876543212345678, value));
  EXPECT_EQ(index.size(), 0u);
}

TEST(HashIndex, ANeverFullBucketIsOneLineToSearch) {
  // What a search asks about is only what has the same tag: one in 255 of a bucket.
  HashIndex index{9000};
  Random random{1};
  for (std::uint32_t value = 0; value < 9000; ++value) ASSERT_TRUE(index.insert(random(), value));
  std::size_t asked = 0;
  constexpr int kSearches = 100'000;
  for (int i = 0; i < kSearches; ++i) {
    index.find(random(), [&](std::uint32_t) {
      ++asked;
      return false;
    });
  }
  EXPECT_LT(asked, kSearches / 20);
}

// Up to what it was made for, whatever the size.
TEST(HashIndex, HoldsItsCapacityWithoutFail) {
  Random random{2};
  for (std::uint32_t capacity = 1; capacity <= 3000; capacity += 1 + capacity / 20) {
    for (int round = 0; round < 20; ++round) {
      HashIndex index{capacity};
      for (std::uint32_t value = 0; value < capacity; ++value) ASSERT_TRUE(index.insert(random(), value)) << capacity;
    }
  }
  HashIndex index{1'000'000};
  for (std::uint32_t value = 0; value < 1'000'000; ++value) ASSERT_TRUE(index.insert(random(), value));
}

TEST(HashIndex, StaysSoWhileEntriesComeAndGo) {
  constexpr std::uint32_t kCapacity = 50'000;
  HashIndex index{kCapacity};
  Random random{3};
  std::vector<std::uint64_t> hashes(kCapacity);
  for (std::uint32_t value = 0; value < kCapacity; ++value) ASSERT_TRUE(index.insert(hashes[value] = random(), value));
  for (int i = 0; i < 1'000'000; ++i) {
    const auto value = static_cast<std::uint32_t>(random.below(kCapacity));
    ASSERT_TRUE(index.erase(hashes[value], value));
    ASSERT_TRUE(index.insert(hashes[value] = random(), value)) << i;
  }
  EXPECT_TRUE(index.consistent());
  for (std::uint32_t value = 0; value < kCapacity; ++value) ASSERT_EQ(index.find(hashes[value], is(value)), value);
}

TEST(HashIndex, CostsAtMostEightBytesForEach) {
  for (const std::uint32_t capacity : {100'000u, 1'000'000u, 134'000'000u}) {
    const HashIndex index{capacity};
    EXPECT_LE(static_cast<double>(index.bytes()) / capacity, 8.0) << capacity;
  }
}

TEST(HashIndex, VisitsEachValueOnce) {
  HashIndex index{500};
  Random random{4};
  for (std::uint32_t value = 0; value < 500; ++value) ASSERT_TRUE(index.insert(random(), value));
  std::set<std::uint32_t> seen;
  index.for_each([&](std::uint32_t value) { EXPECT_TRUE(seen.insert(value).second); });
  EXPECT_EQ(seen.size(), 500u);
}

// Few hashes, so that buckets fill, overflow and move their values about.
TEST(HashIndex, BehavesAsAMultimap) {
  EXPECT_TRUE(rc::check([](const std::vector<std::pair<std::uint8_t, std::uint16_t>>& seeds) {
    HashIndex index{40};
    std::set<std::pair<std::uint64_t, std::uint32_t>> model;
    std::uint32_t next = 0;
    for (const auto& [kind, number] : seeds) {
      for (std::uint32_t i = 0; i < 4; ++i) {
        std::uint64_t state = (number + i) % 61;
        const std::uint64_t hash = splitmix64(state);
        if (kind % 3 != 0) {
          if (index.insert(hash, next)) model.emplace(hash, next);
          ++next;
        } else if (!model.empty()) {
          auto victim = model.lower_bound({hash, 0});
          if (victim == model.end()) victim = model.begin();
          RC_ASSERT(index.erase(victim->first, victim->second));
          model.erase(victim);
        }
      }
      RC_ASSERT(index.size() == model.size());
      RC_ASSERT(index.consistent());
      for (const auto& [hash, value] : model) RC_ASSERT(index.find(hash, is(value)) == value);
    }
  }));
}

}  // namespace
}  // namespace pollux
