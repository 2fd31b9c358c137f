#include "endpoint.h"

#include "network.h"

namespace pollux::sim {

void Endpoint::send_all(std::uint64_t bytes) {
  side_->plan.total = side_->sent + bytes;
  network_->with_later(*side_, Duration{0}, [n = network_](Conn conn, Side& side) { n->pump(conn, side); });
}

void Endpoint::shutdown() {
  side_->shut = true;
  network_->with(*side_, [](Conn conn) { conn.shutdown(); });
}

void Endpoint::close() {
  side_->shut = side_->rude = true;
  network_->allow_reset(key());
  side_->flow->may_fail = true;
  network_->with(*side_, [](Conn conn) { conn.close(); });
}

void Endpoint::abort() {
  side_->shut = side_->rude = true;
  network_->allow_reset(key());
  network_->with(*side_, [](Conn conn) { conn.abort(); });
}

void Endpoint::shutdown_on_eof() { side_->plan.finish = Finish::kShutdownAtEof; }

void Endpoint::stop_reading() {
  side_->plan.read_chunk = 0;
  side_->plan.read_pause_length = std::chrono::hours{24 * 365};
}

void Endpoint::read_on() {
  side_->plan.read_chunk = UINT32_MAX;
  side_->resume_pending = false;
  network_->resume_later(*side_, Duration{0});
}

FlowKey Endpoint::key() const { return side_->index == 0 ? side_->flow->key : turned(side_->flow->key); }

tcp::State Endpoint::state() const {
  const ShardCore& core = network_->core(side_->host);
  const std::uint32_t index = core.find(side_->id);
  if (index != ShardCore::kNone) return core.tcb(index).state();
  return core.time_wait().find(key()) ? tcp::State::kTimeWait : tcp::State::kClosed;
}

const tcp::Tcb& Endpoint::tcb() const {
  const ShardCore& core = network_->core(side_->host);
  const std::uint32_t index = core.find(side_->id);
  CHECK(index != ShardCore::kNone);
  return core.tcb(index);
}

}  // namespace pollux::sim
