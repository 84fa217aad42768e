// Host: what a session asks of the shard it lives on. Queues may be near (on this shard: the call happens at once) or
// far (another shard: it is sent there and the answer comes later); the session does not see the difference except in
// time.
//
// Answers: a reply is called at most once, on this shard's thread, possibly before the function returns. It may come
// after the channel or the session has ended, which the session guards against.
// Order: what one session sends to one queue arrives in the order it was sent.
// Threads: this shard's.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "broker/auth/user_directory.h"
#include "broker/queueing/queue.h"
#include "broker/routing/quota.h"
#include "broker/session/counts.h"
#include "broker/session/publisher_gate.h"
#include "broker/session/shared_vhost.h"

namespace wherry::broker {

using ConsumerKey = std::uint64_t;  // Unique for the life of the process; 0 is none (after basic.get).

// A channel's consumer, as the host knows it.
class ChannelConsumer : public Consumer {
 public:
  virtual ConsumerKey key() const = 0;

 protected:
  ~ChannelConsumer() = default;
};

// Where the answer to a confirmed publish to a far queue goes.
struct PublishTicket {
  ConnectionId connection = 0;
  std::uint16_t channel = 0;
  std::uint32_t incarnation = 0;  // Of the channel number: a reopened channel must not get its predecessor's answers.
  std::uint64_t tag = 0;          // 0: nobody waits for a confirm.
};

enum class Settlement { ack, requeue, discard };

// consumer: whom the delivery was made to, which may be gone by now; 0 after basic.get.
struct SettledDelivery {
  ConsumerKey consumer = 0;
  DeliveryId delivery;
};

class ReplyAddresses;
struct ReplyAddress;
class TransactionRoom;

class Host {
 public:
  virtual ~Host() = default;

  virtual unsigned shard() const = 0;
  virtual ConsumerKey next_consumer_key() = 0;
  virtual SharedVhostRef find_vhost(std::string_view name) const = 0;  // null when there is none.
  virtual const UserDirectory& users() const = 0;
  // What the user takes and may take, on all shards; of a user who can log in.
  virtual UserQuotaRef user_quota(std::string_view user) const = 0;
  virtual std::uint64_t now_ms() const = 0;  // POSIX milliseconds.
  // A client has published to an exchange that can be listened to; see tap.h.
  virtual void heard(const SharedVhostRef& vhost, const MessageRef& message) = 0;
  // This shard's; as long as the host lives. Those of an exchange: while somebody holds them.
  virtual ShardCounts& counts() = 0;
  virtual std::shared_ptr<ExchangeCounts> exchange_counts(const SharedVhostRef& vhost, std::string_view exchange) = 0;
  // Up to here this shard's store is durable; Session::on_durable tells when it moves.
  virtual Lsn durable() const = 0;
  virtual const PublisherGate& gate() const = 0;
  virtual TransactionRoom& transactions() = 0;
  // The topology's durable changes: the last that was recorded, and up to which they are kept; Session::on_committed
  // tells when the latter moves. Both 0 where nothing is kept.
  virtual std::uint64_t recorded() const = 0;
  virtual std::uint64_t committed() const = 0;

  // --- queues: the life of one ---
  // A queue that was just declared with this shard as its home.
  virtual void create_queue(const SharedVhostRef& vhost, const QueueEntryRef& entry) = 0;
  struct Counts {
    std::uint32_t ready = 0;
    std::uint32_t consumers = 0;
  };
  // Somebody declared the queue again: x-expires starts anew.
  virtual void declared_again(const QueueEntryRef& entry, std::function<void(Counts)> reply) = 0;
  struct DeleteIf {
    bool unused = false;
    bool empty = false;
  };
  // 406 when a condition does not hold. The reply is the number of ready and held messages that went with it.
  virtual void delete_queue(const SharedVhostRef& vhost, const QueueEntryRef& entry, DeleteIf condition,
                            std::function<void(AmqpResult<std::uint32_t>)> reply) = 0;
  virtual void purge(const QueueEntryRef& entry, std::function<void(std::uint32_t)> reply) = 0;

  // --- publishing ---
  // Near: the outcome at once. Far: nullopt, and Session::on_published(ticket, accepted) once it is durable there.
  virtual std::optional<Queue::Accepted> publish(const QueueEntryRef& entry, MessageRef message,
                                                 const PublishTicket& ticket) = 0;
  // Held until due (POSIX ms), then routed through exchange by its routing key. What a confirm waits for.
  virtual Lsn publish_later(const SharedVhostRef& vhost, const MessageRef& message, std::uint64_t due_ms) = 0;
  // To the channel of that address, if it is there and of this vhost: Session::on_reply().
  virtual void reply(const ReplyAddress& to, const SharedVhostRef& vhost, const MessageRef& message) = 0;
  virtual ReplyAddresses& reply_addresses() = 0;
  // An exchange was deleted: what is held for it goes with it.
  virtual void exchange_deleted(const SharedVhostRef& vhost, std::string_view exchange) = 0;

  // --- consuming ---
  // The consumer must stay until the reply to cancel(), leave(), a reply with an error, or its on_queue_deleted().
  // Until resume() is called once after the reply, nothing is delivered.
  virtual void consume(const SharedVhostRef& vhost, const QueueEntryRef& entry, ChannelConsumer& consumer,
                       const ConsumerOptions& options, std::function<void(AmqpResult<void>)> reply) = 0;
  // Deliveries that are under way still come; after the reply none does.
  virtual void cancel(const QueueEntryRef& entry, ChannelConsumer& consumer, std::function<void()> reply) = 0;
  // A channel ends: its consumers leave the queue, and what the channel had unsettled from it returns to its place, all
  // before anybody else is given any of it. lost: its connection vanished without a close.
  virtual void leave(const QueueEntryRef& entry, std::vector<ConsumerKey> consumers, std::vector<DeliveryId> unsettled,
                     bool lost) = 0;
  // The consumer object goes away. Its last call.
  virtual void forget_consumer(ConsumerKey key) = 0;
  virtual void resume(const QueueEntryRef& entry, ChannelConsumer& consumer) = 0;
  virtual void set_prefetch(const QueueEntryRef& entry, ChannelConsumer& consumer, std::uint32_t prefetch) = 0;

  struct Got {
    Delivery delivery;
    std::uint32_t remaining = 0;
  };
  // The reply returns whether there was still somebody to hear it: else the message returns to its place.
  virtual void get(const QueueEntryRef& entry, bool no_ack, std::function<bool(std::optional<Got>)> reply) = 0;
  // All of it before the queue gives anybody what came back, or what there is room for now; dead letters leave in the
  // order given. Deliveries that timed out meanwhile are passed over.
  virtual void settle(const QueueEntryRef& entry, Settlement how, std::span<const SettledDelivery> deliveries) = 0;
  // homes: of queues that something was discarded from. The reply comes when what died of it so far is in the queues
  // that dead letters go to, or on its way there ahead of all that is asked of them from then on.
  virtual void await_dead_letters(std::vector<unsigned> homes, std::function<void()> reply) = 0;
};

}  // namespace wherry::broker
