#pragma once

#include <csignal>
#include <vector>

namespace pollux::dpdk {

// Keeps every real-time signal from net_tap while it makes a port or its queues.
//
// The driver takes the first that is free to be told of each packet, and polls nothing in between. A signal costs the
// sender more than the packet does, and the kernel gives it to any thread, which may sleep on the core of the server
// that is being measured: that core then spends a third of its time on waking it. Without a signal the driver reads at
// each poll. (`scripts/bench load_nginx` shows the difference.)
class TapSignals {
 public:
  // From now on the real-time signals that have no handler have one, which does nothing.
  TapSignals();
  // Gives them back.
  ~TapSignals();
  TapSignals(const TapSignals&) = delete;
  TapSignals& operator=(const TapSignals&) = delete;

 private:
  std::vector<int> taken_;
};

}  // namespace pollux::dpdk
