#include "device/pcap_reader.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>

#include "base/endian.h"

namespace pollux {
namespace {

constexpr std::size_t kFileHeader = 24;
constexpr std::size_t kFrameHeader = 16;
constexpr std::uint32_t kMostBytes = 256 * 1024;  // of a frame: what tcpdump takes at most
constexpr std::uint32_t kMicroseconds = 0xa1b2c3d4;
constexpr std::uint32_t kNanoseconds = 0xa1b23c4d;
constexpr std::uint32_t kPcapng = 0x0a0d0d0a;

enum LinkType : std::uint32_t { kEthernet = 1, kRawIp = 12, kRaw = 101, kCooked = 113, kCooked2 = 276 };

// Numbers in the order of bytes that the file was written in.
struct Reader {
  bool swapped = false;
  std::uint32_t u32(const std::byte* at) const {
    std::uint32_t v;
    std::memcpy(&v, at, sizeof v);
    return swapped ? __builtin_bswap32(v) : v;
  }
};

bool is_ip(std::uint16_t type) { return type == 0x0800 || type == 0x86dd; }
bool is_tag(std::uint16_t type) { return type == 0x8100 || type == 0x88a8; }

// Where the IP packet begins; nullopt: there is none.
std::optional<std::size_t> ip_offset(std::uint32_t link, std::span<const std::byte> frame) {
  const auto type_at = [&](std::size_t at) {
    return frame.size() >= at + 2 ? load_be<std::uint16_t>(frame.data() + at) : std::uint16_t{0};
  };
  switch (link) {
    case kEthernet: {
      std::size_t at = 12;
      while (is_tag(type_at(at))) at += 4;
      if (!is_ip(type_at(at))) return std::nullopt;
      return at + 2;
    }
    case kCooked:
      return is_ip(type_at(14)) ? std::optional<std::size_t>{16} : std::nullopt;
    case kCooked2:
      return is_ip(type_at(0)) ? std::optional<std::size_t>{20} : std::nullopt;
    default:
      return 0;
  }
}

bool is_known(std::uint32_t link) {
  return link == kEthernet || link == kRawIp || link == kRaw || link == kCooked || link == kCooked2;
}

// The packet without what Ethernet pads it with.
std::span<const std::byte> ip_packet(std::span<const std::byte> bytes) {
  if (bytes.size() < 20) return {};
  const unsigned version = std::to_integer<unsigned>(bytes[0]) >> 4;
  std::size_t size = 0;
  if (version == 4) size = load_be<std::uint16_t>(bytes.data() + 2);
  if (version == 6) size = load_be<std::uint16_t>(bytes.data() + 4) + 40u;
  return bytes.first(std::min(size, bytes.size()));
}

}  // namespace

Expected<std::vector<CapturedFrame>, std::string> read_pcap(std::span<const std::byte> file) {
  const auto wrong = [](std::string what) { return unexpected(std::move(what)); };
  if (file.size() < kFileHeader) return wrong("too short for a pcap file");
  Reader reader;
  std::uint32_t magic = reader.u32(file.data());
  if (magic == kPcapng) return wrong("a pcapng file; editcap -F nsecpcap IN OUT makes a pcap file of it");
  if (magic != kMicroseconds && magic != kNanoseconds) {
    reader.swapped = true;
    magic = reader.u32(file.data());
  }
  if (magic != kMicroseconds && magic != kNanoseconds) return wrong("not a pcap file");
  const std::uint32_t link = reader.u32(file.data() + 20) & 0x0fffffff;
  if (!is_known(link)) return wrong("frames of link type " + std::to_string(link) + ", which are not understood");
  std::vector<CapturedFrame> frames;
  std::size_t at = kFileHeader;
  for (std::uint64_t number = 1; at < file.size(); ++number) {
    const std::string here = "frame " + std::to_string(number);
    if (file.size() - at < kFrameHeader) return wrong("it ends in the header of " + here);
    const std::byte* header = file.data() + at;
    const std::uint32_t kept = reader.u32(header + 8);
    const std::uint32_t size = reader.u32(header + 12);
    at += kFrameHeader;
    if (kept > kMostBytes || kept > file.size() - at) return wrong("it ends in " + here);
    const auto frame = file.subspan(at, kept);
    at += kept;
    const auto offset = ip_offset(link, frame);
    if (!offset || *offset > frame.size()) continue;
    const auto packet = ip_packet(frame.subspan(*offset));
    if (packet.empty()) continue;
    const std::int64_t part = std::int64_t{reader.u32(header + 4)} * (magic == kNanoseconds ? 1 : 1000);
    frames.push_back({number,
                      Duration{std::int64_t{reader.u32(header)} * 1'000'000'000 + part},
                      kept >= size,
                      {packet.begin(), packet.end()}});
  }
  return frames;
}

Expected<std::vector<CapturedFrame>, std::string> read_pcap_file(const std::string& path) {
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  const std::unique_ptr<std::FILE, Close> file{std::fopen(path.c_str(), "rb")};
  if (!file) return unexpected("cannot read " + path + ": " + std::strerror(errno));
  std::vector<std::byte> bytes;
  std::byte buffer[65536];
  for (std::size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, file.get())) > 0;)
    bytes.insert(bytes.end(), buffer, buffer + n);
  if (std::ferror(file.get()) != 0) return unexpected("cannot read " + path + ": " + std::strerror(errno));
  auto frames = read_pcap(bytes);
  if (!frames) return unexpected(path + ": " + frames.error());
  return frames;
}

}  // namespace pollux
