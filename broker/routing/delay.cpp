#include "broker/routing/delay.h"

#include <algorithm>
#include <charconv>

#include "protocol/amqp/properties.h"

namespace wherry::broker {

std::uint64_t delay_header(std::string_view raw_properties) {
  constexpr std::int64_t ten_years_ms = 315'360'000'000;
  auto properties = amqp::view_properties(raw_properties);
  if (!properties || !properties->headers) return 0;
  auto headers = amqp::decode_table(*properties->headers);
  const amqp::FieldValue* value = headers ? headers->find("x-delay") : nullptr;
  if (!value) return 0;

  std::int64_t delay_ms = 0;
  if (auto* text = value->get<std::string>()) {
    auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), delay_ms);
    if (error != std::errc{} || end != text->data() + text->size()) return 0;
  } else if (auto* real = value->get<double>()) {
    if (!(*real > 0)) return 0;
    delay_ms = static_cast<std::int64_t>(std::min(*real, static_cast<double>(ten_years_ms)));
  } else if (auto* single = value->get<float>()) {
    if (!(*single > 0)) return 0;
    delay_ms = static_cast<std::int64_t>(std::min(static_cast<double>(*single), static_cast<double>(ten_years_ms)));
  } else if (!value->integer(delay_ms)) {
    return 0;
  }
  return static_cast<std::uint64_t>(std::clamp<std::int64_t>(delay_ms, 0, ten_years_ms));
}

}  // namespace wherry::broker
