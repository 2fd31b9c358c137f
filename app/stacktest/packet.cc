#include "packet.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/endian.h"

namespace pollux::stacktest {
namespace {

constexpr std::uint8_t kTcp = 6, kIcmp = 1, kIcmp6 = 58;
constexpr std::size_t kIpv4Size = 20, kIpv6Size = 40, kTcpSize = 20, kIcmpSize = 8;

template <class T>
void append(std::vector<std::byte>& to, T value) {
  const std::size_t at = to.size();
  to.resize(at + sizeof(T));
  store_be(to.data() + at, value);
}

void append(std::vector<std::byte>& to, const IpAddress& address) {
  const std::size_t at = to.size();
  to.resize(at + (address.is_v4() ? 4 : 16));
  address.store(to.data() + at);
}

// RFC 1071: the ones' complement sum, folded but not inverted.
std::uint32_t sum_of(std::span<const std::byte> bytes, std::uint32_t sum = 0) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    sum += std::to_integer<std::uint32_t>(bytes[i]) << (i % 2 == 0 ? 8 : 0);
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return sum;
}

std::uint32_t pseudo_header(const IpAddress& source, const IpAddress& destination, std::uint8_t protocol,
                            std::size_t size) {
  std::vector<std::byte> bytes;
  append(bytes, source);
  append(bytes, destination);
  append(bytes, static_cast<std::uint32_t>(size));
  append(bytes, std::uint32_t{protocol});
  return sum_of(bytes);
}

std::vector<std::byte> options_bytes(const std::vector<TcpOption>& options) {
  std::vector<std::byte> bytes;
  for (const TcpOption& o : options) {
    append(bytes, o.kind);
    if (o.kind == option::kEol || o.kind == option::kNop) continue;
    append(bytes, static_cast<std::uint8_t>(o.data.size() + 2));
    bytes.insert(bytes.end(), o.data.begin(), o.data.end());
  }
  bytes.resize((bytes.size() + 3) / 4 * 4);
  return bytes;
}

std::vector<std::byte> tcp_bytes(const Packet& p) {
  const std::vector<std::byte> options = options_bytes(p.options);
  std::vector<std::byte> bytes;
  append(bytes, p.source_port);
  append(bytes, p.destination_port);
  append(bytes, p.seq);
  append(bytes, p.ack);
  append(bytes, static_cast<std::uint8_t>((kTcpSize + options.size()) / 4 << 4));
  append(bytes, p.flags);
  append(bytes, p.wnd);
  append(bytes, std::uint16_t{0});
  append(bytes, p.up);
  bytes.insert(bytes.end(), options.begin(), options.end());
  bytes.insert(bytes.end(), p.text.begin(), p.text.end());
  return bytes;
}

std::vector<std::byte> ip_header(const IpAddress& source, const IpAddress& destination, const Packet& p,
                                 std::uint8_t protocol, std::size_t size) {
  std::vector<std::byte> bytes;
  if (source.is_v4()) {
    append(bytes, std::uint8_t{0x45});
    append(bytes, p.tos);
    append(bytes, static_cast<std::uint16_t>(kIpv4Size + size));
    append(bytes, std::uint32_t{0x4000});  // ID 0, DF
    append(bytes, p.ttl);
    append(bytes, protocol);
    append(bytes, std::uint16_t{0});
    append(bytes, source);
    append(bytes, destination);
    store_be(bytes.data() + 10, static_cast<std::uint16_t>(~sum_of(bytes)));
  } else {
    append(bytes, 0x60000000u | std::uint32_t{p.tos} << 20);
    append(bytes, static_cast<std::uint16_t>(size));
    append(bytes, protocol);
    append(bytes, p.ttl);
    append(bytes, source);
    append(bytes, destination);
  }
  return bytes;
}

std::vector<std::byte> icmp_bytes(const Packet& p) {
  std::vector<std::byte> bytes;
  append(bytes, p.icmp_type);
  append(bytes, p.icmp_code);
  append(bytes, std::uint16_t{0});
  append(bytes, p.icmp_rest);
  const auto quoted = ip_header(p.destination, p.source, p, kTcp, kTcpSize + p.text.size());
  bytes.insert(bytes.end(), quoted.begin(), quoted.end());
  append(bytes, p.source_port);
  append(bytes, p.destination_port);
  append(bytes, p.seq);
  return bytes;
}

// The options of a header. False: they do not end where they should.
bool read_options(std::span<const std::byte> bytes, Packet& p, std::string& error) {
  while (!bytes.empty()) {
    TcpOption o;
    o.kind = std::to_integer<std::uint8_t>(bytes[0]);
    if (o.kind == option::kEol) {
      p.options.push_back(o);
      if (std::any_of(bytes.begin(), bytes.end(), [](std::byte b) { return b != std::byte{0}; })) {
        error = "padding of the header that is not zero (MUST-69)";
        return false;
      }
      return true;
    }
    std::size_t size = 1;
    if (o.kind != option::kNop) {
      size = bytes.size() < 2 ? 0 : std::to_integer<std::size_t>(bytes[1]);
      if (size < 2 || size > bytes.size()) {
        error = fmt::format("option {} has the length {} (MUST-68)", o.kind, size);
        return false;
      }
      o.data.assign(bytes.begin() + 2, bytes.begin() + static_cast<std::ptrdiff_t>(size));
    }
    p.options.push_back(std::move(o));
    bytes = bytes.subspan(size);
  }
  return true;
}

Expected<Packet, std::string> read_tcp(std::span<const std::byte> bytes, Packet p, Checksums checksums) {
  if (bytes.size() < kTcpSize) return unexpected(std::string{"a TCP header cut short"});
  const bool verify = checksums == Checksums::kVerified;
  if (verify && sum_of(bytes, pseudo_header(p.source, p.destination, kTcp, bytes.size())) != 0xffff) {
    return unexpected(std::string{"a wrong TCP checksum (MUST-2)"});
  }
  p.source_port = load_be<std::uint16_t>(bytes.data());
  p.destination_port = load_be<std::uint16_t>(bytes.data() + 2);
  p.seq = load_be<std::uint32_t>(bytes.data() + 4);
  p.ack = load_be<std::uint32_t>(bytes.data() + 8);
  const auto offset = std::to_integer<unsigned>(bytes[12]);
  if ((offset & 0x0f) != 0) return unexpected(std::string{"a reserved bit that is set"});
  p.flags = std::to_integer<std::uint8_t>(bytes[13]);
  p.wnd = load_be<std::uint16_t>(bytes.data() + 14);
  p.up = load_be<std::uint16_t>(bytes.data() + 18);
  const std::size_t header = (offset >> 4) * 4;
  if (header < kTcpSize || header > bytes.size()) return unexpected(fmt::format("a data offset of {} bytes", header));
  std::string error;
  if (!read_options(bytes.first(header).subspan(kTcpSize), p, error)) return unexpected(error);
  p.text.assign(bytes.begin() + static_cast<std::ptrdiff_t>(header), bytes.end());
  return p;
}

Expected<Packet, std::string> read_icmp(std::span<const std::byte> bytes, Packet p) {
  if (bytes.size() < kIcmpSize) return unexpected(std::string{"an ICMP header cut short"});
  const std::uint32_t start = p.source.is_v4() ? 0 : pseudo_header(p.source, p.destination, kIcmp6, bytes.size());
  if (sum_of(bytes, start) != 0xffff) return unexpected(std::string{"a wrong ICMP checksum"});
  p.icmp = true;
  p.icmp_type = std::to_integer<std::uint8_t>(bytes[0]);
  p.icmp_code = std::to_integer<std::uint8_t>(bytes[1]);
  p.icmp_rest = load_be<std::uint32_t>(bytes.data() + 4);
  return p;
}

void add_option(std::string& line, const TcpOption& o) {
  if (o.kind == option::kEol) {
    line += "eol";
  } else if (o.kind == option::kNop) {
    line += "nop";
  } else if (o.kind == option::kMss && o.data.size() == 2) {
    line += fmt::format("mss {}", load_be<std::uint16_t>(o.data.data()));
  } else if (o.kind == option::kWscale && o.data.size() == 1) {
    line += fmt::format("wscale {}", std::to_integer<unsigned>(o.data[0]));
  } else if (o.kind == option::kSackOk && o.data.empty()) {
    line += "sackOK";
  } else if (o.kind == option::kTimestamps && o.data.size() == 8) {
    line += fmt::format("TS val {} ecr {}", number_at(o, 0), number_at(o, 4));
  } else if (o.kind == option::kSack && o.data.size() % 8 == 0) {
    line += "sack";
    for (std::size_t i = 0; i < o.data.size(); i += 8) {
      line += fmt::format(" {}:{}", number_at(o, i), number_at(o, i + 4));
    }
  } else if (o.kind == option::kFastOpen) {
    line += "FO";
    if (!o.data.empty()) line += ' ';
    for (const std::byte byte : o.data) line += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  } else {
    line += fmt::format("option {} of {} bytes", o.kind, o.data.size() + 2);
  }
}

}  // namespace

