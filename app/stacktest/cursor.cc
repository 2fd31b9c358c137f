#include "cursor.h"

#include <fmt/format.h>

namespace pollux::stacktest {

std::int64_t Cursor::integer(std::int64_t least, std::int64_t most, std::string_view what) {
  const Token& token = peek();
  if (token.kind != TokenKind::kInteger && token.kind != TokenKind::kHex) fail(what);
  if (token.integer < least || token.integer > most) {
    refuse(token.at, fmt::format("{} is out of range: {} to {} for {}", token.text, least, most, what));
  }
  return take().integer;
}

void Cursor::fail(std::string_view what) const {
  refuse(peek().at, fmt::format("expected {}, found {}", what, describe(peek())));
}

}  // namespace pollux::stacktest
