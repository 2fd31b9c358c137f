#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/expected.h"

namespace pollux::stacktest {

// A place in a script; lines and columns from 1.
struct Position {
  int line = 1;
  int column = 1;
};

// What is wrong with a script, and where.
struct ScriptError {
  Position at;
  std::string what;
};

enum class TokenKind : std::uint8_t {
  kEnd,
  kWord,        // S, socket, SOL_SOCKET, mss
  kInteger,     // -1, 1001
  kHex,         // 0x1f
  kFloat,       // .1, 0.300
  kString,      // "..."
  kBackQuoted,  // `...`: a shell command
  kCode,        // %{ ... }%
  kOption,      // --name
  kAddress,     // 192.0.2.1, fd3d::1
  kEllipsis,    // ...
  kSymbol,      // any other character
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;  // without quotes and braces
  std::int64_t integer = 0;
  double number = 0;
  Position at;

  bool is(char symbol) const { return kind == TokenKind::kSymbol && text[0] == symbol; }
  bool is(std::string_view word) const { return kind == TokenKind::kWord && text == word; }
};

// A script in packetdrill's dialect as tokens, the last of them kEnd. Comments are left out.
Expected<std::vector<Token>, ScriptError> lex(std::string_view text);

// "`win`", "the end of the script": for messages.
std::string describe(const Token& token);

}  // namespace pollux::stacktest
