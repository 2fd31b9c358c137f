#include "dpdk/tap_signals.h"

namespace pollux::dpdk {

TapSignals::TapSignals() {
  for (int signal = SIGRTMIN; signal <= SIGRTMAX; ++signal) {
    struct sigaction now {};
    if (sigaction(signal, nullptr, &now) != 0 || (now.sa_flags & SA_SIGINFO) != 0 || now.sa_handler != SIG_DFL)
      continue;
    struct sigaction ours {};
    ours.sa_flags = SA_RESTART;
    ours.sa_handler = [](int) {};
    if (sigaction(signal, &ours, nullptr) == 0) taken_.push_back(signal);
  }
}

TapSignals::~TapSignals() {
  struct sigaction before {};
  before.sa_handler = SIG_DFL;
  for (const int signal : taken_) sigaction(signal, &before, nullptr);
}

}  // namespace pollux::dpdk
