#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/slab.h"
#include "tcp/handshake_record.h"
#include "time/timer_wheel.h"
#include "wire/flow_key.h"

namespace pollux {

// Connections in SYN-RECEIVED that came from LISTEN: a record of 48 bytes for IPv4, 72
// for IPv6, timer included, until the third segment makes a TCB of it. Named by numbers
// that no TCB index takes, so that one flow table finds both.
class HalfOpenTable {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;

  HalfOpenTable(std::uint32_t capacity_per_family, Instant start, Pages pages)
      : v4_{capacity_per_family, start, pages}, v6_{capacity_per_family, start, pages} {}

  // Whether a flow table's value names a half-open connection.
  static bool is_one(std::uint32_t id) { return (id & kHalfOpen) != 0 && id != kNone; }

  bool full(bool v4) const { return v4 ? v4_.slab.full() : v6_.slab.full(); }
  // Only the last eighth is free.
  bool crowded(bool v4) const { return v4 ? v4_.slab.crowded() : v6_.slab.crowded(); }

  // kNone: full.
  std::uint32_t add(const FlowKey& key, const tcp::HandshakeRecord& record) {
    const std::uint32_t index = key.local.is_v4() ? v4_.slab.alloc(key, record) : v6_.slab.alloc(key, record);
    return index == kNone ? kNone : index | kHalfOpen | (key.local.is_v4() ? 0 : kV6);
  }
  void remove(std::uint32_t id) {
    if (is_v6(id)) {
      v6_.remove(place(id));
    } else {
      v4_.remove(place(id));
    }
  }

  FlowKey key(std::uint32_t id) const { return is_v6(id) ? v6_.slab[place(id)].key() : v4_.slab[place(id)].key(); }
  bool has(std::uint32_t id, const FlowKey& key) const {
    if (is_v6(id) == key.local.is_v4()) return false;
    return is_v6(id) ? v6_.slab[place(id)].has(key) : v4_.slab[place(id)].has(key);
  }
  tcp::HandshakeRecord& operator[](std::uint32_t id) {
    return is_v6(id) ? v6_.slab[place(id)].record : v4_.slab[place(id)].record;
  }

  void arm(std::uint32_t id, Instant when) {
    is_v6(id) ? v6_.wheel.arm(place(id), when) : v4_.wheel.arm(place(id), when);
  }
  // Passes the ids whose timer is due to `on_due`, at most `budget` of each family.
  template <class OnDue>
  std::size_t advance(Instant now, std::size_t budget, OnDue&& on_due) {
    return v4_.wheel.advance(now, budget, [&](std::uint32_t i) { on_due(i | kHalfOpen); }) +
           v6_.wheel.advance(now, budget, [&](std::uint32_t i) { on_due(i | kHalfOpen | kV6); });
  }
  std::optional<Instant> next_due() const {
    const auto a = v4_.wheel.next_due();
    const auto b = v6_.wheel.next_due();
    return !a ? b : !b ? a : std::min(*a, *b);
  }

  std::uint32_t size() const { return v4_.slab.size() + v6_.slab.size(); }
  std::size_t bytes() const { return v4_.slab.bytes() + v6_.slab.bytes(); }
  static constexpr std::size_t bytes_per_entry_v4();

 private:
  static constexpr std::uint32_t kHalfOpen = 0x8000'0000;
  static constexpr std::uint32_t kV6 = 0x4000'0000;
  static bool is_v6(std::uint32_t id) { return (id & kV6) != 0; }
  static std::uint32_t place(std::uint32_t id) { return id & ~(kHalfOpen | kV6); }

  struct V4 {
    V4(const FlowKey& k, const tcp::HandshakeRecord& r)
        : record{r},
          local{k.local.words()[3]},
          remote{k.remote.words()[3]},
          local_port{k.local_port},
          remote_port{k.remote_port} {}
    FlowKey key() const {
      return {IpAddress::v4(from_big_endian(local)), IpAddress::v4(from_big_endian(remote)), local_port, remote_port};
    }
    bool has(const FlowKey& k) const {
      return remote_port == k.remote_port && local_port == k.local_port && remote == k.remote.words()[3] &&
             local == k.local.words()[3];
    }
    TimerNode timer;
    tcp::HandshakeRecord record;
    std::uint32_t local, remote;  // network order
    std::uint16_t local_port, remote_port;
  };
  struct V6 {
    V6(const FlowKey& k, const tcp::HandshakeRecord& r) : record{r}, flow{k} {}
    const FlowKey& key() const { return flow; }
    bool has(const FlowKey& k) const { return flow == k; }
    TimerNode timer;
    tcp::HandshakeRecord record;
    FlowKey flow;
  };
  static_assert(sizeof(V4) == 48 && sizeof(V6) == 72);

  template <class Entry>
  struct Pool {
    Pool(std::uint32_t capacity, Instant start, Pages pages)
        : slab{capacity, pages}, wheel{start, slab.first(), Slab<Entry>::stride()} {}
    void remove(std::uint32_t index) {
      wheel.disarm(index);
      slab.free(index);
    }
    Slab<Entry> slab;
    TimerWheel wheel;
  };

  Pool<V4> v4_;
  Pool<V6> v6_;
};

constexpr std::size_t HalfOpenTable::bytes_per_entry_v4() { return sizeof(V4); }

}  // namespace pollux
