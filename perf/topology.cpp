#include "perf/topology.h"

namespace wherry::perf {

namespace {

constexpr std::uint64_t kOutstanding = 100;

std::string_view type_name(ExchangeKind kind) {
  if (kind == ExchangeKind::fanout) return "fanout";
  return kind == ExchangeKind::topic ? "topic" : "direct";
}

template <class T>
Result<void> only_error(const Result<T>& result) {
  if (!result) return tl::unexpected(result.error());
  return {};
}

Result<void> declare_exchange(Connection& connection, const Workload& workload) {
  const std::string name = workload.exchange_name();
  amqp::ExchangeDeclare declare;
  declare.exchange = name;
  declare.type = type_name(workload.exchange);
  declare.durable = true;
  if (auto done = connection.call(declare, amqp::ExchangeDeclareOk::id); !done) return only_error(done);
  const std::vector<BindingPlan> plans = bindings_of(workload);
  return only_error(connection.pipelined(plans.size(), kOutstanding, amqp::QueueBind::name, amqp::QueueBindOk::id,
                                         [&](std::string& out, std::uint64_t index) {
                                           amqp::QueueBind bind;
                                           bind.queue = plans[index].queue;
                                           bind.exchange = name;
                                           bind.routing_key = plans[index].key;
                                           append_method(out, channel_number, bind);
                                         }));
}

}  // namespace

Result<void> declare_topology(Connection& connection, const Workload& workload) {
  if (auto removed = remove_topology(connection, workload); !removed) return removed;
  const std::string arguments = amqp::encode_table(workload.queue_arguments);
  auto declared = connection.pipelined(workload.queues, kOutstanding, amqp::QueueDeclare::name,
                                       amqp::QueueDeclareOk::id, [&](std::string& out, std::uint64_t index) {
                                         const std::string name = workload.queue(static_cast<unsigned>(index));
                                         amqp::QueueDeclare declare;
                                         declare.queue = name;
                                         declare.durable = workload.durable_queues;
                                         declare.arguments = {arguments};
                                         append_method(out, channel_number, declare);
                                       });
  if (!declared) return only_error(declared);
  if (workload.exchange != ExchangeKind::none) return declare_exchange(connection, workload);
  return {};
}

Result<void> remove_topology(Connection& connection, const Workload& workload) {
  auto removed = connection.pipelined(workload.queues, kOutstanding, amqp::QueueDelete::name, amqp::QueueDeleteOk::id,
                                      [&](std::string& out, std::uint64_t index) {
                                        const std::string name = workload.queue(static_cast<unsigned>(index));
                                        amqp::QueueDelete remove;
                                        remove.queue = name;
                                        append_method(out, channel_number, remove);
                                      });
  if (!removed) return only_error(removed);
  if (workload.exchange == ExchangeKind::none) return {};
  const std::string name = workload.exchange_name();
  amqp::ExchangeDelete remove;
  remove.exchange = name;
  return only_error(connection.call(remove, amqp::ExchangeDeleteOk::id));
}

Result<std::uint64_t> messages_ready(Connection& connection, const Workload& workload) {
  std::uint64_t messages = 0;
  for (unsigned i = 0; i < workload.queues; ++i) {
    const std::string name = workload.queue(i);
    amqp::QueueDeclare ask;
    ask.queue = name;
    ask.passive = true;
    auto answer = connection.call(ask, amqp::QueueDeclareOk::id);
    if (!answer) return tl::unexpected(answer.error());
    ByteReader from(answer->substr(4));
    amqp::read_short_string(from);
    messages += from.u32();
  }
  return messages;
}

}  // namespace wherry::perf
