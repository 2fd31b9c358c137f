// What a Network looks at after every event, and at the end.

#include <cstdio>

#include "network.h"

namespace pollux::sim {
namespace {

constexpr std::uint8_t kLoss = 4;  // TCP_CA_Loss

std::string seconds(Duration d) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6f", std::chrono::duration<double>(d).count());
  return text;
}

}  // namespace

// Whether what went beyond `nxt` may be F-RTO's: two segments in all, between a time-out and the end of its recovery.
bool Network::may_go_forward(const tcp::Tcb& tcb, SeqNum nxt, Forward& forward, const tcp::Env& env) {
  if (tcb.timestamps() || tcb.info(env).ca_state != kLoss) return false;
  const bool goes_on = forward.generation == tcb.generation && forward.from && tcb.snd().una < *forward.from;
  if (!goes_on) forward = {tcb.generation, nxt};
  return tcb.snd().nxt <= *forward.from + 2u * tcb.smss() + 1u;
}

void Network::fail(std::string what) {
  if (failures_.size() < 10) failures_.push_back("at " + seconds(now_ - config_.start) + " s: " + std::move(what));
}

// No timer is late, and none will be slept through.
void Network::check_timers(int host) {
  SimShard& s = shard(host);
  const ShardCore& core = s.core();
  const std::optional<Instant> next = s.next_due(now_);
  core.for_each([&](std::uint32_t index) {
    const std::optional<Instant> due = core.tcb(index).next_deadline(now_);
    if (!due) return;
    if (*due + 1ms < now_) fail("a timer did not come up: " + pollux::to_string(core.tcb(index).key()));
    if (!next || *due + 1ms < *next)
      fail("a deadline that nobody will wake for: " + pollux::to_string(core.tcb(index).key()));
  });
}

void Network::note_before_receive(int host) {
  Host& h = hosts_[static_cast<std::size_t>(host)];
  const ShardCore& core = h.shard->core();
  core.for_each([&](std::uint32_t index) {
    const tcp::Tcb& tcb = core.tcb(index);
    h.acknowledged[index] = {tcb.generation, tcp::synchronized(tcb.state()), tcb.snd().una, tcb.congestion()};
  });
}

// RFC 5681, 3.1: in slow start cwnd grows by no more bytes than are acknowledged, in however many ACKs; in NewReno's
// congestion avoidance by no more than a segment for each cwnd that is (CUBIC's curve has a test of its own). Only
// until the host's first fast retransmit: what cwnd is during a recovery, and after it, has rules of its own. So it has
// where a time-out turns out to have been for nothing (RFC 4015, 3.2).
void Network::check_growth(int host) {
  Host& h = hosts_[static_cast<std::size_t>(host)];
  ShardCore& core = h.shard->core();
  if (core.tcp_counters().fast_retransmits + core.tcp_counters().spurious_time_outs > 0) return;
  core.for_each([&](std::uint32_t index) {
    const tcp::Tcb& tcb = core.tcb(index);
    const Acknowledged& before = h.acknowledged[index];
    const tcp::Congestion& now = tcb.congestion();
    const bool same = before.synchronized && before.generation == tcb.generation;
    const bool slow_start = before.congestion.in_slow_start() && now.cwnd <= now.ssthresh;
    const bool avoidance = core.env().config.congestion == tcp::CongestionControl::kNewReno &&
                           !before.congestion.in_slow_start() && !now.in_slow_start();
    if (!same || !(slow_start || avoidance) || now.cwnd <= before.congestion.cwnd) return;
    const std::uint32_t growth = now.cwnd - before.congestion.cwnd;
    const std::uint32_t acked = tcb.snd().una.value() - before.una.value();
    const std::uint32_t rounds = acked / before.congestion.cwnd + 1;  // with what was acknowledged before
    if (growth <= (slow_start ? acked : rounds * tcb.smss())) return;
    fail("cwnd grows by " + std::to_string(growth) + (slow_start ? " in slow start" : " in congestion avoidance") +
         ", and " + std::to_string(acked) + " bytes are acknowledged: " + pollux::to_string(tcb.key()));
  });
}

