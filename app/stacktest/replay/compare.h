#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "captured_session.h"

namespace pollux::stacktest {

enum class Strictness : std::uint8_t {
  kPackets,  // what an end sends is the same packet by packet; times, IP identifiers and timestamps' values apart
  kMeaning,  // the same, but of a window only whether it is closed: how large its buffers are is an end's own affair
  kLoose,    // text, options of the SYN, last acknowledgment and end are the same; how it is cut up may differ
};

// How what one end sends differs from what it was expected to send: the first difference, with the frame of `expected`
// and both lines, in numbers that begin at 0. Empty: not at all.
std::string compare(const CapturedSession& expected, const CapturedSession& actual, Role role, Strictness strictness);

}  // namespace pollux::stacktest
