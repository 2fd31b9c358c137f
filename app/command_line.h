#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "options.h"

namespace pollux::app {

// What the words of a command line ask for: a subcommand with its options, or a text to print.
struct CommandLine {
  Command command = Command::kDemo;
  Options options;
  bool print_only = false;  // --help, --version
  std::string text;
};

// `words`: without the program's name. The error is for people and says how to get help.
Expected<CommandLine, std::string> parse_command_line(std::span<const std::string> words);

}  // namespace pollux::app
