// The path's MTU: RFC 1191, RFC 8201, RFC 4821, and what RFC 5927 lets be believed of it.

#include "numbered_segments.h"

namespace pollux::tcp::test {
namespace {

constexpr std::uint32_t kV4 = 40;  // headers
constexpr std::uint32_t kV6 = 60;

std::uint32_t headers(const TestConnection& c) { return c.tcb().key().local.is_v4() ? kV4 : kV6; }

std::uint32_t least(const TestConnection& c) { return 552 - headers(c); }

// A router says that what it quotes is larger than packets with so much text.
bool too_big(TestConnection& c, std::int64_t quoted, std::uint32_t text) {
  return c.packet_too_big(quoted, text + headers(c));
}

// The sizes of what was sent, which has no gaps and begins at `from`.
std::vector<std::size_t> sizes_from(TestConnection& c, std::int64_t from) {
  std::vector<std::size_t> sizes;
  for (const Sent& s : c.take_all_sent()) {
    EXPECT_EQ(s.seq, from);
    from += static_cast<std::int64_t>(s.text.size());
    sizes.push_back(s.text.size());
  }
  return sizes;
}

// RFC 1191, 6.4, and RFC 8201, 5.4: what was dropped goes again at once, as smaller segments; no window is reduced but
// in proportion (RFC 5681, 3.1, smaller MSS).
TEST(PathMtu, WhatARouterCouldNotPassGoesAgainAtOnceInSmallerSegments) {
  TestConnection c = ten_in_flight(0);
  EXPECT_TRUE(too_big(c, at(0), 1300));
  EXPECT_EQ(c.tcb().smss(), 1300u);
  EXPECT_EQ(c.tcb().path_mtu(), 1300 + headers(c));
  EXPECT_EQ(sizes_from(c, 1), std::vector<std::size_t>(10, 1300)) << "as much as cwnd allows";
  EXPECT_EQ(cwnd(c), 10u * 1300);
  EXPECT_EQ(ssthresh(c), UINT32_MAX);
  EXPECT_EQ(c.counters().path_mtu_lowered, 1u);
  c.peer_sends(ack(1 + 10 * 1300).seq(1));
  EXPECT_EQ(sizes_from(c, 1 + 10 * 1300), (std::vector<std::size_t>{1300, 300}));
  c.peer_sends(ack(at(10)).seq(1));
  EXPECT_EQ(c.counters().fast_retransmits + c.counters().rto_fired, 0u);
  EXPECT_TRUE(c.holds_no_memory());
}

TEST(PathMtu, WithoutSackAsWell) {
  TestConnection c = ten_in_flight(0, {});
  EXPECT_TRUE(too_big(c, at(0), 1300));
  EXPECT_EQ(sizes_from(c, 1), std::vector<std::size_t>(10, 1300));
  c.peer_sends(ack(1 + 10 * 1300).seq(1));
  EXPECT_EQ(sizes_from(c, 1 + 10 * 1300), (std::vector<std::size_t>{1300, 300}));
  EXPECT_EQ(ssthresh(c), UINT32_MAX);
}

TEST(PathMtu, TimestampsAreDeducted) {
  TestConnection c = established({.peer = {.ts = 1u, .sack_permitted = true}});
  c.user_sends(pattern(1448));
  c.take_all_sent();
  EXPECT_TRUE(too_big(c, 1, 1300));
  EXPECT_EQ(c.tcb().smss(), 1288u);
  EXPECT_EQ(c.tcb().path_mtu(), 1300 + headers(c));
}

TEST(PathMtu, WhatHasArrivedIsNotSentAgain) {
  TestConnection c = ten_in_flight(0);
  sacks(c, 0, {{2, 4}});
  c.take_all_sent();
  EXPECT_TRUE(too_big(c, at(4), 1300));
  for (const Sent& s : c.take_all_sent()) EXPECT_GE(s.seq, at(4));
}

TEST(PathMtu, TheFinIsSentAgainToo) {
  TestConnection c = established(with_sack());
  c.user_sends(pattern(1460));
  EXPECT_TRUE(c.user_shuts_down().has_value());
  c.take_all_sent();
  EXPECT_TRUE(too_big(c, 1, 1300));
  EXPECT_EQ(c.take_sent()->text.size(), 1300u);
  c.expect_sent(data(pattern(160, 1300)).seq(1301).ack(1).flags("FP."));
}

// RFC 5927, 4.1: the quoted number must be outstanding. RFC 5927, 7.2, smaller: a size that is not is no news. RFC
// 8201, 4, 1280, and RFC 1191, 3, 68: nor is one that is too small to be true.
TEST(PathMtu, AForgedMessageChangesNothing) {
  struct Forged {
    std::int64_t quoted;
    std::uint32_t mtu;
  };
  TestConnection probe = established();
  const std::uint32_t now = probe.tcb().path_mtu();
  const std::uint32_t least = headers(probe) == kV4 ? 68 : 1280;
  for (const Forged& forged :
       {Forged{0, 1300}, Forged{at(10), 1300}, Forged{at(10) + 1000, 1300}, Forged{-100'000, 1300}, Forged{at(3), now},
        Forged{at(3), now + 1}, Forged{at(3), UINT32_MAX}, Forged{at(3), least - 1}, Forged{at(3), 1}}) {
    TestConnection c = ten_in_flight();
    EXPECT_FALSE(c.packet_too_big(forged.quoted, forged.mtu)) << forged.quoted << " " << forged.mtu;
    EXPECT_EQ(c.tcb().smss(), 1460u);
    EXPECT_EQ(cwnd(c), 14600u);
    EXPECT_EQ(c.counters().path_mtu_lowered, 0u);
    EXPECT_FALSE(c.events().any());
    c.expect_nothing_sent();
  }
}

TEST(PathMtu, WithNothingOutstandingNothingIsBelieved) {  // RFC 5927, 4.1
  TestConnection idle = established();
  EXPECT_FALSE(idle.packet_too_big(1, 1300));
  TestConnection opening = syn_sent();
  EXPECT_FALSE(opening.packet_too_big(0, 1300));  // no SYN is too large
  EXPECT_EQ(opening.state(), State::kSynSent);
  TestConnection over = time_wait();
  EXPECT_FALSE(over.packet_too_big(1, 1300));
}

TEST(PathMtu, SwitchedOffNoRouterIsBelieved) {
  TestConnection c = ten_in_flight(0, {.config = {.path_mtu_discovery = false}, .ipv6 = false});
  EXPECT_FALSE(too_big(c, at(0), 1300));
  EXPECT_FALSE(c.tcb().dont_fragment({.path_mtu_discovery = false}));
}

TEST(PathMtu, SwitchedOffIpv6IsSentInPacketsOf1280) {  // RFC 8201, 4: a host may limit itself to that
  TestConnection c = established({.config = {.path_mtu_discovery = false}, .ipv6 = true});
  c.user_sends(pattern(3000));
  EXPECT_EQ(c.take_sent()->text.size(), 1220u);
}

// Linux's min_pmtu: less is not believed, and below it routers may cut up what is too large.
TEST(PathMtu, OfIpv4ItDoesNotFallBelow552AndDfIsLeftOutThere) {
  for (const std::uint32_t mtu : {68u, 300u, 552u}) {
    TestConnection c = ten_in_flight(0, {.peer = {.sack_permitted = true}, .ipv6 = false});
    EXPECT_TRUE(c.tcb().dont_fragment(Config{}));
    EXPECT_TRUE(c.packet_too_big(at(0), mtu));
    EXPECT_EQ(c.tcb().path_mtu(), 552u);
    EXPECT_EQ(c.take_sent()->text.size(), 512u);
    EXPECT_FALSE(c.tcb().dont_fragment(Config{}));
    EXPECT_FALSE(c.packet_too_big(at(0), 68)) << "nothing is left to be lowered";
  }
  TestConnection c = ten_in_flight(0, {.ipv6 = false});
  EXPECT_TRUE(c.packet_too_big(at(0), 553));
  EXPECT_TRUE(c.tcb().dont_fragment(Config{}));
  // Where a router could tell nothing that is believed.
  TestConnection small = established({.peer = {.mss = std::uint16_t{512}}, .ipv6 = false});
  EXPECT_FALSE(small.tcb().dont_fragment(Config{}));
}

TEST(PathMtu, ARouterThatDoesNotSayTakesItToTheNextPlateau) {  // RFC 1191, 5
  TestConnection c = ten_in_flight(0, {.ipv6 = false});
  EXPECT_TRUE(c.packet_too_big(at(0), 0));
  EXPECT_EQ(c.tcb().path_mtu(), 1492u);
  EXPECT_TRUE(c.packet_too_big(at(0), 0));
  EXPECT_EQ(c.tcb().path_mtu(), 1006u);
  TestConnection v6 = ten_in_flight(0, {.ipv6 = true});
  EXPECT_FALSE(v6.packet_too_big(at(0), 0));
}

TEST(PathMtu, ThePlateauIsBelowTheTotalLengthThatIsQuoted) {  // RFC 1191, 5
  TestConnection c = ten_in_flight(0, {.ipv6 = false});
  EXPECT_TRUE(c.packet_too_big(at(0), 0, 1480));
  EXPECT_EQ(c.tcb().path_mtu(), 1006u) << "below 1492 comes that";
  TestConnection adds = ten_in_flight(0, {.ipv6 = false});
  EXPECT_TRUE(adds.packet_too_big(at(0), 0, 1520)) << "a router that adds the header's length";
  EXPECT_EQ(adds.tcb().path_mtu(), 1492u);
}

// --- Congestion while what was too large is on its way again ---

TEST(PathMtu, ATimeOutThenLowersTheThresholdAsEver) {  // RFC 5681, equation (4)
  for (const bool sack : {false, true}) {
    TestConnection c = ten_in_flight(0, {.peer = {.sack_permitted = sack}});
    EXPECT_TRUE(too_big(c, at(0), 1300));
    EXPECT_EQ(c.info().ca_state, 1u) << "TCP_CA_Disorder";
    c.sleep_until_time_out();
    EXPECT_LE(ssthresh(c), 10u * kMss / 2);
    EXPECT_EQ(c.info().ca_state, 4u) << "TCP_CA_Loss";
    c.take_all_sent();
  }
}

const Conditions kEcn{.config = {.congestion = CongestionControl::kNewReno, .ecn = true},
                      .peer = {.sack_permitted = true}};
// Ten segments were in flight with ECN, too large, and went again.
void recut_with_ecn(TestConnection& c) {
  c.peer_opens(c.peer_syn().ece().cwr());
  c.take_all_sent();
  c.peer_sends(ack(1));
  c.user_sends(pattern(10 * kMss));
  c.take_all_sent();
  EXPECT_TRUE(too_big(c, at(0), 1300));
  c.take_all_sent();
}

TEST(PathMtu, AMarkThenLowersCwndAsEver) {  // RFC 3168, 6.1.2, ECE
  TestConnection c{kEcn};
  recut_with_ecn(c);
  c.peer_sends(ack(1 + 1300).ece());
  EXPECT_EQ(c.counters().ecn_reductions, 1u);
  EXPECT_LT(ssthresh(c), UINT32_MAX);
}

TEST(PathMtu, AndSlowStartGoesOnAsEver) {  // RFC 3465, 2.3: slower only after a time-out
  TestConnection c = ten_in_flight(20);
  EXPECT_TRUE(too_big(c, at(0), 1300));
  c.take_all_sent();
  const std::uint32_t before = cwnd(c);
  c.peer_sends(ack(1 + 2 * 1300).seq(1));
  EXPECT_EQ(cwnd(c), before + 2 * 1300);
  c.take_all_sent();
  c.peer_sends(ack(at(10)).seq(1));
  EXPECT_EQ(c.info().ca_state, 0u) << "TCP_CA_Open";
  c.take_all_sent();
}

TEST(PathMtu, PlateausAreThoseOfTheTable) {  // RFC 1191, 7
  EXPECT_EQ(plateau_below(65535), 32000u);
  EXPECT_EQ(plateau_below(9000), 8166u);
  EXPECT_EQ(plateau_below(1492), 1006u);
  EXPECT_EQ(plateau_below(296), 68u);
  EXPECT_EQ(plateau_below(68), 68u);
}

TEST(PathMtu, EachDroppedSegmentsMessageIsNewsOnlyOnce) {
  TestConnection c = ten_in_flight(0);
  EXPECT_TRUE(too_big(c, at(0), 1400));
  const std::size_t resent = c.take_all_sent().size();
  EXPECT_EQ(resent, 10u);
  for (int i = 1; i < 10; ++i) EXPECT_FALSE(too_big(c, at(i), 1400));
  c.expect_nothing_sent();
  EXPECT_TRUE(too_big(c, at(0), 1350)) << "a narrower link behind the first";
  EXPECT_EQ(c.take_sent()->text.size(), 1350u);
}

TEST(PathMtu, ItOutlivesWhatWasOutstanding) {
  TestConnection c = ten_in_flight(0);
  too_big(c, at(0), 1300);
  c.peer_sends(ack(at(10)).seq(1));
  c.take_all_sent();
  ASSERT_TRUE(c.holds_no_memory());
  c.user_sends(pattern(3000));
  EXPECT_EQ(c.take_sent()->text.size(), 1300u);
}

// --- The search upwards ---

// It knows of a router that passes 1300 bytes of text, and nothing is outstanding.
TestConnection lowered(const Conditions& given = with_sack()) {
  TestConnection c = ten_in_flight(0, given);
  EXPECT_TRUE(too_big(c, at(0), 1300));
  c.take_all_sent();
  c.peer_sends(ack(at(10)).seq(1));
  c.take_all_sent();
  return c;
}

std::int64_t end_of(const Sent& s) { return s.seq + static_cast<std::int64_t>(s.text.size()); }

// Sends text, all of which is acknowledged at once; the largest segment among it.
std::size_t largest_sent(TestConnection& c, std::size_t bytes) {
  c.user_sends(pattern(bytes, static_cast<std::size_t>(c.snd_nxt() - 1)));
  std::size_t largest = 0;
  for (auto all = c.take_all_sent(); !all.empty(); all = c.take_all_sent()) {
    for (const Sent& s : all) largest = std::max(largest, s.text.size());
    c.peer_sends(ack(end_of(all.back())).seq(1));
  }
  return largest;
}

TEST(PathMtu, AfterTenMinutesALargerOneIsTriedAgain) {  // RFC 1191, 6.3; RFC 8201, 4, larger
  TestConnection c = lowered();
  c.sleep(9min + 58s);
  EXPECT_EQ(largest_sent(c, 20'000), 1300u);
  c.sleep(4s);
  EXPECT_EQ(largest_sent(c, 20'000), 1460u);
  EXPECT_EQ(c.tcb().smss(), 1460u) << "RFC 4821, 7.6.1";
  EXPECT_EQ(c.counters().mtu_probes, 1u);
  EXPECT_EQ(c.counters().mtu_probes_lost, 0u);
  c.user_sends(pattern(3000, static_cast<std::size_t>(c.snd_nxt() - 1)));
  EXPECT_EQ(c.take_sent()->text.size(), 1460u);
}

TEST(PathMtu, WithoutProbesThePathIsTrustedAgainAfterTenMinutes) {  // RFC 1191, 6.3
  TestConnection c = lowered({.config = {.mtu_probing = false, .congestion = CongestionControl::kNewReno}});
  c.sleep(11min);
  c.user_sends(pattern(3000, static_cast<std::size_t>(c.snd_nxt() - 1)));
  EXPECT_EQ(c.take_sent()->text.size(), 1460u);
  EXPECT_EQ(c.counters().mtu_probes, 0u);
}

TEST(PathMtu, TooLittleTextMakesNoProbe) {  // RFC 4821, 7.4: enough must follow it to tell of its loss
  TestConnection c = lowered();
  c.sleep(11min);
  EXPECT_EQ(largest_sent(c, 1460 + 3 * 1300 - 1), 1300u);
  EXPECT_EQ(largest_sent(c, 1460 + 3 * 1300), 1460u);
}

// Eleven minutes later: the probe, and what follows it within a window of ten segments.
TestConnection probing(const Conditions& given = with_sack()) {
  TestConnection c = lowered(given);
  c.sleep(11min);
  c.user_sends(pattern(40'000, static_cast<std::size_t>(c.snd_nxt() - 1)));
  EXPECT_EQ(c.counters().mtu_probes, 1u);
  return c;
}

TEST(PathMtu, ALostProbeIsNoCongestion) {  // RFC 4821, 7.6.2
  TestConnection c = probing();
  const auto flight = c.take_all_sent();
  const Sent& probe = flight.front();
  ASSERT_EQ(probe.text.size(), 1460u);
  const std::uint32_t cwnd_before = cwnd(c);
  const std::int64_t from = end_of(probe);
  c.peer_sends(ack(probe.seq).seq(1).sack({{from, from + 3 * 1300}}));
  const auto again = c.take_all_sent();
  ASSERT_GE(again.size(), 2u);
  EXPECT_EQ(again[0].seq, probe.seq);
  EXPECT_EQ(again[0].text.size(), 1300u);
  EXPECT_EQ(again[1].seq, probe.seq + 1300);
  EXPECT_EQ(again[1].text.size(), 160u);
  EXPECT_EQ(cwnd(c), cwnd_before);
  EXPECT_EQ(ssthresh(c), UINT32_MAX);
  EXPECT_EQ(c.counters().fast_retransmits, 0u);
  EXPECT_EQ(c.counters().mtu_probes_lost, 1u);
  EXPECT_EQ(c.tcb().smss(), 1300u);
}

TEST(PathMtu, NorIsItWithoutSack) {
  TestConnection c = probing({});
  const auto flight = c.take_all_sent();
  const std::uint32_t cwnd_before = cwnd(c);
  for (int i = 0; i < 3; ++i) c.peer_sends(ack(flight.front().seq).seq(1));
  EXPECT_EQ(c.counters().mtu_probes_lost, 1u);
  EXPECT_EQ(c.counters().fast_retransmits, 0u);
  EXPECT_EQ(cwnd(c), cwnd_before);
  EXPECT_EQ(ssthresh(c), UINT32_MAX);
}

TEST(PathMtu, LossesBesideTheProbeAreCongestion) {  // RFC 4821, 7.6.4: and the probe tells nothing
  TestConnection c = probing();
  const auto flight = c.take_all_sent();
  const std::int64_t from = end_of(flight[1]);  // the segment behind the probe is lost as well
  c.peer_sends(ack(flight.front().seq).seq(1).sack({{from, from + 4 * 1300}}));
  EXPECT_EQ(c.counters().fast_retransmits, 1u);
  EXPECT_EQ(c.counters().mtu_probes_lost, 0u);
  EXPECT_LT(ssthresh(c), UINT32_MAX);
}

TEST(PathMtu, ARouterThatRefusesTheProbeSaysHowLargeTheNextMayBe) {  // RFC 8201, 4, no increase
  TestConnection c = probing();
  const auto flight = c.take_all_sent();
  const std::uint32_t cwnd_before = cwnd(c);
  EXPECT_TRUE(too_big(c, flight.front().seq, 1400));
  EXPECT_EQ(c.tcb().smss(), 1300u) << "it may be forged, and larger than what passes";
  EXPECT_EQ(c.take_sent()->seq, flight.front().seq);
  EXPECT_EQ(cwnd(c), cwnd_before);
  c.take_all_sent();
  c.peer_sends(ack(end_of(flight.back())).seq(1));
  const auto next = c.take_all_sent();
  EXPECT_EQ(next.front().text.size(), 1400u);
}

TEST(PathMtu, OneThatSaysLessThanIsBelievedHasRefusedTheProbeAllTheSame) {
  TestConnection c = ten_in_flight(0, {.peer = {.sack_permitted = true}, .ipv6 = false});
  EXPECT_TRUE(too_big(c, at(0), least(c)));
  c.take_all_sent();
  c.peer_sends(ack(at(10)).seq(1));
  c.take_all_sent();
  c.sleep(11min);
  c.user_sends(pattern(40'000, static_cast<std::size_t>(c.snd_nxt() - 1)));
  ASSERT_EQ(c.counters().mtu_probes, 1u);
  const auto flight = c.take_all_sent();
  EXPECT_TRUE(c.packet_too_big(flight.front().seq, 300));
  EXPECT_EQ(c.tcb().smss(), least(c));
  EXPECT_EQ(c.counters().mtu_probes_lost, 1u);
  EXPECT_EQ(c.take_sent()->seq, flight.front().seq);
}

TEST(PathMtu, OneThatWaitsForTheWindowHoldsNoLimitedTransmitBack) {  // RFC 3042
  TestConnection c = lowered(
      {.config = {.mtu_expires = 2s, .congestion = CongestionControl::kNewReno}, .peer = {.wscale = std::uint8_t{7}}});
  c.user_sends(pattern(200'000, static_cast<std::size_t>(c.snd_nxt() - 1)));
  c.take_all_sent();
  std::int64_t una = c.snd_una();
  for (int i = 0; i < 30; ++i) {
    c.sleep(100ms);
    c.peer_sends(ack(una).seq(1));
    EXPECT_FALSE(c.take_all_sent().empty()) << i;
    c.peer_sends(ack(una += 1300).seq(1));
    c.take_all_sent();
  }
  c.peer_sends(ack(una + 3 * 1300).seq(1));
  EXPECT_EQ(c.counters().mtu_probes, 1u);
  c.take_all_sent();
}

TEST(PathMtu, NoneBearsCwr) {  // RFC 3168, 6.1.2: its loss would be no congestion
  TestConnection c{kEcn};
  recut_with_ecn(c);
  c.peer_sends(ack(at(10)).ece());  // cwnd is lowered, and nothing is there to bear CWR
  c.take_all_sent();
  c.sleep(11min);
  c.user_sends(pattern(60'000, static_cast<std::size_t>(c.snd_nxt() - 1)));
  const auto all = c.take_all_sent();
  ASSERT_EQ(c.counters().mtu_probes, 1u);
  EXPECT_TRUE(all[0].flags.cwr);
  EXPECT_EQ(all[0].text.size(), 1300u);
  EXPECT_EQ(all[1].text.size(), 1460u);
  EXPECT_FALSE(all[1].flags.cwr);
}

// RFC 4821, 7.3: whatever the path bears is found, in few probes, and not beyond it.
TEST(PathMtu, TheSearchEndsJustBelowWhatPasses) {
  for (std::uint16_t passes = 1024; passes <= 8960; passes = static_cast<std::uint16_t>(passes + 37)) {
    MtuSearch search{.high = 8960};
    std::uint16_t smss = 1024;
    int probes = 0;
    while (!search.is_over(smss)) {
      const std::uint16_t size = search.size(smss);
      ASSERT_GT(size, smss);
      ASSERT_LE(size, 8960);
      if (size <= passes) {
        smss = size;
      } else {
        search.fail(static_cast<std::uint16_t>(size - 1), true);
      }
      ASSERT_LE(++probes, 12);
    }
    EXPECT_LE(smss, passes);
    EXPECT_GT(smss + MtuSearch::kCloseEnough, passes);
  }
}

// --- Black holes ---

TEST(PathMtu, FullSegmentsThatTimeOutAgainAndAgainBecomeSmaller) {  // RFC 4821, 7.7; RFC 4821, 7.2: 1024 bytes
  TestConnection c = ten_in_flight(0);
  c.sleep_until_time_out();
  EXPECT_EQ(c.take_sent()->text.size(), 1460u);
  c.sleep_until_time_out();
  EXPECT_EQ(c.take_sent()->text.size(), 1460u);
  c.sleep_until_time_out();
  EXPECT_EQ(c.take_sent()->text.size(), 1024u);
  EXPECT_EQ(c.counters().black_holes, 1u);
  c.sleep_until_time_out();
  EXPECT_EQ(c.take_sent()->text.size(), 512u);
  c.sleep(1min);
  for (const Sent& s : c.take_all_sent()) EXPECT_GE(s.text.size(), least(c));
}

TEST(PathMtu, WhatPassesIsFoundOutAtOnce) {  // RFC 4821, 7.7: it may have been an outage
  TestConnection c = ten_in_flight(60);
  for (int i = 0; i < 3; ++i) c.sleep_until_time_out();
  for (auto all = c.take_all_sent(); !all.empty() && c.tcb().smss() < 1460; all = c.take_all_sent()) {
    c.peer_sends(ack(end_of(all.back())).seq(1));
  }
  EXPECT_EQ(c.tcb().smss(), 1460u);
  EXPECT_EQ(c.counters().mtu_probes, 1u);
}

TEST(PathMtu, OneAsLargeAsTheFirstThatIsTriedBecomesSmallerToo) {
  TestConnection c = established(with_sack());
  c.user_sends(pattern(1024));
  for (int i = 0; i < 3; ++i) c.sleep_until_time_out();
  EXPECT_EQ(c.take_sent()->text.size(), 512u);
}

TEST(PathMtu, ANarrowerPathIsFoundToo) {  // RFC 1191, 3: each of IPv4 passes 68 bytes, and no more is sure
  TestConnection c = established({.peer = {.sack_permitted = true}, .ipv6 = false});
  c.user_sends(pattern(800));
  for (int i = 0; i < 3; ++i) c.sleep_until_time_out();
  EXPECT_EQ(c.take_sent()->text.size(), least(c));
}

TEST(PathMtu, SmallSegmentsThatTimeOutTellNothing) {
  TestConnection c = established(with_sack());
  c.user_sends(pattern(480));
  c.sleep(30s);
  EXPECT_GT(c.counters().rto_fired, 3u);
  EXPECT_EQ(c.counters().black_holes, 0u);
  EXPECT_EQ(c.tcb().smss(), 1460u);
}

TEST(PathMtu, WithoutProbingNoTimeOutLowersIt) {
  TestConnection c = ten_in_flight(0, {.config = {.mtu_probing = false}, .peer = {.sack_permitted = true}});
  c.sleep(30s);
  EXPECT_EQ(c.counters().black_holes, 0u);
  EXPECT_EQ(c.tcb().smss(), 1460u);
}

TEST(PathMtu, AProbeThatTimesOutHasFailed) {  // RFC 4821, 7.6.3
  TestConnection c = probing();
  c.take_all_sent();
  c.sleep_until_time_out();
  EXPECT_EQ(c.counters().mtu_probes_lost, 1u);
  EXPECT_EQ(c.take_sent()->text.size(), 1300u);
}

TEST(PathMtu, IsTheLinksUntilASmallerOneIsKnown) {
  TestConnection c = established({.peer = {.mss = std::uint16_t{1000}}});
  EXPECT_EQ(c.tcb().smss(), 1000u);
  EXPECT_EQ(c.tcb().path_mtu(), 1460 + headers(c));
}

}  // namespace
}  // namespace pollux::tcp::test
