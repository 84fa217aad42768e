// Queue: messages in order, consumers in turn, and the acknowledgements between them.
//
// Pure: no sockets, no clock, no threads; it lives on its home shard. Messages come in through publish(), go out
// through Consumer::deliver() or get(), and are settled by ack() or come back by requeue(). Time and the way out for
// dead letters are the QueueEnvironment's.
//
// Order: ready messages leave in the order of their positions, the highest priority first where the queue has
// x-max-priority; with x-fair-key the values of a header take turns, and the order is that within a value. A requeued
// message goes back to its own place.
// Rate: with x-rate-limit messages may wait though consumers have room; on_time() goes on with them.
// Timeouts: a delivery that is unsettled for too long (x-consumer-timeout) comes back as lost. Its
// consumer's prefetch stays taken until it is settled after all, which then does nothing else.
// Fairness: consumers of the highest priority are asked in turn, one message each; one that is full (its prefetch) or
// refuses is passed over until it has room again. Memory: messages that the store keeps where it can read them (see
// on_kept) are in memory only near the head; the disk is read when their turn comes.
// Reentrancy: Consumer::deliver() is called from inside publish, ack, requeue, resume, add_consumer, set_limits and
// on_time; it must not call the queue back (a consumer that must, does so in a later turn). The same holds for the
// QueueEnvironment. Expiry: an expired message is never delivered. It leaves, to the dead-letter exchange where there
// is one, when it is at the head: a message with a short expiration behind one without waits its turn, as in RabbitMQ.
// What leaves by itself (expired, or over the length) does so some thousand messages a turn, so that a limit which is
// set on millions does not hold up the shard. Settings obeyed: queue_limits.h. Source: AMQP 0-9-1 section 3.1.10 and
// RabbitMQ's documentation of consumers, prefetch and positions.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "broker/queueing/delay_store.h"
#include "broker/queueing/message_store.h"
#include "broker/queueing/queue_environment.h"
#include "broker/queueing/queue_limits.h"
#include "broker/routing/message.h"
#include "broker/routing/vhost.h"

namespace wherry::broker {

// One delivery of a message: what ack() and requeue() take. A later delivery of the same message is another.
struct DeliveryId {
  Position position = no_position;
  std::uint32_t count = 0;  // Deliveries before it that came back.

  friend bool operator==(const DeliveryId&, const DeliveryId&) = default;
};

struct Delivery {
  MessageRef message;
  Position position = no_position;
  bool redelivered = false;
  std::uint32_t delivery_count = 0;  // Deliveries before this one that came back.
  std::uint8_t lost_count = 0;       // Of these, how many of the last in a row were lost.

  DeliveryId id() const { return {position, delivery_count}; }
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
  bool times_out = true;       // Its deliveries are subject to x-consumer-timeout.
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

  std::uint64_t published = 0;           // Accepted ones, those that are held included.
  std::uint64_t duplicates = 0;          // Confirmed and dropped, for a message of their key is known.
  std::uint64_t held = 0;                // Of the published: to wait for their time first.
  std::uint64_t rejected_publishes = 0;  // By overflow policy.
  std::uint64_t delivered = 0;           // To consumers, settled by them.
  std::uint64_t delivered_no_ack = 0;
  std::uint64_t got = 0;  // By get(), settled later.
  std::uint64_t got_no_ack = 0;
  std::uint64_t get_empty = 0;
  std::uint64_t redelivered = 0;
  std::uint64_t acked = 0;
  std::uint64_t requeued = 0;
  std::uint64_t timed_out = 0;  // Came back because they were unsettled for too long.
  std::uint64_t discarded = 0;  // Rejected for good.
  std::uint64_t expired = 0;
  std::uint64_t dropped = 0;  // From the head, by length.
  std::uint64_t over_delivery_limit = 0;
  std::uint64_t purged = 0;
  std::uint64_t taken_out = 0;
  std::uint64_t lost = 0;           // Damaged on the disk.
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

  // What it obeys: at first what its arguments say, then what set_limits() says. The new limits count at once, for the
  // messages that are there as well: a shorter length lets the excess go, and a time to live counts from when a message
  // entered the queue. A new x-expires begins now. A timeout where there was none counts for deliveries from
  // now on. What was published before duplicates were looked for is nobody's first. max_priority, fair_key and
  // single_active_consumer stay what they were.
  const QueueLimits& limits() const;
  void set_limits(const QueueLimits& limits);

