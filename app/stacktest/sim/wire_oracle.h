#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "flow.h"
#include "time/instant.h"
#include "wire_view.h"

namespace pollux::sim {

// Judges every frame that a host sends by what it has sent and been delivered before.
// Knows the RFCs and the wire; knows nothing of Tcb.
class WireOracle {
 public:
  // The stream of whoever sends from `source`, or none if nobody should.
  using StreamOf = std::function<std::optional<Stream>(const WireView&)>;
  using Complain = std::function<void(std::string)>;

  WireOracle(StreamOf stream_of, Complain complain)
      : stream_of_{std::move(stream_of)}, complain_{std::move(complain)} {}

  struct HostLimits {
    std::uint16_t mtu = 1500;
    std::uint32_t receive_buffer = UINT32_MAX;
    std::uint32_t receive_buffer_max = UINT32_MAX;  // what that may grow to
  };
  void set_limits(int host, const HostLimits& limits) { limits_[static_cast<std::size_t>(host)] = limits; }

  // A host's turn begins and ends; `pending`: it has more to send than the device took.
  void begin_turn(int host, Instant now);
  void end_turn(int host, bool pending);

  void sent(int host, std::span<const std::byte> frame, Instant now);
  void delivered(int host, std::span<const std::byte> frame, Instant now);

  // Whether a reset names the very number that its receiver expects next.
  bool reset_hits(std::span<const std::byte> frame) const;

  // An application, or a policy that the plan allows for, may send a RST that no segment asked for.
  void allow_reset(const FlowKey& key_of_sender) { ++at(key_of(key_of_sender)).resets_allowed; }
  // From now on delayed answers are no fault: memory has run out, or the way to the other host was lost.
  void excuse_late_acks(int host) { excused_[static_cast<std::size_t>(host)] = true; }
  // Segments were built and thrown away, so that not all numbers were seen on the wire.
  void excuse_unseen_segments(int host) { unseen_[static_cast<std::size_t>(host)] = true; }

  std::uint64_t segments() const { return segments_; }

  // The edges of what is known of one direction, for tests and attackers: numbers as on the wire.
  struct Edges {
    std::uint32_t snd_nxt = 0;  // of whoever sends from `key.local`
    std::uint32_t rcv_nxt = 0;
    std::uint32_t rcv_edge = 0;
  };
  std::optional<Edges> edges(const FlowKey& key_of_sender) const;

 private:
  struct Key {
    IpAddress source, destination;
    std::uint16_t source_port, destination_port;
    friend auto operator<=>(const Key&, const Key&) = default;  // NOLINT(modernize-use-nullptr): its own 0
  };
  static Key key_of(const WireView& v) { return {v.source, v.destination, v.source_port, v.destination_port}; }
  static Key key_of(const FlowKey& k) { return {k.local, k.remote, k.local_port, k.remote_port}; }
  static Key turned(const Key& k) { return {k.destination, k.source, k.destination_port, k.source_port}; }

  // What a SYN said.
  struct Syn {
    std::uint32_t seq = 0;
    std::uint16_t wnd = 0;
    std::optional<std::uint16_t> mss;
    std::optional<std::uint8_t> wind_shift;
    std::optional<std::pair<std::uint32_t, std::uint32_t>> ts;
    bool sack_permitted = false;
    bool ecn_setup = false;  // this one, and each copy of it that was sent
    std::uint32_t text = 0;  // how much came with it (Fast Open)
  };

  // Bytes [from, to) that were delivered, as offsets from the peer's SYN.
  class Coverage {
   public:
    void add(std::uint64_t from, std::uint64_t to);
    bool holds(std::uint64_t from, std::uint64_t to) const;
    // The first offset from 1 on that is missing.
    std::uint64_t contiguous() const { return contiguous_; }

   private:
    std::map<std::uint64_t, std::uint64_t> pieces_;
    std::uint64_t contiguous_ = 1;
  };

