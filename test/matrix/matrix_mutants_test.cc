// Does the matrix bite? The seeded bugs that one segment can show, each in a process of its own. Prints which row saw
// it; what takes time or more than one segment is the simulator's (sim/mutants_test.cc).

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "../sim/mutant_run.h"
#include "../sim/mutants.h"

namespace pollux::matrix {
namespace {

constexpr int kSeenByOneSegment[] = {2, 4, 5, 6, 7, 20, 21, 22, 25, 28, 32, 39, 51, 52, 53, 55, 63, 73};

class MatrixMutants : public testing::TestWithParam<int> {};

// Each so many cells one.
sim::Ran run_matrix(int mutant, const char* stride) {
  return sim::run_mutated(std::getenv("MATRIX_TEST"), mutant, sim::tests_matching("*_V4"),
                          {{"POLLUX_MATRIX_STRIDE", stride}});
}

TEST_P(MatrixMutants, AreSeen) {
  const sim::Mutant& mutant = sim::kMutants.at(static_cast<std::size_t>(GetParam()) - 1);
  ASSERT_EQ(mutant.number, GetParam());
  sim::Ran run = run_matrix(mutant.number, "31");  // which most are seen by
  if (run.passed) run = run_matrix(mutant.number, "1");
  EXPECT_FALSE(run.passed) << "mutant " << mutant.number << " lives: " << mutant.what;
  if (!run.passed)
    std::printf("mutant %d (%s): killed by %s\n", mutant.number, mutant.what, sim::failed_in(run.output).c_str());
}

std::string number_of(const testing::TestParamInfo<int>& mutant) { return std::to_string(mutant.param); }
INSTANTIATE_TEST_SUITE_P(All, MatrixMutants, testing::ValuesIn(kSeenByOneSegment), number_of);

TEST(Unmutated, PassesTheSameCells) {
  const sim::Ran run = run_matrix(0, "1");
  EXPECT_TRUE(run.passed) << run.output;
  EXPECT_NE(run.output.find("TIMEWAIT_V4"), std::string::npos) << "MATRIX_TEST names the matrix";
}

}  // namespace
}  // namespace pollux::matrix
