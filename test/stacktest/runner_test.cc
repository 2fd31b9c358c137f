// The runner, with scripts that must fail: one that passes all is worth nothing.

#include "runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "parser.h"

namespace pollux::stacktest {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// Why it failed in either family, "line: why"; empty: it passed.
std::string run(const std::string& text) {
  const auto script = parse(text);
  if (!script) return "parser: " + script.error().what;
  std::string why;
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    const auto settings = settings_of(*script, family);
    if (!settings) return "settings: " + settings.error().what;
    if (settings->only && *settings->only != family) continue;
    const Run result = run_script(*script, text, *settings);
    if (!result.outcome.passed) why = std::to_string(result.outcome.at.line) + ": " + result.outcome.why;
  }
  return why;
}

const std::string kServer =
    "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
    "+0 bind(3, ..., ...) = 0\n"
    "+0 listen(3, 1) = 0\n";
const std::string kOpen = kServer +
                          "+0 < S 0:0(0) win 32792 <mss 1000>\n"
                          "+0 > S. 0:0(0) ack 1 <mss 1460>\n"
                          "+0 < . 1:1(0) ack 1 win 32792\n"
                          "+0 accept(3, ..., ...) = 4\n";

TEST(Runner, PassesAScriptThatIsRight) {
  EXPECT_EQ(run(kOpen + "+0 write(4, ..., 3000) = 3000\n"
                        "+0 > P. 1:3001(3000) ack 1\n"  // three segments
                        "+.1 < P. 1:501(500) ack 3001 win 32792\n"
                        "+0 read(4, ..., 1000) = 500\n"
                        "* > . 3001:3001(0) ack 501\n"
                        "+0 close(4) = 0\n"
                        "+0 > F. 3001:3001(0) ack 501\n"),
            "");
}

TEST(Runner, TellsBothLinesOfAPacketThatDiffers) {
  EXPECT_THAT(run(kServer + "+0 < S 0:0(0) win 32792 <mss 1000>\n+0 > S. 0:0(0) ack 2 <mss 1460>\n"),
              AllOf(HasSubstr("5: "), HasSubstr("the acknowledgment is 1, expected 2"),
                    HasSubstr("\n  expected  +0 > S. 0:0(0) ack 2 <mss 1460>"),
                    HasSubstr("\n  actual    0.000000 > S. 0:0(0) ack 1 win 65535 <mss 1460>")));
}

TEST(Runner, LooksAtEveryFieldOfAPacket) {
  const std::string sent = kOpen + "+0 write(4, ..., 100) = 100\n+0 > ";
  EXPECT_EQ(run(sent + "P. 1:101(100) ack 1\n"), "");
  EXPECT_THAT(run(sent + ". 1:101(100) ack 1\n"), HasSubstr("flags"));
  EXPECT_THAT(run(sent + "P. 2:102(100) ack 1\n"), HasSubstr("the sequence number is 1, expected 2"));
  EXPECT_THAT(run(sent + "P. 1:100(99) ack 1\n"), HasSubstr("the size of its text is 100, expected 99"));
  EXPECT_THAT(run(sent + "P. 1:101(100) ack 1 win 5\n"), HasSubstr("the window"));
  EXPECT_THAT(run(sent + "P. 1:101(100) ack 1 urg 5\n"), HasSubstr("the urgent pointer"));
  EXPECT_THAT(run(sent + "P. 1:101(100) ack 1 <nop>\n"), HasSubstr("options"));
  EXPECT_THAT(run(sent.substr(0, sent.size() - 2) + "> [ect0] P. 1:101(100) ack 1\n"), HasSubstr("ECN"));
  EXPECT_THAT(run(sent.substr(0, sent.size() - 2) + "> [ttl 3] P. 1:101(100) ack 1\n"), HasSubstr("TTL"));
  EXPECT_EQ(run(sent + "P. 1:101(100) ack 1 <...>\n"), "");
}

TEST(Runner, FailsOnASurplusPacket) {
  EXPECT_THAT(run(kServer + "+0 < S 0:0(0) win 32792 <mss 1000>\n"),
              HasSubstr("the script is over, and the stack has sent a packet that no line expects"));
}

TEST(Runner, FailsOnAPacketThatIsNotSent) {
  EXPECT_THAT(run(kOpen + "+.1 > . 1:1(0) ack 1\n"), HasSubstr("a packet was expected, and none was sent"));
}

