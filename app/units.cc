#include "units.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <span>

#include "base/assert.h"

namespace pollux::app {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

constexpr std::array kDurationUnits{Unit{"ns", 1},  Unit{"us", 1e3}, Unit{"ms", 1e6},
                                    Unit{"s", 1e9}, Unit{"m", 60e9}, Unit{"h", 3600e9}};
constexpr std::array kSizeUnits{Unit{"", 1},         Unit{"k", 1e3}, Unit{"Ki", 1024},       Unit{"M", 1e6},
                                Unit{"Mi", 1048576}, Unit{"G", 1e9}, Unit{"Gi", 1073741824}, Unit{"B", 1}};
constexpr std::array kCountUnits{Unit{"", 1}, Unit{"k", 1e3}, Unit{"M", 1e6}, Unit{"G", 1e9}};

struct Quantity {
  double number;
  std::string_view unit;
};

// Digits, at most one point, then letters. from_chars alone would take "inf" and "1e9".
Expected<Quantity, std::string> split(std::string_view text) {
  const std::size_t end = text.find_first_not_of("0123456789.");
  const std::string_view digits = text.substr(0, end);
  double number = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (digits.empty() || error != std::errc{} || stop != digits.data() + digits.size()) {
    return unexpected(fmt::format("`{}` is not a number", text));
  }
  return Quantity{number, end == std::string_view::npos ? std::string_view{} : text.substr(end)};
}

Expected<double, std::string> scale(std::string_view text, std::span<const Unit> units, std::string_view what) {
  const auto quantity = split(text);
  if (!quantity) return unexpected(fmt::format("{}; {}", quantity.error(), what));
  for (const Unit& unit : units) {
    if (unit.name == quantity->unit) return quantity->number * unit.factor;
  }
  if (quantity->unit.empty()) return unexpected(fmt::format("`{}` has no unit; {}", text, what));
  return unexpected(fmt::format("`{}` has the unknown unit `{}`; {}", text, quantity->unit, what));
}

Expected<std::uint64_t, std::string> whole(std::string_view text, std::span<const Unit> units, std::string_view what) {
  const auto value = scale(text, units, what);
  if (!value) return unexpected(value.error());
  // 2^53: beyond it a double skips whole numbers.
  if (*value > 9007199254740992.0) return unexpected(fmt::format("`{}` is too large; {}", text, what));
  // 1.1k is 1100 although 1.1 has no exact double.
  const double nearest = std::round(*value);
  if (std::abs(*value - nearest) > 1e-9 * std::max(1.0, nearest)) {
    return unexpected(fmt::format("`{}` is not a whole number; {}", text, what));
  }
  return static_cast<std::uint64_t>(nearest);
}

std::string three_digits(double value) {
  if (value >= 99.95) return fmt::format("{:.0f}", value);
  if (value >= 9.995) return fmt::format("{:.1f}", value);
  return fmt::format("{:.2f}", value);
}

std::string with_unit(double value, std::span<const Unit> units, std::string_view space) {
  // Units from small to large; the last that leaves at least one.
  const Unit* best = &units.front();
  for (const Unit& unit : units) {
    if (value >= unit.factor * 0.9995) best = &unit;
  }
  const double scaled = value / best->factor;
  const bool whole_number = best->factor == 1 && scaled == std::floor(scaled);
  return fmt::format("{}{}{}", whole_number ? fmt::format("{:.0f}", scaled) : three_digits(scaled), space, best->name);
}

}  // namespace

Expected<Duration, std::string> parse_duration(std::string_view text) {
  constexpr std::string_view kWhat = "a duration is a number with ns, us, ms, s, m or h, such as 250us or 1.5s";
  if (text == "0") return Duration{0};
  const auto ns = scale(text, kDurationUnits, kWhat);
  if (!ns) return unexpected(ns.error());
  if (*ns > 9.2e18) return unexpected(fmt::format("`{}` is longer than 292 years; {}", text, kWhat));
  return Duration{std::llround(*ns)};
}

Expected<std::uint64_t, std::string> parse_size(std::string_view text) {
  constexpr std::string_view kWhat = "a size is a number of bytes with k, Ki, M, Mi, G or Gi, such as 1500, 64k or 1Mi";
  if (text.size() > 2 && text.ends_with('B')) text.remove_suffix(1);
  return whole(text, kSizeUnits, kWhat);
}

Expected<double, std::string> parse_rate(std::string_view text) {
  constexpr std::string_view kWhat = "a rate is a number with k, M or G and /s, such as 200k/s";
  const std::string_view number = text.ends_with("/s") ? text.substr(0, text.size() - 2) : text;
  return scale(number, kCountUnits, kWhat);
}

Expected<std::uint64_t, std::string> parse_count(std::string_view text) {
  return whole(text, kCountUnits, "a count is a whole number with k, M or G, such as 64 or 10k");
}

Expected<double, std::string> parse_chance(std::string_view text) {
  constexpr std::string_view kWhat = "a chance is a number from 0 to 1, such as 0.01, or 1%";
  const auto quantity = split(text);
  if (!quantity) return unexpected(fmt::format("{}; {}", quantity.error(), kWhat));
  if (!quantity->unit.empty() && quantity->unit != "%") return unexpected(fmt::format("`{}`: {}", text, kWhat));
  const double chance = quantity->unit == "%" ? quantity->number / 100 : quantity->number;
  if (chance > 1) return unexpected(fmt::format("`{}` is more than 1; {}", text, kWhat));
  return chance;
}

Expected<double, std::string> parse_percent(std::string_view text) {
  constexpr std::array kPercent{Unit{"%", 0.01}};
  return scale(text, kPercent, "this is per cent, such as 3% or 0.5%");
}

Expected<bool, std::string> parse_switch(std::string_view text) {
  if (text == "on" || text == "true" || text == "yes" || text == "1") return true;
  if (text == "off" || text == "false" || text == "no" || text == "0") return false;
  return unexpected(fmt::format("`{}` is neither on nor off (nor true, yes, 1; false, no, 0)", text));
}

std::string exact_duration(Duration d) {
  const std::int64_t ns = d.count();
  constexpr std::array<std::pair<std::int64_t, std::string_view>, 4> kUnits{
      {{1'000'000'000, "s"}, {1'000'000, "ms"}, {1'000, "us"}, {1, "ns"}}};
  for (const auto& [factor, unit] : kUnits) {
    if (ns % factor == 0) return fmt::format("{}{}", ns / factor, unit);
  }
  unreachable();
}

std::string show_duration(Duration d) {
  constexpr std::array kUnits{Unit{"ns", 1}, Unit{"us", 1e3}, Unit{"ms", 1e6}, Unit{"s", 1e9}};
  return with_unit(static_cast<double>(d.count()), kUnits, "");
}

std::string show_bytes(double bytes) {
  constexpr std::array kUnits{Unit{"B", 1}, Unit{"kB", 1e3}, Unit{"MB", 1e6}, Unit{"GB", 1e9}, Unit{"TB", 1e12}};
  return with_unit(bytes, kUnits, " ");
}

std::string show_count(double n) {
  constexpr std::array kUnits{Unit{"", 1}, Unit{"k", 1e3}, Unit{"M", 1e6}, Unit{"G", 1e9}};
  return with_unit(n, kUnits, "");
}

std::string with_commas(std::uint64_t n) {
  std::string digits = fmt::format("{}", n);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

}  // namespace pollux::app
