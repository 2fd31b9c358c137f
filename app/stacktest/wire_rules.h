#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "packet.h"
#include "time/instant.h"

namespace pollux::stacktest {

// What holds for every packet that a TCP sends, whatever a script says of it; of one connection. Numbers are those on
// the wire. Checksums, lengths and padding are looked at where packets are read.
class WireRules {
 public:
  void received(const Packet& packet, Instant at);
  // The rule that the packet breaks; empty: none.
  std::string sent(const Packet& packet, Instant at);

 private:
  void begin(const Packet& syn);
  std::string check_options(const Packet& packet, Instant at) const;
  std::string check_sack(const Packet& packet) const;
  std::string check_acknowledgment(const Packet& packet);
  std::string check_text(const Packet& packet);

  // The stack's side, from its SYN on.
  std::optional<std::uint32_t> iss_;
  std::uint32_t nxt_ = 0;  // SND.NXT as far as one can see
  std::uint32_t una_ = 0;  // what the peer has acknowledged
  std::uint32_t peer_edge_ = 0;
  bool peer_edge_known_ = false;
  std::optional<unsigned> own_shift_;  // offered in the SYN
  std::optional<std::uint32_t> last_tsval_;
  Instant last_tsval_at_{};
  // The peer's side.
  std::optional<unsigned> peer_shift_;
  std::optional<std::uint32_t> last_ack_;
  std::uint32_t edge_ = 0;  // of the window that the stack has offered
  std::uint32_t peer_end_ = 0;
  bool peer_end_known_ = false;
  std::optional<Instant> reset_came_at_;  // nothing came since
};

}  // namespace pollux::stacktest
