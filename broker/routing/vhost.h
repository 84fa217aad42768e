// Vhost: the topology of one virtual host: exchanges, queues by name, bindings, and where a message goes.
//
// Pure: no sockets, no threads, no messages kept. Every rule a client can notice is RabbitMQ's, error text included;
// the errors of each function are named at it. Changes move version(), so that a caller may keep what route() gave
// until then. Threads: one at a time; the broker wraps it in a lock (see broker/shard).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "broker/routing/policies.h"
#include "broker/routing/quota.h"
#include "protocol/amqp/constants.h"
#include "protocol/amqp/table.h"

namespace wherry::broker {

template <class T>
using AmqpResult = Result<T, amqp::AmqpError>;

using ConnectionId = std::uint64_t;  // Unique for the life of the process; 0 is nobody.

struct QueueSpec {
  std::string name;
  bool durable = false;
  bool exclusive = false;
  bool auto_delete = false;
  amqp::Table arguments;
};

// A queue's id with this bit set is of one that ends with the process.
constexpr std::uint64_t not_durable = std::uint64_t{1} << 63;

// A queue as the topology knows it. The queue itself (messages, consumers) lives in the shard named home.
// All but the last two never change, so it may be read from any thread.
struct QueueEntry {
  // Of a durable queue: the journal's, where there is one. Of another: unique for the life of the process, with the
  // highest bit set.
  std::uint64_t id = 0;
  std::string vhost;
  QueueSpec spec;
  ConnectionId owner = 0;  // The declaring connection of an exclusive queue, else 0.
  unsigned home = 0;
  std::atomic<bool> deleted{false};
  // The journal's number of its declaration, 0 when that is known to be kept: until then nobody may hear of it.
  std::atomic<std::uint64_t> recorded_at{0};
  void* at_home = nullptr;  // Its home's own, for its shard alone: saves it a look-up for each message.
  Taken counted;            // Among all queues of the broker.
};
using QueueEntryRef = std::shared_ptr<QueueEntry>;

struct ExchangeSpec {
  std::string name;
  // direct | fanout | topic | headers | x-consistent-hash | x-random | x-delayed-message (its own in x-delayed-type)
  std::string type;
  bool durable = false;
  bool auto_delete = false;
  bool internal = false;
  amqp::Table arguments;
};

enum class DestinationKind { queue, exchange };

struct BindingSpec {
  std::string source;
  DestinationKind kind = DestinationKind::queue;
  std::string destination;
  std::string routing_key;
  amqp::Table arguments;
};

class SharedDeduplication;
class TopologyJournal;

class Vhost {
 public:
  // With the default exchange and amq.direct, amq.fanout, amq.topic, amq.headers, amq.match, amq.rabbitmq.trace.
  explicit Vhost(std::string name);
  ~Vhost();

  const std::string& name() const;
  // Changes whenever route() could answer differently.
  std::uint64_t version() const;

  // Hears of each durable change from now on; it outlives the vhost.
  void set_journal(TopologyJournal& journal);

  // --- exchanges ---
  // 403 the default exchange, or creating a name with "amq." in front; 406 when it differs from what exists
  // ("inequivalent arg ..."); 503 for an unknown type as RabbitMQ 3.10 has it; passive: 404 when missing.
  AmqpResult<void> declare_exchange(const ExchangeSpec& spec, bool passive);
  // 403 default and amq.*; 406 if_unused and bound; a missing one is fine.
  AmqpResult<void> delete_exchange(std::string_view exchange, bool if_unused);
  bool has_exchange(std::string_view exchange) const;
  // Empty when there is none.
  std::string_view exchange_type(std::string_view exchange) const;

