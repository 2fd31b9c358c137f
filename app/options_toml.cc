#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "option_values.h"
#include "options.h"

// What a file says in TOML is what the command line would say: the same table of options reads both.
namespace pollux::app {
namespace {

Expected<std::string, std::string> scalar_text(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return fmt::format("{}", number->get());
  if (const auto* number = node.as_floating_point()) return fmt::format("{}", number->get());
  if (const auto* truth = node.as_boolean()) return std::string{truth->get() ? "on" : "off"};
  return unexpected(std::string{"neither a text nor a number nor true nor false"});
}

// "KEY=VALUE,..." of an option that takes that.
Expected<std::string, std::string> joined_table(const OptionSpec& option, const toml::table& table) {
  if (option.value != "KEY=VALUE,...") return unexpected(std::string{"a table, where one value is wanted"});
  std::string joined;
  for (const auto& [key, value] : table) {
    const auto text = scalar_text(value);
    if (!text) return unexpected(text.error());
    joined += fmt::format("{}{}={}", joined.empty() ? "" : ",", std::string_view{key.str()}, *text);
  }
  return joined;
}

// What a TOML value would be on the command line: one text for each time the option is
// given. Lists repeat an option, or join what it takes as a list; tables join KEY=VALUE.
Expected<std::vector<std::string>, std::string> values_of(const OptionSpec& option, const toml::node& node) {
  std::vector<std::string> values;
  if (const auto* list = node.as_array()) {
    for (const toml::node& element : *list) {
      const auto text = element.is_table() ? joined_table(option, *element.as_table()) : scalar_text(element);
      if (!text) return unexpected(text.error());
      if (option.repeatable || values.empty())
        values.push_back(*text);
      else
        values.front() += "," + *text;
    }
    return values;
  }
  const auto text = node.is_table() ? joined_table(option, *node.as_table()) : scalar_text(node);
  if (!text) return unexpected(text.error());
  values.push_back(*text);
  return values;
}

// The option of this subcommand, else that of another, which is good for an error.
const OptionSpec* find_key(std::string_view key, Command command) {
  const OptionSpec* found = nullptr;
  for (const OptionSpec& option : option_table()) {
    if (option.name == "config" || option.key() != key) continue;
    if (option.is_for(command)) return &option;
    found = &option;
  }
  return found;
}

std::string unknown_key(std::string_view key, Command command) {
  std::vector<std::string> keys;
  for (const OptionSpec& option : option_table()) {
    if (option.is_for(command) && option.name != "config") keys.push_back(option.key());
  }
  keys.emplace_back("tcp");
  const std::vector<std::string_view> views(keys.begin(), keys.end());
  return fmt::format("there is no key `{}`{}", key, did_you_mean(key, views));
}

std::string place(const std::string& path, const toml::source_region& source) {
  return fmt::format("{}:{}", path, source.begin.line);
}

// Those of [tcp], each with its own line.
SetResult read_tcp(const toml::node& node, const std::string& path, const OptionSpec& set,
                   std::vector<Setting>& settings) {
  const auto* table = node.as_table();
  if (table == nullptr) {
    return unexpected(
        fmt::format("{}: tcp: not a table; write [tcp] and below it KEY = VALUE", place(path, node.source())));
  }
  for (const auto& [key, value] : *table) {
    const std::string origin = place(path, key.source());
    const auto text = scalar_text(value);
    if (!text) return unexpected(fmt::format("{}: tcp.{}: {}", origin, std::string_view{key.str()}, text.error()));
    settings.push_back({&set, fmt::format("tcp.{}={}", std::string_view{key.str()}, *text), origin});
  }
  return {};
}

// toml++ takes a word without quotes for whatever begins like it.
std::string quotes_hint(std::string_view description) {
  constexpr std::array<std::string_view, 5> kWords{"parsing value", "decimal integer", "floating-point", "boolean",
                                                   "expected value"};
  const bool may_be_word = std::any_of(kWords.begin(), kWords.end(), [&](std::string_view word) {
    return description.find(word) != std::string_view::npos;
  });
  return may_be_word ? "; words stand in quotes, such as \"cubic\"; numbers, true and false do not" : "";
}

}  // namespace

Expected<std::vector<Setting>, std::string> read_toml(std::string_view text, const std::string& path, Command command) {
  toml::table table;
  try {
    table = toml::parse(text, path);
  } catch (const toml::parse_error& error) {
    return unexpected(
        fmt::format("{}: {}{}", place(path, error.source()), error.description(), quotes_hint(error.description())));
  }
  std::vector<Setting> settings;
  for (const auto& [name, node] : table) {
    const std::string_view key = name.str();
    const std::string origin = fmt::format("{}: {}", place(path, name.source()), key);
    const OptionSpec* option = find_key(key == "tcp" ? "set" : key, command);
    if (option == nullptr || !option->is_for(command)) {
      return unexpected(option == nullptr ? fmt::format("{}: {}", origin, unknown_key(key, command))
                                          : fmt::format("{}: not an option of this subcommand", origin));
    }
    if (key == "tcp") {
      if (auto ok = read_tcp(node, path, *option, settings); !ok) return unexpected(ok.error());
      continue;
    }
    const auto values = values_of(*option, node);
    if (!values) return unexpected(fmt::format("{}: {}", origin, values.error()));
    for (const std::string& value : *values) settings.push_back({option, value, origin});
  }
  return settings;
}

Expected<std::vector<Setting>, std::string> read_toml_file(const std::string& path, Command command) {
  std::ifstream file{path};
  if (!file)
    return unexpected(
        fmt::format("--config: cannot read `{}`; ls drivers-config/ shows the files that come with Pollux", path));
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    return unexpected(fmt::format("--config: `{}` is a directory; name a file in it", path));
  }
  std::ostringstream text;
  text << file.rdbuf();
  return read_toml(text.str(), path, command);
}

}  // namespace pollux::app
