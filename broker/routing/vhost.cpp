#include "broker/routing/vhost.h"

#include <algorithm>
#include <map>
#include <unordered_set>

#include <fmt/format.h>

#include "base/assert.h"
#include "broker/routing/arguments.h"
#include "broker/routing/delay.h"
#include "broker/routing/exchange.h"
#include "broker/routing/string_map.h"

namespace wherry::broker {

using amqp::ReplyCode;

namespace {

constexpr std::string_view alternate_exchange_name = "alternate-exchange";

struct QueueNode {
  QueueEntryRef entry;
  std::unordered_set<const Binding*> inbound;
};

struct ExchangeNode {
  std::unique_ptr<Exchange> exchange;
  // Those that begin here, by what makes two of them the same.
  std::map<std::string, Binding, std::less<>> outbound;
  std::unordered_set<const Binding*> inbound;
  std::size_t to_exchanges = 0;
  std::string alternate;
};

// Every queue is bound to the default exchange by its name, and nothing else can be.
class DefaultExchange final : public Exchange {
 public:
  DefaultExchange(ExchangeSpec spec, const StringMap<QueueNode>& queues) : Exchange(std::move(spec)), queues_(queues) {}
  void bind(const Binding&) override { WHERRY_ASSERT(false); }
  void unbind(const Binding&) override { WHERRY_ASSERT(false); }
  void route(RoutedBy& message, Reached& reached) const override {
    auto found = queues_.find(message.routing_key());
    if (found != queues_.end()) reached.add(found->second.entry);
  }

 private:
  const StringMap<QueueNode>& queues_;
};

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

amqp::AmqpError locked(std::string_view resource) {
  return {.code = ReplyCode::resource_locked,
          .explanation = fmt::format("cannot obtain exclusive access to locked {}. It could be originally declared on "
                                     "another connection or the exclusive property value does not match that of the "
                                     "original declaration.",
                                     resource),
          .offender = {}};
}

AmqpResult<void> check_not_reserved(std::string_view kind, std::string_view name) {
  if (!name.starts_with("amq.")) return {};
  return refuse(ReplyCode::access_refused, fmt::format("{} name '{}' contains reserved prefix 'amq.*'", kind, name));
}

AmqpResult<void> check_not_default(std::string_view exchange) {
  if (!exchange.empty()) return {};
  return refuse(ReplyCode::access_refused, "operation not permitted on the default exchange");
}

}  // namespace

struct Vhost::Impl {
  explicit Impl(std::string vhost) : name(std::move(vhost)) {}

  std::string queue_resource(std::string_view queue) const { return resource("queue", queue, name); }
  std::string exchange_resource(std::string_view exchange) const { return resource("exchange", exchange, name); }

  const ExchangeNode* exchange(std::string_view exchange_name) const {
    auto found = exchanges.find(exchange_name);
    return found == exchanges.end() ? nullptr : &found->second;
  }
  ExchangeNode* exchange(std::string_view exchange_name) {
    return const_cast<ExchangeNode*>(std::as_const(*this).exchange(exchange_name));
  }
  QueueNode* queue(std::string_view queue_name) {
    auto found = queues.find(queue_name);
    return found == queues.end() ? nullptr : &found->second;
  }

  void add_exchange(ExchangeSpec spec) {
    std::string key = spec.name;
    std::string alternate;
    if (const std::string* given = spec.arguments.string(alternate_exchange_name)) alternate = *given;
    auto made =
        spec.name.empty() ? std::make_unique<DefaultExchange>(std::move(spec), queues) : make_exchange(std::move(spec));
    WHERRY_ASSERT(made);
    ExchangeNode& node = exchanges[key];
    node.exchange = std::move(made);
    node.alternate = std::move(alternate);
  }

  std::unordered_set<const Binding*>& inbound_of(const BindingSpec& spec) {
    return spec.kind == DestinationKind::queue ? queue(spec.destination)->inbound : exchange(spec.destination)->inbound;
  }

  void remove_binding(ExchangeNode& source, std::map<std::string, Binding, std::less<>>::iterator at) {
    const Binding& binding = at->second;
    source.exchange->unbind(binding);
    if (binding.exchange) --source.to_exchanges;
    inbound_of(binding.spec).erase(&binding);
    source.outbound.erase(at);
  }

