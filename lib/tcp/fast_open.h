#pragma once

#include <cstdint>
#include <optional>

#include "base/siphash.h"
#include "wire/flow_key.h"
#include "wire/segment.h"

// The cookies that a server gives to clients (RFC 7413, 4.1.2): 8 bytes, a keyed hash of both addresses and of nothing
// else, so that nothing is kept of them. Made as Linux makes them: hosts with the same keys take each other's, as
// servers behind one address must.
namespace pollux::tcp {

// The secret under which cookies are made, and the one before it, whose cookies are good as well, so that a change
// costs no client its next request.
struct FastOpenKeys {
  HashKey current;
  std::optional<HashKey> previous{};
};

// That of the client at `key.remote`, for the server at `key.local`.
FastOpenCookie fast_open_cookie(const HashKey& secret, const FlowKey& key);

enum class CookieCheck : std::uint8_t {
  kNone,      // none of ours; or none at all, but a request for one
  kPrevious,  // good, and to be replaced
  kCurrent,
};
CookieCheck check_fast_open_cookie(const FastOpenKeys& keys, const FlowKey& key, const FastOpenCookie& cookie);

}  // namespace pollux::tcp
