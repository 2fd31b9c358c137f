#include "units.h"

#include <gtest/gtest.h>

#include <array>

#include "suggest.h"

namespace pollux::app {
namespace {

TEST(Units, DurationsTakeUsMsSMH) {
  EXPECT_EQ(parse_duration("250us"), Duration{250us});
  EXPECT_EQ(parse_duration("5ms"), Duration{5ms});
  EXPECT_EQ(parse_duration("1.5s"), Duration{1500ms});
  EXPECT_EQ(parse_duration("2m"), Duration{120s});
  EXPECT_EQ(parse_duration("1h"), Duration{3600s});
  EXPECT_EQ(parse_duration("0"), Duration{0});
  EXPECT_EQ(parse_duration("0.1us"), Duration{100ns});
}

TEST(Units, ADurationWithoutAUnitOrWithAnotherIsAnError) {
  for (const char* text : {"", "5", "5x", "s", "-1s", "1e3s", "1..2s", "5 s", "inf", "nan", "5S"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
  EXPECT_NE(parse_duration("5").error().find("unit"), std::string::npos);
  EXPECT_NE(parse_duration("5x").error().find("`x`"), std::string::npos);
}

TEST(Units, SizesTakeDecimalAndBinaryUnits) {
  EXPECT_EQ(parse_size("512"), 512u);
  EXPECT_EQ(parse_size("1k"), 1000u);
  EXPECT_EQ(parse_size("1Ki"), 1024u);
  EXPECT_EQ(parse_size("1M"), 1000000u);
  EXPECT_EQ(parse_size("1Mi"), 1048576u);
  EXPECT_EQ(parse_size("2G"), 2000000000u);
  EXPECT_EQ(parse_size("1Gi"), 1073741824u);
  EXPECT_EQ(parse_size("1.1k"), 1100u);
  EXPECT_EQ(parse_size("64KiB"), 65536u);
  EXPECT_EQ(parse_size("5B"), 5u);
  EXPECT_EQ(parse_size("0"), 0u);
}

TEST(Units, ASizeThatIsNoWholeNumberOfBytesIsAnError) {
  for (const char* text : {"", "k", "1.5", "0.0001k", "1kk", "1K", "-1", "99999999999G", "B"}) {
    EXPECT_FALSE(parse_size(text)) << text;
  }
}

TEST(Units, RatesTakeKMGAndPerSecond) {
  EXPECT_EQ(parse_rate("200k/s"), 200e3);
  EXPECT_EQ(parse_rate("1M"), 1e6);
  EXPECT_EQ(parse_rate("1.5G/s"), 1.5e9);
  EXPECT_EQ(parse_rate("10"), 10.0);
  EXPECT_FALSE(parse_rate("10/m"));
  EXPECT_FALSE(parse_rate("/s"));
}

TEST(Units, ChancesAreFromZeroToOneOrPercent) {
  EXPECT_DOUBLE_EQ(*parse_chance("0.01"), 0.01);
  EXPECT_DOUBLE_EQ(*parse_chance("1%"), 0.01);
  EXPECT_EQ(parse_chance("1"), 1.0);
  EXPECT_FALSE(parse_chance("1.5"));
  EXPECT_FALSE(parse_chance("101%"));
  EXPECT_FALSE(parse_chance("half"));
}

TEST(Units, AnExactDurationReadsBackAsItWas) {
  for (const Duration d :
       {Duration{0}, Duration{1}, Duration{1500us}, Duration{60s}, Duration{1h}, Duration{123456789}}) {
    EXPECT_EQ(parse_duration(exact_duration(d)), d) << exact_duration(d);
  }
}

TEST(Units, NumbersForPeopleHaveThreeDigits) {
  EXPECT_EQ(show_duration(24100ns), "24.1us");
  EXPECT_EQ(show_duration(1900us), "1.90ms");
  EXPECT_EQ(show_duration(10s), "10.0s");
  EXPECT_EQ(show_duration(312us), "312us");
  EXPECT_EQ(show_duration(0ns), "0ns");
  EXPECT_EQ(show_duration(999999ns), "1.00ms");
  EXPECT_EQ(show_count(1021000), "1.02M");
  EXPECT_EQ(show_count(999), "999");
  EXPECT_EQ(show_bytes(1210000), "1.21 MB");
  EXPECT_EQ(show_bytes(40), "40 B");
  EXPECT_EQ(with_commas(1204332), "1,204,332");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1000), "1,000");
}

TEST(Suggest, TheDistanceCountsASwapAsOne) {
  EXPECT_EQ(edit_distance("port", "port"), 0u);
  EXPECT_EQ(edit_distance("prot", "port"), 1u);
  EXPECT_EQ(edit_distance("por", "port"), 1u);
  EXPECT_EQ(edit_distance("ports", "port"), 1u);
  EXPECT_EQ(edit_distance("pert", "port"), 1u);
  EXPECT_EQ(edit_distance("", "port"), 4u);
}

TEST(Suggest, TheNearestWordIsOfferedAndNothingThatIsFarAway) {
  constexpr std::array<std::string_view, 4> kWords{"port", "pipeline", "cores", "checksum"};
  EXPECT_EQ(nearest("prot", kWords), "port");
  EXPECT_EQ(nearest("chekcsum", kWords), "checksum");
  EXPECT_EQ(nearest("pipe", kWords), "pipeline");
  EXPECT_EQ(nearest("xyzzy", kWords), "");
  EXPECT_EQ(did_you_mean("core", kWords, "--"), "; did you mean `--cores`?");
  EXPECT_EQ(did_you_mean("xyzzy", kWords), "");
}

}  // namespace
}  // namespace pollux::app
