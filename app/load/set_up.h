#pragma once

#include <string>
#include <vector>

#include "base/expected.h"
#include "load/load_config.h"
#include "options.h"

namespace pollux::app {

// What was not given to `pollux load` is filled in, so that the result shows it; an error where the choices do not go
// together. Nothing of it touches the machine.
Expected<Options, std::string> resolved_for_load(Options options);

// The server's options of a run --with-server.
Options options_of_server(const Options& load);

// Our addresses that connections come from.
std::vector<IpAddress> source_addresses(const Options& options);

Schedule schedule_of(const Options& options, unsigned worker = 0);
LoadConfig config_of(const Options& options, unsigned worker);

// The option that gives so many tuples: "--source 198.18.0.0/24+4".
std::string source_hint(const Options& options, double tuples);

}  // namespace pollux::app
