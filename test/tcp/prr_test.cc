#include "tcp/prr.h"

#include <gtest/gtest.h>

// RFC 6937, 3.

namespace pollux::tcp {
namespace {

constexpr std::uint32_t kMss = 1000;

// A recovery in which each ACK delivers a segment and all that may be sent is.
struct Recovery {
  Prr prr;
  std::uint32_t pipe;
  std::uint32_t ssthresh;
  std::uint32_t sent = 0;

  void ack(std::uint32_t data, bool safe) {
    pipe -= std::min(pipe, data);
    const std::uint32_t cwnd = prr.window(data, safe, pipe, ssthresh, kMss);
    while (cwnd >= pipe + kMss) {
      pipe += kMss;
      prr.out += kMss;
      sent += kMss;
    }
  }
};

Recovery begin(std::uint32_t flight, std::uint32_t pipe, std::uint32_t ssthresh) {
  Recovery r{.prr = {}, .pipe = pipe, .ssthresh = ssthresh};
  r.prr.begin(flight);
  return r;
}

TEST(Prr, HalvesByLettingEverySecondSegmentGo) {  // "sndcnt = CEIL(prr_delivered * ssthresh / RecoverFS) - prr_out"
  Recovery r = begin(20 * kMss, 19 * kMss, 10 * kMss);
  for (std::uint32_t acks = 1; acks <= 15; ++acks) {
    r.ack(kMss, false);
    EXPECT_EQ(r.sent, acks / 2 * kMss) << acks;
  }
  for (int acks = 0; acks < 3; ++acks) r.ack(kMss, false);
  EXPECT_EQ(r.pipe, 10 * kMss);
}

TEST(Prr, ReducesByASmallerShareToo) {  // CUBIC's 0.7
  Recovery r = begin(20 * kMss, 19 * kMss, 14 * kMss);
  for (int acks = 0; acks < 15; ++acks) r.ack(kMss, false);
  EXPECT_EQ(r.sent, 10 * kMss);
}

TEST(Prr, ConservesPacketsWhenMuchWasLost) {  // PRR-CRB: never more than was delivered
  Recovery r = begin(20 * kMss, 4 * kMss, 10 * kMss);
  for (std::uint32_t acks = 1; acks <= 3; ++acks) {
    r.ack(kMss, false);
    EXPECT_EQ(r.sent, acks * kMss);
  }
}

TEST(Prr, GrowsBackAsInSlowStartWhereAcksAreSafe) {  // PRR-SSRB: one segment more for each ACK
  Recovery r = begin(20 * kMss, 4 * kMss, 10 * kMss);
  for (int acks = 0; acks < 3; ++acks) r.ack(kMss, true);
  EXPECT_EQ(r.sent, 6 * kMss);
  for (int acks = 0; acks < 10; ++acks) r.ack(kMss, true);
  EXPECT_EQ(r.pipe, 10 * kMss) << "and not beyond ssthresh";
}

TEST(Prr, NumbersDoNotOverflow) {
  Prr prr;
  prr.begin(1u << 30);
  prr.delivered = 1u << 30;
  EXPECT_LE(prr.window(1u << 30, false, 1u << 30, 1u << 29, kMss), 1u << 31);
  Prr none;
  none.begin(0);
  EXPECT_GE(none.window(kMss, false, 0, 2 * kMss, kMss), 0u);
}

}  // namespace
}  // namespace pollux::tcp
