#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/expected.h"
#include "base/packet.h"
#include "base/slab.h"
#include "tcp/config.h"
#include "tcp/congestion.h"
#include "tcp/counters.h"
#include "tcp/deadlines.h"
#include "tcp/exchange.h"
#include "tcp/info.h"
#include "tcp/ledger.h"
#include "tcp/path_mtu.h"
#include "tcp/rack.h"
#include "tcp/receive_queue.h"
#include "tcp/rtt.h"
#include "tcp/spurious.h"
#include "tcp/state.h"
#include "tcp/transmission.h"
#include "tcp/variables.h"
#include "tcp/verdict.h"
#include "time/instant.h"
#include "time/timer_wheel.h"
#include "wire/flow_key.h"
#include "wire/segment.h"

namespace pollux::tcp {

// What a TCB borrows while a verb runs: the shard's, the same for all.
struct Env {
  Instant now;
  const Config& config;
  Stores& stores;
  Counters& counters;
};

// A connection: the transmission control block of RFC 9293, 3.3.1, and everything
// that may be done to it. Knows neither clock nor device nor table: time and bytes
// come in with each verb, segments and events come out when asked for.
//
//   in:   segment_arrives, timers_due, and the user calls     -- they leave marks
//   out:  poll_transmit, poll_events, next_deadline           -- they act on them
//
// One core owns it. Not thread-safe.
class Tcb {
 public:
  Tcb() = default;
  Tcb(const Tcb&) = delete;
  Tcb& operator=(const Tcb&) = delete;

  // --- Opening (open.cc) ---

  // OPEN, active (3.10.1): CLOSED -> SYN-SENT.
  void open_active(const FlowKey& key, const Opening& opening, const Options& options, Env& env);
  // A SYN for a listener (3.10.7.2): LISTEN -> SYN-RECEIVED.
  void open_passive(const FlowKey& key, const Segment& syn, const Opening& opening, const Options& options, Env& env);

  // After open_passive with a SYN whose cookie is good (RFC 7413, 4.2.2): open for the application already, which gets
  // the SYN's text in `arrival.fresh`.
  void open_early(Arrival& arrival, Env& env);

  // --- SEGMENT ARRIVES (segment_arrives.cc) ---

  Verdict segment_arrives(Arrival& arrival, Env& env);

  // --- Time (timeouts.cc) ---

  void timers_due(Env& env);
  std::optional<Instant> next_deadline(Instant now) const { return deadlines_.next(now); }

  // --- ICMP (RFC 5927): `seq` is the sequence number quoted ---

  // False: it quotes nothing that is outstanding, and was not believed.
  bool icmp_error(IcmpError error, SeqNum seq, Env& env);
  // A router could not pass on what it quotes (path_mtu.cc): RFC 1191, RFC 8201. `mtu`: the largest packet it can,
  // in bytes; 0: it does not say. `size`: of the packet that it quotes, as that says. False: not believed, or no news.
  bool packet_too_big(SeqNum seq, std::uint32_t mtu, std::uint32_t size, Env& env);

  // --- User calls (user_calls.cc) ---

  // SEND: queues a copy; returns how many bytes were taken (0: the buffer is full, and
  // Events::writable will come). After CLOSE: kConnectionClosing.
  Expected<std::uint32_t, UserError> send(std::span<const std::byte> text, Env& env);
  // SEND without a copy, all or nothing; the bytes must stay until the connection ends.
  Expected<std::uint32_t, UserError> send_reference(std::span<const std::byte> text, Env& env);
  // SEND with URGENT: the last byte of `text` is the end of urgent data (3.8.5).
  Expected<std::uint32_t, UserError> send_urgent(std::span<const std::byte> text, Env& env);
  // How many bytes send() would take now.
  std::uint32_t send_room(const Env& env) const;

  // Puts away in-order text that the application did not take (see Arrival::fresh).
  void keep(std::span<std::byte> text, Packet&& packet, Env& env);
  // RECEIVE: unread text that lies together; empty if there is none.
  std::span<const std::byte> readable(const Env& env) const;
  // Takes the first n bytes of readable().
  void consume(std::uint32_t n, Env& env);
  // Unread bytes up to the end of urgent data; 0: none is pending (MUST-33). `unoffered`:
  // bytes of Arrival::fresh that the application has not been offered yet.
  std::uint32_t urgent_ahead(std::uint32_t unoffered, const Env& env) const;

