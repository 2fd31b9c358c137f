#include "json_schema.h"

#include <fmt/format.h>

#include <algorithm>

namespace pollux::app {
namespace {

using Json = nlohmann::ordered_json;

bool is_type(const Json& value, const std::string& type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  return type == "null" && value.is_null();
}

// For a message: the end of what is long does not matter, nor what is inside.
std::string shown(const Json& value) {
  constexpr std::size_t kMost = 60;
  if (value.is_structured()) return value.is_object() ? "an object" : "an array";
  const std::string text = value.dump(-1, ' ', true);
  return text.size() <= kMost ? text : text.substr(0, kMost) + "...";
}

class Checker {
 public:
  explicit Checker(const Json& root) : root_{root} {}

  // `path`: where in the document, empty at its top.
  std::string fault(const Json& value, const Json& schema, const std::string& path) const {
    for (const auto& [keyword, rule] : schema.items()) {
      if (auto found = by_keyword(keyword, rule, value, schema, path); !found.empty()) return found;
    }
    return {};
  }

 private:
  std::string by_keyword(const std::string& keyword, const Json& rule, const Json& value, const Json& schema,
                         const std::string& path) const {
    if (keyword == "$schema" || keyword == "$defs" || keyword == "title" || keyword == "description") return {};
    if (keyword == "$ref") return fault(value, root_.at(Json::json_pointer{rule.get<std::string>().substr(1)}), path);
    if (keyword == "type") return type(rule, value, path);
    if (keyword == "const" || keyword == "enum")
      return choice(keyword == "enum" ? rule : Json::array({rule}), value, path);
    if (keyword == "minimum") return bound(value.is_number() && value < rule, "less", rule, value, path);
    if (keyword == "maximum") return bound(value.is_number() && value > rule, "more", rule, value, path);
    if (keyword == "required") return required(rule, value, path);
    if (keyword == "properties") return properties(rule, value, path);
    if (keyword == "additionalProperties") return others(rule, value, schema, path);
    if (keyword == "items") return items(rule, value, path);
    return fmt::format("the schema's keyword `{}` is not known here", keyword);
  }

  static std::string named(const std::string& path) { return path.empty() ? "the whole" : path; }
  static std::string below(const std::string& path, const std::string& key) {
    return path.empty() ? key : path + "." + key;
  }

  static std::string type(const Json& rule, const Json& value, const std::string& path) {
    const Json types = rule.is_array() ? rule : Json::array({rule});
    std::string wanted;
    for (const auto& type : types) {
      const auto name = type.get<std::string>();
      if (is_type(value, name)) return {};
      wanted += fmt::format("{}{}", wanted.empty() ? "" : " or ", name);
    }
    return fmt::format("{} is {}, not of type {}", named(path), shown(value), wanted);
  }

  static std::string choice(const Json& choices, const Json& value, const std::string& path) {
    if (std::find(choices.begin(), choices.end(), value) != choices.end()) return {};
    std::string wanted;
    for (const auto& choice : choices) wanted += fmt::format("{}{}", wanted.empty() ? "" : " or ", shown(choice));
    return fmt::format("{} is {}, not {}", named(path), shown(value), wanted);
  }

  static std::string bound(bool outside, std::string_view how, const Json& rule, const Json& value,
                           const std::string& path) {
    return outside ? fmt::format("{} is {}, which is {} than {}", named(path), shown(value), how, shown(rule))
                   : std::string{};
  }

  static std::string required(const Json& rule, const Json& value, const std::string& path) {
    if (!value.is_object()) return {};
    for (const auto& key : rule) {
      const auto name = key.get<std::string>();
      if (!value.contains(name)) return below(path, name) + " is missing";
    }
    return {};
  }

  std::string properties(const Json& rule, const Json& value, const std::string& path) const {
    if (!value.is_object()) return {};
    for (const auto& [key, schema] : rule.items()) {
      const auto at = value.find(key);
      if (at == value.end()) continue;
      if (auto found = fault(*at, schema, below(path, key)); !found.empty()) return found;
    }
    return {};
  }

  std::string others(const Json& rule, const Json& value, const Json& schema, const std::string& path) const {
    if (!value.is_object()) return {};
    for (const auto& [key, member] : value.items()) {
      if (schema.contains("properties") && schema["properties"].contains(key)) continue;
      if (auto found = fault(member, rule, below(path, key)); !found.empty()) return found;
    }
    return {};
  }

  std::string items(const Json& rule, const Json& value, const std::string& path) const {
    if (!value.is_array()) return {};
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (auto found = fault(value[i], rule, fmt::format("{}[{}]", path, i)); !found.empty()) return found;
    }
    return {};
  }

  const Json& root_;
};

}  // namespace

std::string fault_by_schema(const Json& value, const Json& schema) { return Checker{schema}.fault(value, schema, ""); }

}  // namespace pollux::app
