// SYN cookies (RFC 4987, 3.6): what they hold, for how long, and what becomes of forged ones.

#include "tcp/syn_cookie.h"

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <vector>

#include "base/random.h"

namespace pollux::tcp {
namespace {

const Secrets kSecrets{HashKey{1, 2}, HashKey{3, 4}};
const Config kConfig{};
constexpr std::array<std::uint16_t, 8> kTable = {48, 256, 536, 1220, 1360, 1440, 1460, 8940};

FlowKey key(std::uint16_t remote_port = 40112) {
  return {IpAddress::v4(0xc6120002), IpAddress::v4(0xc6120001), 80, remote_port};
}
FlowKey key6() { return {IpAddress::parse("2001:2::2").value(), IpAddress::parse("2001:2::1").value(), 80, 40112}; }

Instant at(Duration t) { return Instant{t}; }
constexpr Duration kBegin = 64s * 1000;  // a period

Segment syn(const TcpOptions& options = {}) {
  Segment s;
  s.seq = SeqNum{0xffffffff};
  s.wnd = 5000;
  s.flags.syn = true;
  s.options = options;
  return s;
}

TcpOptions offering(std::optional<std::uint16_t> mss, std::optional<std::uint8_t> shift = {}, bool sack = false,
                    std::optional<std::uint32_t> tsval = {}) {
  TcpOptions options;
  options.mss = mss;
  options.wind_shift = shift;
  options.sack_permitted = sack;
  if (tsval) options.ts = Timestamps{*tsval, 0};
  return options;
}

// The third segment of a handshake whose second was answered with a cookie at `when`.
struct Handshake {
  FlowKey flow;
  Segment kept;
  Segment ack;
};
Handshake handshake(const FlowKey& flow, const Segment& its_syn, Instant when, std::uint32_t clock = 0x12345678) {
  Handshake h{flow, abridged_for_cookie(flow, its_syn, kConfig), {}};
  h.ack.seq = its_syn.seq + 1;
  h.ack.ack = cookie_for(kSecrets, flow, h.kept, when) + 1;
  h.ack.wnd = 777;
  h.ack.flags.ack = true;
  if (h.kept.options.ts) h.ack.options.ts = Timestamps{its_syn.options.ts->val + 5, cookie_timestamp(clock, h.kept)};
  return h;
}
std::optional<Segment> believed(const Handshake& h, Instant when, const Secrets& secrets = kSecrets) {
  return syn_before(secrets, h.flow, h.ack, kConfig, when);
}

TEST(SynCookie, BringsBackWhatTheSynOffered) {  // LB-05
  std::vector<std::optional<std::uint8_t>> shifts{std::nullopt};
  for (std::uint8_t shift = 0; shift <= 14; ++shift) shifts.emplace_back(shift);
  for (const FlowKey& flow : {key(), key6()}) {
    for (const std::uint16_t mss : kTable) {
      for (const auto& shift : shifts) {
        for (const bool sack : {false, true}) {
          const Handshake h = handshake(flow, syn(offering(mss, shift, sack, 1000)), at(kBegin));
          const auto found = believed(h, at(kBegin + 1s));
          ASSERT_TRUE(found);
          EXPECT_EQ(found->seq, syn().seq);
          EXPECT_EQ(found->flags, (TcpFlags{.syn = true}));
          EXPECT_EQ(found->options.mss, mss);
          EXPECT_EQ(found->options.wind_shift, shift);
          EXPECT_EQ(found->options.sack_permitted, sack);
          ASSERT_TRUE(found->options.ts);
          EXPECT_EQ(found->options.ts->val, 1005u) << "the newest that the peer has said";
          EXPECT_EQ(found->wnd, 777);
        }
      }
    }
  }
}

TEST(SynCookie, SizeIsTheLargestOfTheTableThatWasOffered) {  // threats D2: at most what was offered
  for (std::uint32_t mss = 48; mss <= 65535; ++mss) {
    const Segment kept = abridged_for_cookie(key(), syn(offering(static_cast<std::uint16_t>(mss))), kConfig);
    std::uint16_t best = 0;
    for (const std::uint16_t size : kTable) best = size <= mss ? size : best;
    ASSERT_EQ(kept.options.mss, best) << mss;
  }
  // Less than the least is taken for the least, as of any SYN (CVE-2019-11479).
  for (const std::uint16_t mss : {std::uint16_t{0}, std::uint16_t{47}}) {
    EXPECT_EQ(abridged_for_cookie(key(), syn(offering(mss)), kConfig).options.mss, 48);
  }
}

TEST(SynCookie, WithoutMssItIsTheDefaultOfTheFamily) {  // MUST-15
  EXPECT_EQ(believed(handshake(key(), syn(), at(kBegin)), at(kBegin))->options.mss, 536);
  EXPECT_EQ(believed(handshake(key6(), syn(), at(kBegin)), at(kBegin))->options.mss, 1220);
}

TEST(SynCookie, WithoutTimestampsNothingElseIsAgreedOn) {
  const Handshake h = handshake(key(), syn(offering(1460, std::uint8_t{7}, true)), at(kBegin));
  EXPECT_FALSE(h.kept.options.wind_shift);
  EXPECT_FALSE(h.kept.options.sack_permitted);
  const auto found = believed(h, at(kBegin));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->options.mss, 1460);
  EXPECT_FALSE(found->options.wind_shift);
  EXPECT_FALSE(found->options.sack_permitted);
  EXPECT_FALSE(found->options.ts);
}

TEST(SynCookie, OursSwitchedOffNeitherIsAnyTimestamp) {
  Config off;
  off.timestamps = false;
  Handshake h;
  h.flow = key();
  h.kept = abridged_for_cookie(h.flow, syn(offering(1460, std::uint8_t{7}, true, 1000)), off);
  EXPECT_FALSE(h.kept.options.ts || h.kept.options.wind_shift || h.kept.options.sack_permitted);
  h.ack.seq = syn().seq + 1;
  h.ack.ack = cookie_for(kSecrets, h.flow, h.kept, at(kBegin)) + 1;
  h.ack.options.ts = Timestamps{1, 2};  // though we have sent none
  EXPECT_TRUE(syn_before(kSecrets, h.flow, h.ack, off, at(kBegin)));
}

TEST(SynCookie, IsBelievedForOnePeriodAtLeastAndForTwoAtMost) {  // LB-04, threats D2: expired
  for (const Duration born :
       {Duration{kBegin}, Duration{kBegin + 1s}, Duration{kBegin + 63s}, Duration{kBegin + 64s}}) {
    const Handshake h = handshake(key(), syn(offering(1460, std::uint8_t{7}, true, 1000)), at(born));
    for (Duration age = 0s; age <= 64s; age += 1s) EXPECT_TRUE(believed(h, at(born + age))) << (age / 1s);
    for (Duration age = 128s; age <= 600s; age += 1s) EXPECT_FALSE(believed(h, at(born + age))) << (age / 1s);
  }
}

TEST(SynCookie, IsNotBelievedBeforeItWasSent) {
  const Handshake h = handshake(key(), syn(), at(kBegin + 64s));
  EXPECT_FALSE(believed(h, at(kBegin)));
}

// Whoever changes anything, or brings it from somewhere else, is not believed.
TEST(SynCookie, EveryPartMatters) {
  const Handshake good = handshake(key(), syn(offering(1460, std::uint8_t{7}, true, 1000)), at(kBegin));
  ASSERT_TRUE(believed(good, at(kBegin)));
  std::vector<Handshake> bad;
  const auto changed = [&]() -> Handshake& { return bad.emplace_back(good); };
  for (int bit = 0; bit < 32; ++bit) {
    changed().ack.ack += std::uint32_t{1} << bit;
    changed().ack.seq += std::uint32_t{1} << bit;
  }
  for (int bit = 0; bit < 5; ++bit) changed().ack.options.ts->ecr ^= 1u << bit;
  changed().ack.options.ts.reset();  // threats C14: no cookie whose timestamp is missing
  changed().flow.remote_port = 40113;
  changed().flow.local_port = 81;
  changed().flow.remote = IpAddress::v4(0xc6120009);
  changed().flow.local = IpAddress::v4(0xc6120003);
  for (std::size_t i = 0; i < bad.size(); ++i) EXPECT_FALSE(believed(bad[i], at(kBegin))) << i;

  EXPECT_FALSE(believed(good, at(kBegin), Secrets{HashKey{1, 3}, HashKey{3, 4}}));
  EXPECT_FALSE(believed(good, at(kBegin), Secrets{HashKey{2, 2}, HashKey{3, 4}}));
  Handshake plain = handshake(key(), syn(offering(1460)), at(kBegin));
  plain.ack.options.ts = Timestamps{1, 2};  // where the SYN had none
  EXPECT_FALSE(believed(plain, at(kBegin)));
}

TEST(SynCookie, TimestampIsTheLatestThatHoldsTheOptionsAndNeverGoesBack) {  // RFC 7323, 5: PAWS at the peer
  for (const std::uint8_t shift : {std::uint8_t{0}, std::uint8_t{7}, std::uint8_t{14}}) {
    for (const unsigned bits : {0u, 1u, 2u, 3u}) {
      const bool sack = (bits & 1) != 0;
      Segment its_syn = syn(offering(1460, shift, sack, 1000));
      its_syn.flags.ece = its_syn.flags.cwr = (bits & 2) != 0;
      const Segment kept = abridged_for_cookie(key(), its_syn, kConfig);
      std::uint32_t before = cookie_timestamp(0xffffff00, kept);
      for (std::uint32_t i = 1; i < 600; ++i) {
        const std::uint32_t clock = 0xffffff00 + i;  // wraps
        const std::uint32_t sent = cookie_timestamp(clock, kept);
        EXPECT_LT(clock - sent, 64u);
        EXPECT_LE(sent - before, 64u);
        EXPECT_EQ(sent & 0x3f, bits << 4 | shift);
        before = sent;
      }
    }
  }
}

TEST(SynCookie, AnEcnSetupSynComesBackAsOneWhereTimestampsTellOfIt) {  // RFC 3168, 6.1.1, agreement
  for (const bool timestamps : {true, false}) {
    for (const bool asks : {true, false}) {
      Segment its_syn = syn(offering(1460, 7, true, timestamps ? std::optional{1000u} : std::nullopt));
      its_syn.flags.ece = its_syn.flags.cwr = asks;
      const Handshake h = handshake(key(), its_syn, at(kBegin));
      EXPECT_EQ(h.kept.is_ecn_setup(), timestamps && asks);
      const auto whole = syn_before(kSecrets, h.flow, h.ack, kConfig, at(kBegin));
      ASSERT_TRUE(whole);
      EXPECT_EQ(whole->is_ecn_setup(), timestamps && asks);
    }
  }
}

TEST(SynCookie, TellsNothingAboutIsns) {  // MUST-9; LB-12
  // Over many connections the difference between the two is any number: no bit of it stands still.
  std::array<int, 32> ones{};
  std::set<std::uint32_t> seen;
  constexpr int kPorts = 4096;
  for (int i = 0; i < kPorts; ++i) {
    const FlowKey flow = key(static_cast<std::uint16_t>(10000 + i));
    const Segment kept = abridged_for_cookie(flow, syn(offering(1460)), kConfig);
    const std::uint32_t cookie = cookie_for(kSecrets, flow, kept, at(kBegin)).value();
    const std::uint32_t difference = cookie - kSecrets.isn(flow, at(kBegin)).value();
    seen.insert(cookie);
    for (std::size_t bit = 4; bit < 32; ++bit) ones[bit] += (difference >> bit & 1) != 0 ? 1 : 0;
  }
  EXPECT_GT(seen.size(), kPorts - 10u);
  for (std::size_t bit = 4; bit < 32; ++bit) EXPECT_NEAR(ones[bit], kPorts / 2, 6 * 32);  // six standard deviations
}

// Threats D2: 28 bits of hash. One who knows all but the key, and guesses those, is right once in 2^28.
TEST(SynCookie, GuessesAreNotBelieved) {
  Random random{11};
  Handshake h = handshake(key(), syn(offering(1460, std::uint8_t{7}, true, 1000)), at(kBegin));
  const std::uint32_t low = (h.ack.ack - 1).value() & 0xf;
  int right = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    h.ack.ack = SeqNum{(static_cast<std::uint32_t>(random()) & ~0xfu) | low} + 1;
    right += believed(h, at(kBegin)) ? 1 : 0;
  }
  EXPECT_LE(right, 1);
}

}  // namespace
}  // namespace pollux::tcp
