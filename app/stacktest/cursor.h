#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lexer.h"

namespace pollux::stacktest {

// Where a parser stands in a script. Whoever finds something else than it wants calls fail(), which throws: the parsers
// recurse, and the one door out of them is parse().
class Cursor {
 public:
  explicit Cursor(std::vector<Token> tokens) : tokens_{std::move(tokens)} {}

  const Token& peek(std::size_t ahead = 0) const {
    return tokens_[at_ + ahead < tokens_.size() ? at_ + ahead : tokens_.size() - 1];
  }
  Token take() {
    Token token = peek();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  bool at_end() const { return peek().kind == TokenKind::kEnd; }

  bool accept(char symbol) { return peek().is(symbol) && (take(), true); }
  bool accept(std::string_view word) { return peek().is(word) && (take(), true); }
  void expect(char symbol, std::string_view what) {
    if (!accept(symbol)) fail(what);
  }
  void expect(std::string_view word, std::string_view what) {
    if (!accept(word)) fail(what);
  }
  Token expect(TokenKind kind, std::string_view what) {
    if (peek().kind != kind) fail(what);
    return take();
  }
  // An integer, decimal or hexadecimal, from `least` to `most`.
  std::int64_t integer(std::int64_t least, std::int64_t most, std::string_view what);

  // "expected `what`, found ...", at the present token.
  [[noreturn]] void fail(std::string_view what) const;
  [[noreturn]] static void refuse(const Position& at, std::string what) { throw ScriptError{at, std::move(what)}; }

 private:
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
};

}  // namespace pollux::stacktest
