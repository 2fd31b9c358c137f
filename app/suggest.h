#pragma once

#include <span>
#include <string>
#include <string_view>

namespace pollux::app {

// Letters to insert, delete, change or swap with their neighbour to get from one word to the other.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The candidate most like `word`, or empty if none is like it.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

// "; did you mean `--port`?", or nothing.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates,
                         std::string_view prefix = "");

}  // namespace pollux::app
