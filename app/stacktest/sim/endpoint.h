#pragma once

#include <cstdint>

#include "flow.h"
#include "tcp/tcb.h"
#include "wire/flow_key.h"

namespace pollux::sim {

class Network;

// One end of a flow, in a test's hands.
class Endpoint {
 public:
  Endpoint() = default;
  Endpoint(Network& network, Side& side) : network_{&network}, side_{&side} {}

  void send_all(std::uint64_t bytes);
  void shutdown();  // half close
  void close();
  void abort();
  void shutdown_on_eof();
  void stop_reading();  // text stays where it is, from now on
  void read_on();

  tcp::State state() const;
  const Side& side() const { return *side_; }
  Side& side() { return *side_; }
  FlowKey key() const;
  int host() const { return side_->host; }
  // The TCB; there must be one.
  const tcp::Tcb& tcb() const;
  std::uint64_t received() const { return side_->received; }
  bool received_all() const { return side_->received == side_->peer().plan.total; }

 private:
  Network* network_ = nullptr;
  Side* side_ = nullptr;
};

}  // namespace pollux::sim
