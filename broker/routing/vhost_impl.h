// Vhost's inside: exchanges, queues and bindings as nodes that know each other, for the sources that implement Vhost.
#pragma once

#include <atomic>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "broker/routing/arguments.h"
#include "broker/routing/deduplication.h"
#include "broker/routing/exchange.h"
#include "broker/routing/string_map.h"
#include "broker/routing/topology_journal.h"
#include "broker/routing/vhost.h"

namespace wherry::broker {

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

// What makes two bindings of a source the same.
std::string identity(const BindingSpec& binding);

amqp::AmqpError locked(std::string_view resource);
AmqpResult<void> check_not_default(std::string_view exchange);

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

  void add_exchange(ExchangeSpec spec);

  // --- policies ---
  void apply_policies(ExchangeNode& node);
  std::vector<QueueEntryRef> apply_policies();
  void record_policy(bool added, PolicyKind kind, const PolicySpec& spec);

  Inbound& inbound_of(const BindingSpec& spec) {
    return spec.kind == DestinationKind::queue ? queue(spec.destination)->inbound()
                                               : exchange(spec.destination)->inbound;
  }

  // --- the journal ---
  std::uint64_t record(bool added, decltype(TopologyChange::entity) entity) {
    return journal ? journal->record({added, name, std::move(entity)}) : 0;
  }
  void record_binding(bool added, const Exchange& source, const Binding& binding);

  // --- bindings, and what goes with them ---
  void remove_binding(ExchangeNode& source, std::map<std::string, Binding, std::less<>>::iterator at);
  // Takes away the bindings that end somewhere, and the auto-delete exchanges that are left without any.
  void remove_inbound(Inbound& inbound);
  void remove_if_idle(std::string_view source);
  void remove_exchange(std::string_view exchange_name);

  void route(const ExchangeNode& from, std::string_view routing_key, std::string_view raw_properties,
             std::vector<QueueEntryRef>& into) const;

  QueueEntryRef add_queue(QueueSpec spec, std::uint64_t id, ConnectionId owner, unsigned home);
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

}  // namespace wherry::broker
