#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/expected.h"
#include "time/instant.h"

namespace pollux {

// A frame of a capture file.
struct CapturedFrame {
  std::uint64_t number = 0;  // from 1 on, as tshark counts
  Duration at{0};            // since 1970
  bool whole = true;         // false: the file has only its beginning
  std::vector<std::byte> bytes;
};

// The IP packets of a classic pcap file, whatever link they were caught on: Ethernet with or without VLAN tags, Linux's
// cooked captures, or none. Frames that carry no IP are left out. The error says what is wrong with the file.
Expected<std::vector<CapturedFrame>, std::string> read_pcap(std::span<const std::byte> file);
// `path`: a file.
Expected<std::vector<CapturedFrame>, std::string> read_pcap_file(const std::string& path);

}  // namespace pollux
