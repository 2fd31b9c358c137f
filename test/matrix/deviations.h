#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "oracle.h"

// Where Pollux does on purpose what the text does not say. Each is a rule, with its
// reason; what it does not cover must be as the oracle has it.
namespace pollux::matrix {

struct Deviation {
  std::string_view what;
  std::string_view why;
  bool (*applies)(const Block& block, const Arrival& seg);
  // Of each outcome that the oracle allows; null: none, it is the next that differs.
  void (*change)(Outcome& outcome, const Block& block);
  // The segment in whose place this one counts; null: none.
  Arrival (*read_as)(const Block& block, Arrival seg) = nullptr;
};

std::span<const Deviation> deviations();

// What is expected of Pollux; `used` has a place for each deviation, and counts.
std::vector<Outcome> expected_of_pollux(const Block& block, const Arrival& seg, std::vector<std::size_t>& used);

}  // namespace pollux::matrix
