// The 14 basic properties of a message: read in place (PropertiesView) and built (Properties).
//
// Source: AMQP 0-9-1 section 4.2.6.1 (content header: property flags from bit 15 down) and class basic's fields.
// Errors: decoding gives one Error with a sentence; a continuation bit (0) or a flag of no property is such an error.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "protocol/amqp/headers.h"
#include "protocol/amqp/table_view.h"

namespace wherry::amqp {

// Views into the bytes that were decoded. Absent properties are nullopt.
struct PropertiesView {
  std::uint16_t flags = 0;  // As on the wire: which of them are there.
  std::optional<std::string_view> content_type{};
  std::optional<std::string_view> content_encoding{};
  std::optional<TableView> headers{};
  std::optional<std::uint8_t> delivery_mode{};  // 1 transient, 2 persistent.
  std::optional<std::uint8_t> priority{};
  std::optional<std::string_view> correlation_id{};
  std::optional<std::string_view> reply_to{};
  std::optional<std::string_view> expiration{};  // Decimal milliseconds as text.
  std::optional<std::string_view> message_id{};
  std::optional<std::uint64_t> timestamp{};  // POSIX seconds.
  std::optional<std::string_view> type{};
  std::optional<std::string_view> user_id{};
  std::optional<std::string_view> app_id{};
  std::optional<std::string_view> cluster_id{};
};

struct Properties {
  std::optional<std::string> content_type{};
  std::optional<std::string> content_encoding{};
  std::optional<Headers> headers{};
  std::optional<std::uint8_t> delivery_mode{};
  std::optional<std::uint8_t> priority{};
  std::optional<std::string> correlation_id{};
  std::optional<std::string> reply_to{};
  std::optional<std::string> expiration{};
  std::optional<std::string> message_id{};
  std::optional<std::uint64_t> timestamp{};
  std::optional<std::string> type{};
  std::optional<std::string> user_id{};
  std::optional<std::string> app_id{};
  std::optional<std::string> cluster_id{};
  friend bool operator==(const Properties&, const Properties&) = default;
};

// raw: the property flags and the property list, as they follow the body size in a content header.
Result<PropertiesView> view_properties(std::string_view raw);  // Checks the headers table too.
// The same without the copy. into: a new one, or one that nobody else has changed since.
Result<void> view_properties_into(std::string_view raw, PropertiesView& into);
Result<Properties> decode_properties(std::string_view raw);
// What was viewed, kept: the same without looking at it again.
Properties keep_properties(const PropertiesView& view);
std::string encode_properties(const Properties& properties);

}  // namespace wherry::amqp
