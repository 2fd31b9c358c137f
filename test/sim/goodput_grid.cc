// Goodput of whole transfers over paths of every kind, in virtual time: the same table on every machine and in every
// build, so that what a change does to it shows as a diff of goodput.txt.
//
//   goodput_grid FILE          compares the rows of FILE with what they are now
//   goodput_grid --write FILE  writes FILE anew

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "network.h"

namespace pollux::sim {
namespace {

constexpr std::uint64_t kBitsPerSecond = 50'000'000;
constexpr std::uint64_t kBytes = 4'000'000;      // of all flows together
constexpr std::uint64_t kLeastQueue = 2 * 1514;  // bytes; with less, not even a pair of segments would pass
constexpr Duration kPatience = std::chrono::hours{2};

struct Path {
  std::chrono::milliseconds rtt{};
  double loss = 0;     // of each frame, both ways; so is the next
  double reorder = 0;  // held back by a tenth of a round trip, 0.5 ms at least
  double buffer = 0;   // of the bottleneck's queue, in products of its bandwidth and the round trip
};

struct Load {
  int flows = 1;
  bool v4 = true;
};
constexpr std::array kLoads = {Load{1, true}, Load{1, false}, Load{8, true}, Load{8, false}};

std::vector<Path> grid() {
  std::vector<Path> paths;
  for (const auto rtt : {1ms, 20ms, 100ms, 300ms}) {
    for (const double loss : {0.0, 0.001, 0.01, 0.03, 0.05, 0.1}) {
      for (const double reorder : {0.0, 0.01, 0.1}) {
        for (const double buffer : {1.0, 0.1}) paths.push_back({rtt, loss, reorder, buffer});
      }
    }
  }
  return paths;
}

NetworkConfig network_of(const Path& path, std::uint64_t seed) {
  Impairment way;
  way.delay = path.rtt / 2;
  way.loss = path.loss;
  way.reorder = path.reorder;
  way.reorder_delay = std::max<Duration>(path.rtt / 10, 500us);
  way.bits_per_second = kBitsPerSecond;
  const double product = std::chrono::duration<double>(path.rtt).count() * kBitsPerSecond / 8;
  way.queue_bytes = std::max(static_cast<std::uint64_t>(path.buffer * product), kLeastQueue);
  NetworkConfig config;
  config.seed = seed;
  config.one_way = way.delay;
  config.wire = {way, way};
  for (tcp::Config& tcp : config.tcp) tcp.send_buffer = tcp.receive_buffer = 8 * 1024 * 1024;
  config.shard = [](ShardConfig& shard, int) {
    shard.send_blocks = 4096;
    shard.held_segments = 8192;
  };
  return config;
}

// Mbit/s, until the last byte was there. Throws if not every byte arrived as it was sent, and every connection ended
// well.
double goodput(const Path& path, const Load& load, std::uint64_t seed) {
  Network net{network_of(path, seed)};
  Plan sender;
  sender.total = kBytes / static_cast<std::uint64_t>(load.flows);
  sender.finish = Finish::kShutdownWhenSent;
  for (int i = 0; i < load.flows; ++i) {
    if (!net.connect(net.add_flow(0, load.v4, sender, Plan{}))) throw std::runtime_error{"connect was refused"};
  }
  const Instant start = net.now();
  const auto all = [&net](auto&& done) {
    return std::all_of(net.flows().begin(), net.flows().end(), [&](const auto& flow) { return done(*flow); });
  };
  const auto arrived = [&](const Flow& flow) { return flow.sides[1].received == sender.total; };
  const auto ended = [](const Flow& flow) { return flow.sides[0].closed && flow.sides[1].closed; };
  if (!net.run_until([&] { return all(arrived); }, kPatience) && !net.failed()) net.fail("the transfer did not end");
  const double seconds = std::chrono::duration<double>(net.now() - start).count();
  if (!net.run_until([&] { return all(ended); }, kPatience) && !net.failed()) net.fail("the connections did not end");
  if (net.failed()) throw std::runtime_error{net.failures().front()};
  return static_cast<double>(kBytes) * 8 / 1e6 / seconds;
}

std::string row_of(const Path& path, std::uint64_t seed) {
  std::string row = fmt::format("{:>6} {:>6.1f} {:>8.0f} {:>7.1f} ", path.rtt.count(), path.loss * 100,
                                path.reorder * 100, path.buffer);
  for (const Load& load : kLoads) {
    try {
      row += fmt::format(" {:>10.3f}", goodput(path, load, seed));
    } catch (const std::runtime_error& e) {
      row += fmt::format(" {} flows over IPv{}: {}", load.flows, load.v4 ? 4 : 6, e.what());
    }
  }
  return row;
}

std::string header() {
  return fmt::format(
      "# Goodput in Mbit/s of {} MB over a bottleneck of {} Mbit/s, by goodput_grid --write. The reordered are held\n"
      "# back by a tenth of a round trip (0.5 ms at least); a buffer has room for two frames at least.\n"
      "#  RTT   loss  reorder  buffer    1 flow,    1 flow,   8 flows,   8 flows,\n"
      "#   ms      %        %     BDP       IPv4       IPv6       IPv4       IPv6\n",
      kBytes / 1'000'000, kBitsPerSecond / 1'000'000);
}

int write(const char* file) {
  std::ofstream out{file};
  out << header();
  std::uint64_t seed = 0;
  for (const Path& path : grid()) out << row_of(path, ++seed) << std::endl;
  return out ? 0 : 1;
}

int compare(const char* file) {
  std::ifstream in{file};
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with('#')) lines.push_back(line);
  }
  const std::vector<Path> paths = grid();
  if (lines.size() != paths.size()) {
    std::fprintf(stderr, "%s has %zu rows, the grid %zu\n", file, lines.size(), paths.size());
    return 1;
  }
  int different = 0;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const std::string now = row_of(paths[i], i + 1);
    if (now == lines[i]) continue;
    ++different;
    std::printf("-%s\n+%s\n", lines[i].c_str(), now.c_str());
  }
  if (different > 0) std::printf("%d rows differ; if they should: goodput_grid --write %s\n", different, file);
  return different > 0 ? 1 : 0;
}

}  // namespace
}  // namespace pollux::sim

int main(int argc, char** argv) {
  const bool write = argc == 3 && std::strcmp(argv[1], "--write") == 0;
  if (argc != 2 && !write) {
    std::fprintf(stderr, "usage: goodput_grid [--write] FILE\n");
    return 2;
  }
  return write ? pollux::sim::write(argv[2]) : pollux::sim::compare(argv[1]);
}
