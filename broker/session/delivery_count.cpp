#include "broker/session/delivery_count.h"

#include "protocol/amqp/properties.h"

namespace wherry::broker {

std::string with_counts(std::string_view raw_properties, const ToldCounts& counts) {
  auto properties = amqp::decode_properties(raw_properties);
  // They were checked when they came in.
  if (!properties) return std::string(raw_properties);
  if (!properties->headers) properties->headers.emplace();
  if (counts.returned) properties->headers->set("x-delivery-count", std::int64_t{*counts.returned});
  if (counts.lost) properties->headers->set("x-lost-count", std::int64_t{*counts.lost});
  return amqp::encode_properties(*properties);
}

}  // namespace wherry::broker