void Network::note_before_transmit(int host) {
  Host& h = hosts_[static_cast<std::size_t>(host)];
  const ShardCore& core = h.shard->core();
  h.loss_probes = core.tcp_counters().tail_loss_probes;
  core.for_each([&](std::uint32_t index) { h.snd_nxt[index] = core.tcb(index).snd().nxt; });
}

void Network::check_connections(int host) {
  Host& h = hosts_[static_cast<std::size_t>(host)];
  ShardCore& core = h.shard->core();
  core.for_each([&](std::uint32_t index) {
    const tcp::Tcb& tcb = core.tcb(index);
    if (!tcb.invariants_hold(core.env())) fail("an invariant does not hold: " + pollux::to_string(tcb.key()));
    // A time-out that was undone is over, and the next may come before all is acknowledged that was outstanding then.
    Forward& forward = h.forward[index];
    if (forward.from && tcb.info(core.env()).ca_state != kLoss) forward = {};
    // RFC 5681 and 3042: what is new goes out only as far as cwnd and two duplicates allow; RFC 6675: as far as pipe
    // and cwnd do.
    // A FIN alone does not wait for cwnd, nor does a loss probe (RFC 8985, 7.3), nor do the two segments that go after
    // a time-out to find out whether it was for nothing (RFC 5682, 2.1, step 2b).
    const bool advanced = h.snd_nxt[index] + 1 < tcb.snd().nxt && tcp::synchronized(tcb.state());
    const bool may_be_probe =
        h.loss_probes != core.tcp_counters().tail_loss_probes && tcb.snd().nxt <= h.snd_nxt[index] + tcb.smss() + 1;
    const bool too_much = tcb.pipe(core.env()) > tcb.congestion().cwnd + 2u * tcb.smss() + 1u;
    if (advanced && !may_be_probe && too_much && !may_go_forward(tcb, h.snd_nxt[index], forward, core.env())) {
      fail("more in flight than cwnd allows: " + pollux::to_string(tcb.key()) + ", " +
           std::to_string(tcb.pipe(core.env())) + " of " + std::to_string(tcb.congestion().cwnd));
    }
    // Something that must be answered keeps a timer.
    const bool waits = tcb.snd().una != tcb.snd().nxt || tcb.unsent(core.env()) > 0;
    if (tcb.state() != tcp::State::kClosed && waits && !tcb.wants_to_transmit() && !tcb.next_deadline(now_)) {
      fail("something is outstanding and no timer runs: " + pollux::to_string(tcb.key()));
    }
  });
}

std::size_t Network::connections() const {
  std::size_t n = 0;
  for (const Host& host : hosts_) {
    const ShardCore& core = host.shard->core();
    n += core.connections() + core.half_open().size() + core.time_wait().size();
  }
  return n;
}

void Network::check_nothing_left() {
  for (int host = 0; host < 2; ++host) {
    ShardCore& core = shard(host).core();
    const auto none = [&](std::size_t n, const char* of) {
      if (n != 0) fail("host " + std::to_string(host) + " has " + std::to_string(n) + " left: " + of);
    };
    none(core.connections(), "TCBs");
    none(core.half_open().size(), "half-open records");
    none(core.time_wait().size(), "TIME-WAIT records");
    none(core.ports().total().in_use, "ports in use");
    none(core.ports().total().in_time_wait, "ports in TIME-WAIT");
    none(core.stores().transmissions.size(), "transmissions");
    none(core.stores().slices.slices.size(), "slices");
    none(core.stores().slices.blocks.size(), "blocks");
    none(core.stores().ledgers.size(), "ledgers");
    none(core.stores().queues.size(), "receive queues");
    none(core.stores().held.size(), "held segments");
    const tcp::Counters& tcp = core.tcp_counters();
    for (const std::int64_t state : tcp.states)
      none(static_cast<std::size_t>(state), "connections in a state, as counted");
    // Every frame and every segment is accounted for.
    const ShardCounters& shard = core.counters();
    std::uint64_t verdicts = shard.no_listener + shard.backlog_full + shard.half_open_full;
    for (const std::uint64_t v : tcp.verdicts) verdicts += v;
    // A SYN that would have ended TIME-WAIT had there been room counts twice.
    const std::uint64_t reopened = tcp.verdicts[static_cast<std::size_t>(tcp::Verdict::kReopen)];
    if (verdicts < tcp.segments_received || verdicts > tcp.segments_received + reopened) {
      fail(std::to_string(tcp.segments_received) + " segments were received, but " + std::to_string(verdicts) +
           " verdicts");
    }
    if (shard.rx_frames != device(host).received() - hosts_[static_cast<std::size_t>(host)].received_before)
      fail("frames received do not add up");
    const TimeWaitTable::Counters& tw = core.time_wait().counters();
    if (tw.entered != tw.expired + tw.reused + tw.evicted) fail("TIME-WAIT's counters do not add up");
  }
  if (link_.outstanding() != 0) fail(std::to_string(link_.outstanding()) + " packets are still out");
}

