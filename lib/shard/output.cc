// Frames out: answers of no connection, and the segments of ready ones.

#include <algorithm>

#include "base/assert.h"
#include "shard/shard_core.h"

namespace pollux {
namespace {

constexpr Duration kNeighbourTick = 100ms;
constexpr std::size_t kNeighboursPerTick = 256;  // the whole table within half a second

}  // namespace

// --- The lists ---

bool ShardCore::has_output() const { return ready_head_ != kNone || !tcp_replies_.empty() || !raw_replies_.empty(); }

void ShardCore::push_ready(std::uint32_t index) {
  tcp::Tcb& tcb = tcbs_[index];
  tcb.in_ready_list = true;
  tcb.ready_next = kNone;
  if (ready_tail_ == kNone) {
    ready_head_ = index;
  } else {
    tcbs_[ready_tail_].ready_next = index;
  }
  ready_tail_ = index;
}

std::uint32_t ShardCore::next_ready() {
  const std::uint32_t index = ready_head_;
  if (index == kNone) return kNone;
  tcp::Tcb& tcb = tcbs_[index];
  ready_head_ = tcb.ready_next;
  if (ready_head_ == kNone) ready_tail_ = kNone;
  tcb.in_ready_list = false;
  return index;
}

void ShardCore::put_back(std::uint32_t index) {
  tcp::Tcb& tcb = tcbs_[index];
  tcb.in_ready_list = true;
  tcb.ready_next = ready_head_;
  if (ready_head_ == kNone) ready_tail_ = index;
  ready_head_ = index;
}

// --- Neighbours ---

void ShardCore::wait_for_neighbour(std::uint32_t index) {
  tcp::Tcb& tcb = tcbs_[index];
  tcb.in_ready_list = true;
  tcb.ready_next = waiting_head_;
  waiting_head_ = index;
}

void ShardCore::wake_waiting() {
  while (waiting_head_ != kNone) {
    const std::uint32_t index = waiting_head_;
    waiting_head_ = tcbs_[index].ready_next;
    push_ready(index);
  }
}

NeighbourTable::Resolved ShardCore::resolve(tcp::Tcb& tcb) {
  const std::optional<IpAddress> hop = next_hop_for(tcb.key().remote);
  if (!hop) return {};
  const NeighbourTable::Resolved known = neighbours_.resolve(*hop, NeighbourTable::kNoWaiter, env_.now);
  tcb.next_hop = known.hop.index;
  tcb.next_hop_generation = known.hop.generation;
  if (known.send_request) request_neighbour(*hop, nullptr);
  return known;
}

const MacAddress* ShardCore::mac_towards(const IpAddress& remote) {
  const std::optional<IpAddress> hop = next_hop_for(remote);
  if (!hop) return nullptr;
  const NeighbourTable::Resolved known = neighbours_.resolve(*hop, NeighbourTable::kNoWaiter, env_.now);
  if (known.send_request) request_neighbour(*hop, nullptr);
  return known.mac;
}

void ShardCore::request_neighbour(const IpAddress& address, const MacAddress* known) {
  const std::optional<IpAddress> own = source_for(address);
  RawReply* request = own ? push_raw() : nullptr;
  if (request == nullptr) return;
  const LinkSpec link = link_to(known == nullptr ? MacAddress{} : *known);
  std::byte* to = request->bytes.data();
  request->size = static_cast<std::uint32_t>(address.is_v4() ? write_arp_request(to, link, *own, address)
                                                             : write_neighbour_solicitation(to, link, *own, address));
}

// Now and then: requests again, and connections to who does not answer learn of it.
void ShardCore::tick_neighbours(Instant now) {
  if (now < neighbour_tick_) return;
  neighbour_tick_ = now + kNeighbourTick;
  neighbours_.tick(
      now, kNeighboursPerTick,
      [&](const IpAddress& address, const MacAddress* known) { request_neighbour(address, known); },
      [](std::uint32_t) {});
  wake_waiting();
}

// --- Answers of no connection ---

LinkSpec ShardCore::link_to(const MacAddress& destination) const { return {config_.mac, destination, config_.vlan}; }

RawReply* ShardCore::push_raw() {
  RawReply* reply = raw_replies_.push();
  if (reply == nullptr) ++shard_counters_.replies_dropped;
  return reply;
}

bool ShardCore::push_reply(const FlowKey& key, const MacAddress& destination, const tcp::Outgoing& out,
                           std::uint8_t ttl, std::uint8_t tos) {
  TcpReply* reply = tcp_replies_.push();
  if (reply == nullptr) {
    ++shard_counters_.replies_dropped;
    return false;
  }
  *reply = {key, destination, out.seq, out.ack, out.wnd, out.up, out.flags, out.options, ttl, tos};
  return true;
}

// It waits with the replies, which leave before whatever the connection says at the end of the turn. Where there is no
// address, or half of the room is taken, which others may need more, the ACK of the whole burst must do.
void ShardCore::acknowledge_at_once(tcp::Tcb& tcb) {
  const MacAddress* mac = neighbours_.mac({tcb.next_hop, tcb.next_hop_generation});
  while (mac != nullptr && tcp_replies_.size() < kTcpReplies / 2 && tcb.owes_ack_at_once()) {
    push_reply(tcb.key(), *mac, tcb.acknowledge_at_once(env_), tcb.ttl(), tcb.tos());
  }
}

void ShardCore::push_reset(const ParsedFrame& frame) {
  if (env_.now - reset_second_ >= 1s) {
    reset_second_ = env_.now;
    resets_this_second_ = 0;
  }
  if (config_.resets_per_second != 0 && resets_this_second_ >= config_.resets_per_second) {
    ++shard_counters_.resets_withheld;
    return;
  }
  ++resets_this_second_;
  const tcp::ResetReply reset = tcp::reset_for(frame.segment);
  tcp::Outgoing out;
  out.seq = reset.seq;
  out.ack = reset.ack;
  out.flags.rst = true;
  out.flags.ack = reset.with_ack;
  if (push_reply(frame.key, frame.source, out, kDefaultTtl, 0)) ++counters_.resets_sent;
}

std::size_t ShardCore::build_reply(const TxFrame& frame, const DeviceOffers& device, TxOffload& offload) {
  if (!raw_replies_.empty()) {
    const RawReply& raw = raw_replies_.front();
    CHECK(raw.size <= frame.capacity);
    std::copy_n(raw.bytes.data(), raw.size, frame.data);
    const std::size_t size = raw.size;
    raw_replies_.pop();
    offload = {};
    ++shard_counters_.tx_frames;
    shard_counters_.tx_bytes += size;
    return size;
  }
  if (tcp_replies_.empty()) return 0;
  const TcpReply& reply = tcp_replies_.front();
  TcpFrameSpec spec;
  spec.source = config_.mac;
  spec.destination = reply.destination;
  spec.vlan = config_.vlan;
  spec.key = &reply.key;
  spec.ttl = reply.ttl;
  spec.tos = reply.tos;
  spec.dont_fragment = config_.tcp.path_mtu_discovery;
  if (!spec.dont_fragment) spec.ip_id = take_ip_ids(1);
  spec.seq = reply.seq;
  spec.ack = reply.ack;
  spec.wnd = reply.wnd;
  spec.up = reply.up;
  spec.flags = reply.flags;
  spec.options = &reply.options;
  const std::size_t size = write_segment(frame, spec, 0, device, offload);
  finish_tcp_checksum({frame.data, size}, offload);
  tcp_replies_.pop();
  return size;
}

// --- Segments of connections ---

std::uint32_t ShardCore::frame_size(std::uint32_t index, const DeviceOffers& device, std::uint32_t max_frame) const {
  if (!device.tso && !device.tso_ipv6) return plain_frame_size();
  const tcp::Tcb& tcb = tcbs_[index];
  const bool tso = tcb.key().local.is_v4() ? device.tso : device.tso_ipv6;
  return tso && tcb.unsent(env_) > tcb.smss() ? std::max(max_frame, plain_frame_size()) : plain_frame_size();
}

std::size_t ShardCore::build_segment(std::uint32_t index, const TxFrame& frame, const DeviceOffers& device,
                                     TxOffload& offload) {
  tcp::Tcb& tcb = tcbs_[index];
  if (!tcb.wants_to_transmit()) return 0;
  const MacAddress* mac = neighbours_.mac({tcb.next_hop, tcb.next_hop_generation});
  if (mac == nullptr) {
    const NeighbourTable::Resolved known = resolve(tcb);
    mac = known.mac;
    if (mac == nullptr && known.hop && known.state == NeighbourState::kIncomplete) {
      wait_for_neighbour(index);
      return 0;
    }
    if (mac == nullptr) {
      discard_output(tcb);
      return 0;
    }
  }
  const std::uint32_t room = frame.capacity - static_cast<std::uint32_t>(kMaxTcpHeaders);
  // A frame may have more room than was asked for; that alone makes the device no cutter.
  const bool tso = tcb.key().local.is_v4() ? device.tso : device.tso_ipv6;
  const bool large = tso && frame.capacity > plain_frame_size();
  const auto out = tcb.poll_transmit(large ? room - room % tcb.smss() : 0, env_);
  if (!out) return 0;
  TcpFrameSpec spec;
  spec.source = config_.mac;
  spec.destination = *mac;
  spec.vlan = config_.vlan;
  spec.key = &tcb.key();
  spec.ttl = tcb.ttl();
  spec.tos = tcb.tos() | static_cast<std::uint8_t>(out->ecn);
  // What is larger than SMSS and not to be cut up probes the path, and learns nothing if it is cut up on the way.
  const bool probes_path = out->text_size > tcb.smss() && out->segment_size == 0;
  spec.dont_fragment = tcb.dont_fragment(config_.tcp) || (probes_path && config_.tcp.path_mtu_discovery);
  if (!spec.dont_fragment)
    spec.ip_id = take_ip_ids(out->segment_size == 0 ? 1 : out->text_size / out->segment_size + 1);
  spec.seq = out->seq;
  spec.ack = out->ack;
  spec.wnd = out->wnd;
  spec.up = out->up;
  spec.flags = out->flags;
  spec.options = &out->options;
  offload = {};
  offload.segment_size = out->segment_size;
  const std::size_t headers = write_segment(frame, spec, out->text_size, device, offload);
  if (out->text_size > 0) tcb.copy_text(*out, {frame.data + headers, out->text_size}, env_);
  finish_tcp_checksum({frame.data, headers + out->text_size}, offload);
  return headers + out->text_size;
}

// The device counts on from the first ID where it cuts a frame up.
std::uint16_t ShardCore::take_ip_ids(std::uint32_t packets) {
  const std::uint16_t first = next_ip_id_;
  next_ip_id_ = static_cast<std::uint16_t>(next_ip_id_ + packets);
  return first;
}

std::size_t ShardCore::write_segment(const TxFrame& frame, const TcpFrameSpec& spec, std::size_t text,
                                     const DeviceOffers& device, TxOffload& offload) {
  const std::uint16_t segment_size = offload.segment_size;
  offload = {};
  offload.ip_checksum = device.ip_checksum && spec.key->local.is_v4();
  offload.tcp_checksum = device.tcp_checksum;
  offload.segment_size = segment_size;
  const std::size_t headers = write_tcp_headers(frame.data, spec, text, offload);
  CHECK(headers + text <= frame.capacity);
  ++shard_counters_.tx_frames;
  shard_counters_.tx_bytes += headers + text;
  return headers;
}

// The neighbour does not answer: what IP would drop. The timers go on, and the application
// hears of it if they run out.
void ShardCore::discard_output(tcp::Tcb& tcb) {
  ++shard_counters_.unreachable_neighbour;
  while (tcb.poll_transmit(0, env_)) {
  }
  if (tcb.flight_size() > 0) tcb.icmp_error(tcp::IcmpError::kHostUnreachable, tcb.snd().una, env_);
}

}  // namespace pollux
