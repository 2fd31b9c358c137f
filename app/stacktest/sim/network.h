#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "device/impaired_link.h"
#include "device/pcap_writer.h"
#include "endpoint.h"
#include "flow.h"
#include "hostile.h"
#include "network_config.h"
#include "router.h"
#include "rules.h"
#include "shard/shard.h"
#include "sim_app.h"
#include "sim_device.h"
#include "wire_oracle.h"

namespace pollux::sim {

using SimShard = Shard<SimApp>;

// Two hosts with a shard each, a wire between them, and a clock that jumps to whatever
// happens next. The same configuration and the same calls give the same event log.
//
// After every event it checks the TCBs' invariants, every frame that was sent, every
// byte that was delivered, and that no deadline is forgotten. The first complaint stops it.
class Network {
 public:
  explicit Network(NetworkConfig config);
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  // --- Flows ---

  // A flow between the hosts, not yet opened; `client`: which host opens it.
  Flow& add_flow(int client, bool v4, const Plan& client_plan, const Plan& server_plan);
  // The client connects; false if that was refused at once (error() says why).
  bool connect(Flow& flow, std::uint16_t local_port = 0);
  std::optional<ConnectError> error() const { return connect_error_; }
  // Both connect to each other (RFC 9293, 3.5, figure 7); the flow's server listens nowhere.
  void connect_both(Flow& flow);
  // Opened, and idle.
  std::pair<Endpoint, Endpoint> connected_pair(const Plan& client = manual(), const Plan& server = manual(),
                                               bool v4 = true);
  std::pair<Endpoint, Endpoint> connected_pair(bool v4) { return connected_pair(manual(), manual(), v4); }
  static Plan manual();
  std::vector<std::unique_ptr<Flow>>& flows() { return flows_; }
  Endpoint client(Flow& flow) { return {*this, flow.sides[0]}; }
  Endpoint server(Flow& flow) { return {*this, flow.sides[1]}; }
  IpAddress address(int host, bool v4) const;
  static constexpr std::uint16_t kPort = 80;

  // --- Time ---

  Instant now() const { return now_; }
  // Until nothing is in flight or about to be done; TIME-WAIT, keep-alive and idle connections are left alone.
  void run_until_idle(Duration at_most = std::chrono::minutes{30});
  // Until `done` says so; false when it did not within `at_most`.
  bool run_until(const std::function<bool()>& done, Duration at_most);
  void sleep(Duration time);
  void at(Instant when, std::function<void()> what);

  // --- The wire ---

  void drop(const FrameMatch& match) { link_.drop_if(match.rule()); }
  // Sees every frame, whoever sent it, on its way over the wire.
  void observe_wire(ImpairedLink::Observer observer) { link_.observe(std::move(observer)); }
  const ImpairmentCounters& wire_counters(int from_host) const;
  void heal();  // no faults any more
  void partition(int from_host, bool cut) { cut_[static_cast<std::size_t>(from_host)] = cut; }
  void impair(int from_host, const Impairment& impairment);
  // What the host sends passes a router from now on, whose next link bears less than the hosts'.
  void narrow(int from_host, const Router& router) { routers_[static_cast<std::size_t>(from_host)] = router; }
  // Puts a frame on the wire towards `host`, as if the other host had sent it.
  void inject(int host, std::span<const std::byte> frame);
  // Forged resets that name the right number are lost on the way.
  void let_no_guess_hit() { guesses_never_hit_ = true; }
  // From now on `hostile` speaks for the host and hears for it; null: the host itself does.
  void set_hostile(int host, std::unique_ptr<Hostile> hostile);
  // The host loses all it knows, and starts again: its connections are gone without a word.
  void restart(int host);
  // The flow that a segment belongs to; null if there is none.
  Flow* flow_of(const WireView& view);
  // Frames that were sent so far, newest last; kept only after keep_frames(). What was injected is not among them.
  struct Kept {
    Instant at;
    int from;
    std::vector<std::byte> frame;
  };
  void keep_frames(std::size_t newest) { keep_frames_ = newest; }
  const std::deque<Kept>& frames() const { return frames_; }

  // --- What there is ---

  SimShard& shard(int host) { return *hosts_[static_cast<std::size_t>(host)].shard; }
  const ShardCore& core(int host) const { return hosts_[static_cast<std::size_t>(host)].shard->core(); }
  SimDevice& device(int host) { return *hosts_[static_cast<std::size_t>(host)].device; }
  WireOracle& oracle() { return oracle_; }
  // TCBs, half-open and TIME-WAIT records of both hosts.
  std::size_t connections() const;
  // Nothing is left anywhere, counters add up: for when every connection is over.
  void check_nothing_left();

