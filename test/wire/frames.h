#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wire/frame.h"

// Frames for tests, put together byte by byte from the RFCs' pictures. Nothing here
// uses the code under test but its address types.

namespace pollux::test {

using Bytes = std::vector<std::byte>;

inline Bytes bytes(std::initializer_list<unsigned> values) {
  Bytes result(values.size());
  std::transform(values.begin(), values.end(), result.begin(),
                 [](unsigned value) { return static_cast<std::byte>(value); });
  return result;
}

inline Bytes text(std::string_view characters) {
  Bytes result;
  for (const char c : characters) result.push_back(static_cast<std::byte>(c));
  return result;
}

inline std::string as_string(std::span<const std::byte> from) {
  std::string result;
  for (const std::byte b : from) result += static_cast<char>(b);
  return result;
}

inline void put8(Bytes& to, unsigned value) { to.push_back(static_cast<std::byte>(value & 0xff)); }
inline void put16(Bytes& to, unsigned value) {
  put8(to, value >> 8);
  put8(to, value);
}
inline void put32(Bytes& to, std::uint32_t value) {
  put16(to, value >> 16);
  put16(to, value & 0xffff);
}
inline void append(Bytes& to, const Bytes& more) { to.insert(to.end(), more.begin(), more.end()); }
inline void set16(Bytes& in, std::size_t at, unsigned value) {
  in.at(at) = static_cast<std::byte>(value >> 8 & 0xff);
  in.at(at + 1) = static_cast<std::byte>(value & 0xff);
}
inline unsigned get16(std::span<const std::byte> from, std::size_t at) {
  return std::to_integer<unsigned>(from[at]) << 8 | std::to_integer<unsigned>(from[at + 1]);
}

// RFC 1071, section 1, word for word: pairs of bytes, the odd one padded with zero.
inline std::uint16_t naive_sum(std::span<const std::byte> data) {
  std::uint32_t total = 0;
  for (std::size_t i = 0; i < data.size(); i += 2) {
    total += std::to_integer<std::uint32_t>(data[i]) << 8;
    if (i + 1 < data.size()) total += std::to_integer<std::uint32_t>(data[i + 1]);
    total = (total & 0xffff) + (total >> 16);
  }
  return static_cast<std::uint16_t>(total);
}
inline std::uint16_t naive_checksum(std::span<const std::byte> data) {
  return static_cast<std::uint16_t>(~naive_sum(data));
}

inline IpAddress ip(std::string_view address) { return IpAddress::parse(address).value(); }

inline const MacAddress kOurMac{{0x02, 0, 0, 0, 0, 0x01}};
inline const MacAddress kPeerMac{{0x02, 0, 0, 0, 0, 0x02}};

inline void put_address(Bytes& to, const IpAddress& address) {
  Bytes raw(address.is_v4() ? 4 : 16);
  address.store(raw.data());
  append(to, raw);
}
inline void put_mac(Bytes& to, const MacAddress& mac) { to.insert(to.end(), mac.bytes().begin(), mac.bytes().end()); }

// Where a packet goes to and comes from: to us, from the peer.
struct Ends {
  IpAddress source = ip("198.18.0.1");
  IpAddress destination = ip("198.18.0.2");
};
inline Ends v6_ends() { return {ip("2001:2::1"), ip("2001:2::2")}; }

// Puts the checksum of `message` into it at `at`, with a pseudo-header.
inline void fill_checksum(Bytes& message, std::size_t at, const Ends& ends, unsigned protocol) {
  Bytes all;
  put_address(all, ends.source);
  put_address(all, ends.destination);
  put32(all, static_cast<std::uint32_t>(message.size()));
  put32(all, protocol);
  set16(message, at, 0);
  append(all, message);
  set16(message, at, naive_checksum(all));
}

struct TestTcp {
  unsigned source_port = 40112;
  unsigned destination_port = 80;
  std::uint32_t seq = 0xfffffffe;
  std::uint32_t ack = 0;
  std::optional<unsigned> data_offset{};  // words; else what the options need
  unsigned flags = 0x10;
  unsigned wnd = 65535;
  unsigned up = 0;
  Bytes options{};  // a whole number of words
  Bytes text{};
};

inline Bytes tcp(const TestTcp& spec, const Ends& ends = {}) {
  Bytes segment;
  put16(segment, spec.source_port);
  put16(segment, spec.destination_port);
  put32(segment, spec.seq);
  put32(segment, spec.ack);
  put8(segment, spec.data_offset.value_or(5 + static_cast<unsigned>(spec.options.size()) / 4) << 4);
  put8(segment, spec.flags);
  put16(segment, spec.wnd);
  put16(segment, 0);
  put16(segment, spec.up);
  append(segment, spec.options);
  append(segment, spec.text);
  fill_checksum(segment, 16, ends, 6);
  return segment;
}

struct TestIp {
  Ends ends{};
  unsigned protocol = 6;
  unsigned ttl = 64;
  unsigned tos = 0;
  unsigned fragment = 0x4000;  // IPv4: flags and offset
  Bytes options{};             // IPv4: a whole number of words; IPv6: extension headers
  std::optional<unsigned> length{};
};

inline Bytes ipv4(const TestIp& spec, const Bytes& payload) {
  Bytes header;
  const auto header_size = static_cast<unsigned>(20 + spec.options.size());
  put8(header, 0x40 | header_size / 4);
  put8(header, spec.tos);
  put16(header, spec.length.value_or(header_size + static_cast<unsigned>(payload.size())));
  put16(header, 0x1234);
  put16(header, spec.fragment);
  put8(header, spec.ttl);
  put8(header, spec.protocol);
  put16(header, 0);
  put_address(header, spec.ends.source);
  put_address(header, spec.ends.destination);
  append(header, spec.options);
  set16(header, 10, naive_checksum(header));
  append(header, payload);
  return header;
}

// `protocol` is the first next header; addresses are written as 16 bytes even when
// they are IPv4-mapped.
inline Bytes ipv6(const TestIp& spec, const Bytes& payload) {
  Bytes packet;
  put32(packet, 6u << 28 | spec.tos << 20 | 0xbeef);
  put16(packet, spec.length.value_or(static_cast<unsigned>(spec.options.size() + payload.size())));
  put8(packet, spec.protocol);
  put8(packet, spec.ttl);
  for (const IpAddress& address : {spec.ends.source, spec.ends.destination}) {
    for (const std::uint32_t word : address.words()) put32(packet, from_big_endian(word));
  }
  append(packet, spec.options);
  append(packet, payload);
  return packet;
}

struct TestLink {
  MacAddress destination = kOurMac;
  MacAddress source = kPeerMac;
  std::vector<std::pair<unsigned, unsigned>> tags{};  // ethertype, priority and id
};

inline Bytes ethernet(unsigned type, const Bytes& payload, const TestLink& link = {}) {
  Bytes frame;
  put_mac(frame, link.destination);
  put_mac(frame, link.source);
  for (const auto& [tag_type, control] : link.tags) {
    put16(frame, tag_type);
    put16(frame, control);
  }
  put16(frame, type);
  append(frame, payload);
  return frame;
}

inline Bytes tcp4_frame(const TestTcp& spec = {}, const TestIp& header = {}, const TestLink& link = {}) {
  return ethernet(0x0800, ipv4(header, tcp(spec, header.ends)), link);
}
inline Bytes tcp6_frame(const TestTcp& spec = {}, TestIp header = {.ends = v6_ends()}, const TestLink& link = {}) {
  return ethernet(0x86dd, ipv6(header, tcp(spec, header.ends)), link);
}

// What parse_frame says of a frame, in a heap buffer of exactly its size, which
// lives as long as the views into it.
struct Parsed {
  Bytes bytes;
  WireDrop drop = WireDrop::kNone;
  ParsedFrame frame;
};

inline Parsed parse(const Bytes& frame, const ParsePolicy& policy = {}, ChecksumWord ip_word = ChecksumWord::kUnknown,
                    ChecksumWord tcp_word = ChecksumWord::kUnknown) {
  Parsed parsed{.bytes = Bytes(frame.begin(), frame.end()), .frame = {}};
  parsed.bytes.shrink_to_fit();
  parsed.drop = parse_frame(parsed.bytes, policy, ip_word, tcp_word, parsed.frame);
  return parsed;
}

inline WireDrop drop_of(const Bytes& frame, const ParsePolicy& policy = {}) { return parse(frame, policy).drop; }

}  // namespace pollux::test

namespace pollux {
inline void PrintTo(WireDrop drop, std::ostream* out) { *out << name(drop); }
inline void PrintTo(const IpAddress& address, std::ostream* out) { *out << to_string(address); }
inline void PrintTo(const MacAddress& mac, std::ostream* out) { *out << to_string(mac); }
}  // namespace pollux
