#include "wire_view.h"

#include <algorithm>
#include <cstring>

#include "base/endian.h"

namespace pollux::sim {
namespace {

constexpr std::size_t kEthernet = 14;
constexpr std::size_t kV4 = 20;
constexpr std::size_t kV6 = 40;
constexpr std::uint8_t kTcp = 6;

std::uint8_t u8(std::span<const std::byte> b, std::size_t at) { return std::to_integer<std::uint8_t>(b[at]); }
std::uint16_t u16(std::span<const std::byte> b, std::size_t at) {
  return static_cast<std::uint16_t>(u8(b, at) << 8 | u8(b, at + 1));
}
std::uint32_t u32(std::span<const std::byte> b, std::size_t at) {
  return std::uint32_t{u16(b, at)} << 16 | u16(b, at + 2);
}
void put16(std::span<std::byte> b, std::size_t at, std::uint16_t v) {
  b[at] = static_cast<std::byte>(v >> 8);
  b[at + 1] = static_cast<std::byte>(v);
}
void put32(std::span<std::byte> b, std::size_t at, std::uint32_t v) {
  put16(b, at, static_cast<std::uint16_t>(v >> 16));
  put16(b, at + 2, static_cast<std::uint16_t>(v));
}

// RFC 1071, the slow way: sixteen bits after sixteen bits.
std::uint16_t sum16(std::span<const std::byte> bytes, std::uint32_t sum = 0) {
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) sum += u16(bytes, i);
  if (bytes.size() % 2 != 0) sum += std::uint32_t{u8(bytes, bytes.size() - 1)} << 8;
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

// The sum of the pseudo-header (RFC 9293, 3.1; RFC 8200, 8.1) and what follows it.
std::uint16_t tcp_sum(std::span<const std::byte> addresses, std::span<const std::byte> tcp) {
  const std::uint32_t pseudo = sum16(addresses) + kTcp + static_cast<std::uint32_t>(tcp.size());
  return sum16(tcp, pseudo);
}

// The IP header's length, after the frame's has changed.
void mend_lengths(std::span<std::byte> frame) {
  if (u16(frame, 12) == 0x0800) {
    put16(frame, kEthernet + 2, static_cast<std::uint16_t>(frame.size() - kEthernet));
  } else {
    put16(frame, kEthernet + 4, static_cast<std::uint16_t>(frame.size() - kEthernet - kV6));
  }
}

bool read_options(std::span<const std::byte> o, WireView& view, std::string& complaint) {
  const auto wrong = [&](const char* what) {
    complaint = what;
    return false;
  };
  for (std::size_t at = 0; at < o.size();) {
    const std::uint8_t kind = u8(o, at);
    if (kind == 0) {
      if (std::any_of(o.begin() + static_cast<std::ptrdiff_t>(at), o.end(),
                      [](std::byte b) { return b != std::byte{}; }))
        return wrong("something follows the end of the options");
      return true;
    }
    if (kind == 1) {
      ++at;
      continue;
    }
    if (at + 1 >= o.size() || u8(o, at + 1) < 2 || at + u8(o, at + 1) > o.size()) return wrong("option length");
    const std::size_t size = u8(o, at + 1);
    if (kind == 2 && size == 4 && view.syn && !view.mss) {
      view.mss = u16(o, at + 2);
    } else if (kind == 3 && size == 3 && view.syn && !view.wind_shift && u8(o, at + 2) <= 14) {
      view.wind_shift = u8(o, at + 2);
    } else if (kind == 4 && size == 2 && view.syn && !view.sack_permitted) {
      view.sack_permitted = true;
    } else if (kind == 8 && size == 10 && !view.ts) {
      view.ts = {u32(o, at + 2), u32(o, at + 6)};
    } else if (kind == 5 && !view.syn && (size - 2) % 8 == 0 && size >= 10 && view.sack.empty()) {
      for (std::size_t block = at + 2; block < at + size; block += 8)
        view.sack.emplace_back(u32(o, block), u32(o, block + 4));
    } else if (kind == 34 && view.syn && !view.fast_open && size % 2 == 0 && (size >= 6 || !view.ack_bit) &&
               size <= 18) {
      view.fast_open = true;
    } else {
      return wrong("an option that may not stand here");
    }
    at += size;
  }
  return true;
}

Sight read_tcp(std::span<const std::byte> addresses, std::span<const std::byte> tcp, WireView& view,
               std::string& complaint) {
  const auto wrong = [&](const char* what) {
    complaint = what;
    return Sight::kMalformed;
  };
  if (tcp.size() < 20) return wrong("TCP header cut short");
  const std::size_t header = (u8(tcp, 12) >> 4) * 4u;
  if (header < 20 || header > tcp.size()) return wrong("data offset");
  if (tcp_sum(addresses, tcp) != 0xffff) return wrong("TCP checksum");
  if ((u8(tcp, 12) & 0x0f) != 0) return wrong("reserved bits");
  view.source_port = u16(tcp, 0);
  view.destination_port = u16(tcp, 2);
  if (view.source_port == 0 || view.destination_port == 0) return wrong("port 0");
  view.seq = u32(tcp, 4);
  view.ack = u32(tcp, 8);
  const std::uint8_t flags = u8(tcp, 13);
  view.fin = (flags & 0x01) != 0;
  view.syn = (flags & 0x02) != 0;
  view.rst = (flags & 0x04) != 0;
  view.psh = (flags & 0x08) != 0;
  view.ack_bit = (flags & 0x10) != 0;
  view.urg = (flags & 0x20) != 0;
  view.ece = (flags & 0x40) != 0;
  view.cwr = (flags & 0x80) != 0;
  view.wnd = u16(tcp, 14);
  view.up = u16(tcp, 18);
  view.options_size = header - 20;
  view.text = tcp.subspan(header);
  if (!read_options(tcp.subspan(20, header - 20), view, complaint)) return Sight::kMalformed;
  if (!view.ack_bit && view.ack != 0) return wrong("an acknowledgment number without ACK");
  if (!view.urg && view.up != 0) return wrong("an urgent pointer without URG");
  if (!view.syn && !view.rst && !view.ack_bit) return wrong("neither SYN nor RST nor ACK");
  if (view.syn && (view.fin || view.rst)) return wrong("SYN with FIN or RST");
  if (view.syn && !view.text.empty() && (view.ack_bit || !view.fast_open)) return wrong("SYN with text, and no cookie");
  if (view.rst && (view.fin || !view.text.empty())) return wrong("RST with FIN or text");
  return Sight::kTcp;
}

}  // namespace

Sight look(std::span<const std::byte> frame, WireView& view, std::string& complaint) {
  view = {};
  const auto wrong = [&](const char* what) {
    complaint = what;
    return Sight::kMalformed;
  };
  if (frame.size() < kEthernet) return wrong("Ethernet header cut short");
  const std::uint16_t type = u16(frame, 12);
  if (type == 0x0806) return frame.size() >= kEthernet + 28 ? Sight::kOther : wrong("ARP cut short");
  if (type == 0x0800) {
    if (frame.size() < kEthernet + kV4) return wrong("IPv4 header cut short");
    const auto ip = frame.subspan(kEthernet);
    if (u8(ip, 0) != 0x45) return wrong("IPv4 version or header length");
    if (u16(ip, 2) != ip.size()) return wrong("IPv4 total length");
    if (sum16(ip.first(kV4)) != 0xffff) return wrong("IPv4 checksum");
    const bool small = ip.size() <= 552;  // where the search for the path's MTU ends
    if (u16(ip, 6) != 0x4000 && (u16(ip, 6) != 0 || !small)) return wrong("IPv4: fragment, or DF not set");
    if (u8(ip, 8) == 0) return wrong("TTL 0");
    if (u8(ip, 9) != kTcp) return Sight::kOther;
    view.ecn = u8(ip, 1) & 3;
    view.source = IpAddress::v4(ip.data() + 12);
    view.destination = IpAddress::v4(ip.data() + 16);
    view.ip_size = ip.size();
    view.tcp_offset = kEthernet + kV4;
    return read_tcp(ip.subspan(12, 8), ip.subspan(kV4), view, complaint);
  }
  if (type == 0x86dd) {
    if (frame.size() < kEthernet + kV6) return wrong("IPv6 header cut short");
    const auto ip = frame.subspan(kEthernet);
    if (u8(ip, 0) >> 4 != 6) return wrong("IPv6 version");
    if (u16(ip, 4) + kV6 != ip.size()) return wrong("IPv6 payload length");
    if (u8(ip, 7) == 0) return wrong("hop limit 0");
    if (u8(ip, 6) != kTcp) return Sight::kOther;
    view.ecn = u8(ip, 1) >> 4 & 3;
    view.source = IpAddress::v6(ip.data() + 8);
    view.destination = IpAddress::v6(ip.data() + 24);
    view.ip_size = ip.size();
    view.tcp_offset = kEthernet + kV6;
    return read_tcp(ip.subspan(8, 32), ip.subspan(kV6), view, complaint);
  }
  return wrong("ether type");
}

bool checksums_hold(std::span<const std::byte> frame) {
  const auto ip = frame.subspan(kEthernet);
  if (u16(frame, 12) == 0x86dd) return ip.size() >= kV6 && tcp_sum(ip.subspan(8, 32), ip.subspan(kV6)) == 0xffff;
  return ip.size() >= kV4 && sum16(ip.first(kV4)) == 0xffff && tcp_sum(ip.subspan(12, 8), ip.subspan(kV4)) == 0xffff;
}

bool asks_for_neighbour(std::span<const std::byte> frame) {
  if (frame.size() >= kEthernet + 28 && u16(frame, 12) == 0x0806) return u16(frame, kEthernet + 6) == 1;
  return frame.size() > kEthernet + kV6 && u16(frame, 12) == 0x86dd && u8(frame, kEthernet + 6) == 58 &&
         u8(frame, kEthernet + kV6) == 135;
}

bool says_too_big(std::span<const std::byte> frame) {
  if (frame.size() >= kEthernet + kV4 + 8 && u16(frame, 12) == 0x0800) {
    return u8(frame, kEthernet + 9) == 1 && u16(frame, kEthernet + kV4) == 0x0304;
  }
  return frame.size() >= kEthernet + kV6 + 8 && u16(frame, 12) == 0x86dd && u8(frame, kEthernet + 6) == 58 &&
         u8(frame, kEthernet + kV6) == 2;
}

void mend_checksums(std::span<std::byte> frame) {
  const bool v4 = u16(frame, 12) == 0x0800;
  const auto ip = frame.subspan(kEthernet);
  if (v4) {
    put16(ip, 10, 0);
    put16(ip, 10, static_cast<std::uint16_t>(~sum16(ip.first(kV4))));
  }
  const auto addresses = v4 ? ip.subspan(12, 8) : ip.subspan(8, 32);
  const auto tcp = ip.subspan(v4 ? kV4 : kV6);
  put16(tcp, 16, 0);
  put16(tcp, 16, static_cast<std::uint16_t>(~tcp_sum(addresses, tcp)));
}

void set_seq(std::span<std::byte> frame, const WireView& view, std::uint32_t seq) {
  put32(frame, view.tcp_offset + 4, seq);
}
void set_ack(std::span<std::byte> frame, const WireView& view, std::uint32_t ack) {
  put32(frame, view.tcp_offset + 8, ack);
}
void set_flags(std::span<std::byte> frame, const WireView& view, std::uint8_t flags) {
  frame[view.tcp_offset + 13] = static_cast<std::byte>(flags);
  constexpr std::uint8_t kUrg = 0x20;
  if ((flags & kUrg) == 0) put16(frame, view.tcp_offset + 18, 0);
}
void set_wnd(std::span<std::byte> frame, const WireView& view, std::uint16_t wnd) {
  put16(frame, view.tcp_offset + 14, wnd);
}

std::vector<std::byte> headers_only(std::span<const std::byte> frame, const WireView& view) {
  std::vector<std::byte> out(frame.begin(), frame.end() - static_cast<std::ptrdiff_t>(view.text.size()));
  mend_lengths(out);
  mend_checksums(out);
  return out;
}

namespace {

// The offset of the first SACK block of a frame that has one.
std::size_t first_sack_block(std::span<const std::byte> frame, const WireView& view) {
  std::size_t at = view.tcp_offset + 20;
  while (u8(frame, at) != 5) at += u8(frame, at) == 1 ? 1 : u8(frame, at + 1);
  return at + 2;
}

}  // namespace

std::vector<std::byte> with_sack(std::span<const std::byte> frame, const WireView& view, std::uint32_t left,
                                 std::uint32_t right) {
  std::vector<std::byte> out(frame.begin(), frame.end());
  if (!view.sack.empty()) {
    const std::size_t block = first_sack_block(out, view);
    put32(out, block, left);
    put32(out, block + 4, right);
    mend_checksums(out);
    return out;
  }
  const std::size_t at = out.size();
  out.resize(at + 12, std::byte{1});  // two NOPs first
  const std::span<std::byte> bytes{out};
  bytes[at + 2] = std::byte{5};
  bytes[at + 3] = std::byte{10};
  put32(bytes, at + 4, left);
  put32(bytes, at + 8, right);
  bytes[view.tcp_offset + 12] = static_cast<std::byte>(u8(bytes, view.tcp_offset + 12) + (3 << 4));
  mend_lengths(out);
  mend_checksums(out);
  return out;
}

std::string to_string(const WireView& v) {
  std::string flags;
  if (v.fin) flags += 'F';
  if (v.syn) flags += 'S';
  if (v.rst) flags += 'R';
  if (v.psh) flags += 'P';
  if (v.urg) flags += 'U';
  if (v.ece) flags += 'E';
  if (v.cwr) flags += 'W';
  if (v.ack_bit) flags += '.';
  std::string out = pollux::to_string(v.source) + ":" + std::to_string(v.source_port) + " > " +
                    pollux::to_string(v.destination) + ":" + std::to_string(v.destination_port) + " " + flags + " " +
                    std::to_string(v.seq) + "(" + std::to_string(v.text.size()) + ")";
  if (v.ack_bit) out += " ack " + std::to_string(v.ack);
  out += " win " + std::to_string(v.wnd);
  if (v.ts) out += " ts " + std::to_string(v.ts->first) + "," + std::to_string(v.ts->second);
  return out;
}

}  // namespace pollux::sim
