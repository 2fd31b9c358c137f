// SYN-RECEIVED after a passive OPEN: a record that becomes a TCB for each segment that
// concerns it, and for good with the one that completes the handshake.

#include <algorithm>

#include "base/assert.h"
#include "base/mutant.h"
#include "shard/shard_core.h"

namespace pollux {
namespace {

// So many half-open connections are no flood, however small the backlog is.
constexpr std::uint32_t kFewHalfOpen = 128;
constexpr int kMostDoublings = 16;  // by then every wait is the longest (RFC 6298, 2.5)

}  // namespace

ShardCore::Touched ShardCore::arrive_half_open(std::size_t i, std::uint32_t id, Packet& packet) {
  const ParsedFrame& frame = parsed_[i];
  if (!listeners_[half_open_[id].listener].open) {  // closed in the meantime: nobody will accept it
    --counters_.states[static_cast<std::size_t>(tcp::State::kSynReceived)];
    forget_half_open(id, lookups_[i].hash);
    ++counters_.segments_received;
    ++shard_counters_.no_listener;
    if (!frame.segment.flags.rst) push_reset(frame);
    return {};
  }
  const std::uint32_t index = tcbs_.alloc();
  if (index == kNone) {  // the peer will send its acknowledgment, or its text, again
    ++shard_counters_.table_full;
    return {};
  }
  tcp::Tcb& tcb = tcbs_[index];
  expand(id, tcb);
  tcp::Arrival arrival{frame.segment, packet, {}};
  if (tcb.segment_arrives(arrival, env_) == tcp::Verdict::kReset) push_reset(frame);
  if (tcb.state() != tcp::State::kSynReceived && tcb.state() != tcp::State::kClosed) {
    forget_half_open(id, lookups_[i].hash);
    admit(index, frame, lookups_[i].hash);
    return {index, arrival.fresh};
  }
  if (tcb.state() == tcp::State::kClosed) {  // RST: back to LISTEN, and the listener never knew
    forget_half_open(id, lookups_[i].hash);
  } else {
    half_open_[id].note(tcb);
    if (tcb.wants_to_transmit()) send_syn_ack(tcb, frame.source);
  }
  tcb.release(env_);
  tcbs_.free(index);
  return {};
}

void ShardCore::expand(std::uint32_t id, tcp::Tcb& tcb) { expand(half_open_.key(id), half_open_[id], tcb); }

void ShardCore::expand(const FlowKey& key, const tcp::HandshakeRecord& record, tcp::Tcb& tcb) {
  record.unpack(key, {record.iss, secrets_.timestamp_offset(key), mss_for(key)},
                listeners_[record.listener].spec.options, tcb, env_);
}

// The handshake proved that the peer is where the frame came from (RFC 4861, 7.3.1), which
// saves asking for its address before the first answer.
void ShardCore::admit(std::uint32_t index, const ParsedFrame& frame, std::uint64_t hash) {
  enrol(index, hash);
  tcp::Tcb& tcb = tcbs_[index];
  if (const auto hop = next_hop_for(frame.key.remote)) {
    const NeighbourTable::Resolved known = neighbours_.resolve(*hop, NeighbourTable::kNoWaiter, env_.now);
    if (known.mac == nullptr) neighbours_.heard(*hop, frame.source, true, env_.now, [](std::uint32_t) {});
    tcb.next_hop = known.hop.index;
    tcb.next_hop_generation = known.hop.generation;
  }
}

// RFC 5927: the SYN-ACK is all that may be quoted. Nobody waits for this connection but the peer, who will ask again.
bool ShardCore::icmp_for_half_open(std::uint32_t id, SeqNum seq, std::uint64_t hash) {
  if (seq != half_open_[id].iss) return false;
  --counters_.states[static_cast<std::size_t>(tcp::State::kSynReceived)];
  forget_half_open(id, hash);
  return true;
}

void ShardCore::forget_half_open(std::uint32_t id, std::uint64_t hash) {
  listeners_[half_open_[id].listener].half_open -= MUTANT(22, 1u, 0u);
  flows_.erase(hash, id);
  half_open_.remove(id);
}

// RFC 6298 for the SYN-ACK: 1, 2, 4 ... seconds, and then the record goes.
void ShardCore::half_open_due(std::uint32_t id) {
  tcp::HandshakeRecord& record = half_open_[id];
  const Listener& listener = listeners_[record.listener];
  // More than half full, of what is ever taken (which with cookies is half): who has not answered the second SYN-ACK
  // makes room for those who will.
  const std::uint32_t half = config_.tcp.syn_cookies ? listener.spec.backlog / 4 : listener.spec.backlog / 2;
  const bool crowded = listener.half_open > std::max(half, kFewHalfOpen);
  const std::uint8_t retries = std::min<std::uint8_t>(config_.tcp.syn_ack_retries, crowded ? 1 : UINT8_MAX);
  if (MUTANT(64, record.retransmissions >= retries, false) || !listener.open) {
    ++shard_counters_.half_open_expired;
    --counters_.states[static_cast<std::size_t>(tcp::State::kSynReceived)];
    return forget_half_open(id, flows_.hash(half_open_.key(id)));
  }
  ++record.retransmissions;
  record.allow_challenge();
  ++counters_.rto_fired;
  const Duration wait = config_.tcp.rto_initial * (1 << std::min<int>(record.retransmissions, kMostDoublings));
  half_open_.arm(id, env_.now + std::min(wait, config_.tcp.rto_max));
  const FlowKey key = half_open_.key(id);
  const MacAddress* mac = mac_towards(key.remote);
  if (mac == nullptr) return;
  tcp::Tcb tcb;
  expand(id, tcb);
  tcb.repeat_syn_ack();
  send_syn_ack(tcb, *mac);
  tcb.release(env_);
}

void ShardCore::send_syn_ack(tcp::Tcb& tcb, const MacAddress& destination) {
  const auto out = tcb.poll_transmit(0, env_);
  if (out) push_reply(tcb.key(), destination, *out, tcb.ttl(), tcb.tos());
}

}  // namespace pollux
