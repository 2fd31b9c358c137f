#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "api/stack.h"
#include "ast.h"
#include "base/expected.h"
#include "settings.h"

namespace pollux::stacktest {

// What a script's system calls did to its connections: the runner keeps them.
class CallObserver {
 public:
  virtual void listens(std::uint16_t port) = 0;
  virtual void connects(int fd, const api::Endpoint& to) = 0;
  virtual void accepted(int fd) = 0;
  // Bytes that a read gave; the error says that they are not those that were sent.
  virtual Expected<void, std::string> has_read(int fd, std::span<const std::byte> text) = 0;
  // The next bytes to write: `given` or, where that is empty, `size` bytes of the stream.
  virtual std::vector<std::byte> to_write(int fd, std::string_view given, std::size_t size) = 0;
  virtual void has_written(int fd, std::size_t size) = 0;

 protected:
  ~CallObserver() = default;
};

// A call that is under way: it may have to be made again until it is done.
struct PendingCall {
  const CallLine* line = nullptr;
  std::int64_t done = 0;  // bytes written so far
  bool begun = false;     // connect: the SYN is on its way
  Instant started{};
};

// Runs the system calls of a script on a stack. Descriptors of the script are what the script says they are.
class Calls {
 public:
  Calls(api::Stack& stack, const Settings& settings, CallObserver& observer)
      : stack_{stack}, settings_{settings}, observer_{observer} {}

  // Makes the call, or makes it again. False: it blocks; make it again when something has happened. The error says how
  // its outcome is not what the script expects. Throws ScriptError where the line cannot be run.
  Expected<bool, std::string> attempt(PendingCall& call);

  // The descriptor that TCP_INFO is asked of: the last that was connected or accepted; nullopt: none.
  std::optional<int> current() const { return current_; }

 private:
  struct Outcome {
    std::int64_t value = 0;
    api::Errno error = 0;
    bool blocks = false;
  };
  using Handler = Outcome (Calls::*)(PendingCall&);
  struct Row {
    std::string_view name;
    std::size_t least_arguments;
    Handler handler;
  };
  static const Row kRows[];

  Outcome socket(PendingCall& call);
  Outcome bind(PendingCall& call);
  Outcome listen(PendingCall& call);
  Outcome accept(PendingCall& call);
  Outcome connect(PendingCall& call);
  Outcome read(PendingCall& call);
  Outcome write(PendingCall& call);
  std::optional<Outcome> connect_first(PendingCall& call, std::span<const std::byte> text, std::size_t all,
                                       bool blocks);
  Outcome shutdown(PendingCall& call);
  Outcome close(PendingCall& call);
  Outcome setsockopt(PendingCall& call);
  Outcome getsockopt(PendingCall& call);
  Outcome fcntl(PendingCall& call);
  Outcome ioctl(PendingCall& call);
  Outcome poll(PendingCall& call);

  const Expression& argument(const PendingCall& call, std::size_t i) const { return call.line->arguments[i]; }
  std::int64_t number(const Expression& expression) const;
  std::int64_t number(const PendingCall& call, std::size_t i) const { return number(argument(call, i)); }
  int descriptor(const PendingCall& call) const;
  bool blocking(const PendingCall& call, std::int64_t message_flags) const;
  int new_descriptor(const PendingCall& call, int live, bool nonblocking);
  api::Endpoint endpoint(const Expression& expression, const IpAddress& usual, std::uint16_t port) const;
  Outcome outcome_of(const api::Result<void>& result) const;
  std::size_t byte_count(const PendingCall& call) const;
  void check_value(const Expression& expected, std::int64_t actual, std::string_view what);
  Expected<bool, std::string> judge(const PendingCall& call, const Outcome& outcome) const;

  struct Descriptor {
    int live = -1;
    bool nonblocking = false;
  };
  api::Stack& stack_;
  const Settings& settings_;
  CallObserver& observer_;
  std::map<int, Descriptor> descriptors_;
  std::optional<int> current_;
  std::string complaint_;  // of what a call wrote somewhere
};

}  // namespace pollux::stacktest
