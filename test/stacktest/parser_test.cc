// What packetdrill's parser takes, ours takes; and what is wrong is said with line and column.

#include "parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pollux::stacktest {
namespace {

using testing::HasSubstr;

Script parsed(std::string_view text) {
  const auto script = parse(text);
  EXPECT_TRUE(script) << script.error().at.line << ":" << script.error().at.column << ": " << script.error().what;
  return script ? *script : Script{};
}

template <class T>
T only(std::string_view text) {
  const Script script = parsed(text);
  EXPECT_EQ(script.events.size(), 1u);
  return script.events.empty() ? T{} : std::get<T>(script.events[0].action);
}

std::string error_of(std::string_view text) {
  const auto script = parse(text);
  EXPECT_FALSE(script);
  if (script) return {};
  return std::to_string(script.error().at.line) + ":" + std::to_string(script.error().at.column) + ": " +
         script.error().what;
}

TEST(Parser, TimesAreAbsoluteRelativeAnyAndRanges) {
  const Script script = parsed(
      "0 > . 1:1(0) ack 1\n+.1 > . 1:1(0) ack 1\n* > . 1:1(0) ack 1\n"
      "1~2.5 > . 1:1(0) ack 1\n+0.1~+0.2 > . 1:1(0) ack 1");
  ASSERT_EQ(script.events.size(), 5u);
  EXPECT_EQ(script.events[0].time_kind, TimeKind::kAbsolute);
  EXPECT_EQ(script.events[1].time_kind, TimeKind::kRelative);
  EXPECT_EQ(script.events[1].time, 100ms);
  EXPECT_EQ(script.events[2].time_kind, TimeKind::kAny);
  EXPECT_EQ(script.events[3].time_kind, TimeKind::kAbsoluteRange);
  EXPECT_EQ(script.events[3].end, 2500ms);
  EXPECT_EQ(script.events[4].time_kind, TimeKind::kRelativeRange);
  EXPECT_EQ(script.events[4].end, 200ms);
}

TEST(Parser, ASegmentHasFlagsNumbersWindowUrgentPointerAndOptions) {
  const auto line = only<PacketLine>(
      "+0 < FPU. 1:1001(1000) ack 77 win 257 urg 5 <nop,nop,TS val 10 ecr 20,mss 1460,wscale 7,sackOK,eol>");
  EXPECT_TRUE(line.inbound);
  EXPECT_EQ(line.flags, kFin | kPsh | kUrg | kAck);
  EXPECT_EQ(line.seq, 1u);
  EXPECT_EQ(line.size, 1000u);
  EXPECT_EQ(line.ack, 77u);
  EXPECT_EQ(line.wnd, 257);
  EXPECT_EQ(line.up, 5);
  ASSERT_EQ(line.options.size(), 7u);
  EXPECT_EQ(number_at(line.options[2], 4), 20u);
}

TEST(Parser, FlagsMayBeAnAckAloneOrNone) {
  EXPECT_EQ(only<PacketLine>("0 < . 1:1(0) ack 1 win 1").flags, kAck);
  EXPECT_EQ(only<PacketLine>("0 < - 1:1(0) win 1").flags, 0);
  EXPECT_EQ(only<PacketLine>("0 < SEW 0:0(0) win 1").flags, kSyn | kEce | kCwr);
}

TEST(Parser, SackBlocksPortsAndIpFields) {
  const auto sack = only<PacketLine>("0 < . 1:1(0) ack 1 win 9 <sack 1001:2001 3001:4001,nop,nop>");
  EXPECT_EQ(sack.options[0].data.size(), 16u);
  EXPECT_EQ(number_at(sack.options[0], 8), 3001u);
  const auto ports = only<PacketLine>("0 > [ect0] 8080>40000 . 1:1(0) ack 1 <...>");
  EXPECT_EQ(ports.ports, std::pair(std::uint16_t{8080}, std::uint16_t{40000}));
  EXPECT_EQ(ports.ecn, 2);
  EXPECT_TRUE(ports.any_options);
  EXPECT_EQ(only<PacketLine>("0 > (tos 0x10) . 1:1(0) ack 1").tos, 0x10);
  EXPECT_EQ(only<PacketLine>("0 > [ttl 7] . 1:1(0) ack 1").ttl, 7);
}

TEST(Parser, IcmpQuotesASegment) {
  const auto line = only<PacketLine>("0 < icmp unreachable frag_needed mtu 1200 [1:1461(1460)]");
  EXPECT_TRUE(line.icmp);
  EXPECT_EQ(line.icmp_type, "unreachable");
  EXPECT_EQ(line.icmp_code, "frag_needed");
  EXPECT_EQ(line.icmp_mtu, 1200u);
  EXPECT_EQ(line.seq, 1u);
  EXPECT_EQ(only<PacketLine>("0 < icmp packet_too_big mtu 1280 [1:1(0)]").icmp_code, "");
}

TEST(Parser, CallsHaveArgumentsAResultAnErrnoAndANote) {
  const auto call = only<CallLine>("+0 read(4, ..., 1000) = -1 EAGAIN (Resource temporarily unavailable)");
  EXPECT_EQ(call.name, "read");
  EXPECT_EQ(call.arguments.size(), 3u);
  EXPECT_EQ(call.result.integer, -1);
  EXPECT_EQ(call.error, "EAGAIN");
  EXPECT_FALSE(call.ends);
  EXPECT_EQ(only<CallLine>("0...0.3 write(4, ..., 10) = 10").ends, 300ms);
}

TEST(Parser, ArgumentsMayBeListsStructuresAndFlags) {
  const auto poll = only<CallLine>("0 poll([{fd=3, events=POLLIN|POLLOUT, revents=POLLIN}], 1, 0) = 1");
  ASSERT_EQ(poll.arguments[0].kind, Expression::Kind::kList);
  EXPECT_EQ(poll.arguments[0].items[0].items.size(), 3u);
  const auto linger = only<CallLine>("0 setsockopt(3, SOL_SOCKET, SO_LINGER, {onoff=1, linger=0}, 8) = 0");
  EXPECT_EQ(linger.arguments[3].kind, Expression::Kind::kLinger);
  const auto connect = only<CallLine>(
      "0 connect(3, {sa_family = AF_INET, sin_port = htons(80), sin_addr = inet_addr(\"192.0.2.1\")}, ...) = 0");
  EXPECT_EQ(connect.arguments[1].address.second, 80);
  EXPECT_EQ(to_string(connect.arguments[1].address.first), "192.0.2.1");
}

TEST(Parser, OptionsCommandsCodeAndCommentsStandWherePacketdrillHasThem) {
  const Script script = parsed(
      "--tolerance_usecs=10000\n--ip_version=ipv4\n// a comment\n`./defaults.sh\n./x`\n"
      "0 `sysctl a=1`\n+0 %{ assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd }% /* another */\n`end`");
  ASSERT_EQ(script.options.size(), 2u);
  EXPECT_EQ(script.options[1].value, "ipv4");
  EXPECT_EQ(script.init_command, "./defaults.sh\n./x");
  EXPECT_EQ(std::get<CommandLine>(script.events[0].action).text, "sysctl a=1");
  EXPECT_EQ(std::get<CodeLine>(script.events[1].action).text, " assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd ");
  EXPECT_EQ(script.cleanup_command, "end");
}

TEST(ParserErrors, SayWhereAndWhatWasExpected) {
  EXPECT_THAT(error_of(""), HasSubstr("1:1: expected an event that begins with its time, found the end of the script"));
  EXPECT_THAT(error_of("0 < S 0:0(0)\n+0 < X 1:1(0)"), HasSubstr("2:6: `X` is no TCP flag"));
  EXPECT_THAT(error_of("0 < . 1:5(1) ack 1"), HasSubstr("1:9: 1:5(1): the text would end at 2"));
  EXPECT_THAT(error_of("0 < . 1:1(0) ack 1 win 65536"), HasSubstr("65536 is out of range: 0 to 65535 for the window"));
  EXPECT_THAT(error_of("0 < . 1:1(0) ack 1 <mss 1460,what>"), HasSubstr("1:30: `what` is no TCP option"));
  EXPECT_THAT(error_of("0 < . 1:1(0) ack 1 <...>"), HasSubstr("is for packets that are expected"));
  EXPECT_THAT(error_of("* < . 1:1(0) ack 1"), HasSubstr("1:1: `*` and time ranges are for packets that are expected"));
  EXPECT_THAT(error_of("2~1 > . 1:1(0) ack 1"), HasSubstr("1:3: a time range that ends before it begins"));
  EXPECT_THAT(error_of("0 read(4, ..., 10"), HasSubstr("expected `)` after the arguments, found the end"));
  EXPECT_THAT(error_of("0 read(4)"), HasSubstr("expected `=` and what the call returns"));
  EXPECT_THAT(error_of("0 `sysctl"), HasSubstr("1:3: what begins here does not end: ` is missing"));
  EXPECT_THAT(error_of("/* no end"), HasSubstr("1:1: a comment that does not end"));
  EXPECT_THAT(error_of("0 < udp (10)"), HasSubstr("1:5: `udp`: packets here are TCP or ICMP"));
  EXPECT_THAT(error_of("0 < . 1:1(0) ack 1 win 1\n?"), HasSubstr("2:1: expected the time of an event, found `?`"));
  EXPECT_THAT(error_of("0 < . 1:1(0) <nop,nop,TS val 1 ecr 2,TS val 1 ecr 2,TS val 1 ecr 2,TS val 1 ecr 2>"),
              HasSubstr("options of 42 bytes; a header has room for 40"));
}

}  // namespace
}  // namespace pollux::stacktest
