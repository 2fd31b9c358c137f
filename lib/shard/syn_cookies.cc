// SYN-RECEIVED without a record: SYN cookies, for when more SYNs come than are followed up.

#include "base/assert.h"
#include "shard/shard_core.h"
#include "tcp/syn_cookie.h"

namespace pollux {

// The SYN-ACK of a connection that is opened and forgotten at once, so that the rules of opening stand in one place. It
// is not sent again: the peer's SYN will come again. And it is never larger than the SYN, or a flood from forged
// addresses would be made a larger one for those.
void ShardCore::answer_with_cookie(const ParsedFrame& frame, Listener& listener) {
  const Segment syn = tcp::abridged_for_cookie(frame.key, frame.segment, config_.tcp);
  const tcp::Opening opening{tcp::cookie_for(secrets_, frame.key, syn, env_.now), secrets_.timestamp_offset(frame.key),
                             mss_for(frame.key)};
  tcp::Counters unseen;  // nothing is open
  tcp::Env env{env_.now, config_.tcp, stores_, unseen};
  tcp::Tcb tcb;
  tcb.open_passive(frame.key, syn, opening, listener.spec.options, env);
  std::optional<tcp::Outgoing> out = tcb.poll_transmit(0, env);
  CHECK(out);
  if (out->options.ts) out->options.ts->val = tcp::cookie_timestamp(out->options.ts->val, syn);
  if (!frame.segment.options.mss) out->options.mss.reset();
  listener.cookies_until = env_.now + tcp::kCookieLifetime;
  if (push_reply(frame.key, frame.source, *out, tcb.ttl(), tcb.tos())) {
    ++counters_.syn_cookies_sent;
    ++counters_.segments_sent;
  }
  tcb.release(env);
  ++counters_.verdicts[static_cast<std::size_t>(tcp::Verdict::kAccepted)];
}

// The third segment of such a handshake: the record that there would have been is made, and gone on from. nullopt: it
// acknowledges no cookie of ours, and is a segment like any other.
std::optional<ShardCore::Touched> ShardCore::arrive_with_cookie(std::size_t i, std::uint16_t listener, Packet& packet) {
  const ParsedFrame& frame = parsed_[i];
  if (frame.segment.flags.syn || frame.segment.flags.rst) return std::nullopt;
  const std::optional<Segment> syn = tcp::syn_before(secrets_, frame.key, frame.segment, config_.tcp, env_.now);
  if (!syn) {
    ++counters_.syn_cookies_failed;
    return std::nullopt;
  }
  const std::uint32_t index = tcbs_.alloc();
  if (index == kNone) {  // the peer will send its text again
    ++shard_counters_.table_full;
    return Touched{};
  }
  ++counters_.syn_cookies_accepted;
  tcp::Tcb opening;
  opening.open_passive(frame.key, *syn,
                       {frame.segment.ack - 1, secrets_.timestamp_offset(frame.key), mss_for(frame.key)},
                       listeners_[listener].spec.options, env_);
  opening.listener = listener;
  tcp::HandshakeRecord record = tcp::HandshakeRecord::pack(opening, 0);
  record.measure_nothing();  // when the SYN-ACK was sent is not known
  opening.release(env_);

  tcp::Tcb& tcb = tcbs_[index];
  expand(frame.key, record, tcb);
  tcp::Arrival arrival{frame.segment, packet, {}};
  static_cast<void>(tcb.segment_arrives(arrival, env_));
  ASSERT(tcb.state() != tcp::State::kSynReceived && tcb.state() != tcp::State::kClosed);
  admit(index, frame, lookups_[i].hash);
  return Touched{index, arrival.fresh};
}

}  // namespace pollux
