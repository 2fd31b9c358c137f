#include "shard/flow_table.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>
#include <tuple>
#include <vector>

#include "base/random.h"

namespace pollux {
namespace {

constexpr HashKey kKey{0x0123456789abcdef, 0xfedcba9876543210};

FlowKey flow(std::uint32_t remote, std::uint16_t remote_port, std::uint16_t local_port = 80) {
  return {IpAddress::v4(0xc6120002), IpAddress::v4(remote), local_port, remote_port};
}

// A table and the keys that its values stand for, as a shard has them in its TCBs.
class Flows {
 public:
  explicit Flows(std::uint32_t capacity, const HashKey& key = kKey) : table_{capacity, key} {}

  std::uint32_t find(const FlowKey& key) {
    comparisons_ = 0;
    return table_.find(table_.hash(key), [&](std::uint32_t value) {
      ++comparisons_;
      return keys_[value] == key;
    });
  }
  bool insert(const FlowKey& key) {
    keys_.push_back(key);
    return table_.insert(table_.hash(key), static_cast<std::uint32_t>(keys_.size() - 1));
  }
  bool erase(const FlowKey& key) { return table_.erase(table_.hash(key), find(key)); }

  const FlowTable& table() const { return table_; }
  const FlowKey& key(std::uint32_t value) const { return keys_[value]; }
  std::size_t comparisons() const { return comparisons_; }  // of the last find