  // CLOSE (3.10.4) of our direction only; the peer may go on sending.
  Expected<void, UserError> shutdown(Env& env);
  // CLOSE of both: what arrives from now on is answered with a reset; so is unread text (SHLD-3),
  // but for its first `offered` bytes, which the application is just being given.
  void close(std::uint32_t offered, Env& env);
  // ABORT (3.10.5).
  void abort(Env& env);

  void set_nodelay(bool on);
  void set_keep_alive(const KeepAlive& keep_alive, Env& env);
  void set_user_timeout(Duration timeout);  // MUST-21; 0: Config::r2
  void set_ttl(std::uint8_t ttl) { ttl_ = ttl; }
  void set_tos(std::uint8_t tos) { tos_ = tos & kDiffServ; }

  // --- Output (transmit.cc) ---

  // The next segment to send, with at most `max_text` bytes (a multiple of the segment
  // size where the device segments; 0: one segment). Called until nothing comes.
  std::optional<Outgoing> poll_transmit(std::uint32_t max_text, Env& env);
  bool wants_to_transmit() const { return may_transmit_; }
  // Fetches the text of `segment`, which poll_transmit has just returned.
  void copy_text(const Outgoing& segment, std::span<std::byte> to, Env& env);

  // For records that were made into a TCB for a moment: the SYN-ACK once more; an ACK.
  void repeat_syn_ack() {
    marks_.syn = true;
    may_transmit_ = true;
  }
  void acknowledge() { owe_ack(); }

  // Whether an acknowledgment is owed that cannot wait for the end of a burst; acknowledge_at_once() is to be called
  // then. That is so while text is, or lately was, out of order: then each segment that fills a hole, or of what was
  // here before (with SACK), has one to itself, and so has each beyond a hole, with SACK only where SackReport says so;
  // and of the rest at least every second (RFC 5681, 4.2), by which the peer finds what is lost, and of which it may
  // lose some.
  bool owes_ack_at_once() const {
    return ack_at_once_ || (eager_acks_ != 0 && marks_.ack && rmss_ != 0 &&
                            distance(rcv_.last_ack_sent, rcv_.nxt) >= 2 * std::uint32_t{rmss_});
  }
  Outgoing acknowledge_at_once(Env& env);

  bool has_events() const { return events_.any(); }
  Events poll_events();
  // Only those that come before the text that arrived with them.
  Events poll_beginnings();

  // Gives back all memory outside of the TCB itself. Before the TCB is freed.
  void release(Env& env);

  // --- STATUS (3.10.6) ---

  State state() const { return state_; }
  const FlowKey& key() const { return key_; }
  Reason reason() const { return reason_; }
  Reason soft_error() const { return soft_error_; }  // kUnreachable if ICMP said so and nothing got through since
  const SendSpace& snd() const { return snd_; }
  const ReceiveSpace& rcv() const { return rcv_; }
  const TimestampState& ts() const { return ts_; }
  std::uint32_t rcv_wnd() const { return distance(rcv_.nxt, rcv_.edge); }
  std::uint32_t flight_size() const { return distance(snd_.una, snd_.nxt); }
  // Without a SYN in front of it, which Nagle and windows know nothing of.
  std::uint32_t flight_behind_syn() const {
    return flight_size() - (flag(kSynUnacked) && snd_.una != snd_.nxt ? 1 : 0);
  }
  // With SACK what is thought to be in the network (RFC 6675, 2), and else the same as flight_size().
  std::uint32_t pipe(const Env& env) const;
  std::uint32_t unread(const Env& env) const;
  // How much text the connection may hold, bytes: Config::receive_buffer, or what that has grown to.
  std::uint32_t receive_limit(const Config& config) const;
  std::uint32_t unsent(const Env& env) const;
  const Congestion& congestion() const { return congestion_; }
  const RttEstimator& rtt() const { return rtt_; }
  CongestionControl congestion_control() const { return manner_.control; }
  bool ecn() const { return manner_.ecn && state_ != State::kSynSent; }  // both have agreed
  // Bytes a second; 0: not measured. As the network last delivered them since something is outstanding; as they are
  // sent at most, where that is limited.
  std::uint64_t delivery_rate(const Env& env) const;
  std::uint64_t pacing_rate() const { return manner_.pacing ? congestion_.pacing_rate(rtt_.srtt(), flight_size()) : 0; }
  std::uint32_t smss() const { return smss_; }
  // The largest packet that is thought to pass, in bytes of IP: the link's MTU, as far as our MSS option tells of it,
  // until a smaller one was found.
  std::uint32_t path_mtu() const;
  // Whether routers are to say what is too large for them (RFC 1191) rather than cut it up.
  bool dont_fragment(const Config& config) const;
  std::uint16_t rcv_mss_offered() const { return offered_mss_; }
  std::uint8_t ttl() const { return ttl_; }
  std::uint8_t tos() const { return tos_; }
  bool timestamps() const { return flag(kTimestamps); }
  bool window_scaled() const { return flag(kWindowScaled); }
  bool sack_permitted() const { return flag(kSackPermitted); }
  std::uint8_t snd_shift() const { return snd_wind_shift_; }
  std::uint8_t rcv_shift() const { return rcv_wind_shift_; }
  bool passive() const { return flag(kPassive); }
  // Its SYN, which nothing has answered yet and no time-out has repeated, has the Fast Open option.
  bool asks_fast_open(const Env& env) const {
    return state_ == State::kSynSent && transmission(env)->fast_open.has_value();
  }
  bool was_challenged() const { return flag(kChallenged); }
  bool closed_by_user() const { return flag(kUserClosed); }
  bool nodelay() const { return flag(kNoDelay); }
  bool keep_alive_on() const { return flag(kKeepAliveOn); }
  // What Linux's TCP_INFO tells, as of now.
  Info info(const Env& env) const;