  // Takes away the bindings that end somewhere, and the auto-delete exchanges that are left without any.
  void remove_inbound(std::unordered_set<const Binding*>& inbound) {
    std::vector<std::string> sources;
    while (!inbound.empty()) {
      const Binding& binding = **inbound.begin();
      ExchangeNode& source = *exchange(binding.spec.source);
      sources.push_back(binding.spec.source);
      remove_binding(source, source.outbound.find(identity(binding.spec)));
    }
    for (const std::string& source : sources) remove_if_idle(source);
  }

  void remove_if_idle(std::string_view source) {
    ExchangeNode* node = exchange(source);
    if (node && node->exchange->spec().auto_delete && node->outbound.empty()) remove_exchange(source);
  }

  void remove_exchange(std::string_view exchange_name) {
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
      source.exchange->unbind(*binding);
      --source.to_exchanges;
      source.outbound.erase(identity(binding->spec));
    }
    for (const std::string& source : sources) remove_if_idle(source);
  }

  void route(const ExchangeNode& from, std::string_view routing_key, std::string_view raw_properties,
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

  void changed() { version.fetch_add(1, std::memory_order_release); }

  std::string name;
  std::atomic<std::uint64_t> version{1};
  StringMap<QueueNode> queues;
  StringMap<ExchangeNode> exchanges;
};

namespace {
std::atomic<std::uint64_t> next_queue_id{1};
}

Vhost::Vhost(std::string name) : impl_(std::make_unique<Impl>(std::move(name))) {
  impl_->add_exchange({.name = "", .type = "direct", .durable = true, .arguments = {}});
  for (std::string_view type : {"direct", "fanout", "topic", "headers"}) {
    impl_->add_exchange(
        {.name = fmt::format("amq.{}", type), .type = std::string(type), .durable = true, .arguments = {}});
  }
  impl_->add_exchange({.name = "amq.match", .type = "headers", .durable = true, .arguments = {}});
  impl_->add_exchange(
      {.name = "amq.rabbitmq.trace", .type = "topic", .durable = true, .internal = true, .arguments = {}});
}

Vhost::~Vhost() = default;

const std::string& Vhost::name() const {
  return impl_->name;
}
std::uint64_t Vhost::version() const {
  return impl_->version.load(std::memory_order_acquire);
}

AmqpResult<void> Vhost::declare_exchange(const ExchangeSpec& spec, bool passive) {
  if (!passive && !is_exchange_type(spec.type)) {
    return refuse(ReplyCode::command_invalid, fmt::format("unknown exchange type '{}'", spec.type));
  }
  if (auto fit = check_not_default(spec.name); !fit) return fit;
  std::string resource = impl_->exchange_resource(spec.name);
  const ExchangeNode* existing = impl_->exchange(spec.name);
  if (passive) return existing ? AmqpResult<void>{} : tl::unexpected(not_found(resource));

  if (!existing) {
    if (auto fit = check_not_reserved("exchange", spec.name); !fit) return fit;
    if (auto fit = check_exchange_arguments(spec, resource); !fit) return fit;
    impl_->add_exchange(spec);
    impl_->changed();
    return {};
  }
  const ExchangeSpec& current = existing->exchange->spec();
  if (auto same = same_property("type", current.type, spec.type, resource); !same) return same;
  if (auto same = same_property("durable", current.durable, spec.durable, resource); !same) return same;
  if (auto same = same_property("auto_delete", current.auto_delete, spec.auto_delete, resource); !same) return same;
  if (auto same = same_property("internal", current.internal, spec.internal, resource); !same) return same;
  constexpr std::string_view names[] = {alternate_exchange_name, "x-delayed-type"};
  return same_arguments(names, current.arguments, spec.arguments, resource);
}

AmqpResult<void> Vhost::delete_exchange(std::string_view exchange, bool if_unused) {
  if (auto fit = check_not_default(exchange); !fit) return fit;
  std::string resource = impl_->exchange_resource(exchange);
  if (exchange.starts_with("amq.")) {
    return refuse(ReplyCode::access_refused, fmt::format("deletion of system {} not allowed", resource));
  }
  const ExchangeNode* node = impl_->exchange(exchange);
  if (!node) return {};
  if (if_unused && !node->outbound.empty()) {
    return refuse(ReplyCode::precondition_failed, fmt::format("{} in use", resource));
  }
  impl_->remove_exchange(exchange);
  impl_->changed();
  return {};
}

AmqpResult<Vhost::Declared> Vhost::declare_queue(const QueueSpec& wanted, ConnectionId connection, unsigned home,
                                                 bool server_named) {
  if (!server_named) {
    if (auto fit = check_not_reserved("queue", wanted.name); !fit) return tl::unexpected(fit.error());
  }
  QueueSpec spec = wanted;
  // A queue that dies with its connection has nothing to keep.
  spec.durable = wanted.durable && !wanted.exclusive;
  ConnectionId owner = wanted.exclusive ? connection : 0;
  std::string resource = impl_->queue_resource(spec.name);

  if (QueueNode* node = impl_->queue(spec.name)) {
    const QueueEntry& current = *node->entry;
    if (current.owner != owner) return tl::unexpected(locked(resource));
    auto same = same_property("durable", current.spec.durable, spec.durable, resource);
    if (same) same = same_property("auto_delete", current.spec.auto_delete, spec.auto_delete, resource);
    if (same) same = same_arguments(queue_argument_names(), current.spec.arguments, spec.arguments, resource);
    if (!same) return tl::unexpected(same.error());
    return Declared{node->entry, false};
  }
  if (auto fit = check_queue_arguments(spec, resource); !fit) return tl::unexpected(fit.error());
  auto entry = std::make_shared<QueueEntry>();
  entry->id = next_queue_id.fetch_add(1, std::memory_order_relaxed);
  entry->vhost = impl_->name;
  entry->spec = std::move(spec);
  entry->owner = owner;
  entry->home = home;
  impl_->queues[entry->spec.name].entry = entry;
  impl_->changed();
  return Declared{entry, true};
}

AmqpResult<QueueEntryRef> Vhost::find_queue(std::string_view queue, ConnectionId connection) const {
  QueueNode* node = impl_->queue(queue);
  if (!node) return tl::unexpected(not_found(impl_->queue_resource(queue)));
  if (node->entry->owner != 0 && node->entry->owner != connection) {
    return tl::unexpected(locked(impl_->queue_resource(queue)));
  }
  return node->entry;
}

void Vhost::remove_queue(const QueueEntryRef& queue) {
  if (queue->deleted.exchange(true)) return;
  auto found = impl_->queues.find(queue->spec.name);
  WHERRY_ASSERT(found != impl_->queues.end() && found->second.entry == queue);
  impl_->remove_inbound(found->second.inbound);
  impl_->queues.erase(found);
  impl_->changed();
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
  std::unordered_set<const Binding*>* inbound = nullptr;
  if (spec.kind == DestinationKind::queue) {
    QueueNode* queue = impl_->queue(spec.destination);
    if (!queue) return tl::unexpected(not_found(impl_->queue_resource(spec.destination)));
    binding.queue = queue->entry;
    inbound = &queue->inbound;
  } else {
    ExchangeNode* exchange = impl_->exchange(spec.destination);
    if (!exchange) return tl::unexpected(not_found(impl_->exchange_resource(spec.destination)));
    binding.exchange = exchange->exchange.get();
    inbound = &exchange->inbound;
  }
  if (!source->exchange->routes_by_key_alone()) {
    if (std::string fault = headers_binding_fault(spec.arguments); !fault.empty()) {
      return refuse(ReplyCode::precondition_failed, std::move(fault));
    }
  }
  if (binding.queue && binding.queue->owner != 0 && binding.queue->owner != connection) {
    return tl::unexpected(locked(impl_->queue_resource(spec.destination)));
  }

  auto [at, fresh] = source->outbound.try_emplace(identity(spec), std::move(binding));
  if (!fresh) return {};
  source->exchange->bind(at->second);
  inbound->insert(&at->second);
  if (at->second.exchange) ++source->to_exchanges;
  impl_->changed();
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
  if (first && first->exchange->spec().type == "x-delayed-message") return false;
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
    if (node.to_exchanges == 0) continue;
    for (const auto& [id, binding] : node.outbound) {
      if (binding.exchange) see(binding.spec.destination);
    }
  }
  return true;
}

std::uint64_t Vhost::delay_of(std::string_view exchange, std::string_view raw_properties) const {
  const ExchangeNode* node = std::as_const(*impl_).exchange(exchange);
  if (!node || node->exchange->spec().type != "x-delayed-message") return 0;
  return delay_header(raw_properties);
}

std::vector<QueueEntryRef> Vhost::queues() const {
  std::vector<QueueEntryRef> all;
  for (const auto& [name, node] : impl_->queues) all.push_back(node.entry);
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a->spec.name < b->spec.name; });
  return all;
}

std::vector<ExchangeSpec> Vhost::exchanges() const {
  std::vector<ExchangeSpec> all;
  for (const auto& [name, node] : impl_->exchanges) all.push_back(node.exchange->spec());
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return all;
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
