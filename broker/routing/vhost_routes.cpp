// Where a message goes.
#include <algorithm>

#include <fmt/format.h>

#include "broker/routing/delay.h"
#include "broker/routing/vhost_impl.h"

namespace wherry::broker {

using amqp::ReplyCode;

void Vhost::Impl::route(const ExchangeNode& from, std::string_view routing_key, std::string_view raw_properties,
                        std::vector<QueueEntryRef>& into) const {
  RoutedBy message(routing_key, raw_properties);
  Reached reached(*from.exchange, into);
  for (const Exchange* at = from.exchange.get(); at; at = reached.next()) {
    std::size_t before = reached.found();
    at->route(message, reached);
    if (reached.found() != before) continue;
    const ExchangeNode* node = at == from.exchange.get() ? &from : exchange(at->spec().name);
    if (node->alternate.empty()) continue;
    if (const ExchangeNode* alternate = exchange(node->alternate)) reached.visit(*alternate->exchange);
  }
  if (into.size() > 1) {
    std::sort(into.begin(), into.end());
    into.erase(std::unique(into.begin(), into.end()), into.end());
  }
}

AmqpResult<void> Vhost::route(std::string_view exchange, std::string_view routing_key, std::string_view raw_properties,
                              std::vector<QueueEntryRef>& into) const {
  const ExchangeNode* from = std::as_const(*impl_).exchange(exchange);
  if (!from) return tl::unexpected(not_found(impl_->exchange_resource(exchange)));
  if (from->exchange->spec().internal) {
    return refuse(ReplyCode::access_refused,
                  fmt::format("cannot publish to internal {}", impl_->exchange_resource(exchange)));
  }
  impl_->route(*from, routing_key, raw_properties, into);
  return {};
}

void Vhost::route_within(std::string_view exchange, std::string_view routing_key, std::string_view raw_properties,
                         std::vector<QueueEntryRef>& into) const {
  const ExchangeNode* from = std::as_const(*impl_).exchange(exchange);
  if (from) impl_->route(*from, routing_key, raw_properties, into);
}

bool Vhost::routes_by_key_alone(std::string_view exchange) const {
  const ExchangeNode* first = std::as_const(*impl_).exchange(exchange);
  if (first && (first->known || first->exchange->spec().type == "x-delayed-message")) return false;
  std::vector<const ExchangeNode*> to_see;
  auto see = [&](std::string_view name) {
    const ExchangeNode* node = std::as_const(*impl_).exchange(name);
    if (node && std::find(to_see.begin(), to_see.end(), node) == to_see.end()) to_see.push_back(node);
  };
  see(exchange);
  for (std::size_t i = 0; i < to_see.size(); ++i) {
    const ExchangeNode& node = *to_see[i];
    if (!node.exchange->routes_by_key_alone()) return false;
    if (!node.alternate.empty()) see(node.alternate);
    for (const auto& [to, count] : node.next) see(to->spec().name);
  }
  return true;
}

std::shared_ptr<SharedDeduplication> Vhost::deduplication_of(std::string_view exchange) const {
  const ExchangeNode* node = std::as_const(*impl_).exchange(exchange);
  return node ? node->known : nullptr;
}

std::uint64_t Vhost::delay_of(std::string_view exchange, std::string_view raw_properties) const {
  const ExchangeNode* node = std::as_const(*impl_).exchange(exchange);
  if (!node || node->exchange->spec().type != "x-delayed-message") return 0;
  return delay_header(raw_properties);
}

}  // namespace wherry::broker
