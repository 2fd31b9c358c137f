#include "shard/fast_open_cache.h"

#include <algorithm>

namespace pollux {
namespace {

constexpr std::uint8_t kMostFailures = 6;
constexpr Duration kAvoidUnit = 60s;  // doubled for each failure

}  // namespace

FastOpenCache::FastOpenCache(std::uint32_t servers, const HashKey& hash_key)
    : entries_((servers + kWays - 1) / kWays * kWays), hash_key_{hash_key} {}

std::size_t FastOpenCache::set_of(const FlowKey& key) const {
  const FlowKey without_our_port{key.local, key.remote, 0, key.remote_port};
  return siphash13_of(hash_key_, without_our_port) % (entries_.size() / kWays) * kWays;
}

FastOpenCache::Entry* FastOpenCache::lookup(const FlowKey& key) {
  if (entries_.empty()) return nullptr;
  Entry* first = &entries_[set_of(key)];
  Entry* found = std::find_if(first, first + kWays, [&](const Entry& e) {
    return e.remote_port == key.remote_port && e.remote == key.remote && e.local == key.local;
  });
  return found == first + kWays ? nullptr : found;
}

FastOpenCache::Entry& FastOpenCache::place_for(const FlowKey& key, Instant now) {
  Entry* entry = lookup(key);
  if (entry == nullptr) {
    Entry* first = &entries_[set_of(key)];
    entry = std::min_element(first, first + kWays, [](const Entry& a, const Entry& b) { return a.used < b.used; });
    *entry = {};
    entry->local = key.local;
    entry->remote = key.remote;
    entry->remote_port = key.remote_port;
  }
  entry->used = now;
  return *entry;
}

std::optional<FastOpenCache::Known> FastOpenCache::find(const FlowKey& key, Instant now) {
  if (entries_.empty()) return std::nullopt;
  Entry* entry = lookup(key);
  if (entry == nullptr) return Known{};
  entry->used = now;
  if (now < entry->avoid_until) return std::nullopt;
  return Known{entry->cookie, entry->mss};
}

void FastOpenCache::learn(const FlowKey& key, const FastOpenCookie& cookie, std::uint16_t mss, Instant now) {
  if (entries_.empty()) return;
  Entry& entry = place_for(key, now);
  entry.cookie = cookie;
  entry.mss = mss;
  entry.failures = 0;
}

void FastOpenCache::fail(const FlowKey& key, Instant now) {
  if (entries_.empty()) return;
  Entry& entry = place_for(key, now);
  entry.failures = std::min<std::uint8_t>(entry.failures + 1, kMostFailures);
  if (entry.failures > 1) entry.avoid_until = now + kAvoidUnit * (1 << entry.failures);
}

void FastOpenCache::succeed(const FlowKey& key) {
  if (Entry* entry = lookup(key)) entry->failures = 0;
}

}  // namespace pollux
