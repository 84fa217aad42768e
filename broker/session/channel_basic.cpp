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

const RouteCache::Queues nowhere;

// RabbitMQ's words for what is wrong with an expiration, or empty when it is fine.
std::string expiration_trouble(std::string_view text) {
  std::uint64_t value = 0;
  const bool negative = text.starts_with('-');
  std::string_view digits = negative || text.starts_with('+') ? text.substr(1) : text;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (end == digits.data()) return "no_integer";
  if (end != digits.data() + digits.size()) {
    return fmt::format("{{leftover_string,\"{}\"}}", std::string_view(end, digits.data() + digits.size()));
  }
  if (negative && value > 0) return fmt::format("{{value_negative,{}}}", text);
  if (error != std::errc{} || value > std::uint64_t{max_expiry_ms})
    return fmt::format("{{value_too_large,{}}}", digits);
  return {};
}

// RabbitMQ's classic queues allow basic.get beside a single active consumer, its quorum queues do not.
bool refuses_get(const amqp::Table& arguments) {
  bool single_active = false;
  return is_quorum(arguments) && arguments.boolean("x-single-active-consumer", single_active) && single_active;
}

}  // namespace

AmqpResult<void> Channel::check_properties(const amqp::PropertiesView& properties) const {
  if (properties.user_id && *properties.user_id != session_.user().name() && !session_.user().may_impersonate()) {
    return amqp_fail(ReplyCode::precondition_failed,
                     fmt::format("user_id property set to '{}' but authenticated user was '{}'", *properties.user_id,
                                 session_.user().name()));
  }
  if (properties.expiration) {
    if (auto trouble = expiration_trouble(*properties.expiration); !trouble.empty()) {
      return amqp_fail(ReplyCode::precondition_failed,
                       fmt::format("invalid expiration '{}': {}", *properties.expiration, trouble));
    }
  }
  if (properties.delivery_mode && *properties.delivery_mode != 1 && *properties.delivery_mode != 2) {
    return amqp_fail(ReplyCode::precondition_failed,
                     fmt::format("invalid message: {{delivery_mode_unknown,{}}}", *properties.delivery_mode));
  }
  return {};
}

