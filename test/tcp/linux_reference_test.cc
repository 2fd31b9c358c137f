// What Linux 6.18 answers to single segments, cell by cell, and what we do. The replies of Linux were recorded
// with raw frames; here are those cells that concern a TCB or a listener's decision. Frames that are broken below
// TCP (checksums, lengths, options that overrun, LAND, IP options) are tested where frames are parsed.
//
// We differ in these, on purpose (the table below marks each with `ours`):
//
//   cell                               Linux            Pollux   why
//   TIMEWT? duplicate FIN after RST    R                A        RFC 1337: a RST must not end TIME-WAIT; Linux's
//                                                                tcp_rfc1337 = 1, ours Config::rst_ends_time_wait
//   SYNSENT ICMP host unreachable      fails at once    waits    RFC 1122, 4.2.3.9: a soft error MUST NOT abort;
//                                                                it is the reason if the SYN times out (MUST-56)

#include <functional>

#include "test_connection.h"

namespace pollux::tcp::test {
namespace {

// "A", "R,S": the segments sent, as the reference prints them.
std::string replies(TestConnection& c) {
  std::string all;
  for (const Sent& sent : c.take_all_sent()) {
    if (!all.empty()) all += ',';
    if (sent.flags.syn) all += 'S';
    if (sent.flags.fin) all += 'F';
    if (sent.flags.rst) all += 'R';
    if (sent.flags.ack) all += 'A';
  }
  return all.empty() ? "silence" : all;
}

struct Cell {
  const char* name;
  const char* on_linux;
  std::function<std::string()> answer;
  const char* ours = nullptr;  // where we differ
};

void check(std::initializer_list<Cell> cells) {
  for (const Cell& cell : cells)
    EXPECT_EQ(cell.answer(), cell.ours != nullptr ? cell.ours : cell.on_linux) << cell.name;
}

// A listener's answer: its decision, and then a TCB's.
std::string listener(SegmentSpec spec, std::string_view flags) {
  Segment segment;
  const auto has = [&](char f) { return flags.find(f) != std::string_view::npos; };
  segment.flags = {
      .fin = has('F'), .syn = has('S'), .rst = has('R'), .psh = has('P'), .ack = has('.'), .urg = has('U')};
  const Verdict verdict = arrives_in_listen(segment);
  if (verdict == Verdict::kReset) return reset_for(segment).with_ack ? "RA" : "R";
  if (verdict != Verdict::kContinue) return "silence";
  TestConnection c;
  c.peer_opens(spec.flags(flags).seq(0));
  return replies(c);
}

std::string on(TestConnection c, const SegmentSpec& spec, const char* alive = "") {
  c.peer_sends(spec);
  c.sleep(50ms);
  const std::string all = replies(c);
  if (*alive == '\0') return all;
  return all + (c.state() == State::kClosed ? " dead" : " alive");
}

std::string in_established(const SegmentSpec& spec) { return on(established(), spec, "state"); }

TEST(LinuxReference, Listen) {
  check({
      {"SYN", "SA", [] { return listener(syn().mss(1460), "S"); }},
      {"SYN, MSS=0", "SA", [] { return listener(syn().mss(0), "S"); }},
      {"SYN|FIN", "silence", [] { return listener(syn(), "SF"); }},
      {"SYN|RST", "silence", [] { return listener(syn(), "SR"); }},
      {"null flags", "silence", [] { return listener(no_flags(), ""); }},
      {"xmas FIN|PSH|URG", "silence", [] { return listener(no_flags(), "FPU"); }},
      {"ACK", "R", [] { return listener(no_flags(), "."); }},
      {"FIN", "silence", [] { return listener(no_flags(), "F"); }},
      {"RST", "silence", [] { return listener(no_flags(), "R"); }},
      {"SYN|ACK", "R", [] { return listener(syn(), "S."); }},
      {"SYN + 100B data", "SA", [] { return listener(data(pattern(100)), "S"); }},
  });
}

TEST(LinuxReference, Closed) {
  check({
      {"SYN", "RA", [] { return on(closed(), syn()); }},
      {"ACK", "R", [] { return on(closed(), ack(1)); }},
      {"RST", "silence", [] { return on(closed(), rst()); }},
      {"null", "RA", [] { return on(closed(), no_flags()); }},
      {"SYN|FIN", "RA", [] { return on(closed(), syn().fin()); }},
  });
}

TEST(LinuxReference, EstablishedRstAndSyn) {
  check({
      {"RST exact", "silence dead", [] { return in_established(rst().seq(1)); }},
      {"RST in-window +1", "A alive", [] { return in_established(rst().seq(2)); }},
      {"RST in-window +1000", "A alive", [] { return in_established(rst().seq(1001)); }},
      {"RST at right edge-1", "A alive", [] { return in_established(rst().seq(established().right_edge() - 1)); }},
      {"RST out-of-window -1", "silence alive", [] { return in_established(rst().seq(0)); }},
      {"RST out-of-window +2^31", "silence alive",
       [] { return in_established(rst().seq(1 + (std::int64_t{1} << 31))); }},
      {"SYN exact", "A alive", [] { return in_established(syn().seq(1)); }},
      {"SYN in-window", "A alive", [] { return in_established(syn().seq(100)); }},
      {"SYN old (-1000)", "A alive", [] { return in_established(syn().seq(-999)); }},
      {"SYN|ACK in-window", "A alive", [] { return in_established(syn().seq(100).ack(1)); }},
      {"SYN|FIN in-window", "A alive", [] { return in_established(syn().seq(100).fin()); }},
  });
}

TEST(LinuxReference, EstablishedAckAndText) {
  const auto ahead = [](std::int64_t n) { return ack(1 + n).seq(1); };
  const auto behind = [](std::int64_t n) { return data("abcde").seq(1).ack(1 - n); };
  check({
      {"null flags seg in-window data", "silence alive", [] { return in_established(data("abc").seq(1)); }},
      {"FIN without ACK", "silence alive", [] { return in_established(fin().seq(1)); }},
      {"ACK of unsent +1", "A alive", [&] { return in_established(ahead(1)); }},
      {"ACK of unsent +100000", "A alive", [&] { return in_established(ahead(100000)); }},
      {"ACK of unsent +1 with data", "A alive", [&] { return in_established(ahead(1).text("abc")); }},
      {"old ACK -1", "A alive", [] { return in_established(ack(0).seq(1)); }},
      {"old ACK -1 with data", "A alive", [&] { return in_established(behind(1)); }},
      {"ACK -70000 (below MAX.SND.WND) data", "A alive", [&] { return in_established(behind(70000)); }},
      {"ACK -2^31 data", "A alive", [&] { return in_established(behind(std::int64_t{1} << 31)); }},
      {"data entirely old (-10,len5)", "A alive", [] { return in_established(data("abcde").seq(-9).ack(1)); }},
      {"data beyond window", "A alive",
       [] { return in_established(data("abc").seq(established().right_edge()).ack(1)); }},
      {"URG ptr beyond data", "A alive", [] { return in_established(data("abc").seq(1).ack(1).urg(1000)); }},
      {"URG ptr 0", "A alive", [] { return in_established(data("abc").seq(1).ack(1).urg(0)); }},
  });
}

TEST(LinuxReference, EstablishedWithTextInFlight) {
  const auto sender = [](bool acknowledged) {
    TestConnection c = established();
    c.user_sends(pattern(14000));
    if (acknowledged) {
      while (c.snd_una() < 14001) c.peer_sends(ack(c.snd_nxt()).seq(1));
    }
    c.take_all_sent();
    return c;
  };
  check({
      {"ack 1 beyond SND.NXT with 14000 in flight", "A",
       [&] {
         TestConnection c = sender(false);
         const std::int64_t next = c.snd_nxt();
         return on(std::move(c), ack(next + 1).seq(1));
       }},
      {"old pure ACK (1 below SND.UNA, 14000 sent)", "silence", [&] { return on(sender(true), ack(14000).seq(1)); }},
      {"old pure ACK (14000 below SND.UNA)", "silence", [&] { return on(sender(true), ack(1).seq(1)); }},
  });
}

TEST(LinuxReference, Rate) {  // 200 times in less than 0.1 s
  const auto replies_to_200 = [](const SegmentSpec& spec) {
    TestConnection c = established();
    for (int i = 0; i < 200; ++i) c.peer_sends(spec);
    return std::to_string(c.sent_count());
  };
  check({
      {"in-window RST", "1", [&] { return replies_to_200(rst().seq(100)); }},
      {"in-window SYN", "1", [&] { return replies_to_200(syn().seq(100)); }},
      {"pure old ACK (seq-1000)", "1", [&] { return replies_to_200(ack(1).seq(-999)); }},
      {"old DATA segs (seq-1000,len 10)", "200", [&] { return replies_to_200(data("0123456789").seq(-999).ack(1)); }},
      {"ooo DATA (seq+100)", "200", [&] { return replies_to_200(data("0123456789").seq(101).ack(1)); }},
  });
}

TEST(LinuxReference, FinWaitAndTimeWait) {
  const auto after_rst = [](const Conditions& given) {
    TestConnection c = time_wait(given);
    c.peer_sends(rst().seq(2));
    return on(std::move(c), fin().seq(1).ack(2));
  };
  const auto reopening = [](const SegmentSpec& spec) {
    TestConnection c = time_wait();
    return c.peer_sends(spec) == Verdict::kReopen ? std::string{"SA"} : replies(c);
  };
  check({
      {"FINWAIT our FIN|ACK", "A", [] { return on(fin_wait_1(), fin().seq(1).ack(2)); }},
      {"TIMEWT RST exact (rfc1337=0)", "silence", [] { return on(time_wait(), rst().seq(2)); }},
      {"TIMEWT? duplicate FIN after RST", "R", [&] { return after_rst({}); }, "A"},
      {"the same with rst_ends_time_wait", "R", [&] { return after_rst({.config = {.rst_ends_time_wait = true}}); }},
      {"TIMEWT duplicate FIN", "A", [] { return on(time_wait(), fin().seq(1).ack(2)); }},
      {"TIMEWT old duplicate SYN (seq lower, no TS)", "A", [&] { return reopening(syn().seq(-1000)); }},
      {"TIMEWT new SYN (seq higher, no TS)", "SA", [&] { return reopening(syn().seq(100000)); }},
      {"TIMEWT in-window data", "A", [] { return on(time_wait(), data("abc").seq(2).ack(2)); }},
  });
}

TEST(LinuxReference, SynSent) {
  const auto answer = [](const SegmentSpec& spec) { return on(syn_sent(), spec); };
  const auto outcome = [](const std::function<void(TestConnection&)>& event) {
    TestConnection c = syn_sent();
    event(c);
    const std::string all = replies(c);
    if (c.state() != State::kClosed) return all + " waits";
    return all + (c.reason() == Reason::kRefused ? " refused" : " fails");
  };
  check({
      {"SYN|ACK ack=ISS (bad)", "R waits", [&] { return outcome([](auto& c) { c.peer_sends(syn().ack(0)); }); }},
      {"SYN|ACK ack=ISS+2 (bad)", "R waits", [&] { return outcome([](auto& c) { c.peer_sends(syn().ack(2)); }); }},
      {"SYN|ACK good", "A", [&] { return answer(syn().ack(1)); }},
      {"SYN (simultaneous open)", "SA", [&] { return answer(syn()); }},
      {"RST|ACK good", "silence refused", [&] { return outcome([](auto& c) { c.peer_sends(rst().seq(0).ack(1)); }); }},
      {"RST|ACK bad ack", "silence waits", [&] { return outcome([](auto& c) { c.peer_sends(rst().seq(0).ack(7)); }); }},
      {"RST no ACK", "silence waits", [&] { return outcome([](auto& c) { c.peer_sends(rst().seq(0)); }); }},
      {"SYN|ACK|FIN", "A", [&] { return answer(syn().ack(1).fin()); }},
      {"ICMP port unreachable, right seq", "silence refused",
       [&] { return outcome([](auto& c) { c.icmp_error(IcmpError::kPortUnreachable, 0); }); }},
      {"ICMP port unreachable, wrong seq", "silence waits",
       [&] { return outcome([](auto& c) { c.icmp_error(IcmpError::kPortUnreachable, 5); }); }},
      {"ICMP host unreachable, right seq", "silence fails",
       [&] { return outcome([](auto& c) { c.icmp_error(IcmpError::kHostUnreachable, 0); }); }, "silence waits"},
  });
}

}  // namespace
}  // namespace pollux::tcp::test
