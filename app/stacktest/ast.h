#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "lexer.h"
#include "packet.h"
#include "time/instant.h"
#include "wire/ip_address.h"

// A script in packetdrill's dialect, as read; see the grammar above parser.h.

namespace pollux::stacktest {

enum class TimeKind : std::uint8_t {
  kAbsolute,       // 1.5
  kRelative,       // +.1
  kAny,            // *
  kAbsoluteRange,  // 1~2
  kRelativeRange,  // +1~+2
};

// A line with a packet. Numbers are relative, as the script has them.
struct PacketLine {
  bool inbound = false;
  std::optional<std::pair<std::uint16_t, std::uint16_t>> ports;  // source, destination
  std::optional<std::uint8_t> tos;                               // [tos 0x10]
  std::optional<std::uint8_t> ecn;                               // [ect0]; the lower two bits of tos
  bool ecn_any_ect = false;                                      // [ect01]
  std::optional<std::uint8_t> ttl;
  bool icmp = false;

  // TCP
  std::uint8_t flags = 0;
  std::uint32_t seq = 0;
  std::uint32_t size = 0;  // bytes of text
  std::uint32_t ack = 0;
  std::optional<std::uint16_t> wnd;
  std::uint16_t up = 0;
  std::vector<TcpOption> options;
  bool any_options = false;  // <...>

  // ICMP: type and code in words, the sequence number of the segment that is quoted
  std::string icmp_type;
  std::string icmp_code;
  std::optional<std::uint32_t> icmp_mtu;
};

struct Expression {
  enum class Kind : std::uint8_t {
    kEllipsis,
    kInteger,
    kWord,
    kString,
    kList,     // [1, 2] or {1, 2}
    kOr,       // POLLIN|POLLOUT: items
    kAddress,  // {sa_family = AF_INET, ...}
    kPoll,     // {fd=3, events=POLLIN, revents=POLLIN}: items
    kLinger,   // {onoff=1, linger=0}: items
    kVector,   // {..., 1000}: an iovec of that size
  };
  Kind kind = Kind::kEllipsis;
  Position at;
  std::int64_t integer = 0;
  std::string text;
  std::vector<Expression> items;
  std::pair<IpAddress, std::uint16_t> address;
};

struct CallLine {
  std::string name;
  Position at;
  std::vector<Expression> arguments;
  Expression result;
  std::string error;             // "EAGAIN"; empty: none
  std::optional<Duration> ends;  // +0...0.3: it blocks until then
};

struct CommandLine {
  std::string text;
};

struct CodeLine {
  std::string text;
};

struct Event {
  Position at;
  TimeKind time_kind = TimeKind::kAbsolute;
  Duration time{};
  Duration end{};  // of a range
  std::variant<PacketLine, CallLine, CommandLine, CodeLine> action;
};

struct ScriptOption {
  Position at;
  std::string name;
  std::string value;
};

struct Script {
  std::vector<ScriptOption> options;
  std::vector<Event> events;                   // a command before the first has time 0
  std::optional<std::string> init_command;     // before the first event
  std::optional<std::string> cleanup_command;  // after the last
};

}  // namespace pollux::stacktest
