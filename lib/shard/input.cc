// Frames in: which connection, listener or record each is for, and what follows.

#include <algorithm>

#include "base/assert.h"
#include "base/mutant.h"
#include "shard/shard_core.h"
#include "tcp/syn_cookie.h"
#include "tcp/time_wait.h"
#include "wire/arp.h"
#include "wire/icmp.h"
#include "wire/nd.h"

namespace pollux {
namespace {

// The errors that TCP distinguishes (RFC 1122, 4.2.3.9; RFC 1812, 5.2.7.1; RFC 4443, 3.1). What is forbidden on the way
// is as final as a port where nobody listens.
tcp::IcmpError icmp_error_of(const IcmpMessage& message, bool v4) {
  if (message.kind != IcmpKind::kUnreachable) return tcp::IcmpError::kOther;
  if (!v4) {
    switch (message.code) {
      case 0:
        return tcp::IcmpError::kNetUnreachable;
      case 2:  // beyond the scope of the source address
      case 3:
        return tcp::IcmpError::kHostUnreachable;
      case 1:  // administratively prohibited
      case 4:
      case 5:  // by a policy for the source address
      case 6:  // by the route
        return tcp::IcmpError::kPortUnreachable;
      default:
        return tcp::IcmpError::kOther;
    }
  }
  switch (message.code) {
    case 0:
    case 6:   // unknown
    case 11:  // for this type of service
      return tcp::IcmpError::kNetUnreachable;
    case 1:
    case 5:  // the source route failed
    case 7:
    case 8:  // the source is isolated
    case 12:
      return tcp::IcmpError::kHostUnreachable;
    case 2:
      return tcp::IcmpError::kProtocolUnreachable;
    case 3:
    case 9:  // administratively prohibited: the net, the host, the traffic
    case 10:
    case 13:
      return tcp::IcmpError::kPortUnreachable;
    default:
      return tcp::IcmpError::kOther;
  }
}

}  // namespace

// Each stage touches the whole burst before the next begins, so that the cache misses of
// its frames overlap.
void ShardCore::prepare(std::span<Packet> burst, Instant now) {
  ASSERT(burst.size() <= kMaxBurst);
  env_.now = now;
  for (std::size_t i = 0; i < burst.size(); ++i) {
    const std::span<std::byte> bytes = burst[i].bytes();
    shard_counters_.rx_bytes += bytes.size();
    Lookup& lookup = lookups_[i];
    lookup.drop = parse_frame(bytes, policy_, burst[i].ip_checksum, burst[i].tcp_checksum, parsed_[i]);
    if (lookup.drop != WireDrop::kNone || parsed_[i].kind != FrameKind::kTcp) continue;
    lookup.hash = flows_.hash(parsed_[i].key);
    flows_.prefetch(lookup.hash);
  }
  shard_counters_.rx_frames += burst.size();
  for (std::size_t i = 0; i < burst.size(); ++i) {
    if (lookups_[i].drop != WireDrop::kNone || parsed_[i].kind != FrameKind::kTcp) continue;
    const std::uint32_t value = flows_.candidate(lookups_[i].hash);
    if (value == kNone || HalfOpenTable::is_one(value)) {
      time_wait_.prefetch(lookups_[i].hash, parsed_[i].key.local.is_v4());
      continue;
    }
    const auto* line = reinterpret_cast<const std::byte*>(tcbs_.first()) + std::size_t{value} * tcbs_.stride();
    for (std::size_t offset = 0; offset < sizeof(tcp::Tcb); offset += 64) __builtin_prefetch(line + offset);
    // Where it will stand if this FIN is the last that its connection waits for.
    if (parsed_[i].segment.flags.fin) time_wait_.prefetch(lookups_[i].hash, parsed_[i].key.local.is_v4());
  }
  // The SYNs' predecessors.
  for (std::size_t i = 0; i < burst.size(); ++i) {
    if (lookups_[i].drop != WireDrop::kNone || parsed_[i].kind != FrameKind::kTcp) continue;
    if (parsed_[i].segment.flags.syn) time_wait_.prefetch_record(lookups_[i].hash, parsed_[i].key.local.is_v4());
  }
}

ShardCore::Touched ShardCore::arrive(std::size_t i, Packet& packet) {
  if (lookups_[i].drop != WireDrop::kNone) {
    ++shard_counters_.wire_drops[static_cast<std::size_t>(lookups_[i].drop)];
    return {};
  }
  switch (parsed_[i].kind) {
    case FrameKind::kTcp:
      return arrive_tcp(i, packet);
    case FrameKind::kArp:
      arrive_arp(parsed_[i]);
      return {};
    case FrameKind::kNd:
      arrive_nd(parsed_[i]);
      return {};
    case FrameKind::kIcmp:
    case FrameKind::kIcmp6:
      return arrive_icmp(parsed_[i]);
  }
  unreachable();
}

std::uint32_t ShardCore::locate(const FlowKey& key, std::uint64_t hash) const {
  return flows_.find(hash, [&](std::uint32_t value) {
    return HalfOpenTable::is_one(value) ? half_open_.has(value, key) : tcbs_[value].key() == key;
  });
}

ShardCore::Touched ShardCore::arrive_tcp(std::size_t i, Packet& packet) {
  const ParsedFrame& frame = parsed_[i];
  if (frame.malformed_options) ++shard_counters_.malformed_options;
  if (frame.link_group) {
    ++shard_counters_.link_group;
    return {};
  }
  const std::uint32_t value = locate(frame.key, lookups_[i].hash);
  if (value == kNone) {
    return arrive_in_time_wait(i, packet) ? Touched{} : arrive_for_nobody(i, packet);
  }
  if (HalfOpenTable::is_one(value)) return arrive_half_open(i, value, packet);

  tcp::Tcb& tcb = tcbs_[value];
  if (tcb.owes_ack_at_once()) acknowledge_at_once(tcb);  // of what the burst has brought before this
  const SeqNum una = tcb.snd().una;
  const SeqNum nxt = tcb.snd().nxt;
  const bool asked = tcb.asks_fast_open(env_);
  tcp::Arrival arrival{frame.segment, packet, {}};
  const tcp::Verdict verdict = tcb.segment_arrives(arrival, env_);
  if (verdict == tcp::Verdict::kReset) push_reset(frame);
  if (asked) learn_of_fast_open(tcb, frame.segment, nxt);
  // In TIME-WAIT, and not yet a record: what it has left to send or to be read goes first.
  if (verdict == tcp::Verdict::kReopen) tcb.acknowledge();
  // An acknowledgment of what we sent is the best proof that it arrives (RFC 4861, 7.3.1).
  if (tcb.snd().una != una) neighbours_.confirm({tcb.next_hop, tcb.next_hop_generation}, env_.now);
  return {value, arrival.fresh};
}

ShardCore::Touched ShardCore::arrive_for_nobody(std::size_t i, Packet& packet) {
  const ParsedFrame& frame = parsed_[i];
  if (!is_local(frame.key.local)) {
    ++shard_counters_.not_our_address;
    return {};
  }
  if (!config_.ownership.mine(frame.key)) {
    ++shard_counters_.foreign;
    return {};
  }
  if (is_local(frame.key.remote) || is_broadcast(frame.key.remote)) {  // MUST-63
    ++shard_counters_.bad_source;
    return {};
  }
  const std::uint16_t listener = listeners_.find(frame.key.local, frame.key.local_port);
  if (listener != Listeners::kNone) {
    if (frame.segment.flags.ack && env_.now < listeners_[listener].cookies_until) {
      if (const auto opened = arrive_with_cookie(i, listener, packet)) return *opened;
    }
    ++counters_.segments_received;
    if (allows_fast_open(frame, listeners_[listener], false)) {
      if (const auto opened = arrive_with_fast_open(i, listener, packet)) return *opened;
    }
    arrive_at_listener(i, listener, std::nullopt);
    return {};
  }
  ++counters_.segments_received;
  ++shard_counters_.no_listener;
  if (!MUTANT(51, frame.segment.flags.rst, false)) push_reset(frame);
  return {};
}

// RFC 9293, 3.10.7.2. `above`: a sequence number that the new connection's must be above.
void ShardCore::arrive_at_listener(std::size_t i, std::uint16_t listener, std::optional<SeqNum> above) {
  const ParsedFrame& frame = parsed_[i];
  const tcp::Verdict verdict = tcp::arrives_in_listen(frame.segment);
  if (verdict == tcp::Verdict::kReset) push_reset(frame);
  if (verdict != tcp::Verdict::kContinue) {
    ++counters_.verdicts[static_cast<std::size_t>(verdict)];
    return;
  }
  Listener& l = listeners_[listener];
  // What comes out of TIME-WAIT must be numbered above what was there, which no cookie can be.
  if (!above && wants_cookie(l, frame.key.local.is_v4())) return answer_with_cookie(frame, l);
  if (l.half_open >= l.spec.backlog) {
    ++shard_counters_.backlog_full;
    if (l.spec.on_full == BacklogPolicy::kReset) push_reset(frame);
    return;
  }
  if (half_open_.full(frame.key.local.is_v4())) {
    ++shard_counters_.half_open_full;
    return;
  }
  tcp::Tcb tcb;
  tcp::Opening opening = opening_for(frame.key, above);
  // The peer may have a cookie already, and acknowledge that: then no more is agreed on than a cookie tells.
  const bool may_have_cookie = !above && env_.now < l.cookies_until;
  std::optional<Segment> abridged;
  if (may_have_cookie) {
    abridged = tcp::abridged_for_cookie(frame.key, frame.segment, config_.tcp);
    opening.iss = tcp::cookie_for(secrets_, frame.key, *abridged, env_.now);
  }
  if (allows_fast_open(frame, l, above.has_value())) opening.fast_open = cookie_to_give(frame);
  tcb.open_passive(frame.key, abridged ? *abridged : frame.segment, opening, l.spec.options, env_);
  tcb.listener = listener;
  send_syn_ack(tcb, frame.source);
  tcp::HandshakeRecord record = tcp::HandshakeRecord::pack(tcb, 0);
  if (may_have_cookie) record.measure_nothing();
  const std::uint32_t id = half_open_.add(frame.key, record);
  tcb.release(env_);
  half_open_.arm(id, env_.now + config_.tcp.rto_initial);
  ++l.half_open;
  CHECK(flows_.insert(lookups_[i].hash, id));
  if (!above) ++counters_.verdicts[static_cast<std::size_t>(tcp::Verdict::kAccepted)];  // else: kReopen, already
}

// In TIME-WAIT a TCB is made of the record, so that the rules stand in one place.
bool ShardCore::arrive_in_time_wait(std::size_t i, Packet& packet) {
  if (time_wait_.size() == 0) return false;
  const ParsedFrame& frame = parsed_[i];
  const std::optional<TimeWaitEntry> entry = time_wait_.find(frame.key, lookups_[i].hash);
  if (!entry) return false;
  const tcp::Millis entered{entry->entered_ms};
  const tcp::Millis heard{entry->entered_ms - 1};  // the table rounds up, and an age must not be negative
  const std::uint8_t period = TimeWaitTable::challenge_period(env_.now);
  const tcp::TimeWaitRecord record{entry->snd_nxt,       entry->rcv_nxt,    entry->ts_recent,           heard, entered,
                                   entry->rcv_wnd_field, entry->timestamps, entry->challenged == period};
  tcp::Tcb tcb;
  record.unpack(frame.key, secrets_.timestamp_offset(frame.key), tcb, env_);
  const std::optional<Instant> before = tcb.next_deadline(env_.now);
  tcp::Arrival arrival{frame.segment, packet, {}};
  const tcp::Verdict verdict = tcb.segment_arrives(arrival, env_);
  if (verdict == tcp::Verdict::kReopen && listeners_.find(frame.key.local, frame.key.local_port) != Listeners::kNone) {
    reopen(i, *entry);
    return true;
  }
  if (tcb.state() == tcp::State::kClosed) {  // a RST, where it is believed
    time_wait_.remove(frame.key, TimeWaitTable::Ended::kReset);
    if (entry->active_open)
      ports_.leave_time_wait({frame.key.local, frame.key.remote, frame.key.remote_port}, frame.key.local_port);
    return true;
  }
  if (tcb.next_deadline(env_.now) > before) time_wait_.restart(frame.key, env_.now);
  if (tcb.ts().recent != entry->ts_recent) time_wait_.update(frame.key, tcb.rcv().nxt, tcb.ts().recent);
  if (tcb.was_challenged() && !record.challenged) time_wait_.note_challenge(frame.key, period);
  if (verdict == tcp::Verdict::kReopen) tcb.acknowledge();
  if (const auto out = tcb.poll_transmit(0, env_)) push_reply(frame.key, frame.source, *out, tcb.ttl(), tcb.tos());
  return true;
}

// RFC 6191; RFC 9293, MAY-2: the record gives way to a new connection, whose sequence
// numbers begin above the old one's last. It stays while the listener has no room for that.
void ShardCore::reopen(std::size_t i, const TimeWaitEntry& entry) {
  const std::uint16_t listener = listeners_.find(entry.key.local, entry.key.local_port);
  const Listener& l = listeners_[listener];
  if (l.half_open < l.spec.backlog && !half_open_.full(entry.key.local.is_v4())) {
    time_wait_.remove(entry.key);
    time_wait_over(entry);
  }
  arrive_at_listener(i, listener, entry.snd_nxt);
}

// --- Neighbours and ICMP ---

void ShardCore::arrive_arp(const ParsedFrame& frame) {
  const auto message = parse_arp(frame.payload);
  if (!message) {
    ++shard_counters_.wire_drops[static_cast<std::size_t>(message.error())];
    return;
  }
  const bool for_us = is_local(message->target_ip);
  const bool answer = message->operation == ArpOperation::kReply && message->target_mac == config_.mac;
  neighbours_.heard(message->sender_ip, message->sender_mac, answer, env_.now, [](std::uint32_t) {});
  wake_waiting();
  if (message->operation != ArpOperation::kRequest || !for_us || message->is_gratuitous() || !config_.answers_arp)
    return;
  if (RawReply* reply = push_raw()) {
    reply->size = static_cast<std::uint32_t>(
        write_arp_reply(reply->bytes.data(), link_to(message->sender_mac), message->target_ip, *message));
  }
}

void ShardCore::arrive_nd(const ParsedFrame& frame) {
  const auto message = parse_nd(frame);
  if (!message) {
    ++shard_counters_.wire_drops[static_cast<std::size_t>(message.error())];
    return;
  }
  if (message->kind == NdKind::kAdvertisement) {
    if (message->link_address) {
      neighbours_.heard(message->target, *message->link_address, message->solicited, env_.now, [](std::uint32_t) {});
      wake_waiting();
    }
    return;
  }
  if (message->link_address) {
    neighbours_.heard(frame.key.remote, *message->link_address, false, env_.now, [](std::uint32_t) {});
    wake_waiting();
  }
  if (!is_local(message->target) || !config_.answers_arp) return;
  if (RawReply* reply = push_raw()) {
    reply->size = static_cast<std::uint32_t>(
        write_neighbour_advertisement(reply->bytes.data(), link_to(frame.source), message->target, frame));
  }
}

ShardCore::Touched ShardCore::arrive_icmp(const ParsedFrame& frame) {
  const auto message = parse_icmp(frame);
  if (!message) {
    ++shard_counters_.wire_drops[static_cast<std::size_t>(message.error())];
    return {};
  }
  if (message->kind == IcmpKind::kEchoRequest) {
    // RFC 1122, 3.3.6: not what came in a broadcast frame.
    if (is_local(frame.key.local) && config_.answers_arp && !frame.link_group) {
      echo(frame);
    } else {
      ++shard_counters_.icmp_ignored;
    }
    return {};
  }
  const bool is_error = message->kind == IcmpKind::kUnreachable || message->kind == IcmpKind::kTimeExceeded ||
                        message->kind == IcmpKind::kParameterProblem || message->kind == IcmpKind::kPacketTooBig;
  const std::uint32_t value =
      is_error && message->quoted ? locate(message->quoted->key, flows_.hash(message->quoted->key)) : kNone;
  bool believed = false;
  if (value != kNone) {
    const tcp::IcmpError error = icmp_error_of(*message, frame.key.local.is_v4());
    const SeqNum seq = message->quoted->seq;
    if (!HalfOpenTable::is_one(value)) {
      tcp::Tcb& tcb = tcbs_[value];
      const bool asked = tcb.asks_fast_open(env_);
      believed = message->kind == IcmpKind::kPacketTooBig
                     ? tcb.packet_too_big(seq, message->mtu, message->quoted->size, env_)
                     : tcb.icmp_error(error, seq, env_);
      if (asked && !tcb.asks_fast_open(env_)) fast_open_cache_.fail(tcb.key(), env_.now);  // RFC 7413, 4.1.3.1
    } else if (error != tcp::IcmpError::kOther) {
      believed = icmp_for_half_open(value, seq, flows_.hash(message->quoted->key));
    }
  }
  ++(believed ? shard_counters_.icmp_errors : shard_counters_.icmp_ignored);
  return {believed && !HalfOpenTable::is_one(value) ? value : kNone, {}};
}

void ShardCore::echo(const ParsedFrame& frame) {
  RawReply* reply = push_raw();
  if (reply == nullptr) return;
  const std::span<std::byte> room =
      std::span{reply->bytes}.first(std::min<std::size_t>(RawReply::kCapacity, plain_frame_size()));
  reply->size = static_cast<std::uint32_t>(write_echo_reply(room, link_to(frame.source), frame));
  if (reply->size == 0) {  // larger than what we answer
    raw_replies_.unpush();
    ++shard_counters_.icmp_ignored;
  } else {
    ++shard_counters_.echo_replies;
  }
}

}  // namespace pollux
