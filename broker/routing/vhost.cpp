#include "broker/routing/vhost.h"

#include <algorithm>
#include <map>
#include <unordered_set>

#include <fmt/format.h>

#include "base/assert.h"
#include "broker/routing/arguments.h"
#include "broker/routing/deduplication.h"
#include "broker/routing/delay.h"
#include "broker/routing/exchange.h"
#include "broker/routing/string_map.h"
#include "broker/routing/topology_journal.h"

namespace wherry::broker {

using amqp::ReplyCode;

namespace {

constexpr std::string_view alternate_exchange_name = "alternate-exchange";

using Inbound = std::unordered_set<const Binding*>;

// There may be very many: most have no binding but the default exchange's, which is not written down.
struct QueueNode {
  QueueEntryRef entry;
  std::unique_ptr<Inbound> bound;
  EffectiveRef effective = nullptr;

  Inbound& inbound() {
    if (!bound) bound = std::make_unique<Inbound>();
    return *bound;
  }
};
// By the name in the entry.
using Queues = std::unordered_map<std::string_view, QueueNode, StringHash, std::equal_to<>>;

struct ExchangeNode {
  std::unique_ptr<Exchange> exchange;
  // Those that begin here, by what makes two of them the same.
  std::map<std::string, Binding, std::less<>> outbound;
  Inbound inbound;
  // Where its bindings lead besides queues, and how many lead there: of many bindings these are few.
  std::map<Exchange*, std::size_t> next;
  std::string alternate;
  EffectiveRef effective;
  std::shared_ptr<SharedDeduplication> known;  // Null where no duplicates are looked for.

  void count_next(const Binding& binding) {
    if (binding.exchange) ++next[binding.exchange];
  }
  void uncount_next(const Binding& binding) {
    auto found = next.find(binding.exchange);
    if (found != next.end() && --found->second == 0) next.erase(found);
  }
};

// Every queue is bound to the default exchange by its name, and nothing else can be.
class DefaultExchange final : public Exchange {
 public:
  DefaultExchange(ExchangeSpec spec, const Queues& queues) : Exchange(std::move(spec)), queues_(queues) {}
  void bind(const Binding&) override { WHERRY_ASSERT(false); }
  void unbind(const Binding&) override { WHERRY_ASSERT(false); }
  void route(RoutedBy& message, Reached& reached) const override {
    auto found = queues_.find(message.routing_key());
    if (found != queues_.end()) reached.add(found->second.entry);
  }

 private:
  const Queues& queues_;
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
    auto made =
        spec.name.empty() ? std::make_unique<DefaultExchange>(std::move(spec), queues) : make_exchange(std::move(spec));
    WHERRY_ASSERT(made);
    ExchangeNode& node = exchanges[key];
    const auto rule = deduplication_rule(made->spec().arguments);
    node.known = rule ? std::make_shared<SharedDeduplication>(*rule) : nullptr;
    node.exchange = std::move(made);
    apply_policies(node);
  }

  // --- policies ---
  void apply_policies(ExchangeNode& node) {
    const ExchangeSpec& spec = node.exchange->spec();
    node.effective = policies.of(spec);
    const amqp::Table& arguments = node.effective ? node.effective->arguments : spec.arguments;
    const std::string* alternate = arguments.string(alternate_exchange_name);
    node.alternate = alternate ? *alternate : std::string();
  }
  std::vector<QueueEntryRef> apply_policies() {
    std::vector<QueueEntryRef> others;
    for (auto& [queue_name, node] : queues) {
      EffectiveRef now = policies.of(node.entry->spec);
      const bool same = now && node.effective ? *now == *node.effective : !now && !node.effective;
      if (!same) others.push_back(node.entry);
      node.effective = std::move(now);
    }
    for (auto& [exchange_name, node] : exchanges) apply_policies(node);
    changed();
    return others;
  }
  void record_policy(bool added, PolicyKind kind, const PolicySpec& spec) {
    record(added, ParameterSpec{std::string(component_of(kind)), spec.name, to_table(spec)});
  }

  Inbound& inbound_of(const BindingSpec& spec) {
    return spec.kind == DestinationKind::queue ? queue(spec.destination)->inbound()
                                               : exchange(spec.destination)->inbound;
  }

