// Host: what a session asks of the shard it lives on. Queues may be near (on this shard: the call happens at once) or
// far (another shard: it is sent there and the answer comes later); the session does not see the difference except in
// time.
//
// Answers: a reply is called at most once, on this shard's thread, possibly before the function returns. It may come
// after the session has ended, which the session guards against (a message got for an ended connection is requeued).
// Order: what one session sends to one queue arrives in the order it was sent.
// Threads: this shard's.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "broker/auth/users.h"
#include "broker/queueing/queue.h"
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

class Host {
 public:
  virtual ~Host() = default;

  virtual unsigned shard() const = 0;
  virtual ConsumerKey next_consumer_key() = 0;
  virtual SharedVhostRef find_vhost(std::string_view name) const = 0;  // null when there is none.
  virtual const Users& users() const = 0;
  virtual std::uint64_t now_ms() const = 0;  // POSIX milliseconds.
  // Up to here this shard's store is durable; Session::on_durable tells when it moves.
  virtual Lsn durable() const = 0;

  // --- queues: the life of one ---
  // A queue that was just declared with this shard as its home.
  virtual void create_queue(const SharedVhostRef& vhost, const QueueEntryRef& entry) = 0;
  struct Counts {
    std::uint32_t ready = 0;
    std::uint32_t consumers = 0;
  };
  virtual void count(const QueueEntryRef& entry, std::function<void(Counts)> reply) = 0;
  struct DeleteIf {
    bool unused = false;
    bool empty = false;
  };
  // 406 when a condition does not hold. The reply is the number of ready messages that went with it.
  virtual void delete_queue(const SharedVhostRef& vhost, const QueueEntryRef& entry, DeleteIf condition,
                            std::function<void(AmqpResult<std::uint32_t>)> reply) = 0;
  virtual void purge(const QueueEntryRef& entry, std::function<void(std::uint32_t)> reply) = 0;

  // --- publishing ---
  // Near: the outcome at once. Far: nullopt, and Session::on_published(ticket, accepted) once it is durable there.
  virtual std::optional<Queue::Accepted> publish(const QueueEntryRef& entry, const MessageRef& message,
                                                 const PublishTicket& ticket) = 0;
  // Held until due (POSIX ms), then routed through exchange by its routing key. What a confirm waits for.
  virtual Lsn publish_later(const SharedVhostRef& vhost, const MessageRef& message, std::uint64_t due_ms) = 0;

  // --- consuming ---
  // The consumer must stay until cancel() or its on_queue_deleted().
  virtual void consume(const SharedVhostRef& vhost, const QueueEntryRef& entry, ChannelConsumer& consumer,
                       const ConsumerOptions& options, std::function<void(AmqpResult<void>)> reply) = 0;
  virtual void cancel(const SharedVhostRef& vhost, const QueueEntryRef& entry, ChannelConsumer& consumer) = 0;
  // The consumer object goes away (after cancel(), a failed consume() or its on_queue_deleted()).
  virtual void forget_consumer(ConsumerKey key) = 0;
  virtual void resume(const QueueEntryRef& entry, ChannelConsumer& consumer) = 0;
  virtual void set_prefetch(const QueueEntryRef& entry, ChannelConsumer& consumer, std::uint32_t prefetch) = 0;

  struct Got {
    Delivery delivery;
    std::uint32_t remaining = 0;
  };
  virtual void get(const QueueEntryRef& entry, ConnectionId connection, bool no_ack,
                   std::function<void(std::optional<Got>)> reply) = 0;
  // consumer: whom the positions were delivered to, which may be gone by now.
  virtual void settle(const QueueEntryRef& entry, ConsumerKey consumer, Settlement how,
                      std::span<const Position> positions) = 0;
};

}  // namespace wherry::broker
