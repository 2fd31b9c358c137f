#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "base/random.h"
#include "shard/conn.h"
#include "time/instant.h"
#include "wire/flow_key.h"

namespace pollux::sim {

// The stream that one side of a flow sends: byte n is a function of the stream's key and
// of n, so that equality of two streams needs no copy of either.
class Stream {
 public:
  constexpr Stream() = default;
  constexpr explicit Stream(std::uint64_t key) : key_{key} {}

  std::byte at(std::uint64_t offset) const { return std::byte(word(offset / 8) >> (offset % 8 * 8)); }
  void fill(std::uint64_t offset, std::span<std::byte> to) const {
    for (std::size_t i = 0; i < to.size();) {
      const std::uint64_t w = word((offset + i) / 8);
      const std::size_t skip = (offset + i) % 8;
      if (skip == 0 && to.size() - i >= 8) {
        std::memcpy(to.data() + i, &w, 8);
        i += 8;
        continue;
      }
      for (std::size_t b = skip; b < 8 && i < to.size(); ++b, ++i) to[i] = std::byte(w >> (b * 8));
    }
  }
  // Whether `text` is what the stream has at `offset`.
  bool matches(std::uint64_t offset, std::span<const std::byte> text) const {
    for (std::size_t i = 0; i < text.size();) {
      const std::uint64_t w = word((offset + i) / 8);
      const std::size_t skip = (offset + i) % 8;
      if (skip == 0 && text.size() - i >= 8) {
        std::uint64_t got;
        std::memcpy(&got, text.data() + i, 8);
        if (got != w) return false;
        i += 8;
        continue;
      }
      for (std::size_t b = skip; b < 8 && i < text.size(); ++b, ++i) {
        if (text[i] != std::byte(w >> (b * 8))) return false;
      }
    }
    return true;
  }

 private:
  static_assert(std::endian::native == std::endian::little);
  std::uint64_t word(std::uint64_t index) const {
    std::uint64_t state = key_ + index * 0xd1342543de82ef95u;
    return splitmix64(state);
  }
  std::uint64_t key_ = 0;
};

// When a side begins to send.
enum class Start : std::uint8_t {
  kAtOpen,
  kAfterText,  // when it has received Plan::start_after bytes
  kAtEof,
  kEcho,  // it sends back what it receives, as it comes
};

// How a side ends the connection. The first four lose nothing; the others may.
enum class Finish : std::uint8_t {
  kManual,            // a test does it
  kShutdownWhenSent,  // half close
  kShutdownAtEof,     // half close when all is sent and the peer has finished
  kCloseAtEof,        // full close then
  kCloseWhenSent,     // full close at once: what the peer still sends is answered with a reset
  kAbort,             // reset after Plan::abort_after bytes sent and received
};

constexpr bool loses_data(Finish f) { return f == Finish::kCloseWhenSent || f == Finish::kAbort; }

// What one side of a flow does.
struct Plan {
  std::uint64_t total = 0;  // bytes to send; not for kEcho
  Start start = Start::kAtOpen;
  std::uint64_t start_after = 0;
  Finish finish = Finish::kShutdownAtEof;
  std::uint64_t abort_after = 0;
  Duration finish_delay{0};
  std::uint32_t chunk = 16384;  // bytes in one SEND at most
  double pause = 0;             // chance of waiting after a SEND
  Duration pause_length{0};
  std::uint32_t read_chunk = UINT32_MAX;  // bytes in one RECEIVE at most
  double read_pause = 0;                  // chance of leaving text where it is for a while
  Duration read_pause_length{0};
  bool by_reference = false;  // SEND without a copy
  double urgent = 0;          // chance that a SEND is urgent
  bool nodelay = false;
  bool keep_alive = false;
};

struct Flow;

// One end of a flow: its plan, and what has become of it.
struct Side {
  Flow* flow = nullptr;
  int index = 0;  // 0: the client
  int host = 0;
  Plan plan;
  Stream stream;     // what it sends
  Random random{1};  // its own chances
  ConnId id;
  bool opened = false;
  bool eof = false;
  bool closed = false;
  bool finishing = false;  // the end has been decided on; it may come after a delay
  bool shut = false;       // our direction was closed: nothing is sent any more
  bool rude = false;       // called CLOSE or ABORT while the peer might still send
  bool pump_pending = false;
  bool resume_pending = false;
  tcp::Reason reason = tcp::Reason::kNone;
  std::uint64_t sent = 0;      // bytes that SEND took
  std::uint64_t received = 0;  // bytes that the application took
  std::uint32_t urgent_events = 0;
  Instant closed_at{};
  Instant progress{};  // last time that anything of the above changed
  // What was sent by reference, kept as long as the flow. Each vector is filled before it is sent.
  std::vector<std::vector<std::byte>> references;

  Side& peer() const;
};

// One connection between the two hosts, as both applications mean it to be.
struct Flow {
  int number = 0;
  FlowKey key;  // as the client sees it
  bool simultaneous = false;
  bool may_fail = false;  // a plan or a fault that may cost data; only safety is judged
  std::array<Side, 2> sides;
};

// The same connection as the other end sees it.
inline FlowKey turned(const FlowKey& key) { return {key.remote, key.local, key.remote_port, key.local_port}; }

inline Side& Side::peer() const { return flow->sides[static_cast<std::size_t>(1 - index)]; }

}  // namespace pollux::sim
