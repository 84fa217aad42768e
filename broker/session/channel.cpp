#include "broker/session/channel.h"

#include <algorithm>

#include "base/log.h"
#include "base/reflect.h"
#include "base/utf8.h"
#include "broker/session/channel_impl.h"

namespace wherry::broker {

using amqp::ReplyCode;

namespace {

// Nothing to do for methods without text. basic.publish does not come this way: its names have to be those of
// something.
template <class M>
bool texts_are_utf8(const M& method) {
  auto fine = []<class T>(const T& field) {
    if constexpr (std::is_same_v<T, std::string_view>) return is_utf8(field);
    return true;
  };
  return std::apply([&](const auto&... field) { return (fine(field) && ...); }, reflect::tie(method));
}

}  // namespace

Channel::Channel(Session& session, std::uint16_t number, std::uint32_t incarnation, Taken taken)
    : session_(session), number_(number), incarnation_(incarnation), taken_(std::move(taken)) {
  ++session_.host().counts().channels_opened;
}

Channel::~Channel() {
  end();
}

template <class M>
void Channel::on(const M&) {
  refuse<M>({ReplyCode::command_invalid, fmt::format("{} is not for a server to hear", M::name), {}, true});
}

void Channel::on_method(const amqp::Method& method) {
  std::visit(
      [this](const auto& each) {
        if (!texts_are_utf8(each)) {
          return session_.connection().close({ReplyCode::frame_error, "Malformed UTF-8 in shortstr", {}, true});
        }
        on(each);
      },
      method);
}

void Channel::end() {
  Departures departures;
  end(departures);
  departures.tell(session_.host(), session_.connection().lost());
  forget_consumers();
}

void Channel::end(Departures& into) {
  if (ended_) return;
  ended_ = true;
  ShardCounts& counts = session_.host().counts();
  ++counts.channels_closed;
  counts.closed += std::exchange(counts_, {});
  taken_ = {};
  alive_.reset();
  parked_.clear();
  stop_replies();
  if (transaction_) unsettled_.put_back(std::exchange(transaction_, nullptr)->abandon());
  for (auto& [tag, subscription] : subscriptions_) into.add(subscription->queue, subscription->number);
  for (Unsettled::Entry& entry : unsettled_.take_all()) into.add(std::move(entry));
  gave_back(unacked_bytes_);
}

ChannelInfo Channel::info() const {
  ChannelInfo info;
  info.number = number_;
  info.incarnation = incarnation_;
  info.confirming = confirming_;
  info.transactional = transaction_ != nullptr;
  info.unacknowledged = unsettled_.count();
  info.unconfirmed = confirming_ ? confirms_.open() : 0;
  info.uncommitted = transaction_ ? transaction_->held() : 0;
  info.prefetch = consumer_prefetch_;
  info.global_prefetch = prefetch_;
  info.counts = counts_;
  for (const auto& [tag, subscription] : subscriptions_) {
    info.consumers.push_back({subscription->number, subscription->queue, subscription->options});
  }
  return info;
}

ExchangeCounts& Channel::counts_of(std::string_view exchange) {
  if (!exchange_counts_ || counted_exchange_ != exchange) {
    exchange_counts_ = session_.host().exchange_counts(session_.vhost(), exchange);
    counted_exchange_ = exchange;
  }
  return *exchange_counts_;
}

void Channel::forget_consumers() {
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

bool Channel::is_topic(std::string_view exchange) const {
  return session_.vhost()->read([&](const Vhost& topology) { return topology.exchange_type(exchange) == "topic"; });
}

AmqpResult<void> Channel::check_topic(Access access, std::string_view exchange, std::string_view routing_key) const {
  const User& user = session_.user();
  const std::string& vhost = session_.vhost()->name();
  if (!user.has_topic_permission(vhost, exchange) || !is_topic(exchange)) return {};
  if (user.may_topic(access, vhost, exchange, routing_key)) return {};
  return amqp_fail(ReplyCode::access_refused,
                   fmt::format("access to topic '{}' in exchange '{}' in vhost '{}' refused for user '{}'", routing_key,
                               exchange, vhost, user.name()));
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
  const bool acks_enough = to.no_ack || session_.takes_unacked();
  const bool room = window_open && acks_enough && (to.no_ack || !full());
  if (!room) {
    if (!to.parked) {
      to.parked = true;
      parked_.push_back(&to);
    }
    if (!window_open || !acks_enough) wait_for_window();
    return false;
  }
  const std::uint64_t bytes = delivery.message->body().size();
  const std::uint64_t tag = to.no_ack ? unsettled_.pass() : unsettled_.add(to.queue, to.number, delivery.id(), bytes);
  if (!to.no_ack) took(bytes);
  amqp::BasicDeliver method;
  method.consumer_tag = to.tag;
  method.delivery_tag = tag;
  method.redelivered = delivery.redelivered;
  method.exchange = delivery.message->exchange();
  method.routing_key = delivery.message->routing_key();
  const std::size_t unsent = session_.unsent();
  ToldCounts counts;
  if (delivery.delivery_count > 0 && to.tells_count) counts.returned = delivery.delivery_count;
  if (delivery.redelivered && to.tells_lost) counts.lost = delivery.lost_count;
  send_message(method, *delivery.message, counts);
  ++(to.no_ack ? counts_.delivered_no_ack : counts_.delivered);
  if (delivery.redelivered) ++counts_.redelivered;
  session_.delivered(session_.unsent() - unsent);
  return true;
}

void Channel::took(std::uint64_t bytes) {
  unacked_bytes_ += bytes;
  session_.unacked(bytes);
}

void Channel::gave_back(std::uint64_t bytes) {
  unacked_bytes_ -= bytes;
  session_.settled(bytes);
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
    const bool acks_enough = next->no_ack || session_.takes_unacked();
    if (!acks_enough) wait_for_window();
    if (!acks_enough || (!next->no_ack && full())) {
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
  // What it holds stays unsettled: the client may ack it still, and until then it counts for the channel's prefetch.
  std::erase(parked_, &subscription);
  auto node = subscriptions_.extract(subscription.tag);
  if (deleting_) {
    deleting_->push_back(node.key());
  } else {
    tell_cancelled(node.key());
  }
}

void Channel::tell_cancelled(const std::string& consumer_tag) {
  if (!session_.has_capability("consumer_cancel_notify")) return;
  send(amqp::BasicCancel{.consumer_tag = consumer_tag, .nowait = true});
}

// --- confirms --------------------------------------------------------------------------------------------------------

void Channel::on_published(std::uint64_t tag, bool accepted) {
  confirms_.answer(tag, accepted);
  if (once_.waits()) once_.answered(tag, accepted);
  ask_confirm_flush();
}

void Channel::ask_confirm_flush() {
  if (std::exchange(confirm_flush_asked_, true)) return;
  session_.flush_confirms_of(*this);
}

void Channel::flush_confirms() {
  confirm_flush_asked_ = false;
  if (ended_) return;
  if (transaction_) {
    confirms_.flush(session_.host().durable(),
                    {[this](std::uint64_t tag, bool multiple) { committed(tag, multiple, true); },
                     [this](std::uint64_t tag) { committed(tag, false, false); }});
    if (ended_) return;
  } else {
    confirms_.flush(session_.host().durable(), {[this](std::uint64_t tag, bool multiple) {
                                                  send(amqp::BasicAck{tag, multiple});
                                                },
                                                [this](std::uint64_t tag) {
                                                  send(amqp::BasicNack{tag, false, false});
                                                }});
    counts_.confirmed = confirms_.acked();
  }
  if (confirms_.waits_for_store()) {
    confirm_flush_asked_ = true;
    session_.flush_confirms_when_durable(*this);
  }
}

}  // namespace wherry::broker
