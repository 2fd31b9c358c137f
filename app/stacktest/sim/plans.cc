#include "plans.h"

#include <algorithm>

#include "spread.h"

namespace pollux::sim {
namespace {

void random_sender(Plan& p, Random& random) {
  p.total = random.chance(0.15) ? 0 : random.chance(0.2) ? spread(random, 30'000, 400'000) : spread(random, 1, 30'000);
  p.chunk = static_cast<std::uint32_t>(spread(random, 1, 60'000));
  p.chunk = std::max(p.chunk, static_cast<std::uint32_t>(p.total / 400 + 1));
  if (random.chance(0.3)) {
    p.pause = random.fraction();
    p.pause_length = spread(random, 100us, 300ms);
    p.chunk = std::max(p.chunk, static_cast<std::uint32_t>(p.total / 60 + 1));
  }
  p.by_reference = random.chance(0.3);
  p.nodelay = random.chance(0.4);
  if (random.chance(0.1)) p.urgent = random.fraction() * 0.5;
}

void random_reader(Plan& p, std::uint64_t to_read, Random& random) {
  if (!random.chance(0.35)) return;
  p.read_chunk = static_cast<std::uint32_t>(std::max<std::uint64_t>(spread(random, 1, 20'000), to_read / 100 + 1));
  p.read_pause = random.fraction() * 0.7;
  p.read_pause_length = random.chance(0.1) ? spread(random, 1s, 90s) : spread(random, 1ms, 400ms);
  if (p.read_pause_length > 1s) p.read_chunk = std::max(p.read_chunk, static_cast<std::uint32_t>(to_read / 5 + 1));
}

// How the two sides' turns are ordered. Whatever is chosen comes to an end.
void random_order(Plan& client, Plan& server, Random& random) {
  switch (random.below(6)) {
    case 0:  // both at once, both ways, closed at the same time
      client.finish = server.finish = Finish::kShutdownWhenSent;
      break;
    case 1:  // request and response, the client closes
      server.start = Start::kAfterText;
      server.start_after = client.total;
      client.finish = Finish::kShutdownWhenSent;
      server.finish = random.chance(0.5) ? Finish::kShutdownAtEof : Finish::kCloseAtEof;
      break;
    case 2:  // request and response, the server closes
      server.start = Start::kAfterText;
      server.start_after = client.total;
      server.finish = Finish::kShutdownWhenSent;
      client.finish = random.chance(0.5) ? Finish::kShutdownAtEof : Finish::kCloseAtEof;
      break;
    case 3:  // echo
      server.start = Start::kEcho;
      server.finish = Finish::kShutdownAtEof;
      client.finish = Finish::kShutdownWhenSent;
      server.by_reference = false;
      server.urgent = 0;
      break;
    case 4:  // half close: the answer comes when everything has been said
      server.start = Start::kAtEof;
      client.finish = Finish::kShutdownWhenSent;
      server.finish = random.chance(0.5) ? Finish::kShutdownWhenSent : Finish::kCloseAtEof;
      break;
    default:  // the server talks first and closes
      client.total = random.chance(0.5) ? 0 : client.total;
      server.finish = Finish::kShutdownWhenSent;
      client.finish = Finish::kShutdownAtEof;
      break;
  }
  if (random.chance(0.3)) client.finish_delay = spread(random, 1us, 500ms);
  if (random.chance(0.3)) server.finish_delay = spread(random, 1us, 500ms);
}

// What the client sends comes in any case; more may wait for an end that a reset replaces.
void make_rude(Plan& p, const Plan& client, Random& random) {
  p.finish = random.chance(0.5) ? Finish::kAbort : Finish::kCloseWhenSent;
  p.abort_after = random.below(client.total + 1);
}

}  // namespace

std::pair<Plan, Plan> random_plans(Random& random, Troubles troubles) {
  Plan client;
  Plan server;
  random_sender(client, random);
  random_sender(server, random);
  random_order(client, server, random);
  random_reader(client, server.start == Start::kEcho ? client.total : server.total, random);
  random_reader(server, client.total, random);
  if (troubles.has(Trouble::kRude) && random.chance(0.5)) {
    if (random.chance(0.5)) {
      make_rude(client, client, random);
    } else {
      make_rude(server, client, random);
    }
    client.keep_alive = server.keep_alive = true;  // who was left without a word finds out
  }
  return {client, server};
}

void lengthen(Plan& client, Plan& server, std::uint64_t bytes) {
  const bool echo = server.start == Start::kEcho;  // what the server was to send, it does not
  const std::uint64_t most = echo ? client.total : std::max(client.total, server.total);
  if (most == 0) return;
  const std::uint64_t times = bytes / most + 1;
  const auto chunk = [times](std::uint32_t n) {
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(n * times, UINT32_MAX));
  };
  for (Plan* plan : {&client, &server}) {
    plan->total *= times;
    plan->start_after *= times;
    plan->abort_after *= times;
    plan->chunk = chunk(plan->chunk);
    plan->read_chunk = chunk(plan->read_chunk);
  }
}

}  // namespace pollux::sim
