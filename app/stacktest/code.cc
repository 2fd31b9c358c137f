#include "code.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "cursor.h"

namespace pollux::stacktest {
namespace {

// A # and what follows it, up to the end of its line, is a comment in Python.
std::string without_comments(std::string_view code) {
  std::string text;
  bool comment = false;
  for (const char c : code) {
    if (c == '#') comment = true;
    if (c == '\n') comment = false;
    text += comment ? ' ' : c;
  }
  return text;
}

class Evaluator {
 public:
  Evaluator(Cursor& cursor, const Variables& variables, const Lookup& lookup)
      : cursor_{cursor}, variables_{variables}, lookup_{lookup} {}

  std::int64_t either() {
    std::int64_t value = both();
    while (cursor_.accept("or")) {
      const std::int64_t right = both();
      value = value != 0 || right != 0 ? 1 : 0;
    }
    return value;
  }
  // "tcpi_unacked is 3, tcpi_snd_cwnd is 10": of what was looked up.
  const std::string& values() const { return values_; }

 private:
  std::int64_t both() {
    std::int64_t value = negation();
    while (cursor_.accept("and")) {
      const std::int64_t right = negation();
      value = value != 0 && right != 0 ? 1 : 0;
    }
    return value;
  }

  std::int64_t negation() { return cursor_.accept("not") ? (negation() == 0 ? 1 : 0) : comparison(); }

  // As Python's, a < b < c compares neighbours.
  std::int64_t comparison() {
    std::int64_t left = bits();
    bool holds = true;
    for (std::string op = comparison_sign(); !op.empty(); op = comparison_sign()) {
      const std::int64_t right = bits();
      holds = holds && compare(op, left, right);
      left = right;
      if (comparison_sign_ahead().empty()) return holds ? 1 : 0;
    }
    return left;
  }

  std::string comparison_sign_ahead() const {
    const Token& first = cursor_.peek();
    const bool equals = cursor_.peek(1).is('=');
    if (first.is('<')) return equals ? "<=" : "<";
    if (first.is('>')) return equals ? ">=" : ">";
    if (first.is('=') && equals) return "==";
    if (first.is('!') && equals) return "!=";
    return {};
  }
  std::string comparison_sign() {
    std::string sign = comparison_sign_ahead();
    for (std::size_t i = 0; i < sign.size(); ++i) cursor_.take();
    return sign;
  }
  static bool compare(std::string_view op, std::int64_t left, std::int64_t right) {
    if (op == "==") return left == right;
    if (op == "!=") return left != right;
    if (op == "<") return left < right;
    if (op == "<=") return left <= right;
    if (op == ">") return left > right;
    return left >= right;
  }

  std::int64_t bits() {
    std::int64_t value = sum();
    for (;;) {
      if (cursor_.accept('|')) {
        value |= sum();
      } else if (cursor_.accept('&')) {
        value &= sum();
      } else {
        return value;
      }
    }
  }

  std::int64_t sum() {
    std::int64_t value = product();
    for (;;) {
      if (cursor_.accept('+')) {
        value += product();
      } else if (cursor_.accept('-')) {
        value -= product();
      } else if (cursor_.peek().kind == TokenKind::kInteger && cursor_.peek().integer < 0) {
        value += cursor_.take().integer;  // "a -1": the lexer has put the sign to the number
      } else {
        return value;
      }
    }
  }

  std::int64_t product() {
    std::int64_t value = primary();
    for (;;) {
      const Position at = cursor_.peek().at;
      if (cursor_.accept('*')) {
        value *= primary();
      } else if (cursor_.peek().is('/') || cursor_.peek().is('%')) {
        const bool division = cursor_.take().is('/');
        const std::int64_t right = primary();
        if (right == 0) Cursor::refuse(at, "a division by zero");
        value = division ? value / right : value % right;
      } else {
        return value;
      }
    }
  }

  std::int64_t primary() {
    if (cursor_.accept('(')) {
      const std::int64_t value = either();
      cursor_.expect(')', "`)`");
      return value;
    }
    const Token& token = cursor_.peek();
    if (token.kind == TokenKind::kInteger || token.kind == TokenKind::kHex) return cursor_.take().integer;
    if (token.kind != TokenKind::kWord) cursor_.fail("a number, a name or `(`");
    const auto variable = variables_.find(token.text);
    const std::optional<std::int64_t> value = variable != variables_.end() ? variable->second : lookup_(token.text);
    if (!value) Cursor::refuse(token.at, fmt::format("`{}` is not known here", token.text));
    values_ += fmt::format("{}{} is {}", values_.empty() ? "" : ", ", token.text, *value);
    cursor_.take();
    return *value;
  }

  Cursor& cursor_;
  const Variables& variables_;
  const Lookup& lookup_;
  std::string values_;
};

bool begins_assignment(const Cursor& cursor) {
  const Token& sign = cursor.peek(1);
  const bool augmented = (sign.is('+') || sign.is('-')) && cursor.peek(2).is('=');
  return cursor.peek().kind == TokenKind::kWord && ((sign.is('=') && !cursor.peek(2).is('=')) || augmented);
}

bool ends_statement(const Cursor& cursor) {
  const Token& token = cursor.peek();
  return cursor.at_end() || token.is(';') || token.is("assert") || token.is("print") || begins_assignment(cursor);
}

// False: it does not hold, and `why` says so.
bool run_assertion(Cursor& cursor, const Variables& variables, const Lookup& lookup, std::string& why) {
  const int line = cursor.peek().at.line;
  cursor.take();
  Evaluator evaluator{cursor, variables, lookup};
  const bool holds = evaluator.either() != 0;
  if (cursor.accept(',')) {
    while (!ends_statement(cursor)) cursor.take();
  }
  if (!holds) why = fmt::format("an assertion (line {} of the code) does not hold: {}", line, evaluator.values());
  return holds;
}

void run_assignment(Cursor& cursor, Variables& variables, const Lookup& lookup) {
  const std::string name = cursor.take().text;
  const bool plus = cursor.accept('+');
  const bool minus = !plus && cursor.accept('-');
  cursor.expect('=', "`=`");
  const std::int64_t value = Evaluator{cursor, variables, lookup}.either();
  variables[name] = plus ? variables[name] + value : minus ? variables[name] - value : value;
}

bool run_statement(Cursor& cursor, Variables& variables, const Lookup& lookup, std::string& why) {
  bool holds = true;
  if (cursor.peek().is("assert")) {
    holds = run_assertion(cursor, variables, lookup, why);
  } else if (begins_assignment(cursor)) {
    run_assignment(cursor, variables, lookup);
  } else if (cursor.accept("print")) {
    if (!cursor.peek().is('(')) cursor.fail("`(`");
    while (!ends_statement(cursor)) cursor.take();
  } else {
    cursor.fail("assert, print or an assignment: other Python is not supported");
  }
  if (!ends_statement(cursor)) cursor.fail("the end of the statement");
  while (cursor.accept(';')) {
  }
  return holds;
}

}  // namespace

Expected<void, std::string> run_code(std::string_view code, Variables& variables, const Lookup& lookup) {
  auto tokens = lex(without_comments(code));
  if (!tokens) return unexpected(tokens.error().what);
  Cursor cursor{std::move(*tokens)};
  try {
    std::string why;
    while (!cursor.at_end()) {
      if (!run_statement(cursor, variables, lookup, why)) return unexpected(why);
    }
  } catch (const ScriptError& error) {
    return unexpected(error.what);
  }
  return {};
}

}  // namespace pollux::stacktest
