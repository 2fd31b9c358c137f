// The maximum segment size: RFC 9293, 3.7.1.

#include "test_connection.h"

namespace pollux::tcp::test {
namespace {

TEST(Mss, OptionIsOnSynAndSynAck) {  // MUST-14, SHLD-5, MAY-3
  TestConnection active{{.active = true}};
  active.user_opens();
  active.expect_sent(syn().mss(1460));
  TestConnection passive;
  passive.peer_opens(passive.peer_syn());
  passive.expect_sent(syn().ack(1).mss(1460));
}

TEST(Mss, SaysWhatWeCanReceive) {  // MUST-67: MMS_R - 20, which the shard knows from the MTU
  for (const std::uint16_t mss : std::initializer_list<std::uint16_t>{536, 1220, 1440, 1460, 8960, 65495}) {
    TestConnection c{{.active = true, .mss = mss}};
    c.user_opens();
    c.expect_sent(syn().mss(mss));
  }
}

TEST(Mss, OfferIsLimitedByConfigAndOption) {
  TestConnection by_config{{.config = {.mss = 1000}, .active = true}};
  by_config.user_opens();
  by_config.expect_sent(syn().mss(1000));
  TestConnection by_option{{.options = {.mss = 900}, .active = true}};
  by_option.user_opens();
  by_option.expect_sent(syn().mss(900));
  TestConnection higher{{.options = {.mss = 9000}, .active = true}};
  higher.user_opens();
  higher.expect_sent(syn().mss(1460));
}

TEST(Mss, SegmentsFollowThePeers) {  // MUST-14
  TestConnection c = established({.peer = {.mss = std::uint16_t{1000}}});
  c.user_sends(pattern(3000));
  for (const Sent& sent : c.take_all_sent()) EXPECT_EQ(sent.text.size(), 1000u);
}

TEST(Mss, AbsentMeans536Or1220) {  // MUST-15
  for (const bool ipv6 : {false, true}) {
    for (const bool active : {false, true}) {
      TestConnection c = established({.peer = {.mss = std::nullopt}, .active = active, .ipv6 = ipv6});
      c.user_sends(pattern(4000));
      EXPECT_EQ(c.take_sent().value().text.size(), ipv6 ? 1220u : 536u);
    }
  }
}

TEST(Mss, OurOwnLimitHoldsForSendingToo) {  // MUST-16
  TestConnection c = established({.peer = {.mss = std::uint16_t{9000}}});
  c.user_sends(pattern(3000));
  EXPECT_EQ(c.take_sent().value().text.size(), 1460u);
}

TEST(Mss, OptionsAreDeducted) {  // MUST-16
  TestConnection c = established({.peer = {.mss = std::uint16_t{1000}, .ts = 1u}});
  c.user_sends(pattern(3000));
  EXPECT_EQ(c.take_sent().value().text.size(), 988u);
}

TEST(Mss, AbsurdlySmallIsRaised) {  // CVE-2019-11479: else the headers would outweigh the text
  for (const std::uint16_t mss : std::initializer_list<std::uint16_t>{0, 1, 8, 47}) {
    TestConnection c = established({.peer = {.mss = mss}});
    c.user_sends(pattern(200));
    EXPECT_EQ(c.take_sent().value().text.size(), 48u) << mss;
  }
}

TEST(Mss, TinyWithTimestampsStillCarriesText) {
  TestConnection c = established({.peer = {.mss = std::uint16_t{1}, .ts = 1u}});
  c.user_sends(pattern(200));
  EXPECT_GE(c.take_sent().value().text.size(), 36u);
}

TEST(Mss, OutsideOfASynIsIgnored) {  // MUST-65 says nobody sends it; the wire layer drops it, and so do we
  TestConnection c = established();
  c.peer_sends(ack(1).seq(1).mss(100));
  c.user_sends(pattern(3000));
  EXPECT_EQ(c.take_sent().value().text.size(), 1460u);
}

TEST(Mss, LargerTextThanWeOfferedIsTaken) {  // be liberal: the peer's path may have joined segments
  TestConnection c = established();
  c.peer_sends(data(pattern(5000)).seq(1).ack(1));
  EXPECT_EQ(c.received(), pattern(5000));
}

}  // namespace
}  // namespace pollux::tcp::test
