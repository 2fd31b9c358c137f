#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>

#include "base/expected.h"
#include "time/instant.h"

namespace pollux {

// Writes Ethernet frames to a classic pcap file with nanosecond times, which
// tcpdump, tshark and Wireshark read. Used by one thread.
class PcapWriter {
 public:
  // `epoch` is what to add to an Instant to get the time since 1970; frames longer than
  // `snap` are cut in the file. "-" is standard output.
  static Expected<PcapWriter, std::string> create(const std::string& path, Duration epoch = Duration{0},
                                                  std::uint32_t snap = 65535);

  void write(Instant at, std::span<const std::byte> frame);
  // Whether all that was written is in the file: good().
  bool flush() { return good_ = std::fflush(file_.get()) == 0 && good_; }

  std::uint64_t frames() const { return frames_; }
  // False once a write has failed (disk full); the file ends there.
  bool good() const { return good_; }

 private:
  struct Close {
    void operator()(std::FILE* file) const;
  };
  PcapWriter(std::FILE* file, Duration epoch, std::uint32_t snap) : file_{file}, epoch_{epoch}, snap_{snap} {}

  std::unique_ptr<std::FILE, Close> file_;
  Duration epoch_;
  std::uint32_t snap_;
  std::uint64_t frames_ = 0;
  bool good_ = true;
};

}  // namespace pollux
