#pragma once

#include "network.h"

namespace pollux::sim {

// Sees nothing but knows addresses and ports, and guesses numbers near the right ones. May
// not name RCV.NXT itself in a reset: that one in 2^32 is allowed to hit.
void strange_segment(Network& net, Random& random);

// A frame that was underway for long: within MSL of when it was sent (RFC 9293, 3.4.1).
void replay(Network& net, Duration msl, Random& random);

}  // namespace pollux::sim
