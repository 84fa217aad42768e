#include "sdk/client/once.h"

#include <utility>

#include <fmt/format.h>

namespace wherry::sdk {

namespace {

constexpr std::int32_t once_window_ms = 86'400'000;

ExchangeSpec once_exchange(std::string name, std::string type, std::int32_t most_keys) {
  ExchangeSpec exchange{.name = std::move(name), .type = std::move(type)};
  exchange.arguments.set("x-dedup-window", once_window_ms);
  exchange.arguments.set("x-dedup-count", most_keys);
  return exchange;
}

}  // namespace

Result<OnceTarget> once_target(const std::string& name, std::int32_t most_keys, const Route& route) {
  OnceTarget target{.as_it_is = route.topology ? *route.topology : Topology()};
  if (route.exchange && !route.exchange->empty()) {
    target.exchange = fmt::format("{}.to.{}", name, *route.exchange);
    target.routing_key = route.routing_key.value_or("");
    if (target.exchange.size() > 255) {
      return fail(fmt::format("the exchange '{}' has too long a name for '{}'", *route.exchange, name));
    }
    target.own = {once_exchange(target.exchange, "fanout", most_keys),
                  BindingSpec{.source = target.exchange, .destination = *route.exchange, .to_exchange = true}};
  } else {
    target.exchange = name;
    target.routing_key = route.exchange ? route.routing_key.value_or("") : route.queue;
    target.own = {once_exchange(name, "direct", most_keys),
                  BindingSpec{.source = name, .destination = target.routing_key, .routing_key = target.routing_key}};
  }
  return target;
}

}  // namespace wherry::sdk
