// Bindings, and what goes when they do.
#include <algorithm>
#include <tuple>

#include "base/assert.h"
#include "broker/routing/vhost_impl.h"

namespace wherry::broker {

using amqp::ReplyCode;

std::string identity(const BindingSpec& binding) {
  amqp::Table sorted = binding.arguments;
  std::stable_sort(sorted.entries().begin(), sorted.entries().end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string key(binding.kind == DestinationKind::queue ? "q" : "e");
  // Names cannot hold a byte more than 255 long, so a length in front keeps the parts apart.
  key += static_cast<char>(binding.destination.size());
  key += binding.destination;
  key += static_cast<char>(binding.routing_key.size());
  key += binding.routing_key;
  return key + amqp::encode_table(sorted);
}

void Vhost::Impl::record_binding(bool added, const Exchange& source, const Binding& binding) {
  if (!journal || !source.spec().durable) return;
  if (binding.queue ? binding.queue->spec.durable : binding.exchange->spec().durable) record(added, binding.spec);
}

void Vhost::Impl::remove_binding(ExchangeNode& source, std::map<std::string, Binding, std::less<>>::iterator at) {
  const Binding& binding = at->second;
  record_binding(false, *source.exchange, binding);
  source.exchange->unbind(binding);
  source.uncount_next(binding);
  inbound_of(binding.spec).erase(&binding);
  source.outbound.erase(at);
}

// Takes away the bindings that end somewhere, and the auto-delete exchanges that are left without any.
void Vhost::Impl::remove_inbound(Inbound& inbound) {
  std::vector<std::string> sources;
  while (!inbound.empty()) {
    const Binding& binding = **inbound.begin();
    ExchangeNode& source = *exchange(binding.spec.source);
    sources.push_back(binding.spec.source);
    remove_binding(source, source.outbound.find(identity(binding.spec)));
  }
  for (const std::string& source : sources) remove_if_idle(source);
}

void Vhost::Impl::remove_if_idle(std::string_view source) {
  ExchangeNode* node = exchange(source);
  if (node && node->exchange->spec().auto_delete && node->outbound.empty()) remove_exchange(source);
}

void Vhost::Impl::remove_exchange(std::string_view exchange_name) {
  auto found = exchanges.find(exchange_name);
  ExchangeNode& node = found->second;
  while (!node.outbound.empty()) remove_binding(node, node.outbound.begin());
  // Out of the map before its sources are looked at: circles of auto-delete exchanges come back here.
  auto leaving = exchanges.extract(found);
  std::vector<std::string> sources;
  for (const Binding* binding : leaving.mapped().inbound) sources.push_back(binding->spec.source);
  auto inbound = std::move(leaving.mapped().inbound);
  for (const Binding* binding : inbound) {
    ExchangeNode& source = *exchange(binding->spec.source);
    record_binding(false, *source.exchange, *binding);
    source.exchange->unbind(*binding);
    source.uncount_next(*binding);
    source.outbound.erase(identity(binding->spec));
  }
  if (leaving.mapped().exchange->spec().durable) record(false, leaving.mapped().exchange->spec());
  for (const std::string& source : sources) remove_if_idle(source);
}

AmqpResult<void> Vhost::bind(const BindingSpec& spec, ConnectionId connection) {
  WHERRY_ASSERT(spec.destination.size() <= 255 && spec.routing_key.size() <= 255);
  if (spec.kind == DestinationKind::exchange) {
    if (auto fit = check_not_default(spec.destination); !fit) return fit;
  }
  if (auto fit = check_not_default(spec.source); !fit) return fit;
  ExchangeNode* source = impl_->exchange(spec.source);
  if (!source) return tl::unexpected(not_found(impl_->exchange_resource(spec.source)));

  Binding binding{.spec = spec, .queue = nullptr};
  Inbound* inbound = nullptr;
  if (spec.kind == DestinationKind::queue) {
    QueueNode* queue = impl_->queue(spec.destination);
    if (!queue) return tl::unexpected(not_found(impl_->queue_resource(spec.destination)));
    binding.queue = queue->entry;
    inbound = &queue->inbound();
  } else {
    ExchangeNode* exchange = impl_->exchange(spec.destination);
    if (!exchange) return tl::unexpected(not_found(impl_->exchange_resource(spec.destination)));
    binding.exchange = exchange->exchange.get();
    inbound = &exchange->inbound;
  }
  if (std::string fault = source->exchange->binding_fault(spec); !fault.empty()) {
    return refuse(ReplyCode::precondition_failed, std::move(fault));
  }
  if (binding.queue && binding.queue->owner != 0 && binding.queue->owner != connection) {
    return tl::unexpected(locked(impl_->queue_resource(spec.destination)));
  }

  auto [at, fresh] = source->outbound.try_emplace(identity(spec), std::move(binding));
  if (!fresh) return {};
  source->exchange->bind(at->second);
  inbound->insert(&at->second);
  source->count_next(at->second);
  impl_->changed();
  impl_->record_binding(true, *source->exchange, at->second);
  return {};
}

AmqpResult<void> Vhost::unbind(const BindingSpec& spec, ConnectionId connection) {
  WHERRY_ASSERT(spec.destination.size() <= 255 && spec.routing_key.size() <= 255);
  if (spec.kind == DestinationKind::exchange) {
    if (auto fit = check_not_default(spec.destination); !fit) return fit;
  }
  if (auto fit = check_not_default(spec.source); !fit) return fit;
  ExchangeNode* source = impl_->exchange(spec.source);
  if (!source) return {};
  auto at = source->outbound.find(identity(spec));
  if (at == source->outbound.end()) return {};
  const QueueEntryRef& queue = at->second.queue;
  if (queue && queue->owner != 0 && queue->owner != connection) {
    return tl::unexpected(locked(impl_->queue_resource(spec.destination)));
  }
  impl_->remove_binding(*source, at);
  impl_->remove_if_idle(spec.source);
  impl_->changed();
  return {};
}

std::vector<BindingSpec> Vhost::bindings() const {
  std::vector<BindingSpec> all;
  for (const auto& [name, node] : impl_->exchanges) {
    for (const auto& [id, binding] : node.outbound) all.push_back(binding.spec);
  }
  std::sort(all.begin(), all.end(), [](const BindingSpec& a, const BindingSpec& b) {
    return std::tie(a.source, a.destination, a.routing_key) < std::tie(b.source, b.destination, b.routing_key);
  });
  return all;
}

}  // namespace wherry::broker
