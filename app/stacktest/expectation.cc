#include "expectation.h"

#include <fmt/format.h>

#include <algorithm>

#include "icmp_names.h"

namespace pollux::stacktest {
namespace {

std::string differs(std::string_view what, std::uint64_t expected, std::uint64_t actual) {
  if (expected == actual) return {};
  return fmt::format("{} is {}, expected {}", what, actual, expected);
}

std::string compare_ip(const PacketLine& line, const Packet& actual) {
  const unsigned ecn = actual.tos & 3u;
  if (line.tos && *line.tos != actual.tos) {
    return fmt::format("the TOS byte is {:#x}, expected {:#x}", actual.tos, *line.tos);
  }
  if (line.ecn && *line.ecn != ecn) return differs("the ECN field", *line.ecn, ecn);
  if (line.ecn_any_ect && ecn != 1 && ecn != 2) return "the ECN field is neither ECT(0) nor ECT(1)";
  if (line.ttl) return differs("the TTL", *line.ttl, actual.ttl);
  return {};
}

std::string compare_option(const TcpOption& expected, const TcpOption& actual, const Settings& settings) {
  if (expected.kind != actual.kind) return "options";
  if (expected.kind != option::kTimestamps || expected.data.size() != 8 || actual.data.size() != 8) {
    return expected.data == actual.data ? "" : "options";
  }
  if (number_at(expected, 4) != number_at(actual, 4))
    return differs("TSecr", number_at(expected, 4), number_at(actual, 4));
  if (settings.ts_tick_us == 0) return {};
  const auto apart = static_cast<std::int32_t>(number_at(actual, 0) - number_at(expected, 0));
  const auto off = std::chrono::microseconds{std::int64_t{std::abs(apart)} * settings.ts_tick_us};
  return off <= settings.tolerance ? "" : differs("TSval", number_at(expected, 0), number_at(actual, 0));
}

std::string compare_options(const PacketLine& line, const Packet& actual, const Settings& settings) {
  if (line.any_options) return {};
  if (line.options.size() != actual.options.size()) return "options";
  for (std::size_t i = 0; i < line.options.size(); ++i) {
    if (std::string d = compare_option(line.options[i], actual.options[i], settings); !d.empty()) return d;
  }
  return {};
}

}  // namespace

std::string compare(const PacketLine& line, const Packet& actual, const Settings& settings) {
  if (line.icmp != actual.icmp) return line.icmp ? "it is not ICMP" : "it is ICMP";
  if (std::string d = compare_ip(line, actual); !d.empty()) return d;
  if (line.icmp) {
    const IcmpNumbers numbers = icmp_numbers(line, actual.source.is_v4(), {});
    const bool same = numbers.type == actual.icmp_type && numbers.code == actual.icmp_code;
    return same ? "" : "type or code";
  }
  if (line.flags != actual.flags) return "flags";
  if (std::string d = differs("the sequence number", line.seq, actual.seq); !d.empty()) return d;
  if (std::string d = differs("the size of its text", line.size, actual.text.size()); !d.empty()) return d;
  if (std::string d = differs("the acknowledgment", line.ack, actual.ack); !d.empty()) return d;
  if (line.wnd && *line.wnd != actual.wnd) return differs("the window", *line.wnd, actual.wnd);
  if (std::string d = differs("the urgent pointer", line.up, actual.up); !d.empty()) return d;
  return compare_options(line, actual, settings);
}

std::string text_difference(const Packet& actual, const Flow& flow) {
  if (flow.wrote_given_text) return {};
  const std::uint32_t first = actual.seq + (actual.has(kSyn) ? 1 : 0) - flow.local_isn - 1;
  for (std::uint32_t i = 0; i < actual.text.size(); ++i) {
    if (actual.text[i] != text_byte(first + i)) {
      return fmt::format("the byte at the sequence number {} is not the one that was written there", actual.seq + i);
    }
  }
  return {};
}

}  // namespace pollux::stacktest
