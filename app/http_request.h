#pragma once

#include <http_parser.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace pollux::app {

// Takes a request apart as its bytes come in, in pieces of any size. Holds nothing but
// the URL and where it stands, so its memory is bounded whatever the peer sends.
class HttpRequest {
 public:
  static constexpr std::size_t kMaxHead = 8192;  // bytes of request line and header fields
  static constexpr std::size_t kMaxUrl = 8000;   // RFC 9112, 3: at least this much

  HttpRequest() { reset(); }
  HttpRequest(const HttpRequest& other) { *this = other; }
  // Copies as much of the URL as there is.
  HttpRequest& operator=(const HttpRequest& other);

  // For the next request.
  void reset();

  // Takes bytes up to the end of the request, or up to what is wrong with it; how many.
  std::size_t feed(std::span<const std::byte> text);

  // Something other than empty lines has come.
  bool begun() const { return head_size_ > 0; }
  // Has come whole, body included (which is thrown away).
  bool complete() const { return complete_; }
  // The status to answer with if the request cannot be served as it stands; 0: it can. Final.
  unsigned error() const { return error_; }

  // Once complete.
  bool head() const { return parser_.method == HTTP_HEAD; }
  bool keep_alive() const { return keep_alive_; }
  bool http_1_0() const { return parser_.http_minor == 0; }
  // Without query and fragment; still percent-encoded. Of an absolute URL its path.
  std::string_view path() const { return {url_ + path_at_, path_size_}; }

 private:
  static const http_parser_settings& settings();
  static HttpRequest& of(http_parser* parser) { return *static_cast<HttpRequest*>(parser->data); }

  int take_url(const char* at, std::size_t size);
  int take_field(const char* at, std::size_t size);
  int take_value();
  int headers_complete();
  int message_complete();
  bool find_path();
  int fail(unsigned status);

  http_parser parser_;
  std::uint16_t error_;
  std::uint16_t head_size_;
  std::uint16_t url_size_;
  std::uint16_t path_at_;
  std::uint16_t path_size_;
  std::uint8_t hosts_;         // Host fields seen
  std::uint8_t host_letters_;  // of "host" that the field's name has matched; kNoMatch
  bool in_value_;
  bool head_complete_;
  bool complete_;
  bool keep_alive_;
  char url_[kMaxUrl];
};

}  // namespace pollux::app
