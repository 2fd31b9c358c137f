#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "direct_link.h"
#include "flows.h"
#include "shard/shard.h"
#include "two_shards.h"

namespace pollux::bench {

// SYNs to kServerPort of the server of TwoShards::config, each from another address or port, which nobody follows up.
class Syns {
 public:
  explicit Syns(bool v6) : v6_{v6} {}

  // The n-th arrives, and what is answered leaves for nobody.
  template <class App>
  void send(Shard<App>& server, std::uint64_t n, Instant now) {
    queue(n);
    answer(server, now);
  }

  void queue(std::uint64_t n) {
    const FlowKey at_server = flow(n);
    FlowKey key{at_server.remote, at_server.local, at_server.remote_port, kServerPort};
    if (v6_) key.remote = TwoShards::address(true, 1);
    if (v6_) key.local = key.remote.plus(1 + n);
    TcpOptions options;
    options.mss = 1460;
    options.wind_shift = 7;
    options.ts = Timestamps{1, 0};
    TcpFrameSpec spec;
    spec.source = mac(2);
    spec.destination = mac(1);
    spec.key = &key;
    spec.flags.syn = true;
    spec.options = &options;
    TxOffload offload;
    const TxFrame frame = link_.left().allocate(kMaxTcpHeaders);
    const std::size_t size = write_tcp_headers(frame.data, spec, 0, offload);
    finish_tcp_checksum({frame.data, size}, offload);
    link_.left().send(frame, static_cast<std::uint32_t>(size), offload);
  }

  // Those queued, at most a burst.
  template <class App>
  void answer(Shard<App>& server, Instant now) {
    const std::span<Packet> received = std::span{burst_}.first(link_.right().receive(burst_));
    server.receive(received, now);
    link_.right().recycle(received);
    server.transmit(link_.right(), now);
    link_.left().recycle(std::span{burst_}.first(link_.left().receive(burst_)));
  }

 private:
  bool v6_;
  DirectLink link_;
  std::array<Packet, TwoShards::kBurst> burst_;
};

}  // namespace pollux::bench
