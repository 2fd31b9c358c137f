#include "trouble.h"

#include <array>

namespace pollux::sim {
namespace {

struct Row {
  Trouble trouble;
  std::string_view name;
  double chance;  // of a seed to have it
};
constexpr std::array<Row, kTroubles> kRows{{
    {Trouble::kLoss, "loss", 0.6},
    {Trouble::kReorder, "reorder", 0.5},
    {Trouble::kDuplicate, "duplicate", 0.4},
    {Trouble::kCorrupt, "corrupt", 0.35},
    {Trouble::kJitter, "jitter", 0.4},
    {Trouble::kSlowWire, "slow-wire", 0.2},
    {Trouble::kPartitions, "partitions", 0.25},
    {Trouble::kOddDevices, "odd-devices", 0.4},
    {Trouble::kSmallTables, "small-tables", 0.25},
    {Trouble::kOddSizes, "odd-sizes", 0.5},
    {Trouble::kRude, "rude", 0.3},
    {Trouble::kStrangers, "strangers", 0.35},
    {Trouble::kReplays, "replays", 0.3},
    {Trouble::kManyFlows, "many-flows", 0.15},
    {Trouble::kWraps, "wraps", 0.4},
    {Trouble::kIpv6, "ipv6", 0.6},
    {Trouble::kBothOpen, "both-open", 0.15},
    {Trouble::kNarrow, "narrow", 0.2},
    {Trouble::kLong, "long", 0.1},
}};
constexpr Trouble kFirstLate = Trouble::kNarrow;
constexpr Trouble kFirstLatest = Trouble::kLong;

}  // namespace

std::string_view name_of(Trouble trouble) { return kRows[static_cast<std::size_t>(trouble)].name; }

std::optional<Trouble> trouble_named(std::string_view name) {
  for (const Row& row : kRows) {
    if (row.name == name) return row.trouble;
  }
  return std::nullopt;
}

Troubles Troubles::draw(Random& random, Random& late, Random& latest) {
  Troubles drawn;
  for (const Row& row : kRows) {
    Random& of = row.trouble < kFirstLate ? random : row.trouble < kFirstLatest ? late : latest;
    if (of.chance(row.chance)) drawn.add(row.trouble);
  }
  return drawn;
}

std::string Troubles::to_string(char separator) const {
  std::string out;
  for (const Row& row : kRows) {
    if (!has(row.trouble)) continue;
    if (!out.empty()) out += separator;
    out += row.name;
  }
  return out;
}

}  // namespace pollux::sim
