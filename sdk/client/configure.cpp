#include "sdk/client/configure.h"

#include <memory>
#include <utility>

#include "wherry/error.h"

namespace wherry::sdk {

namespace {

template <class T>
void take_over(T& option, const T& standard, T from_file) {
  if (option == standard) option = std::move(from_file);
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

Configured configure(const std::string& path, ClientOptions options) {
  auto loaded = load_app_settings(path);
  if (!loaded) throw ClientError(Errc::invalid_argument, loaded.error().message);
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
  take_over(options.results, standard.results, settings->results);
  take_over(options.result_expires, standard.result_expires, settings->result_expires);

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
  Router router(options.default_queue, std::move(routes), configured_topology(*settings));
  return {std::move(endpoints), std::move(router), std::move(options)};
}

}  // namespace wherry::sdk
