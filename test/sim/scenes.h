#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "network.h"

// What the tests of single scenes have in common.

namespace pollux::sim {

// A world that complains at the end of its test about whatever went wrong in it.
class Scene : public Network {
 public:
  explicit Scene(NetworkConfig config = {}) : Network{captured(std::move(config))} { keep_frames(100'000); }
  ~Scene() {
    for (const std::string& failure : failures()) ADD_FAILURE() << failure;
  }

  // The frames kept that match, in the order they were sent.
  std::vector<Kept> sent(const FrameMatch& match) const {
    std::vector<Kept> out;
    std::copy_if(frames().begin(), frames().end(), std::back_inserter(out),
                 [&](const Kept& kept) { return match.matches(kept.from, kept.frame); });
    return out;
  }
  std::size_t count(const FrameMatch& match) const { return sent(match).size(); }

  // A segment to `receiver`, forged from the last one that its peer sent: without text.
  void forge(const Endpoint& receiver, std::uint8_t flags, std::uint32_t seq, std::uint32_t ack) {
    const std::vector<Kept> of_peer = sent(any_segment().from(1 - receiver.host()));
    ASSERT_FALSE(of_peer.empty());
    WireView view;
    std::string complaint;
    look(of_peer.back().frame, view, complaint);
    std::vector<std::byte> frame = headers_only(of_peer.back().frame, view);
    set_seq(frame, view, seq);
    set_ack(frame, view, ack);
    set_flags(frame, view, flags);
    mend_checksums(frame);
    inject(receiver.host(), frame);
  }

  // Everything is over, and nothing is left.
  void expect_all_gone() {
    sleep(std::chrono::minutes{10});
    check_nothing_left();
  }

 private:
  // With POLLUX_SIM_CAPTURE=DIR each test leaves its last scene's frames as DIR/Suite.Test.pcap.
  static NetworkConfig captured(NetworkConfig config) {
    const char* const directory = std::getenv("POLLUX_SIM_CAPTURE");
    if (directory == nullptr) return config;
    const testing::TestInfo& test = *testing::UnitTest::GetInstance()->current_test_info();
    config.capture = std::string{directory} + "/" + test.test_suite_name() + "." + test.name() + ".pcap";
    return config;
  }
};

inline WireView view_of(const Network::Kept& kept) {
  WireView view;
  std::string complaint;
  EXPECT_EQ(look(kept.frame, view, complaint), Sight::kTcp) << complaint;
  return view;
}

inline constexpr std::uint8_t kFlagFin = 0x01;
inline constexpr std::uint8_t kFlagSyn = 0x02;
inline constexpr std::uint8_t kFlagRst = 0x04;
inline constexpr std::uint8_t kFlagAck = 0x10;
inline constexpr std::uint8_t kFlagUrg = 0x20;

inline NetworkConfig with_one_way(Duration one_way) {
  NetworkConfig config;
  config.one_way = one_way;
  return config;
}

}  // namespace pollux::sim
