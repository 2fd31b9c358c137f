#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "device/device.h"
#include "dpdk/mbuf_device.h"
#include "runtime/snapshot.h"
#include "time/instant.h"

namespace pollux::runtime {

// What the loop's account has from the device: frames passed on to other cores.
template <class D>
void add_steering(const D& device, LoopCounters& loop) {
  if constexpr (requires { device.steering(loop); }) {
    device.steering(loop);
  } else if constexpr (requires { device.wire().resteered; }) {
    loop.resteered = device.wire().resteered;
    loop.resteer_lost = device.wire().lost;
  }
}

// What the core's account has from the device: how a bad wire served it.
template <class D>
void add_impairment(const D& device, CoreSnapshot& core) {
  if constexpr (requires { device.impairment(core); }) {
    device.impairment(core);
  } else if constexpr (requires { device.received().lost + device.sent().lost; }) {
    core.impaired_received = device.received();
    core.impaired_sent = device.sent();
  }
}

// A device of any type behind virtual calls: for captures and impaired wires, which are
// slow anyway, so that an application is compiled for one device more and not for nine.
class SlowDevice {
 public:
  template <Device D>
  explicit SlowDevice(std::unique_ptr<D> device) : model_{std::make_unique<Model<D>>(std::move(device))} {}
  // `device` is made around `inner`, which does the counting.
  template <Device D>
  SlowDevice(std::unique_ptr<D> device, std::unique_ptr<SlowDevice> inner)
      : inner_{std::move(inner)}, model_{std::make_unique<Model<D>>(std::move(device))} {}

  std::size_t receive(std::span<Packet> out) { return model_->receive(out); }
  void recycle(std::span<Packet> packets) { model_->recycle(packets); }
  TxFrame allocate(std::uint32_t size) { return model_->allocate(size); }
  void send(TxFrame frame, std::uint32_t size, const TxOffload& offload) { model_->send(frame, size, offload); }
  void discard(TxFrame frame) { model_->discard(frame); }
  void flush() { model_->flush(); }
  std::size_t tx_room() const { return model_->tx_room(); }
  const DeviceFeatures& features() const { return model_->features(); }

  void set_now(Instant now) { model_->set_now(now); }
  std::optional<Instant> next_due() const { return model_->next_due(); }
  const dpdk::QueueCounters& counters() const { return inner_ ? inner_->counters() : model_->counters(); }
  std::size_t pending() const { return inner_ ? inner_->pending() : model_->pending(); }
  void steering(LoopCounters& loop) const { inner_ ? inner_->steering(loop) : model_->steering(loop); }
  void impairment(CoreSnapshot& core) const { model_->impairment(core); }  // the outermost there is

 private:
  struct Concept {
    virtual ~Concept() = default;
    virtual std::size_t receive(std::span<Packet> out) = 0;
    virtual void recycle(std::span<Packet> packets) = 0;
    virtual TxFrame allocate(std::uint32_t size) = 0;
    virtual void send(TxFrame frame, std::uint32_t size, const TxOffload& offload) = 0;
    virtual void discard(TxFrame frame) = 0;
    virtual void flush() = 0;
    virtual std::size_t tx_room() const = 0;
    virtual const DeviceFeatures& features() const = 0;
    virtual void set_now(Instant now) = 0;
    virtual std::optional<Instant> next_due() const = 0;
    virtual const dpdk::QueueCounters& counters() const = 0;
    virtual std::size_t pending() const = 0;
    virtual void steering(LoopCounters& loop) const = 0;
    virtual void impairment(CoreSnapshot& core) const = 0;
  };

  template <Device D>
  struct Model final : Concept {
    explicit Model(std::unique_ptr<D> d) : device{std::move(d)} {}
    std::size_t receive(std::span<Packet> out) override { return device->receive(out); }
    void recycle(std::span<Packet> packets) override { device->recycle(packets); }
    TxFrame allocate(std::uint32_t size) override { return device->allocate(size); }
    void send(TxFrame frame, std::uint32_t size, const TxOffload& offload) override {
      device->send(frame, size, offload);
    }
    void discard(TxFrame frame) override { device->discard(frame); }
    void flush() override { device->flush(); }
    std::size_t tx_room() const override { return device->tx_room(); }
    const DeviceFeatures& features() const override { return device->features(); }
    void set_now(Instant now) override {
      if constexpr (requires { device->set_now(now); }) device->set_now(now);
    }
    std::optional<Instant> next_due() const override {
      if constexpr (requires { device->next_due(); }) return device->next_due();
      return std::nullopt;
    }
    const dpdk::QueueCounters& counters() const override {
      static constexpr dpdk::QueueCounters kNone;
      if constexpr (requires { device->counters(); }) return device->counters();
      return kNone;
    }
    std::size_t pending() const override {
      if constexpr (requires { device->pending(); }) return device->pending();
      return 0;
    }
    void steering(LoopCounters& loop) const override { add_steering(*device, loop); }
    void impairment(CoreSnapshot& core) const override { add_impairment(*device, core); }
    std::unique_ptr<D> device;
  };

  std::unique_ptr<SlowDevice> inner_;
  std::unique_ptr<Concept> model_;
};
static_assert(Device<SlowDevice>);

}  // namespace pollux::runtime
