#include "broker/queueing/fair_key.h"

#include <algorithm>
#include <utility>

#include "protocol/amqp/properties.h"

namespace wherry::broker {

namespace {
constexpr std::size_t longest_key = 255;
}  // namespace

std::string fair_key(const Message& message, std::string_view header) {
  const auto properties = amqp::view_properties(message.properties());
  if (!properties || !properties->headers) return {};
  auto value = amqp::find_field(*properties->headers, header);
  if (!value) return {};
  if (auto* text = std::get_if<std::string>(&value->value)) {
    text->resize(std::min(text->size(), longest_key));
    return std::move(*text);
  }
  std::int64_t number = 0;
  return value->integer(number) ? std::to_string(number) : std::string();
}

}  // namespace wherry::broker