  // Everything that must be true between verbs; checked after each in assertion builds.
  bool invariants_hold(const Env& env) const;

  // --- What the shard keeps in here ---

  TimerNode timer;                      // of the shard's wheel
  std::uint32_t ready_next = 0;         // list of TCBs with something to send
  std::uint32_t generation = 0;         // tells a handle of an earlier connection
  std::uint32_t next_hop = 0xffffffff;  // its place in the neighbour table, and whose that was
  std::uint32_t next_hop_generation = 0;
  std::uint16_t listener = 0;          // who accepted it; the ports' owner
  bool in_ready_list : 1 = false;      // or waiting for a neighbour's address
  bool app_paused : 1 = false;         // the application left text; it asks when it wants the rest
  bool ephemeral : 1 = false;          // the local port came from EphemeralPorts
  bool in_flow_table : 1 = false;      // not any more once only its reader holds it
  bool fast_open_pending : 1 = false;  // one of its listener's PendingFastOpenRequests (RFC 7413, 4.2)

 private:
  // In the gap before `user`.
  std::uint8_t back_off_ = 0;  // doublings of the RTO since a round trip was last measured (RFC 6298, 5.5)
  std::uint16_t full_at_ = 0;  // when cwnd was last full, or last looked at (RFC 2861: T_prev); as sixteen_ms() says
  Reordering reordering_;
  std::uint32_t min_rtt_us_ = 0;  // RACK.min_RTT; 0: none was measured

 public:
  std::uint64_t user = 0;  // the application's

 private:
  friend struct HandshakeRecord;  // half_open.cc: packs and unpacks SYN-RECEIVED
  friend struct TimeWaitRecord;   // time_wait.cc: packs and unpacks TIME-WAIT

  enum Flag : std::uint16_t {
    kPassive = 1 << 0,     // came from LISTEN (MUST-11)
    kTimestamps = 1 << 1,  // both sides sent the option
    kWindowScaled = 1 << 2,
    kSackPermitted = 1 << 3,
    kFinSent = 1 << 4,     // SND.NXT has passed our FIN
    kUserClosed = 1 << 5,  // close(), not just shutdown()
    kNoDelay = 1 << 6,
    kKeepAliveOn = 1 << 7,
    kSynRetransmitted = 1 << 8,
    kUrgentPending = 1 << 9,  // RCV.UP is ahead of what was read
    kEofPending = 1 << 10,    // FIN taken, unread text in front of it
    kSynUnacked = 1 << 11,    // our SYN is sent or to be sent, and not acknowledged
    kChallenged = 1 << 12,    // challenged_at_ means something
    kCloseWanted = 1 << 13,   // CLOSE came while the handshake was going on
    kFarFromIss = 1 << 14,    // 2^31 bytes and more were sent: ISS says nothing about SND.UNA any more
    // Something that is outstanding is SACKed, lost or was sent again, or a loss probe is unexplained: what an ordinary
    // ACK is spared.
    kRepairing = 1 << 15,
  };
  bool flag(Flag f) const { return (flags_ & f) != 0; }
  void set(Flag f, bool on = true) { flags_ = static_cast<std::uint16_t>(on ? flags_ | f : flags_ & ~f); }