// Text that came and was not taken is not acknowledged, which the oracle cannot know.
void Network::excuse_what_may_be(int host) {
  const tcp::Counters& tcp = core(host).tcp_counters();
  const ShardCounters& shard = core(host).counters();
  const auto count = [&](tcp::Verdict v) { return tcp.verdicts[static_cast<std::size_t>(v)]; };
  // No memory; or an old timestamp, which late segments have when a retransmission overtakes them (RFC 7323, 5.3).
  const bool not_taken = count(tcp::Verdict::kNoMemory) + count(tcp::Verdict::kPaws) > 0;
  const bool not_sent = shard.replies_dropped + shard.unreachable_neighbour > 0 || core(host).waits_for_neighbour();
  if (not_taken || not_sent || shard.table_full > 0) oracle_.excuse_late_acks(host);
  if (shard.unreachable_neighbour > 0) oracle_.excuse_unseen_segments(host);
}

// Whether both FINs were taken and TIME-WAIT is over; the application may not have read everything yet, and hear of the
// end later.
bool Network::is_finished(const Side& side) const {
  if (side.closed) return side.reason == tcp::Reason::kFinished;
  const ShardCore& there = core(side.host);
  const std::uint32_t index = there.find(side.id);
  return index != ShardCore::kNone && there.tcb(index).state() == tcp::State::kClosed &&
         there.tcb(index).reason() == tcp::Reason::kFinished;
}

// What an application may be told at the end, by what both sides did.
void Network::judge_end(const Side& side) {
  const Flow& flow = *side.flow;
  const Side& peer = side.peer();
  const std::string who = " (flow " + std::to_string(flow.number) + ", side " + std::to_string(side.index) + ", " +
                          std::to_string(side.received) + " of " + std::to_string(peer.sent) + " received, reason " +
                          std::to_string(static_cast<int>(side.reason)) + ")";
  switch (side.reason) {
    case tcp::Reason::kNone:
      return fail("over for no reason" + who);
    case tcp::Reason::kFinished:
      if (!side.eof || !side.shut || side.received != peer.sent) fail("finished before everything was there" + who);
      return;
    case tcp::Reason::kAborted:
      if (!side.rude) fail("aborted, which nobody asked for" + who);
      return;
    case tcp::Reason::kReset: {
      // The peer may be gone for good: then its last acknowledgment was lost, and we have everything.
      const bool peer_done = is_finished(peer) && side.eof && side.shut;
      if (!peer.rude && !side.rude && !peer_done && !flow.may_fail) fail("reset, which nobody asked for" + who);
      return;
    }
    case tcp::Reason::kRefused:
      if (!flow.may_fail) fail("refused" + who);
      return;
    case tcp::Reason::kTimedOut:
    case tcp::Reason::kUnreachable:
      if (!flow.may_fail) fail("given up" + who);
      return;
  }
}

}  // namespace pollux::sim
