#include "deviations.h"

#include <array>

namespace pollux::matrix {
namespace {

constexpr std::array kDeviations{
    Deviation{"LISTEN drops a SYN with FIN",
              "HS-07: no host opens a connection so; RFC 9293 would have the FIN wait for the handshake. Linux 6.18 "
              "drops it too",
              [](const Block& b, const Arrival& seg) {
                return b.state == State::kListen && seg.flags.syn && seg.flags.fin && !seg.flags.rst && !seg.flags.ack;
              },
              [](Outcome& o, const Block& b) {
                o = {.state = b.state, .snd_una = b.snd_una, .rcv_nxt = b.rcv_nxt, .source = o.source};
              }},
    Deviation{"a RST in SYN-SENT is told as \"refused\"",
              "AO-06: \"connection reset\" is 3.10.7.3's word, but SYN-RECEIVED (3.10.7.4) says \"connection refused\" "
              "for the same answer to the same SYN, and so do sockets (ECONNREFUSED)",
              [](const Block& b, const Arrival& seg) { return b.state == State::kSynSent && seg.flags.rst; },
              [](Outcome& o, const Block&) {
                o.told.refused = o.told.reset;
                o.told.reset = Tell::kNo;
              }},
    Deviation{
        "an ACK alone at RCV.NXT+RCV.WND counts, while text may come",
        "who has filled the window has no other SEQ to send, so that until his text is taken none of his ACKs and "
        "windows would count, and two such ends would wait for each other. Linux and FreeBSD take it too",
        [](const Block& b, const Arrival& seg) {
          const bool text_may_come =
              b.state == State::kEstablished || b.state == State::kFinWait1 || b.state == State::kFinWait2;
          return text_may_come && b.rcv_wnd > 0 && seg.len() == 0 && seg.flags.ack && !seg.flags.rst &&
                 seg.seq == b.rcv_nxt + b.rcv_wnd;
        },
        nullptr,
        [](const Block& b, Arrival seg) {
          seg.seq = b.rcv_nxt + (b.rcv_wnd - 1);
          return seg;
        }},
};

}  // namespace

std::span<const Deviation> deviations() { return kDeviations; }

std::vector<Outcome> expected_of_pollux(const Block& block, const Arrival& seg, std::vector<std::size_t>& used) {
  Arrival read = seg;
  for (std::size_t i = 0; i < kDeviations.size(); ++i) {
    if (kDeviations[i].read_as == nullptr || !kDeviations[i].applies(block, seg)) continue;
    ++used[i];
    read = kDeviations[i].read_as(block, seg);
  }
  std::vector<Outcome> outcomes = expected(block, read);
  for (std::size_t i = 0; i < kDeviations.size(); ++i) {
    if (kDeviations[i].change == nullptr || !kDeviations[i].applies(block, seg)) continue;
    ++used[i];
    for (Outcome& outcome : outcomes) kDeviations[i].change(outcome, block);
  }
  return outcomes;
}

}  // namespace pollux::matrix