 private:
  FlowTable table_;
  std::vector<FlowKey> keys_;
  std::size_t comparisons_ = 0;
};

TEST(FlowTable, EachOfTheFourPartsNamesTheFlow) {
  Flows flows{10};
  ASSERT_TRUE(flows.insert(flow(0xc6120001, 40000)));

  EXPECT_EQ(flows.find(flow(0xc6120001, 40000)), 0u);
  EXPECT_EQ(flows.find(flow(0xc6120003, 40000)), FlowTable::kNone);
  EXPECT_EQ(flows.find(flow(0xc6120001, 40001)), FlowTable::kNone);
  EXPECT_EQ(flows.find(flow(0xc6120001, 40000, 81)), FlowTable::kNone);
  FlowKey other = flow(0xc6120001, 40000);
  other.local = IpAddress::v4(0xc6120009);
  EXPECT_EQ(flows.find(other), FlowTable::kNone);
}

TEST(FlowTable, TheHashDependsOnTheKey) {
  const FlowTable one{10, {1, 2}};
  const FlowTable two{10, {1, 3}};
  EXPECT_NE(one.hash(flow(1, 2)), two.hash(flow(1, 2)));
}

TEST(FlowTable, HoldsExactlyWhatItWasMadeForAtEightBytesEach) {
  constexpr std::uint32_t kCapacity = 200'000;
  Flows flows{kCapacity};
  Random random{5};
  for (std::uint32_t i = 0; i < kCapacity; ++i) {
    ASSERT_TRUE(flows.insert(flow(static_cast<std::uint32_t>(random()), static_cast<std::uint16_t>(random()))));
  }
  EXPECT_EQ(flows.table().size(), kCapacity);
  EXPECT_LE(static_cast<double>(flows.table().bytes()) / kCapacity, 8.0);
}

// RSS, bit by bit (Microsoft's key): linear, so an attacker solves for collisions.
std::uint32_t toeplitz(std::uint32_t src, std::uint32_t dst, std::uint16_t src_port, std::uint16_t dst_port) {
  constexpr std::uint8_t kRssKey[] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
                                      0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
                                      0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
                                      0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};
  const auto key_bit = [&](unsigned i) { return (kRssKey[i / 8] >> (7 - i % 8)) & 1u; };
  std::uint32_t window = 0;
  for (unsigned i = 0; i < 32; ++i) window = (window << 1) | key_bit(i);
  std::uint32_t result = 0;
  unsigned next = 32;
  const auto take = [&](std::uint32_t field, int bits) {
    for (int b = bits - 1; b >= 0; --b) {
      if (((field >> b) & 1) != 0) result ^= window;
      window = (window << 1) | key_bit(next++);
    }
  };
  take(src, 32);
  take(dst, 32);
  take(src_port, 16);
  take(dst_port, 16);
  return result;
}

std::uint32_t crc32(std::uint32_t crc, std::uint32_t word) {
  crc ^= word;
  for (int i = 0; i < 32; ++i) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
  return crc;
}

// Flows that all have the same 32-bit hash, as an attacker makes them: what is
// linear maps the 48 bits of remote address and port onto 32, so by elimination at
// least 16 independent differences map to nothing.
template <class Hash>
std::vector<FlowKey> colliding(Hash&& hash) {
  const auto flow_of = [](std::uint64_t bits) {
    return flow(static_cast<std::uint32_t>(bits >> 16), static_cast<std::uint16_t>(bits));
  };
  struct Vector {
    std::uint32_t image;
    std::uint64_t bits;
  };
  std::vector<Vector> pivots;
  std::vector<std::uint64_t> kernel;
  for (unsigned i = 0; i < 48; ++i) {
    Vector v{hash(flow_of(std::uint64_t{1} << i)) ^ hash(flow_of(0)), std::uint64_t{1} << i};
    for (const Vector& pivot : pivots) {
      if ((v.image ^ pivot.image) < v.image) v = {v.image ^ pivot.image, v.bits ^ pivot.bits};
    }
    if (v.image == 0) {
      kernel.push_back(v.bits);
    } else {
      pivots.push_back(v);
    }
  }
  std::vector<FlowKey> keys;
  for (std::uint32_t combination = 0; combination < 1u << 14; ++combination) {
    std::uint64_t bits = 0;
    for (unsigned i = 0; i < 14; ++i) bits ^= ((combination >> i) & 1) != 0 ? kernel[i] : 0;
    keys.push_back(flow_of(bits));
    EXPECT_EQ(hash(keys.back()), hash(keys.front()));
  }
  return keys;
}

void expect_ordinary(const std::vector<FlowKey>& keys) {
  Flows flows{static_cast<std::uint32_t>(keys.size())};
  for (const FlowKey& key : keys) ASSERT_TRUE(flows.insert(key));
  std::size_t comparisons = 0;
  for (const FlowKey& key : keys) {
    ASSERT_NE(flows.find(key), FlowTable::kNone);
    EXPECT_LE(flows.comparisons(), 16u);
    comparisons += flows.comparisons();
  }
  EXPECT_LT(comparisons, keys.size() * 11 / 10);
}

TEST(FlowTable, FlowsThatCollideUnderRssAreOrdinaryHere) {
  expect_ordinary(colliding([](const FlowKey& key) {
    return toeplitz(key.remote.v4_host_order(), key.local.v4_host_order(), key.remote_port, key.local_port);
  }));
}

TEST(FlowTable, FlowsThatCollideUnderCrcAreOrdinaryHere) {
  expect_ordinary(colliding([](const FlowKey& key) {
    return crc32(crc32(0, key.remote.v4_host_order()), std::uint32_t{key.remote_port} << 16 | key.local_port);
  }));
}

TEST(FlowTable, FlowsInSequenceAreOrdinaryToo) {
  std::vector<FlowKey> keys;
  for (std::uint32_t host = 0; host < 40; ++host) {
    for (std::uint16_t port = 0; port < 1000; ++port) keys.push_back(flow(0xc6120000 + host, port));
  }
  expect_ordinary(keys);
}

TEST(FlowTable, BehavesAsAMap) {
  EXPECT_TRUE(rc::check([](const std::vector<std::tuple<bool, std::uint8_t, std::uint8_t>>& operations) {
    Flows flows{300};
    std::map<std::pair<std::uint32_t, std::uint16_t>, FlowKey> model;
    for (const auto& [add, host, port] : operations) {
      const std::pair<std::uint32_t, std::uint16_t> name{host % 8, port % 8};
      const FlowKey key = flow(name.first, name.second);
      if (add && model.emplace(name, key).second) {
        RC_ASSERT(flows.insert(key));
      } else if (!add) {
        RC_ASSERT(flows.erase(key) == (model.erase(name) == 1));
      }
      RC_ASSERT(flows.table().size() == model.size());
    }
    for (std::uint32_t host = 0; host < 8; ++host) {
      for (std::uint16_t port = 0; port < 8; ++port) {
        const std::uint32_t found = flows.find(flow(host, port));
        RC_ASSERT((found != FlowTable::kNone) == model.contains({host, port}));
        if (found != FlowTable::kNone) RC_ASSERT(flows.key(found) == flow(host, port));
      }
    }
  }));
}

}  // namespace
}  // namespace pollux
