#include "sim_app.h"

#include <algorithm>
#include <string>

#include "network.h"

namespace pollux::sim {
namespace {

constexpr Duration kRetry = 5ms;  // after "insufficient resources"

bool all_sent(const Side& side) {
  if (side.plan.start == Start::kEcho) return side.eof && side.sent == side.received;
  return side.sent == side.plan.total;
}

}  // namespace

Side* SimApp::side_of(Conn conn, const char* callback) {
  const auto complain = [&](const char* what) {
    network_.fail(std::string{callback} + " " + what + ": " + pollux::to_string(conn.key()));
    return nullptr;
  };
  if (conn.user() == 0) {  // accepted just now
    Side* side = network_.accepting_side(host_, conn);
    if (side == nullptr) return complain("for a connection that nobody opened");
    if (side->opened) return complain("for a connection that is open already");
    conn.user() = network_.number_of(*side);
    side->id = conn.id();
  }
  Side* side = network_.side(conn.user());
  if (side->closed) return complain("after on_closed");
  side->progress = network_.now();
  return side;
}

// --- What the shard tells ---

void SimApp::on_open(Conn conn) {
  Side* side = side_of(conn, "on_open");
  if (side == nullptr) return conn.abort();
  if (side->opened) network_.fail("on_open came twice");
  side->opened = true;
  side->id = conn.id();
  if (side->plan.nodelay) conn.set_nodelay(true);
  if (side->plan.keep_alive) conn.set_keep_alive({true, 20, 5, 3});
  network_.note_event(*side, 'o');
  pump(conn, *side);
}

std::size_t SimApp::on_text(Conn conn, std::span<const std::byte> text) {
  Side* side = side_of(conn, "on_text");
  if (side == nullptr) return text.size();
  if (!side->opened) network_.fail("text before on_open");
  if (side->eof) network_.fail("text after the end");
  if (text.empty()) network_.fail("on_text without text");
  if (!side->peer().stream.matches(side->received, text)) {
    network_.fail("text is not what was sent, at byte " + std::to_string(side->received) + " of flow " +
                  std::to_string(side->flow->number));
  }
  std::size_t taken = want(*side, text.size());
  if (side->plan.start == Start::kEcho) taken = echo(conn, *side, text.first(taken));
  side->received += taken;
  if (side->received > side->peer().sent) network_.fail("more text than was sent");
  pump(conn, *side);
  return taken;
}

// How much of what is offered the plan wants now; what it leaves it asks for later.
std::size_t SimApp::want(Side& side, std::size_t offered) {
  std::size_t taken = std::min<std::size_t>(offered, side.plan.read_chunk);
  if (side.random.chance(side.plan.read_pause)) taken = side.random.below(taken + 1);
  if (taken < offered) resume_later(side, side.plan.read_pause_length);
  return taken;
}

std::size_t SimApp::echo(Conn conn, Side& side, std::span<const std::byte> text) {
  if (side.shut || text.empty()) return text.size();
  const auto sent = conn.send(text);
  const std::size_t taken = sent ? *sent : 0;
  side.sent += taken;
  if (!sent) resume_later(side, kRetry);
  return taken;  // the rest comes again when on_writable has asked for it
}

void SimApp::on_eof(Conn conn) {
  Side* side = side_of(conn, "on_eof");
  if (side == nullptr) return;
  if (side->eof) network_.fail("on_eof came twice");
  side->eof = true;
  const Side& peer = side->peer();
  if (!peer.shut || side->received != peer.sent) {
    network_.fail("the end came after " + std::to_string(side->received) + " of " + std::to_string(peer.sent) +
                  " bytes of flow " + std::to_string(side->flow->number));
  }
  network_.note_event(*side, 'e');
  pump(conn, *side);
}

void SimApp::on_writable(Conn conn) {
  Side* side = side_of(conn, "on_writable");
  if (side == nullptr) return;
  if (side->plan.start == Start::kEcho) return resume_later(*side, Duration{0});
  pump(conn, *side);
}

void SimApp::on_urgent(Conn conn) {
  Side* side = side_of(conn, "on_urgent");
  if (side == nullptr) return;
  ++side->urgent_events;
  if (side->peer().plan.urgent == 0) network_.fail("urgent data that nobody sent");
  if (side->received + conn.urgent_ahead() > side->peer().sent) network_.fail("urgent data beyond what was sent");
}

void SimApp::on_closed(Conn conn, tcp::Reason reason) {
  if (conn.user() == 0) {  // neither opened nor asked for here
    network_.fail("on_closed for a connection that never opened: " + pollux::to_string(conn.key()));
    return;
  }
  Side* side = side_of(conn, "on_closed");
  if (side == nullptr) return;
  side->closed = true;
  side->closed_at = network_.now();
  side->reason = reason;
  network_.note_event(*side, 'c');
  network_.judge_end(*side);
}

// --- What the plan does ---

bool SimApp::may_send(const Side& side) const {
  if (!side.opened || side.shut || side.closed) return false;
  switch (side.plan.start) {
    case Start::kAtOpen:
      return true;
    case Start::kAfterText:
      return side.received >= side.plan.start_after;
    case Start::kAtEof:
      return side.eof;
    case Start::kEcho:
      return false;  // echo() does
  }
  return false;
}

void SimApp::pump(Conn conn, Side& side) {
  if (side.closed || !side.opened) return;
  while (may_send(side) && side.sent < side.plan.total) {
    if (check_finish(conn, side)) return;
    if (!send_some(conn, side)) break;
  }
  check_finish(conn, side);
}

void SimApp::send_early(Conn conn, Side& side) {
  const Plan& plan = side.plan;
  if (plan.start == Start::kAtOpen && plan.urgent == 0 && plan.total > 0) send_some(conn, side);
}

// One SEND. False: nothing more for now.
bool SimApp::send_some(Conn conn, Side& side) {
  const std::uint64_t left = side.plan.total - side.sent;
  auto n = static_cast<std::size_t>(std::min<std::uint64_t>(left, 1 + side.random.below(side.plan.chunk)));
  const bool urgent = side.random.chance(side.plan.urgent);
  Expected<std::uint32_t, tcp::UserError> taken = 0u;
  // One byte more than there is room for is as much too much as any number.
  const std::size_t offered = std::min<std::size_t>(n, conn.send_room() + std::size_t{1});
  if (side.plan.by_reference && !urgent) {
    n = std::min<std::size_t>(n, network_.core(host_).config().tcp.send_buffer);
    side.references.emplace_back(std::min(n, offered));
    side.stream.fill(side.sent, side.references.back());
    taken = conn.send_reference(side.references.back());
    if (!taken || *taken == 0) side.references.pop_back();
  } else {
    scratch_.resize(offered);
    side.stream.fill(side.sent, scratch_);
    taken = urgent ? conn.send_urgent(scratch_) : conn.send(scratch_);
  }
  if (!taken) {
    if (taken.error() != tcp::UserError::kInsufficientResources) network_.fail("SEND was refused");
    pump_later(side, kRetry);
    return false;
  }
  side.sent += *taken;
  network_.note_event(side, 's');
  if (*taken < n) return false;  // on_writable comes
  if (side.random.chance(side.plan.pause)) {
    pump_later(side, side.plan.pause_length);
    return false;
  }
  return true;
}

// Whether the connection has been ended, or is about to be.
bool SimApp::check_finish(Conn conn, Side& side) {
  if (side.finishing || side.shut) return true;
  bool now = false;
  switch (side.plan.finish) {
    case Finish::kManual:
      break;
    case Finish::kShutdownWhenSent:
    case Finish::kCloseWhenSent:
      now = all_sent(side) && (side.plan.total == 0 || may_send(side) || side.plan.start == Start::kEcho);
      break;
    case Finish::kShutdownAtEof:
    case Finish::kCloseAtEof:
      now = all_sent(side) && side.eof;
      break;
    case Finish::kAbort:
      now = side.sent + side.received >= side.plan.abort_after || side.eof;
      break;
  }
  if (!now) return false;
  side.finishing = true;
  if (side.plan.finish_delay == Duration{0}) {
    finish(conn, side);
  } else {
    network_.with_later(side, side.plan.finish_delay, [this](Conn c, Side& s) { finish(c, s); });
  }
  return true;
}

void SimApp::finish(Conn conn, Side& side) {
  if (side.closed || side.shut) return;
  network_.note_event(side, 'f');
  side.shut = true;
  side.rude = loses_data(side.plan.finish);
  if (side.rude) network_.allow_reset(conn.key());
  switch (side.plan.finish) {
    case Finish::kManual:
      break;
    case Finish::kShutdownWhenSent:
    case Finish::kShutdownAtEof:
      return conn.shutdown();
    case Finish::kCloseAtEof:
    case Finish::kCloseWhenSent:
      return conn.close();
    case Finish::kAbort:
      return conn.abort();
  }
}

void SimApp::pump_later(Side& side, Duration wait) {
  if (std::exchange(side.pump_pending, true)) return;
  network_.with_later(side, wait, [this](Conn conn, Side& s) {
    s.pump_pending = false;
    pump(conn, s);
  });
}

void SimApp::resume_later(Side& side, Duration wait) {
  if (std::exchange(side.resume_pending, true)) return;
  network_.resume_later(side, wait);
}

}  // namespace pollux::sim
