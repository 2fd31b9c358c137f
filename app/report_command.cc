#include "report_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "compare.h"
#include "result_csv.h"
#include "result_file.h"
#include "result_page.h"
#include "result_text.h"
#include "say.h"
#include "session.h"

namespace pollux::app {
namespace {

constexpr const char* kStandardOutput = "-";

Expected<std::vector<ResultFile>, std::string> read_all(const std::vector<std::string>& paths) {
  std::vector<ResultFile> results;
  for (const std::string& path : paths) {
    auto result = read_result(path);
    if (!result) return unexpected(result.error());
    results.push_back(std::move(*result));
  }
  return results;
}

// The exit code. `option`: for messages.
int write(const char* option, const std::string& path, const std::string& text) {
  const auto cannot = [&](Exit code) {
    return fail(code, fmt::format("{}: cannot write `{}`: {}", option,
                                  path == kStandardOutput ? "standard output" : path, std::strerror(errno)));
  };
  const auto close = [](std::FILE* file) {
    if (file != stdout) std::fclose(file);
  };
  const std::unique_ptr<std::FILE, decltype(close)> file{
      path == kStandardOutput ? stdout : std::fopen(path.c_str(), "we"), close};
  if (!file) return cannot(kUsage);
  if (std::fputs(text.c_str(), file.get()) < 0 || std::fflush(file.get()) != 0) return cannot(kRunTimeError);
  return kOk;
}

// Whatever is wrong with where the output shall go and can be known before there is any.
std::string fault_of_targets(const Options& options) {
  for (const auto& [option, target] : {std::pair{"--html", options.html}, std::pair{"--csv", options.csv}}) {
    for (const std::string& source : options.results) {
      std::error_code error;
      if (target.empty() || !std::filesystem::equivalent(target, source, error)) continue;
      return fmt::format("{}: `{}` is the result itself, which would be lost; name another file", option, target);
    }
  }
  if (options.html == kStandardOutput && options.csv == kStandardOutput)
    return "--html and --csv cannot both go to standard output; name a file for one of them";
  if (!options.csv.empty() && options.results.size() > 1)
    return fmt::format("--csv is of one result; {} are given", options.results.size());
  return {};
}

int print_summaries(const std::vector<ResultFile>& results) {
  std::string text;
  for (const ResultFile& result : results) {
    if (results.size() > 1) text += fmt::format("{}{}:\n", text.empty() ? "" : "\n", result.path);
    text += summary(result.json);
  }
  return write("report", kStandardOutput, text);
}

}  // namespace

int report(const Options& options) {
  if (options.results.empty())
    return fail(kUsage, "report of what? Name the file that --json of a run wrote: pollux report r.json");
  if (const std::string fault = fault_of_targets(options); !fault.empty()) return fail(kUsage, fault);
  const auto results = read_all(options.results);
  if (!results) return fail(kUsage, results.error());
  if (options.html.empty() && options.csv.empty()) return print_summaries(*results);
  if (!options.html.empty()) {
    const auto page = page_of(*results);
    if (!page) return fail(kUsage, page.error());
    if (const int code = write("--html", options.html, to_html(*page)); code != kOk) return code;
  }
  return options.csv.empty() ? int{kOk} : write("--csv", options.csv, series_csv(results->front().json));
}

int compare(const Options& options) {
  if (options.results.size() != 2) {
    return fail(kUsage, fmt::format("compare takes two results, {} given: pollux compare before.json after.json",
                                    options.results.size()));
  }
  const auto results = read_all(options.results);
  if (!results) return fail(kUsage, results.error());
  const ResultFile& before = results->front();
  const ResultFile& after = results->back();
  if (const auto refused = refusal(before, after)) {
    return fail(refused->invalid ? kNotValid : kUsage, "not comparable: " + refused->why);
  }
  if (const int code = write("compare", kStandardOutput, comparison(before, after, options.max_regress)); code != kOk)
    return code;
  if (!options.max_regress) return kOk;
  const auto worse = beyond(differences(before, after), *options.max_regress);
  if (worse.empty()) return kOk;
  const auto worst = std::max_element(worse.begin(), worse.end(),
                                      [](const auto& a, const auto& b) { return a.regress() < b.regress(); });
  return fail(kThresholdFailed, fmt::format("{} figures are worse by more than {:g} %, {} the most", worse.size(),
                                            100 * *options.max_regress, printable(worst->name)));
}

}  // namespace pollux::app
