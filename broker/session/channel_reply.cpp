// Direct replies, from both sides: the channel that asks and consumes them, and the one that publishes them.
#include "base/uuid.h"
#include "broker/routing/arguments.h"
#include "broker/session/channel_impl.h"

namespace wherry::broker {

using amqp::ReplyCode;

void Channel::consume_replies(const amqp::BasicConsume& method) {
  std::string tag = method.consumer_tag.empty() ? "amq.ctag-" + random_name(22) : std::string(method.consumer_tag);
  auto fits = [&]() -> AmqpResult<void> {
    if (subscriptions_.contains(tag)) {
      return amqp_fail(ReplyCode::not_allowed, fmt::format("attempt to reuse consumer tag '{}'", tag));
    }
    if (!method.no_ack) return amqp_fail(ReplyCode::precondition_failed, "reply consumer cannot acknowledge");
    if (replies_) return amqp_fail(ReplyCode::precondition_failed, "reply consumer already set");
    return {};
  }();
  if (!fits) return refuse<amqp::BasicConsume>(fits.error());
  const auto address = ReplyAddress::make(session_.host().shard(), session_.id(), number_);
  replies_ = std::make_unique<Replies>(Replies{std::move(tag), address, address.text()});
  session_.host().reply_addresses().add(session_.vhost()->name(), replies_->name);
  if (!method.nowait) send(amqp::BasicConsumeOk{replies_->tag});
}

void Channel::stop_replies() {
  if (!replies_) return;
  session_.host().reply_addresses().remove(session_.vhost()->name(), replies_->name);
  replies_.reset();
}

void Channel::declare_replies(const amqp::QueueDeclare& method) {
  if (method.queue != direct_reply_name &&
      !session_.host().reply_addresses().has(session_.vhost()->name(), method.queue)) {
    return refuse<amqp::QueueDeclare>(not_found(resource("queue", method.queue, session_.vhost()->name())));
  }
  last_queue_ = method.queue;
  if (!method.nowait) send(amqp::QueueDeclareOk{method.queue, 0, 1});
}

AmqpResult<std::string> Channel::with_reply_address(const amqp::BasicPublish& method,
                                                    const amqp::ContentHeader& header) {
  const std::string_view raw = header.properties;
  if (!replies_) {
    // An exchange that is not there is the greater mistake.
    auto routed = routes_.find(*session_.vhost(), method.exchange, method.routing_key, raw);
    if (!routed) return tl::unexpected(routed.error());
    return amqp_fail(ReplyCode::precondition_failed, "fast reply consumer does not exist");
  }
  const std::string_view asked = *header.view.reply_to;
  const auto at = static_cast<std::size_t>(asked.data() - raw.data());
  std::string properties;
  properties.reserve(raw.size() + replies_->name.size());
  properties.append(raw.substr(0, at - 1));
  properties.push_back(static_cast<char>(replies_->name.size()));
  properties.append(replies_->name).append(raw.substr(at + asked.size()));
  return properties;
}

bool Channel::reply(const MessageRef& message, bool mandatory) {
  std::vector<std::string> keys = carbon_copies_of(message->properties());
  keys.emplace_back(message->routing_key());
  bool heard = false;
  for (const std::string& key : keys) {
    const auto address = ReplyAddress::parse(key);
    if (!address) continue;
    heard = heard || (mandatory && session_.host().reply_addresses().has(session_.vhost()->name(), key));
    session_.host().reply(*address, session_.vhost(), message);
  }
  return heard;
}

void Channel::on_reply(const ReplyAddress& to, const Message& message) {
  if (!replies_ || replies_->address != to || !session_.connection().is_open(number_)) return;
  if (!session_.takes_replies()) return;
  amqp::BasicDeliver method;
  method.consumer_tag = replies_->tag;
  // As in RabbitMQ they use up no tag: there is nothing to settle.
  method.delivery_tag = unsettled_.next_tag();
  method.exchange = message.exchange();
  method.routing_key = message.routing_key();
  const std::size_t unsent = session_.unsent();
  send_message(method, message);
  session_.delivered(session_.unsent() - unsent);
}

}  // namespace wherry::broker
