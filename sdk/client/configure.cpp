#include "sdk/client/configure.h"

#include <memory>
#include <utility>

#include <fmt/format.h>

#include "sdk/results/backend.h"
#include "wherry/error.h"

namespace wherry::sdk {

namespace {

template <class T>
void take_over(T& option, const T& standard, T from_file) {
  if (option == standard) option = std::move(from_file);
}

// In front of the settings' own, so that of two for one name those in code are found.
void put_first(const std::vector<wherry::TaskRoute>& routes, AppSettings& settings) {
  std::vector<TaskRoute> all;
  for (const wherry::TaskRoute& each : routes) {
    const auto refuse = [&](const char* why) {
      throw ClientError(Errc::invalid_argument, fmt::format("task_routes, '{}': {}", each.task, why));
    };
    if (each.task.empty()) refuse("an entry needs a task's name or a pattern");
    if (!each.queue.empty() && each.exchange) refuse("a queue and an exchange exclude each other");
    if (each.routing_key && !each.exchange) refuse("a routing key goes with an exchange");
    all.push_back({.pattern = each.task,
                   .queue = each.queue.empty() ? std::nullopt : std::optional(each.queue),
                   .exchange = each.exchange,
                   .routing_key = each.routing_key,
                   .priority = each.priority});
  }
  settings.task_routes.insert(settings.task_routes.begin(), all.begin(), all.end());
}

}  // namespace

Topology configured_topology(const AppSettings& settings) {
  Topology topology;
  for (const auto& each : settings.exchanges) {
    topology.push_back(ExchangeSpec{.name = each.name,
                                    .type = each.type,
                                    .durable = each.durable,
                                    .auto_delete = each.auto_delete,
                                    .internal = each.internal,
                                    .arguments = each.arguments});
  }
  for (const auto& each : settings.queues) {
    topology.push_back(QueueSpec{
        .name = each.name, .durable = each.durable, .auto_delete = each.auto_delete, .arguments = each.arguments});
  }
  for (const auto& each : settings.bindings) {
    topology.push_back(BindingSpec{.source = each.exchange,
                                   .destination = each.destination,
                                   .routing_key = each.routing_key,
                                   .to_exchange = each.to_exchange,
                                   .arguments = each.arguments});
  }
  return topology;
}

Router configured_router(std::shared_ptr<const AppSettings> settings, std::string default_queue) {
  auto routes = [settings](std::string_view task) -> std::optional<Route> {
    const TaskRoute* found = find_route(*settings, task);
    if (!found) return std::nullopt;
    Route route;
    route.queue = found->queue.value_or("");
    route.exchange = found->exchange;
    route.routing_key = found->routing_key;
    route.priority = found->priority;
    return route;
  };
  return Router(std::move(default_queue), std::move(routes), configured_topology(*settings));
}

Router coded_router(const std::vector<wherry::TaskRoute>& routes, std::string default_queue) {
  AppSettings settings;
  put_first(routes, settings);
  return configured_router(std::make_shared<const AppSettings>(std::move(settings)), std::move(default_queue));
}

Configured configure(const std::string& path, ClientOptions options) {
  auto loaded = load_app_settings(path);
  if (!loaded) throw ClientError(Errc::invalid_argument, loaded.error().message);
  put_first(options.task_routes, *loaded);
  const auto settings = std::make_shared<const AppSettings>(*std::move(loaded));
  std::vector<Endpoint> endpoints{Endpoint{}};
  if (!settings->broker_url.empty()) {
    auto parsed = parse_endpoints(settings->broker_url);
    if (!parsed) {
      const std::string place = settings->broker_place.empty() ? path : settings->broker_place;
      throw ClientError(Errc::invalid_argument, place + ": " + parsed.error().message);
    }
    endpoints = *std::move(parsed);
  }
  const ClientOptions standard;
  take_over(options.enqueue_timeout, standard.enqueue_timeout, settings->enqueue_timeout);
  take_over(options.serializer, standard.serializer,
            settings->serializer == BodyFormat::json ? Serializer::json : Serializer::msgpack);
  take_over(options.default_queue, standard.default_queue, settings->default_queue);
  take_over(options.queue_type, standard.queue_type, settings->quorum_queues ? QueueType::quorum : QueueType::classic);
  take_over(options.results, standard.results, settings->results);
  if (auto usable = results::check(settings->result_backend); !usable) {
    throw ClientError(Errc::invalid_argument, settings->result_backend_place + ": " + usable.error().message);
  }
  take_over(options.result_backend, standard.result_backend, settings->result_backend);
  take_over(options.result_expires, standard.result_expires, settings->result_expires);

  Router router = configured_router(settings, options.default_queue);
  return {std::move(endpoints), std::move(router), std::move(options)};
}

}  // namespace wherry::sdk