  // --- the journal ---
  std::uint64_t record(bool added, decltype(TopologyChange::entity) entity) {
    return journal ? journal->record({added, name, std::move(entity)}) : 0;
  }
  void record_binding(bool added, const Exchange& source, const Binding& binding) {
    if (!journal || !source.spec().durable) return;
    if (binding.queue ? binding.queue->spec.durable : binding.exchange->spec().durable) record(added, binding.spec);
  }

  void remove_binding(ExchangeNode& source, std::map<std::string, Binding, std::less<>>::iterator at) {
    const Binding& binding = at->second;
    record_binding(false, *source.exchange, binding);
    source.exchange->unbind(binding);
    source.uncount_next(binding);
    inbound_of(binding.spec).erase(&binding);
    source.outbound.erase(at);
  }

  // Takes away the bindings that end somewhere, and the auto-delete exchanges that are left without any.
  void remove_inbound(Inbound& inbound) {
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
      record_binding(false, *source.exchange, *binding);
      source.exchange->unbind(*binding);
      source.uncount_next(*binding);
      source.outbound.erase(identity(binding->spec));
    }
    if (leaving.mapped().exchange->spec().durable) record(false, leaving.mapped().exchange->spec());
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

  QueueEntryRef add_queue(QueueSpec spec, std::uint64_t id, ConnectionId owner, unsigned home) {
    auto entry = std::make_shared<QueueEntry>();
    entry->id = id;
    entry->vhost = name;
    entry->spec = std::move(spec);
    entry->owner = owner;
    entry->home = home;
    queues.emplace(entry->spec.name, QueueNode{entry, nullptr, policies.of(entry->spec)});
    changed();
    return entry;
  }

  void changed() { version.fetch_add(1, std::memory_order_release); }

  std::string name;
  std::atomic<std::uint64_t> version{1};
  Queues queues;
  StringMap<ExchangeNode> exchanges;
  Policies policies;
  std::optional<std::uint64_t> max_queues;
  std::shared_ptr<Quota> all_queues = std::make_shared<Quota>();  // Of the broker.
  TopologyJournal* journal = nullptr;
};

namespace {
std::atomic<std::uint64_t> next_queue_id{1};
}  // namespace

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

void Vhost::set_journal(TopologyJournal& journal) {
  impl_->journal = &journal;
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
    if (spec.durable) impl_->record(true, spec);
    return {};
  }
  const ExchangeSpec& current = existing->exchange->spec();
  if (auto same = same_property("type", current.type, spec.type, resource); !same) return same;
  if (auto same = same_property("durable", current.durable, spec.durable, resource); !same) return same;
  if (auto same = same_property("auto_delete", current.auto_delete, spec.auto_delete, resource); !same) return same;
  if (auto same = same_property("internal", current.internal, spec.internal, resource); !same) return same;
  constexpr std::string_view names[] = {alternate_exchange_name, "x-delayed-type"};
  if (auto same = same_arguments(names, current.arguments, spec.arguments, resource); !same) return same;
  return same_deduplication(current.arguments, spec.arguments, resource);
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

bool Vhost::has_exchange(std::string_view exchange) const {
  return impl_->exchange(exchange) != nullptr;
}

std::string_view Vhost::exchange_type(std::string_view exchange) const {
  const ExchangeNode* node = std::as_const(*impl_).exchange(exchange);
  return node ? std::string_view(node->exchange->spec().type) : std::string_view();
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
    if (same) same = same_queue_arguments(current.spec.arguments, spec.arguments, resource);
    if (!same) return tl::unexpected(same.error());
    return Declared{node->entry, false};
  }
  if (impl_->max_queues && impl_->queues.size() >= *impl_->max_queues) {
    return refuse(ReplyCode::precondition_failed,
                  fmt::format("cannot declare queue '{}': queue limit in vhost '{}' ({}) is reached", spec.name,
                              impl_->name, *impl_->max_queues));
  }
  Taken counted = Taken::from(impl_->all_queues, *impl_->all_queues);
  if (!counted) {
    return refuse(ReplyCode::precondition_failed,
                  fmt::format("cannot declare queue '{}': queue limit in node ({}) is reached: raise queue_max",
                              spec.name, impl_->all_queues->limit()));
  }
  if (auto fit = check_queue_arguments_of_type(spec, server_named, resource); !fit) return tl::unexpected(fit.error());
  if (auto fit = check_queue_arguments(spec, resource); !fit) return tl::unexpected(fit.error());
  const bool durable = spec.durable;
  const std::uint64_t id = durable && impl_->journal ? impl_->journal->next_queue_id()
                                                     : next_queue_id.fetch_add(1, std::memory_order_relaxed);
  QueueEntryRef entry = impl_->add_queue(std::move(spec), durable ? id : id | not_durable, owner, home);
  entry->counted = std::move(counted);
  if (durable) entry->recorded_at = impl_->record(true, entry);
  return Declared{entry, true};
}

