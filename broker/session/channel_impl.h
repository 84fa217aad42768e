// What the sources of Channel share; for this room only.
#pragma once

#include <fmt/format.h>

#include "broker/routing/arguments.h"
#include "broker/routing/carbon_copies.h"
#include "broker/session/channel.h"
#include "broker/session/session.h"
#include "broker/session/tap.h"

namespace wherry::broker {

inline auto amqp_fail(amqp::ReplyCode code, std::string explanation, bool fatal = false) {
  return tl::unexpected<amqp::AmqpError>(amqp::AmqpError{code, std::move(explanation), {}, fatal});
}

struct Channel::Subscription final : ChannelConsumer {
  Subscription(Channel& its_channel, ConsumerKey its_key, QueueEntryRef its_queue, std::string its_tag,
               bool without_ack, bool with_lost_count)
      : channel(its_channel),
        number(its_key),
        queue(std::move(its_queue)),
        tag(std::move(its_tag)),
        no_ack(without_ack),
        tells_count(is_quorum(queue->spec.arguments)),
        tells_lost(with_lost_count) {}

  ~Subscription() { channel.session_.host().forget_consumer(number); }

  ConsumerKey key() const override { return number; }
  bool deliver(const Delivery& delivery) override { return channel.deliver(*this, delivery); }
  void on_queue_deleted() override { channel.queue_deleted(*this); }  // Destroys this.

  Channel& channel;
  const ConsumerKey number;
  const QueueEntryRef queue;
  const std::string tag;
  const bool no_ack;
  const bool tells_count;  // How often a message came back.
  const bool tells_lost;   // And was lost, of the last times in a row.
  ConsumerOptions options = {};
  bool started = false;  // consume-ok was written.
  bool parked = false;   // Refused a delivery; the queue waits for resume().
};

template <class M>
void Channel::send(const M& method) {
  session_.connection().send(number_, method);
  session_.touch();
}

template <class M>
void Channel::send_message(const M& method, const Message& message, const ToldCounts& counts) {
  std::string changed;
  std::string_view properties = message.properties();
  if (message.may_have_bcc()) properties = changed = without_bcc(properties);
  if (counts.any()) properties = changed = with_counts(properties, counts);
  session_.connection().send_content(
      number_, method, properties, message.body(),
      [](const void* kept) { return static_cast<const Message*>(kept)->pin(); }, &message);
  session_.touch();
}

template <class M>
void Channel::refuse(amqp::AmqpError error) {
  error.offender = M::id;
  session_.connection().close_channel(number_, error);
  session_.touch();
}

}  // namespace wherry::broker
