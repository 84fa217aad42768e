#include <algorithm>

#include <fmt/format.h>

#include "base/assert.h"
#include "broker/routing/vhost_impl.h"

namespace wherry::broker {

using amqp::ReplyCode;

namespace {

std::atomic<std::uint64_t> next_queue_id{1};

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

AmqpResult<void> check_not_reserved(std::string_view kind, std::string_view name) {
  if (!name.starts_with("amq.")) return {};
  return refuse(ReplyCode::access_refused, fmt::format("{} name '{}' contains reserved prefix 'amq.*'", kind, name));
}

}  // namespace

amqp::AmqpError locked(std::string_view resource) {
  return {.code = ReplyCode::resource_locked,
          .explanation = fmt::format("cannot obtain exclusive access to locked {}. It could be originally declared on "
                                     "another connection or the exclusive property value does not match that of the "
                                     "original declaration.",
                                     resource),
          .offender = {}};
}

AmqpResult<void> check_not_default(std::string_view exchange) {
  if (!exchange.empty()) return {};
  return refuse(ReplyCode::access_refused, "operation not permitted on the default exchange");
}

void Vhost::Impl::add_exchange(ExchangeSpec spec) {
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

QueueEntryRef Vhost::Impl::add_queue(QueueSpec spec, std::uint64_t id, ConnectionId owner, unsigned home) {
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

}  // namespace wherry::broker
