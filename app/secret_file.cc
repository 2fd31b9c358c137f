#include "secret_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "dpdk/random.h"

namespace pollux::app {
namespace {

// Two numbers in hexadecimal digits, and the end of the line.
constexpr std::size_t kDigits = 16;
constexpr std::size_t kSize = 2 * kDigits + 1;

class File {
 public:
  File(const std::string& path, int flags) : fd_{open(path.c_str(), flags | O_CLOEXEC, 0600)} {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  explicit operator bool() const { return fd_ >= 0; }
  int fd() const { return fd_; }

 private:
  int fd_;
};

std::string because(std::string_view what, const std::string& path) {
  return fmt::format("cannot {} the secret `{}`: {}", what, path, std::strerror(errno));
}

bool parse_number(std::string_view digits, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
  return error == std::errc{} && end == digits.data() + digits.size();
}

Expected<HashKey, std::string> read_secret(const File& file, const std::string& path) {
  struct stat status {};
  if (fstat(file.fd(), &status) != 0) return unexpected(because("read", path));
  if (S_ISREG(status.st_mode) && (status.st_mode & 077) != 0) {
    return unexpected(
        fmt::format("others may read the secret `{}`: rm {}, then the next run makes another", path, path));
  }
  std::array<char, kSize + 1> text{};
  const ssize_t n = S_ISREG(status.st_mode) ? read(file.fd(), text.data(), text.size()) : 0;
  if (n < 0) return unexpected(because("read", path));
  HashKey key{};
  const std::string_view digits{text.data(), kSize - 1};
  if (n != kSize || !parse_number(digits.substr(0, kDigits), key.k0) || !parse_number(digits.substr(kDigits), key.k1)) {
    return unexpected(fmt::format("`{}` is not a secret of ours: give another --secret-file, or remove it", path));
  }
  return key;
}

// Whole or not at all, and never over one that somebody else has made meanwhile.
Expected<void, std::string> make_secret(const std::string& path) {
  std::error_code ignored;  // opening says what is wrong
  const std::filesystem::path folder = std::filesystem::path{path}.parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, ignored);
  const std::string unfinished = fmt::format("{}.{}", path, getpid());
  const auto words = dpdk::random_key();
  const std::string text = fmt::format("{:016x}{:016x}\n", words[0], words[1]);
  {
    const File file{unfinished, O_WRONLY | O_CREAT | O_EXCL};
    if (!file) return unexpected(because("make", path));
    if (write(file.fd(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
      const std::string error = because("write", path);
      unlink(unfinished.c_str());
      return unexpected(error);
    }
  }
  const bool made = link(unfinished.c_str(), path.c_str()) == 0 || errno == EEXIST;
  const std::string error = made ? std::string{} : because("make", path);
  unlink(unfinished.c_str());
  if (!made) return unexpected(error);
  return {};
}

}  // namespace

std::string default_secret_file() {
  const auto of = [](const char* variable) {
    const char* const value = std::getenv(variable);
    return std::string{value == nullptr || *value != '/' ? "" : value};  // XDG: a relative path is to be ignored
  };
  if (const std::string state = of("XDG_STATE_HOME"); !state.empty()) return state + "/pollux/secret";
  if (const std::string home = of("HOME"); !home.empty()) return home + "/.local/state/pollux/secret";
  return {};
}

Expected<HashKey, std::string> kept_secret(const std::string& path) {
  if (path.empty()) return unexpected(std::string{"there is no place for a secret: set HOME, or give --secret-file"});
  constexpr int kRead = O_RDONLY | O_NONBLOCK;  // a pipe is not waited for
  const File kept{path, kRead};
  if (kept) return read_secret(kept, path);
  if (errno != ENOENT) return unexpected(because("read", path));
  if (auto ok = make_secret(path); !ok) return unexpected(ok.error());
  const File made{path, kRead};
  if (!made) return unexpected(because("read", path));
  return read_secret(made, path);
}

}  // namespace pollux::app