  // What output owes; poll_transmit pays.
  struct Marks {
    bool syn : 1 = false;    // SYN or SYN-ACK, by state
    bool ack : 1 = false;    // an ACK now
    bool rst : 1 = false;    // our abort
    bool probe : 1 = false;  // zero-window probe
    bool keep_alive : 1 = false;
    std::uint8_t repeats : 3 = 0;  // with ack: as many more, for the peer counts duplicates (RFC 5681, 4.2)
  };
  static constexpr std::uint8_t kMostRepeats = 7;

  // One door each.
  void enter(State next, Env& env);
  void end(Reason reason, Env& env);  // enter(kClosed) and say why
  void begin_two_msl(Env& env);
  void advance_una(SeqNum ack, Env& env);
  void advance_rcv_nxt(std::uint32_t n);

  // open.cc
  void set_up(const FlowKey& key, const Opening& opening, const Options& options, const Config& config);
  void take_syn(const Segment& syn, Env& env);
  void settle_syn_text(SeqNum ack, Env& env);
  void established(Env& env);

  // segment_arrives.cc
  Verdict arrives_in_closed(const Segment& seg) const;          // 3.10.7.1
  Verdict arrives_in_syn_sent(Arrival& arrival, Env& env);      // 3.10.7.3
  Verdict arrives_in_other_states(Arrival& arrival, Env& env);  // 3.10.7.4
  bool echoes_our_syn(std::uint32_t ecr, const Env& env) const;
  Verdict check_new_syn(const Segment& seg, const Env& env) const;
  Verdict check_syn_again(Arrival& arrival, Env& env);
  Verdict check_timestamp(const Segment& seg, Env& env);
  Verdict check_sequence(const Segment& seg, Env& env);
  Verdict check_rst(const Segment& seg, Env& env);
  Verdict check_syn(const Segment& seg, Env& env);
  Verdict check_ack(const Segment& seg, Env& env);
  void check_urg(const Segment& seg);
  Verdict take_text(Arrival& arrival, Env& env) {
    return arrival.segment.text.empty() ? Verdict::kAccepted : take_some_text(arrival, env);
  }
  Verdict take_some_text(Arrival& arrival, Env& env);
  void take_fin(const Segment& seg, Env& env);
  void fin_arrived(Env& env);
  bool buffer_is_overrun(SeqNum end, const Env& env) const;
  bool take_in_order(std::span<std::byte> text, Arrival& arrival, Env& env);
  bool queue_in_order(std::span<std::byte> text, Arrival& arrival, Env& env);
  Verdict hold_out_of_order(SeqNum seq, std::span<std::byte> text, Arrival& arrival, Env& env);
  void challenge_ack(const Segment& seg, Env& env);
  void note_timestamp(const Segment& seg, Env& env);
  void owe_ack() {
    marks_.ack = true;
    may_transmit_ = true;
  }
  void owe_ack_at_once() {
    owe_ack();
    ack_at_once_ = true;
  }
  void owe_ack_for_text(std::uint32_t text_size, Env& env);
  void our_fin_acknowledged(Env& env);
  void heard_from_peer(Env& env);

  // ack handling (acknowledgment.cc)
  void take_ack(const Segment& seg, Env& env);
  void new_ack(const Segment& seg, Env& env);
  void grow(const Segment& seg, std::uint32_t acked, Env& env);
  void duplicate_ack(Env& env);
  bool is_duplicate_ack(const Segment& seg, const Env& env) const;
  void update_send_window(const Segment& seg, Env& env);
  void measure_rtt(const Segment& seg, Env& env);
  void leave_or_continue_recovery(std::uint32_t acked, Env& env);
  void note_full_window(Millis now) { full_at_ = sixteen_ms(now); }
  void validate_window(std::uint32_t flight, Millis now, Env& env);
  void lose_first(Env& env);
  void note_round_trip(Duration rtt, const Segment& seg, Env& env);
  std::uint32_t round_trip_us(SeqNum ack, const Env& env) const;
  void lower_ssthresh(std::uint32_t flight, bool time_out, Env& env);
  // Whether cwnd was lowered, for a loss, since the first of what is outstanding was sent.
  bool has_answered_loss(const Transmission& tx) const { return snd_.una <= tx.recover && !tx.recut; }
  Duration retransmission_timeout_length(const Env& env) const;
  void arm_retransmission(Env& env);
  void restart_retransmission(Env& env);
  void arm_time_out(Env& env);
  Instant time_out_at(const Env& env) const;

