// Channel: one AMQP channel at the server: its publishes and confirms, its consumers and prefetch, its unsettled
// deliveries. Methods are grouped as the specification groups them: channel_topology.cpp (exchange.*, queue.*),
// channel_basic.cpp (basic.*), channel_reply.cpp (direct replies), channel_tx.cpp (tx.*), channel.cpp (what they
// share).
//
// Threads: its session's. Errors: AmqpError closes the channel (or the connection, where the code says so).
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/session/confirms.h"
#include "broker/session/delivery_count.h"
#include "broker/session/departures.h"
#include "broker/session/direct_reply.h"
#include "broker/session/host.h"
#include "broker/session/published_once.h"
#include "broker/session/route_cache.h"
#include "broker/session/session_info.h"
#include "broker/session/transaction.h"
#include "broker/session/unsettled.h"
#include "protocol/amqp/connection.h"
#include "protocol/amqp/properties.h"

namespace wherry::broker {

class Session;

class Channel {
 public:
  // taken: the channel in its user's quota.
  Channel(Session& session, std::uint16_t number, std::uint32_t incarnation, Taken taken);
  ~Channel();

  std::uint16_t number() const { return number_; }
  std::uint32_t incarnation() const { return incarnation_; }
  const ChannelCounts& counts() const { return counts_; }
  ChannelInfo info() const;

  void on_method(const amqp::Method& method);
  void on_publish(const amqp::BasicPublish& method, const amqp::ContentHeader& header);
  void on_body(std::string_view fragment);
  void on_publish_end();
  void on_published(std::uint64_t tag, bool accepted);
  void on_reply(const ReplyAddress& to, const Message& message);
  void on_writable();
  void flush_confirms();

  // The channel ends: consumers go, what is unsettled returns to its place.
  void end();
  // The same with others: the caller tells the host of all, and then forgets the consumers.
  void end(Departures& into);
  void forget_consumers();
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
  // Of a topic exchange, where the user has a permission of that kind; else everything is fine.
  AmqpResult<void> check_topic(Access access, std::string_view exchange, std::string_view routing_key) const;
  bool is_topic(std::string_view exchange) const;
  ExchangeCounts& counts_of(std::string_view exchange);
  // The name, or for an empty one the queue declared last on this channel.
  AmqpResult<std::string> resolve(std::string_view queue) const;
  AmqpResult<QueueEntryRef> find_queue(std::string_view queue) const;
  // consume-ok was written: deliveries may follow.
  void start(Subscription& subscription);
  bool deliver(Subscription& to, const Delivery& delivery);
  void queue_deleted(Subscription& subscription);
  void tell_cancelled(const std::string& consumer_tag);
  void resume_parked();
  void wait_for_window();
  // Deliveries that wait for an ack: so many bytes more, and less.
  void took(std::uint64_t bytes);
  void gave_back(std::uint64_t bytes);
  bool full() const {
    return prefetch_ > 0 && unsettled_.consumed() + (transaction_ ? transaction_->consumed() : 0) >= prefetch_;
  }

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
  // Before the answer to a change of the topology: it is not sent before the change is kept.
  template <class M>
  void answer_when_kept(bool nowait, const M& answer);

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
  template <class M>
  void on(const M& method);  // What only a server sends.
  template <class M>
  void settle(std::uint64_t tag, bool multiple, Settlement how);
  void settle_now(const std::vector<Unsettled::Entry>& entries, Settlement how);
  // Before a look at a queue: what this channel discarded may have to be there.
  void after_dead_letters(std::function<void()> then);
  void recover();
  AmqpResult<void> check_properties(const amqp::PropertiesView& properties) const;
  AmqpResult<void> publish(MessageRef message, bool mandatory);
  // With further routing keys (CC), or to an exchange that does more than route.
  AmqpResult<void> publish_specially(MessageRef message, bool mandatory, bool replies, RouteCache::Route route);
  AmqpResult<void> enqueue(MessageRef message, bool mandatory, bool replies, const RouteCache::Queues& queues,
                           const std::shared_ptr<SharedDeduplication>& known);
  // What a confirm waits for.
  struct Handed {
    unsigned far = 0;
    Lsn durable_at = 0;
    bool refused = false;
    Handed& operator+=(const Handed& other);
  };
  // To all these queues and, with replies, to the direct replies that the message names; a mandatory one that reaches
  // nobody is returned. tag: of the confirm that waits, 0 for none.
  Handed hand_over(MessageRef&& message, bool mandatory, bool replies, const RouteCache::Queues& queues,
                   std::uint64_t tag);
  void count_fate(const Message& message, bool mandatory, bool heard, std::size_t queues);
  // A method with a message as its content, as far as clients may see that. counts: told in headers.
  template <class M>
  void send_message(const M& method, const Message& message, const ToldCounts& counts = {});
  void confirm_later(const Handed& handed);
  void ask_confirm_flush();

