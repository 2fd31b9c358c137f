// System calls in a script: "read(4, ..., 1000) = -1 EAGAIN (Resource temporarily unavailable)".

#include <fmt/format.h>

#include "parser.h"

namespace pollux::stacktest {
namespace {

Expression parse_expression(Cursor& cursor);

Expression begin(const Cursor& cursor, Expression::Kind kind) {
  Expression expression;
  expression.kind = kind;
  expression.at = cursor.peek().at;
  return expression;
}

std::uint16_t parse_htons(Cursor& cursor) {
  cursor.expect("htons", "htons(port)");
  cursor.expect('(', "`(`");
  const auto port = static_cast<std::uint16_t>(cursor.integer(0, 0xffff, "the port"));
  cursor.expect(')', "`)`");
  return port;
}

void parse_field(Cursor& cursor, std::string_view name) {
  cursor.expect(name, fmt::format("`{}`", name));
  cursor.expect('=', "`=`");
}

// {sa_family = AF_INET, sin_port = htons(8080), sin_addr = inet_addr("192.0.2.1")}
Expression parse_socket_address(Cursor& cursor) {
  Expression expression = begin(cursor, Expression::Kind::kAddress);
  parse_field(cursor, "sa_family");
  expression.text = cursor.expect(TokenKind::kWord, "AF_INET, AF_INET6 or AF_UNSPEC").text;
  cursor.expect(',', "`,`");
  parse_field(cursor, "sin_port");
  expression.address.second = parse_htons(cursor);
  cursor.expect(',', "`,`");
  parse_field(cursor, "sin_addr");
  if (!cursor.accept("inet_addr") && !cursor.accept("inet6_addr")) cursor.fail("inet_addr(\"address\")");
  cursor.expect('(', "`(`");
  const Token text = cursor.expect(TokenKind::kString, "an address in quotes");
  const auto address = IpAddress::parse(text.text);
  if (!address) Cursor::refuse(text.at, address.error());
  expression.address.first = *address;
  cursor.expect(')', "`)`");
  return expression;
}

// {fd=3, events=POLLIN, revents=POLLIN}
Expression parse_poll(Cursor& cursor) {
  Expression expression = begin(cursor, Expression::Kind::kPoll);
  parse_field(cursor, "fd");
  expression.items.push_back(parse_expression(cursor));
  cursor.expect(',', "`,`");
  parse_field(cursor, "events");
  expression.items.push_back(parse_expression(cursor));
  if (cursor.accept(',')) {
    parse_field(cursor, "revents");
    expression.items.push_back(parse_expression(cursor));
  } else {
    expression.items.push_back(begin(cursor, Expression::Kind::kInteger));
  }
  return expression;
}

// {onoff=1, linger=0}
Expression parse_linger(Cursor& cursor) {
  Expression expression = begin(cursor, Expression::Kind::kLinger);
  parse_field(cursor, "onoff");
  expression.items.push_back(parse_expression(cursor));
  cursor.expect(',', "`,`");
  parse_field(cursor, "linger");
  expression.items.push_back(parse_expression(cursor));
  return expression;
}

Expression parse_list(Cursor& cursor, char closing) {
  Expression expression = begin(cursor, Expression::Kind::kList);
  if (!cursor.peek().is(closing)) {
    do {
      expression.items.push_back(parse_expression(cursor));
    } while (cursor.accept(','));
  }
  return expression;
}

// {..., 1000}: an iovec.
Expression parse_vector(Cursor& cursor) {
  Expression expression = begin(cursor, Expression::Kind::kVector);
  cursor.take();
  cursor.expect(',', "`,`");
  expression.integer = cursor.integer(0, INT32_MAX, "the size of the vector");
  return expression;
}

Expression parse_braces(Cursor& cursor) {
  cursor.take();
  Expression expression;
  if (cursor.peek().is("sa_family")) {
    expression = parse_socket_address(cursor);
  } else if (cursor.peek().is("fd")) {
    expression = parse_poll(cursor);
  } else if (cursor.peek().is("onoff")) {
    expression = parse_linger(cursor);
  } else if (cursor.peek().kind == TokenKind::kEllipsis && cursor.peek(1).is(',')) {
    expression = parse_vector(cursor);
  } else if (cursor.peek().is("msg_name") || cursor.peek().is("events") || cursor.peek().is("cmsg_level")) {
    Cursor::refuse(cursor.peek().at,
                   fmt::format("`{}`: msghdr, epoll_event and control messages are not supported", cursor.peek().text));
  } else {
    expression = parse_list(cursor, '}');
  }
  cursor.expect('}', "`}`");
  return expression;
}

Expression parse_single(Cursor& cursor) {
  const Token& token = cursor.peek();
  if (token.is('{')) return parse_braces(cursor);
  if (token.is('[')) {
    cursor.take();
    Expression list = parse_list(cursor, ']');
    cursor.expect(']', "`]`");
    return list;
  }
  switch (token.kind) {
    case TokenKind::kEllipsis: {
      Expression expression = begin(cursor, Expression::Kind::kEllipsis);
      cursor.take();
      return expression;
    }
    case TokenKind::kInteger:
    case TokenKind::kHex: {
      Expression expression = begin(cursor, Expression::Kind::kInteger);
      expression.integer = cursor.take().integer;
      return expression;
    }
    case TokenKind::kWord: {
      Expression expression = begin(cursor, Expression::Kind::kWord);
      expression.text = cursor.take().text;
      return expression;
    }
    case TokenKind::kString: {
      Expression expression = begin(cursor, Expression::Kind::kString);
      while (cursor.peek().kind == TokenKind::kString) expression.text += cursor.take().text;
      if (cursor.peek().kind == TokenKind::kEllipsis) cursor.take();
      return expression;
    }
    case TokenKind::kEnd:
    case TokenKind::kFloat:
    case TokenKind::kBackQuoted:
    case TokenKind::kCode:
    case TokenKind::kOption:
    case TokenKind::kAddress:
    case TokenKind::kSymbol:
      break;
  }
  cursor.fail("an argument: a number, a name, a string, ..., [ ] or { }");
}

Expression parse_expression(Cursor& cursor) {
  Expression first = parse_single(cursor);
  if (!cursor.peek().is('|')) return first;
  Expression all = begin(cursor, Expression::Kind::kOr);
  all.at = first.at;
  all.items.push_back(std::move(first));
  while (cursor.accept('|')) all.items.push_back(parse_single(cursor));
  return all;
}

}  // namespace

CallLine parse_call(Cursor& cursor) {
  CallLine call;
  const Token name = cursor.expect(TokenKind::kWord, "the name of a system call");
  call.name = name.text;
  call.at = name.at;
  cursor.expect('(', "`(` and the arguments");
  if (!cursor.peek().is(')')) {
    do {
      call.arguments.push_back(parse_expression(cursor));
    } while (cursor.accept(','));
  }
  cursor.expect(')', "`)` after the arguments");
  cursor.expect('=', "`=` and what the call returns");
  call.result = parse_expression(cursor);
  if (cursor.peek().kind == TokenKind::kWord) call.error = cursor.take().text;
  if (cursor.accept('(')) {  // a note: what strerror says
    while (!cursor.peek().is(')') && !cursor.at_end()) cursor.take();
    cursor.expect(')', "`)` after the note");
  }
  return call;
}

}  // namespace pollux::stacktest
