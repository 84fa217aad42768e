#include "broker/queueing/queue_limits.h"

#include <charconv>

#include "base/bytes.h"
#include "protocol/amqp/properties.h"

namespace wherry::broker {

namespace {

std::optional<std::uint64_t> natural(const amqp::Table& arguments, std::string_view name) {
  std::int64_t value = 0;
  if (!arguments.integer(name, value) || value < 0) return {};
  return static_cast<std::uint64_t>(value);
}

}  // namespace

QueueLimits::QueueLimits(const QueueSpec& spec)
    : message_ttl_ms(natural(spec.arguments, "x-message-ttl")),
      expires_ms(natural(spec.arguments, "x-expires")),
      max_length(natural(spec.arguments, "x-max-length")),
      max_length_bytes(natural(spec.arguments, "x-max-length-bytes")),
      delivery_limit(natural(spec.arguments, "x-delivery-limit")),
      max_priority(static_cast<std::uint8_t>(natural(spec.arguments, "x-max-priority").value_or(0))),
      dead_letters(spec.arguments.string("x-dead-letter-exchange") != nullptr) {
  spec.arguments.boolean("x-single-active-consumer", single_active_consumer);
  if (const std::string* policy = spec.arguments.string("x-overflow")) {
    if (*policy == "reject-publish") overflow = Overflow::reject_publish;
    if (*policy == "reject-publish-dlx") overflow = Overflow::reject_publish_dlx;
  }
}

std::optional<std::uint64_t> expiration_of(const Message& message) {
  // Most messages have none, and say so in a bit of the property flags.
  constexpr std::uint16_t expiration_flag = 1u << 8;
  std::string_view raw = message.properties();
  if (raw.size() < 2 || !(load_big<std::uint16_t>(raw.data()) & expiration_flag)) return {};
  auto properties = amqp::view_properties(raw);
  if (!properties || !properties->expiration) return {};
  std::uint64_t ms = 0;
  std::string_view text = *properties->expiration;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ms);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  return ms;
}

}  // namespace wherry::broker
