#include "dpdk/dpdk_log.h"

#include <rte_log.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <deque>
#include <string>
#include <string_view>

#include "dpdk/eal.h"

namespace pollux::dpdk {
namespace {

constexpr std::size_t kKept = 64;

// Lines that any DPDK thread logs. The FILE's own lock guards it: stdio calls take()
// with it held, and readers take it with flockfile.
struct LogSink {
  std::FILE* file = nullptr;
  bool show = false;
  std::string unfinished;
  std::deque<std::string> lines;

  void take(std::string_view text) {
    unfinished += text;
    for (std::size_t end = 0; (end = unfinished.find('\n')) != std::string::npos;) {
      lines.push_back(unfinished.substr(0, end));
      unfinished.erase(0, end + 1);
      if (lines.size() > kKept) lines.pop_front();
    }
  }
};

LogSink& sink() {
  static LogSink it;  // as long as the process: DPDK's threads may log until its very end
  return it;
}

ssize_t write_to_sink(void*, const char* text, std::size_t size) {
  LogSink& it = sink();
  it.take({text, size});
  if (it.show) {
    [[maybe_unused]] const ssize_t ignored = write(STDERR_FILENO, text, size);
  }
  return static_cast<ssize_t>(size);
}

// What DPDK says whether or not anything is wrong.
bool is_noise(std::string_view line) {
  constexpr std::array<std::string_view, 14> kNoise{"Detected CPU lcores",
                                                    "Detected NUMA nodes",
                                                    "Detected shared linkage",
                                                    "Detected static linkage",
                                                    "Multi-process socket",
                                                    "Selected IOVA mode",
                                                    "No available",
                                                    "VFIO support",
                                                    "TSC frequency",
                                                    "Telemetry",
                                                    "Probe PCI",
                                                    "using IOMMU",
                                                    "No free",
                                                    "Static memory layout is selected"};
  return line.empty() || std::any_of(kNoise.begin(), kNoise.end(), [line](std::string_view noise) {
           return line.find(noise) != std::string_view::npos;
         });
}

}  // namespace

void catch_dpdk_log(bool show) {
  LogSink& it = sink();
  it.show = show;
  if (it.file == nullptr) {
    it.file = fopencookie(nullptr, "w", {.read = nullptr, .write = write_to_sink, .seek = nullptr, .close = nullptr});
    if (it.file == nullptr) return;
    std::setvbuf(it.file, nullptr, _IOLBF, BUFSIZ);
  }
  rte_openlog_stream(it.file);
}

void add_to_dpdk_log(std::string_view text) {
  LogSink& it = sink();
  if (it.file == nullptr) return;
  std::fflush(it.file);
  flockfile(it.file);
  it.take(text);
  funlockfile(it.file);
}

std::string recent_dpdk_log(std::size_t lines) {
  LogSink& it = sink();
  if (it.file == nullptr) return {};
  std::fflush(it.file);
  flockfile(it.file);
  std::deque<std::string> kept;
  for (auto line = it.lines.rbegin(); line != it.lines.rend() && kept.size() < lines; ++line) {
    const bool said = std::find(kept.begin(), kept.end(), *line) != kept.end();
    if (!said && !is_noise(*line)) kept.push_front(*line);
  }
  funlockfile(it.file);
  std::string text;
  for (const std::string& line : kept) text += (text.empty() ? "" : "\n             ") + line;
  return text;
}

void forget_dpdk_log() {
  LogSink& it = sink();
  if (it.file == nullptr) return;
  std::fflush(it.file);
  flockfile(it.file);
  it.lines.clear();
  funlockfile(it.file);
}

}  // namespace pollux::dpdk
