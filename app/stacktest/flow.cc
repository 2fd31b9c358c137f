#include "flow.h"

namespace pollux::stacktest {

void Flow::map_sack(Packet& packet, std::uint32_t offset) const {
  for (TcpOption& o : packet.options) {
    if (o.kind != option::kSack) continue;
    for (std::size_t i = 0; i + 4 <= o.data.size(); i += 4) set_number_at(o, i, number_at(o, i) + offset);
  }
}

// What the peer sends: its own numbers, those it acknowledges, and the timestamp it echoes.
void Flow::to_live(Packet& packet) const {
  packet.seq += peer_offset_;
  if (packet.has(kAck)) packet.ack += local_offset_;
  map_sack(packet, local_offset_);
  for (TcpOption& o : packet.options) {
    if (o.kind != option::kTimestamps || o.data.size() != 8 || !first_timestamp_) continue;
    const auto known = timestamps_.find(number_at(o, 4));
    const auto& [script, live] = *first_timestamp_;
    set_number_at(o, 4, known != timestamps_.end() ? known->second : live + (number_at(o, 4) - script));
  }
}

void Flow::to_script(Packet& packet) const {
  packet.seq -= local_offset_;
  if (packet.has(kAck)) packet.ack -= peer_offset_;
  map_sack(packet, 0u - peer_offset_);
  for (TcpOption& o : packet.options) {
    if (o.kind != option::kTimestamps || o.data.size() != 8 || !first_timestamp_) continue;
    set_number_at(o, 0, number_at(o, 0) - first_timestamp_->second + first_timestamp_->first);
  }
}

void Flow::note_timestamp(std::uint32_t script, std::uint32_t live) {
  if (!first_timestamp_) first_timestamp_ = {script, live};
  timestamps_[script] = live;
}

}  // namespace pollux::stacktest
