#include "worker/cli/outbox.h"

#include <memory>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "sdk/client/configure.h"
#include "wherry/error.h"
#include "worker/cli/service.h"

namespace wherry::worker {

outbox::RelayConfig relay_config(const std::string& url, const std::string& table, const sdk::AppSettings& app,
                                 const std::string& name) {
  outbox::RelayConfig config{.url = url, .table = table};
  config.link.name = name.empty() ? "outbox relay" : name;
  config.link.quorum_queues = app.quorum_queues;
  if (!app.broker_url.empty()) {
    auto endpoints = sdk::parse_endpoints(app.broker_url);
    if (!endpoints) throw ClientError(Errc::invalid_argument, endpoints.error().message);
    config.link.endpoints = *std::move(endpoints);
  }
  const auto shared = std::make_shared<const sdk::AppSettings>(app);
  config.router = sdk::configured_router(shared, shared->default_queue);
  return config;
}

int run_relay(outbox::RelayConfig config) {
  net::EventLoop loop;
  Service service(loop, [] { log::warning("outbox", "SIGHUP: a relay takes new settings when it is restarted"); });
  config.on_ready = [&service, table = config.table] {
    service.ready(fmt::format("outbox={}", table), fmt::format("sends what is in {}", table));
  };
  outbox::OutboxRelay relay(std::move(config));
  loop.run();
  relay.stop();
  return 0;
}

}  // namespace wherry::worker
