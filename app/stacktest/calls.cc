#include "calls.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "cursor.h"
#include "symbols.h"

namespace pollux::stacktest {

using Kind = Expression::Kind;

constexpr Calls::Row Calls::kRows[] = {
    {"socket", 3, &Calls::socket},
    {"bind", 3, &Calls::bind},
    {"listen", 2, &Calls::listen},
    {"accept", 3, &Calls::accept},
    {"accept4", 4, &Calls::accept},
    {"connect", 3, &Calls::connect},
    {"read", 3, &Calls::read},
    {"recv", 4, &Calls::read},
    {"recvfrom", 6, &Calls::read},
    {"readv", 3, &Calls::read},
    {"write", 3, &Calls::write},
    {"send", 4, &Calls::write},
    {"sendto", 6, &Calls::write},
    {"writev", 3, &Calls::write},
    {"shutdown", 2, &Calls::shutdown},
    {"close", 1, &Calls::close},
    {"setsockopt", 5, &Calls::setsockopt},
    {"getsockopt", 5, &Calls::getsockopt},
    {"fcntl", 2, &Calls::fcntl},
    {"ioctl", 2, &Calls::ioctl},
    {"poll", 3, &Calls::poll},
};

Expected<bool, std::string> Calls::attempt(PendingCall& call) {
  const CallLine& line = *call.line;
  const auto* row =
      std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& known) { return known.name == line.name; });
  if (row == std::end(kRows)) {
    Cursor::refuse(line.at, fmt::format("the system call {}() is not supported", line.name));
  }
  if (line.arguments.size() < row->least_arguments) {
    Cursor::refuse(line.at, fmt::format("{}() takes {} arguments, found {}", line.name, row->least_arguments,
                                        line.arguments.size()));
  }
  complaint_.clear();
  const Outcome outcome = (this->*row->handler)(call);
  if (outcome.blocks) return false;
  if (!complaint_.empty()) return unexpected(complaint_);
  return judge(call, outcome);
}

Expected<bool, std::string> Calls::judge(const PendingCall& call, const Outcome& outcome) const {
  const CallLine& line = *call.line;
  const std::string actual =
      outcome.error != 0 ? fmt::format("-1 {}", errno_name(outcome.error)) : fmt::format("{}", outcome.value);
  if (line.result.kind == Kind::kEllipsis) return true;
  const std::int64_t wanted = number(line.result);
  const std::string expected =
      line.error.empty() ? fmt::format("{}", wanted) : fmt::format("{} {}", wanted, line.error);
  if (!line.error.empty() && !symbol(line.error)) Cursor::refuse(line.at, fmt::format("`{}` is no errno", line.error));
  const bool same = (outcome.error != 0 ? -1 : outcome.value) == wanted &&
                    (line.error.empty() ? wanted != -1 || outcome.error != 0 : symbol(line.error) == outcome.error);
  if (same) return true;
  return unexpected(fmt::format("{}() returned {}, expected {}", line.name, actual, expected));
}

// --- Arguments ---

std::int64_t Calls::number(const Expression& expression) const {
  switch (expression.kind) {
    case Kind::kInteger:
      return expression.integer;
    case Kind::kWord:
      if (const auto value = symbol(expression.text)) return *value;
      Cursor::refuse(expression.at, fmt::format("the name `{}` is not known here", expression.text));
    case Kind::kOr: {
      std::int64_t value = 0;
      for (const Expression& item : expression.items) value |= number(item);
      return value;
    }
    case Kind::kList:
      if (expression.items.size() == 1) return number(expression.items[0]);
      break;
    case Kind::kEllipsis:
    case Kind::kString:
    case Kind::kAddress:
    case Kind::kPoll:
    case Kind::kLinger:
    case Kind::kVector:
      break;
  }
  Cursor::refuse(expression.at, "expected a number or a name that stands for one");
}

// A descriptor that the script has never had is none: -1.
int Calls::descriptor(const PendingCall& call) const {
  const auto found = descriptors_.find(static_cast<int>(number(call, 0)));
  return found == descriptors_.end() ? -1 : found->second.live;
}

bool Calls::blocking(const PendingCall& call, std::int64_t message_flags) const {
  const auto found = descriptors_.find(static_cast<int>(number(call, 0)));
  return found != descriptors_.end() && !found->second.nonblocking && (message_flags & MSG_DONTWAIT) == 0;
}

