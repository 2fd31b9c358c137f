#pragma once

#include <string>

#include "ast.h"
#include "flow.h"
#include "packet.h"
#include "settings.h"

namespace pollux::stacktest {

// How a packet, in the script's numbers, differs from the line that expects it; empty: it does not.
std::string compare(const PacketLine& line, const Packet& actual, const Settings& settings);

// Whether its text is what was written at that place of the stream.
std::string text_difference(const Packet& actual, const Flow& flow);

}  // namespace pollux::stacktest
