#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ast.h"
#include "base/expected.h"
#include "settings.h"

namespace pollux::stacktest {

// What became of a script that was run in one family.
struct Outcome {
  bool passed = false;
  std::string why;  // for people; two packet lines where packets differ
  Position at;
};

// A packet as it was on the wire, for a capture.
struct LoggedPacket {
  Instant at;
  bool received = false;  // by the stack
  std::vector<std::byte> bytes;
};

struct Run {
  Outcome outcome;
  std::vector<LoggedPacket> packets;
};

// Runs a script against a stack of its own, in virtual time. `text` is the script that `script` was read from: its
// lines are quoted in messages. The stack is reached through api::Stack and in no other way.
Run run_script(const Script& script, std::string_view text, const Settings& settings);

// The instant that a script calls 0.
inline constexpr Instant kScriptStart{1'000'000s};

}  // namespace pollux::stacktest
