#include "dpdk/queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "../device/frames.h"
#include "dpdk/port.h"
#include "dpdk/ring.h"
#include "eal_fixture.h"

namespace pollux::dpdk {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Two ends of a crossed pair of rings, with leak accounting at the end.
class QueueDeviceTest : public testing::Test {
 protected:
  void open(const PortConfig& config) {
    ports_ = open_ports("ring-pair", config);
    ASSERT_EQ(ports_.size(), 2u);
    left_ = std::make_unique<QueueDevice>(*ports_[0], std::uint16_t{0});
    right_ = std::make_unique<QueueDevice>(*ports_[1], std::uint16_t{0});
  }
  void SetUp() override { open({.rx_descriptors = 64, .tx_descriptors = 64, .mbufs = 2048, .large_mbufs = 8}); }
  void TearDown() override {
    left_.reset();
    right_.reset();
    for (const auto& port : ports_) EXPECT_EQ(port->outstanding(), 0u);
  }

  // Puts an mbuf of several segments onto the wire to `right_`, past the devices.
  void wire_chain(const std::vector<std::string>& segments) {
    rte_mbuf* head = nullptr;
    for (const std::string& text : segments) {
      rte_mbuf* mbuf = rte_pktmbuf_alloc(ports_[0]->pool(0));
      ASSERT_NE(mbuf, nullptr);
      std::memcpy(rte_pktmbuf_append(mbuf, static_cast<std::uint16_t>(text.size())), text.data(), text.size());
      if (head == nullptr) {
        head = mbuf;
      } else {
        ASSERT_EQ(rte_pktmbuf_chain(head, mbuf), 0);
      }
    }
    ASSERT_EQ(rte_eth_tx_burst(ports_[0]->id(), 0, &head, 1), 1);
  }

