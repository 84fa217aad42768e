#include "broker/session/route_cache.h"

namespace wherry::broker {

namespace {
constexpr std::size_t most_routes = 1024;
}

AmqpResult<RouteCache::Route> RouteCache::find(const SharedVhost& vhost, std::string_view exchange,
                                               std::string_view routing_key, std::string_view raw_properties) {
  // Read before routing: a change between the two makes the entry look older than it is, never newer.
  const std::uint64_t version = vhost.version();
  if (version != version_) {
    routes_.clear();
    version_ = version;
  }
  key_.assign(exchange);
  key_.push_back('\0');
  key_.append(routing_key);
  if (auto known = routes_.find(std::string_view(key_)); known != routes_.end()) return Route{&known->second};

  once_.clear();
  bool by_key_alone = false;
  std::uint64_t delay_ms = 0;
  auto routed = vhost.read([&](const Vhost& topology) {
    by_key_alone = topology.routes_by_key_alone(exchange);
    if (!by_key_alone) delay_ms = topology.delay_of(exchange, raw_properties);
    return topology.route(exchange, routing_key, raw_properties, once_);
  });
  if (!routed) return tl::unexpected<amqp::AmqpError>(routed.error());
  if (!by_key_alone) return Route{&once_, delay_ms};
  if (routes_.size() >= most_routes) routes_.clear();
  return Route{&routes_.emplace(key_, std::move(once_)).first->second};
}

}  // namespace wherry::broker
