#include "device/pcap_reader.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/endian.h"

namespace pollux {
namespace {

using Bytes = std::vector<std::byte>;

void put32(Bytes& bytes, std::uint32_t value, bool swapped = false) {
  for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<std::byte>(value >> (swapped ? 24 - 8 * i : 8 * i)));
}

// An IPv4 packet as far as a reader of captures looks: version and total length.
Bytes ipv4(std::uint16_t size) {
  Bytes packet(size);
  packet[0] = std::byte{0x45};
  store_be(packet.data() + 2, size);
  return packet;
}

// `link` bytes before the packet, as they stand.
Bytes behind(std::initializer_list<int> link, const Bytes& packet) {
  Bytes frame;
  for (const int b : link) frame.push_back(static_cast<std::byte>(b));
  frame.insert(frame.end(), packet.begin(), packet.end());
  return frame;
}

struct File {
  std::uint32_t magic = 0xa1b2c3d4;
  std::uint32_t link = 101;
  bool swapped = false;
  Bytes bytes{};

  explicit File(std::uint32_t link_type, std::uint32_t magic_number = 0xa1b2c3d4, bool other_order = false)
      : magic{magic_number}, link{link_type}, swapped{other_order} {
    for (const std::uint32_t word : {magic, 0u, 0u, 0u, 65535u, link}) put32(bytes, word, swapped);
  }
  void add(std::uint32_t seconds, std::uint32_t part, const Bytes& frame, std::uint32_t missing = 0) {
    const auto size = static_cast<std::uint32_t>(frame.size());
    for (const std::uint32_t word : {seconds, part, size, size + missing}) put32(bytes, word, swapped);
    bytes.insert(bytes.end(), frame.begin(), frame.end());
  }
};

std::string error_of(const Bytes& file) {
  const auto frames = read_pcap(file);
  return frames ? "" : frames.error();
}

TEST(PcapReader, TimesAreInMicrosecondsOrNanoseconds) {
  File micro{101};
  micro.add(2, 7, ipv4(20));
  File nano{101, 0xa1b23c4d};
  nano.add(2, 7, ipv4(20));
  EXPECT_EQ(read_pcap(micro.bytes)->front().at, 2s + 7us);
  EXPECT_EQ(read_pcap(nano.bytes)->front().at, 2s + 7ns);
}

TEST(PcapReader, ItWasWrittenOnAnyMachine) {
  File file{101, 0xa1b2c3d4, true};
  file.add(3, 4, ipv4(24));
  const auto frames = read_pcap(file.bytes);
  ASSERT_TRUE(frames) << frames.error();
  EXPECT_EQ(frames->front().at, 3s + 4us);
  EXPECT_EQ(frames->front().bytes, ipv4(24));
}

TEST(PcapReader, ThePacketBeginsWhereTheLinkSays) {
  const Bytes packet = ipv4(30);
  const std::pair<std::uint32_t, Bytes> cases[] = {
      {1, behind({1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6, 8, 0}, packet)},
      {1, behind({1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6, 0x81, 0, 0, 9, 8, 0}, packet)},
      {1, behind({1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6, 0x88, 0xa8, 0, 9, 0x81, 0, 0, 9, 8, 0}, packet)},
      {12, packet},
      {113, behind({0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 8, 0}, packet)},
      {276, behind({8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0}, packet)},
  };
  for (const auto& [link, frame] : cases) {
    File file{link};
    file.add(0, 0, frame);
    const auto frames = read_pcap(file.bytes);
    ASSERT_TRUE(frames && frames->size() == 1) << link;
    EXPECT_EQ(frames->front().bytes, packet) << link;
  }
}

TEST(PcapReader, PaddingIsNoPartOfThePacketAndOtherFramesKeepTheirNumbers) {
  File file{1};
  file.add(0, 0, behind({1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6, 8, 6}, Bytes(46)));  // ARP
  Bytes padded = ipv4(40);
  padded.resize(46);
  file.add(0, 0, behind({1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6, 8, 0}, padded), 5);
  const auto frames = read_pcap(file.bytes);
  ASSERT_EQ(frames->size(), 1u);
  EXPECT_EQ(frames->front().number, 2u);
  EXPECT_EQ(frames->front().bytes, ipv4(40));
  EXPECT_FALSE(frames->front().whole);
}

TEST(PcapReader, WhatCannotBeReadIsTold) {
  EXPECT_NE(error_of({}).find("too short"), std::string::npos);
  EXPECT_NE(error_of(File{101, 0x0a0d0d0a}.bytes).find("editcap"), std::string::npos);
  EXPECT_NE(error_of(File{101, 0x12345678}.bytes).find("not a pcap file"), std::string::npos);
  EXPECT_NE(error_of(File{147}.bytes).find("link type 147"), std::string::npos);
  File file{101};
  file.add(0, 0, ipv4(20));
  Bytes cut = file.bytes;
  cut.pop_back();
  EXPECT_NE(error_of(cut).find("ends in frame 1"), std::string::npos);
  file.bytes.resize(file.bytes.size() + 3);
  EXPECT_NE(error_of(file.bytes).find("header of frame 2"), std::string::npos);
  EXPECT_NE(read_pcap_file("/no/such/file").error().find("cannot read"), std::string::npos);
}

}  // namespace
}  // namespace pollux
