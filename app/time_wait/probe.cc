#include "time_wait/probe.h"

#include <algorithm>
#include <chrono>

#include "base/endian.h"
#include "base/random.h"
#include "wire/build.h"

namespace pollux::app {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint16_t kServerPort = 80;
constexpr std::size_t kFrame = 128;
constexpr std::size_t kFindBatches = 64;
const MacAddress kPeerMac{{2, 0, 0, 0, 0, 0x77}};

// Where the shard's frames have them: no VLAN tag, no IP options.
constexpr std::size_t kDestinationAt = 14 + 16;
constexpr std::size_t kDestinationPortAt = 14 + 20 + 2;
constexpr std::size_t kSeqAt = 14 + 20 + 4;

// The buffers of a burst stay ours.
class Lender final : public PacketOwner {
 public:
  void take_back(void*) override {}
};

double median(std::vector<double>& samples) {
  if (samples.empty()) return 0;
  const auto middle = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
  std::nth_element(samples.begin(), middle, samples.end());
  return *middle;
}

double nanoseconds(Clock::duration d, std::size_t operations) {
  return static_cast<double>(std::chrono::nanoseconds{d}.count()) / static_cast<double>(operations);
}

}  // namespace

TxFrame PathProbe::Sink::allocate(std::uint32_t size) {
  if (size > kSize || used_ == kFrames) return {};
  std::byte* const data = memory_.data() + used_++ * kSize;
  return {data, kSize, data};
}

FlowKey PathProbe::key(std::uint64_t tuple) const {
  return {shard_.core().config().addresses[0].prefix.address, tuples_.address(tuple), kServerPort, tuples_.port(tuple)};
}

// The peer of a connection in TIME-WAIT, or of none.
PathProbe::Peer PathProbe::peer(const FlowKey& key) const {
  Peer peer{key, 1000, 0, Timestamps{1, 0}};
  if (const auto entry = shard_.core().time_wait().find(key)) {
    peer.seq = entry->rcv_nxt.value();
    peer.ack = entry->snd_nxt.value();
    peer.ts.reset();
    if (entry->timestamps) peer.ts = Timestamps{entry->ts_recent, 0};
  }
  return peer;
}

double PathProbe::find(std::uint16_t local_port) {
  const TimeWaitTable& table = shard_.core().time_wait();
  Random random{7};
  std::vector<double> samples;
  std::uint64_t found = 0;
  for (std::size_t batch = 0; batch < kFindBatches; ++batch) {
    Keys keys;
    for (FlowKey& k : keys) {
      k = key(random.below(count_));
      k.local_port = local_port;
    }
    const auto begin = Clock::now();
    for (const FlowKey& k : keys) found += table.find(k) ? 1 : 0;
    samples.push_back(nanoseconds(Clock::now() - begin, kBatch));
  }
  return found == (local_port == kServerPort ? kFindBatches * kBatch : 0) ? median(samples) : 0;
}

double PathProbe::burst(const Peers& peers, const TcpFlags& flags) {
  std::array<std::array<std::byte, kFrame>, kBatch> frames;
  std::array<Packet, kBatch> packets;
  Lender lender;
  for (std::size_t i = 0; i < kBatch; ++i) {
    const Peer& peer = peers[i];
    const FlowKey out{peer.key.remote, peer.key.local, peer.key.remote_port, peer.key.local_port};
    TcpOptions options;
    options.ts = peer.ts;
    TcpFrameSpec spec;
    spec.source = kPeerMac;
    spec.destination = shard_.core().config().mac;
    spec.key = &out;
    spec.seq = SeqNum{peer.seq};
    spec.ack = SeqNum{peer.ack};
    spec.wnd = 65535;
    spec.flags = flags;
    spec.options = &options;
    TxOffload offload;
    const std::size_t size = write_tcp_headers(frames[i].data(), spec, 0, offload);
    finish_tcp_checksum({frames[i].data(), size}, offload);
    packets[i] = Packet{{frames[i].data(), size}, kFrame, &lender, frames[i].data()};
  }
  sink_.clear();
  const auto begin = Clock::now();
  shard_.receive(packets, now_);
  shard_.transmit(sink_, now_);
  return nanoseconds(Clock::now() - begin, kBatch);
}

// The numbers that the shard's last segments have, each with one of SYN or FIN, are acknowledged from here on.
void PathProbe::learn(Peers& peers) {
  for (const std::byte* frame : sink_.sent()) {
    const IpAddress to = IpAddress::v4(load_be<std::uint32_t>(frame + kDestinationAt));
    const auto port = load_be<std::uint16_t>(frame + kDestinationPortAt);
    for (Peer& peer : peers) {
      if (peer.key.remote == to && peer.key.remote_port == port) peer.ack = load_be<std::uint32_t>(frame + kSeqAt) + 1;
    }
  }
}

void PathProbe::live(Peers& peers, std::vector<double>& syn, std::vector<double>& fin) {
  for (Peer& p : peers) {
    p.seq += 1'000'000;  // above what the old connection had
    if (p.ts) p.ts->val += 10'000;
  }
  syn.push_back(burst(peers, {.syn = true}));
  learn(peers);
  for (Peer& p : peers) ++p.seq;
  burst(peers, {.ack = true});  // the application closes
  learn(peers);
  fin.push_back(burst(peers, {.fin = true, .ack = true}));
}

PathCosts PathProbe::measure() {
  PathCosts costs;
  costs.find_hit = find(kServerPort);
  costs.find_miss = find(kServerPort + 1);
  std::vector<double> open;
  std::vector<double> reuse;
  std::vector<double> enter;
  std::vector<double> again;
  Random random{11};
  const std::uint32_t before = shard_.core().time_wait().size();
  Peers peers;
  for (std::uint64_t n = 0; n + kBatch <= kFresh; n += kBatch) {
    for (std::size_t i = 0; i < kBatch; ++i) peers[i] = peer(key(fresh_ + n + i));
    live(peers, open, enter);
  }
  // Each leaves a dead record behind; the table has room for them.
  std::vector<double> ignored;
  for (std::uint64_t n = 0; n < kFresh; n += kBatch) {
    for (Peer& p : peers) p = peer(key(random.below(count_)));
    live(peers, reuse, ignored);
    for (Peer& p : peers) {
      p = peer(key(random.below(count_)));
      --p.seq;
    }
    again.push_back(burst(peers, {.fin = true, .ack = true}));
  }
  sink_.clear();
  costs.open = median(open);
  costs.reuse = median(reuse);
  costs.enter = median(enter);
  costs.fin_again = median(again);
  costs.entered = shard_.core().time_wait().size() - before;
  return costs;
}

}  // namespace pollux::app