  // Takes back what the store kept for it: once, before anything else is asked of the queue. Returns how many.
  std::uint32_t recover();

  // --- messages in ---
  struct Accepted {
    bool accepted = true;  // False: rejected by overflow policy: a confirming publisher gets a nack.
    Lsn durable_at = 0;    // What a confirm waits for.
  };
  // One that has to wait for its time first (x-hold-eta) goes to the store's delays() and comes back by release().
  Accepted publish(MessageRef message);
  // A message that was held under that key is due. Whatever the queue's length, it is not refused: it was accepted.
  void release(MessageRef message, const ScheduleKey& from);
  // These were held, and somebody took them back: they may be published again.
  void taken_back(std::span<const HeldMessage> messages);

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

  // An operator's stop: it takes messages, lets them expire and go by hand, and gives consumers nothing until it is
  // resumed. Deliveries may begin inside the call. Nobody remembers it past the queue's life.
  void set_stopped(bool stopped);
  bool stopped() const;

  // --- messages out by hand ---
  // Fills delivery and returns true when there was a message. remaining: ready messages left. With no_ack it is
  // settled.
  bool get(bool no_ack, Delivery& delivery, std::uint32_t& remaining);

  // --- looking through it, and taking out of turn; not of a queue with x-fair-key (is_fair()) ---
  // Shows ready messages from position `from` to before `end`, in order of positions, `most` at most, and leaves them
  // where they are, in memory or on the disk. Returns the position behind the last one shown, or end.
  Position browse(Position from, Position end, std::size_t most,
                  const std::function<void(Position at, const MessageRef& message)>& show);
  // One past the last position that was given to a message.
  Position end() const;
  bool is_fair() const;
  // Those of them that are still ready are gone, as if they had been acknowledged; sorted. Returns how many.
  std::size_t take_out(std::span<const Position> positions);

  // --- settling: each delivery once; consumer is whom it was made to, or null after get() or when that consumer is
  // gone. One that has timed out is passed over, and its consumer has room again ---
  void ack(Consumer* consumer, std::span<const DeliveryId> deliveries);
  // Back to its place, redelivered set. lost: its consumer vanished, and did not give it back.
  void requeue(Consumer* consumer, std::span<const DeliveryId> deliveries, bool lost = false);
  // Rejected for good: to the dead-letter exchange where there is one, else gone.
  void discard(Consumer* consumer, std::span<const DeliveryId> deliveries);
  // A dead letter handed to the environment has been routed: the store may forget it here. Unknown ones (the queue was
  // purged of them, no_position) are fine.
  void dead_lettered(std::span<const Position> positions);
  // A stand-in (never one with no_ack: what it took is settled) had to give it back undelivered: to its place,
  // redelivered and count as they were; the consumer, if it is still there, is not asked again until resume().
  void give_back(Consumer& consumer, std::span<const DeliveryId> deliveries);

  // --- the whole ---
  std::uint32_t purge();  // Ready messages, and those that are held; how many.
  // Tells every consumer, drops everything.
  void delete_all();

  // The store can give back messages of a chunk: those that wait need not stay in memory.
  void on_kept(std::uint64_t chunk, ChunkBits which, bool spilled);
  // The store's on_renew_notes().
  bool renew_notes(Lsn up_to);
  // Memory is short: what waits behind the head and is in memory alone goes to the disk.
  void page_out();

  // Somebody declared the queue again: x-expires starts anew.
  void touch();
  // What wake_at() asked for; an early or needless call does no harm. Deliveries may be made inside the call. True: the
  // queue was unused for x-expires, and the caller deletes it (nothing is dead-lettered).
  bool on_time(std::uint64_t now_ms);

  std::uint32_t ready_count() const;
  std::uint32_t unacked_count() const;
  std::uint64_t held_count() const;  // As DelayStore::held() has it.
  std::uint32_t consumer_count() const;
  bool ever_consumed() const;  // Auto-delete waits for the first consumer.
  // basic.get is refused (405) where there is a single active consumer.
  bool single_active_consumer() const;

  // --- listing ---
  // Calls visit with the oldest ready messages, at most so many, and changes nothing of what becomes of them. Those
  // that are on the disk alone are read, and are in memory then.
  void browse(std::size_t limit, const std::function<void(const Message& message, bool redelivered)>& visit);
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