AmqpResult<QueueEntryRef> Vhost::restore_queue(const QueueSpec& spec, std::uint64_t id, unsigned home) {
  WHERRY_ASSERT(spec.durable && !spec.exclusive);
  std::string resource = impl_->queue_resource(spec.name);
  if (impl_->queue(spec.name)) return refuse(ReplyCode::precondition_failed, resource + " is there twice");
  if (auto fit = check_queue_arguments(spec, resource); !fit) return tl::unexpected(fit.error());
  QueueEntryRef entry = impl_->add_queue(spec, id, 0, home);
  entry->counted = Taken::anyway(impl_->all_queues, *impl_->all_queues);
  return entry;
}

AmqpResult<QueueEntryRef> Vhost::find_queue(std::string_view queue, ConnectionId connection) const {
  QueueNode* node = impl_->queue(queue);
  if (!node) return tl::unexpected(not_found(impl_->queue_resource(queue)));
  if (node->entry->owner != 0 && node->entry->owner != connection) {
    return tl::unexpected(locked(impl_->queue_resource(queue)));
  }
  return node->entry;
}

QueueEntryRef Vhost::look_up(std::string_view queue) const {
  const QueueNode* node = impl_->queue(queue);
  return node ? node->entry : nullptr;
}

void Vhost::count_queues_in(std::shared_ptr<Quota> all) {
  impl_->all_queues = std::move(all);
}

void Vhost::set_max_queues(std::optional<std::uint64_t> limit) {
  impl_->max_queues = limit;
}

void Vhost::remove_queue(const QueueEntryRef& queue) {
  if (queue->deleted.exchange(true)) return;
  auto found = impl_->queues.find(queue->spec.name);
  WHERRY_ASSERT(found != impl_->queues.end() && found->second.entry == queue);
  if (found->second.bound) impl_->remove_inbound(*found->second.bound);
  impl_->queues.erase(found);
  queue->counted = {};
  impl_->changed();
  if (queue->spec.durable) impl_->record(false, queue);
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

Result<std::vector<QueueEntryRef>> Vhost::set_policy(PolicyKind kind, PolicySpec spec) {
  const PolicySpec now = spec;
  auto before = impl_->policies.set(kind, std::move(spec));
  if (!before) return tl::unexpected(before.error());
  if (*before) impl_->record_policy(false, kind, **before);
  impl_->record_policy(true, kind, now);
  return impl_->apply_policies();
}

Result<std::vector<QueueEntryRef>> Vhost::clear_policy(PolicyKind kind, std::string_view policy) {
  auto before = impl_->policies.clear(kind, policy);
  if (!before) return tl::unexpected(before.error());
  if (!*before) return fail("Parameter does not exist");
  impl_->record_policy(false, kind, **before);
  return impl_->apply_policies();
}

std::vector<QueueEntryRef> Vhost::configure_policies(std::vector<Policies::Configured> plain,
                                                     std::vector<Policies::Configured> by_operator) {
  impl_->policies.configure(PolicyKind::plain, std::move(plain));
  impl_->policies.configure(PolicyKind::by_operator, std::move(by_operator));
  return impl_->apply_policies();
}

const Policies& Vhost::policies() const {
  return impl_->policies;
}

EffectiveRef Vhost::effective(const QueueEntry& queue) const {
  const QueueNode* node = impl_->queue(queue.spec.name);
  return node && node->entry.get() == &queue ? node->effective : nullptr;
}

EffectiveRef Vhost::effective_of(std::string_view exchange) const {
  const ExchangeNode* node = std::as_const(*impl_).exchange(exchange);
  return node ? node->effective : nullptr;
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
