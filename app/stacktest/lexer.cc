#include "lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <optional>

namespace pollux::stacktest {
namespace {

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }
bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool is_hex(char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; }

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_{text} {}

  Expected<std::vector<Token>, ScriptError> run() {
    for (;;) {
      if (!skip_blanks()) return unexpected(*error_);
      start_ = here();
      if (at_ == text_.size()) break;
      if (!next()) return unexpected(*error_);
    }
    add(TokenKind::kEnd, {}, 0);
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return text_.substr(at_); }
  Position here() const { return {line_, static_cast<int>(at_ - line_start_) + 1}; }

  void advance(std::size_t n) {
    for (std::size_t end = at_ + n; at_ < end; ++at_) {
      if (text_[at_] != '\n') continue;
      ++line_;
      line_start_ = at_ + 1;
    }
  }

  bool fail(std::string what) {
    error_ = ScriptError{start_, std::move(what)};
    return false;
  }

  Token& add(TokenKind kind, std::string_view text, std::size_t length) {
    Token token;
    token.kind = kind;
    token.text = text;
    token.at = start_;
    tokens_.push_back(std::move(token));
    advance(length);
    return tokens_.back();
  }

  // White space and comments.
  bool skip_blanks() {
    for (;;) {
      const std::size_t blank = std::min(rest().find_first_not_of(" \t\r\n"), rest().size());
      advance(blank);
      if (rest().starts_with("//")) {
        advance(std::min(rest().find('\n'), rest().size()));
      } else if (rest().starts_with("/*")) {
        start_ = here();
        const std::size_t end = rest().find("*/", 2);
        if (end == std::string_view::npos) return fail("a comment that does not end: */ is missing");
        advance(end + 2);
      } else {
        return true;
      }
    }
  }

  bool next() {
    const char c = rest()[0];
    if (rest().starts_with("...")) return add(TokenKind::kEllipsis, "...", 3), true;
    if (rest().starts_with("%{")) return enclosed(TokenKind::kCode, 2, "}%");
    if (c == '"') return enclosed(TokenKind::kString, 1, "\"");
    if (c == '`') return enclosed(TokenKind::kBackQuoted, 1, "`");
    if (rest().starts_with("--") && rest().size() > 2 && is_word(rest()[2])) return option();
    if (const std::size_t length = address_length(); length > 0) {
      return add(TokenKind::kAddress, rest().substr(0, length), length), true;
    }
    if (const std::size_t length = number_length(); length > 0) return number(length);
    if (is_word(c)) {
      const std::size_t length = word_length();
      return add(TokenKind::kWord, rest().substr(0, length), length), true;
    }
    return add(TokenKind::kSymbol, rest().substr(0, 1), 1), true;
  }

  bool enclosed(TokenKind kind, std::size_t opening, std::string_view closing) {
    std::size_t end = opening;
    while (end < rest().size() && !rest().substr(end).starts_with(closing)) {
      end += kind != TokenKind::kCode && rest()[end] == '\\' ? 2 : 1;
    }
    if (end >= rest().size()) return fail(fmt::format("what begins here does not end: {} is missing", closing));
    return add(kind, rest().substr(opening, end - opening), end + closing.size()), true;
  }

  bool option() {
    std::size_t length = 2;
    while (length < rest().size() && is_word(rest()[length])) ++length;
    return add(TokenKind::kOption, rest().substr(2, length - 2), length), true;
  }

  std::size_t word_length() const {
    const auto end = std::find_if_not(rest().begin(), rest().end(), is_word);
    return static_cast<std::size_t>(end - rest().begin());
  }

  // Four numbers and three dots, or anything with hexadecimal digits and a double colon; else 0.
  std::size_t address_length() const {
    std::size_t length = 0;
    int dots = 0;
    while (length < rest().size() && (is_digit(rest()[length]) || (rest()[length] == '.' && length > 0))) {
      if (rest()[length] == '.') {
        if (rest()[length - 1] == '.') return 0;
        ++dots;
      }
      ++length;
    }
    if (dots == 3 && rest()[length - 1] != '.') return length;
    length = 0;
    while (length < rest().size() && (is_hex(rest()[length]) || rest()[length] == ':')) ++length;
    return rest().substr(0, length).find("::") == std::string_view::npos ? 0 : length;
  }

  std::size_t digits(std::size_t from) const {
    std::size_t end = from;
    while (end < rest().size() && is_digit(rest()[end])) ++end;
    return end - from;
  }

  // [-]?[0-9]*[.][0-9]+, [-]?[0-9]+ or 0x..., unless it is the beginning of a longer word.
  std::size_t number_length() const {
    if (rest().starts_with("0x") && rest().size() > 2 && is_hex(rest()[2])) return word_length();
    const std::size_t sign = rest()[0] == '-' ? 1 : 0;
    const std::size_t whole = digits(sign);
    const std::size_t dot = sign + whole;
    if (dot < rest().size() && rest()[dot] == '.') {
      if (const std::size_t part = digits(dot + 1); part > 0) return dot + 1 + part;
    }
    if (whole == 0) return 0;
    const bool longer = dot < rest().size() && is_word(rest()[dot]);
    return longer && sign == 0 ? 0 : dot;
  }

  bool number(std::size_t length) {
    const std::string text{rest().substr(0, length)};
    const bool hex = text.starts_with("0x");
    const bool fraction = text.find('.') != std::string::npos;
    Token& token = add(hex ? TokenKind::kHex : fraction ? TokenKind::kFloat : TokenKind::kInteger, text, length);
    if (fraction) {
      token.number = std::strtod(text.c_str(), nullptr);
      return true;
    }
    const char* first = text.data() + (hex ? 2 : 0);
    const auto read = std::from_chars(first, text.data() + text.size(), token.integer, hex ? 16 : 10);
    if (read.ec != std::errc{} || read.ptr != text.data() + text.size()) {
      return fail(fmt::format("`{}` is not a number that fits", text));
    }
    token.number = static_cast<double>(token.integer);
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_start_ = 0;
  int line_ = 1;
  Position start_;
  std::vector<Token> tokens_;
  std::optional<ScriptError> error_;
};

}  // namespace

Expected<std::vector<Token>, ScriptError> lex(std::string_view text) { return Lexer{text}.run(); }

std::string describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::kEnd:
      return "the end of the script";
    case TokenKind::kString:
      return fmt::format("\"{}\"", token.text);
    case TokenKind::kBackQuoted:
      return "a shell command";
    case TokenKind::kCode:
      return "%{ ... }%";
    case TokenKind::kOption:
      return fmt::format("`--{}`", token.text);
    case TokenKind::kWord:
    case TokenKind::kInteger:
    case TokenKind::kHex:
    case TokenKind::kFloat:
    case TokenKind::kAddress:
    case TokenKind::kEllipsis:
    case TokenKind::kSymbol:
      return fmt::format("`{}`", token.text);
  }
  return {};
}

}  // namespace pollux::stacktest
