#include "replay_command.h"

#include <algorithm>

#include "device/pcap_writer.h"
#include "replay/compare.h"
#include "say.h"
#include "session.h"
#include "units.h"

namespace pollux::app {
namespace {

using stacktest::CapturedSession;
using stacktest::Role;

std::size_t count_of(const CapturedSession& session, Role role) {
  return static_cast<std::size_t>(std::count_if(session.packets.begin(), session.packets.end(),
                                                [&](const auto& packet) { return packet.from == role; }));
}

bool write_session(const CapturedSession& session, const std::string& path) {
  auto writer = PcapWriter::create(path);
  if (!writer) return false;
  for (const stacktest::SessionPacket& packet : session.packets) {
    writer->write(Instant{packet.at}, stacktest::on_ethernet(to_bytes(packet.packet), packet.from == Role::kServer));
  }
  return writer->flush();
}

// What the comparison finds, as an exit code.
int judge(const CapturedSession& expected, const CapturedSession& actual, const Options& options) {
  const ReplayOptions& o = options.replay;
  const std::string difference = compare(expected, actual, o.settings.role, o.strictness);
  if (difference.empty()) return kOk;
  say(stdout, "{}: {}\n", o.expect, difference);
  return kRunTimeError;
}

}  // namespace

int stacktest_replay(const Options& options) {
  const ReplayOptions& o = options.replay;
  if (options.files.size() != 1) {
    return fail(kUsage,
                "which capture? Name one pcap file, such as test/pcap/close.pcap (tcpdump -s 0 -w FILE writes one)");
  }
  const auto captured = stacktest::read_session_file(options.files.front(), o.connection);
  if (!captured) return fail(kUsage, captured.error());
  Expected<CapturedSession, std::string> expected = *captured;
  if (!o.expect.empty()) expected = stacktest::read_session_file(o.expect, 1);
  if (!expected) return fail(kUsage, expected.error());
  stacktest::ReplaySettings settings = o.settings;
  settings.tcp = options.shard.tcp;
  settings.seed = options.seed.value_or(1);
  const stacktest::Replay run = stacktest::replay(*captured, settings);
  if (!o.out.empty() && !write_session(run.session, o.out)) {
    return fail(kRunTimeError, fmt::format("cannot write {}", o.out));
  }
  if (!options.quiet) {
    const Duration took = run.session.packets.empty() ? Duration{0} : run.session.packets.back().at;
    say(stdout, "{}: {} packets in, {} out, {} of virtual time\n", options.files.front(),
        count_of(run.session, other(settings.role)), count_of(run.session, settings.role), show_duration(took));
  }
  if (!run.failure.empty()) {
    say(stdout, "{}: {}\n", options.files.front(), run.failure);
    return kRunTimeError;
  }
  return o.expect.empty() ? kOk : judge(*expected, run.session, options);
}

}  // namespace pollux::app
