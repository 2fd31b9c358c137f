// One frame, as the network may send it, into every parser of lib/wire: no byte outside of
// it is read, views lie in it, and what is accepted can be answered.

#include "tape.h"
#include "wire/arp.h"
#include "wire/build.h"
#include "wire/frame.h"
#include "wire/icmp.h"
#include "wire/nd.h"

namespace pollux {
namespace {

constexpr MacAddress kOurs{{2, 0, 0, 0, 0, 1}};

void answer(const ParsedFrame& frame) {
  std::byte reply[2048];
  ParsedFrame again;
  std::size_t size = 0;
  switch (frame.kind) {
    case FrameKind::kTcp:
      CHECK(frame.key.local_port != 0 && frame.key.remote_port != 0);
      return;
    case FrameKind::kArp:
      if (const auto message = parse_arp(frame.payload)) {
        size = write_arp_reply(reply, {kOurs, {}, frame.vlan}, message->target_ip, *message);
      }
      break;
    case FrameKind::kNd:
      if (const auto message = parse_nd(frame); message && message->kind == NdKind::kSolicitation) {
        size = write_neighbour_advertisement(reply, {kOurs, {}, frame.vlan}, message->target, frame);
      }
      break;
    case FrameKind::kIcmp:
    case FrameKind::kIcmp6:
      if (const auto message = parse_icmp(frame)) {
        CHECK(fuzz::lies_in(message->echo_data, frame.payload));
        size = write_echo_reply(reply, {kOurs, {}, frame.vlan}, frame);
        CHECK(size <= sizeof reply);
      }
      break;
  }
  // What we answer is itself a good frame, its checksum included if the question's was good.
  const ParsePolicy policy{.checksums = ChecksumMode::kTrust, .vlan = frame.vlan};
  if (size > 0) {
    CHECK(parse_frame({reply, size}, policy, ChecksumWord::kUnknown, ChecksumWord::kUnknown, again) == WireDrop::kNone);
    CHECK(again.kind == frame.kind);
  }
}

}  // namespace
}  // namespace pollux

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pollux;
  fuzz::Tape tape{data, size};
  const std::uint8_t choice = tape.u8();
  ParsePolicy policy;
  policy.checksums = static_cast<ChecksumMode>(choice % 3);
  policy.vlan = (choice & 4) != 0 ? 7 : 0;
  if ((choice & 8) != 0) policy.mac = kOurs;
  const auto word = static_cast<ChecksumWord>((choice >> 4) % 3);
  const fuzz::Exact frame{tape.take(tape.size())};

  ParsedFrame parsed;
  const WireDrop drop = parse_frame(frame.all(), policy, word, word, parsed);
  CHECK(static_cast<std::size_t>(drop) < kWireDropCount && !name(drop).empty());
  if (drop != WireDrop::kNone) return 0;
  CHECK(fuzz::lies_in(parsed.kind == FrameKind::kTcp ? parsed.segment.text : parsed.payload, frame.all()));
  CHECK(policy.mac.is_zero() || parsed.link_group || parsed.destination == policy.mac);
  answer(parsed);
  return 0;
}
