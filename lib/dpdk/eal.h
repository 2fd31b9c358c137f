#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/expected.h"

namespace pollux::dpdk {

enum class HugePages : std::uint8_t {
  kAuto,     // when enough free ones are there, otherwise ordinary pages
  kRequire,  // an error when there are too few
  kOff,
};

struct EalOptions {
  HugePages huge_pages = HugePages::kAuto;
  std::size_t memory_mb = 256;  // what ports and queues will take; see pool_bytes()
  // CPU of each lcore: lcore 0 is the main one, 1.. are for run_on_lcore(). A CPU may stand more than once.
  // Empty: one lcore, on the first CPU this process may use.
  std::vector<unsigned> cpus{};
  std::vector<std::string> pci{};  // addresses of the ports asked for; none: the PCI bus is not looked at
  std::string file_prefix{};       // empty: nothing is shared with other processes (--in-memory)
  bool telemetry = false;
  bool verbose = false;              // EAL's and the drivers' log on standard error
  std::vector<std::string> extra{};  // the user's own EAL arguments, passed on last
};

// The DPDK environment of this process, from start() to destruction. One at a time.
// Needs neither root nor huge pages.
class Eal {
 public:
  // The error says what happened, what was looked at and what mends it.
  static Expected<std::unique_ptr<Eal>, std::string> start(const EalOptions& options);
  ~Eal();
  Eal(const Eal&) = delete;
  Eal& operator=(const Eal&) = delete;

  bool huge_pages() const { return huge_pages_; }
  const std::vector<std::string>& arguments() const { return arguments_; }
  // Where telemetry and shared files are.
  std::string runtime_directory() const;
  // "huge pages", "no huge pages, 256 MB".
  std::string describe() const;

 private:
  Eal() = default;

  bool huge_pages_ = false;
  std::size_t memory_mb_ = 0;
  std::vector<std::string> arguments_;
  std::string made_directory_;  // removed at the end
};

// The arguments EAL is started with, and whether those use huge pages. Pure, for tests and --dry-run.
struct EalArguments {
  std::vector<std::string> words;
  bool huge_pages = false;
};
Expected<EalArguments, std::string> eal_arguments(const EalOptions& options, std::size_t free_huge_mb);

inline constexpr const char* kHugePagesDirectory = "/sys/kernel/mm/hugepages";

// Free huge pages of 2 MB and of 1 GB, in MB. Said by the kernel at this moment; others may take them.
std::size_t free_huge_mb(const std::string& directory = kHugePagesDirectory);

// The last lines DPDK logged that matter (errors and warnings), for quoting in an error text.
std::string recent_dpdk_log(std::size_t lines = 4);
// Forgets them: what is quoted next belongs to what is tried next.
void forget_dpdk_log();

}  // namespace pollux::dpdk
