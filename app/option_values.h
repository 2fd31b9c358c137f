#pragma once

#include <fmt/format.h>

#include <concepts>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "options.h"
#include "suggest.h"
#include "units.h"

// What the tables of options have in common: how a text becomes a member of Options.
namespace pollux::app {

inline std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(separator, at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

template <class Value, class Into>
SetResult put(const Expected<Value, std::string>& value, Into& into) {
  if (!value) return unexpected(value.error());
  into = static_cast<Into>(*value);
  return {};
}

inline SetResult put_text(std::string_view text, std::string& into) {
  if (text.empty()) return unexpected(std::string{"an empty value"});
  into = text;
  return {};
}

// A count (or a size) that must lie between two others.
template <std::unsigned_integral Into>
SetResult put_within(const Expected<std::uint64_t, std::string>& value, std::uint64_t low, std::uint64_t high,
                     Into& into) {
  if (!value) return unexpected(value.error());
  if (*value < low || *value > high) return unexpected(fmt::format("{} is not within {} to {}", *value, low, high));
  into = static_cast<Into>(*value);
  return {};
}

inline SetResult put_duration(std::string_view text, Duration low, Duration high, Duration& into) {
  const auto value = parse_duration(text);
  if (!value) return unexpected(value.error());
  if (*value < low || *value > high) {
    return unexpected(fmt::format("{} is not within {} to {}", text, exact_duration(low), exact_duration(high)));
  }
  into = *value;
  return {};
}

// One of some words.
template <class Value>
struct Choice {
  std::string_view word;
  Value value;
};
template <class Value, std::size_t n, class Into>
SetResult put_choice(std::string_view text, const Choice<Value> (&choices)[n], Into& into) {
  std::string all;
  for (const auto& choice : choices) {
    if (choice.word == text) {
      into = choice.value;
      return {};
    }
    all += fmt::format("{}{}", all.empty() ? "" : ", ", choice.word);
  }
  return unexpected(fmt::format("`{}` is not one of {}", text, all));
}
template <class Value, std::size_t n>
std::string_view word_of(Value value, const Choice<Value> (&choices)[n]) {
  for (const auto& choice : choices) {
    if (choice.value == value) return choice.word;
  }
  return {};
}

}  // namespace pollux::app
