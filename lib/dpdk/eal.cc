#include "dpdk/eal.h"

#include <fcntl.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

#include "dpdk/dpdk_log.h"
#include "dpdk/thread.h"

namespace pollux::dpdk {
namespace {

// The sizes that x86 has, and that EAL takes.
struct HugePageSize {
  std::size_t mb;
  const char* directory;
};
constexpr HugePageSize kHugePageSizes[] = {{2, "hugepages-2048kB"}, {1024, "hugepages-1048576kB"}};

std::string too_few_huge_pages(std::size_t need_mb, std::size_t free_mb) {
  const std::size_t pages = (need_mb + 1) / 2;
  return "not enough huge pages: this run needs " + std::to_string(need_mb) + " MB, " + std::to_string(free_mb) +
         " MB are free (" + kHugePagesDirectory +
         "/*/free_hugepages)\n  to have them:  sysctl vm.nr_hugepages=" + std::to_string(pages) +
         "\n  to do without: --hugepages auto";
}

bool owns_option(const std::vector<std::string>& words, std::string_view option) {
  for (const std::string& word : words) {
    if (word == option || word.rfind(std::string{option} + "=", 0) == 0) return true;
  }
  return false;
}

// "(0)@0,(1)@2": lcore i on the i-th CPU, so that two may share one.
std::string lcore_map(const std::vector<unsigned>& cpus) {
  std::string map;
  for (std::size_t i = 0; i < cpus.size(); ++i) {
    map += (i == 0 ? "" : ",") + std::to_string(i) + "@" + std::to_string(cpus[i]);
  }
  return map;
}

// EAL keeps sockets and locks in a directory: /var/run/dpdk for root, who may be one of
// a user namespace that cannot write there. Returns a directory made for this run, or nothing.
std::string make_runtime_directory() {
  const char* given = std::getenv("RUNTIME_DIRECTORY");
  if (given != nullptr && *given != '\0') return {};
  const char* usual = "/tmp";
  if (getuid() == 0) {
    usual = "/var/run";
  } else if (const char* xdg = std::getenv("XDG_RUNTIME_DIR"); xdg != nullptr && *xdg != '\0') {
    usual = xdg;
  }
  const std::string inside = std::string{usual} + "/dpdk";
  const bool usable =
      access(inside.c_str(), F_OK) == 0 ? access(inside.c_str(), W_OK | X_OK) == 0 : access(usual, W_OK | X_OK) == 0;
  if (usable) return {};
  const char* temporary = std::getenv("TMPDIR");
  std::string made = std::string{temporary != nullptr && *temporary != '\0' ? temporary : "/tmp"} + "/pollux-XXXXXX";
  if (mkdtemp(made.data()) == nullptr) return {};
  setenv("RUNTIME_DIRECTORY", made.c_str(), 1);
  return made;
}

void remove_runtime_directory(const std::string& directory) {
  if (directory.empty()) return;
  unsetenv("RUNTIME_DIRECTORY");
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
}

// While it lives, standard output goes nowhere (EAL prints two pages of usage there when it
// does not like an argument, and that is where our results go), and standard error to a
// file of its own: EAL says some of its reasons there and not in its log.
class CaughtOutput {
 public:
  CaughtOutput() : out_{dup(STDOUT_FILENO)}, err_{dup(STDERR_FILENO)}, said_{memfd_create("eal", MFD_CLOEXEC)} {
    std::fflush(stdout);
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nowhere >= 0) dup2(nowhere, STDOUT_FILENO);
    if (nowhere >= 0) close(nowhere);
    if (said_ >= 0) dup2(said_, STDERR_FILENO);
  }
  ~CaughtOutput() {
    give_back();
    if (said_ >= 0) close(said_);
  }
  CaughtOutput(const CaughtOutput&) = delete;
  CaughtOutput& operator=(const CaughtOutput&) = delete;

  // Ends it. What came to standard error.
  std::string give_back() {
    std::fflush(stdout);
    restore(out_, STDOUT_FILENO);
    restore(err_, STDERR_FILENO);
    std::string text(4096, '\0');
    const ssize_t size = said_ < 0 ? 0 : pread(said_, text.data(), text.size(), 0);
    text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return text;
  }

 private:
  static void restore(int& kept, int fd) {
    if (kept < 0) return;
    dup2(kept, fd);
    close(kept);
    kept = -1;
  }

