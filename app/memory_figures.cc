#include "memory_figures.h"

#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

namespace pollux::app {
namespace {

std::optional<std::uint64_t> of_meminfo(std::string_view wanted) {
  std::ifstream file{"/proc/meminfo"};
  std::string what;
  std::uint64_t kib = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words{line};
    if (words >> what >> kib && what == wanted) return kib * 1024;
  }
  return std::nullopt;
}

}  // namespace

std::uint64_t resident_bytes() {
  std::ifstream file{"/proc/self/statm"};
  std::uint64_t all = 0;
  std::uint64_t resident = 0;
  file >> all >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

std::optional<std::uint64_t> slab_object_bytes(std::istream& slabinfo, std::string_view cache) {
  for (std::string line; std::getline(slabinfo, line);) {
    std::istringstream words{line};
    std::string name;
    std::uint64_t active = 0;
    std::uint64_t all = 0;
    std::uint64_t size = 0;
    if (words >> name >> active >> all >> size && name == cache) return size;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> slab_object_bytes(std::string_view cache) {
  std::ifstream file{"/proc/slabinfo"};
  return slab_object_bytes(file, cache);
}

std::optional<std::uint64_t> slab_bytes() { return of_meminfo("Slab:"); }
std::optional<std::uint64_t> available_bytes() { return of_meminfo("MemAvailable:"); }

}  // namespace pollux::app