  std::vector<std::unique_ptr<Port>> ports_;
  std::unique_ptr<QueueDevice> left_;
  std::unique_ptr<QueueDevice> right_;
};

TEST_F(QueueDeviceTest, PacketsGoBothWaysInOrder) {
  send_text(*left_, "one");
  send_text(*left_, "two");
  EXPECT_THAT(receive_texts(*right_), IsEmpty());
  left_->flush();
  EXPECT_THAT(receive_texts(*right_), ElementsAre("one", "two"));
  send_text(*right_, "back");
  right_->flush();
  EXPECT_THAT(receive_texts(*left_), ElementsAre("back"));
  EXPECT_EQ(left_->counters().tx_packets, 2u);
  EXPECT_EQ(left_->counters().tx_bytes, 6u);
  EXPECT_EQ(left_->counters().rx_packets, 1u);
  EXPECT_EQ(left_->counters().rx_bytes, 4u);
}

TEST_F(QueueDeviceTest, WhatTheRingRefusesStaysInOrder) {
  std::vector<std::string> sent;
  for (int i = 0; i < 100; ++i) {
    sent.push_back(std::to_string(i));
    send_text(*left_, sent.back());
  }
  left_->flush();
  EXPECT_EQ(left_->pending(), 36u);  // the ring holds 64
  EXPECT_EQ(left_->counters().tx_full, 1u);
  EXPECT_EQ(left_->tx_room(), QueueDevice::kPending - 36);
  sent.push_back("a late one");
  send_text(*left_, sent.back());
  std::vector<std::string> got = receive_texts(*right_);
  left_->flush();
  for (std::string& text : receive_texts(*right_)) got.push_back(std::move(text));
  EXPECT_EQ(got, sent);
  EXPECT_EQ(left_->counters().tx_packets, 101u);
}

TEST_F(QueueDeviceTest, BeyondTheRoomFramesAreDroppedAndCounted) {
  while (left_->tx_room() != 0) ASSERT_TRUE(send_text(*left_, "x"));
  send_text(*left_, "one too many");
  EXPECT_EQ(left_->counters().tx_dropped, 1u);
}

TEST_F(QueueDeviceTest, APacketOfSeveralSegmentsIsPutTogether) {
  wire_chain({"to", "get", "her"});
  EXPECT_THAT(receive_texts(*right_), ElementsAre("together"));
  EXPECT_EQ(right_->counters().linearised, 1u);
}

TEST_F(QueueDeviceTest, OneTooLongForItsFirstBufferMovesToALargeOne) {
  const std::string part(2000, 'x');
  wire_chain({part, part, part});
  EXPECT_THAT(receive_texts(*right_), ElementsAre(part + part + part));
  EXPECT_EQ(right_->counters().linearised, 1u);
}

// The bytes of a clone are others' too: nothing may be written behind them.
TEST_F(QueueDeviceTest, ASharedPacketIsCopied) {
  rte_mbuf* original = rte_pktmbuf_alloc(ports_[0]->pool(0));
  rte_mbuf* second = rte_pktmbuf_alloc(ports_[0]->pool(0));
  std::memcpy(rte_pktmbuf_append(original, 4), "abXY", 4);
  std::memcpy(rte_pktmbuf_append(second, 2), "cd", 2);
  ASSERT_EQ(rte_pktmbuf_chain(original, second), 0);
  rte_mbuf* clone = rte_pktmbuf_clone(original, ports_[0]->pool(0));
  clone->data_len -= 2;
  clone->pkt_len -= 2;
  ASSERT_EQ(rte_eth_tx_burst(ports_[0]->id(), 0, &clone, 1), 1);
  EXPECT_THAT(receive_texts(*right_), ElementsAre("abcd"));
  EXPECT_EQ(std::memcmp(rte_pktmbuf_mtod(original, char*), "abXY", 4), 0);
  rte_pktmbuf_free(original);
}

TEST_F(QueueDeviceTest, WithoutLargeBuffersItIsDroppedAndCounted) {
  left_.reset();
  right_.reset();
  ports_.clear();
  open({.rx_descriptors = 64, .tx_descriptors = 64, .mbufs = 2048, .large_mbufs = 0});
  const std::string part(2000, 'x');
  wire_chain({part, part});
  send_text(*left_, "next");
  left_->flush();
  EXPECT_THAT(receive_texts(*right_), ElementsAre("next"));
  EXPECT_EQ(right_->counters().rx_unjoined, 1u);
}

TEST_F(QueueDeviceTest, ARetainedPacketOutlivesRecycle) {
  send_text(*left_, "kept");
  send_text(*left_, "gone");
  left_->flush();
  std::array<Packet, 8> packets;
  ASSERT_EQ(right_->receive(packets), 2u);
  EXPECT_GE(packets[0].true_size(), 2048u);
  Packet kept = std::move(packets[0]);
  right_->recycle(std::span{packets}.first(2));
  EXPECT_EQ(ports_[0]->outstanding() - left_->spares(), 1u);
  EXPECT_EQ(text_of(kept), "kept");
  kept.reset();
  EXPECT_EQ(ports_[0]->outstanding() - left_->spares(), 0u);
}

TEST_F(QueueDeviceTest, AllMemoryCanBeLentAndComesBack) {
  std::vector<TxFrame> frames;
  while (const TxFrame frame = left_->allocate(100)) frames.push_back(frame);
  EXPECT_GE(frames.size(), 2048u);
  EXPECT_EQ(left_->counters().no_mbuf, 1u);
  for (const TxFrame& frame : frames) left_->discard(frame);
  EXPECT_TRUE(send_text(*left_, "again"));
}

TEST_F(QueueDeviceTest, AFrameHasRoomForTheMtuAndNoMoreThanMaxFrame) {
  const TxFrame frame = left_->allocate(1514);
  ASSERT_TRUE(frame);
  EXPECT_GE(frame.capacity, 1514u);
  left_->discard(frame);
  EXPECT_FALSE(left_->allocate(left_->features().max_frame + 1));
}

TEST(SetOffload, SaysItInDpdksWords) {
  rte_mbuf mbuf{};
  set_offload(mbuf, {});
  EXPECT_EQ(mbuf.ol_flags, 0u);
  set_offload(mbuf, {.ip_checksum = true, .tcp_checksum = true, .l2_size = 14, .l3_size = 20, .l4_size = 32});
  EXPECT_EQ(mbuf.ol_flags, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_TCP_CKSUM);
  EXPECT_EQ(mbuf.l2_len, 14u);
  EXPECT_EQ(mbuf.l3_len, 20u);
  rte_mbuf tso{};
  set_offload(tso,
              {.tcp_checksum = true, .segment_size = 1440, .l2_size = 14, .l3_size = 40, .l4_size = 20, .ipv6 = true});
  EXPECT_EQ(tso.ol_flags, RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_TCP_SEG);
  EXPECT_EQ(tso.l4_len, 20u);
  EXPECT_EQ(tso.tso_segsz, 1440u);
}

TEST(ReadChecksums, FollowsTheDriverOrThePolicy) {
  const auto words = [](std::uint64_t flags, RxChecksum policy) {
    rte_mbuf mbuf{};
    mbuf.ol_flags = flags;
    Packet packet;
    read_checksums(mbuf, policy, packet);
    return std::pair{packet.ip_checksum, packet.tcp_checksum};
  };
  using enum ChecksumWord;
  const std::uint64_t good_bad = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_BAD;
  EXPECT_EQ(words(good_bad, RxChecksum::kHardware), std::pair(kGood, kBad));
  EXPECT_EQ(words(0, RxChecksum::kHardware), std::pair(kUnknown, kUnknown));
  EXPECT_EQ(words(RTE_MBUF_F_RX_IP_CKSUM_BAD | RTE_MBUF_F_RX_L4_CKSUM_NONE, RxChecksum::kHardware),
            std::pair(kBad, kGood));
  EXPECT_EQ(words(good_bad, RxChecksum::kSoftware), std::pair(kUnknown, kUnknown));
  EXPECT_EQ(words(good_bad, RxChecksum::kTrust), std::pair(kGood, kGood));
}

TEST(MemifPair, ConnectsInOneProcessAndCarriesPackets) {
  const auto ports = open_ports("memif-pair", {.mbufs = 2048, .large_mbufs = 4});
  ASSERT_EQ(ports.size(), 2u);
  {
    QueueDevice left{*ports[0], 0};
    QueueDevice right{*ports[1], 0};
    ASSERT_TRUE(ports[0]->wait_for_link(5s));
    ASSERT_TRUE(ports[1]->wait_for_link(5s));
    send_text(left, "over shared memory");
    // A memif takes frames once the receiver has polled for the first time.
    EXPECT_THAT(receive_texts(right), IsEmpty());
    left.flush();
    EXPECT_THAT(receive_texts(right), ElementsAre("over shared memory"));
  }
}

}  // namespace
}  // namespace pollux::dpdk