  // Text, or a FIN, up to an offset from IRS, and since when it has been there with all before it.
  struct Owed {
    std::uint64_t to;
    Instant since;
  };

  // The segments that one socket address sends to another, and what it has been delivered.
  struct Direction {
    // The incarnation that is being judged; a SYN with another number begins the next.
    std::optional<Syn> syn;
    std::optional<Stream> stream;
    std::uint64_t end = 0;  // after the last number sent, as an offset from ISS
    std::optional<std::uint64_t> fin_at;
    bool fin_acked = false;
    std::optional<Syn> peer;    // the SYN that this incarnation has taken
    bool peer_willing = false;  // it asked for ECN
    bool once_willing = false;  // we did, in one of our SYNs
    Coverage coverage;
    std::optional<std::uint64_t> peer_fin;  // offset of the peer's FIN, once delivered
    std::uint64_t acked = 0;                // highest acknowledgment sent, as an offset from IRS
    std::uint64_t edge = 0;                 // highest right edge offered
    std::uint64_t peer_edge = 0;            // highest right edge delivered to us, as an offset from ISS
    std::uint64_t una = 0;                  // highest acknowledgment delivered to us, as an offset from ISS
    std::uint64_t max_wnd = 0;              // largest window that came with a new one: MAX.SND.WND of RFC 5961, 5.2
    bool late_text = false;                 // text came that may have been thrown away for its old acknowledgment
    std::optional<std::uint32_t> ts_limit;  // the newest TSval that may be echoed
    std::uint32_t last_tsval = 0;
    std::uint32_t last_tsecr = 0;
    bool sent_ts = false;
    std::deque<Owed> acks_owed;
    // Retransmission: the same number again and again, with nothing heard in between.
    std::uint64_t resent_offset = 0;
    std::optional<Instant> resent_at;
    Duration resent_gap{0};
    int resent_times = 0;
    // Of all incarnations.
    std::vector<Syn> syns_delivered;  // the last few
    std::uint64_t non_resets_delivered = 0;
    std::uint64_t resets_sent = 0;
    std::uint64_t resets_allowed = 0;
    bool answer_owed = false;  // in this turn
    // The first offset from IRS that did not come yet.
    std::uint64_t received() const { return coverage.contiguous() + (peer_fin == coverage.contiguous() ? 1 : 0); }
    bool sack_in_use() const { return peer && syn && peer->sack_permitted && syn->sack_permitted; }
    bool ts_in_use() const { return syn && peer && syn->ts && peer->ts; }
    bool scaled() const { return syn && peer && syn->wind_shift && peer->wind_shift; }
  };

  Direction& at(const Key& key) { return directions_[key]; }
  static Syn syn_of(const WireView& v);
  void begin_incarnation(Direction& d, const WireView& v);
  bool take_syn_of_peer(Direction& d, const WireView& syn_ack);
  void judge_syn(int host, Direction& d, const WireView& v);
  void judge_ecn(int host, Direction& d, const WireView& v);
  void judge_text(int host, Direction& d, const WireView& v);
  void judge_ack(int host, Direction& d, const WireView& v, Instant now);
  void judge_growth_of_window(int host, const Direction& d, std::uint64_t edge, std::uint64_t unit, const WireView& v);
  void judge_sack(const Direction& d, const WireView& v);
  void judge_timestamps(int host, Direction& d, const WireView& v);
  void judge_reset(Direction& d, const WireView& v);
  void judge_repetition(Direction& d, const WireView& v, Instant now);
  void take_delivery(Direction& d, const WireView& v, Instant now);
  void complain(const std::string& what, const WireView& v);

  StreamOf stream_of_;
  Complain complain_;
  std::array<HostLimits, 2> limits_;
  std::array<bool, 2> excused_{};
  std::array<bool, 2> unseen_{};
  std::map<Key, Direction> directions_;
  std::uint64_t segments_ = 0;
  std::vector<Key> owing_;
};

}  // namespace pollux::sim
