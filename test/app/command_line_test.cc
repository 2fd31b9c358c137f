#include "command_line.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

namespace pollux::app {
namespace {

Expected<CommandLine, std::string> parse(const std::string& text) {
  std::istringstream in{text};
  const std::vector<std::string> words{std::istream_iterator<std::string>{in}, {}};
  return parse_command_line(words);
}

std::string error_of(const std::string& text) {
  const auto line = parse(text);
  return line ? "no error" : line.error();
}

CommandLine line_of(const std::string& text) {
  auto line = parse(text);
  EXPECT_TRUE(line) << line.error();
  return line ? *line : CommandLine{};
}

TEST(CommandLine, TheFirstWordsAreTheSubcommand) {
  EXPECT_EQ(line_of("demo").command, Command::kDemo);
  EXPECT_EQ(line_of("serve http").command, Command::kHttp);
  EXPECT_EQ(line_of("serve echo").command, Command::kEcho);
  EXPECT_EQ(line_of("serve discard").command, Command::kDiscard);
  EXPECT_EQ(line_of("serve chargen").command, Command::kChargen);
}

TEST(CommandLine, OptionsComeInAllTheirSpellings) {
  const Options o = line_of(
                        "serve http --port ring --ip=198.18.0.2/24 --ip 2001:2::2/64 -b 1Ki -v --set tcp.mss=536 --set "
                        "tcp.nodelay=on")
                        .options;
  EXPECT_EQ(o.port, "ring");
  EXPECT_EQ(o.shard.addresses.size(), 2u);
  EXPECT_EQ(o.body, 1024u);
  EXPECT_TRUE(o.verbose);
  EXPECT_EQ(o.shard.tcp.mss, 536);
  EXPECT_TRUE(o.connection.nodelay);
}

TEST(CommandLine, ScriptsStandBetweenTheOptions) {
  const auto line = line_of("stacktest script a.pkt --family ipv6 b -q");
  EXPECT_EQ(line.command, Command::kScript);
  EXPECT_EQ(line.options.files, (std::vector<std::string>{"a.pkt", "b"}));
  EXPECT_EQ(line.options.family, IpFamily::kIpv6);
  EXPECT_TRUE(line.options.quiet);
}

TEST(CommandLine, UrlsStandAmongTheOptionsOfLoad) {
  const auto line = line_of("load http://198.18.0.1/ --rate 5k/s http://[2001:2::1]:8080/x -d 1s");
  EXPECT_EQ(line.command, Command::kLoad);
  ASSERT_EQ(line.options.load.targets.size(), 2u);
  EXPECT_EQ(line.options.load.targets[1].port, 8080);
  EXPECT_EQ(line.options.load.rate, 5000);
  EXPECT_NE(error_of("load http://198.18.0.1/ --raet 5").find("`--rate`"), std::string::npos);
  EXPECT_NE(error_of("load 198.18.0.1").find("URL: "), std::string::npos) << error_of("load 198.18.0.1");
}

TEST(CommandLine, WhatFollowsTwoDashesIsForEal) {
  const auto line = line_of("demo --duration 1s -- --log-level 8 --help");
  EXPECT_FALSE(line.print_only);
  EXPECT_EQ(line.options.eal, (std::vector<std::string>{"--log-level", "8", "--help"}));
  EXPECT_EQ(line.options.duration, Duration{1s});
}

TEST(CommandLine, HelpIsThereOnEveryLevelAndNamesEveryOption) {
  for (const char* text : {"--help", "-h", "help", "serve --help", "--help tcp", "--version"}) {
    EXPECT_TRUE(line_of(text).print_only) << text;
    EXPECT_FALSE(line_of(text).text.empty()) << text;
  }
  for (const char* name : {"demo", "load", "serve http", "serve echo", "serve discard", "serve chargen"}) {
    const auto line = line_of(std::string{name} + " --help");
    EXPECT_TRUE(line.print_only);
    EXPECT_NE(line_of("--help").text.find(name), std::string::npos);
    std::map<std::string_view, bool> has;
    for (const OptionSpec& spec : option_table()) has[spec.name] |= spec.is_for(line_of(name).command);
    for (const auto& [option, is_there] : has) {
      EXPECT_EQ(line.text.find("--" + std::string{option} + " ") != std::string::npos, is_there)
          << name << " --" << option;
    }
  }
  for (const TcpKey& key : tcp_keys()) EXPECT_NE(line_of("--help tcp").text.find(key.name), std::string::npos);
}

TEST(CommandLine, HelpOfATopicIsThatOfTheSubcommandOrOfTheKeys) {
  for (const char* name :
       {"demo", "load", "serve http", "stacktest sim", "timewait fill", "serve", "timewait", "stacktest"})
    EXPECT_EQ(line_of("help " + std::string{name}).text, line_of(std::string{name} + " --help").text) << name;
  EXPECT_EQ(line_of("--help congestion").text, line_of("--help tcp").text);
  EXPECT_EQ(line_of("--help tcp.ecn").text, line_of("--help tcp").text);
  EXPECT_NE(error_of("--help laod").find("`load`"), std::string::npos);
  EXPECT_NE(error_of("--help congestoin").find("`congestion`"), std::string::npos);
  EXPECT_NE(error_of("help serve htpp").find("`serve http`"), std::string::npos);
  EXPECT_NE(error_of("help xyzzy"), "no error");
}

TEST(CommandLine, ServeAloneExplainsWhatAllServersHave) {
  const std::string text = line_of("serve --help").text;
  for (const char* server : {"serve http", "serve echo", "serve discard", "serve chargen"}) {
    EXPECT_NE(text.find(server), std::string::npos) << text;
  }
  constexpr unsigned kServers = 2 | 4 | 8 | 16;
  std::map<std::string_view, bool> of_servers;  // another subcommand may have an option of the same name
  for (const OptionSpec& spec : option_table()) of_servers[spec.name] |= (spec.commands & kServers) == kServers;
  for (const auto& [name, expected] : of_servers)
    EXPECT_EQ(text.find("--" + std::string{name} + " ") != std::string::npos, expected) << name;
  EXPECT_NE(text.find("--port SPEC"), std::string::npos) << text;
}

TEST(CommandLine, AMisspeltSubcommandIsAnErrorWithASuggestion) {
  EXPECT_NE(error_of("dmeo").find("`demo`"), std::string::npos) << error_of("dmeo");
  EXPECT_NE(error_of("sevre http").find("`serve`"), std::string::npos) << error_of("sevre http");
  EXPECT_NE(error_of("serve htpp").find("`serve http`"), std::string::npos) << error_of("serve htpp");
  EXPECT_NE(error_of("http").find("`serve http`"), std::string::npos) << error_of("http");
  EXPECT_NE(error_of("serve").find("echo"), std::string::npos);
  EXPECT_NE(error_of(""), "no error");
  EXPECT_NE(error_of("--port ring"), "no error");
}

TEST(CommandLine, AMisspeltOptionIsAnErrorWithASuggestion) {
  EXPECT_NE(error_of("demo --duratoin 5s").find("`--duration`"), std::string::npos) << error_of("demo --duratoin 5s");
  EXPECT_NE(error_of("serve http --prot=ring").find("`--port`"), std::string::npos);
  EXPECT_NE(error_of("serve http --set tcp.time_wiat=1s").find("`tcp.time_wait`"), std::string::npos);
  EXPECT_NE(error_of("serve http --set tcp.xyzzy=1s").find("pollux --help tcp"), std::string::npos);
  EXPECT_NE(error_of("serve http --impair lsos=1%").find("`loss`"), std::string::npos);
  EXPECT_NE(error_of("demo --xyzzy").find("--help"), std::string::npos);
}

TEST(CommandLine, WhatCannotBeIsAnError) {
  for (const char* text :
       {"demo extra", "demo --duration", "demo --duration 5", "serve http --port a --port b", "demo --root x",
        "demo --port ring", "serve echo --body 1k", "serve http -Z", "demo --quiet=maybe"}) {
    EXPECT_NE(error_of(text), "no error") << text;
  }
}

TEST(CommandLine, AFileIsReadAndTheLineWins) {
  const std::string path = ::testing::TempDir() + "/pollux-command-line-" + std::to_string(::getpid()) + ".toml";
  std::ofstream{path} << "port = \"ring\"\nvlan = 7\n";
  const auto line = line_of("serve echo --vlan 8 --config " + path);
  EXPECT_EQ(line.options.port, "ring");
  EXPECT_EQ(line.options.shard.vlan, 8);
  EXPECT_EQ(line.options.config, path);
  EXPECT_NE(error_of("serve echo --config /nonexistent.toml").find("/nonexistent.toml"), std::string::npos);
  std::remove(path.c_str());
}

}  // namespace
}  // namespace pollux::app
