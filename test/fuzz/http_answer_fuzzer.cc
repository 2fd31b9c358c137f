// What a server may answer to `pollux load`: nothing crashes, and what is made of an answer does not hang on the pieces
// in which it came, nor on whether one like it was seen before.

#include <algorithm>
#include <string>

#include "../app/fake_conn.h"
#include "load/http_exchange.h"
#include "tape.h"

namespace {

using namespace pollux;
using app::Answer;

app::ExchangeConfig config_of(fuzz::Tape& tape) {
  app::ExchangeConfig config;
  config.targets = {{app::Scheme::kHttp, *IpAddress::parse("198.18.0.1"), 80, "/", "198.18.0.1"}};
  config.method = tape.coin() ? app::Method::kGet : app::Method::kHead;
  config.verify = tape.coin();
  if (tape.coin()) config.pattern = tape.below(256);
  return config;
}

struct Outcome {
  Answer answer = Answer::kMore;
  std::size_t taken = 0;
  bool goes_on = false;
  std::uint64_t body = 0;
};

// `piece` bytes at a time, until it is clear what that is; then the server closes.
Outcome hear(app::HttpExchange& exchange, std::span<const std::byte> text, std::size_t piece) {
  app::HttpExchange::State state;
  app::FakeConnection connection;
  exchange.begin(state, 0, false, 1);
  app::FakeConn conn{connection};
  CHECK(!exchange.send(conn, state).failed);
  Outcome outcome;
  while (outcome.answer == Answer::kMore && outcome.taken < text.size()) {
    const auto some = text.subspan(outcome.taken, std::min(piece, text.size() - outcome.taken));
    outcome.answer = exchange.take(state, some);
    outcome.taken += some.size();
  }
  if (outcome.answer == Answer::kMore) outcome.answer = exchange.finish(state);
  outcome.goes_on = outcome.answer == Answer::kComplete && exchange.may_continue(state);
  outcome.body = state.body;
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Tape tape{data, size};
  const app::ExchangeConfig config = config_of(tape);
  const std::size_t piece = 1 + tape.below(64);
  const fuzz::Exact text{tape.take(tape.size())};
  app::HttpExchange exchange{config};
  const Outcome whole = hear(exchange, text.all(), std::max<std::size_t>(size, 1));
  const Outcome again = hear(exchange, text.all(), std::max<std::size_t>(size, 1));
  CHECK(again.answer == whole.answer && again.goes_on == whole.goes_on);
  CHECK(whole.body <= size);

  app::HttpExchange fresh{config};
  const Outcome pieces = hear(fresh, text.all(), piece);
  // More behind an answer is seen when it is there.
  if (pieces.taken == text.all().size()) {
    CHECK(pieces.answer == whole.answer && pieces.goes_on == whole.goes_on);
  } else if (whole.answer != Answer::kGarbled) {
    CHECK(pieces.answer == whole.answer);
  }
  return 0;
}
