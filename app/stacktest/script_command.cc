#include "script_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "device/pcap_writer.h"
#include "parser.h"
#include "runner.h"
#include "say.h"
#include "session.h"

namespace pollux::app {
namespace {

using stacktest::Family;
using stacktest::Position;

struct Tally {
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

void run_in(Family family, const std::string& path, const std::string& text, const stacktest::Script& script,
            const Options& options, Tally& tally) {
  const auto settings = stacktest::settings_of(script, family);
  if (!settings) {
    complain(path, settings.error().at, settings.error().what);
    ++tally.failed;
    return;
  }
  if (settings->only && *settings->only != family) return;
  const stacktest::Run run = stacktest::run_script(script, text, *settings);
  if (run.outcome.passed) {
    ++tally.passed;
    if (options.verbose) say(stdout, "{}: {}: ok\n", path, name_of(family));
    return;
  }
  ++tally.failed;
  complain(path, run.outcome.at, fmt::format("{}: {}", name_of(family), run.outcome.why));
  if (!options.captures.empty()) {
    say(stdout, "  capture   {}\n", write_capture(options.captures, path, family, run.packets));
  }
}

void run_file(const std::string& path, const Options& options, Tally& tally) {
  ++tally.scripts;
  std::ifstream file{path};
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) {
    say(stdout, "{}: cannot be read\n", path);
    ++tally.failed;
    return;
  }
  const auto script = stacktest::parse(text.str());
  if (!script) {
    complain(path, script.error().at, script.error().what);
    ++tally.failed;
    return;
  }
  if (options.family != IpFamily::kIpv6) run_in(Family::kIpv4, path, text.str(), *script, options, tally);
  if (options.family != IpFamily::kIpv4) run_in(Family::kIpv6, path, text.str(), *script, options, tally);
}

}  // namespace

int stacktest_script(const Options& options) {
  if (options.files.empty()) {
    return fail(kUsage, "which script? Name files, or directories with *.pkt in them, such as test/scripts");
  }
  const auto files = scripts_in(options.files);
  if (!files) return fail(kUsage, files.error());
  Tally tally;
  for (const std::string& path : *files) run_file(path, options, tally);
  if (!options.quiet) {
    say(stdout, "{} scripts: {} runs passed, {} failed\n", tally.scripts, tally.passed, tally.failed);
  }
  return tally.failed == 0 ? kOk : kRunTimeError;
}

}  // namespace pollux::app
