// Queue: messages in order, consumers in turn, and the acknowledgements between them.
//
// Pure: no sockets, no clock, no threads; it lives on its home shard. Messages come in through publish(), go out
// through Consumer::deliver() or get(), and are settled by ack() or come back by requeue(). Time and the way out for
// dead letters are the QueueEnvironment's.
//
// Order: ready messages leave in the order of their positions, the highest priority first where the queue has
// x-max-priority; a requeued message goes back to its own place.
// Fairness: consumers of the highest priority are asked in turn, one message each; one that is full (its prefetch) or
// refuses is passed over until it has room again.
// Reentrancy: Consumer::deliver() is called from inside publish, ack, requeue, resume and add_consumer; it must not
// call the queue back (a consumer that must, does so in a later turn). The same holds for the QueueEnvironment. Expiry:
// an expired message is never delivered. It leaves, to the dead-letter exchange where there is one, when it is at the
// head: a message with a short expiration behind one without waits its turn, as in RabbitMQ. Arguments obeyed:
// x-message-ttl, x-expires, x-max-length, x-max-length-bytes, x-overflow, x-max-priority, x-dead-letter-exchange,
// x-single-active-consumer, x-delivery-limit. They were validated by Vhost::declare_queue. Source: AMQP 0-9-1
// section 3.1.10 and RabbitMQ's documentation of consumers, prefetch and positions.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "broker/queueing/message_store.h"
#include "broker/queueing/queue_environment.h"
#include "broker/routing/message.h"
#include "broker/routing/vhost.h"

namespace wherry::broker {

struct Delivery {
  MessageRef message;
  Position position = 0;  // How the queue knows it: what ack() and requeue() take.
  bool redelivered = false;
  std::uint32_t delivery_count = 0;  // Deliveries before this one.
};

// The queue's view of a consumer. Implemented by the channel on the same shard and by the shard's stand-in for a
// channel elsewhere. Lifetime: from add_consumer until remove_consumer or on_queue_deleted.
class Consumer {
 public:
  // Offers a message. False: no room now (the channel's prefetch, the socket's window): the message stays where it was,
  // and the queue does not ask again until resume().
  virtual bool deliver(const Delivery& delivery) = 0;
  // The queue is gone, and with it the consumer and whatever it had unsettled.
  virtual void on_queue_deleted() = 0;

 protected:
  ~Consumer() = default;
};

struct ConsumerOptions {
  std::string tag;
  bool no_ack = false;  // Settled when delivered.
  bool exclusive = false;
  std::uint32_t prefetch = 0;  // Unsettled messages at most; 0 = no limit. Ignored with no_ack.
  std::int32_t priority = 0;   // x-priority.
  amqp::Table arguments;
};

// Bytes are of bodies, as RabbitMQ counts them. The totals only grow.
struct QueueStats {
  std::uint64_t ready_bytes = 0;
  std::uint64_t unacked_bytes = 0;
  std::uint32_t ready_persistent = 0;
  std::uint32_t unacked_persistent = 0;

  std::uint64_t published = 0;           // Accepted ones.
  std::uint64_t rejected_publishes = 0;  // By overflow policy.
  std::uint64_t delivered = 0;           // To consumers, settled by them.
  std::uint64_t delivered_no_ack = 0;
  std::uint64_t got = 0;  // By get(), settled later.
  std::uint64_t got_no_ack = 0;
  std::uint64_t get_empty = 0;
  std::uint64_t redelivered = 0;
  std::uint64_t acked = 0;
  std::uint64_t requeued = 0;
  std::uint64_t discarded = 0;  // Rejected for good.
  std::uint64_t expired = 0;
  std::uint64_t dropped = 0;  // From the head, by length.
  std::uint64_t over_delivery_limit = 0;
  std::uint64_t purged = 0;
  std::uint64_t dead_lettered = 0;  // Of the last five but purged: those that had a dead-letter exchange.
};

class Queue {
 public:
  // Store and environment outlive the queue.
  Queue(QueueEntryRef entry, MessageStore& store, QueueEnvironment& environment);
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  const QueueEntry& entry() const;

  // Takes back what the store kept for it: once, before anything else is asked of the queue. Returns how many.
  std::uint32_t recover();

  // --- messages in ---
  struct Accepted {
    bool accepted = true;  // False: rejected by overflow policy: a confirming publisher gets a nack.
    Lsn durable_at = 0;    // What a confirm waits for.
  };
  Accepted publish(const MessageRef& message);

  // While one of these lives the queue gives nothing to consumers and drops nothing: what comes back in several calls
  // is in its order again before somebody gets the first of it. Nothing may be published meanwhile.
  class Pause {
   public:
    explicit Pause(Queue& queue);
    ~Pause();
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    Queue& queue_;
  };

  // --- consumers ---
  // 403 when there is or it wants to be an exclusive consumer beside others, or exclusive where one is active at a time
  // anyway. Deliveries may begin inside the call.
  AmqpResult<void> add_consumer(Consumer& consumer, const ConsumerOptions& options);
  // Deliveries it has unsettled stay unsettled until ack() or requeue(). Returns whether that was the last consumer.
  bool remove_consumer(Consumer& consumer);
  // A consumer that refused has room again.
  void resume(Consumer& consumer);
  void set_prefetch(Consumer& consumer, std::uint32_t prefetch);

  // --- messages out by hand ---
  // Fills delivery and returns true when there was a message. remaining: ready messages left. With no_ack it is
  // settled.
  bool get(bool no_ack, Delivery& delivery, std::uint32_t& remaining);

  // --- settling: each position must be one that was delivered and is not settled yet; consumer is whom it was
  // delivered to, or null after get() or when that consumer is gone ---
  void ack(Consumer* consumer, std::span<const Position> positions);
  // Back to its place, redelivered set.
  void requeue(Consumer* consumer, std::span<const Position> positions);
  // Rejected for good: to the dead-letter exchange where there is one, else gone.
  void discard(Consumer* consumer, std::span<const Position> positions);
  // A dead letter handed to the environment has been routed: the store may forget it here. Unknown ones (the queue was
  // purged of them, no_position) are fine.
  void dead_lettered(std::span<const Position> positions);
  // A stand-in (never one with no_ack: what it took is settled) had to give it back undelivered: to its place,
  // redelivered and count as they were; the consumer, if it is still there, is not asked again until resume().
  void give_back(Consumer& consumer, std::span<const Position> positions);

  // --- the whole ---
  std::uint32_t purge();  // Ready messages only; how many.
  // Tells every consumer, drops everything.
  void delete_all();

  // Somebody declared the queue again: x-expires starts anew.
  void touch();
  // What wake_at() asked for; an early or needless call does no harm. True: the queue was unused for x-expires, and the
  // caller deletes it (nothing is dead-lettered).
  bool on_time(std::uint64_t now_ms);

  std::uint32_t ready_count() const;
  std::uint32_t unacked_count() const;
  std::uint32_t consumer_count() const;
  bool ever_consumed() const;  // Auto-delete waits for the first consumer.
  // basic.get is refused (405) where there is a single active consumer.
  bool single_active_consumer() const;

  // --- listing ---
  const QueueStats& stats() const;
  // The oldest ready message's publishing time; 0 when there is none.
  std::uint64_t head_published_ms() const;
  struct ConsumerInfo {
    const Consumer& consumer;
    const ConsumerOptions& options;
    std::uint32_t unsettled = 0;
    bool active = true;  // False: waits behind a single active consumer.
  };
  void each_consumer(const std::function<void(const ConsumerInfo&)>& visit) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace wherry::broker
