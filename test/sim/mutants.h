#pragma once

#include <array>

namespace pollux::sim {

// The seeded bugs of base/mutant.h: what each breaks, and which stack has had it, or which
// rule it breaks. mutants_test shows that the simulator sees every one of them.
struct Mutant {
  int number;
  const char* what;
  const char* seen;
};

inline constexpr std::array<Mutant, 27> kMutants = {{
    {1, "the timestamp option is not deducted from the MSS", "RFC 6691; smoltcp b0b7bcfd"},
    {2, "any SYN ends TIME-WAIT, an old duplicate too", "RFC 6191, 2; RFC 9293, 3.6.1"},
    {3, "PAWS is turned round: newer timestamps are dropped", "RFC 7323, 5.3"},
    {4, "the receive window is one number too wide", "RFC 9293, 3.10.7.4, first; off by one in mTCP"},
    {5, "a RST ends TIME-WAIT", "RFC 1337; Linux unless tcp_rfc1337 is set"},
    {6, "a RST anywhere in the window is believed", "RFC 5961, 3.2; VPP tcp_rcv_rst, gVisor before 484ef1208"},
    {7, "a FIN counts although text before it is missing", "RFC 9293, 3.10.7.4, eighth"},
    {8, "TS.Recent is taken from segments behind a hole", "RFC 7323, 4.3; CVE-2005-0356"},
    {9, "a round trip is taken from a timestamp older than the retransmission", "RFC 6298, 3; RFC 7323, 4.1"},
    {10, "duplicate ACKs never bring a fast retransmit", "RFC 5681, 3.2"},
    {11, "old segments may change the send window", "RFC 9293, 3.10.7.4, fifth; SND.WL1 and WL2"},
    {12, "the RTO does not back off", "RFC 6298, 5.5; dperf"},
    {13, "the RTO timer is not armed again", "RFC 6298, 5.4; CVE-2015-5358"},
    {14, "the FIN goes out before the text that is queued", "RFC 9293, 3.10.4; gVisor #13393"},
    {15, "cwnd is computed and not applied", "RFC 5681, 3; smoltcp before ba2ab35a"},
    {16, "the persist timer is not armed", "RFC 9293, 3.8.6.1; gVisor #10243"},
    {17, "the right edge of the window moves left", "RFC 9293, SHLD-14; gVisor #10312"},
    {18, "the limit on challenge ACKs holds back answers to text too", "RFC 5961, 7; smoltcp before 9d532a7b"},
    {19, "received checksums are not looked at", "RFC 9293, MUST-3; trusting PKT_RX_*_CKSUM_UNKNOWN"},
    {20, "a connection that ends TIME-WAIT numbers from below the old one", "RFC 6191, 2; RFC 9293, MAY-2"},
    {21, "a deadline that moves earlier leaves the wheel as it is", "lazy re-arming done the wrong way round"},
    {22, "a half-open connection is never taken from its listener's count", "Zephyr CVE-2026-5590; gVisor"},
    {23, "the port of a connection that was reset is not given back", "OSv #889; dperf #274"},
    {24, "a FIN that comes again does not start 2MSL anew", "RFC 9293, 3.10.7.4, eighth, TIME-WAIT"},
    {25, "the delayed ACK is owed and never sent", "RFC 9293, MUST-40"},
    {26, "a partial ACK does not bring the next hole", "RFC 6582, 3.2"},
    {27, "a round trip is measured of a segment that was sent twice", "RFC 6298, 3; Karn, MUST-18"},
}};

}  // namespace pollux::sim
