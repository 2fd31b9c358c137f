#include "hdr_encoding.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "base64.h"

namespace pollux::app {
namespace {

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto* const begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

TEST(Base64, IsThatOfRfc4648) {
  // Section 10.
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : vectors) {
    EXPECT_EQ(encode_base64(bytes_of(plain)), coded);
    EXPECT_EQ(decode_base64(coded), bytes_of(plain)) << coded;
  }
  EXPECT_EQ(encode_base64(bytes_of("\xff\xef\xbe")), "/+++");
}

TEST(Base64, WhatIsNoneIsRefused) {
  for (const char* text : {"Z", "Zg=", "Zg", "Z===", "====", "Zm9v\n", "Zm9-", "Zg==Zg=="}) {
    EXPECT_FALSE(decode_base64(text)) << text;
  }
}

HdrHistogram filled(std::uint64_t seed, int n) {
  Random random{seed};
  HdrHistogram h;
  for (int i = 0; i < n; ++i) h.record(Duration{static_cast<std::int64_t>(random() >> (22 + random.below(42)))});
  return h;
}

TEST(HdrEncoding, WhatIsReadIsWhatWasWritten) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const HdrHistogram before = filled(seed, seed == 1 ? 0 : 1 << seed % 14);
    const auto after = decode_hdr(encode_hdr(before));
    ASSERT_TRUE(after) << after.error();
    EXPECT_TRUE(std::equal(before.counts().begin(), before.counts().end(), after->counts().begin()));
    EXPECT_EQ(after->count(), before.count());
    // What is not in the buckets is known to three digits.
    for (const double share : {0.01, 0.5, 0.999, 1.0}) {
      const double want = static_cast<double>(before.quantile(share).count());
      EXPECT_NEAR(static_cast<double>(after->quantile(share).count()), want, want / 1000);
    }
    EXPECT_NEAR(static_cast<double>(after->mean().count()), static_cast<double>(before.mean().count()),
                1 + static_cast<double>(before.mean().count()) / 1000);
  }
}

TEST(HdrEncoding, BothEndsOfTheRangeSurvive) {
  HdrHistogram h;
  h.record(0ns);
  h.record(24h);
  const auto after = decode_hdr(encode_hdr(h));
  ASSERT_TRUE(after) << after.error();
  EXPECT_EQ(after->counts().front(), 1u);
  EXPECT_EQ(after->counts().back(), 1u);
}

TEST(HdrEncoding, CountsTakeUpToNineBytes) {
  std::vector<std::uint64_t> counts;
  for (unsigned bits = 0; bits < 63; ++bits) counts.push_back((std::uint64_t{1} << bits) - 1);
  const auto after = decode_hdr(encode_hdr(HdrHistogram::of_counts(counts)));
  ASSERT_TRUE(after) << after.error();
  EXPECT_TRUE(std::equal(counts.begin(), counts.end(), after->counts().begin()));
}

TEST(HdrEncoding, WhatIsNoHistogramIsRefusedAndDoesNoHarm) {
  const std::string good = encode_hdr(filled(3, 1000));
  EXPECT_FALSE(decode_hdr(""));
  EXPECT_FALSE(decode_hdr("no base64"));
  EXPECT_FALSE(decode_hdr("AAAA"));
  EXPECT_FALSE(decode_hdr(good.substr(0, good.size() / 8 * 4)));
  // Each byte of it wrong in turn: refused, or by chance another histogram.
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = bad[i] == 'A' ? 'B' : 'A';
    if (const auto read = decode_hdr(bad)) {
      EXPECT_LE(read->counts().size(), HdrHistogram::kBuckets);
    }
  }
}

}  // namespace
}  // namespace pollux::app
