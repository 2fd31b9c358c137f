#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "base/random.h"
#include "device/device.h"
#include "device/impaired_link.h"

namespace pollux::sim {

// What may be wrong with a device, and what it offers.
struct DeviceFaults {
  std::size_t tx_room = 512;         // frames it takes in one turn
  double no_frame = 0;               // chance that it has no memory for a frame
  std::uint64_t no_frames_from = 0;  // it has none for the frames asked for from this one on, 1 is the first; 0: never
  std::uint64_t no_frames = 0;       // for so many
  double corrupt = 0;                // chance that a received TCP frame is damaged
  bool tx_checksums = false;         // it fills checksums in
  bool tso = false;                  // it cuts large segments up; needs tx_checksums
};

// One end of the link as a host sees it: takes little, forgets, damages; fills in
// checksums and cuts up what TSO leaves to it. Shows what passes to whoever judges.
class SimDevice {
 public:
  using Observer = std::function<void(std::span<const std::byte>)>;
  using Filter = std::function<bool(std::span<std::byte>)>;
  using Speaker = std::function<std::vector<std::vector<std::byte>>(std::span<const std::byte>)>;

  SimDevice(ImpairedLink::End& end, const DeviceFaults& faults, std::uint16_t mtu, Random random);

  // A turn of its host begins: it has room again.
  void begin_turn() { room_ = faults_.tx_room; }
  void set_faults(const DeviceFaults& faults);
  // `lost`: whether a frame that has arrived is to be taken for lost after all.
  void observe(Observer on_sent, Observer on_delivered, Filter lost) {
    on_sent_ = std::move(on_sent);
    on_delivered_ = std::move(on_delivered);
    lost_ = std::move(lost);
  }
  // What goes out instead of each frame; the observer sees the frame itself. Empty: the frame.
  void speak_through(Speaker speaker) { speaker_ = std::move(speaker); }
  // Frames whose damage no checksum can see; they are taken for lost.
  std::uint64_t undetectable() const { return undetectable_; }
  std::uint64_t damaged() const { return damaged_; }
  std::uint64_t received() const { return received_; }
  std::uint64_t asked_for() const { return asked_for_; }  // frames

  std::size_t receive(std::span<Packet> out);
  void recycle(std::span<Packet> packets) { end_.recycle(packets); }
  TxFrame allocate(std::uint32_t size);
  void discard(TxFrame frame) { end_.discard(frame); }
  void send(TxFrame frame, std::uint32_t size, const TxOffload& offload);
  void flush() { end_.flush(); }
  std::size_t tx_room() const { return std::min(room_, end_.tx_room() / kMaxPieces); }
  const DeviceFeatures& features() const { return features_; }

 private:
  static constexpr std::uint32_t kTsoFrame = 8192;
  static constexpr std::size_t kMaxPieces = 64;  // of one TSO frame, with the room the link has

  bool damage(std::span<std::byte> frame);
  void pass_on(TxFrame frame, std::uint32_t size);
  void cut_up(TxFrame frame, std::uint32_t size, const TxOffload& offload);

  ImpairedLink::End& end_;
  DeviceFaults faults_;
  DeviceFeatures features_;
  Random random_;
  std::size_t room_ = 0;
  Observer on_sent_;
  Observer on_delivered_;
  Filter lost_;
  Speaker speaker_;
  std::uint64_t undetectable_ = 0;
  std::uint64_t damaged_ = 0;
  std::uint64_t received_ = 0;
  std::uint64_t asked_for_ = 0;
};
static_assert(Device<SimDevice>);

}  // namespace pollux::sim
