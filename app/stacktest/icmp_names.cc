#include "icmp_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include "cursor.h"

namespace pollux::stacktest {
namespace {

struct Name {
  std::string_view name;
  std::uint8_t number;
};
constexpr Name kTypes4[] = {{"echo_reply", 0},   {"unreachable", 3},    {"source_quench", 4},     {"redirect", 5},
                            {"echo_request", 8}, {"time_exceeded", 11}, {"parameter_problem", 12}};
constexpr Name kTypes6[] = {{"unreachable", 1},       {"packet_too_big", 2}, {"time_exceeded", 3},
                            {"parameter_problem", 4}, {"echo_request", 128}, {"echo_reply", 129}};
constexpr Name kCodes4[] = {{"net_unreachable", 0},
                            {"host_unreachable", 1},
                            {"protocol_unreachable", 2},
                            {"port_unreachable", 3},
                            {"frag_needed", 4},
                            {"source_route_failed", 5},
                            {"net_unknown", 6},
                            {"host_unknown", 7},
                            {"source_host_isolated", 8},
                            {"net_prohibited", 9},
                            {"host_prohibited", 10},
                            {"net_unreachable_for_tos", 11},
                            {"host_unreachable_for_tos", 12},
                            {"packet_filtered", 13},
                            {"precedence_violation", 14},
                            {"precedence_cutoff", 15}};
constexpr Name kCodes6[] = {{"net_unreachable", 0},     {"no_route", 0},
                            {"admin_prohibited", 1},    {"not_neighbour", 2},
                            {"address_unreachable", 3}, {"port_unreachable", 4},
                            {"exceeded_hop_limit", 0},  {"exceeded_frag_time", 1},
                            {"header_field", 0},        {"unknown_next_header", 1},
                            {"unknown_option", 2}};

template <class Rows>
std::optional<std::uint8_t> find(const Rows& rows, std::string_view name, std::string_view prefix) {
  if (name.starts_with(prefix)) {
    std::uint8_t value = 0;
    const char* end = name.data() + name.size();
    const auto read = std::from_chars(name.data() + prefix.size(), end, value);
    if (read.ec == std::errc{} && read.ptr == end) return value;
  }
  const auto row =
      std::find_if(std::begin(rows), std::end(rows), [&](const Name& known) { return known.name == name; });
  if (row == std::end(rows)) return std::nullopt;
  return row->number;
}

}  // namespace

IcmpNumbers icmp_numbers(const PacketLine& line, bool v4, const Position& at) {
  const auto type = v4 ? find(kTypes4, line.icmp_type, "type_") : find(kTypes6, line.icmp_type, "type_");
  if (!type) {
    Cursor::refuse(at, fmt::format("`{}` is no type of ICMP{}", line.icmp_type, v4 ? "" : "v6"));
  }
  if (line.icmp_code.empty()) return {*type, 0};
  const auto code = v4 ? find(kCodes4, line.icmp_code, "code_") : find(kCodes6, line.icmp_code, "code_");
  if (!code) Cursor::refuse(at, fmt::format("`{}` is no code of ICMP{}", line.icmp_code, v4 ? "" : "v6"));
  return {*type, *code};
}

}  // namespace pollux::stacktest
