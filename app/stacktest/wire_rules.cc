#include "wire_rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "serial_number.h"

namespace pollux::stacktest {
namespace {

// Timestamps that lie further apart have no order (RFC 7323, 5.5).
constexpr Duration kComparable = 24h * 24;

std::optional<unsigned> shift_of(const Packet& packet) {
  const TcpOption* o = packet.find(option::kWscale);
  if (o == nullptr || o->data.size() != 1) return std::nullopt;
  return std::min(std::to_integer<unsigned>(o->data[0]), 14u);
}

}  // namespace

void WireRules::received(const Packet& packet, Instant at) {
  if (packet.icmp) return;
  reset_came_at_.reset();
  if (packet.has(kRst)) {
    reset_came_at_ = at;
    return;
  }
  if (packet.has(kSyn)) peer_shift_ = shift_of(packet);
  const std::uint32_t end = packet.seq + packet.length();
  if (!peer_end_known_ || before(peer_end_, end) || packet.has(kSyn)) peer_end_ = end;
  peer_end_known_ = true;
  if (!packet.has(kAck) || !iss_) return;
  const bool scaled = own_shift_ && peer_shift_ && !packet.has(kSyn);
  const std::uint32_t edge = packet.ack + (std::uint32_t{packet.wnd} << (scaled ? *peer_shift_ : 0));
  if (!peer_edge_known_ || before(peer_edge_, edge)) peer_edge_ = edge;
  peer_edge_known_ = true;
  if (before(una_, packet.ack) && !before(nxt_, packet.ack)) una_ = packet.ack;
}

// A SYN with new numbers: another connection.
void WireRules::begin(const Packet& syn) {
  iss_ = syn.seq;
  nxt_ = syn.seq;
  una_ = syn.seq;
  own_shift_ = shift_of(syn);
  peer_edge_known_ = false;
  last_tsval_.reset();
  last_ack_.reset();
}

std::string WireRules::check_options(const Packet& packet, Instant at) const {
  if (!packet.has(kSyn)) {
    for (const std::uint8_t kind : {option::kMss, option::kWscale, option::kSackOk}) {
      if (packet.find(kind) != nullptr) return fmt::format("option {} outside of a SYN (MUST-65)", kind);
    }
  }
  const TcpOption* ts = packet.find(option::kTimestamps);
  if (ts != nullptr && last_tsval_ && at - last_tsval_at_ < kComparable) {
    if (before(number_at(*ts, 0), *last_tsval_)) return "a TSval that goes back (RFC 7323, 5.2)";
  }
  return check_sack(packet);
}

std::string WireRules::check_sack(const Packet& packet) const {
  const TcpOption* sack = packet.find(option::kSack);
  if (sack == nullptr) return {};
  if (packet.has(kSyn)) return "SACK blocks in a SYN";
  for (std::size_t i = 0; i + 8 <= sack->data.size(); i += 8) {
    const std::uint32_t left = number_at(*sack, i);
    const std::uint32_t right = number_at(*sack, i + 4);
    if (!before(left, right)) return "an empty SACK block";
    if (before(peer_end_, right)) return "a SACK block beyond what was ever sent";
    // The first may tell of a duplicate (RFC 2883).
    if (i > 0 && !before(packet.ack, left)) return "a SACK block, not the first, below the acknowledgment";
  }
  return {};
}

std::string WireRules::check_acknowledgment(const Packet& packet) {
  if (!packet.has(kAck) || packet.has(kRst)) return {};
  if (last_ack_ && before(packet.ack, *last_ack_)) return "an acknowledgment that goes back";
  const bool first = !last_ack_;
  last_ack_ = packet.ack;
  const bool scaled = own_shift_ && peer_shift_ && !packet.has(kSyn);
  const std::uint32_t edge = packet.ack + (std::uint32_t{packet.wnd} << (scaled ? *own_shift_ : 0));
  if (!first && !packet.has(kSyn) && before(edge, edge_)) return "a window whose right edge moves left (SHLD-14)";
  if (first || before(edge_, edge)) edge_ = edge;
  return {};
}

std::string WireRules::check_text(const Packet& packet) {
  const std::uint32_t end = packet.seq + packet.length();
  const bool pure = packet.length() == 0 && !packet.has(kRst);
  // A probe, or a keep-alive, stands one number before what is unacknowledged.
  if (pure && packet.seq != nxt_ && packet.seq != una_ - 1 && packet.seq != nxt_ - 1) {
    return "an ACK without text whose SEQ is not SND.NXT";
  }
  if (packet.text.size() > 1 && peer_edge_known_ &&
      before(peer_edge_, packet.seq + static_cast<std::uint32_t>(packet.text.size()))) {
    return "text beyond the window that the peer has offered";
  }
  if (!packet.has(kRst) && before(nxt_, end)) nxt_ = end;
  return {};
}

std::string WireRules::sent(const Packet& packet, Instant at) {
  if (packet.icmp) return {};
  if (packet.has(kRst)) {
    if (reset_came_at_ == at) return "a RST in answer to a RST (RFC 9293, 3.5.2)";
    return {};
  }
  if (packet.has(kSyn) && (!iss_ || *iss_ != packet.seq)) begin(packet);
  if ((packet.tos & 3) != 0 && packet.text.empty()) return "an ECN-capable packet without text (RFC 3168, 6.1.4)";
  if (std::string broken = check_options(packet, at); !broken.empty()) return broken;
  if (const TcpOption* ts = packet.find(option::kTimestamps)) {
    last_tsval_ = number_at(*ts, 0);
    last_tsval_at_ = at;
  }
  if (!iss_) return {};
  if (std::string broken = check_acknowledgment(packet); !broken.empty()) return broken;
  return check_text(packet);
}

}  // namespace pollux::stacktest
