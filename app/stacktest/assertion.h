#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/expected.h"

namespace pollux::stacktest {

// The value of a name such as tcpi_snd_cwnd; none: it is not known here.
using Lookup = std::function<std::optional<std::int64_t>(std::string_view)>;

// Runs what stands between %{ and }%. packetdrill hands it to Python; here it may be assertions, one to a line or
// parted by `;`, over whole numbers:
//
//   assert tcpi_snd_cwnd == 10 and tcpi_unacked <= 3, 'a message'
//   assert (tcpi_options & TCPI_OPT_TIMESTAMPS) != 0
//
// with or, and, not, == != < <= > >=, | & + - * / % and parentheses. The error says which assertion failed, with the
// values of its names, or what in it is not of this kind.
Expected<void, std::string> run_assertions(std::string_view code, const Lookup& lookup);

}  // namespace pollux::stacktest
