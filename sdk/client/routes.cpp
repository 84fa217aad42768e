#include "sdk/client/routes.h"

#include <utility>

namespace wherry::sdk {

Topology queue_topology(const std::string& queue, amqp::Table arguments) {
  return {ExchangeSpec{.name = queue}, QueueSpec{.name = queue, .arguments = std::move(arguments)},
          BindingSpec{.source = queue, .destination = queue, .routing_key = queue}};
}

Route Router::route(std::string_view task, const EnqueueOptions& options) const {
  Route route;
  if (routes_) {
    if (auto configured = routes_(task)) route = *std::move(configured);
  }
  if (options.priority) route.priority = options.priority;
  if (options.exchange || options.routing_key) {
    route.exchange = options.exchange;
    route.routing_key = options.routing_key;
    route.queue = options.queue;
    route.topology.clear();
  } else if (!options.queue.empty()) {
    route.exchange.reset();
    route.routing_key.reset();
    route.queue = options.queue;
    route.topology.clear();
  }
  if (route.exchange || route.routing_key) {
    // A routing key alone is meant for the queue's exchange, or names a queue on the default one.
    if (!route.exchange) route.exchange = route.queue;
    if (!route.routing_key) route.routing_key = route.queue;
    return route;
  }
  if (route.queue.empty()) route.queue = default_queue_;
  if (route.topology.empty()) {
    auto configured = declared_ ? declared_(route.queue) : std::nullopt;
    route.topology = configured ? *std::move(configured) : queue_topology(route.queue);
  }
  return route;
}

}  // namespace wherry::sdk