api::Endpoint Calls::endpoint(const Expression& expression, const IpAddress& usual, std::uint16_t port) const {
  if (expression.kind == Kind::kEllipsis) return {usual, port};
  if (expression.kind != Kind::kAddress) Cursor::refuse(expression.at, "expected ... or {sa_family = ...}");
  return {expression.address.first, expression.address.second};
}

// "write(4, ..., 1000)", "writev(4, [{..., 100}, {..., 200}], 2)": how many bytes are meant.
std::size_t Calls::byte_count(const PendingCall& call) const {
  const Expression& buffer = argument(call, 1);
  if (buffer.kind != Kind::kList) return static_cast<std::size_t>(std::max<std::int64_t>(number(call, 2), 0));
  std::size_t size = 0;
  for (const Expression& item : buffer.items) size += static_cast<std::size_t>(item.integer);
  return size;
}

Calls::Outcome Calls::outcome_of(const api::Result<void>& result) const {
  return result ? Outcome{} : Outcome{-1, result.error(), false};
}

// A new descriptor has the number that the script expects.
int Calls::new_descriptor(const PendingCall& call, int live, bool nonblocking) {
  int wanted = 3;
  while (descriptors_.contains(wanted)) ++wanted;
  if (call.line->result.kind == Kind::kInteger && call.line->result.integer >= 0) {
    wanted = static_cast<int>(call.line->result.integer);
  }
  descriptors_[wanted] = {live, nonblocking};
  return wanted;
}

// --- Calls ---

Calls::Outcome Calls::socket(PendingCall& call) {
  const bool given = argument(call, 0).kind != Kind::kEllipsis;
  const int domain = given ? static_cast<int>(number(call, 0)) : settings_.local.is_v4() ? AF_INET : AF_INET6;
  const std::int64_t type = number(call, 1);
  const auto live = stack_.open(domain);
  if (!live) return {-1, live.error(), false};
  return {new_descriptor(call, *live, (type & SOCK_NONBLOCK) != 0), 0, false};
}

Calls::Outcome Calls::bind(PendingCall& call) {
  return outcome_of(stack_.bind(descriptor(call), endpoint(argument(call, 1), settings_.local, settings_.bind_port)));
}

Calls::Outcome Calls::listen(PendingCall& call) {
  const int fd = descriptor(call);
  const auto result = stack_.listen(fd, static_cast<int>(number(call, 1)));
  if (result) observer_.listens(stack_.local_name(fd)->port);
  return outcome_of(result);
}

Calls::Outcome Calls::accept(PendingCall& call) {
  const auto live = stack_.accept(descriptor(call));
  if (!live) return {-1, live.error(), live.error() == EAGAIN && blocking(call, 0)};
  const bool nonblocking = call.line->arguments.size() > 3 && (number(call, 3) & SOCK_NONBLOCK) != 0;
  observer_.accepted(*live);
  current_ = *live;
  return {new_descriptor(call, *live, nonblocking), 0, false};
}

Calls::Outcome Calls::connect(PendingCall& call) {
  const int fd = descriptor(call);
  if (argument(call, 1).kind == Kind::kAddress && argument(call, 1).text == "AF_UNSPEC") {
    return outcome_of(stack_.disconnect(fd));
  }
  const api::Endpoint to = endpoint(argument(call, 1), settings_.remote, settings_.connect_port);
  const auto result = stack_.connect(fd, to);
  if (!result && result.error() == EINPROGRESS) observer_.connects(fd, to);
  if (result || result.error() == EINPROGRESS) current_ = fd;
  if (result) return {};
  const bool under_way = result.error() == EINPROGRESS || (result.error() == EALREADY && call.begun);
  call.begun = call.begun || result.error() == EINPROGRESS;
  return {-1, result.error(), under_way && blocking(call, 0)};
}

Calls::Outcome Calls::read(PendingCall& call) {
  const int fd = descriptor(call);
  const bool has_flags = call.line->name == "recv" || call.line->name == "recvfrom";
  const std::int64_t flags = has_flags ? number(call, 3) : 0;
  if ((flags & (MSG_PEEK | MSG_OOB)) != 0)
    Cursor::refuse(argument(call, 3).at, "MSG_PEEK and MSG_OOB are not supported");
  std::vector<std::byte> buffer(byte_count(call));
  const auto size = stack_.read(fd, buffer);
  if (!size) return {-1, size.error(), size.error() == EAGAIN && blocking(call, flags)};
  if (auto right = observer_.has_read(fd, std::span{buffer}.first(*size)); !right) complaint_ = right.error();
  return {static_cast<std::int64_t>(*size), 0, false};
}