  bool failed() const { return !failures_.empty(); }
  const std::vector<std::string>& failures() const { return failures_; }
  std::uint64_t log_hash() const { return log_hash_; }
  std::uint64_t events() const { return events_; }
  // Something other than text is to count as a complaint.
  void fail(std::string what);

  // --- For the applications ---

  Side* accepting_side(int host, Conn conn);
  std::uint64_t number_of(const Side& side) const;
  Side* side(std::uint64_t number);
  void note_event(const Side& side, char what);
  void judge_end(const Side& side);
  void allow_reset(const FlowKey& key_of_sender) { oracle_.allow_reset(key_of_sender); }
  // Calls `what` after `wait`, if the connection still exists then.
  void with_later(Side& side, Duration wait, std::function<void(Conn, Side&)> what);
  void resume_later(Side& side, Duration wait);
  bool with(Side& side, const std::function<void(Conn)>& what);
  void pump(Conn conn, Side& side) { hosts_[static_cast<std::size_t>(side.host)].app->pump(conn, side); }

 private:
  // What the bound on the growth of cwnd follows from.
  struct Acknowledged {
    std::uint32_t generation = 0;
    bool synchronized = false;  // before that cwnd is not set yet
    SeqNum una;
    tcp::Congestion congestion;
  };
  // What F-RTO sends (RFC 5682) it sends from `from` on; until all before that is acknowledged.
  struct Forward {
    std::uint32_t generation = 0;
    std::optional<SeqNum> from{};
  };
  struct Host {
    std::unique_ptr<SimDevice> device;
    std::unique_ptr<SimApp> app;
    std::unique_ptr<SimShard> shard;
    std::unique_ptr<Hostile> hostile;
    std::uint64_t starts = 0;
    std::uint64_t received_before = 0;  // frames, by those of its shards that are gone
    std::vector<Packet> burst;
    std::vector<SeqNum> snd_nxt;             // by TCB, before transmit
    std::vector<Forward> forward;            // by TCB
    std::uint64_t loss_probes = 0;           // sent before this turn
    std::vector<Acknowledged> acknowledged;  // by TCB, before receive
  };
  struct Due {
    Instant when;
    std::uint64_t number;
    std::function<void()> what;
  };

  ShardConfig shard_config(int host) const;
  LinkConfig link_config() const;
  void make_host(int host);
  void start(int host, const ShardConfig& config);
  bool is_lost(int host, std::span<std::byte> frame);
  bool is_too_big_for_router(int from_host, std::span<const std::byte> frame);
  std::optional<Instant> next_event(bool ignore_idle) const;
  void step(Instant to);
  void turn(int host);
  void run_due();
  void excuse_what_may_be(int host);
  bool is_finished(const Side& side) const;
  static bool may_go_forward(const tcp::Tcb& tcb, SeqNum nxt, Forward& forward, const tcp::Env& env);
  void check_timers(int host);
  void check_connections(int host);
  void note_before_receive(int host);
  void check_growth(int host);
  void note_before_transmit(int host);
  void log(std::uint64_t tag, std::span<const std::byte> bytes);
  std::optional<Stream> stream_of(const WireView& view);
  // The flow whose client chose this ISS.
  Flow* opened_with(const FlowKey& client_key, std::uint32_t iss);
  Flow* answered_with(const FlowKey& client_key, std::uint32_t ack);

  NetworkConfig config_;
  Random random_;
  Instant now_;
  std::vector<std::string> failures_;
  WireOracle oracle_;
  std::array<bool, 2> cut_{};
  std::array<Router, 2> routers_{};
  ImpairedLink link_;
  std::array<Host, 2> hosts_;
  std::vector<std::unique_ptr<Flow>> flows_;
  std::map<std::string, Flow*> by_key_;                                // the newest flow of each client's key
  std::map<std::pair<std::string, std::uint32_t>, Flow*> by_opening_;  // by the client's ISS
  std::vector<Due> due_;                                               // a heap
  std::uint64_t due_number_ = 0;
  std::uint64_t log_hash_ = 0;
  std::uint64_t events_ = 0;
  std::uint64_t still_ = 0;  // events since time last moved
  std::optional<ConnectError> connect_error_;
  std::size_t keep_frames_ = 0;
  std::deque<Kept> frames_;
  bool guesses_never_hit_ = false;
  std::optional<PcapWriter> capture_;
};

}  // namespace pollux::sim
