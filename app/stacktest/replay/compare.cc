#include "compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace pollux::stacktest {
namespace {

using Packets = std::vector<SessionPacket>;

// What one end sends, in numbers that begin at 0.
Packets sent_by(const CapturedSession& session, Role role) {
  Packets packets;
  for (const SessionPacket& p : session.packets) {
    if (p.from == role) packets.push_back({p.frame, p.at, p.from, session.relative(p)});
  }
  return packets;
}

std::string at_frame(std::uint64_t frame, std::string_view what, const std::string& expected,
                     const std::string& actual) {
  return fmt::format("frame {}: {}\n  expected  {}\n  actual    {}", frame, what, expected, actual);
}

// A timestamp's values are those of a clock, and not compared; neither is how options are padded. A shift says how
// large a window may become.
std::vector<TcpOption> comparable(const Packet& packet, Strictness strictness) {
  std::vector<TcpOption> options;
  for (TcpOption o : packet.options) {
    if (o.kind == option::kNop || o.kind == option::kEol) continue;
    if (o.kind == option::kTimestamps) o.data.clear();
    if (o.kind == option::kWscale && strictness == Strictness::kMeaning) o.data.clear();
    options.push_back(std::move(o));
  }
  std::sort(options.begin(), options.end(), [](const TcpOption& a, const TcpOption& b) { return a.kind < b.kind; });
  return options;
}

// The name of what differs; empty: nothing. PSH says nothing that a peer must act on (RFC 9293, 3.9.1.2).
std::string_view differing(const Packet& a, const Packet& b, Strictness strictness) {
  const auto flags = [](const Packet& p) { return p.flags & ~kPsh; };
  if (flags(a) != flags(b)) return "flags";
  if (a.seq != b.seq) return "the sequence number";
  if (a.text.size() != b.text.size()) return "the length of the text";
  if (a.text != b.text) return "the text";
  if (a.has(kAck) && a.ack != b.ack) return "the acknowledgment";
  const bool same_window = strictness == Strictness::kMeaning ? (a.wnd > 0) == (b.wnd > 0) : a.wnd == b.wnd;
  if (!a.has(kRst) && !same_window) return "the window";
  if (a.has(kUrg) && a.up != b.up) return "the urgent pointer";
  if (comparable(a, strictness) != comparable(b, strictness)) return "options";
  return {};
}

std::string compare_packets(const Packets& expected, const Packets& actual, Strictness strictness) {
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const std::string line = to_line(expected[i].packet);
    if (i == actual.size()) return at_frame(expected[i].frame, "nothing more was sent", line, "nothing");
    const std::string_view what = differing(expected[i].packet, actual[i].packet, strictness);
    if (!what.empty())
      return at_frame(expected[i].frame, fmt::format("{} differs", what), line, to_line(actual[i].packet));
  }
  if (actual.size() > expected.size()) {
    const std::uint64_t last = expected.empty() ? 0 : expected.back().frame;
    return at_frame(last, "one more was sent behind it", "nothing", to_line(actual[expected.size()].packet));
  }
  return {};
}

// --- Loosely ---

const SessionPacket* first_with(const Packets& packets, std::uint8_t flags) {
  const auto found =
      std::find_if(packets.begin(), packets.end(), [&](const SessionPacket& p) { return p.packet.has(flags); });
  return found == packets.end() ? nullptr : &*found;
}

std::string line_of(const SessionPacket* packet) { return packet == nullptr ? "nothing" : to_line(packet->packet); }

std::string compare_first(const Packets& expected, const Packets& actual, std::uint8_t flag, std::string_view name) {
  const SessionPacket* e = first_with(expected, flag);
  const SessionPacket* a = first_with(actual, flag);
  if ((e == nullptr) == (a == nullptr)) return {};
  return at_frame(e == nullptr ? 0 : e->frame, fmt::format("{} is sent by one alone", name), line_of(e), line_of(a));
}

std::vector<std::uint8_t> option_kinds(const SessionPacket& syn) {
  std::vector<std::uint8_t> kinds;
  for (const TcpOption& o : comparable(syn.packet, Strictness::kLoose)) kinds.push_back(o.kind);
  return kinds;
}

// The packet that acknowledges most; a reset's number says nothing.
const SessionPacket* last_acknowledgment(const Packets& packets) {
  const SessionPacket* last = nullptr;
  for (const SessionPacket& p : packets) {
    if (!p.packet.has(kAck) || p.packet.has(kRst)) continue;
    if (last == nullptr || static_cast<std::int32_t>(p.packet.ack - last->packet.ack) > 0) last = &p;
  }
  return last;
}

std::string compare_loosely(const CapturedSession& expected, const CapturedSession& actual, Role role) {
  const Packets e = sent_by(expected, role);
  const Packets a = sent_by(actual, role);
  for (const auto& [flag, name] : {std::pair{kSyn, "a SYN"}, std::pair{kFin, "a FIN"}, std::pair{kRst, "a reset"}}) {
    if (std::string what = compare_first(e, a, flag, name); !what.empty()) return what;
  }
  const SessionPacket* syn = first_with(e, kSyn);
  const SessionPacket* our_syn = first_with(a, kSyn);
  if (syn != nullptr && option_kinds(*syn) != option_kinds(*our_syn)) {
    return at_frame(syn->frame, "options of the SYN differ", line_of(syn), line_of(our_syn));
  }
  const auto text = expected.stream(role);
  const auto our_text = actual.stream(role);
  if (!text || !our_text) return text ? our_text.error() : text.error();
  if (*text != *our_text) {
    return fmt::format(
        "the text differs: {} bytes expected, {} sent, equal up to byte {}", text->size(), our_text->size(),
        std::mismatch(text->begin(), text->end(), our_text->begin(), our_text->end()).first - text->begin());
  }
  if (first_with(e, kRst) != nullptr) return {};  // after which an ACK that is owed is owed no more
  const SessionPacket* ack = last_acknowledgment(e);
  const SessionPacket* our_ack = last_acknowledgment(a);
  if (ack == nullptr || (our_ack != nullptr && our_ack->packet.ack == ack->packet.ack)) return {};
  return at_frame(ack->frame, "the last acknowledgment differs", line_of(ack), line_of(our_ack));
}

}  // namespace

std::string compare(const CapturedSession& expected, const CapturedSession& actual, Role role, Strictness strictness) {
  if (strictness == Strictness::kLoose) return compare_loosely(expected, actual, role);
  return compare_packets(sent_by(expected, role), sent_by(actual, role), strictness);
}

}  // namespace pollux::stacktest
