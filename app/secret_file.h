#pragma once

#include <string>

#include "base/expected.h"
#include "base/siphash.h"

namespace pollux::app {

// $XDG_STATE_HOME/pollux/secret, or that below ~/.local/state. Empty: there is no home.
std::string default_secret_file();

// The 128 bits that a file keeps from run to run, for one user's eyes; made from the kernel's random bytes where there
// is none yet, with the directories on the way to it. Two that make it at the same time get the same. The error says
// what is wrong with the file, and the command that mends it.
Expected<HashKey, std::string> kept_secret(const std::string& path);

}  // namespace pollux::app
