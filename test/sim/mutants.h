#pragma once

#include <array>

namespace pollux::sim {

// The seeded bugs of base/mutant.h: what each breaks, and which stack has had it, or which rule it breaks. "RFC 2525"
// tells of bugs of stacks that were in use. mutants_test shows that every one of them is seen.
struct Mutant {
  int number;
  const char* what;
  const char* had_by;
  const char* scripts = nullptr;  // the folder of test/scripts that sees it; null: a seed of the simulator, or a scene
};

inline constexpr std::array<Mutant, 78> kMutants = {{
    {1, "the timestamp option is not deducted from the MSS", "RFC 2525, 2.18; RFC 6691; smoltcp b0b7bcfd"},
    {2, "any SYN ends TIME-WAIT, an old duplicate too", "RFC 6191, 2; RFC 9293, 3.6.1"},
    {3, "PAWS is turned round: newer timestamps are dropped", "RFC 7323, 5.3"},
    {4, "the receive window is one number too wide", "RFC 9293, 3.10.7.4, first; off by one in mTCP"},
    {5, "a RST ends TIME-WAIT", "RFC 1337; Linux unless tcp_rfc1337 is set"},
    {6, "a RST anywhere in the window is believed", "RFC 5961, 3.2; VPP tcp_rcv_rst, gVisor before 484ef1208"},
    {7, "a FIN counts although text before it is missing", "RFC 9293, 3.10.7.4, eighth"},
    {8, "TS.Recent is taken from segments behind a hole", "RFC 7323, 4.3; CVE-2005-0356"},
    {9, "a round trip is taken from a timestamp older than the retransmission", "RFC 6298, 3; RFC 7323, 4.1"},
    {10, "duplicate ACKs never bring a fast retransmit", "RFC 5681, 3.2"},
    {11, "old segments may change the send window", "RFC 9293, 3.10.7.4, fifth; SND.WL1 and WL2; tricep #103"},
    {12, "the RTO does not back off", "RFC 2525, 2.10; RFC 6298, 5.5; dperf"},
    {13, "the RTO timer is not armed again", "RFC 6298, 5.4; CVE-2015-5358"},
    {14, "the FIN goes out before the text that is queued", "RFC 9293, 3.10.4; gVisor #13393"},
    {15, "cwnd is computed and not applied", "RFC 5681, 3; smoltcp before ba2ab35a"},
    {16, "the persist timer is not armed", "RFC 9293, 3.8.6.1; gVisor #10243"},
    {17, "the right edge of the window moves left", "RFC 9293, SHLD-14; gVisor #10312"},
    {18, "the limit on challenge ACKs holds back answers to text too", "RFC 5961, 7; smoltcp before 9d532a7b"},
    {19, "received checksums are not looked at", "RFC 9293, MUST-3; trusting PKT_RX_*_CKSUM_UNKNOWN"},
    {20, "a connection that ends TIME-WAIT numbers from below the old one", "RFC 6191, 2; RFC 9293, MAY-2"},
    {21, "a deadline that moves earlier leaves the wheel as it is", "lazy re-arming done the wrong way round"},
    {22, "a half-open connection is never taken from its listener's count", "Zephyr CVE-2026-5590; picoTCP #53"},
    {23, "the port of a connection that was reset is not given back", "OSv #889; dperf #274"},
    {24, "a FIN that comes again does not start 2MSL anew", "RFC 9293, 3.10.7.4, eighth, TIME-WAIT"},
    {25, "the delayed ACK is owed and never sent", "RFC 9293, MUST-40"},
    {26, "a partial ACK does not bring the next hole", "RFC 6582, 3.2"},
    {27, "a round trip is measured of a segment that was sent twice", "RFC 6298, 3; Karn, MUST-18"},
    {28, "an acknowledgment of what was never sent is taken", "RFC 5961, 5.2; Zephyr before #92428"},
    {29, "an acknowledgment from long ago is taken, with its text", "RFC 5961, 5.2; Linux before 354e4aa391ed",
     "acceptability"},
    {30, "text that is known already is delivered again with the new", "demikernel inetstack #102"},
    {31, "text beyond the window is taken", "RFC 9293, 3.10.7.4, first; smoltcp before #1079", "receive"},
    {32, "FINs that cross lead to TIME-WAIT before ours is acknowledged", "RFC 9293, 3.6; FreeRTOS-Plus-TCP #1303"},
    {33, "no slow start after a retransmission timeout", "RFC 2525, 2.2; RFC 5681, 3.1", "recovery"},
    {34, "duplicate ACKs are counted on across new ones", "RFC 5681, 3.2; smoltcp #224", "recovery"},
    {35, "the window stays inflated after a recovery", "RFC 2525, 2.8; RFC 6582, 3.2", "recovery"},
    {36, "probes of a closed window do not back off", "RFC 9293, SHLD-30; Zephyr #48471", "zero-window"},
    {37, "every duplicate ACK starts the RTO anew", "RFC 6298, 5.3; Linux before df92c8394e6e", "retransmission"},
    {38, "keep-alive probes go on for ever", "RFC 9293, 3.8.4; NuttX #16447", "keep-alive"},
    {39, "in SYN-SENT any RST is believed", "RFC 9293, 3.10.7.3; demikernel inetstack #86", "syn-sent"},
    {40, "text for a closed application is taken, and nobody told", "RFC 2525, 2.16; RFC 9293, 3.6.1", "reset"},
    {41, "ACKs are stretched over many segments", "RFC 2525, 2.13; RFC 5681, 4.2", "delayed-ack"},
    {42, "text behind a hole is not answered", "RFC 5681, 4.2; tricep #29", "receive"},
    {43, "the ACK of a hole that is filled is delayed", "RFC 5681, 4.2; demikernel inetstack #145", "receive"},
    {44, "FIN-WAIT-2 has no end when nobody is left to read", "embox before #2946; tricep #33"},
    {45, "challenge ACKs have no limit, and two ends challenge each other", "RFC 5961, 7; Linux before f2b2c582e824",
     "acceptability"},
    {46, "the window opens byte by byte", "RFC 813; RFC 9293, MUST-39; ELKS #1022, Zephyr before #46584"},
    {47, "small segments do not wait", "RFC 896; RFC 9293, 3.7.4; tricep #106", "nagle"},
    {48, "TIME-WAIT lasts one MSL", "RFC 9293, MUST-13; Zephyr, 100 ms after #5442"},
    {49, "the window is not scaled down", "RFC 7323, 2.3; INET #59, demikernel #1196"},
    {50, "cwnd is as large after a pause as before it", "RFC 5681, 4.1", "congestion"},
    {51, "a RST is answered with a RST", "RFC 9293, 3.10.7.1; SerenityOS before #9485, PyTCP #5"},
    {52, "a RST bears SEG.SEQ instead of SEG.ACK", "RFC 9293, 3.10.7.1; Zephyr #4420"},
    {53, "in SYN-SENT any ACK is taken", "RFC 9293, 3.10.7.3; smoltcp #366"},
    {54, "TS.Recent is believed for ever, after 25 days of silence too", "RFC 7323, 5.5", "timestamps"},
    {55, "any ACK ends SYN-RECEIVED", "RFC 9293, 3.10.7.4, fifth; nonos #201"},
    {56, "acknowledgments are compared as if numbers never wrapped", "RFC 9293, 3.4; picoTCP #118, NuttX before #3865"},
    {57, "window updates count as duplicate ACKs", "RFC 5681, 2; smoltcp before #748", "recovery"},
    {58, "text behind a hole is thrown away", "RFC 2525, 2.5; RFC 9293, SHLD-31", "receive"},
    {59, "any number of holes is kept", "FreeBSD CVE-2018-6922"},
    {60, "CLOSE with unread text sends a FIN", "RFC 2525, 2.17; RFC 9293, SHLD-3", "reset"},
    {61, "behind a closed window no acknowledgment is read", "RFC 2525, 2.12; RFC 9293, MUST-66", "window"},
    {62, "the first RTO is too short", "RFC 2525, 2.7; RFC 6298, 2.1", "active-open"},
    {63, "an ACK without text bears SND.UNA", "RFC 9293, 3.10.7.4; demikernel inetstack #107, another wrong number"},
    {64, "half-open connections wait for ever", "serval #2; SYN floods", "handshake"},
    {65, "any MSS is believed, however small", "Linux CVE-2019-11479", "options"},
    {66, "a lost FIN is not sent again", "RFC 9293, 3.8.1; Zephyr #44507"},
    {67, "the ISN follows from the clock alone", "RFC 6528; NUMBER:JACK, CVE-2020-27213 and eight others"},
    {68, "old timestamps are taken", "RFC 7323, 5.3; netstack #14", "timestamps"},
    {69, "nobody is told that a closed window has opened", "RFC 9293, MUST-39; smoltcp #199", "window"},
    {70, "an urgent pointer behind what was read is believed", "VxWorks CVE-2019-12255"},
    {71, "the last segment before the FIN waits", "RFC 2525, 2.15; smoltcp before #665", "nagle"},
    {72, "cwnd grows by more than a segment in a round trip", "RFC 2525, 2.6; RFC 5681, 3.1"},
    {73, "a FIN that comes again in TIME-WAIT is not answered", "RFC 9293, 3.10.7.4, eighth; Zephyr before #46407"},
    {74, "an odd byte at the end is summed on the wrong side", "RFC 1071; DPDK's rte_raw_cksum on big-endian machines"},
    {75, "selective acknowledgments of what lies below SND.UNA count", "RFC 2883, 4; RFC 6675, 4, Update()"},
    {76, "a SACK block tells of one byte too many", "RFC 2018, 3"},
    {77, "what was SACKed is sent again with the holes", "RFC 6675, 4, NextSeg() (1)"},
    {78, "a time-out is undone whatever the first ACK echoes", "RFC 3522, 3.2, (5)"},
}};

}  // namespace pollux::sim