void Channel::on_publish(const amqp::BasicPublish& method, const amqp::ContentHeader& header) {
  incoming_.reset();
  auto accepted = [&]() -> AmqpResult<void> {
    if (method.immediate) return amqp_fail(ReplyCode::not_implemented, "immediate=true");
    // A channel that stays with its exchange asks once, and again when users have changed.
    if (!may_write_ || may_write_to_ != method.exchange || may_write_as_of_ != session_.user_version()) {
      may_write_ = false;
      may_write_as_of_ = session_.user_version();
      if (auto allowed = check_exchange(Access::write, method.exchange); !allowed) return allowed;
      may_write_to_ = method.exchange;
      may_write_ = true;
      looks_at_topic_ = session_.user().has_topic_permission(session_.vhost()->name(), method.exchange);
    }
    if (looks_at_topic_) {
      if (auto allowed = check_topic(Access::write, method.exchange, method.routing_key); !allowed) return allowed;
    }
    const amqp::PropertiesView& properties = header.view;
    std::string asking;  // Properties with our address, of a request for a direct reply.
    AmqpResult<void> fine;
    if (properties.reply_to && *properties.reply_to == direct_reply_name) {
      if (auto changed = with_reply_address(method, header)) {
        asking = std::move(*changed);
      } else {
        fine = tl::unexpected(changed.error());
      }
    }
    if (fine) fine = check_properties(properties);
    if (!fine) {
      // Whether there is such an exchange comes first.
      auto routed = routes_.find(*session_.vhost(), method.exchange, method.routing_key, header.properties);
      return routed ? fine : tl::unexpected(routed.error());
    }
    incoming_copies_.clear();
    if (properties.headers) {
      auto copies = carbon_copies(*properties.headers);
      if (!copies) return tl::unexpected(copies.error());
      incoming_copies_ = std::move(*copies);
    }
    ++counts_.published;
    if (confirming_) ++counts_.published_confirming;
    ++counts_of(method.exchange).in;
    session_.host().counts().sizes.add(header.body_size);
    Message::Origin origin;
    origin.exchange = method.exchange;
    origin.routing_key = method.routing_key;
    origin.properties = asking.empty() ? header.properties : asking;
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
  if (auto published = publish(std::move(incoming_), incoming_mandatory_); !published) {
    refuse<amqp::BasicPublish>(published.error());
  }
}

AmqpResult<void> Channel::publish(MessageRef message, bool mandatory) {
  const bool to_default = message->exchange().empty();
  bool replies = to_default && is_reply_address(message->routing_key());
  auto routed =
      replies ? AmqpResult<RouteCache::Route>(RouteCache::Route{&nowhere})
              : routes_.find(*session_.vhost(), message->exchange(), message->routing_key(), message->properties());
  if (!routed) return tl::unexpected(routed.error());
  if (routed->known != nullptr || routed->delay_ms > 0 || !incoming_copies_.empty() || transaction_) {
    return publish_specially(std::move(message), mandatory, replies, *routed);
  }
  confirm_later(
      hand_over(std::move(message), mandatory, replies, *routed->queues, confirming_ ? confirms_.next_tag() : 0));
  return {};
}

AmqpResult<void> Channel::publish_specially(MessageRef message, bool mandatory, bool replies, RouteCache::Route route) {
  const std::shared_ptr<SharedDeduplication> known = route.known != nullptr ? *route.known : nullptr;
  // In a transaction the commit decides.
  if (known && !transaction_ && !once_.begin(known, *message)) {
    confirm_later({});
    return {};
  }
  if (route.delay_ms > 0) {
    if (transaction_) return hold({std::move(message), {}, route.delay_ms, mandatory, false, known});
    const Lsn durable_at =
        session_.host().publish_later(session_.vhost(), message, message->published_ms() + route.delay_ms);
    once_.settle(0, 0);
    confirm_later({0, durable_at, false});
    return {};
  }
  if (incoming_copies_.empty()) return enqueue(std::move(message), mandatory, replies, *route.queues, known);
  const bool to_default = message->exchange().empty();
  RouteCache::Queues queues = *route.queues;
  for (const std::string& key : incoming_copies_) {
    if (to_default && is_reply_address(key)) {
      replies = true;
      continue;
    }
    const auto routed = routes_.find(*session_.vhost(), message->exchange(), key, message->properties());
    if (!routed) {
      once_.undo();
      return tl::unexpected(routed.error());
    }
    queues.insert(queues.end(), routed->queues->begin(), routed->queues->end());
  }
  std::sort(queues.begin(), queues.end());
  queues.erase(std::unique(queues.begin(), queues.end()), queues.end());
  return enqueue(std::move(message), mandatory, replies, queues, known);
}

AmqpResult<void> Channel::enqueue(MessageRef message, bool mandatory, bool replies, const RouteCache::Queues& queues,
                                  const std::shared_ptr<SharedDeduplication>& known) {
  if (transaction_) return hold({std::move(message), queues, 0, mandatory, replies, known});
  confirm_later(hand_over(std::move(message), mandatory, replies, queues, confirming_ ? confirms_.next_tag() : 0));
  return {};
}

Channel::Handed Channel::hand_over(MessageRef&& message, bool mandatory, bool replies, const RouteCache::Queues& queues,
                                   std::uint64_t tag) {
  if (can_be_heard(message->exchange())) session_.host().heard(session_.vhost(), message);
  const bool heard = replies && reply(message, mandatory);
  count_fate(*message, mandatory, heard, queues.size());
  if (queues.empty() && mandatory && !heard) {
    // Before the confirm, so that a client knows what it is that was confirmed.
    amqp::BasicReturn returned{static_cast<std::uint16_t>(ReplyCode::no_route), "NO_ROUTE", message->exchange(),
                               message->routing_key()};
    send_message(returned, *message);
  }

  const PublishTicket ticket{session_.id(), number_, incarnation_, tag};
  Handed handed;
  for (const QueueEntryRef& queue : queues) {
    // A confirm for a queue that a power cut takes away would be a lie.
    if (tag != 0) session_.await_commit(*queue);
    // The last one takes the reference along.
    auto outcome = session_.host().publish(queue, &queue == &queues.back() ? std::move(message) : message, ticket);
    if (!outcome) {
      ++handed.far;
      continue;
    }
    handed.durable_at = std::max(handed.durable_at, outcome->durable_at);
    handed.refused = handed.refused || !outcome->accepted;
  }
  if (once_.begun() && (queues.empty() || handed.refused)) {
    once_.undo();
  } else if (once_.begun()) {
    // A commit has one tag for all of its publishes: there a key counts from the commit on.
    once_.settle(transaction_ ? 0 : tag, handed.far);
  }
  return handed;
}

void Channel::count_fate(const Message& message, bool mandatory, bool heard, std::size_t queues) {
  if (queues > 0 || heard) {
    ++counts_.routed;
    if (queues > 0) counts_of(message.exchange()).out += queues;
  } else {
    ++(mandatory ? counts_.returned : counts_.dropped);
  }
}

Channel::Handed& Channel::Handed::operator+=(const Handed& other) {
  far += other.far;
  durable_at = std::max(durable_at, other.durable_at);
  refused = refused || other.refused;
  return *this;
}

void Channel::confirm_later(const Handed& handed) {
  if (!confirming_) return;
  confirms_.add(handed.far, handed.durable_at, handed.refused);
  ask_confirm_flush();
}

void Channel::on(const amqp::ConfirmSelect& method) {
  if (transaction_) {
    return refuse<amqp::ConfirmSelect>(
        {ReplyCode::precondition_failed, "cannot switch from tx to confirm mode", {}, false});
  }
  confirming_ = true;
  if (!method.nowait) send(amqp::ConfirmSelectOk{});
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
      subscription->options.prefetch = consumer_prefetch_;
    }
  }
  send(amqp::BasicQosOk{});
  resume_parked();
}

