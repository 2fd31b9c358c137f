#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <utility>

namespace pollux::app {

// fmt::print for people: whoever reads it may leave before us, and that must not end a run whose
// result is still to be written. fmt's own throws then.
template <class... A>
void say(std::FILE* to, fmt::format_string<A...> text, A&&... arguments) {
  const std::string line = fmt::format(text, std::forward<A>(arguments)...);
  static_cast<void>(std::fputs(line.c_str(), to));
}

}  // namespace pollux::app
