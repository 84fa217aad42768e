// MessageStore: what a queue asks of the disk. One store serves all queues of a shard.
//
// A record becomes durable some time after it was handed over; the store says up to which Lsn that has happened. Lsns
// grow in the order of the calls. Lsn 0 means "nothing to wait for". Threads: the shard's. Errors: a store that cannot
// keep its promise stops the process rather than lie.
#pragma once

#include <cstdint>
#include <functional>

#include "broker/routing/message.h"

namespace wherry::broker {

using QueueId = std::uint64_t;
using Position = std::uint64_t;  // Of a message in its queue: grows by one with each message, never used twice.
using Lsn = std::uint64_t;
constexpr Position no_position = 0;  // The first message of a queue has position 1.

class MessageStore {
 public:
  virtual ~MessageStore() = default;

  // Keeps the message at that position of that queue. Called for persistent messages of durable queues only.
  virtual Lsn append(QueueId queue, Position at, const MessageRef& message) = 0;
  // The message is settled (acked, dropped, dead-lettered): it must not come back.
  virtual Lsn settle(QueueId queue, Position at) = 0;
  // A delivery came back (requeue, channel or consumer gone): the count survives a restart.
  virtual void attempted(QueueId queue, Position at, std::uint32_t delivery_count) = 0;
  // All messages below the position are settled, at once.
  virtual Lsn settle_below(QueueId queue, Position end) = 0;
  // The queue and whatever it kept are gone.
  virtual Lsn drop(QueueId queue) = 0;

  // A message that was paged out; null when it is not there any more.
  virtual MessageRef load(QueueId queue, Position at) = 0;
  // What a queue held when the broker stopped, in order.
  struct Recovered {
    Position at = 0;
    MessageRef message;
    std::uint32_t delivery_count = 0;
  };
  virtual void recover(QueueId queue, const std::function<void(const Recovered&)>& each) = 0;

  // Everything up to here survives a power cut.
  virtual Lsn durable() const = 0;
  // Called on the shard's thread whenever durable() has moved.
  virtual void on_durable(std::function<void(Lsn)> moved) = 0;
};

}  // namespace wherry::broker
