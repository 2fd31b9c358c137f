#include "code.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pollux::stacktest {
namespace {

using testing::HasSubstr;

std::string run(std::string_view code) {
  Variables variables;
  const auto result = run_code(code, variables, [](std::string_view name) -> std::optional<std::int64_t> {
    if (name == "tcpi_snd_cwnd") return 10;
    if (name == "tcpi_unacked") return 3;
    if (name == "tcpi_options") return 5;
    return std::nullopt;
  });
  return result ? "" : result.error();
}

TEST(Code, HoldsOrTellsTheValues) {
  EXPECT_EQ(run("assert tcpi_snd_cwnd == 10"), "");
  EXPECT_EQ(run("assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd"), "");
  EXPECT_THAT(run("assert tcpi_snd_cwnd == 11"), HasSubstr("does not hold: tcpi_snd_cwnd is 10"));
  EXPECT_THAT(run("\nassert tcpi_unacked == 3\nassert tcpi_unacked > 3"), HasSubstr("line 3"));
}

TEST(Code, KnowsPythonsOperatorsAndTheirOrder) {
  EXPECT_EQ(run("assert tcpi_snd_cwnd == 10 and tcpi_unacked <= 3 or 0"), "");
  EXPECT_EQ(run("assert not tcpi_snd_cwnd == 9"), "");
  EXPECT_EQ(run("assert (tcpi_options & 1) != 0; assert (tcpi_options & 2) == 0"), "");
  EXPECT_EQ(run("assert 1 + 2 * 3 == 7 and 7 % 4 == 3 and 8 / 2 == 4 and 3 -1 == 2"), "");
  EXPECT_EQ(run("assert 1 < tcpi_unacked < 4"), "");
  EXPECT_NE(run("assert 1 < tcpi_unacked < 3"), "");
  EXPECT_EQ(run("# a comment: assert 0\nassert 1"), "");
}

TEST(Code, WhatIsAssignedStaysAndPrintPrintsNothing) {
  EXPECT_EQ(run("cwnd = 9; cwnd += 1; print(tcpi_snd_cwnd); assert tcpi_snd_cwnd == cwnd, tcpi_snd_cwnd"), "");
  EXPECT_EQ(run("a = tcpi_unacked\nb = a - 1\nb -= 1\nassert b == 1"), "");
  EXPECT_THAT(run("cwnd = 9\nassert tcpi_snd_cwnd == cwnd"), HasSubstr("tcpi_snd_cwnd is 10, cwnd is 9"));
}

TEST(Code, WhatItDoesNotKnowIsAnError) {
  EXPECT_THAT(run("assert tcpi_nonsense == 1"), HasSubstr("`tcpi_nonsense` is not known here"));
  EXPECT_THAT(run("import os"), HasSubstr("other Python is not supported"));
  EXPECT_THAT(run("assert abs(1) == 1"), HasSubstr("`abs` is not known here"));
  EXPECT_THAT(run("assert 1 / 0"), HasSubstr("division by zero"));
}

}  // namespace
}  // namespace pollux::stacktest
