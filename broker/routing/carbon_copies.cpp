#include "broker/routing/carbon_copies.h"

#include <fmt/format.h>

#include "base/bytes.h"
#include "broker/routing/arguments.h"
#include "protocol/amqp/properties.h"

namespace wherry::broker {

AmqpResult<std::vector<std::string>> carbon_copies(amqp::TableView headers) {
  std::vector<std::string> keys;
  // Most messages have neither, and are spared the decoding.
  if (headers.raw.find("CC") == std::string_view::npos) return keys;
  auto table = amqp::decode_table(headers);
  if (!table) return refuse(amqp::ReplyCode::syntax_error, table.error().message);
  for (const char* name : {"CC", "BCC"}) {
    const amqp::FieldValue* value = table->find(name);
    if (!value) continue;
    const auto* copies = value->get<amqp::FieldArray>();
    if (!copies) {
      return refuse(amqp::ReplyCode::precondition_failed,
                    fmt::format("invalid message: {{unacceptable_type_in_header,\"{}\",{}}}", name, type_name(*value)));
    }
    for (const amqp::FieldValue& key : *copies) {
      // A key that no routing key could be equal to reaches nothing.
      const auto* text = key.get<std::string>();
      if (text && text->size() <= 255) keys.push_back(*text);
    }
  }
  return keys;
}

std::vector<std::string> carbon_copies_of(std::string_view raw_properties) {
  auto properties = amqp::view_properties(raw_properties);
  if (!properties || !properties->headers) return {};
  return carbon_copies(*properties->headers).value_or(std::vector<std::string>{});
}

bool may_have_bcc(std::string_view raw_properties) {
  constexpr std::uint16_t headers_flag = 1u << 13;
  if (raw_properties.size() < 2 || !(load_big<std::uint16_t>(raw_properties.data()) & headers_flag)) return false;
  return raw_properties.find(
             "\x03"
             "BCC") != std::string_view::npos;
}

std::string without_bcc(std::string_view raw_properties) {
  auto properties = amqp::decode_properties(raw_properties);
  if (!properties || !properties->headers || !properties->headers->erase("BCC")) return std::string(raw_properties);
  return amqp::encode_properties(*properties);
}

}  // namespace wherry::broker
