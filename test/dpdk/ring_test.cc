#include "dpdk/ring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../device/frames.h"
#include "dpdk/port.h"
#include "eal_fixture.h"

namespace pollux::dpdk {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

unsigned owner_by_first_letter(std::span<const std::byte> frame) { return frame[0] == std::byte{'a'} ? 0 : 1; }

// A client on one end of a ring pair; on the other a port core with two stack cores behind it.
class PipelineTest : public testing::Test {
 protected:
  void SetUp() override {
    ports_ = open_ports("ring-pair", {.rx_descriptors = 128, .tx_descriptors = 128, .mbufs = 2048, .large_mbufs = 4});
    ASSERT_EQ(ports_.size(), 2u);
    client_ = std::make_unique<QueueDevice>(*ports_[0], std::uint16_t{0});
    std::vector<Lane> lanes;
    for (int i = 0; i < 2; ++i) {
      to_stack_.push_back(new_ring("to" + std::to_string(i)));
      from_stack_.push_back(new_ring("from" + std::to_string(i)));
      lanes.push_back({to_stack_.back().get(), from_stack_.back().get()});
      stacks_.push_back(std::make_unique<RingDevice>(to_stack_.back().get(), from_stack_.back().get(),
                                                     ports_[1]->pool(0), ports_[1]->large_pool(0),
                                                     ports_[1]->features()));
    }
    port_core_ = std::make_unique<PortCore>(QueueWire{ports_[1]->id(), 0, 0}, std::move(lanes));
  }
  void TearDown() override {
    port_core_.reset();
    stacks_.clear();
    client_.reset();
    to_stack_.clear();
    from_stack_.clear();
    for (const auto& port : ports_) EXPECT_EQ(port->outstanding(), 0u);
  }

  static RingHandle new_ring(const std::string& name) {
    auto ring = make_ring(name, 32, Producers::kOne, 0);
    EXPECT_TRUE(ring.has_value()) << ring.error();
    return std::move(*ring);
  }

