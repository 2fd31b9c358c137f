// What a client may say to `pollux serve http`: nothing crashes, each byte is taken once, and what is answered does not
// hang on the pieces in which it came, nor on how fast the client reads.

#include <algorithm>
#include <string>
#include <string_view>

#include "../app/fake_conn.h"
#include "http_server.h"
#include "tape.h"

namespace {

using namespace pollux;

constexpr std::uint32_t kMostRoom = 1u << 20;  // an answer may be as long as the client likes

struct Outcome {
  std::string sent;
  bool stalled = false;  // more would have come
  bool ended = false;
};

// `piece` bytes at a time, to a client that reads `room` bytes at a time.
Outcome conversation(std::string_view text, std::size_t piece, std::uint32_t room) {
  static const app::HttpContent kContent{100};
  app::HttpApp server{kContent, {.max_connections = 1}};
  app::Client client{server};
  client->room = room;
  std::uint32_t read = room;
  const auto make_room = [&] {
    while (client->wants_room && read < kMostRoom) {
      client.makes_room(room);
      read += room;
    }
  };
  for (std::size_t at = 0; at < text.size(); at += piece) {
    client.sends(text.substr(at, piece));
    make_room();
  }
  client.sends_eof();
  make_room();
  Outcome outcome;
  outcome.stalled = client->wants_room;
  outcome.ended = client->shut || client->closed || client->aborted;
  outcome.sent = client.received();
  client.is_gone(tcp::Reason::kFinished);
  return outcome;
}

std::size_t common_size(std::string_view a, std::string_view b) {
  const auto differ = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return static_cast<std::size_t>(differ.first - a.begin());
}

// Of a request that is wrong in two ways the answer may name either: which is seen first hangs on the pieces.
bool refuses_at(std::string_view sent, std::size_t at) {
  constexpr std::string_view kRefusal = "HTTP/1.1 4";
  const std::size_t begin = sent.rfind("HTTP/1.1 ", at);
  return begin != std::string_view::npos && sent.substr(begin).starts_with(kRefusal);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Tape tape{data, size};
  const std::size_t piece = 1 + tape.below(64);
  const std::uint32_t room = 512u << tape.below(8);
  const fuzz::Exact copy{tape.take(tape.size())};
  const std::string_view text{reinterpret_cast<const char*>(copy.all().data()), copy.all().size()};
  const Outcome whole = conversation(text, std::max<std::size_t>(text.size(), 1), kMostRoom);
  const Outcome pieces = conversation(text, piece, room);
  CHECK(whole.stalled || whole.ended);
  CHECK(whole.stalled == pieces.stalled && whole.ended == pieces.ended);
  const std::size_t common = common_size(whole.sent, pieces.sent);
  if (common < std::min(whole.sent.size(), pieces.sent.size())) {
    CHECK(refuses_at(whole.sent, common) && refuses_at(pieces.sent, common));
  } else {
    CHECK(whole.stalled || whole.sent.size() == pieces.sent.size());
  }
  return 0;
}
