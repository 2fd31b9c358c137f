#include "device/pcap_writer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

namespace pollux {
namespace {

// A file name of this test's own; the file goes with it.
class ScratchFile {
 public:
  ScratchFile() {
    const int fd = mkstemp(path_.data());
    if (fd >= 0) close(fd);
  }
  ~ScratchFile() { std::remove(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_ = testing::TempDir() + "pollux-pcap-XXXXXX";
};

// An ARP request as a whole frame.
constexpr std::array<unsigned char, 42> kArp{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0,   1,  8, 6,
                                             0,    1,    8,    0,    6,    4,    0, 1, 2, 0, 0,   0,  0, 1,
                                             198,  18,   0,    1,    0,    0,    0, 0, 0, 0, 198, 18, 0, 2};

std::string output_of(const std::string& command) {
  std::string text;
  std::FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return text;
  std::array<char, 256> line;
  while (std::fgets(line.data(), line.size(), pipe) != nullptr) text += line.data();
  pclose(pipe);
  return text;
}

TEST(PcapWriter, WritesTheFormatByteForByte) {
  const ScratchFile file;
  {
    auto writer = PcapWriter::create(file.path(), 1s, 4);
    ASSERT_TRUE(writer.has_value());
    writer->write(Instant{2s + 7ns}, std::as_bytes(std::span{kArp}));
    EXPECT_EQ(writer->frames(), 1u);
  }
  std::ifstream in{file.path(), std::ios::binary};
  const std::string bytes{std::istreambuf_iterator<char>{in}, {}};
  const auto word = [&](std::size_t at) {
    std::uint32_t value = 0;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
  };
  ASSERT_EQ(bytes.size(), 24u + 16u + 4u);
  EXPECT_EQ(word(0), 0xa1b23c4du);
  EXPECT_EQ(word(4), 0x00040002u);
  EXPECT_EQ(word(20), 1u);  // Ethernet
  EXPECT_EQ(word(24), 3u);  // seconds, the epoch added
  EXPECT_EQ(word(28), 7u);  // nanoseconds
  EXPECT_EQ(word(32), 4u);  // kept
  EXPECT_EQ(word(36), 42u);
}

TEST(PcapWriter, TcpdumpReadsIt) {
  if (output_of("command -v tcpdump").empty()) GTEST_SKIP() << "tcpdump is not installed";
  const ScratchFile file;
  {
    auto writer = PcapWriter::create(file.path());
    ASSERT_TRUE(writer.has_value());
    writer->write(Instant{1s + 123456789ns}, std::as_bytes(std::span{kArp}));
  }
  const std::string text = output_of("tcpdump --nano -tt -n -r " + file.path() + " 2>/dev/null");
  EXPECT_EQ(text, "1.123456789 ARP, Request who-has 198.18.0.2 tell 198.18.0.1, length 28\n");
}

TEST(PcapWriter, SaysWhyItCannotWrite) {
  const auto writer = PcapWriter::create("/nowhere/at/all.pcap");
  ASSERT_FALSE(writer.has_value());
  EXPECT_EQ(writer.error(), "cannot write the capture file /nowhere/at/all.pcap: No such file or directory");
}

TEST(PcapWriter, AFullDiskEndsTheCapture) {
  auto writer = PcapWriter::create("/dev/full");
  ASSERT_TRUE(writer.has_value());
  std::array<std::byte, 1500> frame{};
  for (int i = 0; i < 1000; ++i) writer->write(Instant{}, frame);
  EXPECT_FALSE(writer->good());
}

TEST(PcapWriter, AFullDiskShowsAtTheLatestWhenItIsFlushed) {
  auto writer = PcapWriter::create("/dev/full");
  ASSERT_TRUE(writer);
  writer->write(Instant{1s}, std::as_bytes(std::span{kArp}));
  EXPECT_FALSE(writer->flush());
  EXPECT_FALSE(writer->good());
}

}  // namespace
}  // namespace pollux
