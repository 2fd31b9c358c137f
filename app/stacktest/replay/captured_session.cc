#include "captured_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "../serial_number.h"

namespace pollux::stacktest {
namespace {

constexpr std::size_t kLongestStream = std::size_t{64} << 20;

bool opens(const Packet& p) { return !p.icmp && p.has(kSyn) && !p.has(kAck); }

// Whether the packet is of the session, and if so whose.
std::optional<Role> sender(const CapturedSession& s, const Packet& p) {
  for (const Role role : {Role::kClient, Role::kServer}) {
    const auto here = static_cast<std::size_t>(role);
    const auto there = 1 - here;
    if (p.source == s.address[here] && p.destination == s.address[there] && p.source_port == s.port[here] &&
        p.destination_port == s.port[there]) {
      return role;
    }
  }
  return std::nullopt;
}

}  // namespace

const Packet* CapturedSession::syn(Role of) const {
  for (const SessionPacket& p : packets) {
    if (p.from == of && p.packet.has(kSyn)) return &p.packet;
  }
  return nullptr;
}

std::optional<std::uint32_t> CapturedSession::isn(Role of) const {
  const Packet* first = syn(of);
  if (first != nullptr) return first->seq;
  return std::nullopt;
}

Expected<std::vector<std::byte>, std::string> CapturedSession::stream(Role of) const {
  std::vector<std::byte> bytes;
  std::vector<bool> there;
  const std::uint32_t first = isn(of).value_or(0) + 1;
  std::uint64_t last_frame = 0;
  for (const SessionPacket& p : packets) {
    // A keep-alive with a byte of text stands before what it repeats.
    if (p.from != of || p.packet.text.empty() || p.packet.has(kSyn) || before(p.packet.seq, first)) continue;
    const std::size_t at = p.packet.seq - first;
    if (at > kLongestStream) {
      return unexpected(
          fmt::format("frame {} has text {} bytes from where the stream begins; that is too far", p.frame, at));
    }
    if (bytes.size() < at + p.packet.text.size()) {
      bytes.resize(at + p.packet.text.size());
      there.resize(bytes.size());
      last_frame = p.frame;
    }
    std::copy(p.packet.text.begin(), p.packet.text.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at));
    std::fill_n(there.begin() + static_cast<std::ptrdiff_t>(at), p.packet.text.size(), true);
  }
  if (const auto hole = std::find(there.begin(), there.end(), false); hole != there.end()) {
    return unexpected(fmt::format("byte {} of what the {} sent is nowhere in the capture, but frame {} comes behind it",
                                  hole - there.begin(), of == Role::kClient ? "client" : "server", last_frame));
  }
  return bytes;
}

Packet CapturedSession::relative(const SessionPacket& p) const {
  Packet packet = p.packet;
  const std::uint32_t own = isn(p.from).value_or(packet.seq);
  const std::uint32_t peer = isn(other(p.from)).value_or(packet.ack);
  packet.seq -= own;
  if (packet.has(kAck)) packet.ack -= peer;
  for (TcpOption& o : packet.options) {
    if (o.kind != option::kSack) continue;
    for (std::size_t i = 0; i + 4 <= o.data.size(); i += 4) set_number_at(o, i, number_at(o, i) - peer);
  }
  return packet;
}

Expected<CapturedSession, std::string> read_session(std::span<const CapturedFrame> frames, std::uint64_t which) {
  CapturedSession session;
  std::uint64_t seen = 0;
  std::map<std::string, std::uint32_t> opened;  // by the four of a SYN: the ISN, so that a repetition is no other
  Duration begin{0};
  for (const CapturedFrame& frame : frames) {
    auto packet = read_packet(frame.bytes, Checksums::kIgnored);
    if (!packet || packet->icmp) continue;
    if (opens(*packet) && session.packets.empty()) {
      const std::string key = fmt::format("{} {} {} {}", to_string(packet->source), packet->source_port,
                                          to_string(packet->destination), packet->destination_port);
      const auto [known, is_new] = opened.insert({key, packet->seq});
      if (is_new || known->second != packet->seq) ++seen;
      known->second = packet->seq;
      if (seen == which) {
        session.address[0] = packet->source;
        session.address[1] = packet->destination;
        session.port[0] = packet->source_port;
        session.port[1] = packet->destination_port;
        begin = frame.at;
      }
    }
    if (seen < which) continue;
    const auto from = sender(session, *packet);
    if (!from) continue;
    if (!frame.whole) {
      return unexpected(fmt::format("frame {} is cut short; capture whole frames (tcpdump -s 0)", frame.number));
    }
    session.packets.push_back({frame.number, frame.at - begin, *from, std::move(*packet)});
  }
  if (session.packets.empty()) {
    return unexpected(
        fmt::format("it has the beginnings (SYN) of {} connections, and number {} was asked for", seen, which));
  }
  return session;
}

Expected<CapturedSession, std::string> read_session_file(const std::string& path, std::uint64_t which) {
  const auto frames = read_pcap_file(path);
  if (!frames) return unexpected(frames.error());
  auto session = read_session(*frames, which);
  if (!session) return unexpected(fmt::format("{}: {}", path, session.error()));
  return session;
}

}  // namespace pollux::stacktest
