#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/packet.h"
#include "device/device.h"
#include "shard/shard.h"
#include "time_wait/apps.h"

namespace pollux::app {

// What a connection in TIME-WAIT costs its holder, in nanoseconds of its core: the median over batches of 32, which
// come and go as bursts of real frames. On the holder's core, between two of its turns.
struct PathCosts {
  double find_hit = 0;        // hash and look-up of one that is there; in random order
  double find_miss = 0;       // ... of one that is not
  double open = 0;            // a SYN from a tuple that is in nobody's table, to the SYN-ACK built
  double reuse = 0;           // a newer SYN from a tuple in TIME-WAIT (RFC 6191), to the SYN-ACK built
  double enter = 0;           // the peer's FIN, to the ACK built and the record entered
  double fin_again = 0;       // the same FIN once more, to the ACK built and 2MSL begun anew
  std::uint64_t entered = 0;  // records that measuring left in the table
};

class PathProbe {
 public:
  // `tuples`: those with numbers below `count` are in TIME-WAIT; those from `fresh` on are free, some thousand of them.
  PathProbe(Shard<CloseAtOnce>& shard, const TupleSpace& tuples, std::uint64_t count, std::uint64_t fresh, Instant now)
      : shard_{shard}, tuples_{tuples}, count_{count}, fresh_{fresh}, now_{now} {}

  PathCosts measure();
  // How many of the free tuples it takes.
  static constexpr std::uint64_t kFresh = 2048;

 private:
  static constexpr std::size_t kBatch = 32;
  using Keys = std::array<FlowKey, kBatch>;

  // Takes what the shard sends, and keeps it.
  class Sink {
   public:
    std::size_t receive(std::span<Packet>) { return 0; }
    void recycle(std::span<Packet>) {}
    TxFrame allocate(std::uint32_t size);
    void discard(TxFrame) { --used_; }
    void send(TxFrame frame, std::uint32_t, const TxOffload&) { sent_.push_back(frame.data); }
    void flush() {}
    std::size_t tx_room() const { return kFrames - used_; }
    const DeviceFeatures& features() const { return features_; }

    std::span<const std::byte* const> sent() const { return sent_; }
    void clear() {
      sent_.clear();
      used_ = 0;
    }

   private:
    static constexpr std::size_t kFrames = 2 * kBatch;
    static constexpr std::size_t kSize = 2048;
    DeviceFeatures features_;
    std::vector<std::byte> memory_ = std::vector<std::byte>(kFrames * kSize);
    std::vector<const std::byte*> sent_;
    std::size_t used_ = 0;
  };
  static_assert(Device<Sink>);

  struct Peer {
    FlowKey key;  // as the shard sees it
    std::uint32_t seq = 0;
    std::uint32_t ack = 0;
    std::optional<Timestamps> ts;
  };
  using Peers = std::array<Peer, kBatch>;

  FlowKey key(std::uint64_t tuple) const;
  Peer peer(const FlowKey& key) const;
  double find(std::uint16_t local_port);
  // From SYN to TIME-WAIT; adds the costs of the first and of the last segment.
  void live(Peers& peers, std::vector<double>& syn, std::vector<double>& fin);
  // A segment of each as one burst; nanoseconds for each, output included.
  double burst(const Peers& peers, const TcpFlags& flags);
  void learn(Peers& peers);

  Shard<CloseAtOnce>& shard_;
  TupleSpace tuples_;
  std::uint64_t count_;
  std::uint64_t fresh_;
  Instant now_;
  Sink sink_;
};

}  // namespace pollux::app