  // sack_recovery.cc: RFC 6675, the sender's side
  // An ordinary ACK, which most are, has nothing to do with all this.
  bool concerns_repair(const Segment& seg) const { return seg.options.sack.count > 0 || flag(kRepairing); }
  void take_repair_ack(const Segment& seg, Env& env);
  void take_sack(const Segment& seg, Env& env);
  bool is_possible(const SackBlock& block) const;
  bool tells_of_more(const Segment& seg) const;
  std::uint32_t update_scoreboard(const Segment& seg, Env& env);
  void answer_loss(Env& env);
  void begin_sack_recovery(Env& env);
  void lower_again(Env& env);
  void reduce_window(std::uint32_t delivered, bool safe, Env& env);

  // rack.cc: RFC 8985, 6
  Duration min_rtt() const { return std::chrono::microseconds{min_rtt_us_}; }
  void begin_repair(Env& env);
  void end_repair_if_done(bool progress, Env& env);
  void note_acknowledged(const Segment& seg, Env& env);
  void note_delivered(SeqNum from, SeqNum to, const SendLog::Run& run, std::optional<std::uint32_t> echo, Env& env);
  void take_delivered(SeqNum highest, Env& env);
  Duration reordering_window(const Env& env) const;
  bool detect_loss(Env& env);
  void reordering_timeout(Env& env);
  void lose_on_time_out(Env& env);

  // loss_probe.cc: RFC 8985, 7
  // 7.2: not while something is SACKed, lost or sent again.
  bool may_probe() const { return (flags_ & (kSackPermitted | kRepairing | kSynUnacked)) == kSackPermitted; }
  Duration probe_timeout(const Env& env) const;
  void loss_probe_timeout(Env& env);
  bool make_loss_probe(Outgoing& out, Env& env);
  // Whether `dsack`, if the segment has one, is the probe's.
  bool take_probe_ack(const Segment& seg, const SackBlock* dsack, Env& env);

  // path_mtu.cc: RFC 1191, 8201 and 4821
  enum class MtuProbe : std::uint8_t { kNone, kWaits, kMade };
  std::uint32_t headers() const;
  std::uint16_t least_smss(const Config& config) const;
  void lower_smss(std::uint16_t smss, Env& env);
  void raise_smss(std::uint16_t smss);
  void resend_as_smaller(SeqNum left, SeqNum right, Env& env);
  void suspect_black_hole(Env& env);
  void fail_mtu_probe(std::uint16_t most, bool failed, Env& env);
  void settle_mtu_probe(Env& env);
  bool only_mtu_probe_lost(Env& env);
  bool may_probe_mtu(Env& env);
  MtuProbe make_mtu_probe(Outgoing& out, std::uint32_t queued, Env& env);

  // undo.cc: RFC 3522, 4015 and 3708
  void note_reduction(bool time_out, Env& env);
  void note_repeat(SeqNum seq, std::uint32_t size, Env& env);
  void find_spurious(const Segment& seg, std::uint32_t acked, Env& env);
  static const SackBlock* dsack_of(const Segment& seg);
  void take_dsack(const Segment& seg, Env& env);
  void undo(std::uint32_t acked, Env& env);

  // forward_recovery.cc: RFC 5682
  bool may_recover_forward(const Env& env) const;
  bool has_new_segment(const Env& env) const;
  void recover_forward(std::uint32_t acked, bool original, Env& env);
  bool waits_forward(Env& env);
  std::uint32_t forward_window(const Env& env) const;

  // pacing.cc
  bool may_go_now(Env& env);
  std::uint32_t most_at_once(std::uint32_t max_text) const;
  void note_release(std::uint32_t size, Env& env);
  void begin_rate_sample(SeqNum seq, Env& env);

  // ecn.cc: RFC 3168, and RFC 8257 where it differs
  void take_ecn_setup(const Segment& syn);
  void take_echo(const Segment& seg, Env& env);
  void take_mark(const Segment& seg, Env& env);
  bool is_marked(const Segment& ack) const { return manner_.ecn && ack.flags.ece && !ack.flags.syn; }