void Channel::on(const amqp::BasicConsume& method) {
  if (method.queue == direct_reply_name) return consume_replies(method);
  auto prepared = [&]() -> AmqpResult<Subscription*> {
    auto arguments = amqp::decode_table(method.arguments);
    if (!arguments) return amqp_fail(ReplyCode::syntax_error, arguments.error().message);
    std::string tag = method.consumer_tag.empty() ? "amq.ctag-" + random_name(22) : std::string(method.consumer_tag);
    if (subscriptions_.contains(tag)) {
      return amqp_fail(ReplyCode::not_allowed, fmt::format("attempt to reuse consumer tag '{}'", tag));
    }
    auto name = resolve(method.queue);
    if (!name) return tl::unexpected(name.error());
    if (auto allowed = check_queue(Access::read, *name); !allowed) return tl::unexpected(allowed.error());
    auto queue = find_queue(*name);
    if (!queue) return tl::unexpected(queue.error());
    if (prefetch_ > 0 && is_quorum((*queue)->spec.arguments)) {
      return amqp_fail(
          ReplyCode::not_implemented,
          fmt::format("{} does not support global qos", resource("queue", *name, session_.vhost()->name())), true);
    }
    if (auto fit =
            check_consumer_arguments(*arguments, (*queue)->spec, resource("queue", *name, session_.vhost()->name()));
        !fit) {
      return tl::unexpected(fit.error());
    }
    bool lost_count = false;
    arguments->boolean("x-lost-count", lost_count);
    auto subscription = std::make_unique<Subscription>(*this, session_.host().next_consumer_key(), *queue, tag,
                                                       method.no_ack, lost_count);
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
  subscription.options = options;
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
  if (replies_ && replies_->tag == method.consumer_tag) stop_replies();
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
  if (!method.no_ack && !session_.takes_unacked()) {
    return refuse<amqp::BasicGet>({ReplyCode::precondition_failed,
                                   fmt::format("deliveries of {} bytes and more on this connection wait for an ack, "
                                               "the most there may be (unacked_max): acknowledge them first",
                                               session_.most_unacked()),
                                   {},
                                   false});
  }
  auto reply = [this, queue = *found, no_ack = method.no_ack](std::optional<Host::Got> got) {
    if (!got) {
      ++counts_.got_empty;
      return send(amqp::BasicGetEmpty{});
    }
    ++(no_ack ? counts_.got_no_ack : counts_.got);
    if (got->delivery.redelivered) ++counts_.redelivered;
    const MessageRef& message = got->delivery.message;
    const std::uint64_t bytes = message->body().size();
    const std::uint64_t tag = no_ack ? unsettled_.pass() : unsettled_.add(queue, 0, got->delivery.id(), bytes);
    if (!no_ack) took(bytes);
    amqp::BasicGetOk method_out{tag, got->delivery.redelivered, message->exchange(), message->routing_key(),
                                got->remaining};
    // RabbitMQ says so to get at the first delivery already, to consumers only from the second on.
    ToldCounts counts;
    if (is_quorum(queue->spec.arguments)) counts.returned = got->delivery.delivery_count;
    send_message(method_out, *message, counts);
  };
  after_dead_letters([this, queue = *found, no_ack = method.no_ack, reply = std::move(reply)] {
    session_.host().get(queue, no_ack, session_.when_answered(*this, reply));
  });
}

// --- settling --------------------------------------------------------------------------------------------------------

template <class M>
void Channel::settle(std::uint64_t tag, bool multiple, Settlement how) {
  settling_.clear();
  if (!unsettled_.take(tag, multiple, settling_)) {
    return refuse<M>({ReplyCode::precondition_failed, fmt::format("unknown delivery tag {}", tag), {}, false});
  }
  if (how == Settlement::ack) counts_.acked += settling_.size();
  if (transaction_) return transaction_->hold(how, std::move(settling_));
  gave_back(bytes_of(settling_));
  // Those that the channel's prefetch made wait come first, before the queue gives the room to whoever is next there.
  resume_parked();
  settle_now(settling_, how);
}

void Channel::settle_now(const std::vector<Unsettled::Entry>& entries, Settlement how) {
  broker::settle_all(session_.host(), entries, how);
  if (how != Settlement::discard) return;
  for (const Unsettled::Entry& each : entries) {
    if (std::find(discarded_at_.begin(), discarded_at_.end(), each.queue->home) != discarded_at_.end()) continue;
    discarded_at_.push_back(each.queue->home);
  }
}

void Channel::after_dead_letters(std::function<void()> then) {
  if (discarded_at_.empty()) return then();
  session_.host().await_dead_letters(std::exchange(discarded_at_, {}), session_.when_answered(*this, std::move(then)));
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
  const std::vector<Unsettled::Entry> all = unsettled_.take_all();
  gave_back(bytes_of(all));
  broker::settle_all(session_.host(), all, Settlement::requeue);
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