  // --- channel_reply.cpp ---
  struct Replies {  // This channel's consumer of them.
    std::string tag;
    ReplyAddress address;
    std::string name;  // The address as text.
  };
  void consume_replies(const amqp::BasicConsume& method);
  void stop_replies();
  void declare_replies(const amqp::QueueDeclare& method);
  // The properties of a request, with our address as its reply-to.
  AmqpResult<std::string> with_reply_address(const amqp::BasicPublish& method, const amqp::ContentHeader& header);
  // Returns whether somebody is there to hear it: for a mandatory message only, else false.
  bool reply(const MessageRef& message, bool mandatory);

  // --- channel_tx.cpp ---
  void on(const amqp::TxSelect& method);
  void on(const amqp::TxCommit& method);
  void on(const amqp::TxRollback& method);
  AmqpResult<void> hold(Transaction::Publish publish);
  void settle_all(const std::vector<Transaction::Settled>& settled);
  void committed(std::uint64_t tag, bool multiple, bool ok);

  Session& session_;
  const std::uint16_t number_;
  const std::uint32_t incarnation_;
  Taken taken_;
  bool ended_ = false;
  ChannelCounts counts_;
  std::string counted_exchange_;  // The one whose counts these are.
  std::shared_ptr<ExchangeCounts> exchange_counts_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();

  // While a queue.delete of this channel is under way: the consumers it ended, who hear of it after the answer.
  std::optional<std::vector<std::string>> deleting_;

  std::string last_queue_;  // Declared last: what an empty queue name means.
  RouteCache routes_;

  // The publish whose content is coming in.
  boost::intrusive_ptr<Message> incoming_;
  bool incoming_mandatory_ = false;
  std::vector<std::string> incoming_copies_;  // Further routing keys.
  std::string may_write_to_;                  // The exchange whose permission was looked up last.
  bool may_write_ = false;
  bool looks_at_topic_ = false;        // The user has a topic permission for it.
  std::uint64_t may_write_as_of_ = 0;  // Session::user_version().

  bool confirming_ = false;
  bool confirm_flush_asked_ = false;
  Confirms confirms_;                         // Of a transactional channel: a tag for each commit.
  std::unique_ptr<Transaction> transaction_;  // After tx.select.
  PublishedOnce once_;

  std::map<std::string, std::unique_ptr<Subscription>, std::less<>> subscriptions_;  // By consumer tag.
  std::unique_ptr<Replies> replies_;
  std::deque<Subscription*> parked_;  // Refused a delivery for want of room; asked again in this order.
  bool waits_for_window_ = false;
  Unsettled unsettled_;
  std::uint64_t unacked_bytes_ = 0;         // Of what is unsettled, and of what a transaction settles.
  std::vector<Unsettled::Entry> settling_;  // For settle() alone.
  std::vector<unsigned> discarded_at_;      // Homes of queues that may have dead letters of this channel.
  std::uint32_t prefetch_ = 0;              // The channel's (global=true); 0 = none.
  std::uint32_t consumer_prefetch_ = 0;     // Each consumer's (global=false).
};

}  // namespace wherry::broker
