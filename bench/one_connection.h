#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "cycles.h"
#include "flows.h"
#include "tcp/tcb.h"

namespace pollux::bench {

inline constexpr std::uint32_t kSegments = 64;
inline constexpr std::uint32_t kText = 1448;

// A connection in ESTABLISHED, and a peer that says only what it is told to.
class Connection {
 public:
  explicit Connection(std::uint16_t peer_mss = 1460, std::uint32_t in_flight = kSegments * kText)
      : text(in_flight),
        config{.send_buffer = std::max(in_flight, tcp::Config{}.send_buffer)},
        stores{Slab<tcp::Transmission>{4}, tcp::SliceStore{256, 256}, Slab<tcp::ReceiveQueue>{4},
               Slab<tcp::HeldText>{1024}, Slab<tcp::SackedRange>{1024}},
        env{Instant{1s}, config, stores, counters} {
    tcb.open_active(flow(0), {SeqNum{1000}, 0, 1460}, {}, env);
    static_cast<void>(tcb.poll_transmit(0, env));
    Segment syn_ack;
    syn_ack.seq = SeqNum{5000};
    syn_ack.ack = SeqNum{1001};
    syn_ack.wnd = 65535;
    syn_ack.flags.syn = true;
    syn_ack.flags.ack = true;
    syn_ack.options.mss = peer_mss;
    syn_ack.options.wind_shift = 7;
    syn_ack.options.sack_permitted = true;
    syn_ack.options.ts = Timestamps{1, static_cast<std::uint32_t>(env.now.time_since_epoch() / 1ms)};
    arrive(syn_ack);
    static_cast<void>(tcb.poll_events());
    drain();
  }
  ~Connection() { tcb.release(env); }

  tcp::Verdict arrive(const Segment& segment) {
    tcp::Arrival arrival{segment, packet, {}};
    return tcb.segment_arrives(arrival, env);
  }
  Segment from_peer() const {
    Segment s;
    s.seq = tcb.rcv().nxt;
    s.ack = tcb.snd().nxt;
    s.wnd = 65535;
    s.flags.ack = true;
    s.options.ts = Timestamps{1, static_cast<std::uint32_t>(env.now.time_since_epoch() / 1ms)};
    return s;
  }
  std::uint32_t drain() {
    std::uint32_t n = 0;
    while (tcb.poll_transmit(0, env)) ++n;
    return n;
  }
  // Until the congestion window lets all of `text` go at once.
  void open_window() {
    for (int i = 0; i < 20; ++i) {
      env.now += 1ms;
      static_cast<void>(tcb.send_reference(text, env));
      while (tcb.unsent(env) > 0 || tcb.flight_size() > 0) {
        drain();
        acknowledge_all();
      }
    }
  }
  // All that is in flight is acknowledged segment by segment; cycles spent on that.
  std::uint64_t acknowledge_all() {
    std::vector<Segment> acks;
    for (SeqNum at = tcb.snd().una; at != tcb.snd().nxt;) {
      at += std::min(tcb.smss(), distance(at, tcb.snd().nxt));
      acks.push_back(from_peer());
      acks.back().ack = at;
    }
    const std::uint64_t start = cycles();
    for (const Segment& ack : acks) arrive(ack);
    return cycles() - start;
  }

  std::vector<std::byte> text;
  Packet packet;
  tcp::Config config;
  tcp::Stores stores;
  tcp::Counters counters;
  tcp::Env env;
  tcp::Tcb tcb;
};

}  // namespace pollux::bench
