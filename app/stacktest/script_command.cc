#include "script_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "device/pcap_writer.h"
#include "parser.h"
#include "replay/compare.h"
#include "runner.h"
#include "say.h"
#include "session.h"

namespace pollux::app {
namespace {

using stacktest::CapturedSession;
using stacktest::Family;
using stacktest::Position;
using stacktest::Role;

struct ScriptTally {
  std::size_t scripts = 0;
  std::size_t passed = 0;  // runs: one for each family
  std::size_t failed = 0;
};

std::string_view name_of(Family family) { return family == Family::kIpv4 ? "ipv4" : "ipv6"; }

// The files themselves, and all *.pkt below the directories, in the order of their names.
Expected<std::vector<std::string>, std::string> scripts_in(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (!std::filesystem::is_directory(path, error)) {
      files.push_back(path);
      continue;
    }
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path, error)) {
      if (entry.path().extension() == ".pkt") found.push_back(entry.path().string());
    }
    if (error || found.empty()) return unexpected(fmt::format("there is no script (*.pkt) below `{}`", path));
    std::sort(found.begin(), found.end());
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

void complain(const std::string& path, const Position& at, std::string_view what) {
  say(stdout, "{}:{}:{}: {}\n", path, at.line, at.column, what);
}

// Beside a failure: what was on the wire.
std::string write_capture(const std::string& folder, const std::string& path, Family family,
                          const std::vector<stacktest::LoggedPacket>& packets) {
  const std::string stem = std::filesystem::path{path}.stem().string();
  const std::string file = (std::filesystem::path{folder} / fmt::format("{}.{}.pcap", stem, name_of(family))).string();
  auto writer = PcapWriter::create(file);
  if (!writer) return writer.error();
  for (const stacktest::LoggedPacket& packet : packets) {
    writer->write(packet.at, stacktest::on_ethernet(packet.bytes, packet.received));
  }
  return writer->flush() ? file : "it could not be written: " + file;
}

// What Linux answered to the script, in test/scripts/FOLDER/NAME.linux.pcap; test/scripts/on_linux.py writes it.
std::string linux_capture(const std::string& path) {
  return std::filesystem::path{path}.replace_extension(".linux.pcap").string();
}

// The first difference between what the stack has sent and what Linux did; empty: none.
std::string difference_from(const CapturedSession& linux_session, const std::vector<stacktest::LoggedPacket>& packets,
                            const IpAddress& local) {
  std::vector<CapturedFrame> frames;
  frames.reserve(packets.size());
  for (const stacktest::LoggedPacket& p : packets) {
    frames.push_back({frames.size() + 1, p.at - stacktest::kScriptStart, true, p.bytes});
  }
  const auto session = stacktest::read_session(frames, 1);
  if (!session) return session.error();
  const Role role = session->address[0] == local ? Role::kClient : Role::kServer;
  return compare(linux_session, *session, role, stacktest::Strictness::kMeaning);
}

struct Job {
  std::string path;
  std::string text;
  stacktest::Script script;
  std::optional<CapturedSession> beside;  // what Linux did
};

// Whether the script is for that family, and if there is a session of Linux, so is that.
bool is_for(Family family, const Job& job, const stacktest::Settings& settings) {
  if (job.beside && job.beside->address[0].is_v4() != (family == Family::kIpv4)) return false;
  return !settings.only || *settings.only == family;
}

void run_in(Family family, const Job& job, const Options& options, ScriptTally& tally) {
  const auto settings = stacktest::settings_of(job.script, family);
  if (!settings) {
    complain(job.path, settings.error().at, settings.error().what);
    ++tally.failed;
    return;
  }
  if (!is_for(family, job, *settings)) return;
  stacktest::Run run = stacktest::run_script(job.script, job.text, *settings);
  if (run.outcome.passed && job.beside) {
    run.outcome.why = difference_from(*job.beside, run.packets, settings->local);
    run.outcome.passed = run.outcome.why.empty();
    run.outcome.at = {1, 1};
  }
  if (run.outcome.passed) {
    ++tally.passed;
    if (options.verbose) say(stdout, "{}: {}: ok\n", job.path, name_of(family));
    return;
  }
  ++tally.failed;
  complain(job.path, run.outcome.at, fmt::format("{}: {}", name_of(family), run.outcome.why));
  if (!options.captures.empty()) {
    say(stdout, "  capture   {}\n", write_capture(options.captures, job.path, family, run.packets));
  }
}

// What keeps the script from being run is said; then there is none.
std::optional<Job> read_job(const std::string& path, const Options& options) {
  std::ifstream file{path};
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) {
    say(stdout, "{}: cannot be read\n", path);
    return std::nullopt;
  }
  auto script = stacktest::parse(text.str());
  if (!script) {
    complain(path, script.error().at, script.error().what);
    return std::nullopt;
  }
  Job job{path, text.str(), std::move(*script), std::nullopt};
  if (!options.beside_linux) return job;
  auto session = stacktest::read_session_file(linux_capture(path), 1);
  if (!session) {
    say(stdout, "{}\n", session.error());
    return std::nullopt;
  }
  job.beside = std::move(*session);
  return job;
}

void run_file(const std::string& path, const Options& options, ScriptTally& tally) {
  if (options.beside_linux && !std::filesystem::exists(linux_capture(path))) return;
  ++tally.scripts;
  const std::optional<Job> job = read_job(path, options);
  if (!job) {
    ++tally.failed;
    return;
  }
  if (options.family != IpFamily::kIpv6) run_in(Family::kIpv4, *job, options, tally);
  if (options.family != IpFamily::kIpv4) run_in(Family::kIpv6, *job, options, tally);
}

}  // namespace

int stacktest_script(const Options& options) {
  if (options.files.empty()) {
    return fail(kUsage, "which script? Name files, or directories with *.pkt in them, such as test/scripts");
  }
  const auto files = scripts_in(options.files);
  if (!files) return fail(kUsage, files.error());
  ScriptTally tally;
  for (const std::string& path : *files) run_file(path, options, tally);
  if (options.beside_linux && tally.scripts == 0) {
    return fail(kUsage,
                "no script there has a capture NAME.linux.pcap beside it; test/scripts/on_linux.py records them");
  }
  if (!options.quiet) {
    say(stdout, "{} scripts: {} runs passed, {} failed\n", tally.scripts, tally.passed, tally.failed);
  }
  return tally.failed == 0 ? kOk : kRunTimeError;
}

}  // namespace pollux::app
