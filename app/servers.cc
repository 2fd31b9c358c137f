#include "servers.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "http_content.h"
#include "http_server.h"
#include "stream_apps.h"

namespace pollux::app {
namespace {

template <class A>
class ServersOf final : public Servers {
 public:
  using MakeApp = std::function<std::unique_ptr<A>(unsigned worker)>;

  explicit ServersOf(MakeApp make_app) : make_app_{std::move(make_app)} {}

  Expected<void, std::string> add_to(runtime::Engine& engine, runtime::GroupOptions options) override {
    auto group = engine.add_group<A>(std::move(options), make_app_);
    if (!group) return unexpected(group.error());
    group_ = *group;
    return {};
  }
  unsigned workers() const override { return group_->workers(); }
  void on(unsigned worker, const Visit& visit) override {
    group_->call(worker, [&visit](Shard<A>& shard, A& app, Instant) { visit(shard.core(), app.counters()); });
  }

 private:
  MakeApp make_app_;
  runtime::Group<A>* group_ = nullptr;
};

template <class A>
std::unique_ptr<Servers> stream_servers() {
  return std::make_unique<ServersOf<A>>([](unsigned) { return std::make_unique<A>(); });
}

}  // namespace

Expected<void, std::string> Servers::listen(const ListenSpec& spec) {
  for (unsigned worker = 0; worker < workers(); ++worker) {
    std::optional<ListenError> error;
    on(worker, [&](ShardCore& core, const ServiceCounters&) {
      if (const auto listening = core.listen(spec); !listening) error = listening.error();
    });
    if (error) return unexpected(fmt::format("cannot listen on port {}: {}", spec.port, describe(*error)));
  }
  return {};
}

ServiceCounters Servers::counters() {
  ServiceCounters all;
  for (unsigned worker = 0; worker < workers(); ++worker) {
    on(worker, [&](ShardCore&, const ServiceCounters& counters) { all += counters; });
  }
  return all;
}

double Servers::time_wait_entry() {
  double bytes = 0;
  on(0, [&](ShardCore& core, const ServiceCounters&) { bytes = core.time_wait().bytes_per_entry_v4(); });
  return bytes;
}

std::unique_ptr<Servers> echo_servers() { return stream_servers<EchoApp>(); }
std::unique_ptr<Servers> discard_servers() { return stream_servers<DiscardApp>(); }
std::unique_ptr<Servers> chargen_servers() { return stream_servers<ChargenApp>(); }

std::unique_ptr<Servers> http_servers(const HttpContent& content, const HttpServerConfig& config) {
  return std::make_unique<ServersOf<HttpApp>>(
      [&content, config](unsigned) { return std::make_unique<HttpApp>(content, config); });
}

}  // namespace pollux::app
