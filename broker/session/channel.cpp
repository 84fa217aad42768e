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
  alive_.reset();
  parked_.clear();
  struct Leaving {
    QueueEntryRef queue;
    std::vector<ConsumerKey> consumers;
    std::vector<Position> unsettled;
  };
  std::map<QueueId, Leaving> queues;
  for (auto& [tag, subscription] : subscriptions_) {
    Leaving& leaving = queues[subscription->queue->id];
    leaving.queue = subscription->queue;
    leaving.consumers.push_back(subscription->number);
  }
  for (Unsettled::Entry& entry : unsettled_.take_all()) {
    Leaving& leaving = queues[entry.queue->id];
    leaving.unsettled.push_back(entry.position);
    leaving.queue = std::move(entry.queue);
  }
  for (auto& [id, leaving] : queues) {
    session_.host().leave(leaving.queue, std::move(leaving.consumers), std::move(leaving.unsettled));
  }
  subscriptions_.clear();
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
  subscription.parked = false;
  session_.host().resume(subscription.queue, subscription);
}

bool Channel::deliver(Subscription& to, const Delivery& delivery) {
  // A channel that is closing takes nothing more: what another one gave back must not be lost in it.
  if (!to.started || !session_.connection().is_open(number_)) return false;
  const bool window_open = session_.window_open();
  const bool room = window_open && (to.no_ack || !full());
  if (!room) {
    if (!to.parked) {
      to.parked = true;
      parked_.push_back(&to);
    }
    if (!window_open) wait_for_window();
    return false;
  }
  const std::uint64_t tag = to.no_ack ? unsettled_.pass() : unsettled_.add(to.queue, to.number, delivery.position);
  amqp::BasicDeliver method;
  method.consumer_tag = to.tag;
  method.delivery_tag = tag;
  method.redelivered = delivery.redelivered;
  method.exchange = delivery.message->exchange();
  method.routing_key = delivery.message->routing_key();
  send_message(method, *delivery.message);
  return true;
}

void Channel::wait_for_window() {
  if (std::exchange(waits_for_window_, true)) return;
  session_.wait_for_window(*this);
}

void Channel::on_writable() {
  waits_for_window_ = false;
  resume_parked();
}

void Channel::resume_parked() {
  // Each of those that are parked now once: resume() may park it again at the end.
  for (std::size_t left = parked_.size(); left > 0 && !parked_.empty(); --left) {
    Subscription* next = parked_.front();
    if (!session_.window_open()) return wait_for_window();
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
  // What was unsettled in the queue has made room under the channel's prefetch.
  resume_parked();
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
