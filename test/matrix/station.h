#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "../shard/test_shard.h"
#include "cells.h"
#include "oracle.h"

namespace pollux::matrix {

// Which connection the cells of one row meet.
struct Row {
  State state = State::kClosed;
  bool active = false;  // opened by us; SYN-RECEIVED: by a simultaneous open
  bool idle = false;    // ESTABLISHED with nothing outstanding
};
std::string to_string(const Row& row);
void PrintTo(const Row& row, std::ostream* out);

// Where the numbers of a connection lie: SND.UNA and RCV.NXT when it is in its state.
struct Numbers {
  SeqNum snd_una;
  SeqNum rcv_nxt;
};

// What a cell made of its connection.
struct Observed {
  State state = State::kClosed;
  std::deque<test::Sent> at_once;
  std::deque<test::Sent> later;  // within 0.5 s
  int connected = 0;
  int end = 0;
  int reset = 0;
  int refused = 0;
  int ended_otherwise = 0;  // after a FIN on both sides it is in order; nothing else is
  int urgent = 0;
  std::string text;
  // Where the connection lives on as a TCB or in TIME-WAIT.
  std::optional<SeqNum> snd_una{};
  std::optional<SeqNum> rcv_nxt{};
  std::string complaint;  // what must hold of every segment we send, and did not
};
std::string to_string(const Observed& observed);

// Brings one connection after the other into a state by real frames, and shows it one segment.
class Station {
 public:
  // `rst_ends_time_wait`: as RFC 9293 has it; false: RFC 1337.
  explicit Station(bool v6, bool rst_ends_time_wait = true);
  ~Station();

  // What is left of the connection before is removed. The variables are those that can be read off the wire.
  Block bring(const Row& row, const Numbers& numbers);
  // The segment of the cell, and half a second to answer it.
  Observed meet(const Arrival& seg);

 private:
  // The peer.
  void peer_sends(unsigned flags, std::uint32_t text = 0);
  test::TestTcp peer_segment(unsigned flags, SeqNum seq, SeqNum ack, std::uint32_t text) const;
  std::string stream(SeqNum from, std::size_t size) const;
  // Our side.
  void user_sends(std::uint32_t size, bool and_closes);
  void collect();

  void open_passive();
  void open_active();
  void simultaneous_open();
  void exchange();
  void set_iss(SeqNum iss);
  void remove_connection();
  void renew();
  bool empty() const;
  State state() const;
  FlowKey key() const;
  void read_variables(Observed& seen) const;
  std::string complaint_about(const std::deque<test::Sent>& sent) const;

  bool v6_;
  bool rst_ends_time_wait_;
  std::unique_ptr<test::TestShard> world_;
  std::uint16_t port_ = 1024;  // the peer's
  std::uint16_t our_port_ = 0;
  ConnId id_{};
  Block block_;
  SeqNum edge_;      // the right edge of our window, as far as it was ever offered
  SeqNum peer_nxt_;  // the peer's SND.NXT
};

}  // namespace pollux::matrix
