#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "dpdk/eal.h"

namespace pollux::dpdk {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr std::size_t kPlenty = 4096;

EalOptions options() {
  EalOptions result;
  result.cpus = {0, 3};
  result.memory_mb = 300;
  return result;
}

TEST(EalArguments, WithEnoughHugePagesTheyAreUsed) {
  const auto arguments = eal_arguments(options(), kPlenty);
  ASSERT_TRUE(arguments.has_value());
  EXPECT_TRUE(arguments->huge_pages);
  EXPECT_THAT(arguments->words,
              ElementsAre("pollux", "--lcores=0@0,1@3", "--main-lcore=0", "--in-memory", "--no-telemetry", "--no-pci"));
}

// --no-huge and --in-memory together are refused by EAL.
TEST(EalArguments, WithTooFewHugePagesOrdinaryOnesAreCountedOut) {
  const auto arguments = eal_arguments(options(), 299);
  ASSERT_TRUE(arguments.has_value());
  EXPECT_FALSE(arguments->huge_pages);
  EXPECT_THAT(arguments->words, ElementsAre("pollux", "--lcores=0@0,1@3", "--main-lcore=0", "--no-huge", "-m", "300",
                                            "--no-shconf", "--no-telemetry", "--no-pci"));
}

TEST(EalArguments, OffMeansOff) {
  EalOptions off = options();
  off.huge_pages = HugePages::kOff;
  EXPECT_THAT(eal_arguments(off, kPlenty)->words, Contains("--no-huge"));
}

TEST(EalArguments, RequiredButMissingHugePagesAreAnErrorThatMendsItself) {
  EalOptions require = options();
  require.huge_pages = HugePages::kRequire;
  EXPECT_TRUE(eal_arguments(require, 300).has_value());
  const auto arguments = eal_arguments(require, 10);
  ASSERT_FALSE(arguments.has_value());
  EXPECT_THAT(arguments.error(), HasSubstr("needs 300 MB, 10 MB are free"));
  EXPECT_THAT(arguments.error(), HasSubstr("sysctl vm.nr_hugepages=150"));
}

TEST(EalArguments, APciPortOpensTheBusForItAlone) {
  EalOptions pci = options();
  pci.pci = {"0000:81:00.0"};
  const auto words = eal_arguments(pci, kPlenty)->words;
  EXPECT_THAT(words, Not(Contains("--no-pci")));
  EXPECT_THAT(words, Contains("-a"));
  EXPECT_THAT(words, Contains("0000:81:00.0"));
}

TEST(EalArguments, TheUsersWordsComeLastAndDecideOnMemory) {
  EalOptions own = options();
  own.extra = {"--huge-dir", "/mnt/huge"};
  const auto words = eal_arguments(own, 0)->words;
  EXPECT_THAT(words, Not(Contains("--no-huge")));
  EXPECT_THAT(words, Not(Contains("--in-memory")));
  EXPECT_EQ(words.back(), "/mnt/huge");
}

TEST(EalArguments, AFilePrefixSharesAndTelemetryIsAskedFor) {
  EalOptions shared = options();
  shared.file_prefix = "plx";
  shared.telemetry = true;
  const auto words = eal_arguments(shared, kPlenty)->words;
  EXPECT_THAT(words, Contains("--file-prefix=plx"));
  EXPECT_THAT(words, Not(Contains("--in-memory")));
  EXPECT_THAT(words, Not(Contains("--no-telemetry")));
}

TEST(FreeHugeMb, CountsPagesOfBothSizes) {
  const std::filesystem::path folder =
      std::filesystem::path{testing::TempDir()} / ("pollux-huge-" + std::to_string(getpid()));
  const auto set = [&](const char* size, const char* free) {
    std::filesystem::create_directories(folder / size);
    std::ofstream{folder / size / "free_hugepages"} << free << "\n";
  };
  EXPECT_EQ(free_huge_mb(folder), 0u);
  set("hugepages-2048kB", "3");
  EXPECT_EQ(free_huge_mb(folder), 6u);
  set("hugepages-1048576kB", "2");
  EXPECT_EQ(free_huge_mb(folder), 2054u);
  set("hugepages-2048kB", "0");
  EXPECT_EQ(free_huge_mb(folder), 2048u);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace pollux::dpdk
