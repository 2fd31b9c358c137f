// One segment, one connection: what RFC 9293 and RFC 5961 say must follow (oracle.h), against what a shard does
// with real frames. 11 states, 64 flag sets, 7 places of SEG.SEQ, 5 of SEG.ACK, 3 sizes: 73,920 cells for each family.

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <string>
#include <tuple>
#include <vector>

#include "cells.h"
#include "deviations.h"
#include "oracle.h"
#include "station.h"
#include "verdict.h"

namespace pollux::matrix {
namespace {

constexpr std::array<Row, 11> kRows{{{State::kClosed},
                                     {State::kListen},
                                     {State::kSynSent, true},
                                     {State::kSynReceived},
                                     {State::kEstablished},
                                     {State::kFinWait1, true},
                                     {State::kFinWait2, true},
                                     {State::kCloseWait},
                                     {State::kClosing, true},
                                     {State::kLastAck},
                                     {State::kTimeWait}}};
static_assert(kRows.size() * kCellsOfState == 73'920);

// Beside them, where the way into a state matters (MUST-11), and without text in flight.
constexpr std::array<Row, 2> kMoreRows{{{State::kSynReceived, true}, {State::kEstablished, false, true}}};

// The numbers of a connection wrap, or change their sign, within the windows; all four with all cells in turn.
Numbers numbers_of(std::size_t index) {
  constexpr std::array<std::uint32_t, 4> kUna{0xffff'ffff - 49, 0xffff'ffff, 0, 0x7fff'ffff - 49};
  constexpr std::array<std::uint32_t, 4> kNxt{0xffff'ffff - 699, 0xffff'ffff, 0, 0x7fff'ffff - 699};
  const std::size_t mixed = index * 2654435761u >> 16;
  return {SeqNum{kUna[mixed % 4]}, SeqNum{kNxt[mixed / 4 % 4]}};
}

std::string place_of(const Row& row, std::size_t index, bool v6) {
  const Cell c = cell(index);
  return "cell " + std::to_string(index) + " of " + to_string(row) + (v6 ? " (IPv6)" : " (IPv4)") + ": SEG.SEQ at " +
         to_string(c.seq) + ", SEG.ACK at " + to_string(c.ack);
}

std::string report(const std::string& place, const Block& block, const Arrival& seg,
                   const std::vector<Outcome>& outcomes, const Observed& seen, const std::string& why) {
  std::string lines = place + "\n  before    " + to_string(block) + "\n  segment   " + to_string(seg);
  const char* begin = "\n  expected  ";
  for (const Outcome& outcome : outcomes) {
    lines += begin + to_string(outcome) + "\n            [" + std::string{outcome.source} + "]";
    begin = "\n        or  ";
  }
  return lines + "\n  got       " + to_string(seen) + "\n  differs   " + why;
}

// Text and FIN beyond a hole are held, and count once one segment fills it (SHLD-31).
std::string hole_differs(Station& station, const Block& block, const Outcome& held, const Observed& before) {
  const Observed after = station.meet(
      {.flags = {.ack = true}, .seq = block.rcv_nxt, .ack = before.snd_una.value_or(block.snd_nxt), .text = kMss});
  if (after.text.size() != kMss + held.held) return "the held text, once the hole is filled";
  if (after.end != (held.fin_held ? 1 : 0)) return "the held FIN, once the hole is filled";
  return after.complaint;
}

// POLLUX_MATRIX_STRIDE=n: each n-th cell alone, where a cell takes long (sanitizers). It shares no factor with a
// row's cells, so that every value of each dimension comes up.
std::size_t stride() {
  const char* wanted = std::getenv("POLLUX_MATRIX_STRIDE");
  const std::size_t n = wanted == nullptr ? 1 : std::strtoul(wanted, nullptr, 10);
  return n > 0 && std::gcd(n, kCellsOfState) == 1 ? n : 1;
}

// One row of the matrix, with `expect(block, seg)` saying what may follow; a cell of which it says nothing is left out.
// `cells`: how many were looked at.
template <class Expect>
void check_row(Station& station, const Row& row, bool v6, std::size_t& cells, Expect&& expect) {
  constexpr int kMostReports = 5;
  std::size_t failures = 0;
  for (std::size_t index = 0; index < kCellsOfState; index += stride()) {
    const Block block = station.bring(row, numbers_of(index));
    ASSERT_FALSE(failures == 0 && testing::Test::HasFailure()) << place_of(row, index, v6);
    const Arrival seg = arrival(cell(index), block);
    const std::vector<Outcome> outcomes = expect(block, seg);
    if (outcomes.empty()) continue;
    ++cells;
    const Observed seen = station.meet(seg);
    std::string why = difference(outcomes, seen);
    const Outcome& first = outcomes.front();
    if (why.empty() && (first.held > 0 || first.fin_held) && cell(index).seq == SeqPlace::kInWindow)
      why = hole_differs(station, block, first, seen);
    if (why.empty()) continue;
    if (++failures <= kMostReports) ADD_FAILURE() << report(place_of(row, index, v6), block, seg, outcomes, seen, why);
  }
  EXPECT_EQ(failures, 0u) << "of " << cells << " cells of " << to_string(row);
}

using MatrixOf = testing::TestWithParam<std::tuple<bool, Row>>;

TEST_P(MatrixOf, EveryCellIsAsTheRfcsSay) {
  const auto& [v6, row] = GetParam();
  Station station{v6};
  std::vector<std::size_t> used(deviations().size());
  std::size_t cells = 0;
  check_row(station, row, v6, cells,
            [&](const Block& block, const Arrival& seg) { return expected_of_pollux(block, seg, used); });
  EXPECT_EQ(cells, (kCellsOfState + stride() - 1) / stride());
}

std::string name_of(const testing::TestParamInfo<std::tuple<bool, Row>>& info) {
  return to_string(std::get<1>(info.param)) + (std::get<0>(info.param) ? "_V6" : "_V4");
}

INSTANTIATE_TEST_SUITE_P(Matrix, MatrixOf, testing::Combine(testing::Bool(), testing::ValuesIn(kRows)), name_of);
INSTANTIATE_TEST_SUITE_P(More, MatrixOf, testing::Combine(testing::Bool(), testing::ValuesIn(kMoreRows)), name_of);

// RFC 1337: unless it is asked for, no RST ends TIME-WAIT, wherever it lies.
TEST(Matrix, AResetDoesNotEndTimeWaitByDefault_V4) {
  Station station{false, false};
  std::size_t cells = 0;
  check_row(station, kRows.back(), false, cells, [](const Block& block, const Arrival& seg) {
    std::vector<Outcome> ignored;
    if (seg.flags.rst)
      ignored.push_back({.state = State::kTimeWait,
                         .snd_una = block.snd_una,
                         .rcv_nxt = block.rcv_nxt,
                         .source = "RFC 1337: RST is ignored in TIME-WAIT"});
    return ignored;
  });
  EXPECT_GT(cells, 0u);
}

TEST(Matrix, EveryDeviationIsUsed) {
  std::vector<std::size_t> used(deviations().size());
  for (const Row& row : kRows) {
    Block block{.state = row.state, .passive = !row.active, .listener = true, .snd_nxt = SeqNum{1}, .rcv_wnd = 65535};
    for (std::size_t index = 0; index < kCellsOfState; ++index)
      static_cast<void>(expected_of_pollux(block, arrival(cell(index), block), used));
  }
  for (std::size_t i = 0; i < used.size(); ++i) EXPECT_GT(used[i], 0u) << deviations()[i].what;
}

// The comparison itself: whatever is said wrongly of a cell that is right is noticed.
TEST(Matrix, AWrongAnswerIsSeen_V4) {
  Station station{false};
  const Block block = station.bring({State::kFinWait1, true}, numbers_of(0));
  const Arrival seg{.flags = {.fin = true, .ack = true}, .seq = block.rcv_nxt, .ack = block.snd_una, .text = 1};
  const std::vector<Outcome> right = expected(block, seg);
  const Observed seen = station.meet(seg);
  ASSERT_EQ(difference(right, seen), "");
  const auto but = [&](auto&& change) {
    Outcome wrong = right.front();
    change(wrong);
    return difference(wrong, seen);
  };
  EXPECT_EQ(but([](Outcome& o) { o.state = State::kTimeWait; }), "the state");
  EXPECT_EQ(but([](Outcome& o) { o.answer = {}; }), "it sends more");
  EXPECT_EQ(but([](Outcome& o) { o.answer.ack += 1; }), "it sends another segment");
  EXPECT_EQ(but([](Outcome& o) { *o.answer.seq += 1; }), "it sends another segment");
  EXPECT_EQ(but([](Outcome& o) { o.answer.wire = Wire::kRstAck; }), "it sends another segment");
  EXPECT_EQ(but([](Outcome& o) { o.also = o.answer; }), "it does not answer within 0.5 s");
  EXPECT_EQ(but([](Outcome& o) { o.told.end = Tell::kNo; }), "whether the application is told of the end");
  EXPECT_EQ(but([](Outcome& o) { o.told.text = 2; }), "the text that the application gets");
  EXPECT_EQ(but([](Outcome& o) { o.snd_una += 1; }), "SND.UNA");
  EXPECT_EQ(but([](Outcome& o) { o.rcv_nxt += 1; }), "RCV.NXT");
}

}  // namespace
}  // namespace pollux::matrix
