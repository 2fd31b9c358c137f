#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "base/random.h"
#include "wire/flow_key.h"
#include "wire_view.h"
#include "world.h"

namespace pollux::sim {

// A peer that does not play by the rules: an honest host, and between it and the wire somebody who changes what it
// says and keeps things from it. What the other host then does is judged as ever.
class Hostile {
 public:
  using Frames = std::vector<std::vector<std::byte>>;

  virtual ~Hostile() = default;
  // What goes out instead of a TCP frame, in order.
  virtual Frames instead_of(std::span<const std::byte> frame, const WireView& view) = 0;
  // Whether the host is not to see a TCP frame that has arrived.
  virtual bool keeps(const WireView&) { return false; }
  // It tells the truth from now on, if it ever does.
  void repent() { repentant_ = true; }

 protected:
  bool repentant() const { return repentant_; }

 private:
  bool repentant_ = false;
};

// Null: `peer` needs none.
std::unique_ptr<Hostile> make_hostile(Peer peer, Random random);

}  // namespace pollux::sim
