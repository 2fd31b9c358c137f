// Capture files: whatever one holds, reading ends, within its bounds, and says what is wrong; and what is read as a
// session can be fed to the stack in either role.

#include <string>

#include "device/pcap_reader.h"
#include "stacktest/replay/compare.h"
#include "stacktest/replay/replayer.h"
#include "tape.h"

namespace {

using namespace pollux;
using stacktest::Role;

constexpr std::size_t kMostPackets = 100;
constexpr Duration kLongest = 10min;  // of virtual time: how late frames may say they are

// The times of a capture may be anything; what is looked for here is not in waiting.
bool is_short(const stacktest::CapturedSession& session) {
  if (session.packets.size() > kMostPackets) return false;
  Duration last{0};
  for (const stacktest::SessionPacket& packet : session.packets) {
    if (packet.at < last || packet.at > kLongest) return false;
    last = packet.at;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Tape tape{data, size};
  const fuzz::Exact file{tape.take(tape.size())};
  const auto frames = read_pcap(file.all());
  if (!frames) {
    CHECK(!frames.error().empty());
    return 0;
  }
  const auto session = stacktest::read_session(*frames, 1);
  if (!session) {
    CHECK(!session.error().empty());
    return 0;
  }
  CHECK(stacktest::compare(*session, *session, Role::kClient, stacktest::Strictness::kPackets).empty());
  if (!is_short(*session)) return 0;
  for (const Role role : {Role::kClient, Role::kServer}) {
    stacktest::ReplaySettings settings;
    settings.role = role;
    const stacktest::Replay run = stacktest::replay(*session, settings);
    static_cast<void>(stacktest::compare(*session, run.session, role, stacktest::Strictness::kLoose));
  }
  return 0;
}
