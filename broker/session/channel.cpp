#include "broker/session/channel.h"

#include <algorithm>

#include "base/log.h"
#include "broker/session/channel_impl.h"

namespace wherry::broker {

using amqp::ReplyCode;

Channel::Channel(Session& session, std::uint16_t number, std::uint32_t incarnation)
    : session_(session), number_(number), incarnation_(incarnation) {}

Channel::~Channel() {
  end();
}

template <class M>
void Channel::on(const M&) {
  refuse<M>({ReplyCode::command_invalid, fmt::format("{} is not for a server to hear", M::name), {}, true});
}

void Channel::on_method(const amqp::Method& method) {
  std::visit([this](const auto& each) { on(each); }, method);
}

void Channel::end() {
  if (ended_) return;
  ended_ = true;
  for (auto& [tag, subscription] : subscriptions_) {
    session_.host().cancel(session_.vhost(), subscription->queue, *subscription);
  }
  subscriptions_.clear();
  parked_.clear();
  settle_all(session_.host(), unsettled_.take_all(), Settlement::requeue);
}

AmqpResult<void> Channel::check(Access access, std::string_view kind, std::string_view name) const {
  const std::string& vhost = session_.vhost()->name();
  if (session_.user().may(access, vhost, name)) return {};
  return amqp_fail(ReplyCode::access_refused, fmt::format("access to {} '{}' in vhost '{}' refused for user '{}'", kind,
                                                          name, vhost, session_.user().name()));
}

AmqpResult<void> Channel::check_exchange(Access access, std::string_view exchange) const {
  return check(access, "exchange", exchange.empty() ? "amq.default" : exchange);
}

AmqpResult<void> Channel::check_queue(Access access, std::string_view queue) const {
  return check(access, "queue", queue);
}

AmqpResult<std::string> Channel::resolve(std::string_view queue) const {
  if (!queue.empty()) return std::string(queue);
  if (last_queue_.empty()) return amqp_fail(ReplyCode::not_found, "no previously declared queue");
  return last_queue_;
}

AmqpResult<QueueEntryRef> Channel::find_queue(std::string_view queue) const {
  return session_.vhost()->read([&](const Vhost& topology) { return topology.find_queue(queue, session_.id()); });
}

// --- deliveries ------------------------------------------------------------------------------------------------------

void Channel::start(Subscription& subscription) {
  subscription.started = true;
  if (!std::exchange(subscription.parked, false)) return;
  session_.host().resume(subscription.queue, subscription);
}

bool Channel::deliver(Subscription& to, const Delivery& delivery) {
  if (!to.started) {
    to.parked = true;
    return false;
  }
  const bool room = session_.window_open() && (to.no_ack || !full());
  if (!room) {
    if (!to.parked) {
      to.parked = true;
      parked_.push_back(&to);
    }
    return false;
  }
  const std::uint64_t tag = to.no_ack ? unsettled_.pass() : unsettled_.add(to.queue, to.number, delivery.position);
  amqp::BasicDeliver method;
  method.consumer_tag = to.tag;
  method.delivery_tag = tag;
  method.redelivered = delivery.redelivered;
  method.exchange = delivery.message->exchange();
  method.routing_key = delivery.message->routing_key();
  session_.connection().send_content(
      number_, method, delivery.message->properties(), delivery.message->body(),
      [](const void* message) { return static_cast<const Message*>(message)->pin(); }, delivery.message.get());
  session_.touch();
  return true;
}

void Channel::resume_parked() {
  // Each of those that are parked now once: resume() may park it again at the end.
  for (std::size_t left = parked_.size(); left > 0 && !parked_.empty(); --left) {
    Subscription* next = parked_.front();
    if (!session_.window_open()) return;
    if (!next->no_ack && full()) {
      // Others may take without ack; this one keeps its turn.
      parked_.pop_front();
      parked_.push_back(next);
      continue;
    }
    parked_.pop_front();
    next->parked = false;
    session_.host().resume(next->queue, *next);
  }
}

void Channel::queue_deleted(Subscription& subscription) {
  unsettled_.forget(subscription.queue);
  std::erase(parked_, &subscription);
  auto node = subscriptions_.extract(subscription.tag);
  if (session_.has_capability("consumer_cancel_notify")) {
    send(amqp::BasicCancel{.consumer_tag = node.key(), .nowait = true});
  }
}

// --- confirms --------------------------------------------------------------------------------------------------------

void Channel::on_published(std::uint64_t tag, bool accepted) {
  confirms_.answer(tag, accepted);
  ask_confirm_flush();
}

void Channel::ask_confirm_flush() {
  if (std::exchange(confirm_flush_asked_, true)) return;
  session_.flush_confirms_of(*this);
}

void Channel::flush_confirms() {
  confirm_flush_asked_ = false;
  if (ended_) return;
  confirms_.flush(session_.host().durable(), {[this](std::uint64_t tag, bool multiple) {
                                                send(amqp::BasicAck{tag, multiple});
                                              },
                                              [this](std::uint64_t tag) {
                                                send(amqp::BasicNack{tag, false, false});
                                              }});
  if (confirms_.waits_for_store()) {
    confirm_flush_asked_ = true;
    session_.flush_confirms_when_durable(*this);
  }
}

}  // namespace wherry::broker
