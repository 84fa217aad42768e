// QueueLimits: what a queue's arguments ask of it, read once. The arguments were validated by Vhost::declare_queue.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "broker/routing/message.h"
#include "broker/routing/vhost.h"

namespace wherry::broker {

enum class Overflow : std::uint8_t { drop_head, reject_publish, reject_publish_dlx };

struct QueueLimits {
  explicit QueueLimits(const QueueSpec& spec);

  std::optional<std::uint64_t> message_ttl_ms;
  std::optional<std::uint64_t> expires_ms;
  std::optional<std::uint64_t> max_length;
  std::optional<std::uint64_t> max_length_bytes;
  std::optional<std::uint64_t> delivery_limit;
  Overflow overflow = Overflow::drop_head;
  std::uint8_t max_priority = 0;
  bool dead_letters = false;  // Has a dead-letter exchange.
  bool single_active_consumer = false;

  bool has_length() const { return max_length || max_length_bytes; }
  bool exceeded_by(std::uint64_t messages, std::uint64_t bytes) const {
    return (max_length && messages > *max_length) || (max_length_bytes && bytes > *max_length_bytes);
  }
};

// The message's own expiration in milliseconds; nothing when it has none that can be read.
std::optional<std::uint64_t> expiration_of(const Message& message);

}  // namespace wherry::broker
