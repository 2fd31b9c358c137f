// How much the peer may send: RFC 9293, 3.8.6.2.2, and how large the buffer behind that is.

#include <algorithm>

#include "base/mutant.h"
#include "tcp/tcb.h"

namespace pollux::tcp {
namespace {

// Of the shard's memory only a little is left: as Linux does, a peer is let send as many segments as start an
// acknowledgment each way going, and no more.
constexpr std::uint32_t kSegmentsUnderPressure = 4;

constexpr double kRoundTripsToHold = 4;

// Two readings of a clock that ticks every millisecond, one of each side.
constexpr Duration kClockError = 2ms;

}  // namespace

std::uint32_t Tcb::receive_limit(const Config& config) const {
  const std::uint64_t grown = std::uint64_t{config.receive_buffer} << growth_;
  const std::uint64_t most = std::max(config.receive_buffer, config.receive_buffer_max);
  return static_cast<std::uint32_t>(std::min(grown, most));
}

// How much may come beyond RCV.NXT, bytes. What is charged is text, until the packets that hold it take more memory
// than a buffer full of text does in full segments: then the room for more ends where most_held() is reached.
std::uint32_t Tcb::receive_room(const Env& env) const {
  const std::uint32_t limit = receive_limit(env.config);
  std::uint32_t used = 0;
  if (const ReceiveQueue* q = queue(env)) {
    const std::uint32_t most = most_held(env.config);
    const std::uint32_t left = most - std::min(q->true_size(), most);
    used = std::max(q->readable(), limit - std::min(left, limit));
  }
  const std::uint32_t room = limit - std::min(used, limit);
  if (!env.stores.held.under_pressure()) return room;
  return std::min(room, kSegmentsUnderPressure * std::max(rmss_, offered_mss_));
}

// By how much the right edge moves at least (MUST-39).
std::uint32_t Tcb::worth_offering(const Config& config) const {
  return std::min<std::uint32_t>(receive_limit(config) / 2, std::max(rmss_, offered_mss_));
}

// The window to offer. Its right edge never moves left (SHLD-14), and moves right only by
// what is worth a segment (MUST-39):
//
//     RCV.NXT              edge as offered           RCV.NXT + free buffer
//        |---- RCV.WND --------|------ not offered yet -------|
//
// With a scaled window the edge is rounded down to what the field can say, but not to the
// left of where it was. In SYN-RECEIVED it stays where the SYN put it: a HandshakeRecord keeps no edge.
void Tcb::choose_window(Env& env) {
  const SeqNum possible = rcv_.nxt + receive_room(env);
  SeqNum edge = rcv_.edge;
  const bool may_grow = !peer_has_closed(state_) && state_ != State::kSynReceived;
  if (may_grow && edge < possible && distance(edge, possible) >= MUTANT(46, worth_offering(env.config), 1u)) {
    edge = possible;
  }
  edge = MUTANT(17, edge, possible);
  const std::uint32_t unit = std::uint32_t{1} << rcv_wind_shift_;
  std::uint32_t field = std::min<std::uint32_t>(distance(rcv_.nxt, edge) / unit, 65535);
  if (rcv_.nxt + field * unit < rcv_.edge && field < 65535) {
    field = (distance(rcv_.nxt, rcv_.edge) + unit - 1) / unit;
  }
  rcv_.edge = MUTANT(17, max(rcv_.edge, rcv_.nxt + field * unit), rcv_.nxt + field * unit);
}

std::uint16_t Tcb::window_field() const {
  const std::uint8_t shift = rcv_wind_shift_;
  return static_cast<std::uint16_t>(std::min<std::uint32_t>(rcv_wnd() >> MUTANT(49, shift, std::uint8_t{0}), 65535));
}

void Tcb::begin_round(Env& env) {
  round_from_ = static_cast<std::uint16_t>(distance(rcv_.irs, rcv_.nxt - unread(env)) >> rcv_wind_shift_);
  round_began_ = Millis::floor(env.now);
}

// Dynamic right-sizing (Fisk and Feng, 2001): a peer that is to fill the path needs a window of what the path carries
// in a round trip, twice that while it doubles its cwnd, and twice that again while something lost or late is waited
// for. What the application read in the last round trip tells; the buffer is doubled when that was more than a quarter
// of it. Who reads slowly keeps a small one.
//
// A round trip is over when a timestamp from its beginning or later is echoed; without timestamps SRTT is taken,
// though nothing may have been measured since the handshake.
void Tcb::tune_receive_buffer(const Segment& seg, Env& env) {
  const std::uint32_t limit = receive_limit(env.config);
  const std::uint64_t sayable = std::uint64_t{65535} << rcv_wind_shift_;
  if (limit >= std::min<std::uint64_t>(env.config.receive_buffer_max, sayable)) return;
  const Millis now = Millis::floor(env.now);
  const Duration elapsed = std::chrono::milliseconds{now.elapsed_since(round_began_)};
  const bool echo = flag(kTimestamps) && seg.options.ts;
  const bool over = echo ? Millis{seg.options.ts->ecr - ts_.offset}.since(round_began_) >= 0 : elapsed > rtt_.srtt();
  if (!over || elapsed == Duration{}) return;

  // As the time between two ticks is not known, what was measured with a finer clock counts as far as it may be true.
  const Duration least = echo ? std::max(elapsed - kClockError, Duration{}) : Duration{};
  const Duration rtt = rtt_.sampled() ? std::clamp(rtt_.srtt(), least, std::max(elapsed, least)) : elapsed;
  const std::uint32_t unit = std::uint32_t{1} << rcv_wind_shift_;
  const std::uint16_t from = round_from_;
  begin_round(env);
  const double read = static_cast<double>(static_cast<std::uint16_t>(round_from_ - from)) * unit;
  const double in_round_trip = read * (static_cast<double>(rtt.count()) / static_cast<double>(elapsed.count()));
  if (kRoundTripsToHold * in_round_trip > limit && !env.stores.held.under_pressure()) ++growth_;
}

}  // namespace pollux::tcp