  int out_;
  int err_;
  int said_;
};

int init_eal(std::vector<std::string> words, bool verbose) {
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  CaughtOutput caught;
  const int status = rte_eal_init(static_cast<int>(words.size()), arguments.data());
  const std::string said = caught.give_back();
  if (verbose) std::fputs(said.c_str(), stderr);
  add_to_dpdk_log(said);
  return status;
}

std::string start_failed(const EalArguments& arguments, int error) {
  std::string text = "DPDK did not start: ";
  text += rte_strerror(error);
  const std::string log = recent_dpdk_log();
  if (!log.empty()) text += "\n  DPDK said: " + log;
  text += "\n  arguments:";
  for (std::size_t i = 1; i < arguments.words.size(); ++i) text += " " + arguments.words[i];
  if (arguments.huge_pages) text += "\n  without huge pages it may start: --hugepages off";
  return text;
}

}  // namespace

std::size_t free_huge_mb(const std::string& directory) {
  std::size_t mb = 0;
  for (const HugePageSize& size : kHugePageSizes) {
    std::ifstream file{directory + "/" + size.directory + "/free_hugepages"};
    std::size_t pages = 0;
    file >> pages;
    mb += pages * size.mb;
  }
  return mb;
}

Expected<EalArguments, std::string> eal_arguments(const EalOptions& options, std::size_t huge_mb) {
  EalArguments result;
  const bool users_choice = owns_option(options.extra, "--no-huge") || owns_option(options.extra, "--in-memory") ||
                            owns_option(options.extra, "--huge-dir") || owns_option(options.extra, "--socket-mem");
  const bool enough = huge_mb >= options.memory_mb;
  if (options.huge_pages == HugePages::kRequire && !enough) {
    return unexpected(too_few_huge_pages(options.memory_mb, huge_mb));
  }
  result.huge_pages =
      users_choice ? !owns_option(options.extra, "--no-huge") : options.huge_pages != HugePages::kOff && enough;
  std::vector<std::string>& words = result.words;
  words = {"pollux", "--lcores=" + lcore_map(options.cpus), "--main-lcore=0"};
  if (!users_choice) {
    if (!result.huge_pages) {
      // --no-huge and --in-memory exclude each other; this shares nothing either.
      words.insert(words.end(), {"--no-huge", "-m", std::to_string(options.memory_mb)});
      if (options.file_prefix.empty()) words.emplace_back("--no-shconf");
    } else if (options.file_prefix.empty()) {
      words.emplace_back("--in-memory");
    }
  }
  if (!options.file_prefix.empty()) words.push_back("--file-prefix=" + options.file_prefix);
  if (!options.telemetry) words.emplace_back("--no-telemetry");
  if (options.pci.empty() && !owns_option(options.extra, "-a") && !owns_option(options.extra, "--allow")) {
    words.emplace_back("--no-pci");
  }
  for (const std::string& address : options.pci) words.insert(words.end(), {"-a", address});
  words.insert(words.end(), options.extra.begin(), options.extra.end());
  return result;
}

Expected<std::unique_ptr<Eal>, std::string> Eal::start(const EalOptions& options) {
  static bool started = false;
  if (started) return unexpected("DPDK was started before in this process; it starts only once");
  EalOptions resolved = options;
  if (resolved.cpus.empty()) {
    const std::vector<unsigned> cpus = allowed_cpus();
    resolved.cpus = {cpus.empty() ? 0 : cpus.front()};
  }
  const auto arguments = eal_arguments(resolved, free_huge_mb());
  if (!arguments) return unexpected(arguments.error());

  auto eal = std::unique_ptr<Eal>{new Eal};
  eal->made_directory_ = make_runtime_directory();
  eal->huge_pages_ = arguments->huge_pages;
  eal->memory_mb_ = options.memory_mb;
  eal->arguments_ = arguments->words;
  catch_dpdk_log(options.verbose);
  forget_dpdk_log();
  if (init_eal(arguments->words, options.verbose) < 0) {
    std::string error = start_failed(*arguments, rte_errno);
    remove_runtime_directory(std::exchange(eal->made_directory_, {}));
    static_cast<void>(eal.release());  // there is nothing for the destructor to clean up
    return unexpected(std::move(error));
  }
  started = true;
  return eal;
}

Eal::~Eal() {
  rte_eal_cleanup();
  remove_runtime_directory(made_directory_);
}

std::string Eal::runtime_directory() const { return rte_eal_get_runtime_dir(); }

std::string Eal::describe() const {
  if (huge_pages_) return "huge pages";
  return "no huge pages, " + std::to_string(memory_mb_) + " MB";
}

}  // namespace pollux::dpdk
