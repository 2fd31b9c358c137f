#include "judge.h"

#include <gtest/gtest.h>

namespace pollux::app {
namespace {

runtime::EngineSnapshot two_sides() {
  runtime::EngineSnapshot engine;
  engine.cores.resize(3);
  engine.cores[0].group = "pair:0";
  engine.cores[0].tcp.bytes_sent = 5000;
  engine.cores[0].tcp.bytes_received = 70;
  for (const std::size_t client : {1u, 2u}) engine.cores[client].group = "pair:1";
  engine.cores[1].tcp.bytes_sent = 30;
  engine.cores[2].tcp.bytes_sent = 40;
  engine.cores[1].tcp.bytes_received = 4999;
  engine.cores[2].tcp.bytes_received = 1;
  return engine;
}
Verdict bytes_of(const runtime::EngineSnapshot& engine) {
  Verdict verdict;
  judge_bytes(verdict, engine, "pair:1", "pair:0");
  return verdict;
}

TEST(JudgeBytes, WhatAllCoresOfOneSideSentTheOtherHasReceived) {
  EXPECT_EQ(bytes_of(two_sides()).state, Verdict::State::kValid);
}

TEST(JudgeBytes, OneByteTooFewInEitherDirectionIsInvalid) {
  auto lost = two_sides();
  lost.cores[2].tcp.bytes_received = 0;
  ASSERT_EQ(bytes_of(lost).reasons.size(), 1u);
  EXPECT_EQ(bytes_of(lost).state, Verdict::State::kInvalid);
  EXPECT_EQ(bytes_of(lost).reasons[0], "bytes from server to client: 4999 by the client, 5000 by the server");
  lost = two_sides();
  lost.cores[0].tcp.bytes_received = 69;
  ASSERT_EQ(bytes_of(lost).reasons.size(), 1u);
  EXPECT_EQ(bytes_of(lost).reasons[0], "bytes from client to server: 70 by the client, 69 by the server");
}

}  // namespace
}  // namespace pollux::app
