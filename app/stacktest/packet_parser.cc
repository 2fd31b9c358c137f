// Packets in a script: "< P. 1:1001(1000) ack 1 win 257 <nop,nop,TS val 100 ecr 5>".

#include <fmt/format.h>

#include <algorithm>

#include "base/endian.h"
#include "parser.h"

namespace pollux::stacktest {
namespace {

constexpr std::int64_t kU8 = 0xff, kU16 = 0xffff, kU32 = 0xffffffff;

void parse_ip_info(Cursor& cursor, PacketLine& line) {
  const Token word = cursor.expect(TokenKind::kWord, "noecn, ect0, ect1, ce, ect01, tos or ttl");
  if (word.text == "noecn") {
    line.ecn = 0;
  } else if (word.text == "ect1") {
    line.ecn = 1;
  } else if (word.text == "ect0") {
    line.ecn = 2;
  } else if (word.text == "ce") {
    line.ecn = 3;
  } else if (word.text == "ect01") {
    if (line.inbound) Cursor::refuse(word.at, "[ect01] is for packets that are expected");
    line.ecn_any_ect = true;
  } else if (word.text == "tos") {
    line.tos = static_cast<std::uint8_t>(cursor.integer(0, kU8, "the TOS byte"));
  } else if (word.text == "ttl") {
    line.ttl = static_cast<std::uint8_t>(cursor.integer(0, kU8, "the TTL"));
  } else {
    Cursor::refuse(word.at, fmt::format("`{}` is none of noecn, ect0, ect1, ce, ect01, tos, ttl", word.text));
  }
}

void parse_opt_ip_info(Cursor& cursor, PacketLine& line) {
  if (cursor.accept('[')) {
    parse_ip_info(cursor, line);
    cursor.expect(']', "`]`");
  } else if (cursor.accept('(')) {
    parse_ip_info(cursor, line);
    cursor.expect(')', "`)`");
  }
}

std::uint8_t flag_of(char letter, const Position& at) {
  constexpr std::pair<char, std::uint8_t> kLetters[] = {{'F', kFin}, {'S', kSyn}, {'R', kRst}, {'P', kPsh},
                                                        {'U', kUrg}, {'E', kEce}, {'W', kCwr}};
  for (const auto& [name, bit] : kLetters) {
    if (name == letter) return bit;
  }
  Cursor::refuse(at, fmt::format("`{}` is no TCP flag; F S R P U E W and . are", letter));
}

void parse_flags(Cursor& cursor, PacketLine& line) {
  if (cursor.accept('-')) return;
  if (cursor.peek().kind == TokenKind::kWord) {
    const Token word = cursor.take();
    for (const char letter : word.text) line.flags |= flag_of(letter, word.at);
    if (cursor.accept('.')) line.flags |= kAck;
    return;
  }
  if (!cursor.accept('.')) cursor.fail("TCP flags: letters of FSRPEWU, `.` for ACK, `-` for none");
  line.flags = kAck;
}

// first ":" last "(" size ")"
void parse_seq(Cursor& cursor, PacketLine& line) {
  line.seq = static_cast<std::uint32_t>(cursor.integer(0, kU32, "the sequence number"));
  cursor.expect(':', "`:` between the first sequence number and the last");
  const Position at = cursor.peek().at;
  const auto last = static_cast<std::uint32_t>(cursor.integer(0, kU32, "the last sequence number"));
  cursor.expect('(', "`(` and the size of the text");
  line.size = static_cast<std::uint32_t>(cursor.integer(0, kU16, "the size of the text"));
  cursor.expect(')', "`)` after the size of the text");
  if (line.seq + line.size != last) {
    Cursor::refuse(at,
                   fmt::format("{}:{}({}): the text would end at {}", line.seq, last, line.size, line.seq + line.size));
  }
}

std::vector<std::byte> parse_hex(Cursor& cursor) {
  std::vector<std::byte> bytes;
  const Token token = cursor.take();
  if (token.text.size() % 2 != 0 || token.text.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) {
    Cursor::refuse(token.at, "expected pairs of hexadecimal digits");
  }
  for (std::size_t i = 0; i < token.text.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoi(token.text.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

TcpOption parse_sack(Cursor& cursor) {
  TcpOption sack{option::kSack, {}};
  do {
    const auto left = static_cast<std::uint32_t>(cursor.integer(0, kU32, "the left edge of a SACK block"));
    cursor.expect(':', "`:` in a SACK block");
    const auto right = static_cast<std::uint32_t>(cursor.integer(0, kU32, "the right edge of a SACK block"));
    const TcpOption block = make_option(option::kSack, {left, right});
    sack.data.insert(sack.data.end(), block.data.begin(), block.data.end());
  } while (cursor.peek().kind == TokenKind::kInteger);
  return sack;
}

TcpOption parse_option(Cursor& cursor) {
  const Token word = cursor.expect(TokenKind::kWord, "a TCP option");
  if (word.text == "nop") return {option::kNop, {}};
  if (word.text == "eol") return {option::kEol, {}};
  if (word.text == "sackOK") return {option::kSackOk, {}};
  if (word.text == "sack") return parse_sack(cursor);
  if (word.text == "mss") {
    TcpOption mss{option::kMss, std::vector<std::byte>(2)};
    store_be(mss.data.data(), static_cast<std::uint16_t>(cursor.integer(0, kU16, "the MSS")));
    return mss;
  }
  if (word.text == "wscale") return {option::kWscale, {static_cast<std::byte>(cursor.integer(0, kU8, "the shift"))}};
  if (word.text == "TS") {
    cursor.expect("val", "`val`");
    const auto val = static_cast<std::uint32_t>(cursor.integer(0, kU32, "TSval"));
    cursor.expect("ecr", "`ecr`");
    return make_option(option::kTimestamps, {val, static_cast<std::uint32_t>(cursor.integer(0, kU32, "TSecr"))});
  }
  if (word.text == "FO") {
    const bool cookie = cursor.peek().kind == TokenKind::kWord || cursor.peek().kind == TokenKind::kInteger;
    return {option::kFastOpen, cookie ? parse_hex(cursor) : std::vector<std::byte>{}};
  }
  if (word.text == "md5") return {option::kMd5, parse_hex(cursor)};
  Cursor::refuse(word.at,
                 fmt::format("`{}` is no TCP option; nop eol mss wscale sackOK sack TS FO md5 are", word.text));
}

void parse_options(Cursor& cursor, PacketLine& line) {
  if (!cursor.accept('<')) return;
  if (cursor.peek().kind == TokenKind::kEllipsis) {
    if (line.inbound) cursor.fail("options: <...> is for packets that are expected");
    cursor.take();
    line.any_options = true;
  } else {
    const Position at = cursor.peek().at;
    std::size_t size = 0;
    do {
      line.options.push_back(parse_option(cursor));
      const TcpOption& last = line.options.back();
      size += last.kind <= option::kNop ? 1 : 2 + last.data.size();
    } while (cursor.accept(','));
    if (size > 40) Cursor::refuse(at, fmt::format("options of {} bytes; a header has room for 40", size));
  }
  cursor.expect('>', "`>` after the options");
}

void parse_tcp(Cursor& cursor, PacketLine& line) {
  if (cursor.peek().kind == TokenKind::kInteger && cursor.peek(1).is('>')) {
    const auto source = static_cast<std::uint16_t>(cursor.integer(1, kU16, "the source port"));
    cursor.take();
    line.ports = {source, static_cast<std::uint16_t>(cursor.integer(1, kU16, "the destination port"))};
  }
  parse_flags(cursor, line);
  parse_seq(cursor, line);
  if (cursor.accept("ack")) line.ack = static_cast<std::uint32_t>(cursor.integer(0, kU32, "the ack number"));
  if (cursor.accept("win")) line.wnd = static_cast<std::uint16_t>(cursor.integer(0, kU16, "the window"));
  if (cursor.accept("urg")) line.up = static_cast<std::uint16_t>(cursor.integer(0, kU16, "the urgent pointer"));
  parse_options(cursor, line);
}

void parse_icmp(Cursor& cursor, PacketLine& line) {
  line.icmp = true;
  line.icmp_type = cursor.expect(TokenKind::kWord, "the type of the ICMP message").text;
  if (cursor.peek().kind == TokenKind::kWord && !cursor.peek().is("mtu")) line.icmp_code = cursor.take().text;
  if (cursor.accept("mtu")) line.icmp_mtu = static_cast<std::uint32_t>(cursor.integer(0, kU32, "the MTU"));
  if (!cursor.accept('[')) return;
  parse_seq(cursor, line);
  cursor.expect(']', "`]` after the segment that is quoted");
}

}  // namespace

PacketLine parse_packet(Cursor& cursor) {
  PacketLine line;
  line.inbound = cursor.take().is('<');
  parse_opt_ip_info(cursor, line);
  for (const std::string_view unknown : {"udp", "gre", "GREv0", "mpls", "ipv4", "ipv6"}) {
    if (cursor.peek().is(unknown)) {
      Cursor::refuse(cursor.peek().at, fmt::format("`{}`: packets here are TCP or ICMP, not encapsulated", unknown));
    }
  }
  if (cursor.accept("icmp")) {
    parse_icmp(cursor, line);
  } else {
    parse_tcp(cursor, line);
  }
  return line;
}

}  // namespace pollux::stacktest
