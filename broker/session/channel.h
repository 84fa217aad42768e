// Channel: one AMQP channel at the server: its publishes and confirms, its consumers and prefetch, its unsettled
// deliveries. Methods are grouped as the specification groups them: channel_topology.cpp (exchange.*, queue.*),
// channel_basic.cpp (basic.*), channel.cpp (what they share).
//
// Threads: its session's. Errors: AmqpError closes the channel (or the connection, where the code says so).
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "broker/session/confirms.h"
#include "broker/session/host.h"
#include "broker/session/route_cache.h"
#include "broker/session/unsettled.h"
#include "protocol/amqp/connection.h"
#include "protocol/amqp/properties.h"

namespace wherry::broker {

class Session;

class Channel {
 public:
  Channel(Session& session, std::uint16_t number, std::uint32_t incarnation);
  ~Channel();

  std::uint16_t number() const { return number_; }
  std::uint32_t incarnation() const { return incarnation_; }

  void on_method(const amqp::Method& method);
  void on_publish(const amqp::BasicPublish& method, const amqp::ContentHeader& header);
  void on_body(std::string_view fragment);
  void on_publish_end();
  void on_published(std::uint64_t tag, bool accepted);
  void on_writable();
  void flush_confirms();

  // The channel ends: consumers go, what is unsettled returns to its place.
  void end();
  // Expires then.
  std::weak_ptr<char> alive() const { return alive_; }

 private:
  // A consumer of this channel, as its queue and the host see it.
  struct Subscription;

  // --- channel.cpp ---
  template <class M>
  void send(const M& method);
  template <class M>
  void refuse(amqp::AmqpError error);  // M is the offending method.
  AmqpResult<void> check(Access access, std::string_view kind, std::string_view name) const;
  AmqpResult<void> check_exchange(Access access, std::string_view exchange) const;
  AmqpResult<void> check_queue(Access access, std::string_view queue) const;
  // The name, or for an empty one the queue declared last on this channel.
  AmqpResult<std::string> resolve(std::string_view queue) const;
  AmqpResult<QueueEntryRef> find_queue(std::string_view queue) const;
  // consume-ok was written: deliveries may follow.
  void start(Subscription& subscription);
  bool deliver(Subscription& to, const Delivery& delivery);
  void queue_deleted(Subscription& subscription);
  void resume_parked();
  void wait_for_window();
  bool full() const { return prefetch_ > 0 && unsettled_.consumed() >= prefetch_; }

  // --- channel_topology.cpp ---
  void on(const amqp::ExchangeDeclare& method);
  void on(const amqp::ExchangeDelete& method);
  void on(const amqp::ExchangeBind& method);
  void on(const amqp::ExchangeUnbind& method);
  void on(const amqp::QueueDeclare& method);
  void on(const amqp::QueueBind& method);
  void on(const amqp::QueueUnbind& method);
  void on(const amqp::QueuePurge& method);
  void on(const amqp::QueueDelete& method);
  AmqpResult<void> change_exchange_binding(bool add, std::string_view destination, std::string_view source,
                                           std::string_view routing_key, amqp::TableView arguments);
  AmqpResult<void> change_queue_binding(bool add, std::string_view queue, std::string_view exchange,
                                        std::string_view routing_key, amqp::TableView arguments);
  void answer_declare(const QueueEntryRef& entry, bool nowait);

  // --- channel_basic.cpp ---
  void on(const amqp::BasicQos& method);
  void on(const amqp::BasicConsume& method);
  void on(const amqp::BasicCancel& method);
  void on(const amqp::BasicGet& method);
  void on(const amqp::BasicAck& method);
  void on(const amqp::BasicNack& method);
  void on(const amqp::BasicReject& method);
  void on(const amqp::BasicRecover& method);
  void on(const amqp::BasicRecoverAsync& method);
  void on(const amqp::ConfirmSelect& method);
  void on(const amqp::AccessRequest& method);
  void on(const amqp::ChannelFlow&) {}  // The machine has answered these.
  void on(const amqp::ChannelOpen&) {}
  void on(const amqp::ChannelClose&) {}
  void on(const amqp::ChannelFlowOk&) {}
  void on(const amqp::BasicCancelOk&) {}  // To our consumer cancel notification.
  void on(const amqp::TxSelect& method);
  template <class M>
  void on(const M& method);  // What only a server sends.
  template <class M>
  void settle(std::uint64_t tag, bool multiple, Settlement how);
  void recover();
  AmqpResult<void> check_properties(const amqp::PropertiesView& properties) const;
  AmqpResult<void> publish(const MessageRef& message, bool mandatory);
  void enqueue(const MessageRef& message, bool mandatory, const RouteCache::Queues& queues);
  // A method with a message as its content, as far as clients may see that.
  template <class M>
  void send_message(const M& method, const Message& message);
  void confirm_later(unsigned far, Lsn durable_at, bool refused);
  void ask_confirm_flush();

  Session& session_;
  const std::uint16_t number_;
  const std::uint32_t incarnation_;
  bool ended_ = false;
  std::shared_ptr<char> alive_ = std::make_shared<char>();

  std::string last_queue_;  // Declared last: what an empty queue name means.
  RouteCache routes_;

  // The publish whose content is coming in.
  boost::intrusive_ptr<Message> incoming_;
  bool incoming_mandatory_ = false;
  std::vector<std::string> incoming_copies_;  // Further routing keys.
  std::string may_write_to_;                  // The exchange whose permission was looked up last.
  bool may_write_ = false;

  bool confirming_ = false;
  bool confirm_flush_asked_ = false;
  Confirms confirms_;

  std::map<std::string, std::unique_ptr<Subscription>, std::less<>> subscriptions_;  // By consumer tag.
  std::deque<Subscription*> parked_;  // Refused a delivery for want of room; asked again in this order.
  bool waits_for_window_ = false;
  Unsettled unsettled_;
  std::vector<Unsettled::Entry> settling_;  // For settle() alone.
  std::uint32_t prefetch_ = 0;              // The channel's (global=true); 0 = none.
  std::uint32_t consumer_prefetch_ = 0;     // Each consumer's (global=false).
};

}  // namespace wherry::broker
