#include "http_request.h"

#include <algorithm>
#include <cstring>

namespace pollux::app {
namespace {

constexpr std::string_view kHost = "host";
constexpr std::uint8_t kNoMatch = 0xff;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

unsigned status_of(http_errno error) {
  if (error == HPE_HEADER_OVERFLOW) return 431;
  return 400;
}

}  // namespace

HttpRequest& HttpRequest::operator=(const HttpRequest& other) {
  if (this == &other) return *this;
  parser_ = other.parser_;
  parser_.data = this;
  error_ = other.error_;
  head_size_ = other.head_size_;
  url_size_ = other.url_size_;
  path_at_ = other.path_at_;
  path_size_ = other.path_size_;
  hosts_ = other.hosts_;
  host_letters_ = other.host_letters_;
  in_value_ = other.in_value_;
  head_complete_ = other.head_complete_;
  complete_ = other.complete_;
  keep_alive_ = other.keep_alive_;
  std::memcpy(url_, other.url_, other.url_size_);
  return *this;
}

void HttpRequest::reset() {
  http_parser_init(&parser_, HTTP_REQUEST);
  parser_.data = this;
  error_ = 0;
  head_size_ = 0;
  url_size_ = 0;
  path_at_ = 0;
  path_size_ = 0;
  hosts_ = 0;
  host_letters_ = 0;
  in_value_ = false;
  head_complete_ = false;
  complete_ = false;
  keep_alive_ = false;
}

const http_parser_settings& HttpRequest::settings() {
  static const http_parser_settings kSettings = [] {
    http_parser_settings s;
    http_parser_settings_init(&s);
    s.on_url = [](http_parser* p, const char* at, std::size_t size) { return of(p).take_url(at, size); };
    s.on_header_field = [](http_parser* p, const char* at, std::size_t size) { return of(p).take_field(at, size); };
    s.on_header_value = [](http_parser* p, const char*, std::size_t) { return of(p).take_value(); };
    s.on_headers_complete = [](http_parser* p) { return of(p).headers_complete(); };
    s.on_message_complete = [](http_parser* p) { return of(p).message_complete(); };
    return s;
  }();
  return kSettings;
}

std::size_t HttpRequest::feed(std::span<const std::byte> text) {
  std::size_t taken = 0;
  while (taken < text.size() && !complete_ && error_ == 0) {
    std::span<const std::byte> piece = text.subspan(taken);
    // The head is fed no further than it may go; what comes after it may be a body of any size.
    if (!head_complete_) piece = piece.first(std::min(piece.size(), kMaxHead - head_size_));
    const std::size_t n =
        http_parser_execute(&parser_, &settings(), reinterpret_cast<const char*>(piece.data()), piece.size());
    const auto error = static_cast<http_errno>(parser_.http_errno);
    if (error != HPE_OK && error_ == 0 && !complete_) error_ = static_cast<std::uint16_t>(status_of(error));
    taken += n;
    if (n < piece.size() && !complete_ && error_ == 0) error_ = 400;  // The parser will not go on.
    if (!head_complete_) {
      head_size_ = static_cast<std::uint16_t>(head_size_ + n);
      if (head_size_ >= kMaxHead && error_ == 0) error_ = 431;
    }
  }
  return taken;
}

int HttpRequest::fail(unsigned status) {
  error_ = static_cast<std::uint16_t>(status);
  return 1;
}

int HttpRequest::take_url(const char* at, std::size_t size) {
  if (size > kMaxUrl - url_size_) return fail(414);
  std::memcpy(url_ + url_size_, at, size);
  url_size_ = static_cast<std::uint16_t>(url_size_ + size);
  return 0;
}

int HttpRequest::take_field(const char* at, std::size_t size) {
  if (in_value_) {
    in_value_ = false;
    host_letters_ = 0;
  }
  for (std::size_t i = 0; i < size && host_letters_ != kNoMatch; ++i) {
    const bool matches = host_letters_ < kHost.size() && lower(at[i]) == kHost[host_letters_];
    host_letters_ = matches ? static_cast<std::uint8_t>(host_letters_ + 1) : kNoMatch;
  }
  return 0;
}

int HttpRequest::take_value() {
  if (in_value_) return 0;
  in_value_ = true;
  if (host_letters_ == kHost.size() && hosts_ < 2) ++hosts_;
  return 0;
}

int HttpRequest::headers_complete() {
  head_complete_ = true;
  if (parser_.http_major != 1) return fail(505);
  // RFC 9112, 3.2: exactly one Host field, which HTTP/1.0 did not know.
  if (hosts_ > 1 || (hosts_ == 0 && parser_.http_minor >= 1)) return fail(400);
  if (parser_.method != HTTP_GET && parser_.method != HTTP_HEAD) return fail(405);
  if (!find_path()) return fail(400);
  return 0;
}

int HttpRequest::message_complete() {
  complete_ = true;
  // No protocol is upgraded to here; what follows such a request is of uncertain meaning.
  keep_alive_ = http_should_keep_alive(&parser_) != 0 && parser_.upgrade == 0;
  http_parser_pause(&parser_, 1);
  return 0;
}

bool HttpRequest::find_path() {
  std::size_t at = 0;
  if (url_size_ == 0 || url_[0] != '/') {
    http_parser_url parts;
    http_parser_url_init(&parts);
    if (http_parser_parse_url(url_, url_size_, 0, &parts) != 0) return false;
    if ((parts.field_set & (1 << UF_PATH)) == 0) {  // "http://host": the root
      url_[0] = '/';
      path_at_ = 0;
      path_size_ = 1;
      return true;
    }
    at = parts.field_data[UF_PATH].off;
  }
  const std::string_view rest{url_ + at, url_size_ - at};
  path_at_ = static_cast<std::uint16_t>(at);
  path_size_ = static_cast<std::uint16_t>(std::min(rest.find_first_of("?#"), rest.size()));
  return true;
}

}  // namespace pollux::app
