// TCP Fast Open (RFC 7413): connections whose SYN brings text, and what is known of those that ours may bring some to.

#include "base/assert.h"
#include "shard/shard_core.h"

namespace pollux {

// --- The server ---

// Whether the option of a SYN means anything to its listener. Not in a flood, nor shortly after (SYN cookies are there
// for that, and one of them may be on its way), and not where the SYN takes the place of a connection in TIME-WAIT.
bool ShardCore::allows_fast_open(const ParsedFrame& frame, const Listener& listener, bool takes_place) const {
  if (!frame.segment.options.fast_open || !config_.tcp.fast_open_server || listener.spec.fast_open == 0) return false;
  return !takes_place && listener.cookies_until <= env_.now && !wants_cookie(listener, frame.key.local.is_v4());
}

// A SYN for which allows_fast_open(). With a good cookie, while not too many are pending: a TCB at once, which the
// application gets with the text of the SYN (4.2.2, server). nullopt: the usual handshake.
std::optional<ShardCore::Touched> ShardCore::arrive_with_fast_open(std::size_t i, std::uint16_t listener,
                                                                   Packet& packet) {
  const ParsedFrame& frame = parsed_[i];
  if (tcp::arrives_in_listen(frame.segment) != tcp::Verdict::kContinue) return std::nullopt;
  const FastOpenCookie& cookie = *frame.segment.options.fast_open;
  if (cookie.size == 0) {
    ++counters_.fast_open_cookie_reqd;
    return std::nullopt;
  }
  const tcp::CookieCheck check = tcp::check_fast_open_cookie(config_.keys.fast_open, frame.key, cookie);
  if (check == tcp::CookieCheck::kNone) {
    ++counters_.fast_open_passive_fail;
    return std::nullopt;
  }
  Listener& l = listeners_[listener];
  if (l.pending.full(env_.now)) {
    ++counters_.fast_open_listen_overflow;
    return std::nullopt;
  }
  if (tcbs_.full()) return std::nullopt;
  const std::uint32_t index = new_tcb(lookups_[i].hash);
  tcp::Tcb& tcb = tcbs_[index];
  tcp::Opening opening = opening_for(frame.key, std::nullopt);
  opening.fast_open = cookie_to_give(frame);
  tcb.open_passive(frame.key, frame.segment, opening, l.spec.options, env_);
  tcb.listener = listener;
  tcb.fast_open_pending = true;
  l.pending.begin();
  tcp::Arrival arrival{frame.segment, packet, {}};
  tcb.open_early(arrival, env_);
  ++counters_.verdicts[static_cast<std::size_t>(tcp::Verdict::kAccepted)];
  return Touched{index, arrival.fresh};
}

// What the SYN-ACK brings to who asked for a cookie, or came with one that is not the current one. Where it is, text
// was refused for want of room, and the client keeps what it has.
std::optional<FastOpenCookie> ShardCore::cookie_to_give(const ParsedFrame& frame) const {
  const tcp::FastOpenKeys& keys = config_.keys.fast_open;
  const FastOpenCookie& theirs = *frame.segment.options.fast_open;
  if (tcp::check_fast_open_cookie(keys, frame.key, theirs) == tcp::CookieCheck::kCurrent) return std::nullopt;
  return tcp::fast_open_cookie(keys.current, frame.key);
}

// The handshake is done, or never will be. A reset makes no room at once (5.1), nor does what a firewall says in its
// place.
void ShardCore::end_pending_fast_open(tcp::Tcb& tcb) {
  const bool by_reset = tcb.state() == tcp::State::kClosed &&
                        (tcb.reason() == tcp::Reason::kReset || tcb.reason() == tcp::Reason::kRefused);
  listeners_[tcb.listener].pending.end(by_reset, env_.now);
  tcb.fast_open_pending = false;
}

// --- The client ---

void ShardCore::ask_fast_open(const FlowKey& key, tcp::Opening& opening) {
  const std::optional<FastOpenCache::Known> known = fast_open_cache_.find(key, env_.now);
  if (!known) return;
  opening.fast_open = known->cookie;
  opening.peer_mss = known->mss;
}

// What came for a connection whose SYN, up to `text_end`, had the option.
void ShardCore::learn_of_fast_open(const tcp::Tcb& tcb, const Segment& answer, SeqNum text_end) {
  if (!tcp::synchronized(tcb.state())) return;
  const FlowKey& key = tcb.key();
  const SeqNum text = tcb.snd().iss + 1;
  if (answer.options.fast_open && answer.options.fast_open->size > 0) {
    const std::uint16_t usual = key.remote.is_v4() ? tcp::kDefaultMssV4 : tcp::kDefaultMssV6;
    fast_open_cache_.learn(key, *answer.options.fast_open, answer.options.mss.value_or(usual), env_.now);
  } else if (text < text_end && answer.ack == text) {
    fast_open_cache_.fail(key, env_.now);  // 4.1.3.1: "the server not acknowledging the data in the SYN"
  } else {
    fast_open_cache_.succeed(key);
  }
}

// A SYN that has to go again goes without the option; and perhaps that was why.
void ShardCore::timers_due(std::uint32_t index) {
  tcp::Tcb& tcb = tcbs_[index];
  const bool asked = tcb.asks_fast_open(env_);
  tcb.timers_due(env_);
  if (asked && !tcb.asks_fast_open(env_)) fast_open_cache_.fail(tcb.key(), env_.now);
}

}  // namespace pollux
