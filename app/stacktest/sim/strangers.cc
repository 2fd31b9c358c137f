#include "strangers.h"

namespace pollux::sim {

void strange_segment(Network& net, Random& random) {
  if (net.frames().empty()) return;
  const Network::Kept& kept = net.frames()[random.below(net.frames().size())];
  WireView v;
  std::string complaint;
  if (look(kept.frame, v, complaint) != Sight::kTcp) return;
  const FlowKey sender{v.source, v.destination, v.source_port, v.destination_port};
  const FlowKey receiver{v.destination, v.source, v.destination_port, v.source_port};
  const auto of_receiver = net.oracle().edges(receiver);
  if (!of_receiver) return;
  std::vector<std::byte> frame = headers_only(kept.frame, v);
  std::uint32_t seq = 0;
  switch (random.below(5)) {
    case 0:
      seq = of_receiver->rcv_nxt + 1;
      break;
    case 1:
      seq = of_receiver->rcv_edge - 1;
      break;
    case 2:
      seq = of_receiver->rcv_edge;
      break;
    case 3:
      seq = of_receiver->rcv_nxt + static_cast<std::uint32_t>(random.below(60'000)) + 1;
      break;
    default:
      seq = static_cast<std::uint32_t>(random());
      break;
  }
  constexpr std::uint8_t kSyn = 0x02;
  constexpr std::uint8_t kRst = 0x04;
  constexpr std::uint8_t kAck = 0x10;
  const bool reset = random.chance(0.6);
  // RCV.NXT may have moved on since the last ACK, over what has come in the meantime.
  const auto of_sender = net.oracle().edges(sender);
  if (reset && (!of_sender || seq - of_receiver->rcv_nxt <= of_sender->snd_nxt - of_receiver->rcv_nxt)) return;
  set_seq(frame, v, seq);
  set_ack(frame, v, reset ? 0 : static_cast<std::uint32_t>(random()));
  set_flags(frame, v, reset ? kRst : static_cast<std::uint8_t>(random.chance(0.5) ? kSyn | kAck : kAck));
  // Before the handshake is done, a SYN in the window sends it back to LISTEN (3.10.7.4, fourth).
  const Flow* flow = net.flow_of(v);
  if (flow == nullptr || !flow->sides[0].opened || !flow->sides[1].opened) return;
  mend_checksums(frame);
  net.inject(1 - kept.from, frame);
}

void replay(Network& net, Duration msl, Random& random) {
  const auto& frames = net.frames();
  if (frames.empty()) return;
  const Network::Kept& kept = frames[random.below(frames.size())];
  if (net.now() - kept.at > msl) return;
  WireView v;
  std::string complaint;
  if (look(kept.frame, v, complaint) != Sight::kTcp) return;
  net.inject(1 - kept.from, kept.frame);
}

}  // namespace pollux::sim
