#pragma once

#include <cstdint>
#include <string>

#include "options.h"

namespace pollux::app {

// Fills in what was not given to a server whose own port is `listen`, so that the result shows it. Without addresses
// and without a port it is the tap that curl on the same machine reaches; a tap that was not asked for gives the
// kernel's side an address on each of the networks that were.
void fill_in_defaults(Options& options, std::uint16_t listen);

// The same in two steps, for whoever listens to nothing.
void fill_in_addresses(Options& options);
void fill_in_port(Options& options);

// Whether programs of this machine can reach the server: a tap, or an interface of the kernel's.
bool has_a_kernel_behind_it(const Options& options);

// The line that tells what to type for the kernel's side of a tap that has no address yet; empty for any other port.
std::string kernel_side_hint(const Options& options);

}  // namespace pollux::app
