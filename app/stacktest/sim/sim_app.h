#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "flow.h"
#include "shard/conn.h"

namespace pollux::sim {

class Network;

// The application of one host: does what the plans of its flows say, and checks what it
// is told against what the other side has done.
class SimApp {
 public:
  SimApp(Network& network, int host) : network_{network}, host_{host} {}

  void on_open(Conn conn);
  std::size_t on_text(Conn conn, std::span<const std::byte> text);
  void on_eof(Conn conn);
  void on_writable(Conn conn);
  void on_urgent(Conn conn);
  void on_closed(Conn conn, tcp::Reason reason);

  // Sends what may be sent now, and ends what is to be ended.
  void pump(Conn conn, Side& side);
  // What may go in the SYN of a connection that has just been asked for (Fast Open).
  void send_early(Conn conn, Side& side);

 private:
  // The side that a connection belongs to; complains and returns null if there is none, or if it is over.
  Side* side_of(Conn conn, const char* callback);
  std::size_t echo(Conn conn, Side& side, std::span<const std::byte> text);
  std::size_t want(Side& side, std::size_t offered);
  bool may_send(const Side& side) const;
  bool send_some(Conn conn, Side& side);
  bool check_finish(Conn conn, Side& side);
  void finish(Conn conn, Side& side);
  void pump_later(Side& side, Duration wait);
  void resume_later(Side& side, Duration wait);

  Network& network_;
  int host_;
  std::vector<std::byte> scratch_;
};

}  // namespace pollux::sim
