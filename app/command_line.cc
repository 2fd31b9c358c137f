#include "command_line.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "suggest.h"
#include "version.h"

namespace pollux::app {
namespace {

struct CommandRow {
  Command command;
  std::string_view words;  // "serve http"
  std::string_view help;
};
constexpr std::array kCommands{
    CommandRow{Command::kDemo, "demo", "clients and a server in one process, over a virtual pair: no root, no NIC"},
    CommandRow{Command::kLoad, "load",
               "the load generator: connections at a rate, or back to back, and how long all took"},
    CommandRow{Command::kHttp, "serve http", "an HTTP/1.1 server: GET and HEAD of /, /bytes/N and files"},
    CommandRow{Command::kEcho, "serve echo", "sends back what it gets (RFC 862)"},
    CommandRow{Command::kDiscard, "serve discard", "counts what it gets (RFC 863)"},
    CommandRow{Command::kChargen, "serve chargen", "sends characters for as long as they are taken (RFC 864)"},
    CommandRow{Command::kReport, "report", "what result files say: as text, as a page with charts, as CSV"},
    CommandRow{Command::kCompare, "compare", "how two results differ; with --max-regress a gate"},
    CommandRow{Command::kScript, "stacktest script",
               "runs scripts in packetdrill's dialect in virtual time, with IPv4 and with IPv6"},
    CommandRow{Command::kReplay, "stacktest replay",
               "feeds one end of a captured connection to the stack, and compares what it answers"},
    CommandRow{Command::kSim, "stacktest sim",
               "two hosts, a bad wire and virtual time: worlds made of seeds, and what is wrong in them"},
    CommandRow{Command::kTap, "stacktest tap",
               "the interop suite against this machine's kernel, in a private network namespace"},
    CommandRow{Command::kTimeWaitModel, "timewait model", "the arithmetic of ports, addresses, 2MSL and rate"},
    CommandRow{Command::kTimeWaitFill, "timewait fill", "puts many connections into TIME-WAIT: what each costs"},
    CommandRow{Command::kTimeWaitChurn, "timewait churn", "short connections until ports run out, in several modes"},
    CommandRow{Command::kTimeWaitCompare, "timewait compare", "the same on this machine's kernel and on Pollux"},
};
constexpr std::string_view kServe = "serve";
constexpr std::string_view kStackTest = "stacktest";
constexpr std::string_view kTimeWait = "timewait";

// Whether a subcommand begins with that word, so that another must follow.
bool is_group(std::string_view word) { return word == kServe || word == kStackTest || word == kTimeWait; }

std::string commands_help() {
  std::string text;
  for (const CommandRow& row : kCommands) text += fmt::format("  {:<18}{}\n", row.words, row.help);
  return text;
}

// The bits of all commands that begin with `serve`.
constexpr unsigned kServers = [] {
  unsigned bits = 0;
  for (const CommandRow& row : kCommands) {
    if (row.words.starts_with(kServe)) bits |= static_cast<unsigned>(row.command);
  }
  return bits;
}();

std::string general_help() {
  return fmt::format(
      "Pollux {}: a complete TCP endpoint on DPDK\n\nUsage: pollux SUBCOMMAND [options] [-- EAL "
      "arguments]\n\nSubcommands:\n{}\n"
      "pollux SUBCOMMAND --help shows its options, pollux --help tcp the keys of --set.\n"
      "Durations take us ms s m h, rates k M G and /s, sizes k Ki M Mi G Gi.\n"
      "Exit codes: 0 ok, 1 run-time error, 2 usage or configuration, 3 a threshold failed, 4 the measurement is not\n"
      "valid, 130 interrupted.\n",
      kVersion, commands_help());
}

std::string tcp_help() {
  std::string text = "Keys of --set tcp.KEY=VALUE, and of [tcp] in a file. Defaults in brackets.\n\n";
  const Options defaults;
  for (const TcpKey& key : tcp_keys()) {
    text +=
        fmt::format("  {:<36}{} [{}]\n", fmt::format("{}={}", key.name, key.value), key.help, key.show_text(defaults));
  }
  return text;
}

Expected<CommandLine, std::string> printed(std::string text) {
  CommandLine line;
  line.print_only = true;
  line.text = std::move(text);
  return line;
}

std::string help_hint(std::string_view of) {
  return fmt::format("\n  pollux {}{}--help shows what there is", of, of.empty() ? "" : " ");
}

struct Found {
  const CommandRow* row;
  std::size_t words;  // how many it took
};

// "http, echo, discard or chargen": what may follow the word of a group.
std::string members_of(std::string_view group) {
  std::vector<std::string_view> members;
  for (const CommandRow& row : kCommands) {
    if (row.words.starts_with(group)) members.push_back(row.words.substr(row.words.rfind(' ') + 1));
  }
  std::string text;
  for (std::size_t i = 0; i < members.size(); ++i) {
    text += fmt::format("{}{}", i == 0 ? "" : i + 1 == members.size() ? " or " : ", ", members[i]);
  }
  return text;
}

// The subcommand that the first one or two words name.
Expected<Found, std::string> find_command(std::span<const std::string> words) {
  const bool grouped = is_group(words[0]);
  if (grouped && (words.size() < 2 || words[1].starts_with('-'))) {
    return unexpected(fmt::format("{} what? {}", words[0], members_of(words[0])) + help_hint(words[0]));
  }
  const std::string name = grouped ? words[0] + " " + words[1] : words[0];
  for (const CommandRow& row : kCommands) {
    if (row.words == name) return Found{&row, grouped ? std::size_t{2} : std::size_t{1}};
  }
  std::vector<std::string_view> names;
  for (const CommandRow& row : kCommands) {
    const std::string_view last = row.words.substr(row.words.rfind(' ') + 1);
    const std::string_view group = row.words.substr(0, row.words.find(' '));
    const bool member = is_group(group);
    if (grouped ? group == words[0] : !member) names.push_back(last);
    if (!grouped && member && last == words[0])
      return unexpected(fmt::format("there is no subcommand `{}`; did you mean `{}`?", name, row.words));
  }
  if (!grouped) names.insert(names.end(), {kServe, kStackTest, kTimeWait});
  const std::string prefix = grouped ? words[0] + " " : std::string{};
  return unexpected(fmt::format("there is no subcommand `{}`{}{}", name,
                                did_you_mean(grouped ? words[1] : words[0], names, prefix), help_hint("")));
}

// CLI11's parser over our table.
class Parser {
 public:
  explicit Parser(const CommandRow& row)
      : Parser{row.words, std::string{row.help}, static_cast<unsigned>(row.command)} {}
  // For what is the same for several commands; `commands`: their bits.
  Parser(std::string_view words, std::string help, unsigned commands)
      : words_{words}, app_{std::move(help), "pollux " + std::string{words}} {
    app_.allow_extras();
    for (const OptionSpec& spec : option_table()) {
      if ((spec.commands & commands) == commands) add(spec);
    }
    const bool on_ports =
        std::any_of(given_.begin(), given_.end(), [](const auto& one) { return one.first->name == "port"; });
    if (on_ports) app_.footer("What follows a final -- goes to DPDK's EAL.");
  }

