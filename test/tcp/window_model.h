#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "cubic_reference.h"

namespace pollux::tcp::test {

// What cwnd is to be after each ACK of a bulk transfer in segments of one size, written from RFC 5681, 6582, 6937 (with
// RFC 9937's choice of bounds) and 9438, in doubles. Two things are the connection's: when a window counts as used, of
// which no RFC gives a measure, and pipe at the moment at which a recovery begins. It hears what is sent, what is
// acknowledged and when the retransmission timer fires; what is lost it finds out itself. The path must not reorder:
// what was sent before something that has arrived, and has not arrived itself, is lost (RFC 8985 with a window of
// nothing).
//
// In segments: number n is the nth segment of the stream, from 0.
class WindowModel {
 public:
  struct Rules {
    bool cubic = true;
    bool sack = true;
    double smss = 1448;  // bytes
    CubicConstants constants{};
  };
  using Block = std::pair<std::size_t, std::size_t>;  // [first, behind the last)

  WindowModel(const Rules& rules, double initial_window) : rules_{rules} {
    cubic_.constants = rules.constants;
    cubic_.cwnd = initial_window;
  }

  double cwnd() const { return cubic_.cwnd; }
  bool recovering() const { return recovering_; }
  std::uint64_t recoveries() const { return recoveries_; }
  // What is sent again now was found by a time-out, which has rules of its own for what is lost.
  bool repairs_time_out() const { return !recovering_ && una_ < recover_; }
  double lost() const;
  // With SACK when to begin is RACK's matter, and told by the connection; but no later than when this says so.
  bool must_recover() const;

  struct Ack {
    double now = 0;  // seconds, and so is the next
    double srtt = 0;
    std::size_t una = 0;  // everything before it is acknowledged
    std::vector<Block> blocks{};
  };
  void sent(std::size_t n);
  // `recovery_begins`: what is left of the flight without what is lost then, which is not all: some may be outstanding
  // for too short a time yet (RFC 8985, 6.2, step 4).
  void ack(const Ack& ack, std::optional<double> recovery_begins);
  // The reordering timer found more to be lost.
  void reordering_timer(double pipe);
  void time_out();

 private:
  struct Sending {
    std::uint64_t order = 0;  // of its last transmission
    bool arrived = false;     // as far as is known
  };

  double missing() const;  // outstanding, and not known to have arrived
  double flight() const { return static_cast<double>(sendings_.size() - una_); }
  std::size_t take(std::size_t from, std::size_t to);
  void grow(const Ack& ack, double segments, double flight);
  void reduce(bool time_out, double flight);
  void begin_recovery();
  void leave_or_deflate(double acked);
  void duplicate();
  void reduce_proportionally(double delivered, bool safe);

  Rules rules_;
  CubicReference cubic_;   // cwnd and ssthresh are the same two for NewReno
  double reno_acked_ = 0;  // since cwnd last grew
  std::vector<Sending> sendings_;
  std::uint64_t order_ = 0;
  std::uint64_t latest_ = 0;  // the last transmission that has arrived
  std::size_t una_ = 0;
  std::size_t recover_ = 0;  // behind RFC 6582's recover
  bool recovering_ = false;
  std::optional<double> lost_at_first_;  // by the ACK that began the recovery, or by the timer; until the next ACK
  std::uint64_t recoveries_ = 0;
  int duplicates_ = 0;
  double prr_delivered_ = 0;
  double prr_out_ = 0;
  double recover_fs_ = 1;
};

}  // namespace pollux::tcp::test
