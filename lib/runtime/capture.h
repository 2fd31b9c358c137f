#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>

#include "base/expected.h"
#include "device/frame_log.h"
#include "device/pcap_writer.h"

namespace pollux::runtime {

// One capture file for all workers of a group. They take turns, so it is for looking, not for speed.
class Capture {
 public:
  // `epoch`: what to add to an Instant to get the time since 1970.
  static Expected<std::unique_ptr<Capture>, std::string> create(const std::string& path, Duration epoch) {
    auto writer = PcapWriter::create(path, epoch);
    if (!writer) return unexpected(writer.error());
    return std::unique_ptr<Capture>{new Capture{std::move(*writer)}};
  }

  void record(Instant at, std::span<const std::byte> frame) {
    const std::lock_guard lock{mutex_};
    writer_.write(at, frame);
  }
  // False: not all frames are in the file (the disk is full).
  bool flush() {
    const std::lock_guard lock{mutex_};
    return writer_.flush();
  }

 private:
  explicit Capture(PcapWriter writer) : writer_{std::move(writer)} {}

  std::mutex mutex_;
  PcapWriter writer_;
};

struct CaptureLog {
  Capture* capture;
  void record(Instant at, FrameWay, std::span<const std::byte> frame) { capture->record(at, frame); }
};
static_assert(FrameSink<CaptureLog>);

}  // namespace pollux::runtime