Calls::Outcome Calls::write(PendingCall& call) {
  const int fd = descriptor(call);
  const bool has_flags = call.line->name == "send" || call.line->name == "sendto";
  const std::int64_t flags = has_flags ? number(call, 3) : 0;
  if ((flags & MSG_MORE) != 0) Cursor::refuse(argument(call, 3).at, "MSG_MORE is not supported");
  const Expression& buffer = argument(call, 1);
  const std::size_t all = byte_count(call);
  const auto done = static_cast<std::size_t>(call.done);
  const std::string given = buffer.kind == Kind::kString ? buffer.text.substr(std::min(done, buffer.text.size())) : "";
  const std::vector<std::byte> text = observer_.to_write(fd, given, all - done);
  const bool blocks = blocking(call, flags);
  if ((flags & MSG_FASTOPEN) != 0) {
    if (const auto outcome = connect_first(call, text, all, blocks)) return *outcome;
  }
  const auto size = stack_.write(fd, text, (flags & MSG_OOB) != 0);
  if (!size) {
    if (size.error() == EAGAIN && blocks) return {0, 0, true};
    if (call.done > 0) return {call.done, 0, false};
    return {-1, size.error(), false};
  }
  observer_.has_written(fd, *size);
  call.done += static_cast<std::int64_t>(*size);
  return {call.done, 0, blocks && static_cast<std::size_t>(call.done) < all};
}

// sendto() with MSG_FASTOPEN, as far as it is a connect(). nullopt: it is connected, and the rest an ordinary write.
std::optional<Calls::Outcome> Calls::connect_first(PendingCall& call, std::span<const std::byte> text, std::size_t all,
                                                   bool blocks) {
  const int fd = descriptor(call);
  const api::Endpoint to = endpoint(argument(call, 4), settings_.remote, settings_.connect_port);
  if (!call.begun) {
    const auto size = stack_.connect_and_write(fd, to, text);
    if (!size && size.error() != EINPROGRESS) return Outcome{-1, size.error(), false};
    observer_.connects(fd, to);
    current_ = fd;
    call.begun = true;
    if (size) observer_.has_written(fd, *size);
    call.done = static_cast<std::int64_t>(size.value_or(0));
    if (blocks) return Outcome{0, 0, true};
    return size ? Outcome{call.done, 0, false} : Outcome{-1, EINPROGRESS, false};
  }
  const auto opened = stack_.connect(fd, to);
  if (!opened && opened.error() == EALREADY) return Outcome{0, 0, true};
  if (!opened && opened.error() != EISCONN) return Outcome{-1, opened.error(), false};
  if (static_cast<std::size_t>(call.done) == all) return Outcome{call.done, 0, false};
  return std::nullopt;
}

Calls::Outcome Calls::shutdown(PendingCall& call) {
  return outcome_of(stack_.shutdown(descriptor(call), static_cast<int>(number(call, 1))));
}

Calls::Outcome Calls::close(PendingCall& call) {
  const int fd = descriptor(call);
  descriptors_.erase(static_cast<int>(number(call, 0)));
  if (current_ == fd) current_.reset();
  return outcome_of(stack_.close(fd));
}

Calls::Outcome Calls::setsockopt(PendingCall& call) {
  const int fd = descriptor(call);
  const int level = static_cast<int>(number(call, 1));
  const int name = static_cast<int>(number(call, 2));
  const Expression& value = argument(call, 3);
  if (level == SOL_SOCKET && name == SO_LINGER) {
    if (value.kind != Kind::kLinger) Cursor::refuse(value.at, "expected {onoff=0 or 1, linger=seconds}");
    return outcome_of(stack_.set_linger(fd, {number(value.items[0]) != 0, static_cast<int>(number(value.items[1]))}));
  }
  if (level == IPPROTO_TCP && name == TCP_CONGESTION) {
    if (value.kind != Kind::kString) Cursor::refuse(value.at, "expected the name of a congestion control in quotes");
    return outcome_of(stack_.set_congestion(fd, value.text));
  }
  return outcome_of(stack_.set_option(fd, level, name, static_cast<int>(number(value))));
}

void Calls::check_value(const Expression& expected, std::int64_t actual, std::string_view what) {
  if (expected.kind == Kind::kEllipsis || number(expected) == actual) return;
  complaint_ = fmt::format("{} is {}, expected {}", what, actual, number(expected));
}

