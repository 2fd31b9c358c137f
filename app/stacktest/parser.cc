#include "parser.h"

#include <cmath>

namespace pollux::stacktest {
namespace {

Duration parse_seconds(Cursor& cursor) {
  const Token& token = cursor.peek();
  if (token.kind != TokenKind::kInteger && token.kind != TokenKind::kFloat) cursor.fail("a time in seconds");
  if (token.number < 0 || token.number > 1e9) Cursor::refuse(token.at, "a time is from 0 to 1e9 seconds");
  return std::chrono::microseconds{std::llround(cursor.take().number * 1e6)};
}

void parse_time(Cursor& cursor, Event& event) {
  if (cursor.accept('*')) {
    event.time_kind = TimeKind::kAny;
    return;
  }
  const bool relative = cursor.accept('+');
  event.time_kind = relative ? TimeKind::kRelative : TimeKind::kAbsolute;
  event.time = parse_seconds(cursor);
  if (!cursor.accept('~')) return;
  if (relative) cursor.expect('+', "`+` before the end of a relative time range");
  event.time_kind = relative ? TimeKind::kRelativeRange : TimeKind::kAbsoluteRange;
  const Position at = cursor.peek().at;
  event.end = parse_seconds(cursor);
  if (event.end < event.time) Cursor::refuse(at, "a time range that ends before it begins");
}

void check_time(const Event& event) {
  if (event.time_kind == TimeKind::kAbsolute || event.time_kind == TimeKind::kRelative) return;
  const auto* packet = std::get_if<PacketLine>(&event.action);
  if (packet == nullptr || packet->inbound) {
    Cursor::refuse(event.at, "`*` and time ranges are for packets that are expected (`>`)");
  }
}

Event parse_event(Cursor& cursor) {
  Event event;
  event.at = cursor.peek().at;
  parse_time(cursor, event);
  const Token& token = cursor.peek();
  if (token.is('<') || token.is('>')) {
    event.action = parse_packet(cursor);
  } else if (token.kind == TokenKind::kBackQuoted) {
    event.action = CommandLine{cursor.take().text};
  } else if (token.kind == TokenKind::kCode) {
    event.action = CodeLine{cursor.take().text};
  } else if (token.kind == TokenKind::kWord || token.kind == TokenKind::kEllipsis) {
    std::optional<Duration> ends;
    if (token.kind == TokenKind::kEllipsis) {
      cursor.take();
      ends = parse_seconds(cursor);
    }
    CallLine call = parse_call(cursor);
    call.ends = ends;
    event.action = std::move(call);
  } else {
    cursor.fail("a packet (< or >), a system call, a `command` or %{ code }%");
  }
  check_time(event);
  return event;
}

ScriptOption parse_script_option(Cursor& cursor) {
  ScriptOption option;
  const Token token = cursor.take();
  option.at = token.at;
  option.name = token.text;
  if (!cursor.accept('=')) return option;
  option.value = cursor.take().text;
  // ipv4-mapped-ipv6, 192.0.2.1/24, --define=NAME=value
  while (cursor.peek().is('-') || cursor.peek().is('/') || cursor.peek().is('=') ||
         (cursor.peek().kind == TokenKind::kInteger && cursor.peek().text[0] == '-')) {
    option.value += cursor.take().text;
    option.value += cursor.take().text;
  }
  return option;
}

bool begins_time(const Token& token) {
  return token.is('+') || token.is('*') || token.kind == TokenKind::kInteger || token.kind == TokenKind::kFloat;
}

Script parse_script(Cursor& cursor) {
  Script script;
  while (cursor.peek().kind == TokenKind::kOption) script.options.push_back(parse_script_option(cursor));
  if (cursor.peek().kind == TokenKind::kBackQuoted) script.init_command = cursor.take().text;
  while (begins_time(cursor.peek())) script.events.push_back(parse_event(cursor));
  if (script.events.empty()) cursor.fail("an event that begins with its time");
  if (cursor.peek().kind == TokenKind::kBackQuoted) script.cleanup_command = cursor.take().text;
  if (!cursor.at_end()) cursor.fail("the time of an event");
  return script;
}

}  // namespace

Expected<Script, ScriptError> parse(std::string_view text) {
  auto tokens = lex(text);
  if (!tokens) return unexpected(tokens.error());
  Cursor cursor{std::move(*tokens)};
  try {
    return parse_script(cursor);
  } catch (const ScriptError& error) {
    return unexpected(error);
  }
}

}  // namespace pollux::stacktest
