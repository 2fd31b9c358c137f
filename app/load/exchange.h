#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "load/settings.h"

// What passes over a connection once it is open: a request, then its answer, then perhaps the next. A protocol is a
// class X, known at compile time, for LoadApp; C is Conn, or a stand-in of the tests:
//
//   struct X::State                what it keeps for a connection
//   X(const ExchangeConfig&)
//   begin(State&, target, last, salt)  a new request is to be sent; `last` of this connection, `salt` any number
//   send(C&, State&) -> Sent       sends what there is room for; again when there is more
//   take(State&, text) -> Answer   some of the answer, in pieces of any size
//   finish(State&) -> Answer       the peer has closed
//   may_continue(State&)           whether the answer leaves the connection open for another request
//   kEarly                         begin() and send() may come before the connection is open (Fast Open)
//   kEndless                       the peer sends on after the answer, until we close
namespace pollux::app {

struct ExchangeConfig {
  std::vector<Target> targets;
  Method method = Method::kGet;
  std::uint64_t size = 64;
  bool verify = false;
  bool server_closes = true;
  std::optional<std::uint64_t> pattern;  // bodies must be so many bytes of the pattern: those of our own server
};

enum class Answer : std::uint8_t {
  kMore,       // some is still to come
  kComplete,   // that was all of it
  kBadStatus,  // that was all of it, and it says that something is wrong
  kMismatch,   // not the bytes that were wanted
  kGarbled,    // not the protocol, or more than was promised, or less
};

struct Sent {
  std::uint32_t bytes = 0;
  bool failed = false;  // the connection takes nothing any more
};

}  // namespace pollux::app
