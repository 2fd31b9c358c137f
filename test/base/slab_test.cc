#include "base/slab.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>
#include <set>
#include <vector>

namespace pollux {
namespace {

struct Thing {
  Thing(int v, int* dead) : value{v}, deaths{dead} {}
  ~Thing() { ++*deaths; }
  int value;
  int* deaths;
};

TEST(Slab, ConstructsAtAllocAndDestroysAtFree) {
  int deaths = 0;
  Slab<Thing> slab{2};
  const std::uint32_t thing = slab.alloc(41, &deaths);

  EXPECT_EQ(slab[thing].value, 41);
  EXPECT_EQ(slab.size(), 1u);
  slab.free(thing);
  EXPECT_EQ(deaths, 1);
  EXPECT_EQ(slab.size(), 0u);
}

TEST(Slab, GivesExactlyItsCapacityAndThenNone) {
  Slab<std::uint64_t> slab{1000};
  std::set<std::uint32_t> given;
  for (int i = 0; i < 1000; ++i) given.insert(slab.alloc());

  EXPECT_EQ(given.size(), 1000u);
  EXPECT_EQ(*given.rbegin(), 999u);
  EXPECT_TRUE(slab.full());
  EXPECT_EQ(slab.alloc(), Slab<std::uint64_t>::kNone);
  slab.free(500);
  EXPECT_EQ(slab.alloc(), 500u);
}

TEST(Slab, OfNoPlacesIsFull) {
  Slab<int> slab{0};
  EXPECT_TRUE(slab.full());
  EXPECT_EQ(slab.alloc(1), Slab<int>::kNone);
}

TEST(Slab, TheLastFreedIsTheFirstGiven) {
  Slab<int> slab{8};
  for (int i = 0; i < 8; ++i) slab.alloc(i);
  slab.free(3);
  slab.free(6);
  slab.free(1);

  EXPECT_EQ(slab.alloc(0), 1u);
  EXPECT_EQ(slab.alloc(0), 6u);
  EXPECT_EQ(slab.alloc(0), 3u);
}

TEST(Slab, KnowsTheIndexOfAnObject) {
  Slab<int> slab{3};
  for (int i = 0; i < 3; ++i) {
    const std::uint32_t index = slab.alloc(i);
    EXPECT_EQ(slab.index_of(slab[index]), index);
    EXPECT_EQ(reinterpret_cast<std::byte*>(&slab[index]), slab.first() + index * slab.stride());
  }
}

TEST(Slab, APlaceCostsNoMoreThanItsObject) {
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  EXPECT_EQ(Slab<Line>::stride(), 64u);
  EXPECT_EQ(Slab<Line>(1 << 16).bytes(), std::size_t{64} << 16);
  EXPECT_EQ(Slab<std::uint16_t>::stride(), 4u);  // but has to hold an index while free
}

#ifdef POLLUX_ASSERTIONS
TEST(SlabDeathTest, CatchesADoubleFreeAndUseAfterFree) {
  Slab<int> slab{2};
  const std::uint32_t index = slab.alloc(1);
  slab.free(index);
  EXPECT_DEATH(slab.free(index), "is_live");
  EXPECT_DEATH(slab[index] = 2, "is_live");
  EXPECT_DEATH(slab[1] = 2, "is_live");
}

TEST(Slab, PoisonsWhatIsFreed) {
  struct Big {
    std::byte bytes[32];
  };
  Slab<Big> slab{1};
  const std::uint32_t index = slab.alloc();
  slab.free(index);
  EXPECT_EQ(slab.first()[31], std::byte{Slab<Big>::kPoison});
}
#endif

TEST(Slab, BehavesAsAMapFromIndexToValue) {
  EXPECT_TRUE(rc::check([](const std::vector<std::uint16_t>& operations) {
    constexpr std::uint32_t kCapacity = 20;
    Slab<std::uint64_t> slab{kCapacity};
    std::map<std::uint32_t, std::uint64_t> model;
    for (const std::uint16_t operation : operations) {
      if (operation % 5 < 3) {
        const std::uint32_t index = slab.alloc(operation);
        RC_ASSERT((index == slab.kNone) == (model.size() == kCapacity));
        if (index != slab.kNone) RC_ASSERT(model.emplace(index, operation).second);
      } else if (!model.empty()) {
        const auto victim = std::next(model.begin(), operation % static_cast<std::ptrdiff_t>(model.size()));
        slab.free(victim->first);
        model.erase(victim);
      }
      RC_ASSERT(slab.size() == model.size());
      for (const auto& [index, value] : model) RC_ASSERT(slab[index] == value);
    }
  }));
}

}  // namespace
}  // namespace pollux
