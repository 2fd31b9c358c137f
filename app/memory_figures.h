#pragma once

#include <cstdint>
#include <istream>
#include <optional>
#include <string_view>

namespace pollux::app {

// What the kernel says of memory. Read from /proc; nullopt where it may not be read.

// What this process has in memory, in bytes.
std::uint64_t resident_bytes();

// Bytes of one object of that slab cache, as /proc/slabinfo has them (root alone may read it).
std::optional<std::uint64_t> slab_object_bytes(std::string_view cache);
// ... in a text like it.
std::optional<std::uint64_t> slab_object_bytes(std::istream& slabinfo, std::string_view cache);

// What programs can still take (MemAvailable of /proc/meminfo).
std::optional<std::uint64_t> available_bytes();

// Bytes of all slabs together (Slab of /proc/meminfo).
std::optional<std::uint64_t> slab_bytes();

}  // namespace pollux::app