std::uint32_t number_at(const TcpOption& option, std::size_t offset) {
  return load_be<std::uint32_t>(option.data.data() + offset);
}

void set_number_at(TcpOption& option, std::size_t offset, std::uint32_t value) {
  store_be(option.data.data() + offset, value);
}

TcpOption make_option(std::uint8_t kind, std::initializer_list<std::uint32_t> words) {
  TcpOption option{kind, {}};
  for (const std::uint32_t word : words) append(option.data, word);
  return option;
}

const TcpOption* Packet::find(std::uint8_t kind) const {
  const auto found = std::find_if(options.begin(), options.end(), [&](const TcpOption& o) { return o.kind == kind; });
  return found == options.end() ? nullptr : &*found;
}

std::vector<std::byte> to_bytes(const Packet& packet) {
  const bool v4 = packet.source.is_v4();
  const std::uint8_t protocol = !packet.icmp ? kTcp : v4 ? kIcmp : kIcmp6;
  std::vector<std::byte> body = packet.icmp ? icmp_bytes(packet) : tcp_bytes(packet);
  const bool pseudo = !packet.icmp || !v4;
  const std::uint32_t start = pseudo ? pseudo_header(packet.source, packet.destination, protocol, body.size()) : 0;
  store_be(body.data() + (packet.icmp ? 2 : 16), static_cast<std::uint16_t>(~sum_of(body, start)));
  std::vector<std::byte> bytes = ip_header(packet.source, packet.destination, packet, protocol, body.size());
  bytes.insert(bytes.end(), body.begin(), body.end());
  return bytes;
}

