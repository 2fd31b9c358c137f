#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/expected.h"

namespace pollux::app {

// What to answer to one request. Small: everything else follows from it, so that an
// answer which has to wait for room costs no memory but this.
struct HttpReply {
  enum class Source : std::uint8_t { kText, kPattern, kFile };

  std::uint64_t size = 0;  // of the body
  std::uint32_t file = 0;  // kFile: which
  std::uint16_t status = 200;
  Source source = Source::kPattern;
  bool head_only = false;       // HEAD: the head says what the body would be
  bool close = false;           // and then the connection ends
  bool say_keep_alive = false;  // to a client of HTTP/1.0, which would not expect it
  bool root = false;            // the answer to "/"
};

// What a server has to say, made at start and never changed: it may be read from all cores.
class HttpContent {
 public:
  // `body`: size of the answer to "/".
  explicit HttpContent(std::uint64_t body);

  // Takes in every regular file below `directory`. Links are not followed. The error says which could not be read.
  Expected<void, std::string> load(const std::string& directory);
  std::size_t files() const { return files_.size(); }
  std::uint64_t file_bytes() const { return file_bytes_; }

  // The answer to GET `path`: 200, or 404, or 400 for a path that makes no sense.
  HttpReply find(std::string_view path) const;
  static HttpReply error(unsigned status);

  // Status line and fields of a reply, into `to`; how long it is.
  static constexpr std::size_t kMaxHead = 256;
  std::size_t write_head(const HttpReply& reply, std::span<char, kMaxHead> to) const;

  // Bytes of the body from `offset` on that lie together, at least one. They stay.
  std::span<const std::byte> body_at(const HttpReply& reply, std::uint64_t offset) const;

  // Head and body in one piece, where there is one for this reply; else empty. It stays.
  std::span<const std::byte> whole(const HttpReply& reply) const;

 private:
  struct File {
    std::string type;
    std::vector<std::byte> bytes;
  };

  HttpReply find_file(std::string_view path) const;
  void build_whole();

  std::uint64_t body_;
  std::uint64_t file_bytes_ = 0;
  std::vector<File> files_;
  std::map<std::string, std::uint32_t, std::less<>> names_;  // "/index.html", decoded
  std::array<std::vector<std::byte>, 2> whole_;              // [close]
};

// %41 becomes A. False: a % without two hexadecimal digits behind it, or a NUL. `to` is as large as `from`.
bool percent_decode(std::string_view from, std::span<char> to, std::size_t& size);

}  // namespace pollux::app
