// QueueLimits: every setting that a queue obeys, as plain values: what its arguments ask of it, or, where policies
// apply to it, what arguments and policies come to together (written as arguments: "x-max-length" and so on).
//
// Arguments were validated by Vhost::declare_queue, policies when they were set. What is not there has its default.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "broker/queueing/message_store.h"
#include "broker/queueing/queue_environment.h"
#include "broker/queueing/token_bucket.h"
#include "broker/routing/deduplication.h"
#include "broker/routing/message.h"
#include "broker/routing/vhost.h"

namespace wherry::broker {

enum class Overflow : std::uint8_t { drop_head, reject_publish, reject_publish_dlx };

struct QueueLimits {
  explicit QueueLimits(const amqp::Table& arguments);

  std::optional<std::uint64_t> message_ttl_ms;
  std::optional<std::uint64_t> expires_ms;
  std::optional<std::uint64_t> max_length;
  std::optional<std::uint64_t> max_length_bytes;
  std::optional<std::uint64_t> delivery_limit;
  Overflow overflow = Overflow::drop_head;
  std::optional<RateLimit> rate;
  std::optional<std::uint64_t> consumer_timeout_ms;  // 0: none, whatever the broker's is.
  std::optional<Durability> durability;
  std::shared_ptr<const DeadLetterTarget> dead_letters;  // Null: what dies is gone.
  std::optional<DeduplicationRule> deduplication;        // Nothing: none is looked for.
  bool hold_eta = false;  // Messages wait for the time in their header eta outside the queue.
  // The rest stays what the queue was declared with; no policy changes it.
  std::uint8_t max_priority = 0;
  std::string fair_key;  // The header whose values take turns; empty: none do.
  bool single_active_consumer = false;

  bool has_length() const { return max_length || max_length_bytes; }
  bool exceeded_by(std::uint64_t messages, std::uint64_t bytes) const {
    return (max_length && messages > *max_length) || (max_length_bytes && bytes > *max_length_bytes);
  }
};

// The message's own expiration in milliseconds; nothing when it has none that can be read.
std::optional<std::uint64_t> read_expiration(const Message& message);
// Most messages have none, and are spared the call.
inline std::optional<std::uint64_t> expiration_of(const Message& message) {
  if (!message.has_expiration()) return {};
  return read_expiration(message);
}

}  // namespace wherry::broker
