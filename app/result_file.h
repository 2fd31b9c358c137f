#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/expected.h"

namespace pollux::app {

// A result as read from a file: what it holds is as result.schema.json says.
struct ResultFile {
  std::string path;
  nlohmann::ordered_json json;

  // What charts and tables call it: the file's name without folder and ending.
  std::string label() const;
};

// The error names the file, what is wrong with it, and where.
Expected<ResultFile, std::string> read_result(const std::string& path);
// The same of a text; `path` is for messages.
Expected<ResultFile, std::string> parse_result(const std::string& path, std::string_view text);

}  // namespace pollux::app
