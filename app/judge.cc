#include "judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace pollux::app {

namespace {

void judge_captures(Verdict& verdict, const runtime::EngineSnapshot& engine) {
  for (const std::string& file : engine.broken_captures) {
    verdict.degrade(fmt::format("the capture {} lacks frames: writing it failed (df {})", file, file));
  }
}

void must_be_equal(Verdict& verdict, std::string_view what, std::uint64_t client, std::uint64_t server) {
  if (client != server) verdict.invalidate(fmt::format("{}: {} by the client, {} by the server", what, client, server));
}

}  // namespace

void judge_bytes(Verdict& verdict, const runtime::EngineSnapshot& engine, const std::string& client_group,
                 const std::string& server_group) {
  const tcp::Counters client = engine.total(client_group).tcp;
  const tcp::Counters server = engine.total(server_group).tcp;
  must_be_equal(verdict, "bytes from client to server", client.bytes_sent, server.bytes_received);
  must_be_equal(verdict, "bytes from server to client", client.bytes_received, server.bytes_sent);
}

Verdict judge(const BothSides& sides, const runtime::EngineSnapshot& engine, const std::string& client_group,
              const std::string& server_group) {
  Verdict verdict;
  const ServiceCounters& c = sides.client;
  const ServiceCounters& s = sides.server;
  const std::uint64_t accounted = c.completed + c.failed() + sides.client_open;
  if (c.completed == 0) verdict.invalidate("no connection was completed");
  if (c.attempted != accounted) {
    verdict.invalidate(fmt::format("{} connections were attempted, but {} completed, {} failed and {} are open",
                                   c.attempted, c.completed, c.failed(), sides.client_open));
  }
  if (c.failed() == 0 && sides.client_open == 0) {
    judge_bytes(verdict, engine, client_group, server_group);
    must_be_equal(verdict, "requests", c.requests, s.requests);
    must_be_equal(verdict, "responses", c.responses, s.responses);
  }
  if (c.port_exhausted > 0) {
    verdict.degrade(
        fmt::format("{} times no local port was free: the rate is what ports in TIME-WAIT allow, not what the "
                    "cores do (--close server leaves the client's ports alone)",
                    c.port_exhausted));
  }
  if (const std::uint64_t failed = c.failed() - c.port_exhausted; failed > 0) {
    verdict.degrade(fmt::format("{} connections failed", failed));
  }
  if (!sides.drained) verdict.degrade("some connections had not ended in time and were reset");
  if (!sides.impaired) {
    for (const auto& [reason, count] : drops(engine)) verdict.degrade(fmt::format("dropped: {} {}", reason, count));
  }
  judge_captures(verdict, engine);
  return verdict;
}

void judge_machinery(Verdict& verdict, const runtime::EngineSnapshot& engine) {
  constexpr std::array<std::string_view, 14> kOurs{
      // frames that the port, or the way from and to it, had no room or no memory for
      "port_rx_missed", "port_rx_errors", "port_rx_no_mbuf", "port_tx_errors", "queue_tx_dropped", "queue_no_mbuf",
      "queue_rx_unjoined", "resteer_lost", "pipeline_rx_dropped", "tx_no_memory", "foreign",
      // connections refused because a table was full
      "backlog_full", "half_open_full", "table_full"};
  for (const auto& [reason, count] : drops(engine)) {
    if (std::find(kOurs.begin(), kOurs.end(), reason) != kOurs.end()) {
      verdict.degrade(fmt::format("dropped: {} {}", reason, count));
    }
  }
  judge_captures(verdict, engine);
}

Verdict judge_server(const runtime::EngineSnapshot& engine) {
  Verdict verdict;
  judge_machinery(verdict, engine);
  return verdict;
}

}  // namespace pollux::app
