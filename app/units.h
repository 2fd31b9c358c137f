#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/expected.h"
#include "time/instant.h"

namespace pollux::app {

// Numbers with units, as people write them on the command line and in files. The
// error says what is wrong with the text and what would be right.

// "250us", "1.5s", "2m", "1h", "0". Units: ns us ms s m h.
Expected<Duration, std::string> parse_duration(std::string_view text);
// Bytes: "512", "1k" (1000), "1Ki" (1024), M, Mi, G, Gi; a B may follow.
Expected<std::uint64_t, std::string> parse_size(std::string_view text);
// Events per second: "200k/s", "1M", "1.5G/s".
Expected<double, std::string> parse_rate(std::string_view text);
// A count: "64", "10k", "1M".
Expected<std::uint64_t, std::string> parse_count(std::string_view text);
// 0..1: "0.01", "1%".
Expected<double, std::string> parse_chance(std::string_view text);
// A share, of 1 or more too: "3%", "150%".
Expected<double, std::string> parse_percent(std::string_view text);
// "on off true false yes no 1 0".
Expected<bool, std::string> parse_switch(std::string_view text);

inline double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

// The shortest text that parse_duration reads back: "1500ms", "60s".
std::string exact_duration(Duration d);

// For people, three significant digits: "24.1us", "1.90ms", "10.0s".
std::string show_duration(Duration d);
// "1.21 MB", "40 B".
std::string show_bytes(double bytes);
// "1.02M", "999", "4.48k".
std::string show_count(double n);
// "1,204,332".
std::string with_commas(std::uint64_t n);

}  // namespace pollux::app
