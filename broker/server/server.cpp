#include "broker/server/server.h"

#include <utility>

#include "broker/admin/administration.h"
#include "broker/bridges/bridges.h"
#include "broker/control/control_server.h"
#include "broker/control/json.h"
#include "broker/definitions/definitions.h"
#include "broker/server/machine.h"
#include "broker/server/resource_watch.h"
#include "broker/store/data_dir.h"

namespace wherry::broker {

namespace {

WatchProbes probes_of(const Broker& broker, unsigned shards, const std::string& data_dir) {
  WatchProbes probes;
  probes.resident = resident_bytes;
  probes.give_back = give_back_memory;
  probes.disk_free = [data_dir] { return disk_free_bytes(data_dir); };
  for (unsigned shard = 0; shard < shards; ++shard) {
    probes.syncs.emplace_back([&broker, shard] { return broker.sync_began(shard); });
  }
  return probes;
}

std::string node_name() {
  return "wherry@" + host_name();
}

admin::AdministrationConfig administration_of(const Plan& plan, const std::filesystem::path& data_dir) {
  admin::AdministrationConfig config;
  config.management = plan.management;
  config.management_https = plan.management_https;
  config.console = plan.console;
  config.metrics = plan.metrics;
  config.metrics_https = plan.metrics_https;
  config.http = plan.http;
  config.desk.node = node_name();
  config.desk.version = WHERRY_VERSION;
  config.desk.data_dir = data_dir.string();
  config.desk.memory_limit = plan.watch.memory_mark;
  config.desk.disk_free_limit = plan.watch.disk_free_limit;
  config.desk.observe_tasks = plan.tasks.observe;
  config.desk.task_bounds = {.tasks = plan.tasks.most, .bytes = plan.tasks.most_bytes};
  config.desk.resident = resident_bytes;
  config.desk.disk_free = [data_dir] { return data_dir.empty() ? 0 : disk_free_bytes(data_dir).value_or(0); };
  return config;
}

}  // namespace

// In the order in which they are needed: the first is the last to go.
struct Server::Impl {
  unsigned shards = 1;
  std::filesystem::path data_path;
  std::unique_ptr<DataDir> data;
  std::unique_ptr<Definitions> definitions;
  std::unique_ptr<Broker> broker;
  std::unique_ptr<bridges::Bridges> bridges;
  std::unique_ptr<ResourceWatch> watch;
  std::unique_ptr<admin::Administration> administration;
  std::unique_ptr<control::ControlServer> operators;

  ~Impl() {
    if (bridges) bridges->stop();  // They ask the administration for this broker's name.
  }

  Result<void> keep(Plan& plan) {
    auto opened = DataDir::open(plan.data_dir);
    if (!opened) return tl::unexpected(opened.error());
    data = std::move(*opened);
    data_path = data->path();
    auto known = Definitions::open(data_path / "definitions.sqlite");
    if (!known) return tl::unexpected(known.error());
    definitions = std::move(*known);
    plan.broker.definitions = definitions.get();
    return {};
  }

  Result<void> serve_operators(net::EventLoop& loop) {
    // Verbs wait for shards and for the disk: they are done on the administration's thread.
    const auto answer = [this, &loop](const amqp::Table& request, control::Reply reply) {
      administration->ask(request, [&loop, reply = std::move(reply)](admin::Outcome<amqp::FieldValue> result) {
        loop.post([reply, result = std::move(result)] {
          reply(result ? control::done(*result) : control::failed(result.error().reason));
        });
      });
    };
    auto listening = control::ControlServer::listen(loop, data_path / control::socket_name, answer);
    if (!listening) return tl::unexpected(listening.error());
    operators = std::move(*listening);
    return {};
  }
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() {
  stop();
}

Result<std::unique_ptr<Server>> Server::start(Plan plan, ServerHost host) {
  auto impl = std::make_unique<Impl>();
  impl->shards = plan.shards;
  if (!plan.data_dir.empty()) {
    if (auto kept = impl->keep(plan); !kept) return tl::unexpected(kept.error());
  }
  const std::shared_ptr<Alarms> alarms = plan.broker.alarms;
  plan.broker.cluster_name = node_name();
  plan.broker.on_failure = std::move(host.on_failure);
  impl->broker = std::make_unique<Broker>(std::move(plan.broker));
  if (auto started = impl->broker->start(plan.amqp, plan.amqps); !started) return tl::unexpected(started.error());
  impl->bridges = std::make_unique<bridges::Bridges>(*impl->broker);
  auto administration =
      admin::Administration::start(*impl->broker, *impl->bridges, administration_of(plan, impl->data_path));
  if (!administration) return tl::unexpected(administration.error());
  impl->administration = std::move(*administration);
  impl->bridges->start([&desk = impl->administration->desk()] { return desk.cluster_name(); });
  if (impl->data) {
    const std::string data_dir = impl->data_path.string();
    impl->watch = std::make_unique<ResourceWatch>(plan.watch, probes_of(*impl->broker, impl->shards, data_dir), alarms);
    impl->watch->start();
    if (auto serving = impl->serve_operators(host.loop); !serving) return tl::unexpected(serving.error());
  }
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

net::Address Server::address() const {
  return impl_->broker->address();
}
const std::filesystem::path& Server::data_dir() const {
  return impl_->data_path;
}
unsigned Server::shards() const {
  return impl_->shards;
}
Broker& Server::broker() {
  return *impl_->broker;
}

std::optional<net::Address> Server::listener(std::string_view protocol) const {
  return impl_->administration->listener(protocol);
}

void Server::stop(std::string_view reason) {
  impl_->operators.reset();
  impl_->bridges->stop();
  impl_->administration.reset();
  impl_->broker->stop(reason);
}

}  // namespace wherry::broker
