#include "hostile.h"

#include <algorithm>
#include <tuple>

#include "../serial_number.h"

namespace pollux::sim {
namespace {

using stacktest::before;

// What is remembered of each flow, by the frames that the host sends.
struct FlowId {
  IpAddress local, remote;
  std::uint16_t local_port, remote_port;
  friend auto operator<=>(const FlowId&, const FlowId&) = default;  // NOLINT(modernize-use-nullptr): its own 0
};
FlowId sent_in(const WireView& v) { return {v.source, v.destination, v.source_port, v.destination_port}; }
FlowId received_in(const WireView& v) { return {v.destination, v.source, v.destination_port, v.source_port}; }

bool plain_ack(const WireView& v) { return v.ack_bit && !v.syn && !v.rst; }

std::vector<std::byte> with_ack(std::span<const std::byte> frame, const WireView& v, std::uint32_t ack) {
  std::vector<std::byte> out(frame.begin(), frame.end());
  set_ack(out, v, ack);
  mend_checksums(out);
  return out;
}

// Acknowledges up to three segments more than have come.
class Optimistic : public Hostile {
 public:
  explicit Optimistic(Random random) : random_{random} {}
  Frames instead_of(std::span<const std::byte> frame, const WireView& v) override {
    if (repentant() || !plain_ack(v)) return {{frame.begin(), frame.end()}};
    std::uint32_t& claimed = claimed_.try_emplace(sent_in(v), v.ack).first->second;
    const std::uint32_t claim = v.ack + static_cast<std::uint32_t>(random_.below(3 * 1460));
    // A new connection between the same ports has other numbers.
    if (before(claimed, claim) || claimed - v.ack > (1u << 20)) claimed = claim;
    return {with_ack(frame, v, claimed)};
  }

 private:
  Random random_;
  std::map<FlowId, std::uint32_t> claimed_;
};

// Says in up to sixteen ACKs what one could say.
class Dividing : public Hostile {
 public:
  Frames instead_of(std::span<const std::byte> frame, const WireView& v) override {
    if (repentant() || !plain_ack(v)) return {{frame.begin(), frame.end()}};
    std::uint32_t& said = said_.try_emplace(sent_in(v), v.ack).first->second;
    const std::uint32_t more = v.ack - said;
    Frames out;
    if (before(said, v.ack) && more < (1u << 20)) {
      const std::vector<std::byte> pure = headers_only(frame, v);
      const std::uint32_t steps = std::min(more, kSteps);
      for (std::uint32_t i = 1; i < steps; ++i) {
        std::vector<std::byte> part = with_ack(pure, v, said + more / steps * i);
        set_seq(part, v, v.seq);
        set_flags(part, v, kAckFlag);
        mend_checksums(part);
        out.push_back(std::move(part));
      }
    }
    said = v.ack;
    out.emplace_back(frame.begin(), frame.end());
    return out;
  }

 private:
  static constexpr std::uint32_t kSteps = 16;
  static constexpr std::uint8_t kAckFlag = 0x10;
  std::map<FlowId, std::uint32_t> said_;
};

// Throws away half of the text that comes behind a hole, after it has reported it.
class Reneging : public Hostile {
 public:
  explicit Reneging(Random random) : random_{random} {}
  bool keeps(const WireView& v) override {
    if (v.syn && v.sack_permitted) flows_[received_in(v)] = {};
    const auto found = flows_.find(received_in(v));
    if (repentant() || found == flows_.end() || v.text.empty()) return false;
    Known& known = found->second;
    if (!known.acked || !before(*known.acked, v.seq) || !random_.chance(0.5)) return false;
    known.left = v.seq;
    known.right = v.seq + static_cast<std::uint32_t>(v.text.size());
    return true;
  }
  Frames instead_of(std::span<const std::byte> frame, const WireView& v) override {
    const auto found = flows_.find(sent_in(v));
    if (found == flows_.end() || !plain_ack(v)) return {{frame.begin(), frame.end()}};
    Known& known = found->second;
    known.acked = v.ack;
    const bool reports = !repentant() && known.left != known.right && before(v.ack, known.left);
    if (!reports || !v.text.empty()) return {{frame.begin(), frame.end()}};
    return {with_sack(frame, v, known.left, known.right)};
  }

 private:
  struct Known {
    std::optional<std::uint32_t> acked;
    std::uint32_t left = 0;  // of the block that is reported; empty: none
    std::uint32_t right = 0;
  };
  Random random_;
  std::map<FlowId, Known> flows_;
};

// Closes the window after a while, even over what it has offered, and leaves it closed.
class ZeroWindow : public Hostile {
 public:
  explicit ZeroWindow(Random random) : random_{random} {}
  Frames instead_of(std::span<const std::byte> frame, const WireView& v) override {
    std::vector<std::byte> out(frame.begin(), frame.end());
    if (v.syn || v.rst) {
      if (v.syn) closes_at_[sent_in(v)] = {};
      return {std::move(out)};
    }
    std::optional<std::uint32_t>& limit = closes_at_[sent_in(v)];
    if (!limit) limit = v.ack + static_cast<std::uint32_t>(random_.below(20'000));
    if (before(v.ack, *limit)) return {std::move(out)};
    set_wnd(out, v, 0);
    mend_checksums(out);
    return {std::move(out)};
  }

 private:
  Random random_;
  std::map<FlowId, std::optional<std::uint32_t>> closes_at_;
};

}  // namespace

std::unique_ptr<Hostile> make_hostile(Peer peer, Random random) {
  switch (peer) {
    case Peer::kHonest:
    case Peer::kOffPath:
    case Peer::kCrashing:
      return nullptr;
    case Peer::kOptimistic:
      return std::make_unique<Optimistic>(random);
    case Peer::kDividing:
      return std::make_unique<Dividing>();
    case Peer::kReneging:
      return std::make_unique<Reneging>(random);
    case Peer::kZeroWindow:
      return std::make_unique<ZeroWindow>(random);
  }
  return nullptr;
}

}  // namespace pollux::sim
