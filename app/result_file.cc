#include "result_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

#include "assets.h"
#include "json_schema.h"

namespace pollux::app {
namespace {

using Json = nlohmann::ordered_json;

// A day's series take 15 MB.
constexpr std::size_t kLargestFile = std::size_t{256} << 20;
constexpr int kDeepest = 32;
constexpr std::string_view kWhatItIs = "a result is what --json of a run writes";

Expected<std::string, std::string> read_text(const std::string& path) {
  const auto cannot = [&] { return unexpected(fmt::format("cannot read `{}`: {}", path, std::strerror(errno))); };
  const auto close = [](std::FILE* file) { std::fclose(file); };
  const std::unique_ptr<std::FILE, decltype(close)> file{std::fopen(path.c_str(), "rbe"), close};
  if (!file) return cannot();
  std::string text;
  for (;;) {
    constexpr std::size_t kChunk = 1 << 16;
    const std::size_t before = text.size();
    text.resize(before + kChunk);
    const std::size_t got = std::fread(text.data() + before, 1, kChunk, file.get());
    text.resize(before + got);
    if (std::ferror(file.get()) != 0) return cannot();
    if (text.size() > kLargestFile) return unexpected(fmt::format("`{}` is too large: {}", path, kWhatItIs));
    if (got < kChunk) return text;
  }
}

}  // namespace

std::string ResultFile::label() const { return std::filesystem::path{path}.stem().string(); }

Expected<ResultFile, std::string> parse_result(const std::string& path, std::string_view text) {
  static const Json kSchema = Json::parse(kResultSchema);
  Json json;
  bool deep = false;
  // Whoever walks through it later does so recursively.
  const auto not_deep = [&](int depth, Json::parse_event_t, Json&) {
    deep |= depth > kDeepest;
    return !deep;
  };
  try {
    json = Json::parse(text, not_deep);
  } catch (const Json::parse_error& error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 1: ..."
    std::string_view what = error.what();
    what.remove_prefix(std::min(what.find("] ") + 2, what.size()));
    what = what.substr(0, what.find("; last read"));  // which would be the file's own bytes
    return unexpected(fmt::format("`{}` is no JSON: {}; {}", path, what, kWhatItIs));
  }
  if (deep) return unexpected(fmt::format("`{}` is JSON, but nested too deep; {}", path, kWhatItIs));
  if (!json.is_object() || !json.contains("schema")) {
    return unexpected(fmt::format("`{}` is JSON, but no result: it has no \"schema\"; {}", path, kWhatItIs));
  }
  if (const std::string fault = fault_by_schema(json, kSchema); !fault.empty()) {
    return unexpected(fmt::format("`{}` is no result of this version: {}", path, fault));
  }
  return ResultFile{path, std::move(json)};
}

Expected<ResultFile, std::string> read_result(const std::string& path) {
  const auto text = read_text(path);
  if (!text) return unexpected(text.error());
  return parse_result(path, *text);
}

}  // namespace pollux::app
