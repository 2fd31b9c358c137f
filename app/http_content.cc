#include "http_content.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/assert.h"
#include "http_request.h"
#include "pattern.h"

namespace pollux::app {
namespace {

constexpr std::string_view kBytes = "/bytes/";
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 40;
constexpr std::uint64_t kMostWhole = 64 * 1024;

struct Status {
  unsigned code;
  std::string_view phrase;
  std::string_view text;  // for people; the body
};
constexpr std::array kStatuses{
    Status{200, "OK", ""},
    Status{400, "Bad Request",
           "400 Bad Request: this is not HTTP/1.1 as RFC 9112 has it, or the path makes no sense.\n"},
    Status{404, "Not Found", "404 Not Found: there is /, and /bytes/N for N bytes.\n"},
    Status{405, "Method Not Allowed", "405 Method Not Allowed: GET and HEAD are what this server knows.\n"},
    Status{408, "Request Timeout", "408 Request Timeout: the request did not arrive in time.\n"},
    Status{414, "URI Too Long", "414 URI Too Long: at most 8000 bytes.\n"},
    Status{431, "Request Header Fields Too Large", "431 Request Header Fields Too Large: at most 8192 bytes in all.\n"},
    Status{503, "Service Unavailable", "503 Service Unavailable: too many requests arrive in pieces.\n"},
    Status{505, "HTTP Version Not Supported",
           "505 HTTP Version Not Supported: 1.0 and 1.1 are what this server knows.\n"},
};

const Status& status_of(unsigned code) {
  const auto* found = std::find_if(kStatuses.begin(), kStatuses.end(), [&](const Status& s) { return s.code == code; });
  return found == kStatuses.end() ? kStatuses[1] : *found;
}

std::string type_of(const std::filesystem::path& path) {
  static const std::map<std::string, std::string> kTypes{{".html", "text/html; charset=utf-8"},
                                                         {".css", "text/css"},
                                                         {".js", "text/javascript"},
                                                         {".json", "application/json"},
                                                         {".txt", "text/plain; charset=utf-8"},
                                                         {".svg", "image/svg+xml"},
                                                         {".png", "image/png"},
                                                         {".jpg", "image/jpeg"}};
  const auto found = kTypes.find(path.extension().string());
  return found == kTypes.end() ? "application/octet-stream" : found->second;
}

Expected<std::vector<std::byte>, std::string> read_file(const std::filesystem::path& path) {
  std::ifstream file{path, std::ios::binary | std::ios::ate};
  if (!file) return unexpected(fmt::format("--root: cannot read {}", path.string()));
  std::vector<std::byte> bytes(static_cast<std::size_t>(file.tellg()));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!file) return unexpected(fmt::format("--root: cannot read all of {}", path.string()));
  return bytes;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

bool percent_decode(std::string_view from, std::span<char> to, std::size_t& size) {
  size = 0;
  for (std::size_t i = 0; i < from.size(); ++i) {
    char c = from[i];
    if (c == '%') {
      if (from.size() - i < 3) return false;
      const int high = hex_digit(from[i + 1]);
      const int low = hex_digit(from[i + 2]);
      if (high < 0 || low < 0 || high + low == 0) return false;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    to[size++] = c;
  }
  return true;
}

HttpContent::HttpContent(std::uint64_t body) : body_{body} { build_whole(); }

void HttpContent::build_whole() {
  for (const bool close : {false, true}) {
    auto& whole = whole_[close ? 1 : 0];
    whole.clear();
    HttpReply reply = find("/");
    reply.close = close;
    if (reply.size > kMostWhole) continue;
    char head[kMaxHead];
    const auto text = std::as_bytes(std::span{head}.first(write_head(reply, head)));
    whole.assign(text.begin(), text.end());
    for (std::uint64_t at = 0; at < reply.size;) {
      const auto piece = body_at(reply, at);
      whole.insert(whole.end(), piece.begin(), piece.end());
      at += piece.size();
    }
  }
}

Expected<void, std::string> HttpContent::load(const std::string& directory) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path root{directory};
  if (!fs::is_directory(root, error)) return unexpected(fmt::format("--root: `{}` is not a directory", directory));
  for (fs::recursive_directory_iterator at{root, error}, end; !error && at != end; at.increment(error)) {
    if (!fs::is_regular_file(at->symlink_status())) continue;
    auto bytes = read_file(at->path());
    if (!bytes) return unexpected(bytes.error());
    file_bytes_ += bytes->size();
    names_.emplace("/" + at->path().lexically_relative(root).generic_string(),
                   static_cast<std::uint32_t>(files_.size()));
    files_.push_back({type_of(at->path()), std::move(*bytes)});
  }
  if (error) return unexpected(fmt::format("--root: cannot list `{}`: {}", directory, error.message()));
  build_whole();
  return {};
}

HttpReply HttpContent::error(unsigned status) {
  HttpReply reply;
  reply.status = static_cast<std::uint16_t>(status);
  reply.source = HttpReply::Source::kText;
  reply.size = status_of(status).text.size();
  reply.close = status != 404;
  return reply;
}

HttpReply HttpContent::find(std::string_view path) const {
  if (!names_.empty()) {
    HttpReply file = find_file(path);
    file.root = path == "/";
    if (file.status != 404) return file;
  }
  HttpReply reply;
  if (path == "/") {
    reply.root = true;
    reply.size = body_;
    return reply;
  }
  if (!path.starts_with(kBytes)) return error(404);
  const std::string_view digits = path.substr(kBytes.size());
  const auto [stop, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), reply.size);
  if (failure != std::errc{} || stop != digits.data() + digits.size() || reply.size > kMostBytes) return error(400);
  return reply;
}

// Only names that were read at start are found, so no path can lead out of the directory.
HttpReply HttpContent::find_file(std::string_view path) const {
  constexpr std::string_view kIndex = "index.html";
  char decoded[HttpRequest::kMaxUrl + kIndex.size()];
  std::size_t size = 0;
  if (!percent_decode(path, decoded, size)) return error(400);
  if (size > 0 && decoded[size - 1] == '/') {
    std::memcpy(decoded + size, kIndex.data(), kIndex.size());
    size += kIndex.size();
  }
  const auto found = names_.find(std::string_view{decoded, size});
  if (found == names_.end()) return error(404);
  HttpReply reply;
  reply.source = HttpReply::Source::kFile;
  reply.file = found->second;
  reply.size = files_[found->second].bytes.size();
  return reply;
}

std::size_t HttpContent::write_head(const HttpReply& reply, std::span<char, kMaxHead> to) const {
  const Status& status = status_of(reply.status);
  std::string_view type = "application/octet-stream";
  if (reply.source == HttpReply::Source::kText) type = "text/plain; charset=utf-8";
  if (reply.source == HttpReply::Source::kFile) type = files_[reply.file].type;
  const auto written = fmt::format_to_n(
      to.data(), to.size(), "HTTP/1.1 {} {}\r\nServer: pollux\r\n{}Content-Type: {}\r\nContent-Length: {}\r\n{}\r\n",
      status.code, status.phrase, reply.status == 405 ? "Allow: GET, HEAD\r\n" : "", type, reply.size,
      reply.close            ? "Connection: close\r\n"
      : reply.say_keep_alive ? "Connection: keep-alive\r\n"
                             : "");
  return std::min(written.size, to.size());
}

std::span<const std::byte> HttpContent::body_at(const HttpReply& reply, std::uint64_t offset) const {
  switch (reply.source) {
    case HttpReply::Source::kText:
      return std::as_bytes(std::span{status_of(reply.status).text}).subspan(offset);
    case HttpReply::Source::kPattern:
      return pattern_at(offset, reply.size - offset);
    case HttpReply::Source::kFile:
      return std::span{files_[reply.file].bytes}.subspan(offset);
  }
  unreachable();
}

std::span<const std::byte> HttpContent::whole(const HttpReply& reply) const {
  if (!reply.root || reply.head_only || reply.say_keep_alive) return {};
  return whole_[reply.close ? 1 : 0];
}

}  // namespace pollux::app