  // receive_window.cc: RFC 9293, 3.8.6.2.2, and how much to offer
  void choose_window(Env& env);
  std::uint16_t window_field() const;
  std::uint32_t receive_room(const Env& env) const;
  std::uint32_t most_held(const Config& config) const { return 2 * receive_limit(config) + 65536; }
  std::uint32_t worth_offering(const Config& config) const;
  void begin_round(Env& env);
  void tune_receive_buffer(const Segment& seg, Env& env);

  // sack_receiver.cc: RFC 2018 and 2883
  bool came_before(SeqNum seq) const;
  void note_duplicate(SeqNum left, SeqNum right, Env& env);
  void note_overlap(SeqNum left, SeqNum right, Env& env);
  void owe_duplicate_ack(ReceiveQueue* q);
  void add_sack(Outgoing& out, Env& env);
  bool sack_unsaid(const Env& env) const;  // there must be a queue

  // status.cc
  std::uint32_t in_segments(std::uint32_t bytes) const { return (bytes + smss_ - 1) / smss_; }
  void tell_of_sending(Info& info, const Env& env) const;
  void tell_of_repair(Info& info, const Env& env) const;
  static void tell_of_life(Info& info, const Ledger& l, Instant now);
  void begin_ledger(Env& env);
  void drop_ledger(Env& env);
  void count_arrival(const Segment& seg, Env& env);
  void count_received(std::uint32_t bytes, Env& env);
  void count_sent(const Outgoing& out, Env& env);
  void count_again(std::uint32_t size, Env& env);
  void count_reordering(std::uint32_t behind, Env& env);
  void count_pace(Env& env);

  // timeouts.cc
  void retransmission_timeout(Env& env);
  void persist_timeout(Env& env);
  void keep_alive_timeout(Env& env);
  void time_wait_timeout(Env& env);
  void arm_keep_alive(Env& env);
  bool past_r2(Env& env) const;
  Duration r2(const Env& env) const;

  // transmit.cc
  bool make_next(Outgoing& out, std::uint32_t max_text, Env& env);
  bool owes_more(const Env& env) const;
  bool make_syn(Outgoing& out, Env& env);
  void add_fast_open(Outgoing& out, Env& env);
  bool make_reset(Outgoing& out, Env& env);
  bool make_retransmission(Outgoing& out, Env& env);
  std::uint32_t repeat(Outgoing& out, SeqNum seq, SeqNum end, Env& env);
  void put_new_text(Outgoing& out, std::uint32_t size, std::uint32_t queued, bool with_fin, Env& env);
  bool make_new_text(Outgoing& out, std::uint32_t max_text, Env& env);
  bool make_probe(Outgoing& out, Env& env);
  bool make_ack(Outgoing& out, Env& env);
  void segment_at(Outgoing& out, SeqNum seq, Env& env);
  void add_text(Outgoing& out, std::uint32_t size, Env& env);
  std::uint32_t usable_window(const Env& env) const;
  std::uint32_t usable_beside_losses(const Env& env) const;
  bool worth_sending(std::uint32_t size, std::uint32_t queued, const Env& env) const;
  bool may_push(const Env& env) const;
  std::uint32_t whole_segments(std::uint32_t size, std::uint32_t queued, const Env& env) const;
  void wait_for_window(Env& env);
  void restart_after_idle(Env& env);
  void note_sent(const Outgoing& out, Env& env);
  std::uint32_t timestamp_now(const Env& env) const;
  SeqNum first_text(const Env& env) const;  // sequence number of the send buffer's first byte
  SeqNum text_end(const Env& env) const;    // after its last
  bool fin_wanted() const { return sending_is_closed(state_) && state_ != State::kTimeWait; }

  bool has_transmission() const { return transmission_ < kResting; }
  Transmission* transmission(const Env& env) const {
    return has_transmission() ? &env.stores.transmissions[transmission_] : nullptr;
  }
  Ledger* ledger(const Env& env) const {
    if (!has_ledger_) return nullptr;
    const std::uint32_t index =
        has_transmission() ? env.stores.transmissions[transmission_].ledger : transmission_ & ~kResting;
    return &env.stores.ledgers[index];
  }
  ReceiveQueue* queue(const Env& env) const { return queue_ == kNone ? nullptr : &env.stores.queues[queue_]; }
  Transmission& begin_transmission(Env& env);
  void end_transmission_if_idle(Env& env);
  void drop_unread(Env& env);
  void drop_transmission(Env& env);
  void free_transmission(Env& env);
  ReceiveQueue* begin_queue(Env& env);
  void end_queue_if_empty(Env& env);
  void drop_queue(Env& env);

