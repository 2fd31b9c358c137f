#include "load/clients.h"

#include <utility>

#include "base/assert.h"
#include "load/http_exchange.h"
#include "load/load_app.h"
#include "load/stream_exchanges.h"

namespace pollux::app {
namespace {

template <class X>
class ClientsOf final : public Clients {
 public:
  using App = LoadApp<X>;

  Expected<void, std::string> add_to(runtime::Engine& engine, runtime::GroupOptions options,
                                     ConfigOf config_of) override {
    auto group = engine.add_group<App>(std::move(options), [config_of = std::move(config_of)](unsigned worker) {
      return std::make_unique<App>(config_of(worker));
    });
    if (!group) return unexpected(group.error());
    group_ = *group;
    return {};
  }
  unsigned workers() const override { return group_->workers(); }
  void on(unsigned worker, const Visit& visit) override {
    group_->call(worker, [&visit](Shard<App>& shard, App& app, Instant now) { visit(shard.core(), app, now); });
  }

 private:
  runtime::Group<App>* group_ = nullptr;
};

}  // namespace

void Clients::each(const Visit& visit) {
  for (unsigned worker = 0; worker < workers(); ++worker) on(worker, visit);
}

LoadCounts Clients::counts() {
  LoadCounts all;
  each([&](ShardCore&, CoreClients& clients, Instant) { all += clients.counts(); });
  return all;
}

LoadCounts Clients::counts_with(Latencies& latencies) {
  LoadCounts all;
  for (unsigned worker = 0; worker < workers(); ++worker) {
    Latencies one;  // two megabytes, which no core is to wait for
    on(worker, [&](ShardCore&, CoreClients& clients, Instant) {
      clients.swap_latencies(one);
      all += clients.counts();
    });
    latencies.merge(one);
  }
  return all;
}

double Clients::time_wait_entry() {
  double bytes = 0;
  first([&](ShardCore& core, CoreClients&, Instant) { bytes = core.time_wait().bytes_per_entry_v4(); });
  return bytes;
}

std::unique_ptr<Clients> clients_of(Scheme scheme) {
  switch (scheme) {
    case Scheme::kHttp:
      return std::make_unique<ClientsOf<HttpExchange>>();
    case Scheme::kEcho:
      return std::make_unique<ClientsOf<EchoExchange>>();
    case Scheme::kDiscard:
      return std::make_unique<ClientsOf<DiscardExchange>>();
    case Scheme::kChargen:
      return std::make_unique<ClientsOf<ChargenExchange>>();
  }
  unreachable();
}

}  // namespace pollux::app