Calls::Outcome Calls::getsockopt(PendingCall& call) {
  const int fd = descriptor(call);
  const int level = static_cast<int>(number(call, 1));
  const int name = static_cast<int>(number(call, 2));
  const Expression& wanted = argument(call, 3);
  if (level == SOL_SOCKET && name == SO_LINGER) {
    const auto linger = stack_.get_linger(fd);
    if (!linger) return {-1, linger.error(), false};
    if (wanted.kind == Kind::kLinger) {
      check_value(wanted.items[0], linger->on ? 1 : 0, "onoff");
      check_value(wanted.items[1], linger->seconds, "linger");
    }
    return {};
  }
  if (level == IPPROTO_TCP && name == TCP_CONGESTION) {
    const auto control = stack_.get_congestion(fd);
    if (!control) return {-1, control.error(), false};
    if (wanted.kind == Kind::kString && wanted.text != *control) {
      complaint_ = fmt::format("the congestion control is {}, expected {}", *control, wanted.text);
    }
    return {};
  }
  const auto value = stack_.get_option(fd, level, name);
  if (!value) return {-1, value.error(), false};
  if (name == SO_ERROR && level == SOL_SOCKET && wanted.kind != Kind::kEllipsis && number(wanted) != *value) {
    complaint_ = fmt::format("SO_ERROR is {}, expected {}", *value == 0 ? "0" : errno_name(*value),
                             number(wanted) == 0 ? "0" : errno_name(static_cast<int>(number(wanted))));
    return {};
  }
  check_value(wanted, *value, "the option");
  return {};
}

Calls::Outcome Calls::fcntl(PendingCall& call) {
  const auto found = descriptors_.find(static_cast<int>(number(call, 0)));
  if (found == descriptors_.end()) return {-1, EBADF, false};
  const std::int64_t command = number(call, 1);
  if (command == F_GETFL) return {O_RDWR | (found->second.nonblocking ? O_NONBLOCK : 0), 0, false};
  if (command != F_SETFL || call.line->arguments.size() < 3) {
    Cursor::refuse(argument(call, 1).at, "fcntl() here takes F_GETFL, or F_SETFL and flags");
  }
  found->second.nonblocking = (number(call, 2) & O_NONBLOCK) != 0;
  return {};
}

Calls::Outcome Calls::ioctl(PendingCall& call) {
  const int fd = descriptor(call);
  const std::int64_t request = number(call, 1);
  const bool mark = request == symbol("SIOCATMARK");
  if (!mark && request != FIONREAD && request != symbol("SIOCOUTQ")) {
    Cursor::refuse(argument(call, 1).at, "ioctl() here takes FIONREAD, SIOCINQ, SIOCOUTQ or SIOCATMARK");
  }
  const auto value = mark ? stack_.urgent_ahead(fd) : request == FIONREAD ? stack_.unread(fd) : stack_.unsent(fd);
  if (!value) return {-1, value.error(), false};
  if (call.line->arguments.size() > 2) {
    check_value(argument(call, 2), mark ? (*value == 1 ? 1 : 0) : std::int64_t{*value}, "the value");
  }
  return {};
}

Calls::Outcome Calls::poll(PendingCall& call) {
  const Expression& list = argument(call, 0);
  const std::int64_t timeout_ms = number(call, 2);
  std::int64_t ready = 0;
  std::string wrong;
  for (const Expression& entry : list.items) {
    if (entry.kind != Kind::kPoll) Cursor::refuse(entry.at, "expected {fd=..., events=..., revents=...}");
    const auto found = descriptors_.find(static_cast<int>(number(entry.items[0])));
    const unsigned mask =
        static_cast<unsigned short>(stack_.poll(found == descriptors_.end() ? -1 : found->second.live));
    const auto events = static_cast<unsigned>(number(entry.items[1])) | POLLERR | POLLHUP | POLLNVAL;
    if ((mask & events) != 0) ++ready;
    if (const auto wanted = static_cast<unsigned>(number(entry.items[2])); (mask & events) != wanted) {
      wrong = fmt::format("revents of descriptor {} are {:#x}, expected {:#x}", number(entry.items[0]), mask & events,
                          wanted);
    }
  }
  const bool over = timeout_ms >= 0 && stack_.now() - call.started >= std::chrono::milliseconds{timeout_ms};
  if (ready == 0 && !over) return {0, 0, true};
  complaint_ = wrong;
  return {ready, 0, false};
}

}  // namespace pollux::stacktest
