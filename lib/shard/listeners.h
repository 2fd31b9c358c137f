#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/expected.h"
#include "shard/pending_fast_opens.h"
#include "tcp/config.h"
#include "time/instant.h"
#include "wire/ip_address.h"

namespace pollux {

enum class ListenError : std::uint8_t {
  kAddressInUse,           // somebody listens at that address and port already
  kInvalidAddress,         // not one of the shard's addresses, or port 0
  kInsufficientResources,  // more than Listeners::kMax
};
std::string_view describe(ListenError error);

// What becomes of a SYN when `backlog` connections to a listener are half open. With SYN cookies (tcp::Config), which
// begin at half of that, only those come so far that take the place of what is in TIME-WAIT.
enum class BacklogPolicy : std::uint8_t {
  kDrop,   // nothing is said; the peer's SYN comes again (counted as backlog_full)
  kReset,  // refused at once
};

struct ListenSpec {
  IpAddress address;  // unspecified: every address, of both families
  std::uint16_t port = 0;
  tcp::Options options;  // for the connections it accepts
  std::uint32_t backlog = 4096;
  BacklogPolicy on_full = BacklogPolicy::kDrop;
  // RFC 7413, 4.2: connections that may be open with the text of their SYN, and whose handshake is not done; above that
  // there is the usual handshake. 0: no Fast Open. Nothing without tcp::Config::fast_open_server.
  std::uint32_t fast_open = 0;
};

struct Listener {
  ListenSpec spec;
  std::uint32_t half_open = 0;
  bool open = false;
  Instant cookies_until;  // SYN cookies were sent lately: until then one may come back
  PendingFastOpens pending;
};

// Who listens where. A few; looked up once for each SYN.
class Listeners {
 public:
  static constexpr std::uint16_t kMax = 255;
  static constexpr std::uint16_t kNone = 0xffff;

  Listeners() : first_(65536, kNone) {
    listeners_.reserve(kMax);
    next_.reserve(kMax);
  }

  // The place of a listener that was closed is used again only when none of its
  // connections is half open any more.
  Expected<std::uint16_t, ListenError> add(const ListenSpec& spec);
  void close(std::uint16_t id);

  // The listener for a segment to that address and port: one bound to the address
  // before one for every address (MUST-42). kNone: nobody listens.
  std::uint16_t find(const IpAddress& address, std::uint16_t port) const;

  Listener& operator[](std::uint16_t id) { return listeners_[id]; }
  const Listener& operator[](std::uint16_t id) const { return listeners_[id]; }
  std::uint16_t count() const;  // open ones
  std::uint16_t size() const { return static_cast<std::uint16_t>(listeners_.size()); }

 private:
  void unlink(std::uint16_t id);

  std::vector<Listener> listeners_;
  std::vector<std::uint16_t> next_;   // with the same port
  std::vector<std::uint16_t> first_;  // by port
};

}  // namespace pollux
