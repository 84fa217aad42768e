#include "sdk/client/routes.h"

#include <algorithm>
#include <utility>
#include <variant>

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
  if (options.exchange || options.routing_key || !options.queue.empty()) {
    route.exchange = options.exchange;
    route.routing_key = options.routing_key;
    route.queue = options.queue;
  }
  if (route.exchange || route.routing_key) {
    // A routing key alone is meant for the queue's exchange, or names a queue on the default one.
    if (!route.exchange) route.exchange = route.queue;
    if (!route.routing_key) route.routing_key = route.queue;
    if (is_configured_exchange(*route.exchange)) route.topology = configured_;
    return route;
  }
  if (route.queue.empty()) route.queue = default_queue_;
  route.topology = topology_of(route.queue);
  return route;
}

TopologyRef Router::topology_of(const std::string& queue) const {
  std::lock_guard lock(made_->mutex);
  TopologyRef& made = made_->queues[queue];
  if (!made) made = is_configured_queue(queue) ? configured_ : std::make_shared<const Topology>(queue_topology(queue));
  return made;
}

bool Router::is_configured_exchange(const std::string& name) const {
  return std::any_of(configured_->begin(), configured_->end(), [&](const Declaration& each) {
    const auto* exchange = std::get_if<ExchangeSpec>(&each);
    return exchange && exchange->name == name;
  });
}

bool Router::is_configured_queue(const std::string& name) const {
  return std::any_of(configured_->begin(), configured_->end(), [&](const Declaration& each) {
    const auto* queue = std::get_if<QueueSpec>(&each);
    return queue && queue->name == name;
  });
}

}  // namespace wherry::sdk