  std::string help() const { return app_.help(); }

  // `words` without those of the subcommand. Settings in the order of the table.
  Expected<std::vector<Setting>, std::string> parse(std::vector<std::string> words) {
    std::reverse(words.begin(), words.end());  // as CLI11 wants them
    try {
      app_.parse(words);
    } catch (const CLI::ParseError& error) {
      return unexpected(error.what() + help_hint(words_));
    }
    std::vector<Setting> settings;
    if (const auto extras = app_.remaining(); !extras.empty()) {
      const auto alone =
          std::find_if(given_.begin(), given_.end(), [](const auto& one) { return one.first->stands_alone; });
      if (alone == given_.end() || std::any_of(extras.begin(), extras.end(), is_dashed))
        return unexpected(unknown(extras));
      for (const std::string& word : extras) settings.push_back({alone->first, word, std::string{alone->first->value}});
    }
    for (const auto& [spec, given] : given_) {
      if (given->option->count() == 0) continue;
      const std::string origin = "--" + std::string{spec->name};
      if (spec->value.empty()) {
        settings.push_back({spec, "on", origin});
        continue;
      }
      if (given->values.size() > 1 && !spec->repeatable)
        return unexpected(fmt::format("{} is given {} times", origin, given->values.size()));
      for (const std::string& value : given->values)
        settings.push_back({spec, value.empty() ? std::string{spec->implied} : value, origin});
    }
    return settings;
  }

 private:
  struct Given {
    CLI::Option* option = nullptr;
    std::vector<std::string> values;
    bool on = false;
  };

  void add(const OptionSpec& spec) {
    auto given = std::make_unique<Given>();
    const std::string names =
        (spec.letter != 0 ? fmt::format("-{},", spec.letter) : std::string{}) + "--" + std::string{spec.name};
    if (spec.value.empty()) {
      given->option = app_.add_flag(names, given->on, std::string{spec.help});
    } else {
      // One value each time it is given: a list of values belongs into one word.
      given->option =
          app_.add_option(names, given->values, std::string{spec.help})->expected(1)->allow_extra_args(false);
      if (!spec.implied.empty()) given->option->expected(0, 1);
      given->option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)->type_name(std::string{spec.value});
    }
    given_.emplace_back(&spec, std::move(given));
  }

  static bool is_dashed(const std::string& word) { return word.size() > 1 && word[0] == '-'; }

