#include "stacktest/stacktest_options.h"

#include <array>

#include "option_values.h"

namespace pollux::app {
namespace {

using Json = nlohmann::json;

constexpr auto kScript = static_cast<unsigned>(Command::kScript);
constexpr auto kSim = static_cast<unsigned>(Command::kSim);

constexpr auto kTap = static_cast<unsigned>(Command::kTap);
constexpr auto kReplay = static_cast<unsigned>(Command::kReplay);

constexpr Choice<stacktest::Role> kRoles[] = {{"client", stacktest::Role::kClient},
                                              {"server", stacktest::Role::kServer}};
constexpr Choice<stacktest::PeerNumbers> kNumbers[] = {{"captured", stacktest::PeerNumbers::kCaptured},
                                                       {"near-wrap", stacktest::PeerNumbers::kNearWrap}};
constexpr Choice<IpFamily> kFamilies[] = {
    {"both", IpFamily::kBoth}, {"ipv4", IpFamily::kIpv4}, {"ipv6", IpFamily::kIpv6}};

// One of some chances of a world.
template <std::optional<double> sim::World::*kMember>
SetResult set_chance(Options& o, std::string_view text) {
  return put(parse_chance(text), (o.sim.world.*kMember).emplace());
}
template <std::optional<double> sim::World::*kMember>
Json show_chance(const Options& o) {
  const std::optional<double>& chance = o.sim.world.*kMember;
  return chance ? Json(*chance) : Json(nullptr);
}

SetResult set_peer(Options& o, std::string_view text) {
  o.sim.all_peers = text == "all";
  if (o.sim.all_peers) return {};
  const auto peer = sim::peer_named(text);
  if (peer) {
    o.sim.world.peer = *peer;
    return {};
  }
  std::string all;
  for (std::size_t i = 0; i < sim::kPeers; ++i) all += fmt::format("{}, ", sim::name_of(static_cast<sim::Peer>(i)));
  return unexpected(fmt::format("`{}` is not one of {}all", text, all));
}

// "loss,jitter".
SetResult set_without(Options& o, std::string_view text) {
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    const std::string_view name = text.substr(at, end - at);
    at = end + 1;
    if (const auto trouble = sim::trouble_named(name)) {
      o.sim.world.without.add(*trouble);
      continue;
    }
    std::vector<std::string_view> names;
    for (std::size_t i = 0; i < sim::kTroubles; ++i) names.push_back(sim::name_of(static_cast<sim::Trouble>(i)));
    return unexpected(fmt::format("there is no trouble `{}`{}", name, did_you_mean(name, names)));
  }
  return {};
}

constexpr std::array kStackTestRows{
    OptionSpec{"script", 0, "FILE|DIR", "a script, or a directory with *.pkt in it; --script may be left out", kScript,
               true,
               [](Options& o, std::string_view text) {
                 o.files.emplace_back(text);
                 return SetResult{};
               },
               [](const Options& o) { return Json(o.files); }, "", true},
    OptionSpec{"family", 0, "both|ipv4|ipv6", "the families that scripts are run with", kScript, false,
               [](Options& o, std::string_view text) { return put_choice(text, kFamilies, o.family); },
               [](const Options& o) { return Json(word_of(o.family, kFamilies)); }},
    OptionSpec{"captures", 0, "DIR", "write what was on the wire of a script that fails to DIR/NAME.FAMILY.pcap",
               kScript, false, [](Options& o, std::string_view text) { return put_text(text, o.captures); },
               [](const Options& o) { return o.captures.empty() ? Json(nullptr) : Json(o.captures); }},
    OptionSpec{
        "beside-linux", 0, "",
        "run scripts with a capture NAME.linux.pcap beside them, and no others, and fail where the stack answers "
        "otherwise than Linux did in it; windows count as open or closed",
        kScript, false, [](Options& o, std::string_view text) { return put(parse_switch(text), o.beside_linux); },
        [](const Options& o) { return Json(o.beside_linux); }},

    OptionSpec{"in", 0, "IN.pcap", "the capture; --in may be left out", kReplay, false,
               [](Options& o, std::string_view text) {
                 o.files.emplace_back(text);
                 return SetResult{};
               },
               [](const Options& o) { return Json(o.files); }, "", true},
    OptionSpec{"connection", 0, "N", "which connection of the capture; 1: the first", kReplay, false,
               [](Options& o, std::string_view text) {
                 return put_within(parse_count(text), 1, UINT32_MAX, o.replay.connection);
               },
               [](const Options& o) { return Json(o.replay.connection); }},
    OptionSpec{"role", 0, "client|server", "which end the stack is; default: server", kReplay, false,
               [](Options& o, std::string_view text) { return put_choice(text, kRoles, o.replay.settings.role); },
               [](const Options& o) { return Json(word_of(o.replay.settings.role, kRoles)); }},
    OptionSpec{"asap", 0, "", "each packet as soon as the stack has sent what it acknowledges; default: at its time",
               kReplay, false,
               [](Options& o, std::string_view text) { return put(parse_switch(text), o.replay.settings.asap); },
               [](const Options& o) { return Json(o.replay.settings.asap); }},
    OptionSpec{"isn", 0, "captured|near-wrap",
               "the captured peer's first sequence number: as it was, or shortly before the numbers wrap; the stack's "
               "is its own, and what the peer acknowledges follows it",
               kReplay, false,
               [](Options& o, std::string_view text) { return put_choice(text, kNumbers, o.replay.settings.numbers); },
               [](const Options& o) { return Json(word_of(o.replay.settings.numbers, kNumbers)); }},
    OptionSpec{"out", 'o', "FILE", "write what was on the wire, in the capture's numbers, to a pcap file", kReplay,
               false, [](Options& o, std::string_view text) { return put_text(text, o.replay.out); },
               [](const Options& o) { return o.replay.out.empty() ? Json(nullptr) : Json(o.replay.out); }},
    OptionSpec{"expect", 'e', "FILE", "a capture of what the stack should send; fail (exit code 1) if it does not",
               kReplay, false, [](Options& o, std::string_view text) { return put_text(text, o.replay.expect); },
               [](const Options& o) { return o.replay.expect.empty() ? Json(nullptr) : Json(o.replay.expect); }},
    OptionSpec{"loose", 0, "",
               "compare text, options of the SYN, last acknowledgment and end, and not each packet: for what another "
               "stack sent",
               kReplay, false,
               [](Options& o, std::string_view text) {
                 bool loose = false;
                 auto ok = put(parse_switch(text), loose);
                 o.replay.strictness = loose ? stacktest::Strictness::kLoose : stacktest::Strictness::kPackets;
                 return ok;
               },
               [](const Options& o) { return Json(o.replay.strictness == stacktest::Strictness::kLoose); }},

    OptionSpec{"seeds", 0, "N", "how many worlds, one for each seed from --seed on; default: 200, with --seed 1", kSim,
               false, [](Options& o, std::string_view text) { return put(parse_count(text), o.sim.seeds.emplace()); },
               [](const Options& o) { return o.sim.seeds ? Json(*o.sim.seeds) : Json(nullptr); }},
    OptionSpec{"jobs", 'j', "N", "how many worlds run at a time; default: one for each core that may be used", kSim,
               false,
               [](Options& o, std::string_view text) { return put_within(parse_count(text), 1, 256, o.sim.jobs); },
               [](const Options& o) { return o.sim.jobs != 0 ? Json(o.sim.jobs) : Json(nullptr); }},
    OptionSpec{"seed", 0, "S", "the first seed; equal seeds and options make equal worlds; default: 1", kSim, false,
               [](Options& o, std::string_view text) { return put(parse_count(text), o.seed.emplace()); },
               [](const Options& o) { return o.seed ? Json(*o.seed) : Json(nullptr); }},
    OptionSpec{"peer", 0, "KIND",
               "who is at one end: honest (another of ours), off-path (that, and a stranger who guesses numbers), "
               "optimistic, dividing (ACKs), reneging, zero-window, crashing; all: one after the other",
               kSim, false, set_peer,
               [](const Options& o) { return Json(o.sim.all_peers ? "all" : sim::name_of(o.sim.world.peer)); }},
    OptionSpec{"flows", 0, "N", "connections in a world at most; default: as the seed has it, as is all below", kSim,
               false,
               [](Options& o, std::string_view text) {
                 return put_within(parse_count(text), 1, UINT32_MAX, o.sim.world.flows);
               },
               [](const Options& o) { return Json(o.sim.world.flows); }},
    OptionSpec{"bytes", 0, "SIZE", "what each side of a connection sends at most", kSim, false,
               [](Options& o, std::string_view text) { return put(parse_size(text), o.sim.world.bytes); },
               [](const Options& o) { return Json(o.sim.world.bytes); }},
    OptionSpec{"loss", 0, "CHANCE", "of a frame, while there are faults: 0.01, 1%", kSim, false,
               set_chance<&sim::World::loss>, show_chance<&sim::World::loss>},
    OptionSpec{"reorder", 0, "CHANCE", "of a frame to be overtaken", kSim, false, set_chance<&sim::World::reorder>,
               show_chance<&sim::World::reorder>},
    OptionSpec{"duplicate", 0, "CHANCE", "of a frame to come twice", kSim, false, set_chance<&sim::World::duplicate>,
               show_chance<&sim::World::duplicate>},
    OptionSpec{"corrupt", 0, "CHANCE", "of a frame to be damaged", kSim, false, set_chance<&sim::World::corrupt>,
               show_chance<&sim::World::corrupt>},
    OptionSpec{
        "delay", 0, "TIME", "one way", kSim, false,
        [](Options& o, std::string_view text) { return put_duration(text, 1us, 10s, o.sim.world.delay.emplace()); },
        [](const Options& o) { return o.sim.world.delay ? Json(exact_duration(*o.sim.world.delay)) : Json(nullptr); }},
    OptionSpec{"without", 0, "LIST",
               "trouble that no world has: loss, reorder, duplicate, corrupt, jitter, slow-wire, partitions, "
               "odd-devices, small-tables, odd-sizes, rude, strangers, replays, many-flows, wraps, ipv6, both-open, "
               "narrow",
               kSim, true, set_without, [](const Options& o) { return Json(o.sim.world.without.to_string(',')); }},
    OptionSpec{"capture", 0, "FILE", "write all frames of the one world to a pcap file", kSim, false,
               [](Options& o, std::string_view text) { return put_text(text, o.capture); },
               [](const Options& o) { return o.capture.empty() ? Json(nullptr) : Json(o.capture); }},

    OptionSpec{"only", 0, "WORD", "tests whose name has this in it; repeatable; --only may be left out", kTap, true,
               [](Options& o, std::string_view text) {
                 o.files.emplace_back(text);
                 return SetResult{};
               },
               [](const Options& o) { return Json(o.files); }, "", true},
    OptionSpec{"tests", 0, "DIR", "where the suite is; default: test/tap of the tree that the program was built in",
               kTap, false, [](Options& o, std::string_view text) { return put_text(text, o.tests); },
               [](const Options& o) { return o.tests.empty() ? Json(nullptr) : Json(o.tests); }},
    OptionSpec{"keep", 0, "", "keep captures, logs and results of each test, and say where", kTap, false,
               [](Options& o, std::string_view text) { return put(parse_switch(text), o.keep); },
               [](const Options& o) { return Json(o.keep); }},
};

}  // namespace

std::span<const OptionSpec> stacktest_option_rows() { return kStackTestRows; }

}  // namespace pollux::app
