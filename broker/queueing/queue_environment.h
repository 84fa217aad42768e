// QueueEnvironment: what a queue needs from outside: the time, somebody to wake it, and a way out for dead letters.
//
// Implemented by the shard, and by a few lines in a test. None of these may call the queue back: what they cause
// (routing a dead letter, waking) happens later in the turn or in another one. Threads: the shard's. Time: POSIX
// milliseconds, the same clock that stamps Message::published_ms.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "broker/queueing/message_store.h"
#include "broker/routing/message.h"
#include "broker/routing/vhost.h"

namespace wherry::broker {

enum class DeadLetterReason : std::uint8_t { rejected, expired, maxlen, delivery_limit };

// "rejected", "expired", "maxlen", "delivery_limit".
std::string_view to_string(DeadLetterReason reason);

// Where a queue's dead letters go.
struct DeadLetterTarget {
  std::string exchange;
  std::optional<std::string> routing_key;  // Instead of the message's own.
};

// A message on its way out of a queue that has a dead-letter exchange.
struct DeadLetter {
  MessageRef message;
  QueueEntryRef source;
  // Where it was; pass it to Queue::dead_lettered() once the message has been routed, so that a crash in between finds
  // it in the old queue rather than nowhere. no_position when the queue never took it (overflow reject-publish-dlx).
  Position position = no_position;
  DeadLetterReason reason = DeadLetterReason::rejected;
  std::shared_ptr<const DeadLetterTarget> to;  // As the queue had it when the message died.
};

class QueueEnvironment {
 public:
  virtual std::uint64_t now() const = 0;
  // Keep it, route it when the queue's call is over (see dead_letter.h for the message to publish), then call
  // Queue::dead_lettered(), unless the queue is gone.
  virtual void dead_letter(DeadLetter letter) = 0;
  // Call Queue::on_time() at that time or soon after. Replaces what this queue asked for before.
  virtual void wake_at(std::uint64_t time_ms) = 0;
  // A message waits in MessageStore::delays() since now: its next_wake() may have moved.
  virtual void held() {}
  // Memory is short: queues page transient messages out as they come.
  virtual bool memory_short() const { return false; }
  // What a confirm means for queues that do not say it themselves (x-durability).
  virtual Durability durability() const { return Durability::sync; }
  // How long a delivery may be unsettled in queues that do not say it themselves (x-consumer-timeout); 0: for ever.
  virtual std::uint64_t consumer_timeout_ms() const { return 0; }
  // As many deliveries to a consumer were unsettled for too long and have come back. consumer_tag: empty for those by
  // get, or when the consumer has left.
  virtual void timed_out(std::string_view /*consumer_tag*/, std::size_t /*deliveries*/) {}

 protected:
  ~QueueEnvironment() = default;
};

}  // namespace wherry::broker
