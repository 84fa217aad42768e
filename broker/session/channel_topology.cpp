// exchange.* and queue.*: names, permissions and replies; the rules themselves are the vhost's.
#include "base/uuid.h"
#include "broker/session/channel_impl.h"

namespace wherry::broker {

using amqp::ReplyCode;

namespace {

AmqpResult<amqp::Table> decode(amqp::TableView view) {
  auto table = amqp::decode_table(view);
  if (!table) return amqp_fail(ReplyCode::syntax_error, table.error().message);
  return std::move(*table);
}

}  // namespace

// --- exchanges -------------------------------------------------------------------------------------------------------

void Channel::on(const amqp::ExchangeDeclare& method) {
  auto declared = [&]() -> AmqpResult<void> {
    auto arguments = decode(method.arguments);
    if (!arguments) return tl::unexpected(arguments.error());
    if (!method.passive) {
      if (auto allowed = check_exchange(Access::configure, method.exchange); !allowed) return allowed;
    }
    const ExchangeSpec spec{std::string(method.exchange), std::string(method.type), method.durable,
                            method.auto_delete,           method.internal,          std::move(*arguments)};
    return session_.vhost()->write([&](Vhost& topology) { return topology.declare_exchange(spec, method.passive); });
  }();
  if (!declared) return refuse<amqp::ExchangeDeclare>(declared.error());
  if (!method.nowait) send(amqp::ExchangeDeclareOk{});
}

void Channel::on(const amqp::ExchangeDelete& method) {
  auto deleted = check_exchange(Access::configure, method.exchange).and_then([&]() {
    return session_.vhost()->write(
        [&](Vhost& topology) { return topology.delete_exchange(method.exchange, method.if_unused); });
  });
  if (!deleted) return refuse<amqp::ExchangeDelete>(deleted.error());
  session_.host().exchange_deleted(session_.vhost(), method.exchange);
  if (!method.nowait) send(amqp::ExchangeDeleteOk{});
}

AmqpResult<void> Channel::change_exchange_binding(bool add, std::string_view destination, std::string_view source,
                                                  std::string_view routing_key, amqp::TableView arguments) {
  auto table = decode(arguments);
  if (!table) return tl::unexpected(table.error());
  if (auto allowed = check_exchange(Access::write, destination); !allowed) return allowed;
  if (auto allowed = check_exchange(Access::read, source); !allowed) return allowed;
  const BindingSpec binding{std::string(source), DestinationKind::exchange, std::string(destination),
                            std::string(routing_key), std::move(*table)};
  return session_.vhost()->write([&](Vhost& topology) {
    return add ? topology.bind(binding, session_.id()) : topology.unbind(binding, session_.id());
  });
}

void Channel::on(const amqp::ExchangeBind& method) {
  auto bound = change_exchange_binding(true, method.destination, method.source, method.routing_key, method.arguments);
  if (!bound) return refuse<amqp::ExchangeBind>(bound.error());
  if (!method.nowait) send(amqp::ExchangeBindOk{});
}

void Channel::on(const amqp::ExchangeUnbind& method) {
  auto unbound =
      change_exchange_binding(false, method.destination, method.source, method.routing_key, method.arguments);
  if (!unbound) return refuse<amqp::ExchangeUnbind>(unbound.error());
  if (!method.nowait) send(amqp::ExchangeUnbindOk{});
}

// --- queues ----------------------------------------------------------------------------------------------------------

void Channel::answer_declare(const QueueEntryRef& entry, bool nowait) {
  last_queue_ = entry->spec.name;
  session_.host().declared_again(entry, session_.when_answered(*this, [this, entry, nowait](Host::Counts counts) {
    if (!nowait) send(amqp::QueueDeclareOk{entry->spec.name, counts.ready, counts.consumers});
  }));
}

void Channel::on(const amqp::QueueDeclare& method) {
  if (method.passive) {
    auto found = resolve(method.queue).and_then([&](const std::string& name) { return find_queue(name); });
    if (!found) return refuse<amqp::QueueDeclare>(found.error());
    return answer_declare(*found, method.nowait);
  }
  const bool server_named = method.queue.empty();
  auto declared = [&]() -> AmqpResult<Vhost::Declared> {
    auto arguments = decode(method.arguments);
    if (!arguments) return tl::unexpected(arguments.error());
    QueueSpec spec{server_named ? "amq.gen-" + random_name(22) : std::string(method.queue), method.durable,
                   method.exclusive, method.auto_delete, std::move(*arguments)};
    if (auto allowed = check_queue(Access::configure, spec.name); !allowed) return tl::unexpected(allowed.error());
    if (const std::string* dead_letters_to = spec.arguments.string("x-dead-letter-exchange")) {
      if (auto allowed = check_queue(Access::read, spec.name); !allowed) return tl::unexpected(allowed.error());
      if (auto allowed = check_exchange(Access::write, *dead_letters_to); !allowed) {
        return tl::unexpected(allowed.error());
      }
    }
    return session_.vhost()->write([&](Vhost& topology) {
      return topology.declare_queue(spec, session_.id(), session_.host().shard(), server_named);
    });
  }();
  if (!declared) return refuse<amqp::QueueDeclare>(declared.error());
  if (declared->created) {
    session_.host().create_queue(session_.vhost(), declared->queue);
    if (method.exclusive) session_.own(declared->queue);
  }
  answer_declare(declared->queue, method.nowait);
}

AmqpResult<void> Channel::change_queue_binding(bool add, std::string_view queue, std::string_view exchange,
                                               std::string_view routing_key, amqp::TableView arguments) {
  auto table = decode(arguments);
  if (!table) return tl::unexpected(table.error());
  auto name = resolve(queue);
  if (!name) return tl::unexpected(name.error());
  if (auto allowed = check_queue(Access::write, *name); !allowed) return allowed;
  if (auto allowed = check_exchange(Access::read, exchange); !allowed) return allowed;
  // With neither queue nor key given, the key is the queue's name too (AMQP 0-9-1, queue.bind, rule "default-queue").
  const BindingSpec binding{std::string(exchange), DestinationKind::queue, *name,
                            queue.empty() && routing_key.empty() ? *name : std::string(routing_key), std::move(*table)};
  return session_.vhost()->write([&](Vhost& topology) {
    return add ? topology.bind(binding, session_.id()) : topology.unbind(binding, session_.id());
  });
}

void Channel::on(const amqp::QueueBind& method) {
  auto bound = change_queue_binding(true, method.queue, method.exchange, method.routing_key, method.arguments);
  if (!bound) return refuse<amqp::QueueBind>(bound.error());
  if (!method.nowait) send(amqp::QueueBindOk{});
}

void Channel::on(const amqp::QueueUnbind& method) {
  auto unbound = change_queue_binding(false, method.queue, method.exchange, method.routing_key, method.arguments);
  if (!unbound) return refuse<amqp::QueueUnbind>(unbound.error());
  send(amqp::QueueUnbindOk{});
}

void Channel::on(const amqp::QueuePurge& method) {
  auto found = resolve(method.queue).and_then([&](const std::string& name) -> AmqpResult<QueueEntryRef> {
    if (auto allowed = check_queue(Access::read, name); !allowed) return tl::unexpected(allowed.error());
    return find_queue(name);
  });
  if (!found) return refuse<amqp::QueuePurge>(found.error());
  session_.host().purge(*found, session_.when_answered(*this, [this, nowait = method.nowait](std::uint32_t count) {
    if (!nowait) send(amqp::QueuePurgeOk{count});
  }));
}

void Channel::on(const amqp::QueueDelete& method) {
  auto name = resolve(method.queue);
  if (!name) return refuse<amqp::QueueDelete>(name.error());
  if (auto allowed = check_queue(Access::configure, *name); !allowed) {
    return refuse<amqp::QueueDelete>(allowed.error());
  }
  auto found = find_queue(*name);
  if (!found && found.error().code == ReplyCode::not_found) {
    // Deleting what is not there is what the client wanted.
    if (!method.nowait) send(amqp::QueueDeleteOk{0});
    return;
  }
  if (!found) return refuse<amqp::QueueDelete>(found.error());
  session_.host().delete_queue(
      session_.vhost(), *found, {method.if_unused, method.if_empty},
      session_.when_answered(*this, [this, nowait = method.nowait](AmqpResult<std::uint32_t> count) {
        if (!count) return refuse<amqp::QueueDelete>(count.error());
        if (!nowait) send(amqp::QueueDeleteOk{*count});
      }));
}

}  // namespace wherry::broker
