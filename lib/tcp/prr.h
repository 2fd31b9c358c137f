#pragma once

#include <algorithm>
#include <cstdint>

namespace pollux::tcp {

// Proportional Rate Reduction, RFC 6937, with the choice between its two bounds that RFC 9937
// makes for each ACK: in recovery the window shrinks in step with what is delivered, and
// neither stops for half a round trip nor bursts. In bytes.
struct Prr {
  std::uint32_t delivered = 0;   // prr_delivered: since recovery began
  std::uint32_t out = 0;         // prr_out: sent since then
  std::uint32_t recover_fs = 1;  // RecoverFS: SND.NXT - SND.UNA when it began

  void begin(std::uint32_t flight) { *this = {.recover_fs = std::max(flight, 1u)}; }

  // An ACK has delivered `data`: the new cwnd. `safe`: it acknowledged something and told of no further loss
  // (SafeACK of RFC 9937), so that the window may grow back as in slow start (PRR-SSRB); else no more is sent than
  // was delivered (PRR-CRB).
  std::uint32_t window(std::uint32_t data, bool safe, std::uint32_t pipe, std::uint32_t ssthresh, std::uint32_t smss) {
    delivered += data;
    std::uint64_t may_send = 0;
    if (pipe > ssthresh) {
      const std::uint64_t share = (std::uint64_t{delivered} * ssthresh + recover_fs - 1) / recover_fs;
      may_send = share > out ? share - out : 0;
    } else {
      std::uint32_t limit = delivered > out ? delivered - out : 0;
      if (safe) limit = std::max(limit, data) + smss;
      may_send = std::min(limit, ssthresh - pipe);
    }
    return pipe + static_cast<std::uint32_t>(std::min<std::uint64_t>(may_send, UINT32_MAX - pipe));
  }
};

}  // namespace pollux::tcp
