#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/expected.h"

namespace pollux::stacktest {

// The value of a name such as tcpi_snd_cwnd; none: it is not known here.
using Lookup = std::function<std::optional<std::int64_t>(std::string_view)>;

// What a script's code has assigned so far: packetdrill runs all of it as one program.
using Variables = std::map<std::string, std::int64_t, std::less<>>;

// Runs what stands between %{ and }%. packetdrill hands it to Python; here it may be these statements, one to a line or
// parted by `;`, over whole numbers:
//
//   assert tcpi_snd_cwnd == 10 and tcpi_unacked <= 3, 'a message'
//   assert (tcpi_options & TCPI_OPT_TIMESTAMPS) != 0
//   cwnd = tcpi_snd_cwnd
//   cwnd += 1
//   print(cwnd)                                                                      which prints nothing
//
// with or, and, not, == != < <= > >=, | & + - * / % and parentheses. The error says which assertion failed, with the
// values of its names, or what in it is not of this kind.
Expected<void, std::string> run_code(std::string_view code, Variables& variables, const Lookup& lookup);

}  // namespace pollux::stacktest
