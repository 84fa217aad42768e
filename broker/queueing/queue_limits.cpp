#include "broker/queueing/queue_limits.h"

#include <charconv>
#include <cmath>

#include "broker/routing/arguments.h"
#include "protocol/amqp/properties.h"

namespace wherry::broker {

namespace {

std::optional<std::uint64_t> natural(const amqp::Table& arguments, std::string_view name) {
  std::int64_t value = 0;
  if (!arguments.integer(name, value) || value < 0) return {};
  return static_cast<std::uint64_t>(value);
}

std::optional<RateLimit> read_rate(const amqp::Table& arguments) {
  const amqp::FieldValue* value = arguments.find("x-rate-limit");
  const std::optional<double> per_second = value ? real_number(*value) : std::nullopt;
  if (!per_second) return {};
  RateLimit rate;
  rate.per_ms = static_cast<std::uint64_t>(std::llround(*per_second * 1e6));
  // By default as many as come in a second may be handed out at once.
  const auto whole = static_cast<std::uint64_t>(std::llround(std::ceil(*per_second)));
  rate.burst = natural(arguments, "x-rate-burst").value_or(whole);
  return rate;
}

}  // namespace

QueueLimits::QueueLimits(const amqp::Table& arguments)
    : message_ttl_ms(natural(arguments, "x-message-ttl")),
      expires_ms(natural(arguments, "x-expires")),
      max_length(natural(arguments, "x-max-length")),
      max_length_bytes(natural(arguments, "x-max-length-bytes")),
      delivery_limit(natural(arguments, "x-delivery-limit")),
      rate(read_rate(arguments)),
      consumer_timeout_ms(natural(arguments, "x-consumer-timeout")),
      max_priority(static_cast<std::uint8_t>(natural(arguments, "x-max-priority").value_or(0))) {
  arguments.boolean("x-single-active-consumer", single_active_consumer);
  if (const std::string* header = arguments.string("x-fair-key")) fair_key = *header;
  arguments.boolean("x-hold-eta", hold_eta);
  deduplication = deduplication_rule(arguments);
  if (const std::string* exchange = arguments.string("x-dead-letter-exchange")) {
    auto target = std::make_shared<DeadLetterTarget>(DeadLetterTarget{*exchange, {}});
    if (const std::string* key = arguments.string("x-dead-letter-routing-key")) target->routing_key = *key;
    dead_letters = std::move(target);
  }
  if (const std::string* asked = arguments.string("x-durability")) {
    durability = *asked == "none" ? Durability::none : *asked == "os" ? Durability::os : Durability::sync;
  }
  if (const std::string* policy = arguments.string("x-overflow")) {
    if (*policy == "reject-publish") overflow = Overflow::reject_publish;
    if (*policy == "reject-publish-dlx") overflow = Overflow::reject_publish_dlx;
  }
}

std::optional<std::uint64_t> read_expiration(const Message& message) {
  auto properties = amqp::view_properties(message.properties());
  if (!properties || !properties->expiration) return {};
  std::uint64_t ms = 0;
  std::string_view text = *properties->expiration;
  // A sign is fine: what is below zero was refused.
  if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ms);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  return ms;
}

}  // namespace wherry::broker
