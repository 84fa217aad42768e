// basic.* and confirm.*: publishing, consuming, settling.
#include <algorithm>
#include <charconv>

#include "base/uuid.h"
#include "broker/routing/arguments.h"
#include "broker/session/channel_impl.h"

namespace wherry::broker {

using amqp::ReplyCode;

// --- publishing ------------------------------------------------------------------------------------------------------

namespace {

// RabbitMQ's words for what is wrong with an expiration, or empty when it is fine.
std::string expiration_trouble(std::string_view text) {
  std::uint64_t value = 0;
  const bool negative = text.starts_with('-');
  std::string_view digits = negative ? text.substr(1) : text;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (end == digits.data()) return "no_integer";
  if (end != digits.data() + digits.size()) {
    return fmt::format("{{leftover_string,\"{}\"}}", std::string_view(end, digits.data() + digits.size()));
  }
  if (negative && value > 0) return fmt::format("{{value_negative,{}}}", text);
  if (error != std::errc{} || value > 0xFFFFFFFFu) return fmt::format("{{value_too_big,{}}}", digits);
  return {};
}

// RabbitMQ's classic queues allow basic.get beside a single active consumer, its quorum queues do not.
bool refuses_get(const amqp::Table& arguments) {
  bool single_active = false;
  const std::string* type = arguments.string("x-queue-type");
  return type && *type == "quorum" && arguments.boolean("x-single-active-consumer", single_active) && single_active;
}

}  // namespace

AmqpResult<void> Channel::check_properties(const amqp::PropertiesView& properties) const {
  if (properties.expiration) {
    if (auto trouble = expiration_trouble(*properties.expiration); !trouble.empty()) {
      return amqp_fail(ReplyCode::precondition_failed,
                       fmt::format("invalid expiration '{}': {}", *properties.expiration, trouble));
    }
  }
  if (properties.user_id && *properties.user_id != session_.user().name()) {
    return amqp_fail(ReplyCode::precondition_failed,
                     fmt::format("user_id property set to '{}' but authenticated user was '{}'", *properties.user_id,
                                 session_.user().name()));
  }
  return {};
}

void Channel::on_publish(const amqp::BasicPublish& method, const amqp::ContentHeader& header) {
  incoming_.reset();
  auto accepted = [&]() -> AmqpResult<void> {
    if (method.immediate) return amqp_fail(ReplyCode::not_implemented, "immediate=true");
    // Users do not change: a channel that stays with its exchange asks once.
    if (!may_write_ || may_write_to_ != method.exchange) {
      if (auto allowed = check_exchange(Access::write, method.exchange); !allowed) return allowed;
      may_write_to_ = method.exchange;
      may_write_ = true;
    }
    const amqp::PropertiesView& properties = header.view;
    if (auto fine = check_properties(properties); !fine) return fine;
    incoming_copies_.clear();
    if (properties.headers) {
      auto copies = carbon_copies(*properties.headers);
      if (!copies) return tl::unexpected(copies.error());
      incoming_copies_ = std::move(*copies);
    }
    Message::Origin origin;
    origin.exchange = method.exchange;
    origin.routing_key = method.routing_key;
    origin.properties = header.properties;
    origin.delivery_mode = properties.delivery_mode.value_or(1);
    origin.priority = properties.priority.value_or(0);
    origin.body_size = header.body_size;
    origin.published_ms = session_.host().now_ms();
    incoming_ = Message::create(origin);
    incoming_mandatory_ = method.mandatory;
    return {};
  }();
  if (!accepted) refuse<amqp::BasicPublish>(accepted.error());
}

void Channel::on_body(std::string_view fragment) {
  if (incoming_) incoming_->append_body(fragment);
}

void Channel::on_publish_end() {
  if (!incoming_) return;
  const MessageRef message = std::move(incoming_);
  incoming_.reset();
  if (auto published = publish(message, incoming_mandatory_); !published) {
    refuse<amqp::BasicPublish>(published.error());
  }
}

AmqpResult<void> Channel::publish(const MessageRef& message, bool mandatory) {
  auto routed = routes_.find(*session_.vhost(), message->exchange(), message->routing_key(), message->properties());
  if (!routed) return tl::unexpected(routed.error());
  if (routed->delay_ms > 0) {
    const Lsn durable_at =
        session_.host().publish_later(session_.vhost(), message, message->published_ms() + routed->delay_ms);
    confirm_later(0, durable_at, false);
    return {};
  }
  if (incoming_copies_.empty()) {
    enqueue(message, mandatory, *routed->queues);
    return {};
  }
  RouteCache::Queues queues = *routed->queues;
  for (const std::string& key : incoming_copies_) {
    routed = routes_.find(*session_.vhost(), message->exchange(), key, message->properties());
    if (!routed) return tl::unexpected(routed.error());
    queues.insert(queues.end(), routed->queues->begin(), routed->queues->end());
  }
  std::sort(queues.begin(), queues.end());
  queues.erase(std::unique(queues.begin(), queues.end()), queues.end());
  enqueue(message, mandatory, queues);
  return {};
}

void Channel::enqueue(const MessageRef& message, bool mandatory, const RouteCache::Queues& queues) {
  if (queues.empty() && mandatory) {
    // Before the confirm, so that a client knows what it is that was confirmed.
    amqp::BasicReturn returned{static_cast<std::uint16_t>(ReplyCode::no_route), "NO_ROUTE", message->exchange(),
                               message->routing_key()};
    send_message(returned, *message);
  }

  PublishTicket ticket{session_.id(), number_, incarnation_, confirming_ ? confirms_.next_tag() : 0};
  unsigned far = 0;
  Lsn durable_at = 0;
  bool refused = false;
  for (const QueueEntryRef& queue : queues) {
    auto outcome = session_.host().publish(queue, message, ticket);
    if (!outcome) {
      ++far;
      continue;
    }
    durable_at = std::max(durable_at, outcome->durable_at);
    refused = refused || !outcome->accepted;
  }
  confirm_later(far, durable_at, refused);
}

void Channel::confirm_later(unsigned far, Lsn durable_at, bool refused) {
  if (!confirming_) return;
  confirms_.add(far, durable_at, refused);
  ask_confirm_flush();
}

void Channel::on(const amqp::ConfirmSelect& method) {
  confirming_ = true;
  if (!method.nowait) send(amqp::ConfirmSelectOk{});
}

void Channel::on(const amqp::TxSelect&) {
  refuse<amqp::TxSelect>({ReplyCode::not_implemented, "transactions", {}, true});
}

void Channel::on(const amqp::AccessRequest&) {
  send(amqp::AccessRequestOk{1});
}

// --- consuming -------------------------------------------------------------------------------------------------------

void Channel::on(const amqp::BasicQos& method) {
  if (method.prefetch_size != 0) {
    return refuse<amqp::BasicQos>(
        {ReplyCode::not_implemented, fmt::format("prefetch_size!=0 ({})", method.prefetch_size), {}, true});
  }
  if (method.global) {
    prefetch_ = method.prefetch_count;
  } else {
    consumer_prefetch_ = method.prefetch_count;
    // For live consumers too: RabbitMQ leaves them as they were, and Celery, which changes its prefetch as it runs,
    // waits in vain there.
    for (auto& [tag, subscription] : subscriptions_) {
      session_.host().set_prefetch(subscription->queue, *subscription, consumer_prefetch_);
    }
  }
  send(amqp::BasicQosOk{});
  resume_parked();
}

void Channel::on(const amqp::BasicConsume& method) {
  auto prepared = [&]() -> AmqpResult<Subscription*> {
    auto arguments = amqp::decode_table(method.arguments);
    if (!arguments) return amqp_fail(ReplyCode::syntax_error, arguments.error().message);
    auto name = resolve(method.queue);
    if (!name) return tl::unexpected(name.error());
    if (auto allowed = check_queue(Access::read, *name); !allowed) return tl::unexpected(allowed.error());
    std::string tag = method.consumer_tag.empty() ? "amq.ctag-" + random_name(22) : std::string(method.consumer_tag);
    if (subscriptions_.contains(tag)) {
      return amqp_fail(ReplyCode::not_allowed, fmt::format("attempt to reuse consumer tag '{}'", tag));
    }
    auto queue = find_queue(*name);
    if (!queue) return tl::unexpected(queue.error());
    if (auto fit = check_consumer_arguments(*arguments, resource("queue", *name, session_.vhost()->name())); !fit) {
      return tl::unexpected(fit.error());
    }
    auto subscription =
        std::make_unique<Subscription>(*this, session_.host().next_consumer_key(), *queue, tag, method.no_ack);
    return subscriptions_.emplace(tag, std::move(subscription)).first->second.get();
  }();
  if (!prepared) return refuse<amqp::BasicConsume>(prepared.error());

  Subscription& subscription = **prepared;
  ConsumerOptions options;
  options.tag = subscription.tag;
  options.no_ack = method.no_ack;
  options.exclusive = method.exclusive;
  options.prefetch = consumer_prefetch_;
  options.arguments = *amqp::decode_table(method.arguments);
  if (std::int64_t priority = 0; options.arguments.integer("x-priority", priority)) {
    options.priority = static_cast<std::int32_t>(std::clamp<std::int64_t>(priority, INT32_MIN, INT32_MAX));
  }
  // Deliveries may be offered before the answer is there: deliver() refuses them until consume-ok was written.
  session_.host().consume(
      session_.vhost(), subscription.queue, subscription, options,
      session_.when_answered(*this, [this, tag = subscription.tag, nowait = method.nowait](AmqpResult<void> added) {
        if (!added) {
          subscriptions_.erase(tag);
          return refuse<amqp::BasicConsume>(added.error());
        }
        if (!nowait) send(amqp::BasicConsumeOk{tag});
        // The queue may have been deleted since, and the subscription with it.
        if (auto found = subscriptions_.find(tag); found != subscriptions_.end()) start(*found->second);
      }));
}

void Channel::on(const amqp::BasicCancel& method) {
  auto found = subscriptions_.find(method.consumer_tag);
  if (found == subscriptions_.end()) {
    if (!method.nowait) send(amqp::BasicCancelOk{method.consumer_tag});
    return;
  }
  // Deliveries under way from another shard still reach the client, before cancel-ok.
  session_.host().cancel(found->second->queue, *found->second,
                         session_.when_answered(*this, [this, tag = found->first, nowait = method.nowait] {
                           // With its queue it may be gone already.
                           if (auto cancelled = subscriptions_.find(tag); cancelled != subscriptions_.end()) {
                             std::erase(parked_, cancelled->second.get());
                             subscriptions_.erase(cancelled);
                           }
                           if (!nowait) send(amqp::BasicCancelOk{tag});
                         }));
}

void Channel::on(const amqp::BasicGet& method) {
  auto found = resolve(method.queue).and_then([&](const std::string& name) -> AmqpResult<QueueEntryRef> {
    if (auto allowed = check_queue(Access::read, name); !allowed) return tl::unexpected(allowed.error());
    return find_queue(name);
  });
  if (!found) return refuse<amqp::BasicGet>(found.error());
  if (const amqp::Table& arguments = (*found)->spec.arguments; refuses_get(arguments)) {
    return refuse<amqp::BasicGet>({ReplyCode::resource_locked,
                                   fmt::format("cannot obtain access to locked {}. basic.get operations are not "
                                               "supported by quorum queues with single active consumer",
                                               resource("queue", (*found)->spec.name, session_.vhost()->name())),
                                   {},
                                   false});
  }
  auto reply = [this, queue = *found, no_ack = method.no_ack](std::optional<Host::Got> got) {
    if (!got) return send(amqp::BasicGetEmpty{});
    const MessageRef& message = got->delivery.message;
    const std::uint64_t tag = no_ack ? unsettled_.pass() : unsettled_.add(queue, 0, got->delivery.position);
    amqp::BasicGetOk method_out{tag, got->delivery.redelivered, message->exchange(), message->routing_key(),
                                got->remaining};
    send_message(method_out, *message);
  };
  session_.host().get(*found, method.no_ack, session_.when_answered(*this, std::move(reply)));
}

// --- settling --------------------------------------------------------------------------------------------------------

template <class M>
void Channel::settle(std::uint64_t tag, bool multiple, Settlement how) {
  settling_.clear();
  if (!unsettled_.take(tag, multiple, settling_)) {
    return refuse<M>({ReplyCode::precondition_failed, fmt::format("unknown delivery tag {}", tag), {}, false});
  }
  settle_all(session_.host(), settling_, how);
  resume_parked();
}

void Channel::on(const amqp::BasicAck& method) {
  settle<amqp::BasicAck>(method.delivery_tag, method.multiple, Settlement::ack);
}

void Channel::on(const amqp::BasicNack& method) {
  settle<amqp::BasicNack>(method.delivery_tag, method.multiple,
                          method.requeue ? Settlement::requeue : Settlement::discard);
}

void Channel::on(const amqp::BasicReject& method) {
  settle<amqp::BasicReject>(method.delivery_tag, false, method.requeue ? Settlement::requeue : Settlement::discard);
}

void Channel::recover() {
  settle_all(session_.host(), unsettled_.take_all(), Settlement::requeue);
  resume_parked();
}

void Channel::on(const amqp::BasicRecover& method) {
  if (!method.requeue) return refuse<amqp::BasicRecover>({ReplyCode::not_implemented, "requeue=false", {}, true});
  send(amqp::BasicRecoverOk{});
  recover();
}

void Channel::on(const amqp::BasicRecoverAsync& method) {
  if (!method.requeue) return refuse<amqp::BasicRecoverAsync>({ReplyCode::not_implemented, "requeue=false", {}, true});
  recover();
}

}  // namespace wherry::broker
