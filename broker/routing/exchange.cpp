#include "broker/routing/exchange.h"

#include <algorithm>

#include "protocol/amqp/properties.h"

namespace wherry::broker {

const amqp::Table& RoutedBy::headers() {
  if (!headers_) {
    headers_.emplace();
    if (auto properties = amqp::view_properties(raw_properties_); properties && properties->headers) {
      if (auto table = amqp::decode_table(*properties->headers)) headers_ = std::move(*table);
    }
  }
  return *headers_;
}

std::string RoutedBy::property(std::string_view name) const {
  auto properties = amqp::view_properties(raw_properties_);
  if (!properties) return {};
  if (name == "correlation_id") return std::string(properties->correlation_id.value_or(""));
  if (name == "message_id") return std::string(properties->message_id.value_or(""));
  return properties->timestamp ? std::to_string(*properties->timestamp) : std::string();
}

void Reached::visit(const Exchange& exchange) {
  if (&exchange == &first_) return;
  if (std::find(exchanges_.begin(), exchanges_.end(), &exchange) == exchanges_.end()) exchanges_.push_back(&exchange);
}

bool is_exchange_type(std::string_view type) {
  return type == "direct" || type == "fanout" || type == "topic" || type == "headers" || type == "x-delayed-message" ||
         type == "x-consistent-hash" || type == "x-random";
}

std::unique_ptr<Exchange> make_exchange(ExchangeSpec spec) {
  std::string type = spec.type;
  if (type == "x-delayed-message") {
    const std::string* inner = spec.arguments.string("x-delayed-type");
    if (!inner) return nullptr;
    type = *inner;
  }
  if (type == "direct") return make_direct_exchange(std::move(spec));
  if (type == "fanout") return make_fanout_exchange(std::move(spec));
  if (type == "topic") return make_topic_exchange(std::move(spec));
  if (type == "headers") return make_headers_exchange(std::move(spec));
  if (type == "x-consistent-hash") return make_consistent_hash_exchange(std::move(spec));
  if (type == "x-random") return make_random_exchange(std::move(spec));
  return nullptr;
}

}  // namespace wherry::broker