  static constexpr std::uint32_t kNone = 0xffffffff;
  // In `transmission_` without a Transmission: the place of the ledger, if there is one; else all ones (kNone).
  static constexpr std::uint32_t kResting = 0x8000'0000;
  // A moment less than 17 minutes ago, in two bytes.
  static std::uint16_t sixteen_ms(Millis t) { return static_cast<std::uint16_t>(t.value() / 16); }
  static constexpr std::uint8_t kEagerAcks = 128;  // Linux has 16 such segments after each that is out of order
  static constexpr std::uint8_t kDiffServ = 0xfc;  // RFC 2474; the lower two bits are ECN's

  // First what a segment in ESTABLISHED reads and writes.
  FlowKey key_;
  State state_ = State::kClosed;
  Marks marks_;
  Events events_;
  bool may_transmit_ : 1 = false;
  bool ack_at_once_ : 1 = false;  // marks_.ack, and it cannot wait for the end of a burst
  bool has_ledger_ : 1 = false;   // where there is none, no segment has to look for it
  std::uint16_t flags_ = 0;
  std::uint8_t snd_wind_shift_ : 4 = 0;
  std::uint8_t rcv_wind_shift_ : 4 = 0;
  std::uint8_t eager_acks_ = 0;  // of so many segments of text more every second is acknowledged at once
  SendSpace snd_;
  ReceiveSpace rcv_;
  TimestampState ts_;
  [[no_unique_address]] Deadlines deadlines_;
  std::uint8_t growth_ = 0;  // doublings of the receive buffer
  std::uint8_t ttl_ = 64;    // these three in the gap behind the deadlines
  std::uint8_t tos_ = 0;
  std::uint16_t smss_ = 536;            // text of a full-sized segment, options deducted (MUST-16)
  std::uint16_t rmss_ = 0;              // largest text received, for the "every second segment" rule
  std::uint16_t offered_mss_ = 536;     // what our MSS option says
  std::uint16_t most_smss_ = 536;       // SMSS by the handshake alone; the path's MTU may keep it below that
  std::uint32_t transmission_ = kNone;  // or kResting and the ledger
  std::uint32_t queue_ = kNone;
  Congestion congestion_;
  RttEstimator rtt_;
  // Then what is seldom touched.
  Millis heard_at_;       // last acceptable segment from the peer
  Millis sent_at_;        // last text sent (RFC 5681, 4.1: restart after idle); before that, the first SYN or SYN-ACK
  Millis challenged_at_;  // last challenge ACK
  std::uint32_t user_timeout_ms_ = 0;
  std::uint16_t keep_alive_idle_s_ = 7200;
  std::uint16_t keep_alive_interval_s_ = 75;
  std::uint16_t mtu_searched_s_ = 0;  // SMSS is below most_smss_: when more last failed; seconds, modulo 2^16
  std::uint8_t keep_alive_count_ = 10;
  std::uint8_t keep_alive_sent_ = 0;
  Reason reason_ : 4 = Reason::kNone;
  Reason soft_error_ : 4 = Reason::kNone;
  Manner manner_;
  // The round trip in which it is being counted what the application reads: where that began, in units of the window
  // field and modulo 2^16, and when.
  std::uint16_t round_from_ = 0;
  Millis round_began_;
};

// Table slot (at most 10 B) and all else included, an idle connection has 256 B.
static_assert(sizeof(Tcb) <= 240);

// RFC 9293, 3.10.7.2: what a listener does with a segment. kContinue: it is a SYN to
// open a connection with (open_passive); kReset: answer with reset_for(segment).
Verdict arrives_in_listen(const Segment& segment);

// RFC 9293, 3.5.2: the reset that answers a segment which no connection wants. It is
// a function of that segment alone. Never for a RST.
struct ResetReply {
  SeqNum seq;
  SeqNum ack;
  bool with_ack = false;
};
ResetReply reset_for(const Segment& segment);

}  // namespace pollux::tcp