  std::vector<std::unique_ptr<Port>> ports_;
  std::unique_ptr<QueueDevice> client_;
  std::vector<RingHandle> to_stack_;
  std::vector<RingHandle> from_stack_;
  std::vector<std::unique_ptr<RingDevice>> stacks_;
  std::unique_ptr<PortCore> port_core_;
};

TEST_F(PipelineTest, EachStackCoreGetsItsOwnPackets) {
  for (const char* text : {"a1", "b1", "a2"}) send_text(*client_, text);
  client_->flush();
  EXPECT_EQ(port_core_->turn(owner_by_first_letter), 3u);
  EXPECT_THAT(receive_texts(*stacks_[0]), ElementsAre("a1", "a2"));
  EXPECT_THAT(receive_texts(*stacks_[1]), ElementsAre("b1"));
  EXPECT_EQ(port_core_->lanes()[0].received, 2u);
  EXPECT_EQ(port_core_->turn(owner_by_first_letter), 0u);
}

TEST_F(PipelineTest, WhatStackCoresSendLeavesThePort) {
  send_text(*stacks_[0], "from a");
  send_text(*stacks_[1], "from b");
  stacks_[0]->flush();
  stacks_[1]->flush();
  EXPECT_EQ(port_core_->turn(owner_by_first_letter), 2u);
  EXPECT_THAT(receive_texts(*client_), testing::UnorderedElementsAre("from a", "from b"));
  EXPECT_EQ(port_core_->tx_packets(), 2u);
}

TEST_F(PipelineTest, AFullRingOfAStackCoreDropsAndCounts) {
  for (int i = 0; i < 40; ++i) send_text(*client_, "a" + std::to_string(i));
  client_->flush();
  port_core_->turn(owner_by_first_letter);
  EXPECT_EQ(port_core_->lanes()[0].received, 32u);
  EXPECT_EQ(port_core_->lanes()[0].rx_dropped, 8u);
  EXPECT_EQ(receive_texts(*stacks_[0]).size(), 32u);
}

TEST_F(PipelineTest, AFullPortHoldsStackCoresBackAndKeepsTheOrder) {
  std::vector<std::string> sent;
  std::vector<std::string> got;
  while (sent.size() < 400) {  // the wire holds 128, the core 256, the ring 32
    const std::string text = std::to_string(sent.size());
    if (stacks_[0]->tx_room() == 0) break;
    sent.push_back(text);
    send_text(*stacks_[0], text);
    stacks_[0]->flush();
    port_core_->turn(owner_by_first_letter);
  }
  EXPECT_GT(port_core_->tx_full(), 0u);
  for (int i = 0; i < 50; ++i) {
    for (std::string& text : receive_texts(*client_)) got.push_back(std::move(text));
    stacks_[0]->flush();
    port_core_->turn(owner_by_first_letter);
  }
  EXPECT_EQ(got, sent);
}

TEST_F(PipelineTest, ASteeringDeviceHandsOthersTheirPackets) {
  using Steering = SteeringDevice<unsigned (*)(std::span<const std::byte>)>;
  static_assert(Device<Steering>);
  const auto make = [&](unsigned self) {
    return Steering{
        SteeringWire<unsigned (*)(std::span<const std::byte>)>{.queue = {ports_[1]->id(), 0, 0},
                                                               .owner_of = owner_by_first_letter,
                                                               .self = self,
                                                               .inboxes = {to_stack_[0].get(), to_stack_[1].get()}},
        ports_[1]->pool(0), ports_[1]->large_pool(0), ports_[1]->features()};
  };
  Steering first = make(0);
  Steering second = make(1);
  for (const char* text : {"a1", "b1", "a2", "b2"}) send_text(*client_, text);
  client_->flush();
  EXPECT_THAT(receive_texts(first), ElementsAre("a1", "a2"));
  EXPECT_EQ(first.wire().resteered, 2u);
  EXPECT_THAT(receive_texts(second), ElementsAre("b1", "b2"));
  EXPECT_EQ(first.wire().lost, 0u);
}

unsigned every_core_for_star(std::span<const std::byte> frame) {
  return frame[0] == std::byte{'*'} ? kEveryCore : owner_by_first_letter(frame);
}

TEST_F(PipelineTest, AFrameForEveryCoreReachesEachAsACopyOfItsOwn) {
  for (const char* text : {"a1", "*all", "b1"}) send_text(*client_, text);
  client_->flush();
  port_core_->turn(every_core_for_star);
  std::array<Packet, 4> first;
  std::array<Packet, 4> second;
  ASSERT_EQ(stacks_[0]->receive(first), 2u);
  ASSERT_EQ(stacks_[1]->receive(second), 2u);
  EXPECT_EQ(text_of(first[1]), "*all");
  EXPECT_EQ(text_of(second[0]), "*all");
  EXPECT_NE(first[1].bytes().data(), second[0].bytes().data());
}

TEST_F(PipelineTest, ASteeringDeviceKeepsAndCopiesAFrameForEveryCore) {
  using Steering = SteeringDevice<unsigned (*)(std::span<const std::byte>)>;
  const auto make = [&](unsigned self) {
    return Steering{
        SteeringWire<unsigned (*)(std::span<const std::byte>)>{.queue = {ports_[1]->id(), 0, 0},
                                                               .owner_of = every_core_for_star,
                                                               .self = self,
                                                               .inboxes = {to_stack_[0].get(), to_stack_[1].get()}},
        ports_[1]->pool(0), ports_[1]->large_pool(0), ports_[1]->features()};
  };
  Steering first = make(0);
  Steering second = make(1);
  for (const char* text : {"*all", "b1"}) send_text(*client_, text);
  client_->flush();
  EXPECT_THAT(receive_texts(first), ElementsAre("*all"));
  EXPECT_THAT(receive_texts(second), ElementsAre("*all", "b1"));
  EXPECT_EQ(first.wire().resteered, 1u) << "copies are not counted";
}

TEST_F(PipelineTest, PacketsCrossAPacketRing) {
  auto ring = PacketRing::make("packets", 4, Producers::kMany, 0);
  ASSERT_TRUE(ring.has_value()) << ring.error();
  QueueDevice device{*ports_[1], 0};
  for (int i = 0; i < 6; ++i) send_text(*client_, std::to_string(i));
  client_->flush();
  std::array<Packet, 8> packets;
  ASSERT_EQ(device.receive(packets), 6u);
  EXPECT_EQ(ring->push(std::span{packets}.first(6)), 4u);  // the other two are dropped
  for (const Packet& packet : packets) EXPECT_FALSE(packet);
  std::array<Packet, 8> out;
  ASSERT_EQ(ring->pop(out, RxChecksum::kSoftware), 4u);
  EXPECT_EQ(text_of(out[0]), "0");
  EXPECT_EQ(text_of(out[3]), "3");
}

TEST_F(PipelineTest, ARingThatDiesFreesWhatIsInIt) {
  {
    const RingHandle ring = new_ring("dying");
    rte_mbuf* mbuf = rte_pktmbuf_alloc(ports_[0]->pool(0));
    EXPECT_EQ(push_or_free(ring.get(), &mbuf, 1), 1u);
    EXPECT_EQ(ports_[0]->outstanding(), 1u);
  }
  EXPECT_EQ(ports_[0]->outstanding(), 0u);
}

}  // namespace
}  // namespace pollux::dpdk
