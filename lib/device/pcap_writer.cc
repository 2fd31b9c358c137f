#include "device/pcap_writer.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace pollux {
namespace {

constexpr std::uint32_t kNanosecondMagic = 0xa1b23c4d;
constexpr std::uint32_t kVersion = 2 | 4u << 16;  // 2.4: two 16-bit numbers
constexpr std::uint32_t kLinkTypeEthernet = 1;    // LINKTYPE_ETHERNET
constexpr std::size_t kBuffer = 256 * 1024;

}  // namespace

void PcapWriter::Close::operator()(std::FILE* file) const {
  if (file == stdout) {
    std::fflush(file);
  } else {
    std::fclose(file);
  }
}

Expected<PcapWriter, std::string> PcapWriter::create(const std::string& path, Duration epoch, std::uint32_t snap) {
  std::FILE* file = path == "-" ? stdout : std::fopen(path.c_str(), "wb");
  if (file == nullptr) return unexpected("cannot write the capture file " + path + ": " + std::strerror(errno));
  if (file != stdout) std::setvbuf(file, nullptr, _IOFBF, kBuffer);
  PcapWriter writer{file, epoch, snap};
  const std::array<std::uint32_t, 6> header{kNanosecondMagic, kVersion, 0, 0, snap, kLinkTypeEthernet};
  writer.good_ = std::fwrite(header.data(), sizeof header, 1, file) == 1;
  return writer;
}

void PcapWriter::write(Instant at, std::span<const std::byte> frame) {
  if (!good_) return;
  const std::int64_t ns = (at.time_since_epoch() + epoch_).count();
  const auto kept = std::min(static_cast<std::uint32_t>(frame.size()), snap_);
  const std::array<std::uint32_t, 4> header{static_cast<std::uint32_t>(ns / 1'000'000'000),
                                            static_cast<std::uint32_t>(ns % 1'000'000'000), kept,
                                            static_cast<std::uint32_t>(frame.size())};
  good_ = std::fwrite(header.data(), sizeof header, 1, file_.get()) == 1 &&
          (kept == 0 || std::fwrite(frame.data(), kept, 1, file_.get()) == 1);
  if (good_) ++frames_;
}

}  // namespace pollux