  // --- queues ---
  struct Declared {
    QueueEntryRef queue;
    bool created = false;
  };
  // The name is given by the caller (server-given names too). 403 for a new name with "amq." in front unless
  // server_named; 405 when it is another connection's exclusive queue; 406 when it differs from what exists, or when
  // there are as many queues as may be.
  AmqpResult<Declared> declare_queue(const QueueSpec& spec, ConnectionId connection, unsigned home, bool server_named);
  // A durable queue of an earlier run, which no journal hears of. Errors: as declare_queue, and 406 where it is there
  // already.
  AmqpResult<QueueEntryRef> restore_queue(const QueueSpec& spec, std::uint64_t id, unsigned home);
  // 404 missing; 405 another connection's exclusive queue.
  AmqpResult<QueueEntryRef> find_queue(std::string_view queue, ConnectionId connection) const;
  // Whoever's it is; null when there is none.
  QueueEntryRef look_up(std::string_view queue) const;
  // How many queues there may be; what is there stays. Nothing: no limit.
  void set_max_queues(std::optional<std::uint64_t> limit);
  // Queues are counted there from now on, with those of other virtual hosts: one above its limit is refused with 406.
  void count_queues_in(std::shared_ptr<Quota> all);
  // Takes the queue and its bindings away (auto-delete exchanges may follow) and marks it deleted. Idempotent.
  void remove_queue(const QueueEntryRef& queue);

  // --- bindings ---
  // 403 the default exchange on either side; 404 a missing source or destination; 405 another connection's exclusive
  // queue; 406 bad arguments of a headers binding (x-match), or a bad weight (x-consistent-hash).
  AmqpResult<void> bind(const BindingSpec& binding, ConnectionId connection);
  // As bind; a binding that is not there is fine (RabbitMQ 3.x). The last binding of an auto-delete exchange deletes
  // it.
  AmqpResult<void> unbind(const BindingSpec& binding, ConnectionId connection);

  // --- routing ---
  // Adds the queues to those in into, each once, in no order that matters: one call per routing key where a message has
  // several (CC). raw_properties are read only by exchanges that look at headers or properties. A message that reaches
  // no queue goes on to the exchange's alternate-exchange. 404 missing exchange; 403 an internal one.
  AmqpResult<void> route(std::string_view exchange, std::string_view routing_key, std::string_view raw_properties,
                         std::vector<QueueEntryRef>& into) const;
  // Whether what becomes of a message to this exchange depends on its routing key alone, so that route()'s answer may
  // be kept until version() moves: false where an exchange can be reached that looks at more or leaves it to chance,
  // where a header delays it, or where its key may be known.
  bool routes_by_key_alone(std::string_view exchange) const;
  // As route(), for what the broker itself publishes (dead letters, delayed messages that are due): an internal
  // exchange is fine, and a missing one routes nowhere.
  void route_within(std::string_view exchange, std::string_view routing_key, std::string_view raw_properties,
                    std::vector<QueueEntryRef>& into) const;
  // Of an exchange that accepts a message once: the keys it knows. Null for others.
  std::shared_ptr<SharedDeduplication> deduplication_of(std::string_view exchange) const;
  // Milliseconds to hold the message back before it is routed: a positive x-delay header on a message to an
  // x-delayed-message exchange. 0 for everything else. When it is due, route_within() the same exchange and key.
  std::uint64_t delay_of(std::string_view exchange, std::string_view raw_properties) const;

  // --- policies ---
  // Each gives the queues whose settings are others now: their homes ask effective() and tell the queues. For exchanges
  // they count at once. Errors: as Policies has them; clearing what is not there is one.
  Result<std::vector<QueueEntryRef>> set_policy(PolicyKind kind, PolicySpec spec);
  Result<std::vector<QueueEntryRef>> clear_policy(PolicyKind kind, std::string_view name);
  std::vector<QueueEntryRef> configure_policies(std::vector<Policies::Configured> plain,
                                                std::vector<Policies::Configured> by_operator);
  const Policies& policies() const;
  // What applies to the queue; null: nothing but its arguments, or it is gone.
  EffectiveRef effective(const QueueEntry& queue) const;
  EffectiveRef effective_of(std::string_view exchange) const;

  // --- listing, in name order ---
  std::vector<QueueEntryRef> queues() const;
  std::vector<ExchangeSpec> exchanges() const;
  std::vector<BindingSpec> bindings() const;  // The default exchange's implied ones left out.

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace wherry::broker