  std::string unknown(const std::vector<std::string>& extras) const {
    const auto dashed = std::find_if(extras.begin(), extras.end(), is_dashed);
    if (dashed == extras.end()) {
      return fmt::format("`{}` is not an option, and `pollux {}` takes nothing else{}", extras.front(), words_,
                         help_hint(words_));
    }
    const std::string word = dashed->substr(0, dashed->find('='));
    const std::string_view bare = std::string_view{word}.substr(std::min(word.find_first_not_of('-'), word.size()));
    std::vector<std::string_view> names{"help"};
    for (const auto& [spec, given] : given_) names.push_back(spec->name);
    return fmt::format("there is no option `{}`{}{}", word, did_you_mean(bare, names, "--"), help_hint(words_));
  }

  std::string_view words_;
  CLI::App app_;
  std::vector<std::pair<const OptionSpec*, std::unique_ptr<Given>>> given_;
};

// The file's settings first, so that the line's win.
Expected<Options, std::string> with_file(const std::vector<Setting>& line, Command command) {
  std::vector<Setting> file;
  for (const Setting& setting : line) {
    if (setting.option->name != "config") continue;
    auto read = read_toml_file(setting.value, command);
    if (!read) return unexpected(read.error());
    file = std::move(*read);
  }
  return resolve(file, line);
}

// What `timewait` and `stacktest` do.
std::string group_help(std::string_view group) {
  std::string text{group == kTimeWait
                       ? "The TIME-WAIT pressure benchmark: what short connections cost, and when ports run out.\n\n"
                       : "Tests of TCP: of Pollux's own, and of your stack or middlebox.\n\n"};
  for (const CommandRow& row : kCommands) {
    if (row.words.starts_with(group)) text += fmt::format("  pollux {:<18}{}\n", row.words, row.help);
  }
  return text + fmt::format("\npollux {} WHAT --help shows the options.\n", group);
}

// What there is to serve, and the options that all of it takes.
std::string serve_help() {
  std::string text = "Servers, each with the options below and some of its own:\n";
  for (const CommandRow& row : kCommands) {
    if (row.words.starts_with(kServe)) text += fmt::format("\n  pollux {:<16}{}", row.words, row.help);
  }
  return Parser{"serve http|echo|discard|chargen", std::move(text), kServers}.help();
}

std::string help_of_group(std::string_view group) { return group == kServe ? serve_help() : group_help(group); }

// `pollux --help TOPIC`: a subcommand, a group of them, or what --set takes.
Expected<CommandLine, std::string> help_of(std::span<const std::string> words) {
  const std::string topic = fmt::format("{}", fmt::join(words, " "));
  const std::string_view key = std::string_view{topic}.substr(topic.starts_with("tcp.") ? 4 : 0);
  std::vector<std::string_view> topics{"tcp"};
  for (const TcpKey& row : tcp_keys()) topics.push_back(row.name);
  if (std::find(topics.begin(), topics.end(), key) != topics.end()) return printed(tcp_help());
  if (is_group(topic)) return printed(help_of_group(topic));
  for (const CommandRow& row : kCommands) {
    if (row.words == topic) return printed(Parser{row}.help());
    topics.push_back(row.words);
  }
  topics.insert(topics.end(), {kServe, kStackTest, kTimeWait});
  return unexpected(fmt::format("there is no help on `{}`{}{}", topic, did_you_mean(key, topics), help_hint("")));
}

bool asks_for_help(std::string_view word) { return word == "--help" || word == "-h" || word == "help"; }

}  // namespace

Expected<CommandLine, std::string> parse_command_line(std::span<const std::string> words) {
  if (words.empty()) return unexpected("no subcommand given\n\n" + general_help());
  if (asks_for_help(words[0])) {
    return words.size() == 1 ? printed(general_help()) : help_of(words.subspan(1));
  }
  if (words[0] == "--version" || words[0] == "-V")
    return printed(fmt::format("pollux {} ({}), DPDK {}\n", kVersion, kGit, kDpdkVersion));
  if (words[0].starts_with('-')) {
    return unexpected(fmt::format("`{}` stands where a subcommand should{}", words[0], help_hint("")));
  }
  if (is_group(words[0]) && words.size() > 1 && asks_for_help(words[1])) return printed(help_of_group(words[0]));
  const auto found = find_command(words);
  if (!found) return unexpected(found.error());
  const auto end = std::find(words.begin(), words.end(), "--");
  const std::vector<std::string> own(words.begin() + static_cast<std::ptrdiff_t>(found->words), end);
  Parser parser{*found->row};
  if (std::any_of(own.begin(), own.end(), [](const std::string& word) { return word == "--help" || word == "-h"; })) {
    return printed(parser.help());
  }
  const auto settings = parser.parse(own);
  if (!settings) return unexpected(settings.error());
  auto options = with_file(*settings, found->row->command);
  if (!options) return unexpected(options.error());
  CommandLine line;
  line.command = found->row->command;
  line.options = std::move(*options);
  if (end != words.end()) line.options.eal.assign(end + 1, words.end());
  return line;
}

}  // namespace pollux::app
