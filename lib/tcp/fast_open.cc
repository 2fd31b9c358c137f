#include "tcp/fast_open.h"

#include <array>
#include <cstring>

namespace pollux::tcp {

FastOpenCookie fast_open_cookie(const HashKey& secret, const FlowKey& key) {
  const auto& client = key.remote.words();
  const auto& server = key.local.words();
  std::uint64_t hash = 0;
  if (key.local.is_v4()) {
    hash = siphash24_of(secret, std::array{client[3], server[3]});
  } else {
    hash = siphash24_of(secret, std::array{client, server});
  }
  FastOpenCookie cookie;
  cookie.size = sizeof hash;
  std::memcpy(cookie.bytes.data(), &hash, sizeof hash);  // the lowest byte first: siphash.h is for such machines only
  return cookie;
}

CookieCheck check_fast_open_cookie(const FastOpenKeys& keys, const FlowKey& key, const FastOpenCookie& cookie) {
  if (cookie == fast_open_cookie(keys.current, key)) return CookieCheck::kCurrent;
  if (keys.previous && cookie == fast_open_cookie(*keys.previous, key)) return CookieCheck::kPrevious;
  return CookieCheck::kNone;
}

}  // namespace pollux::tcp