TEST(Runner, FailsOnAWrongTime) {
  const std::string resent = kOpen + "+0 write(4, ..., 100) = 100\n+0 > P. 1:101(100) ack 1\n";
  EXPECT_EQ(run(resent + "+.2 > P. 1:101(100) ack 1\n"), "") << "RTO";
  EXPECT_EQ(run(resent + "+.15~+.25 > P. 1:101(100) ack 1\n"), "");
  EXPECT_THAT(run(resent + "+.3 > P. 1:101(100) ack 1\n"), HasSubstr("was sent at 0.200000, expected at 0.300000"));
  EXPECT_THAT(run(resent + "+.1 > P. 1:101(100) ack 1\n"), HasSubstr("none was sent up to"));
}

TEST(Runner, FailsOnAnOutcomeOfACallThatIsNotExpected) {
  EXPECT_THAT(run(kOpen + "+0 fcntl(4, F_SETFL, O_NONBLOCK) = 0\n+0 read(4, ..., 10) = 10\n"),
              HasSubstr("read() returned -1 EAGAIN, expected 10"));
  EXPECT_THAT(run(kOpen + "+0 write(4, ..., 10) = -1 EPIPE (Broken pipe)\n+0 > P. 1:11(10) ack 1\n"),
              HasSubstr("write() returned 10, expected -1 EPIPE"));
  EXPECT_THAT(run(kOpen + "+0 getsockopt(4, SOL_SOCKET, SO_ERROR, [ECONNRESET], [4]) = 0\n"),
              HasSubstr("SO_ERROR is 0, expected ECONNRESET"));
}

TEST(Runner, ACallThatBlocksEndsWhenTheScriptSays) {
  EXPECT_EQ(run(kOpen + "+0...0.2 read(4, ..., 10) = 10\n+.2 < P. 1:11(10) ack 1 win 32792\n* > . 1:1(0) ack 11\n"),
            "");
  EXPECT_THAT(run(kOpen + "+0 read(4, ..., 10) = 10\n"), HasSubstr("read() blocks"));
  EXPECT_THAT(run(kOpen + "+0...0.5 read(4, ..., 10) = 10\n+.2 < P. 1:11(10) ack 1 win 32792\n"),
              HasSubstr("read() returned at 0.200000, expected at 0.500000"));
  EXPECT_THAT(run(kOpen + "+0...0.5 read(4, ..., 10) = 10\n"), HasSubstr("read() still blocks"));
}

TEST(Runner, ChecksAssertionsOfTcpInfo) {
  EXPECT_EQ(run(kOpen + "+0 %{ assert tcpi_state == TCP_ESTABLISHED }%\n"), "");
  EXPECT_THAT(run(kOpen + "+0 %{ assert tcpi_state == TCP_CLOSE }%\n"), HasSubstr("does not hold: tcpi_state is 1"));
}

TEST(Runner, SaysWhatItCannotDo) {
  EXPECT_THAT(run("--no_such=1\n" + kOpen), HasSubstr("settings: --no_such is not supported"));
  EXPECT_THAT(run("`rm -rf x`\n" + kOpen), HasSubstr("the command `rm`"));
  EXPECT_THAT(run("`sysctl -q net.ipv4.no_such=1`\n" + kOpen), HasSubstr("nothing like the sysctl no_such"));
  EXPECT_THAT(run(kOpen + "+0 epoll_create(1) = 5\n"), HasSubstr("the system call epoll_create() is not supported"));
  EXPECT_THAT(run(kOpen + "+0 read(4, ..., NO_SUCH) = 0\n"), HasSubstr("the name `NO_SUCH` is not known here"));
}

TEST(Runner, SetsWhatTheCommandsOfAScriptAskFor) {
  const std::string syn = "+0 < S 0:0(0) win 32792 <mss 1000,nop,nop,TS val 5 ecr 0>\n";
  EXPECT_EQ(run("`sysctl -q net.ipv4.tcp_timestamps=0`\n" + kServer + syn + "+0 > S. 0:0(0) ack 1 <mss 1460>\n"), "");
  EXPECT_EQ(run("`./defaults.sh\n./set_sysctls.py /proc/sys/net/ipv4/tcp_timestamps=1`\n" + kServer + syn +
                "+0 > S. 0:0(0) ack 1 <mss 1460,nop,nop,TS val 1 ecr 5>\n"),
            "");
}

}  // namespace
}  // namespace pollux::stacktest
