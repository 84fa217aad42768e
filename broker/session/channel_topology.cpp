// exchange.* and queue.*: names, permissions and replies; the rules themselves are the vhost's.
#include "base/uuid.h"
#include "broker/routing/exchange.h"
#include "broker/session/channel_impl.h"

namespace wherry::broker {

using amqp::ReplyCode;

namespace {

AmqpResult<amqp::Table> decode(amqp::TableView view) {
  auto table = amqp::decode_table(view);
  if (!table) return amqp_fail(ReplyCode::syntax_error, table.error().message);
  return std::move(*table);
}

// RabbitMQ takes line ends out of the names in declarations, deletions and bindings, so a name copied with its line's
// end works.
std::string without_line_ends(std::string_view name) {
  std::string without(name);
  std::erase_if(without, [](char c) { return c == '\r' || c == '\n'; });
  return without;
}

}  // namespace

template <class M>
void Channel::answer_when_kept(bool nowait, const M& answer) {
  // Without an answer too: a later one would tell as much.
  session_.await_commit(session_.host().recorded());
  if (!nowait) send(answer);
}

// --- exchanges -------------------------------------------------------------------------------------------------------

void Channel::on(const amqp::ExchangeDeclare& method) {
  const std::string name = without_line_ends(method.exchange);
  auto declared = [&]() -> AmqpResult<void> {
    auto arguments = decode(method.arguments);
    if (!arguments) return tl::unexpected(arguments.error());
    // What nobody may do is refused as that, whoever asks.
    if (!method.passive && is_exchange_type(method.type) && !name.empty()) {
      if (auto allowed = check_exchange(Access::configure, name); !allowed) return allowed;
      const std::string* alternate = arguments->string("alternate-exchange");
      if (alternate && !session_.vhost()->read([&](const Vhost& topology) { return topology.has_exchange(name); })) {
        if (auto allowed = check_exchange(Access::read, name); !allowed) return allowed;
        if (auto allowed = check_exchange(Access::write, *alternate); !allowed) return allowed;
      }
    }
    const ExchangeSpec spec{
        name, std::string(method.type), method.durable, method.auto_delete, method.internal, std::move(*arguments)};
    return session_.vhost()->write([&](Vhost& topology) { return topology.declare_exchange(spec, method.passive); });
  }();
  if (!declared) return refuse<amqp::ExchangeDeclare>(declared.error());
  answer_when_kept(method.nowait, amqp::ExchangeDeclareOk{});
}

void Channel::on(const amqp::ExchangeDelete& method) {
  const std::string name = without_line_ends(method.exchange);
  auto allowed = name.empty() ? AmqpResult<void>{} : check_exchange(Access::configure, name);
  auto deleted = allowed.and_then([&]() {
    return session_.vhost()->write([&](Vhost& topology) { return topology.delete_exchange(name, method.if_unused); });
  });
  if (!deleted) return refuse<amqp::ExchangeDelete>(deleted.error());
  session_.host().exchange_deleted(session_.vhost(), name);
  answer_when_kept(method.nowait, amqp::ExchangeDeleteOk{});
}

AmqpResult<void> Channel::change_exchange_binding(bool add, std::string_view to, std::string_view from,
                                                  std::string_view routing_key, amqp::TableView arguments) {
  const std::string destination = without_line_ends(to), source = without_line_ends(from);
  auto table = decode(arguments);
  if (!table) return tl::unexpected(table.error());
  if (auto allowed = check_exchange(Access::write, destination); !allowed) return allowed;
  if (auto allowed = check_exchange(Access::read, source); !allowed) return allowed;
  if (auto allowed = check_topic(Access::read, source, routing_key); !allowed) return allowed;
  const BindingSpec binding{source, DestinationKind::exchange, destination, std::string(routing_key),
                            std::move(*table)};
  return session_.vhost()->write([&](Vhost& topology) {
    return add ? topology.bind(binding, session_.id()) : topology.unbind(binding, session_.id());
  });
}

void Channel::on(const amqp::ExchangeBind& method) {
  auto bound = change_exchange_binding(true, method.destination, method.source, method.routing_key, method.arguments);
  if (!bound) return refuse<amqp::ExchangeBind>(bound.error());
  answer_when_kept(method.nowait, amqp::ExchangeBindOk{});
}

void Channel::on(const amqp::ExchangeUnbind& method) {
  auto unbound =
      change_exchange_binding(false, method.destination, method.source, method.routing_key, method.arguments);
  if (!unbound) return refuse<amqp::ExchangeUnbind>(unbound.error());
  answer_when_kept(method.nowait, amqp::ExchangeUnbindOk{});
}

// --- queues ----------------------------------------------------------------------------------------------------------

void Channel::answer_declare(const QueueEntryRef& entry, bool nowait) {
  last_queue_ = entry->spec.name;
  after_dead_letters([this, entry, nowait] {
    session_.host().declared_again(entry, session_.when_answered(*this, [this, entry, nowait](Host::Counts counts) {
      session_.await_commit(*entry);
      if (!nowait) send(amqp::QueueDeclareOk{entry->spec.name, counts.ready, counts.consumers});
    }));
  });
}

void Channel::on(const amqp::QueueDeclare& method) {
  const std::string name = without_line_ends(method.queue);
  if (name.starts_with(direct_reply_name)) return declare_replies(method);
  if (method.passive) {
    // Here alone an empty name is not the last one declared.
    auto found = find_queue(name);
    if (!found) return refuse<amqp::QueueDeclare>(found.error());
    return answer_declare(*found, method.nowait);
  }
  const bool server_named = name.empty();
  auto declared = [&]() -> AmqpResult<Vhost::Declared> {
    auto arguments = decode(method.arguments);
    if (!arguments) return tl::unexpected(arguments.error());
    QueueSpec spec{server_named ? "amq.gen-" + random_name(22) : name, method.durable, method.exclusive,
                   method.auto_delete, std::move(*arguments)};
    if (server_named || !name.starts_with("amq.")) {
      if (auto allowed = check_queue(Access::configure, spec.name); !allowed) return tl::unexpected(allowed.error());
    }
    const std::string* dead_letters_to = spec.arguments.string("x-dead-letter-exchange");
    if (dead_letters_to && !find_queue(spec.name)) {
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
  ++session_.host().counts().queues_declared;
  if (declared->created) {
    ++session_.host().counts().queues_created;
    session_.host().create_queue(session_.vhost(), declared->queue);
    if (method.exclusive) session_.own(declared->queue);
  }
  answer_declare(declared->queue, method.nowait);
}

AmqpResult<void> Channel::change_queue_binding(bool add, std::string_view to, std::string_view from,
                                               std::string_view routing_key, amqp::TableView arguments) {
  const std::string queue = without_line_ends(to), exchange = without_line_ends(from);
  auto table = decode(arguments);
  if (!table) return tl::unexpected(table.error());
  auto name = resolve(queue);
  if (!name) return tl::unexpected(name.error());
  if (!exchange.empty()) {
    if (auto allowed = check_queue(Access::write, *name); !allowed) return allowed;
    if (auto allowed = check_exchange(Access::read, exchange); !allowed) return allowed;
    if (auto allowed = check_topic(Access::read, exchange, routing_key); !allowed) return allowed;
  }
  // With neither queue nor key given, the key is the queue's name too (AMQP 0-9-1, queue.bind, rule "default-queue").
  const BindingSpec binding{exchange, DestinationKind::queue, *name,
                            queue.empty() && routing_key.empty() ? *name : std::string(routing_key), std::move(*table)};
  return session_.vhost()->write([&](Vhost& topology) {
    return add ? topology.bind(binding, session_.id()) : topology.unbind(binding, session_.id());
  });
}

void Channel::on(const amqp::QueueBind& method) {
  auto bound = change_queue_binding(true, method.queue, method.exchange, method.routing_key, method.arguments);
  if (!bound) return refuse<amqp::QueueBind>(bound.error());
  answer_when_kept(method.nowait, amqp::QueueBindOk{});
}

void Channel::on(const amqp::QueueUnbind& method) {
  auto unbound = change_queue_binding(false, method.queue, method.exchange, method.routing_key, method.arguments);
  if (!unbound) return refuse<amqp::QueueUnbind>(unbound.error());
  answer_when_kept(false, amqp::QueueUnbindOk{});
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
  auto name = resolve(without_line_ends(method.queue));
  if (!name) return refuse<amqp::QueueDelete>(name.error());
  if (auto allowed = check_queue(Access::configure, *name); !allowed) {
    return refuse<amqp::QueueDelete>(allowed.error());
  }
  auto found = find_queue(*name);
  if (!found && found.error().code == ReplyCode::not_found) {
    // Deleting what is not there is what the client wanted.
    answer_when_kept(method.nowait, amqp::QueueDeleteOk{0});
    return;
  }
  if (!found) return refuse<amqp::QueueDelete>(found.error());
  if ((method.if_unused || method.if_empty) && is_quorum((*found)->spec.arguments)) {
    return refuse<amqp::QueueDelete>(
        {ReplyCode::not_implemented,
         fmt::format("cannot delete {}. queue.delete operations with {} flag set are not supported by quorum queues",
                     resource("queue", *name, session_.vhost()->name()), method.if_unused ? "if-unused" : "if-empty"),
         {},
         true});
  }
  // A client that hears first that its consumer is gone may leave before it has the answer it asked for.
  deleting_.emplace();
  session_.host().delete_queue(
      session_.vhost(), *found, {method.if_unused, method.if_empty},
      session_.when_answered(*this, [this, nowait = method.nowait](AmqpResult<std::uint32_t> count) {
        const std::vector<std::string> cancelled = *std::exchange(deleting_, std::nullopt);
        if (!count) return refuse<amqp::QueueDelete>(count.error());
        answer_when_kept(nowait, amqp::QueueDeleteOk{*count});
        for (const std::string& consumer_tag : cancelled) tell_cancelled(consumer_tag);
      }));
}

}  // namespace wherry::broker
