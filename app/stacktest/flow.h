#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "packet.h"

namespace pollux::stacktest {

// The text of a stream, by its offset from the first byte: what the script's end sends, and what it has the stack send.
constexpr std::byte text_byte(std::uint32_t offset) {
  return static_cast<std::byte>(offset * 7 + (offset >> 8) * 13 + 1);
}

// A connection as the script sees it and as it is on the wire. A script counts from what it calls 0; on the wire the
// stack begins where it likes, and the peer 256 below the wrap, so that nearly every script crosses it.
class Flow {
 public:
  static constexpr std::uint32_t kPeerOffset = 0xffffff00;

  // `peer_offset`: what is added to the peer's numbers on the wire.
  Flow(std::uint16_t local, std::uint16_t remote, std::uint32_t peer_offset = kPeerOffset)
      : local_port{local}, remote_port{remote}, peer_offset_{peer_offset} {}

  // The stack's SYN, which the script expects with `script_seq`.
  void learn_local(std::uint32_t live_seq, std::uint32_t script_seq) {
    local_offset_ = live_seq - script_seq;
    local_isn = script_seq;
    local_known_ = true;
  }
  bool local_known() const { return local_known_; }
  // The peer's SYN goes out: with it a new stream begins, and the answer will have new numbers.
  void note_peer_syn(std::uint32_t script_seq, bool with_ack) {
    if (remote_isn && *remote_isn != script_seq && !with_ack) local_known_ = false;
    if (!remote_isn || *remote_isn != script_seq) read_to = script_seq + 1;
    remote_isn = script_seq;
  }

  void to_live(Packet& packet) const;
  // Timestamps of the stack count from the first that the script expected.
  void to_script(Packet& packet) const;
  // A segment of the stack with TSval `live`, for which the script has `script`.
  void note_timestamp(std::uint32_t script, std::uint32_t live);
  std::uint32_t live_local(std::uint32_t script_seq) const { return script_seq + local_offset_; }

  std::uint16_t local_port;  // 0: not known before the stack's SYN
  std::uint16_t remote_port;
  std::optional<std::pair<std::uint16_t, std::uint16_t>> script_ports;  // remote, local; where the script names them
  std::optional<std::uint32_t> remote_isn;                              // script's numbers
  std::uint32_t local_isn = 0;
  std::uint32_t read_to = 0;      // script's number of the next byte that read() gives
  std::uint32_t written = 0;      // bytes
  bool wrote_given_text = false;  // so that text_byte() does not say what it is

 private:
  void map_sack(Packet& packet, std::uint32_t offset) const;

  std::uint32_t peer_offset_;
  std::uint32_t local_offset_ = 0;
  bool local_known_ = false;
  std::optional<std::pair<std::uint32_t, std::uint32_t>> first_timestamp_;  // script, live
  std::map<std::uint32_t, std::uint32_t> timestamps_;                       // script to live
};

}  // namespace pollux::stacktest