Expected<Packet, std::string> read_packet(std::span<const std::byte> bytes, Checksums checksums) {
  const unsigned version = bytes.empty() ? 0 : std::to_integer<unsigned>(bytes[0]) >> 4;
  Packet p;
  std::uint8_t protocol = 0;
  if (version == 4 && bytes.size() >= kIpv4Size) {
    if (bytes[0] != std::byte{0x45}) return unexpected(std::string{"an IPv4 header with options"});
    if (load_be<std::uint16_t>(bytes.data() + 2) != bytes.size()) {
      return unexpected(std::string{"an IPv4 total length that is not the packet's"});
    }
    if (checksums == Checksums::kVerified && sum_of(bytes.first(kIpv4Size)) != 0xffff)
      return unexpected(std::string{"a wrong IPv4 header checksum"});
    p.tos = std::to_integer<std::uint8_t>(bytes[1]);
    p.ttl = std::to_integer<std::uint8_t>(bytes[8]);
    protocol = std::to_integer<std::uint8_t>(bytes[9]);
    p.source = IpAddress::v4(bytes.data() + 12);
    p.destination = IpAddress::v4(bytes.data() + 16);
    bytes = bytes.subspan(kIpv4Size);
  } else if (version == 6 && bytes.size() >= kIpv6Size) {
    if (load_be<std::uint16_t>(bytes.data() + 4) + kIpv6Size != bytes.size()) {
      return unexpected(std::string{"an IPv6 payload length that is not the packet's"});
    }
    p.tos = static_cast<std::uint8_t>(load_be<std::uint16_t>(bytes.data()) >> 4);
    protocol = std::to_integer<std::uint8_t>(bytes[6]);
    p.ttl = std::to_integer<std::uint8_t>(bytes[7]);
    p.source = IpAddress::v6(bytes.data() + 8);
    p.destination = IpAddress::v6(bytes.data() + 24);
    bytes = bytes.subspan(kIpv6Size);
  } else {
    return unexpected(std::string{"no IP packet"});
  }
  if (protocol == kTcp) return read_tcp(bytes, std::move(p), checksums);
  if (protocol == (version == 4 ? kIcmp : kIcmp6)) return read_icmp(bytes, std::move(p));
  return unexpected(fmt::format("IP protocol {}", protocol));
}

std::vector<std::byte> on_ethernet(std::span<const std::byte> packet, bool turned) {
  std::vector<std::byte> frame(14);
  frame[0] = frame[6] = std::byte{2};
  frame[turned ? 11 : 5] = std::byte{2};
  frame[turned ? 5 : 11] = std::byte{1};
  const bool v4 = !packet.empty() && std::to_integer<unsigned>(packet[0]) >> 4 == 4;
  store_be(frame.data() + 12, static_cast<std::uint16_t>(v4 ? 0x0800 : 0x86dd));
  frame.insert(frame.end(), packet.begin(), packet.end());
  return frame;
}

std::string to_line(const Packet& packet) {
  std::string line;
  if (packet.tos != 0) line += fmt::format("[tos {:#x}] ", packet.tos);
  if (packet.icmp) return line + fmt::format("icmp type_{} code_{}", packet.icmp_type, packet.icmp_code);
  constexpr std::pair<std::uint8_t, char> kLetters[] = {{kFin, 'F'}, {kSyn, 'S'}, {kRst, 'R'}, {kPsh, 'P'},
                                                        {kUrg, 'U'}, {kEce, 'E'}, {kCwr, 'W'}, {kAck, '.'}};
  const std::size_t before = line.size();
  for (const auto& [bit, letter] : kLetters) {
    if (packet.has(bit)) line += letter;
  }
  if (line.size() == before) line += '-';
  line += fmt::format(" {}:{}({})", packet.seq, packet.seq + static_cast<std::uint32_t>(packet.text.size()),
                      packet.text.size());
  if (packet.has(kAck)) line += fmt::format(" ack {}", packet.ack);
  line += fmt::format(" win {}", packet.wnd);
  if (packet.up != 0) line += fmt::format(" urg {}", packet.up);
  if (!packet.options.empty()) {
    line += " <";
    for (const TcpOption& o : packet.options) {
      if (line.back() != '<') line += ',';
      add_option(line, o);
    }
    line += '>';
  }
  return line;
}

}  // namespace pollux::stacktest
